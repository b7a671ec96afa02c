// The other side of judge_protocol.h: what `REPLAYER --judge` does.
#ifndef TAPEDECK_FUZZ_JUDGE_SERVER_H_
#define TAPEDECK_FUZZ_JUDGE_SERVER_H_

namespace tapedeck::fuzz {

// Judges inputs until standard input ends. Returns the exit code: 0, or 2 where what comes in is
// not the protocol.
int ServeJudge();

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_JUDGE_SERVER_H_
