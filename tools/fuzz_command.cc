// tapedeck fuzz: its subcommands, and what they share.
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tools/commands.h"
#include "tools/fuzz_commands.h"

namespace tapedeck::tools {

int FuzzUsage(const absl::Status& status) {
  std::fprintf(stderr, "tapedeck fuzz: %s\n", std::string(status.message()).c_str());
  return kExitUsage;
}

void AddFuzzInputFlags(CLI::App* sub, FuzzInputFlags* flags) {
  sub->add_option("input", flags->path, "An input, a script (*.pkt), or the folder of an archive")
      ->required()
      ->type_name("INPUT");
  sub->add_option("--target", flags->target, "Whose input it is [as its archive or path says]")
      ->type_name("TARGET");
  sub->add_option("--build", flags->build,
                  "The preset whose replayer runs it [what is there, else release]")
      ->type_name("PRESET");
  sub->add_option("--replayer", flags->replayer,
                  "The program that runs it, of a planted bug for example (tools/bugs build)")
      ->type_name("FILE");
  sub->add_option("--root", flags->root, "Where the sources are [above this folder]")
      ->type_name("DIR");
}

absl::StatusOr<FuzzInput> OpenFuzzInput(const FuzzInputFlags& flags) {
  absl::StatusOr<fuzz::Workspace> workspace = fuzz::Workspace::Find(flags.root);
  if (!workspace.ok()) return workspace.status();
  absl::StatusOr<fuzz::CrashInput> input =
      fuzz::LoadCrashInput(*workspace, flags.path, flags.target);
  if (!input.ok()) return input.status();
  absl::StatusOr<std::string> replayer = flags.replayer;
  if (flags.replayer.empty()) replayer = workspace->Replayer(input->target, flags.build);
  if (!replayer.ok()) return replayer.status();
  return FuzzInput{*std::move(workspace), *std::move(input), *std::move(replayer)};
}

void PrintLastLines(const std::vector<std::string>& all, size_t lines) {
  const size_t first = all.size() > lines ? all.size() - lines : 0;
  if (first > 0) std::printf("  ... %zu events before\n", first);
  for (size_t i = first; i < all.size(); ++i) std::printf("%s\n", all[i].c_str());
}

Run AddFuzzCommand(CLI::App& app, CLI::App** subcommand) {
  CLI::App* const sub = app.add_subcommand("fuzz", kFuzzAbout);
  *subcommand = sub;
  sub->require_subcommand(1);
  sub->footer(
      "A target (fuzz/targets.txt) runs one input, any bytes, from the same state each time, and "
      "aborts where a promise is\n"
      "broken. Two engines look for such inputs; both are built by the presets when they are first "
      "needed.\n"
      "\n"
      "From a campaign to a test:\n"
      "  tapedeck fuzz run stack --engine both --jobs 2 --time 10m --out found\n"
      "  tapedeck fuzz dedupe found/crashes --target stack --out bugs\n"
      "  tapedeck fuzz min bugs/RES-empty-sk/input -o small\n"
      "  tapedeck fuzz explain small --target stack\n"
      "  tapedeck repro small --target stack --archive crash\n"
      "\n"
      "Exit codes: 0 nothing broke, 1 a promise did, 2 wrong flags, input or builds.\n"
      "`tapedeck fuzz SUBCOMMAND --help` tells more of each.");
  auto commands = std::make_shared<std::vector<FuzzSubcommand>>();
  AddFuzzCampaignCommands(*sub, commands.get());
  AddFuzzInputCommands(*sub, commands.get());
  AddFuzzCorpusCommands(*sub, commands.get());
  AddFuzzReportCommands(*sub, commands.get());
  AddFuzzBugsCommands(*sub, commands.get());
  return [commands] {
    for (const FuzzSubcommand& command : *commands) {
      if (command.app->parsed()) return command.run();
    }
    return kExitUsage;
  };
}

}  // namespace tapedeck::tools
