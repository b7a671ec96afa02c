// A segment for a connection that is not established (RFC 9293 3.10.7): listening, opening,
// closing. SYN-SENT: tcp_rcv_synsent.cc. TIME-WAIT: tcp_timewait.cc.
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
#include "stack/tcp/tcp_minisocks.h"
#include "stack/tcp/tcp_queues.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {

namespace {

// What a step of the state machine says.
enum class Step : uint8_t {
  kGoOn,      // to the next check
  kConsumed,  // the segment's work is done: free it
  kAbort,     // the connection is gone: answer with a reset
};

bool HasData(const sk_buff* skb) { return TCP_SKB_CB(skb)->seq != TCP_SKB_CB(skb)->end_seq; }

// Data, not only a FIN, that we have not seen.
bool HasNewData(const tcp_sock* tp, const sk_buff* skb, const wire::TcpHeader* th) {
  return HasData(skb) && (TCP_SKB_CB(skb)->end_seq - uint32_t{th->fin()}).After(tp->rcv_nxt);
}

bool AllAcked(const tcp_sock* tp) { return tp->snd_una == tp->write_seq; }

// Data for a user who has gone: the connection ends and the peer hears of it (RFC 9293 3.6.1, RFC
// 1122 4.2.2.13).
void CountAbortOnData(sock* sk) { NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPAbortOnData); }

DropReason Discard(sock* sk, sk_buff* skb, DropReason reason) {
  tcp_drop_reason(sk, skb, reason);
  return SKB_DROP_REASON_CONSUMED;
}

DropReason ReceiveListen(sock* sk, sk_buff* skb, const wire::TcpHeader* th) {
  if (th->ack()) return SKB_DROP_REASON_TCP_FLAGS;
  if (th->rst()) return Discard(sk, skb, SKB_DROP_REASON_TCP_RESET);
  if (!th->syn() || th->fin()) return Discard(sk, skb, SKB_DROP_REASON_TCP_FLAGS);
  inet_csk(sk)->icsk_af_ops->conn_request(sk, skb);
  tcp_consume_segment(sk, skb);
  return SKB_DROP_REASON_CONSUMED;
}

DropReason ReceiveSynSent(sock* sk, sk_buff* skb, const wire::TcpHeader* th) {
  tcp_sock* const tp = tcp_sk(sk);
  tp->rx_opt.saw_tstamp = false;
  tcp_mstamp_refresh(tp);
  DropReason reason = SKB_DROP_REASON_NOT_SPECIFIED;
  switch (tcp_rcv_synsent_state_process(sk, skb, th, &reason)) {
    case SynSentOutcome::kConsumed:
      return SKB_DROP_REASON_CONSUMED;
    case SynSentOutcome::kReset:
      return reason;
    case SynSentOutcome::kContinue:
      break;
  }
  tcp_urg(sk, skb, th);
  tcp_consume_segment(sk, skb);
  tcp_data_snd_check(sk);
  return SKB_DROP_REASON_CONSUMED;
}

// The SYN-ACK of a fast open child is acknowledged: its request is no longer needed.
void FinishFastopen(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  inet_connection_sock* const icsk = inet_csk(sk);
  if (icsk->icsk_ca_state == TCP_CA_Loss && tp->packets_out == 0) tcp_try_undo_recovery(sk);
  tcp_update_rto_time(tp);
  icsk->icsk_retransmits = 0;
  // The SYN-ACK's timer sets retrans_stamp without a loss state; what a recovery has set stays.
  tcp_retrans_stamp_cleanup(sk);
  reqsk_fastopen_remove(sk, tp->fastopen_rsk, false);
  tcp_rearm_rto(sk);  // data may be in flight already
}

// The ACK that completes the handshake of a passive, crossed or fast open.
void EnterEstablished(sock* sk, sk_buff* skb, const wire::TcpHeader* th) {
  tcp_sock* const tp = tcp_sk(sk);
  request_sock* const req = tp->fastopen_rsk;
  ++tp->delivered;  // the SYN-ACK, of which tcp_ack knows nothing
  if (tp->srtt_us == 0) tcp_synack_rtt_meas(sk, req);
  if (tp->rx_opt.tstamp_ok) {
    tp->advmss = static_cast<uint16_t>(tp->advmss - TCPOLEN_TSTAMP_ALIGNED);
  }
  if (req != nullptr) {
    FinishFastopen(sk);
  } else {
    tcp_try_undo_spurious_syn(tp);
    tp->retrans_stamp = 0;
    tcp_init_transfer(sk, skb);
    tp->copied_seq = tp->rcv_nxt;
  }
  tcp_set_state(sk, TCP_ESTABLISHED);
  sk->sk_state_change(sk);

  tp->snd_una = TCP_SKB_CB(skb)->ack_seq;
  tp->snd_wnd = uint32_t{th->window.host()} << tp->rx_opt.snd_wscale;
  tp->snd_wl1 = TCP_SKB_CB(skb)->seq;
  if (inet_csk(sk)->icsk_ca_ops->cong_control == nullptr) tcp_update_pacing_rate(sk);
  tp->lsndtime = tcp_jiffies32(sk);  // else the first data would look like data after idle
  tcp_initialize_rcv_mss(sk);
  if (tcp_ecn_mode_accecn(tp)) tcp_accecn_third_ack(sk, skb, tp->syn_ect_snt);
  tcp_fast_path_on(tp);
  if ((sk->sk_shutdown & SEND_SHUTDOWN) != 0) tcp_shutdown(sk, SEND_SHUTDOWN);
}

