// tapedeck stat: the counters and tables under /proc/net after a run.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "replay/lab/net_counters.h"
#include "stack/socket/proc_net.h"
#include "tools/commands.h"
#include "tools/inspect.h"

namespace tapedeck::tools {

namespace {

struct StatFlags {
  InspectFlags inspect;
  std::vector<std::string> proc;
  bool zeros = false;
};

void PrintCounters(net& net, bool zeros) {
  for (const NetCounter& counter : ReadNetCounters(net)) {
    if (counter.value == "0" && !zeros) continue;
    std::printf("%-32s%s\n", (counter.group + counter.name).c_str(), counter.value.c_str());
  }
}

void PrintFiles(net& net, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    std::string text;
    proc_net_read(net, name, &text);
    std::fputs(text.c_str(), stdout);
  }
}

std::string CheckNames(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    bool known = false;
    std::string all;
    for (const proc_net_file& file : proc_net_files()) {
      known = known || name == file.name;
      if (!all.empty()) all += ", ";
      all += file.name;
    }
    if (!known) return absl::StrCat("--proc ", name, ": no such file, there are ", all);
  }
  return "";
}

int RunStat(const StatFlags& flags) {
  if (const std::string wrong = CheckNames(flags.proc); !wrong.empty()) {
    std::fprintf(stderr, "tapedeck stat: %s\n", wrong.c_str());
    return kExitUsage;
  }
  Inspection inspection;
  inspection.ended = [&](Host& host) {
    if (flags.proc.empty()) {
      PrintCounters(host.network(), flags.zeros);
    } else {
      PrintFiles(host.network(), flags.proc);
    }
  };
  return InspectFiles("stat", flags.inspect, inspection);
}

}  // namespace

Run AddStatCommand(CLI::App& app, CLI::App** subcommand) {
  const auto flags = std::make_shared<StatFlags>();
  CLI::App* const sub = app.add_subcommand(
      "stat", "Print the counters that a capture or script leaves, as nstat does");
  sub->footer(
      "With --proc NAME it prints that file of /proc/net as it reads at the end of the run, in\n"
      "Linux's format.");
  AddInspectFlags(sub, &flags->inspect);
  sub->add_flag("-z,--zeros", flags->zeros, "Show counters that are zero, too");
  sub->add_option("--proc", flags->proc, "Print /proc/net/NAME instead (snmp, tcp, arp, ...)");
  *subcommand = sub;
  return [flags] { return RunStat(*flags); };
}

}  // namespace tapedeck::tools
