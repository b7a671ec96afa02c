#include "replay/standin/outcome.h"

#include <algorithm>

namespace tapedeck::standin {

void OutcomeTracker::Sent(const SegmentFacts& facts) {
  if ((facts.flags & wire::kTcpRst) != 0) {
    // What is reset by either side is over; later ones answer what came too late.
    if (!outcome_.remote_reset) outcome_.local_reset = true;
    return;
  }
  const bool is_pure_ack = facts.length == 0 && facts.end() == facts.seq;
  if (challenged_ && is_pure_ack) ++challenge_acks_;
  challenged_ = false;
  sent_end_ = std::max(sent_end_, facts.end());
  if ((facts.flags & wire::kTcpSyn) == 0 && facts.ack > 0) outcome_.opened = true;
  if ((facts.flags & wire::kTcpFin) != 0) outcome_.local_fin = true;
  if (remote_fin_end_ >= 0 && facts.ack >= remote_fin_end_) outcome_.remote_fin = true;
}

void OutcomeTracker::Received(const SegmentFacts& facts) {
  const bool has_ack = (facts.flags & wire::kTcpAck) != 0;
  challenged_ = outcome_.opened && ((facts.flags & (wire::kTcpSyn | wire::kTcpRst)) != 0 ||
                                    (has_ack && facts.ack > sent_end_));
  if ((facts.flags & wire::kTcpRst) != 0) {
    if (!outcome_.local_reset) outcome_.remote_reset = true;
    return;
  }
  if (has_ack && facts.ack > 0) outcome_.opened = true;
  if ((facts.flags & wire::kTcpFin) != 0) remote_fin_end_ = facts.end();
}

std::string Outcome::ToString() const {
  if (local_reset) return "reset by L";
  if (remote_reset) return "reset by P";
  if (local_fin && remote_fin) return "closed by both";
  if (local_fin) return "closed by L";
  if (remote_fin) return "closed by P";
  return opened ? "open" : "never opened";
}

}  // namespace tapedeck::standin
