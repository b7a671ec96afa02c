// How a replayer looks into the run of an input: a trace as text, a capture, an end before the end.
#ifndef TAPEDECK_FUZZ_OBSERVE_H_
#define TAPEDECK_FUZZ_OBSERVE_H_

#include <cstdint>
#include <cstdio>

namespace tapedeck::fuzz {

struct Observation {
  // Gets every event as a line of text, numbered from the input's first; nullptr: not wanted.
  std::FILE* trace = nullptr;
  // Gets both directions as pcapng; nullptr: not wanted. It is whole when event `last_event` has
  // happened, at which the process ends with exit code 0: what follows may abort.
  const char* capture = nullptr;
  uint64_t last_event = 0;
};

// Exit code of a replayer that has shown a run that was cut short (RunResult).
inline constexpr int kCutShortExit = 3;

// The inputs that this process runs from now on are looked at. Before the first input. Weak:
// targets that run no Lab do not have it.
[[gnu::weak]] void ObserveRuns(const Observation& observation);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_OBSERVE_H_
