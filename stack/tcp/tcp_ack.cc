// An acknowledgment from end to end: is it acceptable, window, SACKs, the queue, losses, rates, the
// congestion window, and what may be sent again after it.
#include <algorithm>

#include "stack/tcp/tcp_ack_internal.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {
namespace {

// The ACK that is being processed.
struct AckContext {
  AckContext(tcp_sock* tp, const sk_buff* ack_skb, uint32_t its_flag)
      : skb(ack_skb),
        ack(TCP_SKB_CB(ack_skb)->ack_seq),
        ack_seq(TCP_SKB_CB(ack_skb)->seq),
        prior_snd_una(tp->snd_una),
        prior_packets(tp->packets_out),
        prior_delivered(tp->delivered),
        prior_lost(tp->lost),
        prior_sack_reneg(tp->is_sack_reneg),
        flag(its_flag),
        sack_state(&rs) {}
  AckContext(const AckContext&) = delete;
  AckContext& operator=(const AckContext&) = delete;

  const sk_buff* const skb;
  const SeqNum ack;
  const SeqNum ack_seq;
  // As they were before this ACK.
  const SeqNum prior_snd_una;
  const uint32_t prior_packets;
  const uint32_t prior_delivered;
  const uint32_t prior_lost;
  const bool prior_sack_reneg;

  uint32_t flag;           // FLAG_*
  uint32_t ecn_count = 0;  // packets that it reports as marked
  rate_sample rs;
  tcp_sacktag_state sack_state;
  tcp_rexmit rexmit = tcp_rexmit::kNone;
};

int Refuse(sock* sk, uint32_t flag, DropReason reason) {
  if ((flag & FLAG_NO_CHALLENGE_ACK) == 0) tcp_send_challenge_ack(sk);
  return -static_cast<int>(reason);
}

// RFC 5961 5.2: an ACK is acceptable from SND.UNA - MAX.SND.WND on, but not below what was ever
// acknowledged, up to SND.NXT. 0, or what tcp_ack returns.
int CheckAckRange(sock* sk, const AckContext& context) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (context.ack.Before(tp->snd_una)) {
    const auto max_window =
        static_cast<uint32_t>(std::min<uint64_t>(tp->max_window, tp->bytes_acked));
    if (context.ack.AtOrAfter(tp->snd_una - max_window)) return 0;
    return Refuse(sk, context.flag, SKB_DROP_REASON_TCP_TOO_OLD_ACK);
  }
  if (context.ack.AtOrBefore(tp->snd_nxt)) return 0;
  return Refuse(sk, context.flag, SKB_DROP_REASON_TCP_ACK_UNSENT_DATA);
}

void tcp_snd_una_update(tcp_sock* tp, SeqNum ack) {
  tp->bytes_acked += static_cast<uint32_t>(ack - tp->snd_una);
  tp->snd_una = ack;
}

// A window that has changed: prediction, pacing after idle and MSS depend on it.
void TakeWindow(sock* sk, uint32_t nwin) {
  tcp_sock* const tp = tcp_sk(sk);
  tp->snd_wnd = nwin;
  tp->pred_flags = 0;
  tcp_fast_path_check(sk);
  if (!tcp_write_queue_empty(sk)) tcp_slow_start_after_idle_check(sk);
  if (nwin > tp->max_window) {
    tp->max_window = nwin;
    tcp_sync_mss(sk, tp->icsk_pmtu_cookie);
  }
}

uint32_t tcp_ack_update_window(sock* sk, const AckContext& context) {
  tcp_sock* const tp = tcp_sk(sk);
  const wire::TcpHeader* const th = tcp_hdr(context.skb);
  uint32_t nwin = th->window.host();
  if (!th->syn()) nwin <<= tp->rx_opt.snd_wscale;  // RFC 7323 2.2
  uint32_t flag = 0;
  if (tcp_may_update_window(tp, context.ack, context.ack_seq, nwin)) {
    flag = FLAG_WIN_UPDATE;
    tp->snd_wl1 = context.ack_seq;
    if (tp->snd_wnd != nwin) TakeWindow(sk, nwin);
  }
  tcp_snd_una_update(tp, context.ack);
  return flag;
}

