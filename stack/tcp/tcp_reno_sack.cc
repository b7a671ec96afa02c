// A connection without SACK: each duplicate ACK says that one segment has arrived behind a hole, so
// they are counted as if they were SACKs (RFC 5681 3.2, RFC 6582).
#include <algorithm>

#include "stack/tcp/tcp_ack_internal.h"

namespace tapedeck {
namespace {

// More duplicate ACKs than segments that can have caused them: the network reorders.
void tcp_check_reno_reordering(sock* sk, uint32_t addend) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!tcp_limit_reno_sacked(tp)) return;
  const auto limit = static_cast<uint32_t>(tcp_sysctl(sk).max_reordering);
  tp->reordering = std::min(tp->packets_out + addend, limit);
  ++tp->reord_seen;
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPRenoReorder);
}

}  // namespace

bool tcp_limit_reno_sacked(tcp_sock* tp) {
  const uint32_t holes = std::min(std::max(tp->lost_out, 1U), tp->packets_out);
  if (tp->sacked_out + holes <= tp->packets_out) return false;
  tp->sacked_out = tp->packets_out - holes;
  return true;
}

void tcp_add_reno_sack(sock* sk, uint32_t num_dupack, bool ece_ack) {
  if (num_dupack == 0) return;
  tcp_sock* const tp = tcp_sk(sk);
  const uint32_t prior_sacked = tp->sacked_out;
  tp->sacked_out += num_dupack;
  tcp_check_reno_reordering(sk, 0);
  if (tp->sacked_out > prior_sacked)
    tcp_count_delivered(tp, tp->sacked_out - prior_sacked, ece_ack);
  tcp_verify_left_out(tp);
}

// One of the `acked` was the hole; the rest had been counted by their duplicate ACKs.
void tcp_remove_reno_sacks(sock* sk, uint32_t acked, bool ece_ack) {
  tcp_sock* const tp = tcp_sk(sk);
  if (acked > 0) {
    const uint32_t fresh = acked > tp->sacked_out ? acked - tp->sacked_out : 1;
    tcp_count_delivered(tp, fresh, ece_ack);
    tp->sacked_out -= std::min(acked - 1, tp->sacked_out);
  }
  tcp_check_reno_reordering(sk, acked);
  tcp_verify_left_out(tp);
}

}  // namespace tapedeck
