#include "fuzz/tcp_model.h"

#include <algorithm>
#include <cerrno>

namespace tapedeck::fuzz {

namespace {

// So far apart it depends on where one looks from, which number is the older one.
constexpr uint32_t kFarMax = 1U << 30;

bool IsFar(uint32_t a, uint32_t b) { return a - b > kFarMax && b - a > kFarMax; }

}  // namespace

const char* TcpModel::NameOf(State state) {
  constexpr const char* kNames[] = {"LISTEN",  "SYN_RECV",  "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2",
                                    "CLOSING", "TIME_WAIT", "CLOSE_WAIT",  "LAST_ACK",  "CLOSE"};
  return kNames[static_cast<size_t>(state)];
}

void TcpModel::Send(const SegmentView& segment) {
  if (segment.Has(SegmentView::kRst)) return;
  if (segment.Has(SegmentView::kSyn)) {
    if (isn_ != segment.seq) {
      isn_ = segment.seq;
      snd_una_ = segment.seq;
      snd_nxt_ = segment.end();
    }
    window_shift_ = segment.shift.value_or(0);
  }
  if (!isn_.has_value()) return;
  const uint8_t shift = segment.Has(SegmentView::kSyn) ? 0 : window_shift_;
  const uint32_t edge = segment.ack + (uint32_t{segment.window} << shift);
  if (segment.Has(SegmentView::kAck) &&
      (segment.Has(SegmentView::kSyn) || IsBehind(edge, window_edge_))) {
    window_edge_ = edge;
  }
  if (IsBehind(segment.end(), snd_nxt_)) snd_nxt_ = segment.end();
  if (segment.Has(SegmentView::kFin)) fin_end_ = segment.end();
}

void TcpModel::Receive(const SegmentView& segment) {
  if (!sure_) return;
  switch (state_) {
    case State::kListen:
      return ReceiveInListen(segment);
    case State::kSynReceived:
      return ReceiveInSynReceived(segment);
    case State::kTimeWait:
    case State::kClosed:
      // A SYN may begin another connection between the same two; a RST ends a wait where settings
      // leave out RFC 1337.
      sure_ = !segment.Has(SegmentView::kSyn) && !segment.Has(SegmentView::kRst);
      return;
    default:
      return ReceiveSynchronised(segment);
  }
}

// RFC 9293 3.10.7.2. A SYN with FIN is dropped, as by Linux.
void TcpModel::ReceiveInListen(const SegmentView& segment) {
  if (segment.flags & (SegmentView::kRst | SegmentView::kAck | SegmentView::kFin)) return;
  if (!segment.Has(SegmentView::kSyn)) return;
  peer_isn_ = segment.seq;
  rcv_nxt_ = segment.seq + 1;
  isn_.reset();
  state_ = State::kSynReceived;
}

// RFC 9293 3.10.7.4, in the order of Linux's tcp_check_req.
void TcpModel::ReceiveInSynReceived(const SegmentView& segment) {
  if (!isn_.has_value()) {
    sure_ = false;
    return;
  }
  const bool syn = segment.Has(SegmentView::kSyn);
  const bool rst = segment.Has(SegmentView::kRst);
  const bool ack = segment.Has(SegmentView::kAck);
  if (segment.seq == peer_isn_ && syn && !rst && !ack) return;
  if (ack && !rst && segment.ack != *isn_ + 1) return;  // a reset is the answer
  if (PlaceOf(segment) == Place::kUnclear) sure_ = false;
  if (PlaceOf(segment) != Place::kInWindow) return;
  if (rst && segment.seq != rcv_nxt_) return;  // RFC 5961 3.2: challenged
  if (rst || (syn && segment.seq != peer_isn_)) {
    state_ = State::kListen;
    return;
  }
  if (syn) sure_ = false;
  if (!ack) return;
  snd_una_ = segment.ack;
  state_ = State::kEstablished;
  ReceiveData(segment);
}

TcpModel::Place TcpModel::PlaceOf(const SegmentView& segment) const {
  const uint32_t end = segment.end();
  if (IsFar(segment.seq, rcv_nxt_) || IsFar(end, rcv_nxt_)) return Place::kUnclear;
  if (IsBehind(rcv_nxt_, end) || (IsBehind(rcv_nxt_, segment.seq) && end == rcv_nxt_)) {
    return Place::kOld;
  }
  if (IsBehind(segment.seq, window_edge_)) return Place::kBeyond;
  return IsBehind(end, window_edge_) ? Place::kUnclear : Place::kInWindow;
}

void TcpModel::ReceiveSynchronised(const SegmentView& segment) {
  const Place place = PlaceOf(segment);
  if (place == Place::kUnclear) {
    sure_ = false;
    return;
  }
  if (place == Place::kBeyond) return;
  if (segment.Has(SegmentView::kRst)) return ReceiveReset(segment);
  if (place == Place::kOld) {
    // Whether what it acknowledges counts depends on when the host last sent an acknowledgement.
    const bool acknowledges = segment.Has(SegmentView::kAck) && IsBehind(segment.ack, snd_una_);
    if (acknowledges && fin_end_.has_value()) sure_ = false;
    return;
  }
  if (segment.Has(SegmentView::kSyn)) return;  // RFC 5961 4: challenged
  if (!segment.Has(SegmentView::kAck)) return;
  if (ReceiveAck(segment)) ReceiveData(segment);
}

// RFC 5961 3.2: exactly at the next number. Linux takes some others, where a FIN or what came ahead
// of its turn may be what the peer knows of.
void TcpModel::ReceiveReset(const SegmentView& segment) {
  if (segment.seq == rcv_nxt_) {
    state_ = State::kClosed;
    reset_ = true;
  } else if (!ahead_.empty() || fin_received_ || fin_at_.has_value()) {
    sure_ = false;
  }
}

// RFC 9293 3.10.7.4, fifth check, and RFC 5961 5.2.
bool TcpModel::ReceiveAck(const SegmentView& segment) {
  if (IsFar(segment.ack, snd_una_)) {
    sure_ = false;
    return false;
  }
  if (IsBehind(segment.ack, snd_nxt_)) return false;
  if (IsBehind(snd_una_, segment.ack)) {
    // RFC 5961 5.2: too old where it is older than all that the peer has ever offered or
    // acknowledged.
    sure_ = !IsBehind(segment.ack, *isn_);
    return false;
  }
  snd_una_ = segment.ack;
  if (!fin_end_.has_value() || snd_una_ != *fin_end_) return true;
  if (state_ == State::kFinWait1) state_ = State::kFinWait2;
  if (state_ == State::kClosing) state_ = State::kTimeWait;
  if (state_ == State::kLastAck) state_ = State::kClosed;
  return state_ == State::kFinWait2;
}

// Seventh and eighth.
void TcpModel::ReceiveData(const SegmentView& segment) {
  const bool fin = segment.Has(SegmentView::kFin);
  if (segment.data.empty() && !fin) return;
  if (fin_received_) {
    // Old bytes with new ones behind a FIN: Linux resets.
    if (IsBehind(rcv_nxt_, segment.seq)) sure_ = false;
    return;
  }
  const uint32_t start = segment.seq - peer_isn_;
  const uint32_t end = start + static_cast<uint32_t>(segment.data.size());
  const uint32_t next = rcv_nxt_ - peer_isn_;
  // A stream that ends in two places, or goes on behind its end.
  if (fin && fin_at_.has_value() && *fin_at_ != end) sure_ = false;
  if (fin && std::any_of(ahead_.begin(), ahead_.end(),
                         [end](const auto& piece) { return piece.second > end; })) {
    sure_ = false;
  }
  if (fin_at_.has_value() && end > *fin_at_) sure_ = false;
  if (static_cast<int32_t>(end - next) < 0 || !sure_) return;
  if (fin) fin_at_ = end;
  if (end != start) {
    uint32_t& piece = ahead_[static_cast<int32_t>(start - next) < 0 ? next : start];
    piece = std::max(piece, end);
  }
  TakeInOrder();
}

void TcpModel::TakeInOrder() {
  uint32_t next = rcv_nxt_ - peer_isn_;
  while (!ahead_.empty() && ahead_.begin()->first <= next) {
    const uint32_t end = ahead_.begin()->second;
    ahead_.erase(ahead_.begin());
    if (end <= next) continue;
    readable_bytes_ += end - next;
    next = end;
  }
  rcv_nxt_ = peer_isn_ + next;
  if (fin_at_ == next) ReceiveFin();
}

void TcpModel::ReceiveFin() {
  ++rcv_nxt_;
  fin_received_ = true;
  if (state_ == State::kEstablished) state_ = State::kCloseWait;
  if (state_ == State::kFinWait1) state_ = State::kClosing;
  if (state_ == State::kFinWait2) state_ = State::kTimeWait;
}

void TcpModel::Shutdown() {
  if (state_ == State::kEstablished) state_ = State::kFinWait1;
  if (state_ == State::kCloseWait) state_ = State::kLastAck;
}

bool TcpModel::MayRead(int64_t result) {
  if (result > 0) {
    if (static_cast<uint64_t>(result) > readable_bytes_) return false;
    readable_bytes_ -= static_cast<uint32_t>(result);
    return true;
  }
  if (readable_bytes_ != 0) return false;
  // Another call may have been told of the reset.
  if (result == 0) return fin_received_ || state_ == State::kClosed;
  if (result == -EAGAIN) return !fin_received_ && state_ != State::kClosed;
  const bool told = reset_;
  reset_ = false;  // once
  return told && (result == -ECONNRESET || result == -EPIPE);
}

}  // namespace tapedeck::fuzz
