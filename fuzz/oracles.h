// Promises that hold after any input. Each is a function of its own that aborts, and prints one
// line that never changes:
//
//   ASSERTION FAILED: <oracle>:<rule>:<object>
//
// so that engines and reports tell one bug from another by line or by stack. Numbers follow on the
// next line.
#ifndef TAPEDECK_FUZZ_ORACLES_H_
#define TAPEDECK_FUZZ_ORACLES_H_

#include <cstdint>
#include <span>

#include "replay/lab/lab.h"
#include "replay/script/script.h"
#include "replay/trace/recorder.h"
#include "stack/base/trace_event.h"

namespace tapedeck::fuzz {

// Prints that line on stderr. The caller aborts, from a function of the oracle's own.
void ReportBroken(const char* oracle, const char* rule, const char* object);

// RES:accounted:frame. Each of the `sent` frames entered a NIC once, and was delivered or dropped
// for one reason. After Lab::Shutdown(), when nothing can be queued any more.
void CheckFramesAccounted(const Recorder& recorder, uint64_t sent);

// RES:empty:<object>. After Lab::Shutdown() nothing is held and nothing will happen.
void CheckNothingLeft(Lab& lab);

// What a run has done, and in how much virtual time.
struct RunWork {
  uint64_t steps = 0;  // of the main loop
  uint64_t frames_out = 0;
  Duration lasted;
};
// WORK:bounded:steps. The main loop took no more steps than can be accounted for: so many for each
// step of the script, each frame that was sent, each virtual second, and the run as such. Where
// hosts speak to `peers` that only a script moves, a step means less than where they speak to each
// other.
void CheckWorkBounded(const RunWork& work, const Script& script, bool peers);

// RES:rests:<object>. When applications have ended and nothing has come for two hours no `object`
// is held that was not there before; nullptr: none is.
void CheckRests(const char* object, Lab& lab);

// DRIVER:recovers:<object>. A device that was taken down and up again has come up.
void CheckDriverRecovers(bool recovered, const char* object);

// META:same:application. Two runs of one script on hosts whose difference no application may notice
// have shown applications the same: these events, without bytes; at the same times, too, where
// these are promised. The first pair that differs is told with its times.
void CheckSameForApplications(std::span<const TraceEvent> plain,
                              std::span<const TraceEvent> changed, bool same_times);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_ORACLES_H_
