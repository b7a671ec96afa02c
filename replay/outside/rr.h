// Mozilla's rr as an optional second way to go back in time: recording the program itself, so that
// a debugger can run it backwards. Our own checkpoints need none of it; so where rr cannot work,
// which is so on most virtual machines, that is said with its reason, and what to do instead.
//
// rr's exit status says little: 1 is "rr cannot" and "the program returned 1" alike. Whether a
// recording is good, its directory tells: a good one has a file `version`, one that was cut short a
// file `incomplete`.
#ifndef TAPEDECK_REPLAY_OUTSIDE_RR_H_
#define TAPEDECK_REPLAY_OUTSIDE_RR_H_

#include <cstdint>
#include <string>
#include <vector>

namespace tapedeck {

enum class RrVerdict : uint8_t {
  kAvailable,
  kNotInstalled,
  kTooOldForProcessor,
  kPerfForbidden,     // perf_event_paranoid above 1, and no capability
  kNoCounters,        // perf_event_open: ENOENT
  kCountersReadZero,  // VMware and some clouds
  kPtraceForbidden,   // Yama, seccomp
  kZenLockMap,        // AMD Zen without the setting that rr needs
  kSelfTestFailed,    // a recording was made that does not replay, or none for another reason
};

struct RrProbe {
  RrVerdict verdict = RrVerdict::kAvailable;
  std::string detail;  // what was seen: "perf_event_open: ENOENT"
  bool available() const { return verdict == RrVerdict::kAvailable; }
  // "rr: unavailable (no hardware counters: perf_event_open: ENOENT)", one line.
  std::string ToString() const;
};
// What a verdict means: "no hardware counters".
const char* RrVerdictText(RrVerdict verdict);

// What an attempt to record says for itself: exit status, what rr wrote on standard error, and
// whether the trace directory has `version` and no `incomplete`.
struct RrAttempt {
  int exit_code = 0;
  std::string err;
  bool has_version = false;
  bool has_incomplete = false;
};
RrProbe JudgeRrAttempt(const RrAttempt& attempt);

// Finds out whether rr works here: looks for it, records `self_test` (a command that prints a line
// and ends at once) in a directory of its own, and replays that; both must print the same. Takes
// less than two seconds where it does not work. `rr`: the program, "rr" where it is in PATH.
RrProbe ProbeRr(const std::string& rr, const std::vector<std::string>& self_test);

// --- Commands that are right. ---

// Records `program` into `directory`, which must not exist. Without a syscall buffer, whose preload
// library clashes with AddressSanitizer's; without leak detection, which uses ptrace itself;
// without AVX-512, so that the trace replays on machines that have none.
std::vector<std::string> RrRecordCommand(const std::string& rr, const std::string& directory,
                                         const std::vector<std::string>& program);
// Replays to the end, every line of output behind rr's own event number (-M).
std::vector<std::string> RrPlayCommand(const std::string& rr, const std::string& directory);
// Replays in gdb. A script of gdb commands runs behind a first `continue`: at the start rr has not
// attached yet and every command would fail.
std::vector<std::string> RrDebugCommand(const std::string& rr, const std::string& directory,
                                        const std::string& gdb_script);
// Makes the recording fit to be moved to another machine.
std::vector<std::string> RrPackCommand(const std::string& rr, const std::string& directory);

// What a recording's directory tells of it.
RrAttempt LookAtRecording(const std::string& directory);

// A line of `rr -M replay`: "[rr 1234 567] text". Whether it is one, and its parts.
struct RrMarkedLine {
  uint64_t rr_event = 0;
  std::string text;
};
bool ParseRrMarkedLine(const std::string& line, RrMarkedLine* marked);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_OUTSIDE_RR_H_
