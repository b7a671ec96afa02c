// The subcommands of `tapedeck`: each file declares its flags on the command line's parser and
// hands back what to run.
#ifndef TAPEDECK_TOOLS_COMMANDS_H_
#define TAPEDECK_TOOLS_COMMANDS_H_

#include <CLI/CLI.hpp>
#include <functional>

namespace tapedeck::tools {

// Exit codes of every subcommand.
inline constexpr int kExitHeld = 0;           // the verdict is yes
inline constexpr int kExitFailed = 1;         // the verdict is no
inline constexpr int kExitUsage = 2;          // flags or input are wrong
inline constexpr int kExitInterrupted = 130;  // as shells have it: 128 and SIGINT

// A run that was interrupted held as far as it went, or did not hold.
constexpr int ExitCodeOf(bool held, bool interrupted) {
  if (!held) return kExitFailed;
  return interrupted ? kExitInterrupted : kExitHeld;
}

// Runs a subcommand whose flags have been parsed, and returns its exit code.
using Run = std::function<int()>;

// tapedeck replay FILE...
Run AddReplayCommand(CLI::App& app, CLI::App** subcommand);

// tapedeck run SCRIPT...
Run AddRunCommand(CLI::App& app, CLI::App** subcommand);

// tapedeck regress [DIR...]
Run AddRegressCommand(CLI::App& app, CLI::App** subcommand);

// tapedeck lab FILE...
Run AddLabCommand(CLI::App& app, CLI::App** subcommand);

// tapedeck live --tap NAME
Run AddLiveCommand(CLI::App& app, CLI::App** subcommand);

// tapedeck convert IN OUT, tapedeck merge OUT IN...
Run AddConvertCommand(CLI::App& app, CLI::App** subcommand);
Run AddMergeCommand(CLI::App& app, CLI::App** subcommand);

// tapedeck strace|stat|ss FILE...
Run AddStraceCommand(CLI::App& app, CLI::App** subcommand);
Run AddStatCommand(CLI::App& app, CLI::App** subcommand);
Run AddSsCommand(CLI::App& app, CLI::App** subcommand);

// tapedeck trace FILE
Run AddTraceCommand(CLI::App& app, CLI::App** subcommand);

// tapedeck debug|diverge|rr
Run AddDebugCommand(CLI::App& app, CLI::App** subcommand);
Run AddDivergeCommand(CLI::App& app, CLI::App** subcommand);
Run AddRrCommand(CLI::App& app, CLI::App** subcommand);

// tapedeck fuzz SUBCOMMAND, tapedeck repro INPUT; what they do is a line of help of two programs.
inline constexpr char kFuzzAbout[] = "Search for inputs that break a promise";
inline constexpr char kReproAbout[] = "Run what a fuzzer has found again, exactly";
Run AddFuzzCommand(CLI::App& app, CLI::App** subcommand);
Run AddReproCommand(CLI::App& app, CLI::App** subcommand);

}  // namespace tapedeck::tools

#endif  // TAPEDECK_TOOLS_COMMANDS_H_
