// Runs cases for those who want to look at the host itself: `stat`, `ss`, `strace`.
#ifndef TAPEDECK_TOOLS_INSPECT_H_
#define TAPEDECK_TOOLS_INSPECT_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "replay/case/case.h"
#include "replay/trace/recorder.h"
#include "stack/host.h"
#include "tools/case_flags.h"

namespace tapedeck::tools {

struct InspectFlags {
  std::vector<std::string> files;
  CaseFlags what;
  uint64_t event = 0;  // to look behind; 0: at the end
};
// Adds the arguments that all of these commands have.
void AddInspectFlags(CLI::App* sub, InspectFlags* flags);

struct Inspection {
  // What the command wants beside the flags; may be empty.
  std::function<absl::Status(CaseOptions* options)> set_options;
  // A case is about to be played: whoever sees its events, but for those of its Lab's building.
  std::function<TraceObserver*()> begun;
  // The host before anything has happened on it, and when the run is over; each may be empty.
  std::function<void(Host& host)> host_made;
  std::function<void(Host& host)> ended;
  // Behind the last host's `ended`.
  std::function<void()> over;
};
// Plays the cases that the flags name (replay/case), each under a heading where there are several.
// What is wrong with one is said on stderr after `command`. The exit code.
int InspectFiles(const std::string& command, const InspectFlags& flags,
                 const Inspection& inspection);

}  // namespace tapedeck::tools

#endif  // TAPEDECK_TOOLS_INSPECT_H_
