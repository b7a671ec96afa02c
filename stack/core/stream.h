// What stream sockets share whatever their protocol (net/core/stream.c, include/net/sock.h): the
// send buffer's limit, counted in sk_wmem_queued, and who is told of room.
#ifndef TAPEDECK_STACK_CORE_STREAM_H_
#define TAPEDECK_STACK_CORE_STREAM_H_

#include <cstdint>

#include "stack/core/sock.h"

namespace tapedeck {

// Bytes of room, and how many there must be before a poller hears of them.
inline int32_t sk_stream_wspace(const sock* sk) {
  return static_cast<int32_t>(sk->sk_sndbuf) - sk->sk_wmem_queued;
}
inline int32_t sk_stream_min_wspace(const sock* sk) { return sk->sk_wmem_queued >> 1; }

// Whether sendmsg may take more. `wake`: asked for one who waits.
bool sk_stream_memory_free(const sock* sk, bool wake = false);
// EPOLLOUT.
bool sk_stream_is_writeable(const sock* sk, bool wake = false);

// sock::sk_write_space of streams: wakes writers and forgets that they waited (sk_nospace) once
// there is room worth it.
void sk_stream_write_space(sock* sk);

// Memory is short: the send buffer shrinks to half of what is queued, unless the user has set it.
void sk_stream_moderate_sndbuf(sock* sk);
// The end of a stream: frees what it still holds. REQUIRES: the write queue is empty.
void sk_stream_kill_queues(sock* sk);

// The error of a failed send: a pending one takes the place of -EPIPE. (The signal is the
// script's.)
int sk_stream_error(sock* sk, uint32_t flags, int err);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_STREAM_H_
