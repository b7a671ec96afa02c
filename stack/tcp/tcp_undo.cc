// Taking a reduction of the window back that turns out to have been for nothing: the data was not
// lost but late. Evidence: timestamps (Eifel, RFC 3522), D-SACKs for all that was retransmitted
// (RFC 3708), or F-RTO (RFC 5682).
#include <algorithm>

#include "stack/tcp/tcp_ack_internal.h"
#include "stack/tcp/tcp_clock.h"

namespace tapedeck {
namespace {

// The last segment echoes a timestamp from before `when`.
bool tcp_tsopt_ecr_before(const tcp_sock* tp, uint32_t when) {
  return tp->rx_opt.saw_tstamp && tp->rx_opt.rcv_tsecr != 0 &&
         static_cast<int32_t>(tp->rx_opt.rcv_tsecr - when) < 0;
}

// Whether what was acknowledged left before the first retransmission did, or nothing has been
// retransmitted at all (a fast retransmission can be held back by TSQ).
bool tcp_packet_delayed(const tcp_sock* tp) {
  if (tp->retrans_stamp != 0) return tcp_tsopt_ecr_before(tp, tp->retrans_stamp);
  // In two cases retrans_stamp was forgotten after a retransmission:
  // tcp_is_non_sack_preventing_reopen, and the acknowledgment of a retransmitted SYN.
  if (!tcp_is_sack(tp) && tp->snd_una.AtOrAfter(tp->high_seq)) return false;
  return tp->sk_state != TCP_SYN_SENT;
}

bool tcp_may_undo(const tcp_sock* tp) {
  return tp->undo_marker_valid && (tp->undo_retrans == 0 || tcp_packet_delayed(tp));
}

void tcp_undo_cwnd_reduction(sock* sk, bool unmark_loss) {
  tcp_sock* const tp = tcp_sk(sk);
  if (unmark_loss) {
    for (sk_buff* skb = tcp_rtx_queue_head(sk); skb != nullptr; skb = skb_rb_next(skb)) {
      TCP_SKB_CB(skb)->sacked &= static_cast<uint8_t>(~TCPCB_LOST);
    }
    tp->lost_out = 0;
    tcp_clear_all_retrans_hints(tp);
  }
  if (tp->prior_ssthresh != 0) {
    tcp_snd_cwnd_set(tp, tp->icsk_ca_ops->undo_cwnd(sk));
    if (tp->prior_ssthresh > tp->snd_ssthresh) {
      tp->snd_ssthresh = tp->prior_ssthresh;
      tcp_ecn_withdraw_cwr(tp);
    }
  }
  tp->snd_cwnd_stamp = tcp_jiffies32(sk);
  tp->undo_marker_valid = false;
  tp->rack.advanced = true;  // RACK looks again at what was unmarked
}

// Without SACK the state is kept until something above high_seq is acknowledged: the duplicate ACKs
// of needless retransmissions must not start another recovery (RFC 6582 4.1). SACK needs no such
// care.
bool tcp_is_non_sack_preventing_reopen(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (tp->snd_una != tp->high_seq || tcp_is_sack(tp)) return false;
  tcp_retrans_stamp_cleanup(sk);
  return true;
}

}  // namespace

void tcp_init_undo(tcp_sock* tp) {
  tp->undo_marker = tp->snd_una;
  tp->undo_marker_valid = true;
  // Each retransmission in flight, a loss probe's too, may still bring a D-SACK.
  tp->undo_retrans = static_cast<int32_t>(tp->retrans_out);
  if (tp->tlp_active && tp->tlp_retrans) ++tp->undo_retrans;
  // 0 would say that all of them have come.
  if (tp->undo_retrans == 0) tp->undo_retrans = -1;
}

// retrans_out alone would not do: where sending a retransmission failed the second time, only
// EVER_RETRANS is left. How long a dying connection has tried depends on retrans_stamp.
bool tcp_any_retrans_done(const sock* sk) {
  if (tcp_sk(sk)->retrans_out != 0) return true;
  const sk_buff* const head = tcp_rtx_queue_head(sk);
  return head != nullptr && (TCP_SKB_CB(head)->sacked & TCPCB_EVER_RETRANS) != 0;
}

void tcp_retrans_stamp_cleanup(sock* sk) {
  if (!tcp_any_retrans_done(sk)) tcp_sk(sk)->retrans_stamp = 0;
}

bool tcp_skb_spurious_retrans(const tcp_sock* tp, const sk_buff* skb) {
  return (TCP_SKB_CB(skb)->sacked & TCPCB_RETRANS) != 0 &&
         tcp_tsopt_ecr_before(tp, tcp_skb_timestamp_ts(tp->tcp_usec_ts, skb));
}

bool tcp_try_undo_recovery(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tcp_may_undo(tp)) {
    tcp_undo_cwnd_reduction(sk, false);
    const bool loss = tp->icsk_ca_state == TCP_CA_Loss;
    NET_INC_STATS(sk->sk_net, loss ? TcpExtMib::kTCPLossUndo : TcpExtMib::kTCPFullUndo);
  } else if (tp->rack.reo_wnd_persist != 0) {
    --tp->rack.reo_wnd_persist;
  }
  if (tcp_is_non_sack_preventing_reopen(sk)) return true;
  tcp_set_ca_state(sk, TCP_CA_Open);
  tp->is_sack_reneg = false;
  return false;
}

bool tcp_try_undo_dsack(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!tp->undo_marker_valid || tp->undo_retrans != 0) return false;
  if (tp->rack.reo_wnd_persist < TCP_RACK_RECOVERY_THRESH) ++tp->rack.reo_wnd_persist;
  tcp_undo_cwnd_reduction(sk, false);
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPDSACKUndo);
  return true;
}

bool tcp_try_undo_loss(sock* sk, bool frto_undo) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!frto_undo && !tcp_may_undo(tp)) return false;
  tcp_undo_cwnd_reduction(sk, true);
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPLossUndo);
  if (frto_undo) NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPSpuriousRTOs);
  tp->icsk_retransmits = 0;
  if (tcp_is_non_sack_preventing_reopen(sk)) return true;
  if (frto_undo || tcp_is_sack(tp)) {
    tcp_set_ca_state(sk, TCP_CA_Open);
    tp->is_sack_reneg = false;
  }
  return true;
}

bool tcp_try_undo_partial(sock* sk, SeqNum prior_snd_una) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!tp->undo_marker_valid || !tcp_packet_delayed(tp)) return false;
  // The hole was filled by the original, which came late.
  tcp_check_sack_reordering(sk, prior_snd_una, true);
  // With retransmissions in flight it is too early to say that all was for nothing; but no more
  // are sent.
  if (tp->retrans_out != 0) return true;
  tcp_retrans_stamp_cleanup(sk);
  tcp_undo_cwnd_reduction(sk, true);
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPPartialUndo);
  tcp_try_keep_open(sk);
  return false;
}

}  // namespace tapedeck
