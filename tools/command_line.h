// What every program of subcommands does around them: `tapedeck` and those that it hands over to.
#ifndef TAPEDECK_TOOLS_COMMAND_LINE_H_
#define TAPEDECK_TOOLS_COMMAND_LINE_H_

#include <span>

#include "tools/commands.h"

namespace tapedeck::tools {

using AddCommand = Run (*)(CLI::App& app, CLI::App** subcommand);

// A subcommand that another program has, beside this one: most who replay a capture never call it,
// and building the programs takes minutes.
struct CommandElsewhere {
  const char* name;
  const char* what;  // a line of --help
  const char* program;
};

// Parses the command line, runs what it names and returns the exit code of the process: that of the
// subcommand, or kExitUsage where flags are wrong, what was printed could not be written, or the
// system lacks what it needs. A subcommand that is elsewhere does not return.
int RunCommandLine(int argc, char** argv, std::span<const AddCommand> commands,
                   std::span<const CommandElsewhere> elsewhere = {});

}  // namespace tapedeck::tools

#endif  // TAPEDECK_TOOLS_COMMAND_LINE_H_
