#include "replay/report/xplot.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/report/time_sequence.h"
#include "stack/wire/tcp.h"

namespace tapedeck::report {

namespace {

std::string Seconds(SimTime time) {
  const uint64_t ns = time.ns();
  return absl::StrFormat("%d.%09d", ns / 1'000'000'000, ns % 1'000'000'000);
}

// A staircase, as tcptrace draws acknowledgements.
void AppendSteps(const std::vector<TimeSequence::Step>& steps, const char* color,
                 std::string* out) {
  absl::StrAppend(out, color, "\n");
  for (size_t i = 1; i < steps.size(); ++i) {
    const TimeSequence::Step& from = steps[i - 1];
    const TimeSequence::Step& to = steps[i];
    absl::StrAppendFormat(out, "line %s %d %s %d\n", Seconds(from.time), from.value,
                          Seconds(to.time), from.value);
    if (from.value == to.value) continue;
    absl::StrAppendFormat(out, "line %s %d %s %d\n", Seconds(to.time), from.value, Seconds(to.time),
                          to.value);
  }
}

void AppendSegment(const TimeSequence::Segment& segment, std::string* out) {
  const std::string time = Seconds(segment.time);
  absl::StrAppend(out, segment.resent ? "red\n" : "white\n");
  if ((segment.flags & (wire::kTcpSyn | wire::kTcpFin)) != 0) {
    absl::StrAppendFormat(out, "diamond %s %d\natext %s %d\n%s\n", time, segment.first, time,
                          segment.end, (segment.flags & wire::kTcpSyn) != 0 ? "SYN" : "FIN");
  }
  if ((segment.flags & wire::kTcpRst) != 0) {
    absl::StrAppendFormat(out, "x %s %d\natext %s %d\nRST\n", time, segment.first, time,
                          segment.first);
  }
  if (segment.end == segment.first) return;
  // The number of a FIN stands by itself, as tcptrace draws it.
  const bool fin = (segment.flags & wire::kTcpFin) != 0;
  const int64_t data_end = segment.end - (fin ? 1 : 0);
  if (fin) absl::StrAppendFormat(out, "line %s %d %s %d\n", time, data_end, time, segment.end);
  if (data_end == segment.first) return;
  absl::StrAppendFormat(out, "darrow %s %d\nuarrow %s %d\nline %s %d %s %d\n", time, segment.first,
                        time, data_end, time, segment.first, time, data_end);
  if (segment.lost) absl::StrAppendFormat(out, "red\natext %s %d\nX\n", time, segment.end);
}

}  // namespace

std::string XplotText(const RunLog& log, const Flow& flow, int side) {
  const TimeSequence sequence = MakeTimeSequence(log, flow, side);
  if (sequence.segments.empty()) return "";
  const Endpoint& from = side == 0 ? flow.local : flow.remote;
  const Endpoint& to = side == 0 ? flow.remote : flow.local;
  std::string out = absl::StrFormat(
      "timeval double\ntitle\n%s_==>_%s (time sequence graph)\nxlabel\ntime\nylabel\nsequence "
      "offset\n",
      EndpointText(from), EndpointText(to));
  for (const TimeSequence::Segment& segment : sequence.segments) AppendSegment(segment, &out);
  AppendSteps(sequence.acks, "green", &out);
  AppendSteps(sequence.window_edges, "yellow", &out);
  out += "purple\n";
  for (const TimeSequence::Sack& sack : sequence.sacks) {
    const std::string time = Seconds(sack.time);
    absl::StrAppendFormat(&out, "line %s %d %s %d\n", time, sack.first, time, sack.end);
  }
  return out + "go\n";
}

}  // namespace tapedeck::report
