// How the window shrinks in CWR and Recovery: proportional rate reduction (RFC 6937). And what an
// MTU probe's fate does to it.
#include <algorithm>

#include "stack/tcp/tcp_ack_internal.h"
#include "stack/tcp/tcp_output.h"

namespace tapedeck {

void tcp_init_cwnd_reduction(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  tp->high_seq = tp->snd_nxt;
  tp->tlp_active = false;
  tp->snd_cwnd_cnt = 0;
  tp->prior_cwnd = tcp_snd_cwnd(tp);
  tp->prr_delivered = 0;
  tp->prr_out = 0;
  tp->snd_ssthresh = tp->icsk_ca_ops->ssthresh(sk);
  tcp_ecn_queue_cwr(tp);
}

// Above ssthresh, so much is sent per segment delivered that the window arrives at ssthresh after
// one round trip. Below, as much as was delivered, and one more for an ACK that advances without
// a further loss (slow start towards ssthresh).
void tcp_cwnd_reduction(sock* sk, uint32_t newly_acked_sacked, uint32_t newly_lost, uint32_t flag) {
  tcp_sock* const tp = tcp_sk(sk);
  if (static_cast<int32_t>(newly_acked_sacked) <= 0 || tp->prior_cwnd == 0) return;

  const auto delta = static_cast<int32_t>(tp->snd_ssthresh - tcp_packets_in_flight(tp));
  tp->prr_delivered += newly_acked_sacked;
  int32_t sndcnt = 0;
  if (delta < 0) {
    const uint64_t dividend = uint64_t{tp->snd_ssthresh} * tp->prr_delivered + tp->prior_cwnd - 1;
    sndcnt = static_cast<int32_t>(static_cast<uint32_t>(dividend / tp->prior_cwnd) - tp->prr_out);
  } else {
    sndcnt = std::max(static_cast<int32_t>(tp->prr_delivered - tp->prr_out),
                      static_cast<int32_t>(newly_acked_sacked));
    if ((flag & FLAG_SND_UNA_ADVANCED) != 0 && newly_lost == 0) ++sndcnt;
    sndcnt = std::min(delta, sndcnt);
  }
  // The first retransmission goes out in any case.
  sndcnt = std::max(sndcnt, tp->prr_out != 0 ? 0 : 1);
  tcp_snd_cwnd_set(tp, tcp_packets_in_flight(tp) + static_cast<uint32_t>(sndcnt));
}

void tcp_end_cwnd_reduction(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->icsk_ca_ops->cong_control != nullptr) return;
  // Unless it was undone.
  if (tp->snd_ssthresh < TCP_INFINITE_SSTHRESH &&
      (tp->icsk_ca_state == TCP_CA_CWR || tp->undo_marker_valid)) {
    tcp_snd_cwnd_set(tp, tp->snd_ssthresh);
    tp->snd_cwnd_stamp = tcp_jiffies32(sk);
  }
  tcp_ca_event_notify(sk, CA_EVENT_COMPLETE_CWR);
}

void tcp_enter_cwr(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  tp->prior_ssthresh = 0;  // congestion was proven: there is nothing to undo
  if (tp->icsk_ca_state >= TCP_CA_CWR) return;
  tp->undo_marker_valid = false;
  tcp_init_cwnd_reduction(sk);
  tcp_set_ca_state(sk, TCP_CA_CWR);
}

uint32_t tcp_init_cwnd(const tcp_sock* tp, const dst_entry* dst) {
  const uint32_t of_route = dst != nullptr ? dst_metric_raw(dst, RTAX_INITCWND) : 0;
  return std::min(of_route != 0 ? of_route : TCP_INIT_CWND, tp->snd_cwnd_clamp);
}

void tcp_mtup_probe_failed(sock* sk) {
  inet_connection_sock* const icsk = inet_csk(sk);
  icsk->icsk_mtup.search_high = static_cast<int>(icsk->icsk_mtup.probe_size) - 1;
  icsk->icsk_mtup.probe_size = 0;
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPMTUPFail);
}

// Segments become larger, so fewer of them make the same window (RFC 4821 7.6).
void tcp_mtup_probe_success(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  tp->prior_ssthresh = tcp_current_ssthresh(sk);
  const auto old_mtu = static_cast<uint32_t>(tcp_mss_to_mtu(sk, static_cast<int>(tp->mss_cache)));
  const uint64_t cwnd = uint64_t{tcp_snd_cwnd(tp)} * old_mtu / tp->icsk_mtup.probe_size;
  tcp_snd_cwnd_set(tp, std::max(1U, static_cast<uint32_t>(cwnd)));
  tp->snd_cwnd_cnt = 0;
  tp->snd_cwnd_stamp = tcp_jiffies32(sk);
  tp->snd_ssthresh = tcp_current_ssthresh(sk);

  tp->icsk_mtup.search_low = static_cast<int>(tp->icsk_mtup.probe_size);
  tp->icsk_mtup.probe_size = 0;
  tcp_sync_mss(sk, tp->icsk_pmtu_cookie);
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPMTUPSuccess);
}

}  // namespace tapedeck
