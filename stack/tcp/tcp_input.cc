// A segment of an established connection: header prediction for what is expected, and the full
// treatment (RFC 9293 3.10.7.4) for the rest.
#include "stack/tcp/tcp_input.h"

#include "stack/core/skb_data.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_input_internal.h"
#include "stack/tcp/tcp_queues.h"

namespace tapedeck {

namespace {

// What header prediction compares (TCP_HP_BITS): all but the reserved bits and PSH.
constexpr uint32_t kHeaderPredictionBits =
    ~(uint32_t{wire::kTcpReservedMask | wire::kTcpPsh} << kTcpFlagWordShift);

enum class FastPath : uint8_t {
  kDone,          // dealt with
  kUnexpected,    // the full treatment
  kNoMemory,      // checked and found right, but there is no memory at hand for its data
  kBadChecksum,   // to be dropped
  kHeaderTooLong  // to be dropped: its header is longer than all of it
};

// Exactly what header prediction waits for (Van Jacobson): the flags, header length and window of
// the last segment, the next sequence number, an acknowledgment of what is in flight.
[[gnu::always_inline]] inline bool Predicted(const tcp_sock* tp, const sk_buff* skb,
                                             const wire::TcpHeader* th) {
  return (tcp_flag_word(th) & kHeaderPredictionBits) == tp->pred_flags &&
         TCP_SKB_CB(skb)->seq == tp->rcv_nxt &&
         TCP_SKB_CB(skb)->ack_seq.Between(tp->snd_una, tp->snd_nxt);
}

// ts_recent follows a predicted segment where its data begins at the last ACK (RFC 7323 4.3).
// FLAG_TS_PROGRESS or 0.
uint32_t UpdateTsRecent(tcp_sock* tp, bool has_timestamp, int32_t delta) {
  if (!has_timestamp || tp->rcv_nxt != tp->rcv_wup) return 0;
  return __tcp_replace_ts_recent(tp, delta);
}

// A predicted ACK without data: we are the sender.
[[gnu::always_inline]] inline void FastAck(sock* sk, sk_buff* skb, uint32_t flag) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_ecn_received_counters(sk, skb, 0);
  tcp_ack(sk, skb, flag);
  tcp_consume_segment(sk, skb);
  tcp_data_snd_check(sk);
  // Without data it is no measurement of the round trip.
  tp->rcv_rtt_last_tsecr = tp->rx_opt.rcv_tsecr;
}

// Predicted data: we are the receiver.
[[gnu::always_inline]] inline void FastData(sock* sk, sk_buff* skb, uint32_t flag) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_rcv_rtt_measure_ts(sk, skb);
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPHPHits);
  tcp_cleanup_skb(skb);
  __skb_pull(skb, tp->tcp_header_len);
  tcp_ecn_received_counters(sk, skb, skb->len);
  bool fragstolen = false;
  const bool eaten = tcp_queue_rcv(sk, skb, &fragstolen);
  tcp_event_data_recv(sk, skb);

  bool ack_due = true;
  if (TCP_SKB_CB(skb)->ack_seq != tp->snd_una) {
    tcp_ack(sk, skb, flag | FLAG_DATA);
    tcp_data_snd_check(sk);
    ack_due = inet_csk_ack_scheduled(sk);
  } else {
    tp->snd_wl1 = TCP_SKB_CB(skb)->seq;
  }
  if (ack_due) __tcp_ack_snd_check(sk, false);
  if (eaten) kfree_skb_partial(skb, fragstolen);
  tcp_data_ready(sk);
}

