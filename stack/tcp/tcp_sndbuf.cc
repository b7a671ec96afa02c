// The send buffer's size follows the congestion window, and whoever waits for room hears of it.
#include <algorithm>
#include <bit>

#include "stack/core/stream.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_input_internal.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_queues.h"

namespace tapedeck {

namespace {

bool ShouldExpand(sock* sk) {
  if ((sk->sk_userlocks & SOCK_SNDBUF_LOCK) != 0) return false;
  const proto_memory& memory = sock_tcp(sk).memory;
  if (memory.pressure) {
    const auto unused = static_cast<uint32_t>(sk_unused_reserved_mem(sk));
    if (unused > kSockMinSndbuf) sk->sk_sndbuf = unused;
    return false;
  }
  if (memory.allocated_pages >= memory.sysctl_mem[0]) return false;
  // A full window: more to send would only wait.
  const tcp_sock* const tp = tcp_sk(sk);
  return tcp_packets_in_flight(tp) < tcp_snd_cwnd(tp);
}

}  // namespace

void tcp_sndbuf_expand(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  // The worst case: a buffer of its own for each segment, of the next power of two.
  const uint32_t mss = std::max<uint32_t>(tp->rx_opt.mss_clamp, tp->mss_cache);
  const uint32_t per_mss =
      std::bit_ceil(mss + MAX_TCP_HEADER + kSharedInfoLogicalBytes) + kSkBuffLogicalBytes;
  const uint32_t segments = std::max({TCP_INIT_CWND, tcp_snd_cwnd(tp), tp->reordering + 1});
  // Recovery needs nearly two windows (RFC 5681 3.2: what was sent before and what is sent
  // meanwhile).
  const auto* const ops = inet_csk(sk)->icsk_ca_ops;
  const uint32_t windows = ops->sndbuf_expand != nullptr ? ops->sndbuf_expand(sk) : 2;
  const uint64_t sndmem = uint64_t{windows} * segments * per_mss;
  if (sk->sk_sndbuf < sndmem) {
    const auto limit = static_cast<uint64_t>(tcp_sysctl(sk).wmem[2]);
    sk->sk_sndbuf = static_cast<uint32_t>(std::min(sndmem, limit));
  }
}

void tcp_check_space(sock* sk) {
  if (sk->sk_socket == nullptr || !sk->sk_nospace) return;
  if (ShouldExpand(sk)) {
    tcp_sndbuf_expand(sk);
    tcp_sk(sk)->snd_cwnd_stamp = tcp_jiffies32(sk);
  }
  sk->sk_write_space(sk);
  if (!sk->sk_nospace) tcp_chrono_stop(sk, TCP_CHRONO_SNDBUF_LIMITED);
}

void tcp_data_snd_check(sock* sk) {
  tcp_push_pending_frames(sk);
  tcp_check_space(sk);
}

}  // namespace tapedeck
