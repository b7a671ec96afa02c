// The flags by which commands say what a case is and how it is played (replay/case).
#ifndef TAPEDECK_TOOLS_CASE_FLAGS_H_
#define TAPEDECK_TOOLS_CASE_FLAGS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/case/case.h"

namespace tapedeck::tools {

struct CaseFlags {
  std::string file;  // where a command takes one
  std::string kind;
  std::string host;
  std::string mode;
  std::string seed;
  uint64_t frames_max = UINT64_MAX;
  bool tolerance = false;
};
// All but the file.
void AddCaseFlags(CLI::App* sub, CaseFlags* flags);
// InvalidArgument names the flag.
absl::StatusOr<CaseOptions> MakeCaseOptions(const CaseFlags& flags);
// The case that `flags.file` names, to be played in any order (CaseOptions::capture.rewindable).
absl::StatusOr<std::unique_ptr<Case>> OpenCaseOf(const CaseFlags& flags);

// The flags as they would be given to another `tapedeck`; without the file.
std::vector<std::string> CaseArguments(const CaseFlags& flags);

}  // namespace tapedeck::tools

#endif  // TAPEDECK_TOOLS_CASE_FLAGS_H_
