// Runs scripts from files: reads one, makes the Lab that it wants, plays it, and says what came of
// it.
#ifndef TAPEDECK_REPLAY_LAB_SCRIPT_RUN_H_
#define TAPEDECK_REPLAY_LAB_SCRIPT_RUN_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/lab/play_settings.h"
#include "replay/script/options.h"
#include "replay/script/script.h"
#include "replay/trace/recorder.h"
#include "stack/base/time.h"
#include "stack/host.h"
#include "stack/kernel/arena.h"

namespace tapedeck {

struct ScriptRunOptions {
  ScriptOptions script;  // taken over what a script says
  TolerancePolicy tolerance = TolerancePolicy::kExact;
  uint64_t seed = 0x5eed0001;
  // Everything that the script has made must be gone after its end.
  bool check_leftovers = true;
  // Wanted by those who look at the trace, before the script begins.
  std::function<absl::Status(Recorder& recorder, SimTime start)> observe;
  // Each host, before the script begins; and as it is when the script is over, before it goes down.
  std::function<void(Host& host)> host_made;
  std::function<void(Host& host)> ended;
};

struct ScriptRunResult {
  enum class Outcome : uint8_t { kPassed, kFailed, kSkipped };
  Outcome outcome = Outcome::kPassed;
  // Of a script that failed or was skipped: what was expected and what was found, beginning with
  // its file and line; may span lines.
  std::string message;
  std::string output;  // of print(), and warnings
  uint64_t steps = 0;
  std::string digest;  // of a run that was observed
};

// The script of the file `path`. NotFound where it cannot be read, InvalidArgument where it is no
// script; both begin with its name (and line).
absl::StatusOr<Script> ReadScript(const std::string& path, const ScriptOptions& options);

// Plays the script of the file `path`. `arena` is reset and used. An error that is the caller's
// (the file cannot be read, `observe` failed) is a Status; what is wrong inside the script is a
// result.
absl::StatusOr<ScriptRunResult> RunScriptFile(const std::string& path,
                                              const ScriptRunOptions& options, Arena* arena);

// The files to run for the arguments of a command line: files as they are, of folders all *.pkt
// below, sorted. NotFound names an argument that does not exist or a folder without scripts.
absl::StatusOr<std::vector<std::string>> FindScripts(const std::vector<std::string>& arguments);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_SCRIPT_RUN_H_
