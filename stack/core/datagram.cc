#include "stack/core/datagram.h"

#include <cerrno>

namespace tapedeck {

sk_buff* __skb_try_recv_from_queue(sk_buff_head* queue, uint32_t flags, int* off) {
  if ((flags & MSG_PEEK) == 0) return __skb_dequeue(queue);
  const bool at_offset = *off >= 0;
  int start = at_offset ? *off : 0;
  for (sk_buff* skb = skb_peek(queue); skb != nullptr; skb = skb_peek_next(skb, queue)) {
    const int len = static_cast<int>(skb->len);
    // Skipped by SO_PEEK_OFF, with which an empty packet is seen once.
    if (at_offset && start >= len && (start != 0 || skb->peeked)) {
      start -= len;
      continue;
    }
    if (len == 0) skb->peeked = true;
    *off = start;
    return skb_get(skb);
  }
  return nullptr;
}

int skb_recv_nothing(const sock* sk, uint32_t flags) {
  // A call that would sleep is told that no more will come; one that would not is not
  // (wait_for_more_packets).
  const bool over = (sk->sk_shutdown & RCV_SHUTDOWN) != 0 && (flags & MSG_DONTWAIT) == 0;
  return over ? 0 : -EAGAIN;
}

sk_buff* skb_recv_datagram(sock* sk, uint32_t flags, int* off, int* err) {
  *err = sock_error(sk);
  if (*err != 0) return nullptr;
  sk_buff* const skb = __skb_try_recv_from_queue(&sk->sk_receive_queue, flags, off);
  if (skb == nullptr) *err = skb_recv_nothing(sk, flags);
  return skb;
}

void skb_free_datagram(sock* /*sk*/, sk_buff* skb) { consume_skb(skb); }

int skb_kill_datagram(sock* sk, sk_buff* skb, uint32_t flags, DropReason reason) {
  int error = 0;
  if ((flags & MSG_PEEK) != 0) {
    error = -ENOENT;
    if (skb->next != nullptr) {
      __skb_unlink(skb, &sk->sk_receive_queue);
      --skb->users;
      error = 0;
    }
  }
  ++sk->sk_drops;
  kfree_skb_reason(skb, reason);
  return error;
}

uint32_t datagram_poll(const sock* sk) {
  uint32_t mask = 0;
  if (sk->sk_err != 0 || !skb_queue_empty(&sk->sk_error_queue)) mask |= EPOLLERR;
  if ((sk->sk_shutdown & RCV_SHUTDOWN) != 0) mask |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
  if (sk->sk_shutdown == SHUTDOWN_MASK) mask |= EPOLLHUP;
  if (!skb_queue_empty(&sk->sk_receive_queue)) mask |= EPOLLIN | EPOLLRDNORM;
  if (sock_writeable(sk)) mask |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
  return mask;
}

}  // namespace tapedeck
