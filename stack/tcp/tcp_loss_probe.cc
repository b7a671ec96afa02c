// Tail loss probes (RFC 8985 7): where no ACK comes for two round trips, one more segment asks for
// one.
#include <algorithm>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_output_internal.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {

namespace {

// tcp_early_retrans: probes are sent.
constexpr int32_t kEarlyRetransTlp = 3;
constexpr int32_t kEarlyRetransTlpAlso = 4;

// The probe timeout in jiffies: 2 RTT, and an RTO minimum more where a delayed ACK is possible.
uint32_t ProbeTimeout(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (tp->srtt_us == 0) return tcp_ticks_of(sk).timeout_init;
  uint64_t timeout_us = tp->srtt_us >> 2;
  timeout_us += tp->packets_out == 1 ? jiffies_to_usecs(sk, tcp_rto_min(sk)) : TCP_TIMEOUT_MIN_US;
  return usecs_to_jiffies(sk, timeout_us);
}

// Sends new data where the window has room: true where it went.
bool ProbeWithNewData(sock* sk, uint32_t mss) {
  const tcp_sock* const tp = tcp_sk(sk);
  const uint32_t before = tp->packets_out;
  tcp_write_xmit(sk, mss, TCP_NAGLE_OFF, kPushLossProbe);
  return tp->packets_out > before;
}

// Sends the last segment of `skb` again; true where it went.
bool ProbeWithLastSegment(sock* sk, sk_buff* skb, uint32_t mss) {
  if (skb_still_in_host_queue(sk, skb)) return false;
  const uint32_t pcount = tcp_skb_pcount(skb);
  if (pcount > 1 && skb->len > (pcount - 1) * mss) {
    if (tcp_fragment(sk, tcp_queue::kRtx, skb, (pcount - 1) * mss, mss) != 0) return false;
    skb = skb_rb_next(skb);
  }
  if (__tcp_retransmit_skb(sk, skb, 1) != 0) return false;
  TraceRetransmit(sk, skb, TcpRetransmitWhy::kLossProbe);
  tcp_sk(sk)->tlp_retrans = true;
  return true;
}

}  // namespace

bool tcp_schedule_loss_probe(sock* sk, bool advancing_rto) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (tp->fastopen_rsk != nullptr) return false;  // the handshake is not complete
  const int32_t early_retrans = tcp_sysctl(sk).early_retrans;
  if ((early_retrans != kEarlyRetransTlp && early_retrans != kEarlyRetransTlpAlso) ||
      !tcp_is_sack(tp) || (tp->icsk_ca_state != TCP_CA_Open && tp->icsk_ca_state != TCP_CA_CWR)) {
    return false;
  }
  uint32_t timeout = ProbeTimeout(sk);
  // The kernel keeps the time to the RTO in 32 bits without a sign.
  const auto rto_delta_us =
      static_cast<uint32_t>(advancing_rto ? static_cast<int64_t>(jiffies_to_usecs(sk, tp->icsk_rto))
                                          : tcp_rto_delta_us(sk));
  if (rto_delta_us > 0) timeout = std::min(timeout, usecs_to_jiffies(sk, rto_delta_us));
  tcp_reset_xmit_timer(sk, ICSK_TIME_LOSS_PROBE, timeout, true);
  return true;
}

void tcp_send_loss_probe(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint32_t mss = tcp_current_mss(sk);
  bool sent = false;
  if (!tp->tlp_active) {
    tp->tlp_retrans = false;
    const sk_buff* const head = tcp_send_head(sk);
    if (head != nullptr && tcp_snd_wnd_test(tp, head, mss)) {
      sent = ProbeWithNewData(sk, mss);
    } else {
      sk_buff* const last = tcp_rtx_queue_tail(sk);
      if (last == nullptr) {
        tp->icsk_pending = 0;
        return;
      }
      sent = ProbeWithLastSegment(sk, last, mss);
    }
  }
  if (sent) {
    tp->tlp_high_seq = tp->snd_nxt;
    tp->tlp_active = true;
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPLossProbes);
    // So that the retransmission timer counts from now.
    tp->icsk_pending = 0;
  }
  tcp_rearm_rto(sk);
}

}  // namespace tapedeck
