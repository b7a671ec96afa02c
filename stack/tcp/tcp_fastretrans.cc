// The state machine of loss recovery (tcp_fastretrans_alert), entered for each ACK that is unusual
// and for all while the state is not Open:
//
//   Open      nothing unusual
//   Disorder  Open, but there are SACKs or duplicate ACKs
//   CWR       the window shrinks because of ECN or of a queue of our own host
//   Recovery  the window shrinks, and lost data is sent again
//   Loss      after a timeout, or SACK reneging
//
// It decides what is lost and which state follows. It leaves the window to congestion control and
// sends nothing: tcp_ack does both after it.
#include <algorithm>

#include "stack/tcp/tcp_ack_internal.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {
namespace {

constexpr uint64_t kRenegingDelayMs = 10;

// The ACK stops at data that was SACKed: the receiver seems to have thrown it away. It may be an
// oddity that the next ACKs put right; they get half a round trip for it, then the timer acts as if
// nothing had been SACKed.
bool tcp_check_sack_reneging(sock* sk, uint32_t* ack_flag) {
  constexpr uint32_t kBoth = FLAG_SACK_RENEGING | FLAG_SND_UNA_ADVANCED;
  if ((*ack_flag & kBoth) != kBoth) return false;
  const uint32_t delay = std::max(usecs_to_jiffies(sk, tcp_sk(sk)->srtt_us >> 4),
                                  msecs_to_jiffies(sk, kRenegingDelayMs));
  tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, delay, false);
  *ack_flag &= ~FLAG_SET_XMIT_TIMER;
  return true;
}

// Loss is proven, and a Recovery is due.
bool tcp_time_to_recover(const tcp_sock* tp) { return tp->lost_out != 0; }

void tcp_try_to_open(sock* sk, uint32_t flag) {
  tcp_verify_left_out(tcp_sk(sk));
  tcp_retrans_stamp_cleanup(sk);
  if ((flag & FLAG_ECE) != 0) tcp_enter_cwr(sk);
  if (inet_csk(sk)->icsk_ca_state != TCP_CA_CWR) tcp_try_keep_open(sk);
}

void tcp_identify_packet_loss(sock* sk, uint32_t* ack_flag) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tcp_rtx_queue_empty(sk)) return;
  if (tcp_is_reno(tp)) {
    tcp_newreno_mark_lost(sk, (*ack_flag & FLAG_SND_UNA_ADVANCED) != 0);
    return;
  }
  const uint32_t prior_retrans = tp->retrans_out;
  if (tcp_rack_mark_lost(sk)) *ack_flag &= ~FLAG_SET_XMIT_TIMER;
  if (prior_retrans > tp->retrans_out) *ack_flag |= FLAG_LOST_RETRANS;
}

// What F-RTO makes of an ACK after a timeout.
enum class frto_verdict : uint8_t { kGoOn, kUndone, kSendNew };

// RFC 5682 3.1, with SACK 3.2's.
frto_verdict ProcessFrto(sock* sk, uint32_t flag, uint32_t num_dupack, bool recovered) {
  tcp_sock* const tp = tcp_sk(sk);
  // Step 3.b: data that was sent once only has arrived, so not all of the window was lost.
  if ((flag & FLAG_ORIG_SACK_ACKED) != 0 && tcp_try_undo_loss(sk, true)) {
    return frto_verdict::kUndone;
  }
  if (tp->snd_nxt.After(tp->high_seq)) {
    // Step 3.a: the new data of step 2.b has arrived behind a hole.
    if ((flag & FLAG_DATA_SACKED) != 0 || num_dupack != 0) tp->frto = false;
  } else if ((flag & FLAG_SND_UNA_ADVANCED) != 0 && !recovered) {
    // Step 2.b: new data tells more than another retransmission would.
    tp->high_seq = tp->snd_nxt;
    if (!tcp_write_queue_empty(sk) && tcp_wnd_end(tp).After(tp->snd_nxt)) {
      return frto_verdict::kSendNew;
    }
    tp->frto = false;
  }
  return frto_verdict::kGoOn;
}

