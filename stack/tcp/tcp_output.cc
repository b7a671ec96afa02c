// Sending what is in the write queue (tcp_write_xmit and who calls it).
#include <algorithm>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_output_internal.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {

namespace {

// What one call of tcp_write_xmit works with.
struct XmitRun {
  uint32_t mss_now;
  int nonagle;
  int push_one;
  uint32_t max_segs;
  bool is_cwnd_limited = false;
  bool is_rwnd_limited = false;
};

// Segments that the congestion window allows now, half of it at most: two packets in flight keep
// the ACK clock running.
uint32_t tcp_cwnd_test(const tcp_sock* tp) {
  const uint32_t in_flight = tcp_packets_in_flight(tp);
  const uint32_t cwnd = tcp_snd_cwnd(tp);
  if (in_flight >= cwnd) return 0;
  return std::min(std::max(cwnd >> 1, 1U), cwnd - in_flight);
}

// RFC 896 says when a small segment waits: never in the middle of the queue, never urgent data or a
// FIN.
bool tcp_nagle_test(const tcp_sock* tp, const sk_buff* skb, uint32_t cur_mss, int nonagle) {
  if ((nonagle & TCP_NAGLE_PUSH) != 0) return true;
  if (tcp_urg_mode(tp) || (TCP_SKB_CB(skb)->tcp_flags & TCPHDR_FIN) != 0) return true;
  return !tcp_nagle_check(skb->len < cur_mss, tp, nonagle);
}

// Remembers the end of a segment below MSS, for Minshall's test. The last segment of a packet
// counts.
void tcp_minshall_update(tcp_sock* tp, uint32_t mss_now, const sk_buff* skb) {
  if (skb->len < tcp_skb_pcount(skb) * mss_now) tp->snd_sml = TCP_SKB_CB(skb)->end_seq;
}

// Whether `skb`, the head, may go now by window, Nagle and TSO rules; says what holds it back.
bool MayGo(sock* sk, const sk_buff* skb, uint32_t tso_segs, XmitRun* run) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (!tcp_snd_wnd_test(tp, skb, run->mss_now)) {
    run->is_rwnd_limited = true;
    return false;
  }
  if (tso_segs == 1) {
    const int nonagle = tcp_skb_is_last(sk, skb) ? run->nonagle : int{TCP_NAGLE_PUSH};
    return tcp_nagle_test(tp, skb, run->mss_now, nonagle);
  }
  return run->push_one != 0 || !tcp_tso_should_defer(sk, skb, &run->is_cwnd_limited,
                                                     &run->is_rwnd_limited, run->max_segs);
}

// Sends the head of the queue, as much of it as may go. False: nothing more can be sent now.
bool XmitHead(sock* sk, sk_buff* skb, XmitRun* run) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tcp_pacing_check(sk)) return false;
  uint32_t cwnd_quota = tcp_cwnd_test(tp);
  if (cwnd_quota == 0) {
    if (run->push_one != kPushLossProbe) return false;
    cwnd_quota = 1;
  }
  cwnd_quota = std::min(cwnd_quota, run->max_segs);
  const int64_t missing_bytes = int64_t{cwnd_quota} * run->mss_now - skb->len;
  if (missing_bytes > 0) tcp_grow_skb(sk, skb, static_cast<uint32_t>(missing_bytes));

  const uint32_t tso_segs = tcp_set_skb_tso_segs(skb, run->mss_now);
  if (!MayGo(sk, skb, tso_segs, run)) return false;
  const uint32_t limit = tso_segs > 1 && !tcp_urg_mode(tp)
                             ? tcp_mss_split_point(sk, skb, run->mss_now, cwnd_quota, run->nonagle)
                             : run->mss_now;
  if (skb->len > limit && tso_fragment(sk, skb, limit, run->mss_now) != 0) return false;
  if (tcp_small_queue_check(sk, skb, 0)) return false;
  // An empty packet whose sender waits for memory is not to become an ACK.
  if (TCP_SKB_CB(skb)->end_seq == TCP_SKB_CB(skb)->seq) return false;
  return tcp_transmit_skb(sk, skb, true) == 0;
}

