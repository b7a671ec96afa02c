// The subcommands of `tapedeck fuzz`, by file, and what they share.
#ifndef TAPEDECK_TOOLS_FUZZ_COMMANDS_H_
#define TAPEDECK_TOOLS_FUZZ_COMMANDS_H_

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fuzz/campaign/crash_input.h"
#include "fuzz/campaign/judge.h"
#include "fuzz/campaign/workspace.h"
#include "tools/commands.h"

namespace tapedeck::tools {

// One of `tapedeck fuzz`: declared on `fuzz`, and what to run if it is the one.
struct FuzzSubcommand {
  CLI::App* app = nullptr;
  Run run;
};

// Each file of sub-commands adds its own.
void AddFuzzInputCommands(CLI::App& fuzz, std::vector<FuzzSubcommand>* commands);
void AddFuzzCorpusCommands(CLI::App& fuzz, std::vector<FuzzSubcommand>* commands);
void AddFuzzReportCommands(CLI::App& fuzz, std::vector<FuzzSubcommand>* commands);
void AddFuzzBugsCommands(CLI::App& fuzz, std::vector<FuzzSubcommand>* commands);
void AddFuzzCampaignCommands(CLI::App& fuzz, std::vector<FuzzSubcommand>* commands);

// "tapedeck fuzz: message" on standard error; the exit code for it.
int FuzzUsage(const absl::Status& status);

// What every command over inputs takes.
struct FuzzInputFlags {
  std::string path;
  std::string target;
  std::string build;     // a preset; empty: what is there
  std::string replayer;  // a program; empty: that of `build`
  std::string root;
};
void AddFuzzInputFlags(CLI::App* sub, FuzzInputFlags* flags);

// What they name, found.
struct FuzzInput {
  fuzz::Workspace workspace;
  fuzz::CrashInput input;
  std::string replayer;

  absl::StatusOr<std::unique_ptr<fuzz::ReplayerJudge>> StartJudge() const {
    return fuzz::ReplayerJudge::Start(replayer);
  }
};
absl::StatusOr<FuzzInput> OpenFuzzInput(const FuzzInputFlags& flags);

// Prints the last `lines` of `all`, and how many come before.
void PrintLastLines(const std::vector<std::string>& all, size_t lines);

}  // namespace tapedeck::tools

#endif  // TAPEDECK_TOOLS_FUZZ_COMMANDS_H_
