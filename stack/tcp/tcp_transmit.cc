// One segment, from the write queue or made for the occasion, gets its header and leaves for IP.
#include <cerrno>
#include <cstring>
#include <utility>

#include "stack/core/dev.h"
#include "stack/core/skb_split.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_md5.h"
#include "stack/tcp/tcp_output_internal.h"

namespace tapedeck {

namespace {

constexpr uint32_t kUrgentPointerMax = 0xffff;
constexpr uint32_t kPacedAfterSegments = 10;  // the first window is not paced, as in sch_fq
constexpr uint64_t kNsPerSecond = 1'000'000'000;

// The copy that travels. Its data are shared; where an earlier copy still looks at the head, the
// head is copied too. nullptr where memory failed.
sk_buff* CloneForTransmit(sk_buff* oskb) {
  sk_buff* skb = nullptr;
  if (skb_cloned(oskb)) {
    skb = pskb_copy(oskb);
  } else {
    skb = skb_clone(oskb);
    if (skb != nullptr) skb_fclone_link(oskb, skb);
  }
  if (skb == nullptr) return nullptr;
  // In the retransmission queue these words are links.
  skb->dev = nullptr;
  skb->frame_id = oskb->owner->world.NewFrameId();
  return skb;
}

// A packet is paid for until the device has sent it; pure ACKs do not count in small queues.
void ChargeForTransmit(sock* sk, sk_buff* skb) {
  skb_orphan(skb);
  skb->sk = sk;
  skb->destructor = skb->truesize == kPureAckTruesize ? sock_wfree : tcp_wfree;
  sk->sk_wmem_alloc += skb->truesize;
}

// RFC 9293 3.8.5, by RFC 6093: the pointer is an offset to the byte behind the urgent data.
void SetUrgentPointer(const tcp_sock* tp, SeqNum seq, wire::TcpHeader* th) {
  if (!tcp_urg_mode(tp) || !seq.Before(tp->snd_up)) return;
  if (tp->snd_up.Before(seq + (kUrgentPointerMax + 1))) {
    th->urg_ptr = static_cast<uint16_t>(tp->snd_up - seq);
  } else if ((seq + kUrgentPointerMax).After(tp->snd_nxt)) {
    th->urg_ptr = static_cast<uint16_t>(kUrgentPointerMax);
  } else {
    return;
  }
  th->set_flags(th->flags() | TCPHDR_URG);
}

// Header and options, at skb->data. The window and the ECN marks follow from the socket's state,
// which changes with them.
void BuildHeader(sock* sk, sk_buff* skb, tcp_out_options* opts, const tcp_md5sig_key* md5,
                 SeqNum rcv_nxt, uint32_t header_bytes) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_skb_cb* const tcb = TCP_SKB_CB(skb);
  auto* const th = reinterpret_cast<wire::TcpHeader*>(skb->data);
  *th = wire::TcpHeader{};
  th->source = tp->inet_sport;
  th->dest = tp->inet_dport;
  th->seq = tcb->seq.value();
  th->ack_seq = rcv_nxt.value();
  th->set_flags(tcb->tcp_flags & TCPHDR_FLAGS_MASK);
  th->set_doff(static_cast<uint8_t>(header_bytes / 4));
  SetUrgentPointer(tp, tcb->seq, th);
  skb_shinfo(skb)->gso_type = sk->sk_gso_type;
  if ((tcb->tcp_flags & TCPHDR_SYN) == 0) {
    th->window = tcp_select_window(sk);
    tcp_ecn_send(sk, skb, th, static_cast<int>(header_bytes));
  } else {
    // RFC 7323 2.2: the window of a SYN is never scaled.
    th->window = static_cast<uint16_t>(std::min<uint32_t>(tp->rcv_wnd, UINT16_MAX));
  }
  uint8_t* md5_hash = nullptr;
  tcp_options_write(th, tp, nullptr, opts, &md5_hash);
  if (md5 != nullptr) {
    sk_gso_disable(sk);
    tcp_md5_hash_skb(md5_hash, md5, tp->inet_saddr, tp->inet_daddr, skb);
  }
  tp->icsk_af_ops->send_check(sk, skb);
}

// What sending data means for congestion control and for the delayed ACK.
void tcp_event_data_sent(tcp_sock* tp, sock* sk) {
  const uint32_t now = tcp_jiffies32(sk);
  if (tcp_packets_in_flight(tp) == 0) tcp_ca_event_notify(sk, CA_EVENT_TX_START);
  tp->lsndtime = now;
  // An answer within the ACK timeout: the connection talks back and forth.
  if (now - tp->icsk_ack.lrcvtime < tp->icsk_ack.ato) inet_csk_inc_pingpong_cnt(sk);
}

// An ACK has gone out: what was scheduled or held back is said with it.
void tcp_event_ack_sent(sock* sk, SeqNum rcv_nxt) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->compressed_ack != 0) {
    NET_ADD_STATS(sk->sk_net, TcpExtMib::kTCPAckCompressed, tp->compressed_ack);
    tp->compressed_ack = 0;
    if (tp->compressed_ack_timer.Cancel()) sock_put(sk);
  }
  // DCTCP's ACK of what came before a change of CE leaves the rest to the next.
  if (rcv_nxt != tp->rcv_nxt) return;
  tcp_dec_quickack_mode(sk);
  inet_csk_clear_xmit_timer(sk, ICSK_TIME_DACK);
}

