// tapedeck_fuzz: the subcommands `fuzz` and `repro` of tapedeck.
#include "tools/command_line.h"

int main(int argc, char** argv) {
  using namespace tapedeck::tools;
  static constexpr AddCommand kCommands[] = {AddFuzzCommand, AddReproCommand};
  return RunCommandLine(argc, argv, kCommands);
}