[[gnu::always_inline]] inline FastPath ReceivePredicted(sock* sk, sk_buff* skb,
                                                        const wire::TcpHeader* th) {
  tcp_sock* const tp = tcp_sk(sk);
  // Prediction includes the header's length.
  const uint32_t header_len = tp->tcp_header_len;
  const bool has_timestamp = header_len == wire::kTcpHeaderBytes + TCPOLEN_TSTAMP_ALIGNED;
  int32_t delta = 0;
  if (has_timestamp) {
    if (!tcp_parse_aligned_timestamp(tp, th)) return FastPath::kUnexpected;
    delta = static_cast<int32_t>(tp->rx_opt.rcv_tsval - tp->rx_opt.ts_recent);
    if (delta < 0) return FastPath::kUnexpected;
  }
  if (skb->len < header_len) return FastPath::kHeaderTooLong;
  if (skb->len == header_len) {
    FastAck(sk, skb, UpdateTsRecent(tp, has_timestamp, delta));
    return FastPath::kDone;
  }
  if (skb_checksum_complete(skb) != 0) return FastPath::kBadChecksum;
  if (TCP_SKB_CB(skb)->end_seq.After(tp->rcv_nxt + tcp_receive_window(tp))) {
    return FastPath::kUnexpected;
  }
  if (static_cast<int32_t>(skb->truesize) > sk->sk_forward_alloc) return FastPath::kNoMemory;
  FastData(sk, skb, UpdateTsRecent(tp, has_timestamp, delta));
  return FastPath::kDone;
}

// The fifth to seventh check: acknowledgment, urgent pointer, data.
void ReceiveAccepted(sock* sk, sk_buff* skb, const wire::TcpHeader* th) {
  tcp_ecn_received_counters_payload(sk, skb);
  const int acked = tcp_ack(sk, skb, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT);
  if (acked < 0) {
    tcp_drop_reason(sk, skb, static_cast<DropReason>(-acked));
    return;
  }
  tcp_rcv_rtt_measure_ts(sk, skb);
  tcp_urg(sk, skb, th);
  tcp_data_queue(sk, skb);
  tcp_data_snd_check(sk);
  tcp_ack_snd_check(sk);
}

[[gnu::noinline]] void DropBadChecksum(sock* sk, sk_buff* skb) {
  TCP_INC_STATS(sk->sk_net, TcpMib::kInCsumErrors);
  TCP_INC_STATS(sk->sk_net, TcpMib::kInErrs);
  tcp_drop_reason(sk, skb, SKB_DROP_REASON_TCP_CSUM);
}

[[gnu::noinline]] void ReceiveUnpredicted(sock* sk, sk_buff* skb, const wire::TcpHeader* th) {
  if (skb->len < th->header_bytes() || skb_checksum_complete(skb) != 0) {
    return DropBadChecksum(sk, skb);
  }
  if (!th->ack() && !th->rst() && !th->syn()) {
    return tcp_drop_reason(sk, skb, SKB_DROP_REASON_TCP_FLAGS);
  }
  if (tcp_validate_incoming(sk, skb, th, true)) ReceiveAccepted(sk, skb, th);
}

}  // namespace

void tcp_rcv_established(sock* sk, sk_buff* skb) {
  TRACE_FUNCTION(sk->sk_net, skb, tcp_rcv_established, sk, skb);
  tcp_sock* const tp = tcp_sk(sk);
  const auto* const th = reinterpret_cast<const wire::TcpHeader*>(skb->data);
  tcp_mstamp_refresh(tp);
  if (tp->sk_rx_dst == nullptr) inet_csk(sk)->icsk_af_ops->sk_rx_dst_set(sk, skb);
  tp->rx_opt.saw_tstamp = false;
  tp->rx_opt.accecn = 0;

  const FastPath fast =
      Predicted(tp, skb, th) ? ReceivePredicted(sk, skb, th) : FastPath::kUnexpected;
  switch (fast) {
    case FastPath::kDone:
      return;
    case FastPath::kUnexpected:
      return ReceiveUnpredicted(sk, skb, th);
    case FastPath::kNoMemory:
      return ReceiveAccepted(sk, skb, th);
    case FastPath::kBadChecksum:
      return DropBadChecksum(sk, skb);
    case FastPath::kHeaderTooLong:
      TCP_INC_STATS(sk->sk_net, TcpMib::kInErrs);
      return tcp_drop_reason(sk, skb, SKB_DROP_REASON_PKT_TOO_SMALL);
  }
}

}  // namespace tapedeck