// An ACK in Loss: back to Open where all was recovered or never lost, else more retransmissions.
void tcp_process_loss(sock* sk, uint32_t flag, uint32_t num_dupack, tcp_rexmit* rexmit) {
  tcp_sock* const tp = tcp_sk(sk);
  const bool recovered = tp->snd_una.AtOrAfter(tp->high_seq);
  const bool una_advanced = (flag & FLAG_SND_UNA_ADVANCED) != 0;
  if ((una_advanced || tp->fastopen_rsk != nullptr) && tcp_try_undo_loss(sk, false)) return;

  if (tp->frto) {
    const frto_verdict verdict = ProcessFrto(sk, flag, num_dupack, recovered);
    if (verdict == frto_verdict::kSendNew) *rexmit = tcp_rexmit::kNew;
    if (verdict != frto_verdict::kGoOn) return;
  }
  if (recovered) {
    tcp_try_undo_recovery(sk);  // RFC 5682 3.1 step 2.a
    return;
  }
  if (tcp_is_reno(tp)) {
    // A duplicate ACK is for the new data of step 2.b: less is in flight.
    if (tp->snd_nxt.After(tp->high_seq) && num_dupack != 0) {
      tcp_add_reno_sack(sk, num_dupack, (flag & FLAG_ECE) != 0);
    } else if (una_advanced) {
      tcp_reset_reno_sack(tp);
    }
  }
  *rexmit = tcp_rexmit::kLost;
}

// States end when all that was in flight at their beginning is acknowledged. True: nothing more is
// to be done for this ACK.
bool EndState(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->icsk_ca_state == TCP_CA_Open) {
    tp->retrans_stamp = 0;
    return false;
  }
  if (tp->snd_una.Before(tp->high_seq)) return false;
  if (tp->icsk_ca_state == TCP_CA_CWR) {
    // Something above high_seq must be acknowledged, so that the CWR bit has arrived.
    if (tp->snd_una != tp->high_seq) {
      tcp_end_cwnd_reduction(sk);
      tcp_set_ca_state(sk, TCP_CA_Open);
    }
  } else if (tp->icsk_ca_state == TCP_CA_Recovery) {
    if (tcp_is_reno(tp)) tcp_reset_reno_sack(tp);
    if (tcp_try_undo_recovery(sk)) return true;
    tcp_end_cwnd_reduction(sk);
  }
  return false;
}

// An ACK in Recovery. Whether lost data is to be sent.
bool ProcessRecovery(sock* sk, SeqNum prior_snd_una, uint32_t num_dupack, uint32_t flag,
                     uint32_t* ack_flag) {
  tcp_sock* const tp = tcp_sk(sk);
  const bool ece_ack = (flag & FLAG_ECE) != 0;
  if ((flag & FLAG_SND_UNA_ADVANCED) == 0) {
    if (tcp_is_reno(tp)) tcp_add_reno_sack(sk, num_dupack, ece_ack);
  } else if (tcp_try_undo_partial(sk, prior_snd_una)) {
    return false;
  }
  if (tcp_try_undo_dsack(sk)) tcp_try_to_open(sk, flag);

  tcp_identify_packet_loss(sk, ack_flag);
  if (tp->icsk_ca_state != TCP_CA_Recovery) {
    // Undone; but there may be a real loss as well.
    if (!tcp_time_to_recover(tp)) return false;
    tcp_enter_recovery(sk, ece_ack);
  }
  return true;
}

// The probe of a larger MTU was lost and nothing else (RFC 4821 7.6.2): no sign of congestion.
bool MtuProbeLost(const tcp_sock* tp) {
  return tp->icsk_ca_state < TCP_CA_CWR && tp->icsk_mtup.probe_size != 0 &&
         tp->snd_una == tp->mtu_probe.probe_seq_start;
}

