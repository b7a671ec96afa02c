#include "stack/core/stream.h"

#include <algorithm>
#include <cerrno>
#include <climits>

namespace tapedeck {

bool sk_stream_memory_free(const sock* sk, bool wake) {
  if (sk->sk_wmem_queued >= static_cast<int32_t>(sk->sk_sndbuf)) return false;
  const auto free = sk->sk_prot->stream_memory_free;
  return free == nullptr || free(sk, wake);
}

bool sk_stream_is_writeable(const sock* sk, bool wake) {
  return sk_stream_wspace(sk) >= sk_stream_min_wspace(sk) && sk_stream_memory_free(sk, wake);
}

void sk_stream_write_space(sock* sk) {
  if (sk->sk_socket == nullptr || !sk_stream_is_writeable(sk, true)) return;
  sk->sk_nospace = false;
  sk->sk_wq.WakeUp(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
}

void sk_stream_moderate_sndbuf(sock* sk) {
  if ((sk->sk_userlocks & SOCK_SNDBUF_LOCK) != 0) return;
  const auto queued = static_cast<uint32_t>(sk->sk_wmem_queued);
  sk->sk_sndbuf = std::max(std::min(sk->sk_sndbuf, queued / 2), kSockMinSndbuf);
}

void sk_stream_kill_queues(sock* sk) {
  skb_queue_purge(&sk->sk_receive_queue);
  skb_queue_purge(&sk->sk_error_queue);
  CHECK(skb_queue_empty(&sk->sk_write_queue));
  sk_mem_reclaim(sk);
  CHECK_EQ(sk->sk_wmem_queued, 0);
}

int sk_stream_error(sock* sk, uint32_t /*flags*/, int err) {
  if (err != -EPIPE) return err;
  const int pending = sock_error(sk);
  return pending != 0 ? pending : -EPIPE;
}

}  // namespace tapedeck
