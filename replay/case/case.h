// What a user names on a command line: a capture, a script, a fuzzer's input. Each can be played,
// again and again, as a Playback; CaseRun (case_run.h) stops one wherever wanted.
//
// A new kind is a class of its own and a line in OpenCase.
#ifndef TAPEDECK_REPLAY_CASE_CASE_H_
#define TAPEDECK_REPLAY_CASE_CASE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/lab/play_settings.h"
#include "replay/lab/playback.h"
#include "replay/lab/raw_replay.h"
#include "replay/script/options.h"
#include "stack/kernel/arena.h"

namespace tapedeck {

enum class CaseKind : uint8_t {
  kByName,     // as the file's name and first bytes tell
  kCapture,    // pcap, pcapng
  kScript,     // packetdrill's language
  kBytes,      // a script in bytes: what fuzzers make
  kRecording,  // of `tapedeck live`; what it says of its making is taken from it
  kStandIn,    // a plan, or a capture of which one is inferred
};
// "capture", "script", "bytes", "recording", "stand-in"; InvalidArgument for other words.
absl::StatusOr<CaseKind> ParseCaseKind(const std::string& name);
const char* CaseKindName(CaseKind kind);

// How cases are played; what a kind does not know it leaves alone.
struct CaseOptions {
  CaseKind kind = CaseKind::kByName;
  uint64_t seed = 0x5eed0001;
  // Captures. The seed and the observer of its Lab are those of this run.
  RawReplayOptions capture;
  // Scripts: taken over what they say themselves.
  ScriptOptions script;
  TolerancePolicy tolerance = TolerancePolicy::kExact;
  CostTable script_costs = FreeCostTable();
  // After its end nothing of a script may be left.
  bool check_leftovers = true;
};

class Case {
 public:
  virtual ~Case() = default;
  Case() = default;
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;

  virtual const std::string& name() const = 0;  // as the user named it
  virtual CaseKind kind() const = 0;            // never kByName
  // A new run, of which nothing has been played yet. `arena` is reset and used; it must outlive the
  // run, as the Case must. FailedPrecondition: the case is to be skipped, and why.
  virtual absl::StatusOr<std::unique_ptr<Playback>> Play(const PlayHooks& hooks,
                                                         Arena* arena) const = 0;
};

// The case `path`: a file, or "-" for a capture on standard input. By its name it is a script where
// that ends in .pkt, a plan where in .plan, and a script in bytes where it has no extension, as
// fuzzers name their inputs, and does not begin like a capture. An error names the file, and is
// said now where the file cannot be read at all; a capture is read by Play.
absl::StatusOr<std::unique_ptr<Case>> OpenCase(const std::string& path, const CaseOptions& options);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_CASE_CASE_H_
