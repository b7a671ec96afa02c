// A segment for a connection that waits for its SYN-ACK (RFC 9293 3.10.7.3), and what makes a
// connection established on either side.
#include <cerrno>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_input_internal.h"
#include "stack/tcp/tcp_metrics.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {

namespace {

constexpr uint32_t kWindowMaxUnscaled = 65535;

// What the peer's options have changed is forgotten with the segment that brought them.
void ForgetOptions(tcp_sock* tp, uint16_t saved_clamp) {
  tcp_clear_options(&tp->rx_opt);
  tp->rx_opt.mss_clamp = saved_clamp;
}

// The peer's sequence numbers start here.
void StartReceiving(tcp_sock* tp, SeqNum isn) {
  tp->rcv_nxt = isn + 1U;
  tp->rcv_wup = tp->rcv_nxt;
  tp->rcv_mwnd_seq = tp->rcv_wup + tp->rcv_wnd;
}

// Whether the peer sends timestamps, with what that means for the headers.
void AgreeOnTimestamps(tcp_sock* tp) {
  tp->tcp_header_len = wire::kTcpHeaderBytes;
  if (!tp->rx_opt.saw_tstamp) return;
  tp->rx_opt.tstamp_ok = true;
  tp->tcp_header_len += TCPOLEN_TSTAMP_ALIGNED;
  tcp_store_ts_recent(tp);
}

// Why the ACK of a SYN-ACK or RST is not one of our SYN; CONSUMED: it is.
DropReason CheckAckOfSyn(sock* sk, const sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  const SeqNum ack = TCP_SKB_CB(skb)->ack_seq;
  if (ack.AtOrBefore(tp->snd_una) || ack.After(tp->snd_nxt)) {
    // An old connection of the peer's, which our reset ends: the SYN is worth another try soon.
    if (inet_csk(sk)->icsk_retransmits == 0) {
      tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, TCP_TIMEOUT_MIN, false);
    }
    return SKB_DROP_REASON_TCP_INVALID_ACK_SEQUENCE;
  }
  if (tp->rx_opt.saw_tstamp && tp->rx_opt.rcv_tsecr != 0 &&
      !SeqNum(tp->rx_opt.rcv_tsecr)
           .Between(SeqNum(tp->retrans_stamp), SeqNum(tcp_time_stamp_ts(tp)))) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kPAWSActive);
    return SKB_DROP_REASON_TCP_RFC7323_PAWS;
  }
  return SKB_DROP_REASON_CONSUMED;
}

// The ACK of our SYN waits a little: data that is about to be sent, or what the user will answer,
// can carry it.
void DelayHandshakeAck(sock* sk) {
  inet_csk_schedule_ack(sk);
  tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS);
  tcp_reset_xmit_timer(sk, ICSK_TIME_DACK, tcp_ticks_of(sk).delack_max, false);
}

// The SYN-ACK we have waited for.
SynSentOutcome ReceiveSynAck(sock* sk, sk_buff* skb, const wire::TcpHeader* th,
                             tcp_fastopen_cookie* foc) {
  inet_connection_sock* const icsk = inet_csk(sk);
  tcp_sock* const tp = tcp_sk(sk);
  const SeqNum isn = TCP_SKB_CB(skb)->seq;
  if (tcp_ecn_mode_any(tp)) tcp_ecn_rcv_synack(sk, skb, th, TCP_SKB_CB(skb)->ip_dsfield);
  tp->snd_wl1 = isn;
  tcp_try_undo_spurious_syn(tp);
  tcp_ack(sk, skb, FLAG_SLOWPATH);

  StartReceiving(tp, isn);
  tp->snd_wnd = th->window.host();  // never scaled in a SYN (RFC 7323 2.2)
  if (!tp->rx_opt.wscale_ok) {
    tp->rx_opt.snd_wscale = tp->rx_opt.rcv_wscale = 0;
    tp->window_clamp = std::min(tp->window_clamp, kWindowMaxUnscaled);
  }
  AgreeOnTimestamps(tp);
  if (tp->rx_opt.saw_tstamp) {
    tp->advmss = static_cast<uint16_t>(tp->advmss - TCPOLEN_TSTAMP_ALIGNED);
  }
  tcp_sync_mss(sk, icsk->icsk_pmtu_cookie);
  tcp_initialize_rcv_mss(sk);
  tp->copied_seq = tp->rcv_nxt;
  tcp_finish_connect(sk, skb);

  const bool fastopen_fail =
      (tp->syn_fastopen || tp->syn_data) && tcp_rcv_fastopen_synack(sk, skb, foc);
  if (!sock_flag(sk, SOCK_DEAD)) sk->sk_state_change(sk);
  if (fastopen_fail) return SynSentOutcome::kContinue;
  if (sk->sk_write_pending != 0 || icsk->icsk_accept_queue.rskq_defer_accept != 0 ||
      inet_csk_in_pingpong_mode(sk)) {
    DelayHandshakeAck(sk);
    tcp_consume_segment(sk, skb);
    return SynSentOutcome::kConsumed;
  }
  tcp_send_ack_reflect_ect(sk, tcp_ecn_mode_accecn(tp));
  return SynSentOutcome::kContinue;
}

