// FIN, reset, the SYN-ACK of a crossed open, and probes.
#include <algorithm>
#include <cerrno>

#include "stack/core/skb_split.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_output_internal.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {

namespace {

// The probe was not sent, which is nobody's fault but this host's (tcp_xmit_probe_skb).
constexpr int kNotSent = -1;

// Appends a packet without data to the write queue.
void tcp_queue_skb(sock* sk, sk_buff* skb) {
  tcp_sk(sk)->write_seq = TCP_SKB_CB(skb)->end_seq;
  __skb_header_release(skb);
  tcp_add_write_queue_tail(sk, skb);
  sk_wmem_queued_add(sk, static_cast<int32_t>(skb->truesize));
  sk_mem_charge(sk, skb->truesize);
}

// Puts the FIN onto `skb`, which is in a queue.
void AddFin(tcp_sock* tp, sk_buff* skb) {
  TCP_SKB_CB(skb)->tcp_flags |= TCPHDR_FIN;
  TCP_SKB_CB(skb)->end_seq += 1;
  tp->write_seq += 1;
}

// A segment that the peer has acknowledged already, which makes it say its window; urgent: one that
// tells the urgent pointer. 0, > 0 or below.
int tcp_xmit_probe_skb(sock* sk, bool urgent, TcpExtMib mib) {
  const tcp_sock* const tp = tcp_sk(sk);
  sk_buff* const skb =
      tcp_alloc_nondata_skb(sk, urgent ? tp->snd_una : tp->snd_una - 1, TCPHDR_ACK);
  if (skb == nullptr) return kNotSent;
  NET_INC_STATS(sk->sk_net, mib);
  TraceRetransmit(sk, skb,
                  mib == TcpExtMib::kTCPKeepAlive ? TcpRetransmitWhy::kKeepalive
                                                  : TcpRetransmitWhy::kWindowProbe);
  return tcp_transmit_skb(sk, skb, false);
}

// Sends as much of the head of the write queue as the window takes, however little.
int SendIntoWindow(sock* sk, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint32_t mss = tcp_current_mss(sk);
  auto seg_size = static_cast<uint32_t>(tcp_wnd_end(tp) - TCP_SKB_CB(skb)->seq);
  tp->pushed_seq = SeqMax(tp->pushed_seq, TCP_SKB_CB(skb)->end_seq);
  const auto whole = static_cast<uint32_t>(TCP_SKB_CB(skb)->end_seq - TCP_SKB_CB(skb)->seq);
  if (seg_size < whole || skb->len > mss) {
    seg_size = std::min(seg_size, mss);
    TCP_SKB_CB(skb)->tcp_flags |= TCPHDR_PSH;
    if (tcp_fragment(sk, tcp_queue::kWrite, skb, seg_size, mss) != 0) return kNotSent;
  } else if (tcp_skb_pcount(skb) == 0) {
    tcp_set_skb_tso_segs(skb, mss);
  }
  TCP_SKB_CB(skb)->tcp_flags |= TCPHDR_PSH;
  const int err = tcp_transmit_skb(sk, skb, true);
  if (err == 0) tcp_event_new_data_sent(sk, skb);
  return err;
}

// The SYN of the retransmission queue as a packet of its own, so that it can become a SYN-ACK;
// nullptr: no memory.
sk_buff* PrivateSyn(sock* sk, sk_buff* skb) {
  if (!skb_cloned(skb)) return skb;
  tcp_sock* const tp = tcp_sk(sk);
  sk_buff* const nskb = skb_copy(skb);
  if (nskb == nullptr) return nullptr;
  nskb->dev = nullptr;
  if (skb == tp->retransmit_skb_hint) tp->retransmit_skb_hint = nskb;
  tcp_highest_sack_replace(sk, skb, nskb);
  tcp_rtx_queue_unlink_and_free(skb, sk);
  __skb_header_release(nskb);
  tcp_rbtree_insert(&tp->tcp_rtx_queue, nskb);
  sk_wmem_queued_add(sk, static_cast<int32_t>(nskb->truesize));
  sk_mem_charge(sk, nskb->truesize);
  return nskb;
}

}  // namespace