// Our FIN may be acknowledged: FIN-WAIT-2, for some time only where no user waits.
Step AckInFinWait1(sock* sk, sk_buff* skb, const wire::TcpHeader* th) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->fastopen_rsk != nullptr) FinishFastopen(sk);
  if (!AllAcked(tp)) return Step::kGoOn;
  tcp_set_state(sk, TCP_FIN_WAIT2);
  sk->sk_shutdown |= SEND_SHUTDOWN;
  tp->sk_dst_pending_confirm = true;
  if (!sock_flag(sk, SOCK_DEAD)) {
    sk->sk_state_change(sk);  // a close that lingers waits for this
    return Step::kGoOn;
  }

  const bool new_data = HasNewData(tp, skb, th);
  if (tp->linger2 < 0 || new_data) {
    if (tp->linger2 >= 0 && tp->syn_fastopen && th->fin()) tcp_fastopen_active_disable(sk);
    tcp_done(sk);
    CountAbortOnData(sk);
    return Step::kAbort;
  }
  const uint32_t timeout = tcp_fin_time(sk);
  const uint32_t timewait_len = tcp_ticks_of(sk).timewait_len;
  if (timeout > timewait_len) {
    // The socket stays for the time that is too long for a time-wait socket.
    tcp_reset_keepalive_timer(sk, timeout - timewait_len);
  } else if (th->fin() || sock_owned_by_user(sk)) {
    // This FIN, or one in the backlog, would be lost with the socket.
    tcp_reset_keepalive_timer(sk, timeout);
  } else {
    tcp_time_wait(sk, TCP_FIN_WAIT2, timeout);
    return Step::kConsumed;
  }
  return Step::kGoOn;
}

// Fifth check: what an acceptable ACK means in each state.
Step AckByState(sock* sk, sk_buff* skb, const wire::TcpHeader* th) {
  const tcp_sock* const tp = tcp_sk(sk);
  switch (sk->sk_state) {
    case TCP_SYN_RECV:
      EnterEstablished(sk, skb, th);
      return Step::kGoOn;
    case TCP_FIN_WAIT1:
      return AckInFinWait1(sk, skb, th);
    case TCP_CLOSING:
      if (!AllAcked(tp)) return Step::kGoOn;
      tcp_time_wait(sk, TCP_TIME_WAIT, 0);
      return Step::kConsumed;
    case TCP_LAST_ACK:
      if (!AllAcked(tp)) return Step::kGoOn;
      tcp_update_metrics(sk);
      tcp_done(sk);
      return Step::kConsumed;
    default:
      return Step::kGoOn;
  }
}

// Seventh check. True where the segment has been queued (or freed); *abort where its data came too
// late.
bool DataByState(sock* sk, sk_buff* skb, const wire::TcpHeader* th, bool* abort) {
  const tcp_sock* const tp = tcp_sk(sk);
  *abort = false;
  switch (sk->sk_state) {
    case TCP_CLOSE_WAIT:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
      if (TCP_SKB_CB(skb)->seq.AtOrAfter(tp->rcv_nxt)) return false;
      [[fallthrough]];
    case TCP_FIN_WAIT1:
    case TCP_FIN_WAIT2:
      if ((sk->sk_shutdown & RCV_SHUTDOWN) != 0 && HasNewData(tp, skb, th)) {
        CountAbortOnData(sk);
        tcp_reset(sk, skb);
        *abort = true;
        return false;
      }
      [[fallthrough]];
    case TCP_ESTABLISHED:
      tcp_data_queue(sk, skb);
      return true;
    default:
      return false;
  }
}

// Fifth check, first part: the ACK itself. CONSUMED: go on; *discard where the segment is to be
// dropped with the reason, without a reset.
DropReason CheckAck(sock* sk, sk_buff* skb, bool* discard) {
  *discard = false;
  constexpr uint32_t kFlags = FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT | FLAG_NO_CHALLENGE_ACK;
  const int acked = tcp_ack(sk, skb, kFlags);
  if (acked > 0) return SKB_DROP_REASON_CONSUMED;
  if (sk->sk_state == TCP_SYN_RECV) {
    return acked == 0 ? SKB_DROP_REASON_TCP_OLD_ACK : static_cast<DropReason>(-acked);
  }
  if (acked == 0) return SKB_DROP_REASON_CONSUMED;  // an old ACK may carry the FIN
  tcp_send_challenge_ack(sk, false);
  *discard = true;
  return static_cast<DropReason>(-acked);
}

