#include "replay/report/time_sequence.h"

#include <algorithm>
#include <optional>

#include "stack/wire/tcp.h"

namespace tapedeck::report {

namespace {

// 32-bit numbers laid out on a line, each the nearest to the one before.
class Unwrapper {
 public:
  explicit Unwrapper(SeqNum base) : last_(base) {}
  int64_t operator()(SeqNum seq) {
    value_ += seq - last_;
    last_ = seq;
    return value_;
  }

 private:
  SeqNum last_;
  int64_t value_ = 0;
};

}  // namespace

TimeSequence MakeTimeSequence(const RunLog& log, const Flow& flow, int side) {
  TimeSequence out;
  const std::optional<SeqNum>& base = flow.base[static_cast<size_t>(side)];
  if (!base.has_value()) return out;
  Unwrapper unwrap(*base);
  int64_t highest = 0;
  for (const uint32_t index : flow.frames) {
    const LoggedFrame& frame = log.frames()[index];
    if (!frame.tcp.has_value()) continue;
    const TcpFields& tcp = *frame.tcp;
    if (frame.received == (side == 1)) {
      const int64_t first = unwrap(tcp.seq);
      const int64_t end = first + (tcp.end() - tcp.seq);
      if (end == first && (tcp.flags & wire::kTcpRst) == 0) continue;
      out.segments.push_back({.time = frame.time,
                              .event = frame.event,
                              .first = first,
                              .end = end,
                              .resent = end != first && end <= highest,
                              .lost = frame.fate == FrameLedger::Fate::kDropped,
                              .flags = tcp.flags});
      highest = std::max(highest, end);
    } else if ((tcp.flags & wire::kTcpAck) != 0) {
      const int64_t ack = unwrap(tcp.ack);
      out.acks.push_back({frame.time, ack});
      out.window_edges.push_back({frame.time, ack + static_cast<int64_t>(flow.WindowBytes(frame))});
      for (size_t i = 0; i < tcp.sack.count; ++i) {
        const wire::TcpSackBlock& block = tcp.sack.block[i];
        out.sacks.push_back(
            {frame.time, ack + (block.left - tcp.ack), ack + (block.right - tcp.ack)});
      }
    }
  }
  return out;
}

}  // namespace tapedeck::report
