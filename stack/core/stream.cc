#include "stack/core/stream.h"

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

int sk_stream_error(sock* sk, uint32_t /*flags*/, int err) {
  if (err != -EPIPE) return err;
  const int pending = sock_error(sk);
  return pending != 0 ? pending : -EPIPE;
}

}  // namespace tapedeck
