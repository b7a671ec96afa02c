#include "replay/trace/function_graph_text.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/trace/event_text.h"

namespace tapedeck {

namespace {

const char* ContextName(Context context) {
  switch (context) {
    case Context::kIdle:
      return "-";
    case Context::kHardirq:
      return "hardirq";
    case Context::kSoftirq:
      return "softirq";
    case Context::kTask:
      return "task";
  }
  return "-";
}

// The columns left of the calls. What happens outside every CPU has neither CPU nor context.
std::string Place(const GraphTree& tree, const GraphLine& line, SimTime time) {
  if (line.context == Context::kIdle && !line.is_call) {
    return absl::StrFormat("%s   -  %-7s", TimeText(time), GetTraceKindInfo(line.event).where);
  }
  return absl::StrFormat("%s  %2d) %-7s", TimeText(time), tree.cpu, ContextName(line.context));
}

std::string Spent(const GraphTree& tree, const GraphLine& line) {
  const Duration duration = line.end - line.begin;
  return absl::StrFormat(" %4d.%03d us | %7d |", duration.ps / 1'000'000,
                         duration.ps / 1'000 % 1'000, CyclesIn(duration, tree.cpu_hz));
}

constexpr const char* kNothingSpent = "             |         |";

std::string Indent(uint32_t depth) { return std::string(2 + 2 * size_t{depth}, ' '); }

}  // namespace

uint64_t CyclesIn(Duration duration, uint64_t cpu_hz) {
  constexpr uint64_t kPsInSecond = 1'000'000'000'000;
  const auto product = static_cast<unsigned __int128>(duration.ps) * cpu_hz;
  return static_cast<uint64_t>((product + kPsInSecond / 2) / kPsInSecond);
}

std::string FunctionGraphHeader() {
  return "#        seconds CPU CONTEXT     DURATION      CYCLES   FUNCTION CALLS\n";
}

std::string FunctionGraphText(const GraphTree& tree) {
  std::string text;
  std::vector<uint32_t> open;
  const auto close = [&](uint32_t before) {
    while (!open.empty() && tree.lines[open.back()].end_line <= before) {
      const GraphLine& call = tree.lines[open.back()];
      absl::StrAppend(&text, Place(tree, call, call.end), Spent(tree, call), Indent(call.depth),
                      "}\n");
      open.pop_back();
    }
  };
  for (uint32_t i = 0; i < tree.lines.size(); ++i) {
    close(i);
    const GraphLine& line = tree.lines[i];
    absl::StrAppend(&text, Place(tree, line, line.begin));
    if (!line.is_call) {
      absl::StrAppend(&text, kNothingSpent, Indent(line.depth), "/* ", line.text, " */\n");
    } else if (line.end_line == i + 1) {
      absl::StrAppend(&text, Spent(tree, line), Indent(line.depth), PathFunctionName(line.function),
                      "();\n");
    } else {
      absl::StrAppend(&text, kNothingSpent, Indent(line.depth), PathFunctionName(line.function),
                      "() {\n");
      open.push_back(i);
    }
  }
  close(static_cast<uint32_t>(tree.lines.size()));
  return text;
}

std::string FunctionGraphJson(const GraphTree& tree) {
  std::string text;
  for (const GraphLine& line : tree.lines) {
    nlohmann::json json = {{"begin_ps", line.begin.ps}, {"depth", line.depth}};
    if (line.frame_id != 0) json["frame"] = line.frame_id;
    if (line.is_call || line.context != Context::kIdle) {
      json["cpu"] = tree.cpu;
      json["context"] = ContextName(line.context);
    }
    if (line.is_call) {
      json["function"] = PathFunctionName(line.function);
      json["duration_ps"] = (line.end - line.begin).ps;
      json["cycles"] = CyclesIn(line.end - line.begin, tree.cpu_hz);
    } else {
      json["event"] = GetTraceKindInfo(line.event).where;
      json["text"] = line.text;
    }
    absl::StrAppend(&text, text.empty() ? "" : ",\n", json.dump());
  }
  return text;
}

}  // namespace tapedeck