// Both ends have sent a SYN (RFC 9293 3.5, simultaneous open). Data in it is not taken.
void ReceiveCrossedSyn(sock* sk, sk_buff* skb, const wire::TcpHeader* th) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_set_state(sk, TCP_SYN_RECV);
  AgreeOnTimestamps(tp);
  StartReceiving(tp, TCP_SKB_CB(skb)->seq);
  tp->copied_seq = tp->rcv_nxt;
  tp->snd_wnd = th->window.host();
  tp->snd_wl1 = TCP_SKB_CB(skb)->seq;
  tp->max_window = tp->snd_wnd;
  tcp_ecn_rcv_syn(sk, th, skb);
  tcp_mtup_init(sk);
  tcp_sync_mss(sk, inet_csk(sk)->icsk_pmtu_cookie);
  tcp_initialize_rcv_mss(sk);
  tcp_send_synack(sk);
  tcp_consume_segment(sk, skb);
}

}  // namespace

void tcp_try_undo_spurious_syn(tcp_sock* tp) {
  // The SYN or SYN-ACK was sent again, and then the answer to the first one came.
  if (tp->undo_marker_valid && tp->retrans_stamp != 0 && tp->rx_opt.saw_tstamp &&
      tp->retrans_stamp == tp->rx_opt.rcv_tsecr) {
    tp->undo_marker_valid = false;
  }
}

SynSentOutcome tcp_rcv_synsent_state_process(sock* sk, sk_buff* skb, const wire::TcpHeader* th,
                                             DropReason* reason) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_fastopen_cookie foc;
  foc.len = -1;
  const uint16_t saved_clamp = tp->rx_opt.mss_clamp;
  tcp_parse_options(sk->sk_net, skb, &tp->rx_opt, false, &foc);
  if (tp->rx_opt.saw_tstamp && tp->rx_opt.rcv_tsecr != 0) tp->rx_opt.rcv_tsecr -= tp->tsoffset;

  *reason = SKB_DROP_REASON_NOT_SPECIFIED;
  if (th->ack()) {
    *reason = CheckAckOfSyn(sk, skb);
    if (*reason != SKB_DROP_REASON_CONSUMED) {
      ForgetOptions(tp, saved_clamp);
      return SynSentOutcome::kReset;
    }
    if (th->rst()) {
      tcp_reset(sk, skb);
      tcp_consume_segment(sk, skb);
      return SynSentOutcome::kConsumed;
    }
    if (th->syn()) return ReceiveSynAck(sk, skb, th, &foc);
    *reason = SKB_DROP_REASON_TCP_FLAGS;
  } else if (th->rst()) {
    *reason = SKB_DROP_REASON_TCP_RESET;
  } else if (tp->rx_opt.ts_recent_stamp_s != 0 && tp->rx_opt.saw_tstamp &&
             tcp_paws_reject(sk->sk_net, &tp->rx_opt, false)) {
    *reason = SKB_DROP_REASON_TCP_RFC7323_PAWS;
  } else if (th->syn()) {
    ReceiveCrossedSyn(sk, skb, th);
    return SynSentOutcome::kConsumed;
  }
  ForgetOptions(tp, saved_clamp);
  tcp_drop_reason(sk, skb, *reason);
  return SynSentOutcome::kConsumed;
}

void tcp_init_transfer(sock* sk, sk_buff* /*skb*/) {
  inet_connection_sock* const icsk = inet_csk(sk);
  tcp_sock* const tp = tcp_sk(sk);
  tcp_mtup_init(sk);
  icsk->icsk_af_ops->rebuild_header(sk);
  tcp_init_metrics(sk);
  // RFC 5681 3.1: one segment after a lost SYN or SYN-ACK. RFC 6298's initial timeout is short
  // enough to be wrong once.
  if (tp->total_retrans > 1 && tp->undo_marker_valid) {
    tcp_snd_cwnd_set(tp, 1);
  } else {
    tcp_snd_cwnd_set(tp, tcp_init_cwnd(tp, __sk_dst_get(sk)));
  }
  tp->snd_cwnd_stamp = tcp_jiffies32(sk);
  if (!icsk->icsk_ca_initialized) tcp_init_congestion_control(sk);
  tcp_init_buffer_space(sk);
}

void tcp_finish_connect(sock* sk, sk_buff* skb) {
  inet_connection_sock* const icsk = inet_csk(sk);
  tcp_sock* const tp = tcp_sk(sk);
  tcp_set_state(sk, TCP_ESTABLISHED);
  icsk->icsk_ack.lrcvtime = tcp_jiffies32(sk);
  if (skb != nullptr) {
    icsk->icsk_af_ops->sk_rx_dst_set(sk, skb);
    sk->sk_napi_id = skb->napi_id;
  }
  tcp_init_transfer(sk, skb);
  tp->lsndtime = tcp_jiffies32(sk);  // else the first data would look like data after idle
  if (sock_flag(sk, SOCK_KEEPOPEN)) tcp_reset_keepalive_timer(sk, keepalive_time_when(tp));
  if (tp->rx_opt.snd_wscale == 0) {
    __tcp_fast_path_on(tp, tp->snd_wnd);
  } else {
    tp->pred_flags = 0;
  }
}

}  // namespace tapedeck
