// Sending again (tcp_retransmit_skb, tcp_xmit_retransmit_queue): what is said about which packets
// is tcp_fastretrans's and the timer's; here it is done.
#include <algorithm>
#include <cerrno>

#include "stack/core/skb_split.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_output_internal.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {

namespace {

// Joins `skb` and the one behind it; false where their fragments do not fit into one.
bool tcp_collapse_retrans(sock* sk, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  sk_buff* const next_skb = skb_rb_next(skb);
  CHECK(tcp_skb_pcount(skb) == 1 && tcp_skb_pcount(next_skb) == 1);
  if (next_skb->len != 0 && skb_shift(skb, next_skb, next_skb->len) == 0) return false;
  tcp_highest_sack_replace(sk, next_skb, skb);
  tcp_skb_cb* const tcb = TCP_SKB_CB(skb);
  const tcp_skb_cb* const next = TCP_SKB_CB(next_skb);
  tcb->end_seq = next->end_seq;
  tcb->tcp_flags |= next->tcp_flags;
  tcb->sacked |= next->sacked & TCPCB_EVER_RETRANS;
  tcb->eor = next->eor;
  if (next_skb == tp->retransmit_skb_hint) tp->retransmit_skb_hint = skb;
  tcp_skb_shift_counts(sk, next_skb, static_cast<int>(tcp_skb_pcount(next_skb)));
  tcp_skb_collapse_tstamp(skb, next_skb);
  tcp_rtx_queue_unlink_and_free(next_skb, sk);
  return true;
}

bool tcp_can_collapse(const sk_buff* skb) {
  return tcp_skb_pcount(skb) <= 1 && !skb_cloned(skb) &&
         (TCP_SKB_CB(skb)->sacked & TCPCB_SACKED_ACKED) == 0;
}

// Joins `to` with those behind it, to at most `space` bytes: fewer packets go out again.
void tcp_retrans_try_collapse(sock* sk, sk_buff* to, uint32_t space) {
  if (tcp_sysctl(sk).retrans_collapse == 0) return;
  if ((TCP_SKB_CB(to)->tcp_flags & TCPHDR_SYN) != 0) return;
  if (!tcp_can_collapse(to) || !tcp_skb_can_collapse(to, to)) return;
  int64_t left = int64_t{space} - to->len;
  sk_buff* skb = skb_rb_next(to);
  while (skb != nullptr && tcp_can_collapse(skb) && tcp_skb_can_collapse(to, skb)) {
    sk_buff* const next = skb_rb_next(skb);
    left -= skb->len;
    if (left < 0 || TCP_SKB_CB(skb)->end_seq.After(tcp_wnd_end(tcp_sk(sk)))) return;
    if (!tcp_collapse_retrans(sk, to)) return;
    skb = next;
  }
}

// `skb` was `before` segments, and is as many as it is now.
void AdjustCounts(sock* sk, sk_buff* skb, uint32_t before) {
  const uint32_t after = tcp_skb_pcount(skb);
  if (before == after) return;
  tcp_skb_shift_counts(sk, skb, static_cast<int>(before) - static_cast<int>(after));
}

// Takes off what has been acknowledged and, for want of memory, is still there. 0 or -errno.
int TrimAcked(sock* sk, sk_buff* skb) {
  const tcp_sock* const tp = tcp_sk(sk);
  tcp_skb_cb* const tcb = TCP_SKB_CB(skb);
  if (tcb->seq.Before(tp->snd_una) && (tcb->tcp_flags & TCPHDR_SYN) != 0) {
    tcb->tcp_flags = static_cast<uint16_t>(tcb->tcp_flags & ~TCPHDR_SYN);
    tcb->seq += 1;
  }
  if (!tcb->seq.Before(tp->snd_una)) return 0;
  if (tcb->end_seq.Before(tp->snd_una)) return -EINVAL;
  const uint32_t before = tcp_skb_pcount(skb);
  const int err = tcp_trim_head(sk, skb, static_cast<uint32_t>(tp->snd_una - tcb->seq));
  AdjustCounts(sk, skb, before);
  return err;
}

// Makes `skb` as long as one retransmission of `segs` segments may be. 0 or -ENOMEM.
int FitToRetransmit(sock* sk, sk_buff* skb, uint32_t segs, uint32_t cur_mss, uint32_t avail_wnd) {
  uint32_t len = cur_mss * (tcp_urg_mode(tcp_sk(sk)) ? 1 : segs);
  if (len > avail_wnd) {
    len = RoundDown(avail_wnd, cur_mss);
    if (len == 0) len = avail_wnd;
  }
  if (skb->len > len) return tcp_fragment(sk, tcp_queue::kRtx, skb, len, cur_mss);
  if (skb_unclone_keeptruesize(skb) != 0) return -ENOMEM;
  const uint32_t before = tcp_skb_pcount(skb);
  tcp_set_skb_tso_segs(skb, cur_mss);
  AdjustCounts(sk, skb, before);
  const uint32_t space = std::min(avail_wnd, cur_mss);
  if (skb->len < space) tcp_retrans_try_collapse(sk, skb, space);
  return 0;
}

// RFC 3168 6.1.1.1: a SYN that nobody answers is sent without ECN; with AccECN, from the second
// retransmission on.
void FallBackFromEcn(sock* sk, sk_buff* skb) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (tcp_ecn_mode_pending(tp) && tp->icsk_retransmits <= 1) return;
  if ((TCP_SKB_CB(skb)->tcp_flags & TCPHDR_SYN_ECN) == TCPHDR_SYN_ECN) tcp_ecn_clear_syn(sk, skb);
}

