// DCTCP (RFC 8257): the window shrinks by the fraction of packets that were marked, not by half.
// The receiver's half sends an ACK at each change of the mark, so that the sender can tell them.
// Without ECN it is Reno. (Linux: net/ipv4/tcp_dctcp.c; PLB is left out.)
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_output.h"

namespace tapedeck {
namespace {

constexpr uint32_t kMaxAlpha = 1024;
constexpr uint32_t kShiftG = 4;  // g = 1/16 (RFC 8257 3.3)

struct dctcp_state {
  uint32_t old_delivered;
  uint32_t old_delivered_ce;
  SeqNum prior_rcv_nxt;
  uint32_t alpha;   // of 1024
  SeqNum next_seq;  // the round trip ends when this is acknowledged
  bool ce_state;    // the last segment was marked
  uint32_t loss_cwnd;
};

dctcp_state* Dctcp(sock* sk) { return inet_csk_ca<dctcp_state>(sk); }

void StartRound(const tcp_sock* tp, dctcp_state* ca) {
  ca->next_seq = tp->snd_nxt;
  ca->old_delivered = tp->delivered;
  ca->old_delivered_ce = tp->delivered_ce;
}

void dctcp_init(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const bool unconnected = sk->sk_state == TCP_LISTEN || sk->sk_state == TCP_CLOSE;
  if (!tcp_ecn_mode_any(tp) && !unconnected) {
    inet_csk(sk)->icsk_ca_ops = &dctcp_reno;
    INET_ECN_dontxmit(sk);
    return;
  }
  dctcp_state* const ca = Dctcp(sk);
  *ca = dctcp_state{};
  ca->prior_rcv_nxt = tp->rcv_nxt;
  ca->alpha = kMaxAlpha;
  StartRound(tp, ca);
}

uint32_t dctcp_ssthresh(sock* sk) {
  dctcp_state* const ca = Dctcp(sk);
  const uint32_t cwnd = tcp_sk(sk)->snd_cwnd;
  ca->loss_cwnd = cwnd;
  return std::max(cwnd - (cwnd * ca->alpha >> 11), 2U);
}

// Once a round trip: alpha = (1 - g) * alpha + g * (marked / all).
void dctcp_update_alpha(sock* sk, uint32_t /*flags*/) {
  const tcp_sock* const tp = tcp_sk(sk);
  dctcp_state* const ca = Dctcp(sk);
  if (tp->snd_una.Before(ca->next_seq)) return;
  const uint32_t delivered = tp->delivered - ca->old_delivered;
  const uint32_t marked = tp->delivered_ce - ca->old_delivered_ce;
  const uint32_t decay = ca->alpha >> kShiftG;
  ca->alpha -= decay != 0 ? decay : ca->alpha;
  if (marked != 0) {
    const uint32_t share = (marked << (10 - kShiftG)) / std::max(delivered, 1U);
    ca->alpha = std::min(ca->alpha + share, kMaxAlpha);
  }
  StartRound(tp, ca);
}

void ReactToLoss(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  Dctcp(sk)->loss_cwnd = tp->snd_cwnd;
  tp->snd_ssthresh = std::max(tp->snd_cwnd >> 1, 2U);
}

void dctcp_set_state(sock* sk, uint8_t new_state) {
  if (new_state == TCP_CA_Recovery && inet_csk(sk)->icsk_ca_state != TCP_CA_Recovery) {
    ReactToLoss(sk);
  }
}

void EchoMark(sock* sk, bool ce) {
  tcp_sock* const tp = tcp_sk(sk);
  const int flags = ce ? tp->ecn_flags | TCP_ECN_DEMAND_CWR : tp->ecn_flags & ~TCP_ECN_DEMAND_CWR;
  tp->ecn_flags = static_cast<uint8_t>(flags);
}

// RFC 8257 3.2: an ACK that was put off goes out with the old mark before the new one is told of.
void NoteMark(sock* sk, bool ce) {
  dctcp_state* const ca = Dctcp(sk);
  if (ca->ce_state != ce) {
    if ((inet_csk(sk)->icsk_ack.pending & ICSK_ACK_TIMER) != 0) {
      EchoMark(sk, ca->ce_state);
      __tcp_send_ack(sk, ca->prior_rcv_nxt, 0);
    }
    inet_csk(sk)->icsk_ack.pending |= ICSK_ACK_NOW;
  }
  ca->prior_rcv_nxt = tcp_sk(sk)->rcv_nxt;
  ca->ce_state = ce;
  EchoMark(sk, ce);
}

void dctcp_cwnd_event(sock* sk, tcp_ca_event event) {
  if (event == CA_EVENT_ECN_IS_CE || event == CA_EVENT_ECN_NO_CE) {
    NoteMark(sk, event == CA_EVENT_ECN_IS_CE);
  } else if (event == CA_EVENT_LOSS) {
    ReactToLoss(sk);
  }
}

uint32_t dctcp_cwnd_undo(sock* sk) { return std::max(tcp_sk(sk)->snd_cwnd, Dctcp(sk)->loss_cwnd); }

uint32_t dctcp_get_info(sock* sk, tcp_cc_info* info) {
  const tcp_sock* const tp = tcp_sk(sk);
  const dctcp_state* const ca = Dctcp(sk);
  info->dctcp = {};
  if (tp->icsk_ca_ops != &dctcp_reno) {
    info->dctcp.dctcp_enabled = 1;
    info->dctcp.dctcp_ce_state = ca->ce_state ? 1 : 0;
    info->dctcp.dctcp_alpha = ca->alpha;
    info->dctcp.dctcp_ab_ecn = tp->mss_cache * (tp->delivered_ce - ca->old_delivered_ce);
    info->dctcp.dctcp_ab_tot = tp->mss_cache * (tp->delivered - ca->old_delivered);
  }
  return sizeof(info->dctcp);
}

}  // namespace

const tcp_congestion_ops dctcp = {
    .name = "dctcp",
    .flags = TCP_CONG_NEEDS_ECN,
    .init = dctcp_init,
    .ssthresh = dctcp_ssthresh,
    .undo_cwnd = dctcp_cwnd_undo,
    .cong_avoid = tcp_reno_cong_avoid,
    .set_state = dctcp_set_state,
    .cwnd_event = dctcp_cwnd_event,
    .in_ack_event = dctcp_update_alpha,
    .get_info = dctcp_get_info,
};

const tcp_congestion_ops dctcp_reno = {
    .name = "dctcp-reno",
    .flags = 0,
    .ssthresh = tcp_reno_ssthresh,
    .undo_cwnd = tcp_reno_undo_cwnd,
    .cong_avoid = tcp_reno_cong_avoid,
    .get_info = dctcp_get_info,
};

}  // namespace tapedeck
