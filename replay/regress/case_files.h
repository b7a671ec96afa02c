// The cases of a regression suite: every capture, script and fuzz input below a folder.
#ifndef TAPEDECK_REPLAY_REGRESS_CASE_FILES_H_
#define TAPEDECK_REPLAY_REGRESS_CASE_FILES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tapedeck::regress {

struct CaseFile {
  enum class Kind : uint8_t { kCapture, kScript, kInput, kPlan };
  Kind kind = Kind::kCapture;
  std::string path;    // as the caller reaches it
  std::string name;    // below the folder that was named
  std::string golden;  // where its golden is, or would be
};

// A case for each file of `arguments` and, of folders, for each file below that is one, sorted by
// path:
//   captures  *.pcap, *.pcapng, *.cap, each also with .gz or .zst
//   scripts   *.pkt
//   plans     *.plan, of stand-in replay
//   inputs    names that fuzzers give (40 hexadecimal digits, crash-*, leak-*, oom-*, timeout-*,
//             id:*), and names without a dot below a folder `fuzz` or `regress`; none below the
//             folder there of a target whose inputs are no scripts (fuzz/capture)
// Its golden is PATH.golden where that exists, else NAME.golden in the nearest folder `goldens`
// beside or above it, else PATH.golden; with `goldens_folder` always in that one.
// NotFound names an argument that does not exist, is no case, or holds none.
absl::StatusOr<std::vector<CaseFile>> FindCases(const std::vector<std::string>& arguments,
                                                const std::string& goldens_folder);

// Whether the case belongs to part `index` (from 1) of `count`. It depends on its name alone, so
// new cases move no others.
bool InShard(const CaseFile& one, unsigned index, unsigned count);

}  // namespace tapedeck::regress

#endif  // TAPEDECK_REPLAY_REGRESS_CASE_FILES_H_
