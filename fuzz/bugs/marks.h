// What the code of a planted bug says of itself, and nobody else calls. A benchmark of fuzzers
// tells apart whether an input came to the mistake (reached), whether the mistake made a difference
// (triggered) and whether an oracle noticed (the run ended).
#ifndef TAPEDECK_FUZZ_BUGS_MARKS_H_
#define TAPEDECK_FUZZ_BUGS_MARKS_H_

namespace tapedeck::bugs {

// The code with the mistake runs.
void Reached();
// It runs, and where `condition` holds it does other than it should. No branch of the caller's:
// that would be one that coverage leads to.
void Triggered(bool condition);

}  // namespace tapedeck::bugs

#endif  // TAPEDECK_FUZZ_BUGS_MARKS_H_
