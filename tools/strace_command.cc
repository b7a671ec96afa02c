// tapedeck strace: the system calls of a run.
#include <cstdio>
#include <memory>
#include <optional>

#include "replay/lab/strace.h"
#include "tools/commands.h"
#include "tools/inspect.h"

namespace tapedeck::tools {

namespace {

struct StraceFlags {
  InspectFlags inspect;
  size_t string_bytes_max = 32;
  bool summary = false;
};

void PrintSummary(const StraceLog& log) {
  std::printf("%10s %10s %s\n", "calls", "errors", "syscall");
  for (const auto& [name, count] : log.counts()) {
    std::printf("%10llu %10llu %s\n", static_cast<unsigned long long>(count.calls),
                static_cast<unsigned long long>(count.errors), name.c_str());
  }
}

int RunStrace(const StraceFlags& flags) {
  std::FILE* const nowhere = flags.summary ? std::fopen("/dev/null", "w") : nullptr;
  std::optional<StraceLog> log;
  Inspection inspection;
  inspection.host_made = [&](Host& host) {
    log.emplace(flags.summary ? nowhere : stdout, flags.string_bytes_max);
    host.syscalls().set_tracer(&*log);
  };
  inspection.ended = [&](Host& host) {
    host.syscalls().set_tracer(nullptr);
    log->Finish();
    if (flags.summary) PrintSummary(*log);
  };
  const int exit_code = InspectFiles("strace", flags.inspect, inspection);
  if (nowhere != nullptr) std::fclose(nowhere);
  return exit_code;
}

}  // namespace

Run AddStraceCommand(CLI::App& app, CLI::App** subcommand) {
  const auto flags = std::make_shared<StraceFlags>();
  CLI::App* const sub =
      app.add_subcommand("strace", "Log the system calls of a capture's or script's applications");
  sub->footer(
      "One line a call, as `strace -f -ttt -T` prints them: thread, virtual time of its entry, "
      "call,\n"
      "result and how long it took. A call that never ended is <unfinished ...>.");
  AddInspectFlags(sub, &flags->inspect);
  sub->add_option("-s,--string-limit", flags->string_bytes_max, "Bytes of data to show [32]");
  sub->add_flag("-c,--summary-only", flags->summary, "Count calls and errors instead");
  *subcommand = sub;
  return [flags] { return RunStrace(*flags); };
}

}  // namespace tapedeck::tools