// Sends head after head; the number of segments sent.
uint32_t XmitQueue(sock* sk, XmitRun* run) {
  uint32_t sent_pkts = 0;
  while (sk_buff* const skb = tcp_send_head(sk)) {
    if (!XmitHead(sk, skb, run)) break;
    tcp_event_new_data_sent(sk, skb);
    tcp_minshall_update(tcp_sk(sk), run->mss_now, skb);
    sent_pkts += tcp_skb_pcount(skb);
    if (run->push_one != 0) break;
  }
  return sent_pkts;
}

}  // namespace

void tcp_event_new_data_sent(sock* sk, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint32_t prior_packets = tp->packets_out;
  tp->snd_nxt = TCP_SKB_CB(skb)->end_seq;
  tcp_unlink_write_queue(skb, sk);
  tcp_rbtree_insert(&tp->tcp_rtx_queue, skb);
  if (tp->highest_sack == nullptr) tp->highest_sack = skb;
  tp->packets_out += tcp_skb_pcount(skb);
  if (prior_packets == 0 || tp->icsk_pending == ICSK_TIME_LOSS_PROBE) tcp_rearm_rto(sk);
  NET_ADD_STATS(sk->sk_net, TcpExtMib::kTCPOrigDataSent, tcp_skb_pcount(skb));
  tcp_check_space(sk);
}

bool tcp_write_xmit(sock* sk, uint32_t mss_now, int nonagle, int push_one) {
  TRACE_FUNCTION(sk->sk_net, nullptr, tcp_write_xmit, sk, mss_now, nonagle, push_one);
  tcp_sock* const tp = tcp_sk(sk);
  tcp_mstamp_refresh(tp);
  // Whether the AccECN option is due depends on the time, and the MSS on it.
  if (tcp_ecn_mode_accecn(tp) && tcp_accecn_option_beacon_check(sk)) mss_now = tcp_current_mss(sk);
  uint32_t sent_pkts = 0;
  if (push_one == 0) {
    const MtuProbe probe = tcp_mtu_probe(sk);
    if (probe == MtuProbe::kWait) return false;
    if (probe == MtuProbe::kSent) sent_pkts = 1;
  }
  XmitRun run = {.mss_now = mss_now,
                 .nonagle = nonagle,
                 .push_one = push_one,
                 .max_segs = tcp_tso_segs(sk, mss_now)};
  sent_pkts += XmitQueue(sk, &run);

  if (run.is_rwnd_limited) {
    tcp_chrono_start(sk, TCP_CHRONO_RWND_LIMITED);
  } else {
    tcp_chrono_stop(sk, TCP_CHRONO_RWND_LIMITED);
  }
  const bool is_cwnd_limited = run.is_cwnd_limited || tcp_packets_in_flight(tp) >= tcp_snd_cwnd(tp);
  if (sent_pkts != 0 || is_cwnd_limited) tcp_cwnd_validate(sk, is_cwnd_limited);
  if (sent_pkts == 0) return tp->packets_out == 0 && !tcp_write_queue_empty(sk);
  if (tcp_in_cwnd_reduction(sk)) tp->prr_out += sent_pkts;
  // One probe per episode: a probe does not schedule the next.
  if (push_one != kPushLossProbe) tcp_schedule_loss_probe(sk, false);
  return false;
}

void __tcp_push_pending_frames(sock* sk, uint32_t cur_mss, int nonagle) {
  // What a closed connection has not sent stays until the queue is freed.
  if (sk->sk_state == TCP_CLOSE) return;
  if (tcp_write_xmit(sk, cur_mss, nonagle, 0)) tcp_check_probe_timer(sk);
}

void tcp_push_pending_frames(sock* sk) {
  if (tcp_send_head(sk) == nullptr) return;
  __tcp_push_pending_frames(sk, tcp_current_mss(sk), tcp_sk(sk)->nonagle);
}

void tcp_push_one(sock* sk, uint32_t mss_now) {
  const sk_buff* const skb = tcp_send_head(sk);
  CHECK(skb != nullptr && skb->len >= mss_now);
  tcp_write_xmit(sk, mss_now, TCP_NAGLE_PUSH, 1);
}

}  // namespace tapedeck