void CountRetransmission(sock* sk, const sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint32_t segs = tcp_skb_pcount(skb);
  sk->sk_net.tcp_mib.Add(TcpMib::kRetransSegs, segs);
  if ((TCP_SKB_CB(skb)->tcp_flags & TCPHDR_SYN) != 0) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPSynRetrans);
  }
  tp->total_retrans += segs;
  tp->bytes_retrans += skb->len;
}

// Whether the retransmission queue's `skb` is lost and not sent again yet.
bool IsToBeRetransmitted(const sk_buff* skb) {
  constexpr uint8_t kDone = TCPCB_SACKED_ACKED | TCPCB_SACKED_RETRANS;
  const uint8_t sacked = TCP_SKB_CB(skb)->sacked;
  return (sacked & TCPCB_LOST) != 0 && (sacked & kDone) == 0;
}
// A hole: neither lost nor said to have arrived. The next search begins at the first one.
bool IsHole(const sk_buff* skb) {
  constexpr uint8_t kNot = TCPCB_LOST | TCPCB_SACKED_ACKED | TCPCB_SACKED_RETRANS;
  return (TCP_SKB_CB(skb)->sacked & kNot) == 0;
}

// Sends one lost packet again. False: no more can be sent now.
bool RetransmitLost(sock* sk, sk_buff* skb, uint32_t segs) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tcp_small_queue_check(sk, skb, 1)) return false;
  const bool after_rto = tp->icsk_ca_state == TCP_CA_Loss;
  if (tcp_retransmit_skb(sk, skb, segs) != 0) return false;
  TraceRetransmit(sk, skb, after_rto ? TcpRetransmitWhy::kSlowStart : TcpRetransmitWhy::kFast);
  NET_ADD_STATS(sk->sk_net,
                after_rto ? TcpExtMib::kTCPSlowStartRetrans : TcpExtMib::kTCPFastRetrans,
                tcp_skb_pcount(skb));
  if (tcp_in_cwnd_reduction(sk)) tp->prr_out += tcp_skb_pcount(skb);
  return true;
}

}  // namespace

void TraceRetransmit(sock* sk, const sk_buff* skb, TcpRetransmitWhy why) {
  sk->sk_net.this_cpu().Trace(TraceKind::kTcpRetransmit, sk->sk_id, TCP_SKB_CB(skb)->seq.value(),
                              skb->len, static_cast<uint64_t>(why));
}

bool skb_still_in_host_queue(sock* sk, const sk_buff* skb) {
  if (!skb_fclone_busy(sk, skb)) return false;
  tcp_sk(sk)->tsq_flags |= TSQF_THROTTLED;
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPSpuriousRtxHostQueues);
  return true;
}