void tcp_send_fin(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  sk_buff* const tail = tcp_write_queue_tail(sk);
  if (tail != nullptr) {
    AddFin(tp, tail);
  } else if (sk_buff* const sent = sk_under_memory_pressure(sk) ? tcp_rtx_queue_tail(sk) : nullptr;
             sent != nullptr) {
    // Short of memory the FIN pretends to have gone with the last packet; the timer will send it.
    AddFin(tp, sent);
    tp->snd_nxt += 1;
    return;
  } else {
    sk_buff* const skb = tcp_alloc_nondata_skb(sk, tp->write_seq, TCPHDR_ACK | TCPHDR_FIN);
    if (skb == nullptr) return;
    sk_forced_mem_schedule(sk, skb->truesize);
    tcp_queue_skb(sk, skb);
  }
  __tcp_push_pending_frames(sk, tcp_current_mss(sk), TCP_NAGLE_OFF);
}

void tcp_send_active_reset(sock* sk) {
  TCP_INC_STATS(sk->sk_net, TcpMib::kOutRsts);
  sk_buff* const skb = tcp_alloc_nondata_skb(sk, tcp_acceptable_seq(sk), TCPHDR_ACK | TCPHDR_RST);
  if (skb == nullptr) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPAbortFailed);
    return;
  }
  tcp_mstamp_refresh(tcp_sk(sk));
  if (tcp_transmit_skb(sk, skb, false) != 0) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPAbortFailed);
  }
}

int tcp_send_synack(sock* sk) {
  sk_buff* skb = tcp_rtx_queue_head(sk);
  if (skb == nullptr || (TCP_SKB_CB(skb)->tcp_flags & TCPHDR_SYN) == 0) return -EFAULT;
  if ((TCP_SKB_CB(skb)->tcp_flags & TCPHDR_ACK) == 0) {
    skb = PrivateSyn(sk, skb);
    if (skb == nullptr) return -ENOMEM;
    TCP_SKB_CB(skb)->tcp_flags |= TCPHDR_ACK;
    tcp_ecn_send_synack(sk, skb);
  }
  return tcp_transmit_skb(sk, skb, true);
}

void tcp_send_window_probe(sock* sk) {
  if (sk->sk_state != TCP_ESTABLISHED) return;
  tcp_sk(sk)->snd_wl1 = tcp_sk(sk)->rcv_nxt - 1;
  tcp_mstamp_refresh(tcp_sk(sk));
  tcp_xmit_probe_skb(sk, false, TcpExtMib::kTCPWinProbe);
}

int tcp_write_wakeup(sock* sk, TcpExtMib mib) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (sk->sk_state == TCP_CLOSE) return kNotSent;
  sk_buff* const skb = tcp_send_head(sk);
  if (skb != nullptr && TCP_SKB_CB(skb)->seq.Before(tcp_wnd_end(tp))) {
    return SendIntoWindow(sk, skb);
  }
  if (tp->snd_up.Between(tp->snd_una + 1, tp->snd_una + 0xffff)) tcp_xmit_probe_skb(sk, true, mib);
  return tcp_xmit_probe_skb(sk, false, mib);
}

void tcp_send_probe0(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const int err = tcp_write_wakeup(sk, TcpExtMib::kTCPWinProbe);
  if (tp->packets_out != 0 || tcp_write_queue_empty(sk)) {
    // No probes are needed any more.
    tp->icsk_probes_out = 0;
    tp->icsk_backoff = 0;
    tp->icsk_probes_tstamp = 0;
    return;
  }
  ++tp->icsk_probes_out;
  uint32_t timeout = 0;
  if (err <= 0) {
    if (tp->icsk_backoff < tcp_sysctl(sk).retries2) ++tp->icsk_backoff;
    timeout = tcp_probe0_when(sk, tcp_rto_max(sk));
  } else {
    // A queue of this host was full: tried again soon.
    timeout = tcp_ticks_of(sk).resource_probe_interval;
  }
  tcp_reset_xmit_timer(sk, ICSK_TIME_PROBE0, tcp_clamp_probe0_to_user_timeout(sk, timeout), true);
}

}  // namespace tapedeck
