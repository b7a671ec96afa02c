#include "tools/command_line.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include "stack/kernel/arena.h"

namespace tapedeck::tools {

namespace {

bool HasSubcommand(const CLI::App& app, const std::string& name) {
  const std::vector<const CLI::App*> all =
      app.get_subcommands([](const CLI::App*) { return true; });
  return std::any_of(all.begin(), all.end(),
                     [&](const CLI::App* subcommand) { return subcommand->get_name() == name; });
}

// What the system does not give is no bug of ours: a sentence and exit code 2.
void EndWithoutMemory() {
  std::fputs("tapedeck: out of memory; a larger limit (ulimit -v, ulimit -d) would help\n", stderr);
  std::_Exit(kExitUsage);
}

// Commands without a Lab, which do with what they read.
bool NeedsNoLab(const std::string& command) {
  return command == "convert" || command == "merge" || command == "rr";
}

// Whether the address space for a Lab can be had.
bool HasRoomForLab() {
  const Arena::Options options;
  const size_t bytes = options.hot_reserve_bytes + options.pool_reserve_bytes;
  void* const region = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region != MAP_FAILED) return munmap(region, bytes) == 0;
  std::fprintf(stderr,
               "tapedeck: %zu MiB of address space are wanted for the Lab and not allowed here "
               "(ulimit -v, ulimit -d)\n",
               bytes >> 20);
  return false;
}

// Whether all that was printed could be written: a disk may be full, or a reader gone.
bool IsOutputWhole() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
  std::fprintf(stderr, "tapedeck: standard output: %s\n", std::strerror(errno));
  return false;
}

// Becomes the program that has `command`; returns only where it cannot.
int HandOver(const CommandElsewhere& command, char** argv) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string program = (self.parent_path() / command.program).string();
  execv(program.c_str(), argv);
  std::fprintf(stderr,
               "tapedeck: `tapedeck %s` is a program of its own, %s: %s (tools/tapedeck builds it "
               "when it is called)\n",
               command.name, program.c_str(), std::strerror(errno));
  return kExitUsage;
}

}  // namespace

int RunCommandLine(int argc, char** argv, std::span<const AddCommand> adders,
                   std::span<const CommandElsewhere> elsewhere) {
  for (const CommandElsewhere& command : elsewhere) {
    if (argc > 1 && std::strcmp(argv[1], command.name) == 0) return HandOver(command, argv);
  }
  // A file that grows beyond what is allowed is an error of write(2), not the end of the program.
  std::signal(SIGXFSZ, SIG_IGN);
  std::set_new_handler(EndWithoutMemory);
  CLI::App app{
      "Tapedeck runs a whole Linux-shaped TCP/IP stack, from NIC registers up to system calls, as "
      "one\n"
      "deterministic program in virtual time, and plays captures through it.\n"};
  app.name("tapedeck");
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 the run held, 1 it did not, 2 wrong flags or input.\n"
      "`tapedeck SUBCOMMAND --help` tells more of each.");
  struct Command {
    CLI::App* app = nullptr;
    Run run;
  };
  std::vector<Command> commands;
  for (const AddCommand add : adders) {
    Command command;
    command.run = add(app, &command.app);
    commands.push_back(command);
  }
  for (const CommandElsewhere& command : elsewhere) app.add_subcommand(command.name, command.what);
  if (argc > 1 && argv[1][0] != '-' && !HasSubcommand(app, argv[1])) {
    std::fprintf(stderr,
                 "tapedeck: no subcommand is called `%s`; `tapedeck --help` tells what there is\n",
                 argv[1]);
    return kExitUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::string command = "tapedeck";
    for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
      at = at->get_subcommands().front();
      command += " " + at->get_name();
    }
    std::fprintf(stderr, "tapedeck: %s\ntapedeck: `%s --help` tells what there is\n", error.what(),
                 command.c_str());
    return kExitUsage;
  }
  for (const Command& command : commands) {
    if (!command.app->parsed()) continue;
    if (!NeedsNoLab(command.app->get_name()) && !HasRoomForLab()) return kExitUsage;
    const int exit_code = command.run();
    return IsOutputWhole() ? exit_code : kExitUsage;
  }
  return kExitUsage;
}

}  // namespace tapedeck::tools