// Header prediction has found nothing but an ACK of new data with the same window.
void TakePredictedAck(sock* sk, AckContext* context) {
  tcp_sock* const tp = tcp_sk(sk);
  tp->snd_wl1 = context->ack_seq;
  tcp_snd_una_update(tp, context->ack);
  context->flag |= FLAG_WIN_UPDATE;
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPHPAcks);
}

void TakeUnpredictedAck(sock* sk, AckContext* context) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_skb_cb* const scb = TCP_SKB_CB(context->skb);
  if (scb->seq != scb->end_seq) {
    context->flag |= FLAG_DATA;
  } else {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPPureAcks);
  }
  context->flag |= tcp_ack_update_window(sk, *context);
  if (scb->sacked != 0) {
    context->flag |=
        tcp_sacktag_write_queue(sk, context->skb, context->prior_snd_una, &context->sack_state);
  }
  if (tcp_ecn_rcv_ecn_echo(tp, tcp_hdr(context->skb))) context->flag |= FLAG_ECE;
  if (context->sack_state.sack_delivered != 0) {
    tcp_count_delivered(tp, context->sack_state.sack_delivered, (context->flag & FLAG_ECE) != 0);
  }
}

// Runs before SND.UNA or the queue change, and does both but for freeing what is acknowledged.
void TakeAck(sock* sk, AckContext* context) {
  tcp_sock* const tp = tcp_sk(sk);
  if ((context->flag & FLAG_UPDATE_TS_RECENT) != 0) {
    context->flag |= tcp_replace_ts_recent(tp, context->ack_seq);
  }
  const uint32_t pace = context->flag & (FLAG_SLOWPATH | FLAG_SND_UNA_ADVANCED);
  if (pace == FLAG_SND_UNA_ADVANCED) {
    TakePredictedAck(sk, context);
  } else {
    TakeUnpredictedAck(sk, context);
  }
  // RFC 3168 6.1.2 has CWR on data alone; many senders set it on pure ACKs.
  tcp_ecn_accept_cwr(sk, context->skb);
  sk->sk_err_soft = 0;
  tp->icsk_probes_out = 0;
  tp->rcv_tstamp = tcp_jiffies32(sk);
}

// Tells the congestion control before anything else is decided.
void tcp_in_ack_event(sock* sk, uint32_t flag) {
  const tcp_congestion_ops* const ops = inet_csk(sk)->icsk_ca_ops;
  if (ops->in_ack_event == nullptr) return;
  uint32_t ack_ev_flags = 0;
  if ((flag & FLAG_WIN_UPDATE) != 0) ack_ev_flags |= CA_ACK_WIN_UPDATE;
  if ((flag & FLAG_SLOWPATH) != 0) {
    ack_ev_flags |= CA_ACK_SLOWPATH;
    if ((flag & FLAG_ECE) != 0) ack_ev_flags |= CA_ACK_ECE;
  }
  ops->in_ack_event(sk, ack_ev_flags);
}

void ProcessEcnAndEvent(sock* sk, AckContext* context) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tcp_ecn_mode_accecn(tp)) {
    context->ecn_count =
        tcp_accecn_process(sk, context->skb, tp->delivered - context->prior_delivered,
                           context->sack_state.delivered_bytes, &context->flag);
  }
  tcp_in_ack_event(sk, context->flag);
}

// RFC 8985 7.4: what the ACK says about an outstanding tail loss probe.
void tcp_process_tlp_ack(sock* sk, SeqNum ack, uint32_t flag) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!tp->tlp_active || ack.Before(tp->tlp_high_seq)) return;
  constexpr uint32_t kNews = FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DATA_SACKED;
  const bool new_data_acked = !tp->tlp_retrans;
  const bool both_arrived = (flag & FLAG_DSACK_TLP) != 0;
  if (new_data_acked || both_arrived) {
    tp->tlp_active = false;
  } else if (ack.After(tp->tlp_high_seq)) {
    // The probe has repaired a loss, which still is a sign of congestion.
    tcp_init_cwnd_reduction(sk);
    tcp_set_ca_state(sk, TCP_CA_CWR);
    tcp_end_cwnd_reduction(sk);
    tcp_try_keep_open(sk);
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPLossProbeRecovery);
  } else if ((flag & kNews) == 0) {
    tp->tlp_active = false;  // a pure duplicate ACK: both arrived, and the peer knows no D-SACK
  }
}

