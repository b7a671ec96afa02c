#include "fuzz/segment_oracle.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "fuzz/frame_words.h"
#include "fuzz/oracles.h"
#include "stack/base/drop_reason.h"
#include "stack/socket/sock_diag.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_sock.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::fuzz {

namespace {

constexpr Duration kPawsWrap = Duration::Seconds(24 * 86'400);
// Windows move by segments, or by half of the buffer; far fewer bytes are silly whatever they are.
constexpr uint32_t kSillyBytes = 64;
constexpr size_t kFinsMax = 64;
constexpr uint32_t kQueuedMax = 1U << 20;
// So far ahead or behind a number is so for everybody. Half of the number space away it depends on
// whether one looks from what is expected or, as Linux, from what was last acknowledged, and that
// is a window of 1 GiB behind at most.
constexpr uint32_t kClearlyMax = 1U << 30;

// --- Verdicts, by their names: how engines and reports tell them apart. ---

void PrintNumbers(const char* what, uint32_t a, const char* other, uint32_t b) {
  std::fprintf(stderr, "%s %" PRIu32 ", %s %" PRIu32 "\n", what, a, other, b);
}
[[noreturn, gnu::noinline]] void OfferedWindowFailed(uint32_t end, uint32_t offered) {
  ReportBroken("INV", "within_offered_window", "tcp_segment");
  PrintNumbers("data ends at", end, "the peer offered up to", offered);
  std::abort();
}
[[noreturn, gnu::noinline]] void SillyWindowFailed(uint32_t edge, uint32_t before) {
  ReportBroken("INV", "silly_window", "tcp_segment");
  PrintNumbers("window updated to", edge, "from", before);
  std::abort();
}
[[noreturn, gnu::noinline]] void SentAgainFailed(uint32_t seq, uint32_t at) {
  ReportBroken("STREAM", "sent_again", "tcp_segment");
  PrintNumbers("segment", seq, "other bytes than before from", at);
  std::abort();
}
[[noreturn, gnu::noinline]] void StreamEndFailed(uint32_t rcv_nxt, uint32_t fin) {
  ReportBroken("STREAM", "end", "tcp_sock");
  PrintNumbers("the stream has ended at", rcv_nxt, "and the last FIN at", fin);
  std::abort();
}
[[noreturn, gnu::noinline]] void ResetFailed(uint32_t seq, uint32_t rcv_nxt) {
  ReportBroken("RFC", "reset_at_next_sequence", "tcp_segment");
  PrintNumbers("RST at", seq, "was accepted at", rcv_nxt);
  std::abort();
}
[[noreturn, gnu::noinline]] void AcceptanceFailed(uint32_t seq, uint32_t rcv_nxt) {
  ReportBroken("MODEL", "sequence_acceptable", "tcp_segment");
  PrintNumbers("segment", seq, "was refused at", rcv_nxt);
  std::abort();
}
[[noreturn, gnu::noinline]] void PawsFailed(uint32_t seq, uint32_t rcv_nxt) {
  ReportBroken("MODEL", "paws_expires", "tcp_segment");
  PrintNumbers("segment", seq, "was refused after weeks of silence at", rcv_nxt);
  std::abort();
}

// --- Sockets ---

// The peer's address as a flow's key has it: in its first bytes.
bool IsAddress(const IpAddress& address, bool v6, const std::array<uint8_t, 16>& bytes) {
  if (address.is_v4()) {
    const auto four = address.v4().bytes();
    return !v6 && std::equal(four.begin(), four.end(), bytes.begin());
  }
  return v6 && address.is_v6() && address.v6().bytes() == bytes;
}

bool IsSynchronised(uint8_t state) {
  return state != TCP_LISTEN && state != TCP_SYN_SENT && state != TCP_CLOSE &&
         state != TCP_SYN_RECV;
}

}  // namespace

void SegmentOracle::Begin(bool judging, bool punctual) {
  judging_ = judging;
  punctual_ = punctual;
  hidden_ = false;
  flows_.clear();
  frames_.fill(Frame{});
}

SegmentOracle::Key SegmentOracle::KeyOf(const TraceEvent& event, const SegmentView& segment,
                                        bool received) {
  Key key;
  key.host = event.host;
  key.v6 = segment.v6;
  key.host_port = received ? segment.destination_port : segment.source_port;
  key.peer_port = received ? segment.source_port : segment.destination_port;
  const std::span<const uint8_t> peer = received ? segment.source : segment.destination;
  std::copy(peer.begin(), peer.end(), key.peer.begin());
  return key;
}

bool SegmentOracle::IsSocketOf(const Key& key, const sock_diag_entry& entry) {
  // One that hears of one device only leaves its addresses to another.
  return entry.protocol == wire::kIpProtoTcp && entry.sk != nullptr &&
         entry.sk->sk_bound_dev_if == 0 && entry.local.port.host() == key.host_port &&
         entry.peer.port.host() == key.peer_port && IsAddress(entry.peer.address, key.v6, key.peer);
}

const sock* SegmentOracle::SocketOf(const Flow& flow) const {
  struct Search {
    const Key& key;
    const sock* found = nullptr;
  } search = {flow.key};
  sock_diag_for_each(
      lab_.host(flow.key.host).network(),
      [](const sock_diag_entry& entry, void* context) {
        auto* const its = static_cast<Search*>(context);
        if (IsSocketOf(its->key, entry)) its->found = entry.sk;
      },
      &search);
  return search.found;
}

SegmentOracle::Flow* SegmentOracle::FlowOf(const Key& key) {
  for (Flow& flow : flows_) {
    if (flow.key == key) return &flow;
  }
  if (flows_.size() == kFlowsMax) return nullptr;
  Flow& flow = flows_.emplace_back();
  flow.key = key;
  return &flow;
}

const SegmentOracle::Frame* SegmentOracle::Find(uint64_t frame_id) const {
  const Frame& frame = frames_[frame_id % kFramesMax];
  return frame.id == frame_id && frame.flow < kFlowsMax ? &frame : nullptr;
}

void SegmentOracle::Received(const TraceEvent& event) {
  SegmentView segment;
  const PaddedFrame frame(event.bytes);
  const Carries carries = FindSegment(frame.bytes(), &segment);
  if (carries == Carries::kHidden) hidden_ = true;
  if (carries != Carries::kSegment) return;
  Flow* const flow = FlowOf(KeyOf(event, segment, /*received=*/true));
  if (flow == nullptr) return;
  flow->heard = true;
  flow->heard_before = flow->heard_at;
  flow->heard_at = event.time;
  const bool syn = segment.Has(SegmentView::kSyn);
  if (syn && !segment.Has(SegmentView::kAck)) flow->peer_opens = true;
  if (syn) flow->peer_shift = std::max(flow->peer_shift, segment.shift.value_or(0));
  if (!segment.data.empty()) {
    const uint32_t end = segment.seq + (syn ? 1 : 0) + static_cast<uint32_t>(segment.data.size());
    if (!flow->data_end.has_value() || IsBehind(end, *flow->data_end)) flow->data_end = end;
  }
  if (segment.Has(SegmentView::kFin) && flow->fins.size() < kFinsMax) {
    flow->fins.push_back(segment.end());
  }
  // What acknowledges something that this connection has never had is none of its segments; what is
  // in the host's own queues still may be acknowledged before it is seen here.
  const bool acknowledges = segment.Has(SegmentView::kAck) && flow->isn.has_value() &&
                            segment.ack - *flow->isn <= flow->sent_end - *flow->isn + kQueuedMax;
  if (acknowledges) {
    // Linux shifts the window of the SYN|ACK that ends a simultaneous open, too
    // (tcp_rcv_state_process), whatever RFC 7323 2.2 says.
    const bool shifted = !syn || flow->peer_opens;
    const uint32_t window = uint32_t{segment.window} << (shifted ? flow->peer_shift : 0);
    const uint32_t edge = segment.ack + window;
    if (!flow->offered.has_value() || IsBehind(edge, *flow->offered)) flow->offered = edge;
  }
  frames_[event.args[0] % kFramesMax] = {.id = event.args[0],
                                         .flow = static_cast<size_t>(flow - flows_.data()),
                                         .seq = segment.seq,
                                         .end = segment.end(),
                                         .flags = segment.flags};
}

void SegmentOracle::CheckSentBytes(Flow& flow, const SegmentView& segment) {
  if (segment.data.empty() || segment.Has(SegmentView::kSyn) || !flow.sent_known) return;
  const size_t at = segment.seq - *flow.isn - 1;
  // A probe repeats a byte that was acknowledged long ago, whose number may be the SYN's.
  if (at > flow.sent.size() || at + segment.data.size() > kSentMax) {
    flow.sent_known = false;
    return;
  }
  const size_t same = std::min(segment.data.size(), flow.sent.size() - at);
  if (same != 0 && std::memcmp(flow.sent.data() + at, segment.data.data(), same) != 0) {
    SentAgainFailed(segment.seq, static_cast<uint32_t>(*flow.isn + 1 + at));
  }
  flow.sent.insert(flow.sent.end(), segment.data.begin() + static_cast<std::ptrdiff_t>(same),
                   segment.data.end());
}

void SegmentOracle::CheckOffer(Flow& flow, const SegmentView& segment) {
  // Where a NIC may have kept a SYN to itself, its data are nobody's.
  if (!punctual_) return;
  if (segment.data.empty() || segment.Has(SegmentView::kSyn) || !flow.offered.has_value()) return;
  const uint32_t end = segment.seq + static_cast<uint32_t>(segment.data.size());
  if (flow.unasked_end.has_value() && !IsBehind(end, *flow.unasked_end)) return;
  if (IsBehind(end, *flow.offered)) OfferedWindowFailed(end, *flow.offered);
}

void SegmentOracle::CheckUpdate(Flow& flow, const SegmentView& segment) {
  const uint32_t edge = segment.ack + (uint32_t{segment.window}
                                       << (segment.Has(SegmentView::kSyn) ? 0 : flow.host_shift));
  // Nothing but the reader can have made the host send this: the same acknowledgement, no data, and
  // no keepalive, whose number is an old one.
  const bool update = segment.flags == SegmentView::kAck && segment.data.empty() &&
                      !segment.has_sack && !flow.heard && flow.told_ack == segment.ack &&
                      segment.seq == flow.sent_end && !flow.told_by_syn;
  if (update && IsBehind(edge, flow.told_edge) && edge - flow.told_edge < kSillyBytes) {
    SillyWindowFailed(edge, flow.told_edge);
  }
  flow.told_ack = segment.ack;
  flow.told_edge = edge;
  flow.told_by_syn = segment.Has(SegmentView::kSyn);  // whose window is not scaled, nor exact
}

void SegmentOracle::Sent(const TraceEvent& event) {
  SegmentView segment;
  if (FindSegment(event.bytes, &segment) != Carries::kSegment) return;
  if (segment.Has(SegmentView::kRst)) return;
  Flow* const flow = FlowOf(KeyOf(event, segment, /*received=*/false));
  if (flow == nullptr) return;
  if (segment.Has(SegmentView::kSyn)) {
    if (flow->isn != segment.seq) {
      flow->isn = segment.seq;
      flow->sent_end = segment.end();
      flow->sent.clear();
      flow->sent_known = true;
      flow->offered.reset();
      flow->unasked_end.reset();
    }
    flow->host_shift = segment.shift.value_or(0);
    if (!segment.data.empty()) {  // of fast open
      flow->sent_known = false;   // perhaps refused
      flow->unasked_end = segment.end();
    }
  }
  if (!flow->isn.has_value()) return;
  CheckSentBytes(*flow, segment);
  CheckOffer(*flow, segment);
  if (segment.Has(SegmentView::kAck)) CheckUpdate(*flow, segment);
  if (IsBehind(segment.end(), flow->sent_end)) flow->sent_end = segment.end();
  flow->heard = false;
}

void SegmentOracle::Delivered(uint64_t frame_id) {
  const Frame* const frame = Find(frame_id);
  if (frame == nullptr) return;
  Flow& flow = flows_[frame->flow];
  if ((frame->flags & SegmentView::kRst) == 0) {
    flow.delivered.push_back(frame->end);
    if ((frame->flags & SegmentView::kFin) != 0) flow.delivered.push_back(frame->end - 1);
    return;
  }
  if (!flow.rcv_nxt.has_value() || hidden_ || !IsSynchronised(flow.state)) return;
  // Linux's exceptions: where a FIN or the highest of what was lost may be what the peer knows of.
  if (frame->seq == *flow.rcv_nxt || frame->seq == *flow.rcv_nxt - 1) return;
  if (flow.sacks && frame->seq == flow.highest_sack) return;
  if (std::find(flow.delivered.begin(), flow.delivered.end(), frame->seq) != flow.delivered.end()) {
    return;
  }
  ResetFailed(frame->seq, *flow.rcv_nxt);
}

void SegmentOracle::Dropped(const TraceEvent& event) {
  const auto reason = static_cast<DropReason>(event.args[1]);
  if (reason != SKB_DROP_REASON_TCP_OLD_SEQUENCE && reason != SKB_DROP_REASON_TCP_RFC7323_PAWS &&
      reason != SKB_DROP_REASON_TCP_INVALID_SEQUENCE) {
    return;
  }
  const Frame* const frame = Find(event.args[0]);
  if (frame == nullptr) return;
  const Flow& flow = flows_[frame->flow];
  const sock* const sk = SocketOf(flow);
  if (sk == nullptr || !IsSynchronised(sk->sk_state)) return;
  const uint32_t rcv_nxt = tcp_sk(sk)->rcv_nxt.value();
  if (reason == SKB_DROP_REASON_TCP_OLD_SEQUENCE) {
    if (frame->end - rcv_nxt < kClearlyMax) AcceptanceFailed(frame->seq, rcv_nxt);
  } else if (reason == SKB_DROP_REASON_TCP_INVALID_SEQUENCE) {
    if (rcv_nxt - frame->seq < kClearlyMax) AcceptanceFailed(frame->seq, rcv_nxt);
  } else if (punctual_ && event.time - flow.heard_before > kPawsWrap + Duration::Seconds(2)) {
    PawsFailed(frame->seq, rcv_nxt);
  }
}

void SegmentOracle::StateChanged(const TraceEvent& event) {
  if ((event.args[2] != TCP_CLOSE_WAIT && event.args[2] != TCP_CLOSING) || hidden_) return;
  for (const Flow& flow : flows_) {
    if (flow.key.host != event.host || flow.fins.empty() || flow.fins.size() == kFinsMax) continue;
    const sock* const sk = SocketOf(flow);
    if (sk == nullptr || sk->sk_id != event.args[0]) continue;
    const uint32_t rcv_nxt = tcp_sk(sk)->rcv_nxt.value();
    // Data behind a FIN joins it where both came too early (tcp_ooo_try_coalesce).
    const bool goes_on = std::any_of(flow.fins.begin(), flow.fins.end(), [&flow](uint32_t fin) {
      return flow.data_end.has_value() && IsBehind(*flow.data_end, fin);
    });
    if (goes_on) continue;
    if (std::find(flow.fins.begin(), flow.fins.end(), rcv_nxt) == flow.fins.end()) {
      StreamEndFailed(rcv_nxt, flow.fins.back());
    }
  }
}

void SegmentOracle::ForgetSockets() {
  for (Flow& flow : flows_) {
    flow.delivered.clear();
    flow.rcv_nxt.reset();
  }
}

void SegmentOracle::NoteSocket(uint8_t host, const sock_diag_entry& entry) {
  for (Flow& flow : flows_) {
    if (flow.key.host != host || !IsSocketOf(flow.key, entry)) continue;
    const tcp_sock* const tp = tcp_sk(entry.sk);
    flow.rcv_nxt = tp->rcv_nxt.value();
    flow.state = entry.sk->sk_state;
    flow.sacks = tp->rx_opt.num_sacks != 0;
    for (int k = 0; k < tp->rx_opt.num_sacks; ++k) {
      const uint32_t edge = tp->selective_acks[k].end_seq.value();
      if (k == 0 || IsBehind(edge, flow.highest_sack)) flow.highest_sack = edge;
    }
  }
}

void SegmentOracle::Observe(uint64_t, const TraceEvent& event, const FrameLedger&) {
  if (!judging_) return;
  switch (event.kind) {
    case TraceKind::kWireRx:
      if ((event.args[3] & kWireFlagIp) == 0) Received(event);
      break;
    case TraceKind::kWireTx:
      if ((event.args[3] & kWireFlagIp) == 0) Sent(event);
      break;
    case TraceKind::kDeliver:
      if (event.args[2] == wire::kIpProtoTcp) Delivered(event.args[0]);
      break;
    case TraceKind::kDrop:
      Dropped(event);
      break;
    case TraceKind::kSockState:
      StateChanged(event);
      break;
    default:
      break;
  }
}

}  // namespace tapedeck::fuzz
