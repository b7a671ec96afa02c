// The tapedeck command: which subcommands there are.
#include "tools/command_line.h"

int main(int argc, char** argv) {
  using namespace tapedeck::tools;
  static constexpr AddCommand kCommands[] = {
      AddReplayCommand, AddRunCommand,   AddLabCommand,     AddLiveCommand,  AddRegressCommand,
      AddStraceCommand, AddStatCommand,  AddSsCommand,      AddTraceCommand, AddConvertCommand,
      AddMergeCommand,  AddDebugCommand, AddDivergeCommand, AddRrCommand,
  };
  static constexpr CommandElsewhere kElsewhere[] = {
      {"fuzz", kFuzzAbout, "tapedeck_fuzz"},
      {"repro", kReproAbout, "tapedeck_fuzz"},
  };
  return RunCommandLine(argc, argv, kCommands, kElsewhere);
}