bool tcp_ack_is_dubious(const sock* sk, uint32_t flag) {
  return (flag & FLAG_NOT_DUP) == 0 || (flag & FLAG_CA_ALERT) != 0 ||
         inet_csk(sk)->icsk_ca_state != TCP_CA_Open;
}

// How many duplicate ACKs this one stands for: several where the backlog has merged them.
uint32_t DuplicateAcks(const AckContext& context) {
  if ((context.flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DSACKING_ACK)) != 0) return 0;
  if ((context.flag & FLAG_DATA) != 0) return 1;
  return std::max<uint32_t>(1, skb_shinfo(context.skb)->gso_segs);
}

void Alert(sock* sk, uint32_t num_dupack, AckContext* context) {
  tcp_fastretrans_alert(sk, context->prior_snd_una, num_dupack, &context->flag, &context->rexmit);
}

// A loss probe where one can be scheduled, else the retransmission timer.
void tcp_set_xmit_timer(sock* sk) {
  if (tcp_sk(sk)->packets_out == 0 || !tcp_schedule_loss_probe(sk, true)) tcp_rearm_rto(sk);
}

// Counts what this ACK has delivered; packets.
uint32_t tcp_newly_delivered(sock* sk, const AckContext& context) {
  const tcp_sock* const tp = tcp_sk(sk);
  const uint32_t delivered = tp->delivered - context.prior_delivered;
  NET_ADD_STATS(sk->sk_net, TcpExtMib::kTCPDelivered, delivered);
  if ((context.flag & FLAG_ECE) != 0) {
    const bool all = tcp_ecn_mode_rfc3168(tp);
    NET_ADD_STATS(sk->sk_net, TcpExtMib::kTCPDeliveredCE, all ? delivered : context.ecn_count);
  }
  return delivered;
}

// In-order delivery lets the window grow (RFC 5681). Where the network reorders much, any delivery
// does.
bool tcp_may_raise_cwnd(const sock* sk, uint32_t flag) {
  const bool much_reordering =
      tcp_sk(sk)->reordering > static_cast<uint32_t>(tcp_sysctl(sk).reordering);
  return (flag & (much_reordering ? FLAG_FORWARD_PROGRESS : FLAG_DATA_ACKED)) != 0;
}

void tcp_cong_control(sock* sk, SeqNum ack, uint32_t acked_sacked, uint32_t flag,
                      const rate_sample* rs) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_congestion_ops* const ops = tp->icsk_ca_ops;
  if (ops->cong_control != nullptr) {
    ops->cong_control(sk, ack.value(), flag, rs);
    return;
  }
  if (tcp_in_cwnd_reduction(sk)) {
    tcp_cwnd_reduction(sk, acked_sacked, static_cast<uint32_t>(rs->losses), flag);
  } else if (tcp_may_raise_cwnd(sk, flag)) {
    ops->cong_avoid(sk, ack.value(), acked_sacked);
    tp->snd_cwnd_stamp = tcp_jiffies32(sk);
  }
  tcp_update_pacing_rate(sk);
}

// The window is known: sends what recovery has asked for.
void tcp_xmit_recovery(sock* sk, tcp_rexmit rexmit) {
  tcp_sock* const tp = tcp_sk(sk);
  if (rexmit == tcp_rexmit::kNone || sk->sk_state == TCP_SYN_SENT) return;
  if (rexmit == tcp_rexmit::kNew) {
    __tcp_push_pending_frames(sk, tcp_current_mss(sk), TCP_NAGLE_OFF);
    if (tp->snd_nxt.After(tp->high_seq)) return;
    tp->frto = false;  // nothing new could be sent: the conventional way
  }
  tcp_xmit_retransmit_queue(sk);
}