// A segment for a fast open child whose SYN-ACK is not acknowledged: as for any request.
bool PassesRequest(sock* sk, sk_buff* skb, DropReason* reason) {
  request_sock* const req = tcp_sk(sk)->fastopen_rsk;
  if (req == nullptr) return true;
  CHECK(sk->sk_state == TCP_SYN_RECV || sk->sk_state == TCP_FIN_WAIT1);
  bool req_stolen = false;
  *reason = SKB_DROP_REASON_TCP_FASTOPEN;
  return tcp_check_req(sk, skb, req, true, &req_stolen, reason) != nullptr;
}

// All states but CLOSED, LISTEN, SYN-SENT and, here, ESTABLISHED.
DropReason ReceiveSynchronized(sock* sk, sk_buff* skb, const wire::TcpHeader* th) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_mstamp_refresh(tp);
  tp->rx_opt.saw_tstamp = false;
  DropReason reason = SKB_DROP_REASON_NOT_SPECIFIED;
  if (!PassesRequest(sk, skb, &reason)) return Discard(sk, skb, reason);
  if (!th->ack() && !th->rst() && !th->syn()) {
    return Discard(sk, skb, SKB_DROP_REASON_TCP_FLAGS);
  }
  if (!tcp_validate_incoming(sk, skb, th, false)) return SKB_DROP_REASON_CONSUMED;

  bool discard = false;
  reason = CheckAck(sk, skb, &discard);
  if (discard) return Discard(sk, skb, reason);
  if (reason != SKB_DROP_REASON_CONSUMED) return reason;
  switch (AckByState(sk, skb, th)) {
    case Step::kGoOn:
      break;
    case Step::kConsumed:
      tcp_consume_segment(sk, skb);
      return SKB_DROP_REASON_CONSUMED;
    case Step::kAbort:
      return SKB_DROP_REASON_TCP_ABORT_ON_DATA;
  }

  tcp_urg(sk, skb, th);
  bool abort = false;
  const bool queued = DataByState(sk, skb, th, &abort);
  if (abort) return SKB_DROP_REASON_TCP_ABORT_ON_DATA;
  if (sk->sk_state != TCP_CLOSE) {  // a FIN may have made it a time-wait socket
    tcp_data_snd_check(sk);
    tcp_ack_snd_check(sk);
  }
  if (!queued) tcp_drop_reason(sk, skb, SKB_DROP_REASON_NOT_SPECIFIED);
  return SKB_DROP_REASON_CONSUMED;
}

}  // namespace

DropReason tcp_rcv_state_process(sock* sk, sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, tcp_rcv_state_process, sk, skb);
  const wire::TcpHeader* const th = tcp_hdr(skb);
  switch (sk->sk_state) {
    case TCP_CLOSE:
      return Discard(sk, skb, SKB_DROP_REASON_TCP_CLOSE);
    case TCP_LISTEN:
      return ReceiveListen(sk, skb, th);
    case TCP_SYN_SENT:
      return ReceiveSynSent(sk, skb, th);
    default:
      return ReceiveSynchronized(sk, skb, th);
  }
}

void tcp_reset(sock* sk, sk_buff* /*skb*/) {
  switch (sk->sk_state) {
    case TCP_CLOSE:
      return;
    case TCP_SYN_SENT:
      return tcp_done_with_error(sk, ECONNREFUSED);
    case TCP_CLOSE_WAIT:
      return tcp_done_with_error(sk, EPIPE);
    default:
      return tcp_done_with_error(sk, ECONNRESET);
  }
}

void tcp_fin(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  inet_csk_schedule_ack(sk);
  sk->sk_shutdown |= RCV_SHUTDOWN;
  sock_set_flag(sk, SOCK_DONE);
  switch (sk->sk_state) {
    case TCP_SYN_RECV:
    case TCP_ESTABLISHED:
      tcp_set_state(sk, TCP_CLOSE_WAIT);
      inet_csk_enter_pingpong_mode(sk);
      break;
    case TCP_FIN_WAIT1:  // both have closed at once
      tcp_send_ack(sk);
      tcp_set_state(sk, TCP_CLOSING);
      break;
    case TCP_FIN_WAIT2:
      tcp_send_ack(sk);
      tcp_time_wait(sk, TCP_TIME_WAIT, 0);
      break;
    default:  // CLOSE-WAIT, CLOSING, LAST-ACK: the FIN has come again
      break;
  }
  // What lies behind the FIN cannot be.
  skb_rbtree_purge(&tp->out_of_order_queue);
  if (tcp_is_sack(tp)) tcp_sack_reset(&tp->rx_opt);
  if (!sock_flag(sk, SOCK_DEAD)) sk->sk_state_change(sk);
}

}  // namespace tapedeck
