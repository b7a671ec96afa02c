#include "replay/report/html_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "replay/report/ladder.h"
#include "replay/report/page.h"
#include "replay/report/time_sequence.h"
#include "stack/base/drop_reason.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::report {

namespace {

using nlohmann::ordered_json;

// Of a flow's plot and of its ladder, so that a page stays quick; the page says what is left out.
constexpr size_t kSegmentsMax = 10'000;
constexpr size_t kLadderRowsMax = 400;
constexpr size_t kFlowsMax = 500;
constexpr size_t kBuckets = 240;
// The unit of the plots. What is of interest is what happens between two frames, not a double's
// last bit.
double PlotTime(SimTime time) { return static_cast<double>(time.ps) / 1e6; }

std::string Escaped(const std::string& text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

// --- Data of the plots ---

ordered_json StepsJson(const std::vector<TimeSequence::Step>& steps) {
  ordered_json list = ordered_json::array();
  for (size_t i = 0; i < steps.size(); ++i) {
    const bool turns = i == 0 || i + 1 == steps.size() || steps[i].value != steps[i - 1].value;
    if (turns && list.size() < kSegmentsMax) {
      list.push_back({PlotTime(steps[i].time), steps[i].value});
    }
  }
  return list;
}

ordered_json SideJson(const RunLog& log, const Flow& flow, int side) {
  const TimeSequence sequence = MakeTimeSequence(log, flow, side);
  ordered_json json;
  json["name"] =
      side == 0 ? EndpointText(flow.local) + " sends" : EndpointText(flow.remote) + " sends";
  ordered_json segments = ordered_json::array();
  const size_t shown = std::min(sequence.segments.size(), kSegmentsMax);
  for (size_t i = 0; i < shown; ++i) {
    const TimeSequence::Segment& segment = sequence.segments[i];
    const int kind = segment.lost ? 2 : segment.resent ? 1 : 0;
    segments.push_back({PlotTime(segment.time), segment.first, segment.end, kind, segment.event});
  }
  json["segments"] = std::move(segments);
  json["acks"] = StepsJson(sequence.acks);
  json["edges"] = StepsJson(sequence.window_edges);
  ordered_json sacks = ordered_json::array();
  for (size_t i = 0; i < std::min(sequence.sacks.size(), kSegmentsMax); ++i) {
    const TimeSequence::Sack& sack = sequence.sacks[i];
    sacks.push_back({PlotTime(sack.time), sack.first, sack.end});
  }
  json["sacks"] = std::move(sacks);
  json["thinned"] =
      shown == sequence.segments.size()
          ? ""
          : absl::StrFormat("; the first %d of %d segments", shown, sequence.segments.size());
  return json;
}

std::string FlowLadder(const RunLog& log, const Flow& flow) {
  std::string ladder = LadderText(log, flow, 0, kLadderRowsMax);
  if (flow.frames.size() > kLadderRowsMax) {
    absl::StrAppendFormat(&ladder, "%d more frames of this flow\n",
                          flow.frames.size() - kLadderRowsMax);
  }
  return ladder;
}

ordered_json FlowJson(const RunLog& log, const Flow& flow) {
  ordered_json json;
  json["name"] = flow.ToString();
  json["sides"] = ordered_json::array();
  if (flow.protocol == wire::kIpProtoTcp) {
    for (int side = 0; side < 2; ++side) json["sides"].push_back(SideJson(log, flow, side));
  }
  json["ladder"] = FlowLadder(log, flow);
  return json;
}

// Counts over time, in equal buckets of the whole run.
class Buckets {
 public:
  Buckets(SimTime start, SimTime end)
      : start_(start), width_ps_((end.ps - start.ps) / kBuckets + 1), counts_(kBuckets, 0) {}
  void Add(SimTime time) {
    ++counts_[std::min<size_t>((time.ps - start_.ps) / width_ps_, kBuckets - 1)];
  }
  double width_us() const { return static_cast<double>(width_ps_) / 1e6; }
  ordered_json Json() const {
    ordered_json points = ordered_json::array();
    for (size_t i = 0; i < counts_.size(); ++i) {
      points.push_back({PlotTime({start_.ps + i * width_ps_}), counts_[i]});
    }
    return points;
  }

 private:
  SimTime start_;
  uint64_t width_ps_;
  std::vector<uint64_t> counts_;
};

ordered_json TimelineJson(const std::string& name, const char* color, const Buckets& buckets) {
  return {{"name", name},
          {"color", color},
          {"note", absl::StrFormat("in each %.6g µs", buckets.width_us())},
          {"bucket", buckets.width_us()},
          {"points", buckets.Json()}};
}

ordered_json TimelinesJson(const RunLog& log) {
  Buckets received(log.start(), log.end());
  Buckets sent = received;
  Buckets interrupts = received;
  Buckets drops = received;
  for (const LoggedFrame& frame : log.frames()) (frame.received ? received : sent).Add(frame.time);
  for (const LoggedEvent& event : log.events()) {
    if (event.kind == TraceKind::kInterrupt) interrupts.Add(event.time);
    if (event.kind == TraceKind::kDrop || event.kind == TraceKind::kNicDrop) drops.Add(event.time);
  }
  ordered_json list = ordered_json::array();
  list.push_back(TimelineJson("frames received", "--series-1", received));
  list.push_back(TimelineJson("frames sent", "--series-2", sent));
  list.push_back(TimelineJson("interrupts", "--series-4", interrupts));
  list.push_back(TimelineJson("drops", "--bad", drops));
  for (int host = 0; host < log.hosts(); ++host) {
    ordered_json points = ordered_json::array();
    for (const QueuedStep& step : QueuedFrames(log, static_cast<uint8_t>(host))) {
      points.push_back({PlotTime(step.time), step.frames});
    }
    list.push_back({{"name", absl::StrFormat("frames in hand, host %d", host)},
                    {"color", "--series-3"},
                    {"note", "received, neither delivered nor dropped"},
                    {"bucket", 0},
                    {"points", std::move(points)}});
  }
  return list;
}

// Flows by bytes, busiest first; of equals in order of appearance.
std::vector<size_t> FlowOrder(const RunLog& log) {
  std::vector<size_t> order(log.flows().size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto weight = [&](size_t i) {
    const Flow& flow = log.flows()[i];
    return std::pair(flow.payload_bytes[0] + flow.payload_bytes[1], flow.frames.size());
  };
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return weight(a) != weight(b) ? weight(a) > weight(b) : a < b;
  });
  if (order.size() > kFlowsMax) order.resize(kFlowsMax);
  return order;
}

std::string DataJson(const RunLog& log, const std::vector<size_t>& order) {
  ordered_json json;
  json["flows"] = ordered_json::array();
  for (const size_t i : order) json["flows"].push_back(FlowJson(log, log.flows()[i]));
  json["busiest"] = 0;
  json["span"] = {PlotTime(log.start()), PlotTime(log.end())};
  json["timelines"] = TimelinesJson(log);
  const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  // "</script>" must not end the element.
  return absl::StrReplaceAll(text, {{"</", "<\\/"}});
}

// --- What is text ---

struct Column {
  const char* name;
  bool is_number = false;
};

std::string TableHead(const char* id, const std::vector<Column>& columns) {
  std::string out = absl::StrCat("<div class=\"scroll\"><table id=\"", id, "\"><thead><tr>");
  for (const Column& column : columns) {
    absl::StrAppend(&out, column.is_number ? "<th class=\"number\">" : "<th>", column.name,
                    "</th>");
  }
  return out + "</tr></thead><tbody>\n";
}
constexpr char kTableEnd[] = "</tbody></table></div>\n";

std::string Cell(const std::string& text) { return absl::StrCat("<td>", Escaped(text), "</td>"); }
std::string Cell(uint64_t number) { return absl::StrCat("<td class=\"number\">", number, "</td>"); }

std::string ListSection(const char* heading, const std::vector<std::string>& lines) {
  if (lines.empty()) return "";
  std::string out = absl::StrCat("<h2>", heading, "</h2>\n<ul>\n");
  for (const std::string& line : lines) absl::StrAppend(&out, "<li>", Escaped(line), "</li>\n");
  return out + "</ul>\n";
}

std::string FidelitySection(const ReportInput& input) {
  if (input.fidelity.empty()) return "";
  std::string out =
      absl::StrCat("<h2>How near the captured end</h2>\n",
                   TableHead("fidelity", {{"flow"}, {"grade"}, {"reason"}, {"first difference"}}));
  for (const FidelityRow& row : input.fidelity) {
    absl::StrAppend(&out, "<tr>", Cell(row.flow), Cell(row.grade), Cell(row.reason),
                    Cell(row.first_difference), "</tr>\n");
  }
  out += kTableEnd;
  if (!input.divergence.empty()) {
    absl::StrAppend(&out, "<h2>First divergence</h2>\n<pre id=\"divergence\">",
                    Escaped(input.divergence), "</pre>\n");
  }
  return out;
}

std::string FlowsSection(const RunLog& log, const std::vector<size_t>& order) {
  if (order.empty()) return "";
  std::string out =
      absl::StrCat("<h2>Flows</h2>\n<p class=\"note\">Choose one to see it drawn.</p>\n",
                   TableHead("flows", {{"flow"},
                                       {"host", true},
                                       {"frames", true},
                                       {"bytes out", true},
                                       {"bytes in", true},
                                       {"resent out", true},
                                       {"resent in", true},
                                       {"dropped", true}}));
  for (size_t i = 0; i < order.size(); ++i) {
    const Flow& flow = log.flows()[order[i]];
    absl::StrAppend(&out, "<tr data-flow=\"", i, "\">", Cell(flow.ToString()),
                    Cell(uint64_t{flow.host}), Cell(uint64_t{flow.frames.size()}),
                    Cell(flow.payload_bytes[0]), Cell(flow.payload_bytes[1]),
                    Cell(flow.resent_frames[0]), Cell(flow.resent_frames[1]), Cell(flow.dropped),
                    "</tr>\n");
  }
  out += kTableEnd;
  if (order.size() < log.flows().size()) {
    absl::StrAppendFormat(&out, "<p class=\"note\">%d more flows are not shown.</p>\n",
                          log.flows().size() - order.size());
  }
  return out + "<div id=\"flow-plots\"></div>\n";
}

std::string DropsSection(const RunLog& log) {
  if (log.drops().empty()) return "";
  std::string out = absl::StrCat("<h2>Drops by reason</h2>\n",
                                 TableHead("drops", {{"reason"}, {"meaning"}, {"packets", true}}));
  for (const auto& [reason, count] : log.drops()) {
    absl::StrAppend(&out, "<tr>", Cell(std::string(DropReasonName(reason))),
                    Cell(std::string(DropReasonText(reason))), Cell(count), "</tr>\n");
  }
  return out + kTableEnd;
}

std::string LeftOutNote(const RunLog& log) {
  if (log.frames_left_out() == 0 && log.events_left_out() == 0) return "";
  return absl::StrFormat(
      "<p class=\"note\">The run was longer than this page: %d frames and %d other events are not "
      "in its plots and ladders.</p>\n",
      log.frames_left_out(), log.events_left_out());
}

std::string Head(const ReportInput& input) {
  std::string out = absl::StrCat(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n<title>",
      Escaped(input.title), " - Tapedeck</title>\n<style>\n", PageStyle(),
      "</style>\n</head>\n<body>\n<main>\n<header><h1>", Escaped(input.title),
      "</h1><button id=\"theme\" type=\"button\">light / dark</button></header>\n");
  absl::StrAppend(&out, "<p class=\"verdict ", input.held ? "held" : "failed", "\">",
                  input.held ? "HELD" : "FAILED", ": ", Escaped(input.verdict), "</p>\n");
  out += "<div class=\"figures\">\n";
  for (const auto& [name, value] : input.figures) {
    absl::StrAppend(&out, "<div><b>", Escaped(value), "</b><span>", Escaped(name),
                    "</span></div>\n");
  }
  absl::StrAppend(&out, "</div>\n<pre id=\"command\">", Escaped(input.command), "</pre>\n",
                  "<p class=\"note\">digest ", Escaped(input.digest), "</p>\n");
  return out;
}

}  // namespace

std::string HtmlReport(const ReportInput& input, const RunLog& log) {
  const std::vector<size_t> order = FlowOrder(log);
  return absl::StrCat(
      Head(input), ListSection("Violated", input.violations), FidelitySection(input),
      FlowsSection(log, order), DropsSection(log), LeftOutNote(log),
      "<h2>Over time</h2>\n<div id=\"timelines\"></div>\n",
      ListSection("Guesses made", input.guesses), ListSection("Warnings", input.warnings),
      ListSection("Settings", input.settings),
      "</main>\n<div id=\"tip\" role=\"status\"></div>\n<script type=\"application/json\" "
      "id=\"data\">",
      DataJson(log, order), "</script>\n<script>\n", PageScript(), "</script>\n</body>\n</html>\n");
}

}  // namespace tapedeck::report