void CountSegment(sock* sk, const sk_buff* skb, uint32_t header_bytes) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_skb_cb* const tcb = TCP_SKB_CB(skb);
  const uint32_t segs = tcp_skb_pcount(skb);
  if (skb->len != header_bytes) {
    tcp_event_data_sent(tp, sk);
    tp->data_segs_out += segs;
    tp->bytes_sent += skb->len - header_bytes;
  }
  // RFC 4022: OutSegs does not count what carries retransmitted bytes only.
  if (tcb->end_seq.After(tp->snd_nxt) || tcb->seq == tcb->end_seq) {
    sk->sk_net.tcp_mib.Add(TcpMib::kOutSegs, segs);
  }
  tp->segs_out += segs;
}

// The control block is IP's from here on.
int GiveToNetwork(sock* sk, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  skb_set_hash_from_sk(skb, sk);
  skb_shinfo(skb)->gso_segs = static_cast<uint16_t>(tcp_skb_pcount(skb));
  skb_shinfo(skb)->gso_size = static_cast<uint16_t>(tcp_skb_mss(skb));
  std::memset(skb->cb, 0, sizeof(skb->cb));
  skb->tstamp += int64_t{tp->tcp_tx_delay_us} * 1000;
  const int err = tp->icsk_af_ops->queue_xmit(sk, skb, &tp->cork.fl);
  if (err <= 0) return err;
  tcp_enter_cwr(sk);
  return net_xmit_eval(err);
}

}  // namespace

void tcp_update_skb_after_send(sock* sk, sk_buff* skb, uint64_t prior_wstamp_ns) {
  tcp_sock* const tp = tcp_sk(sk);
  if (sk->sk_pacing_status != SK_PACING_NONE) {
    const uint64_t rate = sk->sk_pacing_rate;
    if (rate != UINT64_MAX && rate != 0 && tp->data_segs_out >= kPacedAfterSegments) {
      uint64_t len_ns = uint64_t{skb->len} * kNsPerSecond / rate;
      // What was sent late is caught up, up to a half.
      const uint64_t credit = tp->tcp_wstamp_ns - prior_wstamp_ns;
      len_ns -= std::min(len_ns / 2, credit);
      tp->tcp_wstamp_ns += len_ns;
    }
  }
  tcp_tsorted_move_tail(tp, skb);
}

int __tcp_transmit_skb(sock* sk, sk_buff* skb, bool clone_it, SeqNum rcv_nxt) {
  TRACE_FUNCTION(sk->sk_net, skb, __tcp_transmit_skb, sk, skb, clone_it, rcv_nxt);
  CHECK_GT(tcp_skb_pcount(skb), 0U);
  tcp_sock* const tp = tcp_sk(sk);
  sk->sk_net.Charge(CostPoint::k_tcp_transmit);
  const uint64_t prior_wstamp_ns = tp->tcp_wstamp_ns;
  tp->tcp_wstamp_ns = std::max(tp->tcp_wstamp_ns, tp->tcp_clock_cache_ns);
  skb->tstamp = static_cast<int64_t>(tp->tcp_wstamp_ns);
  sk_buff* oskb = nullptr;
  if (clone_it) {
    oskb = skb;
    skb = CloneForTransmit(oskb);
    if (skb == nullptr) return -ENOBUFS;
  }
  tcp_skb_cb* const tcb = TCP_SKB_CB(skb);
  const tcp_md5sig_key* const md5 = tcp_md5_lookup(sk);
  tcp_out_options opts;
  uint32_t header_bytes = sizeof(wire::TcpHeader);
  if ((tcb->tcp_flags & TCPHDR_SYN) != 0) {
    header_bytes += tcp_syn_options(sk, skb, &opts, md5);
  } else {
    header_bytes += tcp_established_options(sk, skb, &opts, md5);
    // A packet of several segments is complete in itself: the receiver need not wait for more.
    if (tcp_skb_pcount(skb) > 1) tcb->tcp_flags |= TCPHDR_PSH;
  }
  skb_push(skb, header_bytes);
  skb_reset_transport_header(skb);
  ChargeForTransmit(sk, skb);
  skb->dst_pending_confirm = std::exchange(tp->sk_dst_pending_confirm, false);
  BuildHeader(sk, skb, &opts, md5, rcv_nxt, header_bytes);
  if ((tcb->tcp_flags & TCPHDR_ACK) != 0) tcp_event_ack_sent(sk, rcv_nxt);
  CountSegment(sk, skb, header_bytes);
  const int err = GiveToNetwork(sk, skb);
  if (err == 0 && oskb != nullptr) {
    tcp_update_skb_after_send(sk, oskb, prior_wstamp_ns);
    tcp_rate_skb_sent(sk, oskb);
  }
  return err;
}

int tcp_transmit_skb(sock* sk, sk_buff* skb, bool clone_it) {
  TRACE_FUNCTION(sk->sk_net, skb, tcp_transmit_skb, sk, skb, clone_it);
  return __tcp_transmit_skb(sk, skb, clone_it, tcp_sk(sk)->rcv_nxt);
}

}  // namespace tapedeck
