// The differences that are known: one file, each line of which masks one signature and says why.
//
//   KIND <tab> SIGNATURE <tab> KERNEL <tab> REASON
//
// KIND and SIGNATURE may have "*" in them for anything; KERNEL is how the release begins of kernels
// to which the line applies ("6.18"; "*" for all). Empty lines, and those that begin with "#", are
// left out.
//
// SIGNATURE may be "CONSEQUENCE if CAUSE": it then masks CONSEQUENCE in those cases alone in which
// something else differs as CAUSE says.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_KNOWN_DIFFERENCES_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_KNOWN_DIFFERENCES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tapedeck::differential {

class KnownDifferences {
 public:
  KnownDifferences() = default;
  // `release`: the kernel's, as uname(2) has it. InvalidArgument names file and line.
  static absl::StatusOr<KnownDifferences> Read(const std::string& path, absl::string_view release);

  // Whether a line explains `signature` in a case of `kind` in which `all` signatures differ.
  bool Explains(absl::string_view kind, absl::string_view signature,
                const std::vector<std::string>& all) const;

 private:
  struct Line {
    std::string kind;
    std::string signature;
    std::string cause;  // empty: none is needed
  };
  std::vector<Line> lines_;
};

// Whether `text` is `pattern`, in which "*" stands for anything.
bool Matches(absl::string_view pattern, absl::string_view text);

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_KNOWN_DIFFERENCES_H_
