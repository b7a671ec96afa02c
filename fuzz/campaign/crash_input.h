// What a user names on a command line: an input of a target, in any of the forms it comes in.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_CRASH_INPUT_H_
#define TAPEDECK_FUZZ_CAMPAIGN_CRASH_INPUT_H_

#include <string>

#include "absl/status/statusor.h"
#include "fuzz/campaign/pieces.h"
#include "fuzz/campaign/workspace.h"

namespace tapedeck::fuzz {

struct CrashInput {
  std::string path;  // as the user named it
  std::string target;
  Bytes bytes;

  InputKind kind() const { return Workspace::KindOf(target, bytes); }
};

// `path` is an input, a script as text (*.pkt: the input that spells it), or the folder of a crash
// archive. `target` empty: that which the archive, a folder of the path (corpus/regress/TARGET/...)
// or the name (TARGET-crash-...) says.
absl::StatusOr<CrashInput> LoadCrashInput(const Workspace& workspace, const std::string& path,
                                          const std::string& target);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_CRASH_INPUT_H_