// An ACK in Open, Disorder or CWR, or where Loss has just ended. Whether lost data is to be sent.
bool ProcessOrdinary(sock* sk, uint32_t num_dupack, uint32_t flag, uint32_t* ack_flag) {
  tcp_sock* const tp = tcp_sk(sk);
  const bool ece_ack = (flag & FLAG_ECE) != 0;
  if (tcp_is_reno(tp)) {
    if ((flag & FLAG_SND_UNA_ADVANCED) != 0) tcp_reset_reno_sack(tp);
    tcp_add_reno_sack(sk, num_dupack, ece_ack);
  }
  if (tp->icsk_ca_state <= TCP_CA_Disorder) tcp_try_undo_dsack(sk);

  tcp_identify_packet_loss(sk, ack_flag);
  if (!tcp_time_to_recover(tp)) {
    tcp_try_to_open(sk, flag);
    return false;
  }
  if (MtuProbeLost(tp)) {
    tcp_mtup_probe_failed(sk);
    tcp_snd_cwnd_set(tp, tcp_snd_cwnd(tp) + 1);  // what tcp_mtu_probe took
    tcp_simple_retransmit(sk);
    return false;
  }
  tcp_enter_recovery(sk, ece_ack);
  return true;
}

}  // namespace

void tcp_try_keep_open(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const bool disorder = tcp_left_out(tp) != 0 || tcp_any_retrans_done(sk);
  const uint8_t state = disorder ? TCP_CA_Disorder : TCP_CA_Open;
  if (tp->icsk_ca_state == state) return;
  tcp_set_ca_state(sk, state);
  tp->high_seq = tp->snd_nxt;
}

void tcp_enter_recovery(sock* sk, bool ece_ack) {
  tcp_sock* const tp = tcp_sk(sk);
  // Undo and ETIMEDOUT measure from this recovery's first retransmission.
  tcp_retrans_stamp_cleanup(sk);
  NET_INC_STATS(sk->sk_net,
                tcp_is_reno(tp) ? TcpExtMib::kTCPRenoRecovery : TcpExtMib::kTCPSackRecovery);
  tp->prior_ssthresh = 0;
  tcp_init_undo(tp);
  if (!tcp_in_cwnd_reduction(sk)) {
    if (!ece_ack) tp->prior_ssthresh = tcp_current_ssthresh(sk);
    tcp_init_cwnd_reduction(sk);
  }
  tcp_set_ca_state(sk, TCP_CA_Recovery);
}

void tcp_update_rto_time(tcp_sock* tp) {
  if (tp->rto_stamp_ms == 0) return;
  tp->total_rto_time_ms += tcp_time_stamp_ms(tp) - tp->rto_stamp_ms;
  tp->rto_stamp_ms = 0;
}

void tcp_fastretrans_alert(sock* sk, SeqNum prior_snd_una, uint32_t num_dupack, uint32_t* ack_flag,
                           tcp_rexmit* rexmit) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint32_t flag = *ack_flag;  // as it came: what is found out below only goes to the caller
  if (tp->packets_out == 0) tp->sacked_out = 0;
  // Congestion is proven: the reduction will not be undone.
  if ((flag & FLAG_ECE) != 0) tp->prior_ssthresh = 0;
  if (tcp_check_sack_reneging(sk, ack_flag)) return;
  tcp_verify_left_out(tp);
  if (EndState(sk)) return;

  if (tp->icsk_ca_state == TCP_CA_Recovery) {
    if (ProcessRecovery(sk, prior_snd_una, num_dupack, flag, ack_flag)) *rexmit = tcp_rexmit::kLost;
    return;
  }
  if (tp->icsk_ca_state == TCP_CA_Loss) {
    tcp_process_loss(sk, flag, num_dupack, rexmit);
    if (tp->icsk_ca_state != TCP_CA_Loss) tcp_update_rto_time(tp);
    tcp_identify_packet_loss(sk, ack_flag);
    // Goes on where the window was restored, or where retransmissions were lost again.
    const bool go_on = tp->icsk_ca_state == TCP_CA_Open || (*ack_flag & FLAG_LOST_RETRANS) != 0;
    if (!go_on) return;
  }
  if (ProcessOrdinary(sk, num_dupack, flag, ack_flag)) *rexmit = tcp_rexmit::kLost;
}

}  // namespace tapedeck
