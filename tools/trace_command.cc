// tapedeck trace: the functions that one packet passes.
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "replay/lab/load_costs.h"
#include "replay/trace/function_graph.h"
#include "replay/trace/function_graph_text.h"
#include "replay/trace/packet_list.h"
#include "tools/commands.h"
#include "tools/inspect.h"

namespace tapedeck::tools {

namespace {

struct TraceFlags {
  InspectFlags inspect;
  uint64_t frame = 0;  // of the capture, or the packets that came in; 0: see id
  uint32_t id = 0;
  bool all = false;
  bool json = false;
  std::string costs;

  bool list() const { return frame == 0 && id == 0 && !all; }
};

// Prints trees as they come: text at once, JSON as members of one array.
class TreePrinter {
 public:
  TreePrinter(bool json, bool header) : json_(json), header_(header) {}
  void Print(const GraphTree& tree) {
    if (json_) {
      std::printf("%s%s", count_ == 0 ? "" : ",\n", FunctionGraphJson(tree).c_str());
    } else {
      if (count_ == 0 && header_) std::printf("%s", FunctionGraphHeader().c_str());
      std::printf("%s", FunctionGraphText(tree).c_str());
    }
    ++count_;
  }

 private:
  bool json_;
  bool header_;
  uint64_t count_ = 0;
};

// One run of the command over one case.
class TraceRun : public TraceObserver {
 public:
  explicit TraceRun(const TraceFlags& flags)
      : flags_(flags),
        printer_(flags.json, true),
        packet_([this](const GraphTree& tree) { printer_.Print(tree); }),
        graph_([this](const GraphTree& tree) { AddTree(tree); }) {
    packet_.set_frame_id(flags.id);
    if (flags_.json && !flags_.list()) std::printf("{\"lines\":[\n");
  }

  FunctionTracer* tracer() { return flags_.list() ? nullptr : &graph_; }

  void Named(uint64_t file_index, uint32_t id) {
    capture_ = true;
    Name(file_index, id);
  }

  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override {
    // Of cases without a capture, packets that come in are counted.
    const bool in = event.kind == TraceKind::kWireRx && (event.args[3] & kWireFlagAnswer) == 0;
    if (in && !capture_) Name(++received_, static_cast<uint32_t>(event.args[0]));
    if (flags_.list()) {
      list_.Observe(number, event, ledger);
    } else {
      graph_.Observe(number, event, ledger);
    }
  }

  // The last lines. False where the packet was not met.
  bool End() {
    if (flags_.list()) {
      std::printf("%s%s", flags_.json ? list_.ToJson().c_str() : list_.ToText().c_str(),
                  flags_.json ? "\n" : "");
      return true;
    }
    if (flags_.all) {
      if (flags_.json) std::printf("\n]}\n");
      return true;
    }
    if (flags_.json) {
      std::printf("\n],\"fate\":%s,\"id\":%u}\n", nlohmann::json(packet_.fate()).dump().c_str(),
                  packet_.frame_id());
    } else if (!packet_.empty()) {
      std::printf("# packet %u: %s\n", packet_.frame_id(), packet_.fate().c_str());
    }
    return !packet_.empty();
  }

 private:
  // Packet `id` is number `frame` to the user.
  void Name(uint64_t frame, uint32_t id) {
    if (flags_.list()) list_.Name(frame, id);
    if (frame == flags_.frame) packet_.set_frame_id(id);
  }
  void AddTree(const GraphTree& tree) {
    if (flags_.all) {
      printer_.Print(tree);
    } else {
      packet_.Add(tree);
    }
  }

  const TraceFlags& flags_;
  TreePrinter printer_;
  PacketGraph packet_;
  FunctionGraph graph_;
  PacketList list_;
  bool capture_ = false;
  uint64_t received_ = 0;
};

int RunTrace(const TraceFlags& flags) {
  if (flags.inspect.files.size() > 1 && flags.json) {
    std::fprintf(stderr, "tapedeck trace: --json takes one FILE\n");
    return kExitUsage;
  }
  std::optional<TraceRun> run;
  Inspection inspection;
  inspection.set_options = [&](CaseOptions* options) -> absl::Status {
    const absl::StatusOr<CostTable> costs =
        LoadCostTable(flags.costs.empty() ? "xdp18" : flags.costs);
    if (!costs.ok()) return costs.status();
    options->capture.lab.costs = *costs;
    if (!flags.costs.empty()) options->script_costs = *costs;
    options->capture.played = [&](uint64_t file_index, uint32_t id) { run->Named(file_index, id); };
    return absl::OkStatus();
  };
  inspection.begun = [&]() -> TraceObserver* { return &run.emplace(flags); };
  inspection.host_made = [&](Host& host) { host.network().function_tracer = run->tracer(); };
  bool met = true;
  inspection.ended = [&](Host& host) { host.network().function_tracer = nullptr; };
  inspection.over = [&] { met = run->End() && met; };
  const int exit_code = InspectFiles("trace", flags.inspect, inspection);
  if (met || exit_code == kExitUsage) return exit_code;
  std::fprintf(stderr,
               "tapedeck trace: no such packet; without --frame and --id they are listed\n");
  return kExitUsage;
}

}  // namespace

Run AddTraceCommand(CLI::App& app, CLI::App** subcommand) {
  const auto flags = std::make_shared<TraceFlags>();
  CLI::App* const sub = app.add_subcommand(
      "trace", "Print the functions that a packet passes, with times and cycles");
  sub->footer(
      "Without --frame, --id and --all the packets of the run are listed, with what became of "
      "each.\n"
      "The graph is that of ftrace's function_graph: a call's duration and cycles stand at its "
      "end,\n"
      "time and context (hardirq, softirq, task) on every line; events stand in between as "
      "comments.\n"
      "It begins with the interrupt that announces the packet and ends with the system call that "
      "reads\n"
      "it, or with its drop and the reason. Cycles are charged at the points of the cost table: a\n"
      "function whose work is charged elsewhere shows none of its own. Scripts cost nothing "
      "unless\n"
      "--costs says so, as their times expect.\n\n"
      "Examples:\n"
      "  tapedeck trace FILE                     which packets there are\n"
      "  tapedeck trace --frame 7 FILE           the way of the capture's frame 7, numbered as in\n"
      "                                          Wireshark; of a script's seventh packet in\n"
      "  tapedeck trace --id 12 FILE             the same by id, also for packets the host sent\n"
      "  tapedeck trace --frame 7 --json FILE    for machines");
  AddInspectFlags(sub, &flags->inspect);
  CLI::Option* const frame = sub->add_option("--frame", flags->frame,
                                             "The capture's N-th frame; a script's N-th packet in")
                                 ->type_name("N")
                                 ->check(CLI::PositiveNumber);
  CLI::Option* const id =
      sub->add_option("--id", flags->id, "The packet with this id in the trace, in or out")
          ->type_name("ID")
          ->check(CLI::PositiveNumber);
  CLI::Option* const all = sub->add_flag("--all", flags->all, "Every call of the run");
  frame->excludes(id);
  all->excludes(id);
  all->excludes(frame);
  sub->add_option("--costs", flags->costs,
                  "Cost table: a preset or a file [xdp18; for scripts free]");
  sub->add_flag("--json", flags->json, "Print JSON");
  *subcommand = sub;
  return [flags] { return RunTrace(*flags); };
}

}  // namespace tapedeck::tools