// A window update or its absence while nothing is in flight: probing ends or goes on.
void tcp_ack_probe(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const sk_buff* const head = tcp_send_head(sk);
  if (head == nullptr) return;
  if (TCP_SKB_CB(head)->end_seq.AtOrBefore(tcp_wnd_end(tp))) {
    tp->icsk_backoff = 0;
    tp->icsk_probes_tstamp = 0;
    inet_csk_clear_xmit_timer(sk, ICSK_TIME_PROBE0);
    return;  // tcp_data_snd_check sends it after this
  }
  const uint32_t when = tcp_clamp_probe0_to_user_timeout(sk, tcp_probe0_when(sk, tcp_rto_max(sk)));
  tcp_reset_xmit_timer(sk, ICSK_TIME_PROBE0, when, true);
}

// SND.UNA has been passed, but SACKs may still be news, and data may come with it.
int ProcessOldAck(sock* sk, AckContext* context) {
  if ((context->flag & FLAG_UPDATE_TS_RECENT) != 0) {
    tcp_replace_ts_recent(tcp_sk(sk), context->ack_seq);
  }
  if (TCP_SKB_CB(context->skb)->sacked != 0) {
    context->flag |=
        tcp_sacktag_write_queue(sk, context->skb, context->prior_snd_una, &context->sack_state);
    Alert(sk, 0, context);
    tcp_newly_delivered(sk, *context);
    tcp_xmit_recovery(sk, context->rexmit);
  }
  return 0;
}

int ProcessWithoutQueue(sock* sk, AckContext* context) {
  ProcessEcnAndEvent(sk, context);
  if ((context->flag & FLAG_DSACKING_ACK) != 0) {
    Alert(sk, 0, context);
    tcp_newly_delivered(sk, *context);
  }
  tcp_ack_probe(sk);
  tcp_process_tlp_ack(sk, context->ack, context->flag);
  return 1;
}

int ProcessWithQueue(sock* sk, SeqNum prior_fack, AckContext* context) {
  tcp_sock* const tp = tcp_sk(sk);
  uint32_t& flag = context->flag;
  rate_sample& rs = context->rs;
  flag |= tcp_clean_rtx_queue(sk, context->skb, prior_fack, context->prior_snd_una,
                              &context->sack_state, (flag & FLAG_ECE) != 0);
  tcp_rack_update_reo_wnd(sk, &rs);
  ProcessEcnAndEvent(sk, context);
  tcp_process_tlp_ack(sk, context->ack, flag);
  if (tcp_ack_is_dubious(sk, flag)) Alert(sk, DuplicateAcks(*context), context);
  // Unless RACK has set it, or reneging.
  if ((flag & FLAG_SET_XMIT_TIMER) != 0) tcp_set_xmit_timer(sk);
  if ((flag & FLAG_FORWARD_PROGRESS) != 0 || (flag & FLAG_NOT_DUP) == 0) {
    tp->sk_dst_pending_confirm = true;
  }

  const uint32_t delivered = tcp_newly_delivered(sk, *context);
  rs.is_ack_delayed = (flag & FLAG_ACK_MAYBE_DELAYED) != 0;
  tcp_rate_gen(sk, delivered, tp->lost - context->prior_lost, context->prior_sack_reneg, &rs);
  tcp_cong_control(sk, context->ack, delivered, flag, &rs);
  tcp_xmit_recovery(sk, context->rexmit);
  return 1;
}

}  // namespace

int tcp_ack(sock* sk, const sk_buff* skb, uint32_t flag) {
  TRACE_FUNCTION(sk->sk_net, skb, tcp_ack, sk, skb, flag);
  tcp_sock* const tp = tcp_sk(sk);
  AckContext context(tp, skb, flag);
  const int refused = CheckAckRange(sk, context);
  if (refused != 0) return refused;
  if (context.ack.Before(tp->snd_una)) return ProcessOldAck(sk, &context);

  if (context.ack.After(tp->snd_una)) {
    context.flag |= FLAG_SND_UNA_ADVANCED;
    tp->icsk_retransmits = 0;
  }
  const SeqNum prior_fack = tcp_is_sack(tp) ? tcp_highest_sack_seq(tp) : tp->snd_una;
  context.rs.prior_in_flight = tcp_packets_in_flight(tp);
  TakeAck(sk, &context);
  if (context.prior_packets == 0) return ProcessWithoutQueue(sk, &context);
  return ProcessWithQueue(sk, prior_fack, &context);
}

}  // namespace tapedeck
