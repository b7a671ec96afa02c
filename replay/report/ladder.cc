#include "replay/report/ladder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/trace/event_text.h"
#include "stack/base/drop_reason.h"
#include "stack/wire/tcp.h"

namespace tapedeck::report {

namespace {

constexpr size_t kArrowColumns = 96;  // between the two posts

// "<---- text ----" or "---- text ---->", as wide as the ladder or as the text needs.
std::string Arrow(const std::string& text, bool to_left) {
  const size_t used = text.size() + 2;
  const size_t dashes = used + 4 < kArrowColumns ? kArrowColumns - used : 4;
  std::string left(dashes / 2, '-');
  std::string right(dashes - dashes / 2, '-');
  if (to_left) left.front() = '<';
  if (!to_left) right.back() = '>';
  return absl::StrCat(left, " ", text, " ", right);
}

std::string FateText(const LoggedFrame& frame) {
  if (!frame.received || frame.fate == FrameLedger::Fate::kDelivered) return "";
  if (frame.fate == FrameLedger::Fate::kQueued) return "  [queued]";
  return absl::StrCat("  [drop ", DropReasonName(frame.reason), "]");
}

}  // namespace

std::string SegmentText(const Flow& flow, const LoggedFrame& frame) {
  if (!frame.tcp.has_value()) {
    const size_t colon = frame.text.find(": ");
    return colon == std::string::npos ? frame.text : frame.text.substr(colon + 2);
  }
  const TcpFields& tcp = *frame.tcp;
  const int side = frame.received ? 1 : 0;
  const int64_t first = flow.Relative(side, tcp.seq);
  std::string text = absl::StrFormat("%s %d:%d(%d)", wire::TcpFlagsToString(tcp.flags), first,
                                     first + tcp.payload_bytes, tcp.payload_bytes);
  if ((tcp.flags & wire::kTcpAck) != 0 && flow.base[static_cast<size_t>(1 - side)].has_value()) {
    absl::StrAppend(&text, " ack ", flow.Relative(1 - side, tcp.ack));
  }
  absl::StrAppend(&text, " win ", flow.WindowBytes(frame));
  if (!tcp.options.empty()) absl::StrAppend(&text, " <", tcp.options, ">");
  return text;
}

std::string LadderText(const RunLog& log, const Flow& flow, size_t first, size_t last) {
  const std::string left = EndpointText(flow.local);
  const std::string right = EndpointText(flow.remote);
  const size_t ends = left.size() + right.size();
  const size_t gap = ends + 2 < kArrowColumns + 4 ? kArrowColumns + 4 - ends : 2;
  std::string out =
      absl::StrFormat("%16s %7s  %s%s%s\n", "seconds", "event", left, std::string(gap, ' '), right);
  for (size_t i = first; i < std::min(last, flow.frames.size()); ++i) {
    const LoggedFrame& frame = log.frames()[flow.frames[i]];
    absl::StrAppendFormat(&out, "%s %7d  | %s |%s\n", TimeText(frame.time), frame.event,
                          Arrow(SegmentText(flow, frame), frame.received), FateText(frame));
  }
  return out;
}

std::string LadderText(const RunLog& log, size_t frames_max) {
  std::string out;
  for (const Flow& flow : log.flows()) {
    absl::StrAppend(&out, out.empty() ? "" : "\n", flow.ToString(), "\n",
                    LadderText(log, flow, 0, frames_max));
    if (flow.frames.size() > frames_max) {
      absl::StrAppendFormat(&out, "%d more frames of this flow\n", flow.frames.size() - frames_max);
    }
  }
  if (log.frames_left_out() != 0) {
    absl::StrAppendFormat(&out, "\n%d more frames behind the log's limit\n", log.frames_left_out());
  }
  return out;
}

}  // namespace tapedeck::report