int __tcp_retransmit_skb(sock* sk, sk_buff* skb, uint32_t segs) {
  tcp_sock* const tp = tcp_sk(sk);
  // Whether the MTU probe got through is not known any more.
  tp->icsk_mtup.probe_size = 0;
  if (skb_still_in_host_queue(sk, skb)) return -EBUSY;
  const int trim_err = TrimAcked(sk, skb);
  if (trim_err != 0) return trim_err;
  if (tp->icsk_af_ops->rebuild_header(sk) != 0) return -EHOSTUNREACH;

  const uint32_t cur_mss = tcp_current_mss(sk);
  int32_t avail_wnd = tcp_wnd_end(tp) - TCP_SKB_CB(skb)->seq;
  if (avail_wnd <= 0) {
    // The window has shrunk. Only the first segment goes, as a probe.
    if (TCP_SKB_CB(skb)->seq != tp->snd_una) return -EAGAIN;
    avail_wnd = static_cast<int32_t>(cur_mss);
  }
  if (FitToRetransmit(sk, skb, segs, cur_mss, static_cast<uint32_t>(avail_wnd)) != 0) {
    return -ENOMEM;
  }
  FallBackFromEcn(sk, skb);
  CountRetransmission(sk, skb);
  const uint32_t sent_segs = tcp_skb_pcount(skb);
  const int err = tcp_transmit_skb(sk, skb, true);
  if (err != 0 && err != -EBUSY) {
    NET_ADD_STATS(sk->sk_net, TcpExtMib::kTCPRetransFail, sent_segs);
  }
  // Failed or not: its time stamp is no longer that of the first transmission.
  TCP_SKB_CB(skb)->sacked |= TCPCB_EVER_RETRANS;
  return err;
}

int tcp_retransmit_skb(sock* sk, sk_buff* skb, uint32_t segs) {
  TRACE_FUNCTION(sk->sk_net, skb, tcp_retransmit_skb, sk, skb, segs);
  tcp_sock* const tp = tcp_sk(sk);
  const int err = __tcp_retransmit_skb(sk, skb, segs);
  if (err == 0) {
    TCP_SKB_CB(skb)->sacked |= TCPCB_RETRANS;
    tp->retrans_out += tcp_skb_pcount(skb);
  }
  // Of the first attempt.
  if (tp->retrans_stamp == 0) tp->retrans_stamp = tcp_skb_timestamp_ts(tp->tcp_usec_ts, skb);
  tp->undo_retrans = std::max(tp->undo_retrans, 0) + static_cast<int32_t>(tcp_skb_pcount(skb));
  return err;
}

void tcp_xmit_retransmit_queue(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->packets_out == 0) return;
  const sk_buff* const rtx_head = tcp_rtx_queue_head(sk);
  sk_buff* skb =
      tp->retransmit_skb_hint != nullptr ? tp->retransmit_skb_hint : tcp_rtx_queue_head(sk);
  const uint32_t max_segs = tcp_tso_segs(sk, tcp_current_mss(sk));
  bool hole_seen = false;
  bool rearm_timer = false;
  for (; skb != nullptr; skb = skb_rb_next(skb)) {
    if (tcp_pacing_check(sk)) break;
    if (!hole_seen) tp->retransmit_skb_hint = skb;
    const uint32_t in_flight = tcp_packets_in_flight(tp);
    if (in_flight >= tcp_snd_cwnd(tp)) break;
    if (tp->retrans_out >= tp->lost_out) break;
    if (IsHole(skb)) hole_seen = true;
    if (!IsToBeRetransmitted(skb)) continue;
    // SACKed neighbours may have been merged into very large packets.
    const uint32_t segs = std::min(tcp_snd_cwnd(tp) - in_flight, max_segs);
    if (!RetransmitLost(sk, skb, segs)) break;
    if (skb == rtx_head && tp->icsk_pending != ICSK_TIME_REO_TIMEOUT) rearm_timer = true;
  }
  if (rearm_timer) tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, tp->icsk_rto, true);
}

}  // namespace tapedeck
