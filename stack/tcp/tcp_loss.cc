// Marking packets lost, and the Loss state that a timeout leads to.
//
// Each packet of the retransmission queue carries tags, and each tag has its counter (in segments):
// S, SACKED_ACKED (sacked_out); L, LOST (lost_out); R, SACKED_RETRANS (retrans_out).
//
//   none  in flight                        R    original and retransmission in flight
//   S     received                         L R  original lost, retransmission in flight
//   L     lost, to be retransmitted        S R  original received, retransmission in flight
//
// S and L exclude each other.
#include <algorithm>

#include "stack/tcp/tcp_ack_internal.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {
namespace {

// The hint is where tcp_xmit_retransmit_queue starts looking for L. `skb` becomes it where it lies
// before, or where all that was lost so far has been sent again. To be called before the counters
// take `skb` in.
void tcp_verify_retransmit_hint(tcp_sock* tp, sk_buff* skb) {
  sk_buff* const hint = tp->retransmit_skb_hint;
  const bool is_next = hint == nullptr ? tp->retrans_out >= tp->lost_out
                                       : TCP_SKB_CB(skb)->seq.Before(TCP_SKB_CB(hint)->seq);
  if (is_next) tp->retransmit_skb_hint = skb;
}

// The head is SACKed and yet was not acknowledged until the timeout: the receiver has thrown away
// what it had reported (RFC 2018 8). Nothing that it said counts any more.
void ForgetSacks(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPSACKReneging);
  tp->sacked_out = 0;
  tp->is_sack_reneg = true;
}

void tcp_timeout_mark_lost(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  sk_buff* const head = tcp_rtx_queue_head(sk);
  const bool is_reneg = head != nullptr && (TCP_SKB_CB(head)->sacked & TCPCB_SACKED_ACKED) != 0;
  if (is_reneg) {
    ForgetSacks(sk);
  } else if (tcp_is_reno(tp)) {
    tcp_reset_reno_sack(tp);
  }
  for (sk_buff* skb = head; skb != nullptr; skb = skb_rb_next(skb)) {
    if (is_reneg) {
      TCP_SKB_CB(skb)->sacked &= static_cast<uint8_t>(~TCPCB_SACKED_ACKED);
    } else if (skb != head && tcp_rack_skb_timeout(tp, skb, 0) > 0) {
      continue;  // sent less than a round trip ago
    }
    tcp_mark_skb_lost(sk, skb);
  }
  tcp_verify_left_out(tp);
  tcp_clear_all_retrans_hints(tp);
}

}  // namespace

void tcp_mark_skb_lost(sock* sk, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_skb_cb* const scb = TCP_SKB_CB(skb);
  const uint32_t pcount = tcp_skb_pcount(skb);
  if ((scb->sacked & TCPCB_SACKED_ACKED) != 0) return;

  tcp_verify_retransmit_hint(tp, skb);
  if ((scb->sacked & TCPCB_LOST) == 0) {
    tp->lost_out += pcount;
    scb->sacked |= TCPCB_LOST;
    tp->lost += pcount;
  } else if ((scb->sacked & TCPCB_SACKED_RETRANS) != 0) {
    // The retransmission was lost too.
    scb->sacked &= static_cast<uint8_t>(~TCPCB_SACKED_RETRANS);
    tp->retrans_out -= pcount;
    NET_ADD_STATS(sk->sk_net, TcpExtMib::kTCPLostRetransmit, pcount);
    tp->lost += pcount;
  }
}

void tcp_enter_loss(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const bool new_recovery = tp->icsk_ca_state < TCP_CA_Recovery;
  tcp_timeout_mark_lost(sk);

  // One reduction per window (RFC 5681 3.1): not again for what was in flight at the last one.
  const bool first_timeout = tp->icsk_ca_state == TCP_CA_Loss && tp->icsk_retransmits == 0;
  if (tp->icsk_ca_state <= TCP_CA_Disorder || tp->high_seq.AtOrBefore(tp->snd_una) ||
      first_timeout) {
    tp->prior_ssthresh = tcp_current_ssthresh(sk);
    tp->prior_cwnd = tcp_snd_cwnd(tp);
    tp->snd_ssthresh = tp->icsk_ca_ops->ssthresh(sk);
    tcp_ca_event_notify(sk, CA_EVENT_LOSS);
    tcp_init_undo(tp);
  }
  tcp_snd_cwnd_set(tp, tcp_packets_in_flight(tp) + 1);
  tp->snd_cwnd_cnt = 0;
  tp->snd_cwnd_stamp = tcp_jiffies32(sk);

  // So many SACKs and still no recovery: more reordering was assumed than there is.
  const auto reordering = static_cast<uint32_t>(tcp_sysctl(sk).reordering);
  if (tp->icsk_ca_state <= TCP_CA_Disorder && tp->sacked_out >= reordering) {
    tp->reordering = std::min(tp->reordering, reordering);
  }

  tcp_set_ca_state(sk, TCP_CA_Loss);
  tp->high_seq = tp->snd_nxt;
  tp->tlp_active = false;
  tcp_ecn_queue_cwr(tp);
  // RFC 5682 3.1 step 1, and 3.2 for a repeated timeout of the same data. Not while a lost MTU
  // probe may be the reason.
  tp->frto = tcp_sysctl(sk).frto != 0 && (new_recovery || tp->icsk_retransmits != 0) &&
             tp->icsk_mtup.probe_size == 0;
}

void tcp_clear_retrans(tcp_sock* tp) {
  tp->retrans_out = 0;
  tp->lost_out = 0;
  tp->undo_marker_valid = false;
  tp->undo_retrans = -1;
  tp->sacked_out = 0;
  tp->rto_stamp_ms = 0;
  tp->total_rto = 0;
  tp->total_rto_recoveries = 0;
  tp->total_rto_time_ms = 0;
}

// The Loss state without a reduction: so that the end of these retransmissions is noticed, and
// retrans_stamp forgotten, before a later timeout measures from it.
void tcp_non_congestion_loss_retransmit(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->icsk_ca_state != TCP_CA_Loss) {
    tp->high_seq = tp->snd_nxt;
    tp->snd_ssthresh = tcp_current_ssthresh(sk);
    tp->prior_ssthresh = 0;
    tp->undo_marker_valid = false;
    tcp_set_ca_state(sk, TCP_CA_Loss);
  }
  tcp_xmit_retransmit_queue(sk);
}

// After a change of the path MTU: what is too large now was lost. The window stays; it is the unit
// that has become smaller.
void tcp_simple_retransmit(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  // A fast open SYN lies in the queue as two packets, SYN and data: its size on the wire is
  // neither's.
  const bool all = tp->syn_data && sk->sk_state == TCP_SYN_SENT;
  const uint32_t mss = all ? 0 : tcp_current_mss(sk);
  for (sk_buff* skb = tcp_rtx_queue_head(sk); skb != nullptr; skb = skb_rb_next(skb)) {
    if (all || tcp_skb_seglen(skb) > mss) tcp_mark_skb_lost(sk, skb);
  }
  if (tp->lost_out == 0) return;
  if (tcp_is_reno(tp)) tcp_limit_reno_sacked(tp);
  tcp_verify_left_out(tp);
  tcp_non_congestion_loss_retransmit(sk);
}

}  // namespace tapedeck
