#include "stack/tcp/tcp_cong.h"

#include <cerrno>
#include <cstring>

#include "stack/tcp/tcp_ecn.h"

namespace tapedeck {
namespace {

// In the order in which a distribution's kernel knows them: built in, then as modules load.
constexpr const tcp_congestion_ops* kAlgorithms[] = {&tcp_reno, &cubictcp, &tcp_bbr_cong_ops,
                                                     &dctcp};

// The bit of an algorithm in netns_tcp::allowed_congestion_controls; 0 for those that cannot be
// named.
uint32_t AllowedBit(const tcp_congestion_ops* ops) {
  uint32_t bit = 1;
  for (const tcp_congestion_ops* const known : kAlgorithms) {
    if (known == ops) return bit;
    bit <<= 1;
  }
  return 0;
}

// What a socket's segments carry until its congestion control has been initialised
// (INET_ECN_xmit_ect_1_negotiation, INET_ECN_dontxmit).
void SetEctForNegotiation(sock* sk) {
  if (tcp_ca_needs_ecn(sk)) {
    INET_ECN_xmit(sk, tcp_ca_ect_1_negotiation(sk));
  } else {
    INET_ECN_dontxmit(sk);
  }
}

void ForgetPrivateState(inet_connection_sock* icsk) {
  std::memset(icsk->icsk_ca_priv, 0, sizeof(icsk->icsk_ca_priv));
}

void tcp_reinit_congestion_control(sock* sk, const tcp_congestion_ops* ops) {
  inet_connection_sock* const icsk = inet_csk(sk);
  tcp_cleanup_congestion_control(sk);
  icsk->icsk_ca_ops = ops;
  icsk->icsk_ca_setsockopt = true;
  ForgetPrivateState(icsk);
  SetEctForNegotiation(sk);
  if (sk->sk_state != TCP_CLOSE && sk->sk_state != TCP_LISTEN) tcp_init_congestion_control(sk);
}

// The next word of `names`, which loses it; empty at the end. As strsep at single blanks: an empty
// word ends the list.
std::string_view TakeWord(std::string_view* names) {
  const size_t end = std::min(names->find(' '), names->size());
  const std::string_view word = names->substr(0, end);
  names->remove_prefix(std::min(end + 1, names->size()));
  return word;
}

}  // namespace

const tcp_congestion_ops* tcp_ca_at(int index) {
  const auto count = static_cast<int>(std::size(kAlgorithms));
  return index >= 0 && index < count ? kAlgorithms[index] : nullptr;
}

const tcp_congestion_ops* tcp_ca_find(std::string_view name) {
  for (const tcp_congestion_ops* const ops : kAlgorithms) {
    if (name == ops->name) return ops;
  }
  return nullptr;
}

uint32_t tcp_ca_key(const tcp_congestion_ops* ops) {
  return static_cast<uint32_t>(std::find(std::begin(kAlgorithms), std::end(kAlgorithms), ops) -
                               std::begin(kAlgorithms)) +
         1;
}

bool tcp_ca_dst_init(sock* sk, const dst_entry* dst) {
  const uint32_t key = dst->metrics[RTAX_CC_ALGO];
  if (key == 0) return false;
  inet_connection_sock* const icsk = inet_csk(sk);
  icsk->icsk_ca_dst_locked = (dst->metrics[RTAX_LOCK] >> RTAX_CC_ALGO & 1) != 0;
  icsk->icsk_ca_ops = tcp_ca_at(static_cast<int>(key) - 1);
  return true;
}

bool tcp_ca_allowed(const net& net, const tcp_congestion_ops* ops) {
  return (net.tcp->allowed_congestion_controls & AllowedBit(ops)) != 0;
}

void tcp_assign_congestion_control(sock* sk) {
  inet_connection_sock* const icsk = inet_csk(sk);
  icsk->icsk_ca_ops = sock_tcp(sk).congestion_control;
  ForgetPrivateState(icsk);
  SetEctForNegotiation(sk);
}

void tcp_init_congestion_control(sock* sk) {
  inet_connection_sock* const icsk = inet_csk(sk);
  tcp_sk(sk)->prior_ssthresh = 0;
  if (icsk->icsk_ca_ops->init != nullptr) icsk->icsk_ca_ops->init(sk);
  if (tcp_ca_needs_ecn(sk)) {
    INET_ECN_xmit(sk);
  } else {
    INET_ECN_dontxmit(sk);
  }
  icsk->icsk_ca_initialized = true;
}

void tcp_cleanup_congestion_control(sock* sk) {
  inet_connection_sock* const icsk = inet_csk(sk);
  const tcp_congestion_ops* const ops = icsk->icsk_ca_ops;
  if (icsk->icsk_ca_initialized && ops->release != nullptr) ops->release(sk);
  icsk->icsk_ca_initialized = false;
}

void tcp_set_ca_state(sock* sk, uint8_t ca_state) {
  inet_connection_sock* const icsk = inet_csk(sk);
  if (icsk->icsk_ca_ops->set_state != nullptr) icsk->icsk_ca_ops->set_state(sk, ca_state);
  icsk->icsk_ca_state = ca_state;
}

int tcp_set_congestion_control(sock* sk, std::string_view name, bool cap_net_admin) {
  inet_connection_sock* const icsk = inet_csk(sk);
  if (icsk->icsk_ca_dst_locked) return -EPERM;
  const tcp_congestion_ops* const ops = tcp_ca_find(name);
  if (ops == nullptr) return -ENOENT;
  if (ops == icsk->icsk_ca_ops) {
    icsk->icsk_ca_setsockopt = true;
    return 0;
  }
  if (!cap_net_admin && !tcp_ca_allowed(sk->sk_net, ops)) return -EPERM;
  tcp_reinit_congestion_control(sk, ops);
  return 0;
}

int tcp_set_default_congestion_control(net& net, std::string_view name) {
  const tcp_congestion_ops* const ops = tcp_ca_find(name);
  if (ops == nullptr) return -ENOENT;
  netns_tcp& tcp = net_tcp(net);
  tcp.congestion_control = ops;
  tcp.allowed_congestion_controls |= AllowedBit(ops);
  return 0;
}

int tcp_set_allowed_congestion_control(net& net, std::string_view names) {
  uint32_t allowed = 0;
  for (std::string_view name = TakeWord(&names); !name.empty(); name = TakeWord(&names)) {
    const tcp_congestion_ops* const ops = tcp_ca_find(name);
    if (ops == nullptr) return -ENOENT;
    allowed |= AllowedBit(ops);
  }
  net_tcp(net).allowed_congestion_controls = allowed;
  return 0;
}

// --- Reno (RFC 5681; Jacobson, "Congestion avoidance and control", SIGCOMM 1988). ---

// cwnd grows by what was acknowledged, not beyond ssthresh; the rest is for congestion avoidance.
uint32_t tcp_slow_start(tcp_sock* tp, uint32_t acked) {
  const uint32_t cwnd = std::min(tp->snd_cwnd + acked, tp->snd_ssthresh);
  const uint32_t left = acked - (cwnd - tp->snd_cwnd);
  tcp_snd_cwnd_set(tp, std::min(cwnd, tp->snd_cwnd_clamp));
  return left;
}

// One packet more for every `w` that are acknowledged.
void tcp_cong_avoid_ai(tcp_sock* tp, uint32_t w, uint32_t acked) {
  uint32_t cwnd = tp->snd_cwnd;
  // What was saved up while w was larger counts as one packet at most.
  if (tp->snd_cwnd_cnt >= w) {
    tp->snd_cwnd_cnt = 0;
    ++cwnd;
  }
  tp->snd_cwnd_cnt += acked;
  cwnd += tp->snd_cwnd_cnt / w;
  tp->snd_cwnd_cnt %= w;
  tcp_snd_cwnd_set(tp, std::min(cwnd, tp->snd_cwnd_clamp));
}

void tcp_reno_cong_avoid(sock* sk, uint32_t /*ack*/, uint32_t acked) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!tcp_is_cwnd_limited(sk)) return;
  if (tcp_in_slow_start(tp)) {
    acked = tcp_slow_start(tp, acked);
    if (acked == 0) return;
  }
  tcp_cong_avoid_ai(tp, tp->snd_cwnd, acked);
}

uint32_t tcp_reno_ssthresh(sock* sk) { return std::max(tcp_sk(sk)->snd_cwnd >> 1, 2U); }

uint32_t tcp_reno_undo_cwnd(sock* sk) {
  return std::max(tcp_sk(sk)->snd_cwnd, tcp_sk(sk)->prior_cwnd);
}

const tcp_congestion_ops tcp_reno = {
    .name = "reno",
    .flags = TCP_CONG_NON_RESTRICTED,
    .ssthresh = tcp_reno_ssthresh,
    .undo_cwnd = tcp_reno_undo_cwnd,
    .cong_avoid = tcp_reno_cong_avoid,
};

}  // namespace tapedeck
