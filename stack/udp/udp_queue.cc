#include "stack/udp/udp_queue.h"

#include <cerrno>

#include "stack/core/datagram.h"
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/sock_cmsg.h"
#include "stack/udp/udp_impl.h"
#include "stack/udp/udp_input.h"

namespace tapedeck {
namespace {

enum class Release : uint8_t { kPartial, kAll };

// Gives back `size` bytes of the receive buffer, and whole pages of the protocol's memory but for
// the last one where the release is a partial one.
[[gnu::noinline]] void ReleaseNow(sock* sk, uint32_t size, Release how) {
  udp_sock* const up = udp_sk(sk);
  up->forward_deficit = 0;
  const int32_t kept = how == Release::kPartial ? 1 : 0;
  sk->sk_forward_alloc += static_cast<int32_t>(size) - kept;
  sk_mem_reclaim(sk);
  sk->sk_forward_alloc += kept;
  CHECK_GE(sk->sk_rmem_alloc, size);
  sk->sk_rmem_alloc -= size;
  skb_queue_splice_tail_init(&sk->sk_receive_queue, &up->reader_queue);
}

[[gnu::always_inline]] inline void udp_rmem_release(sock* sk, uint32_t size, Release how) {
  udp_sock* const up = udp_sk(sk);
  size += up->forward_deficit;
  if (how == Release::kPartial && size < sk->sk_rcvbuf / 4 && !skb_queue_empty(&up->reader_queue)) {
    up->forward_deficit = size;
  } else {
    ReleaseNow(sk, size, how);
  }
}

// The reader's queue is empty: what has come meanwhile moves there.
[[gnu::noinline]] sk_buff* TakeArrived(sock* sk) {
  sk_buff_head* const queue = &udp_sk(sk)->reader_queue;
  skb_queue_splice_tail_init(&sk->sk_receive_queue, queue);
  return __skb_dequeue(queue);
}
// The next datagram, which comes from the reader's queue.
[[gnu::always_inline]] inline sk_buff* Take(sock* sk) {
  sk_buff* skb = __skb_dequeue(&udp_sk(sk)->reader_queue);
  if (skb == nullptr) skb = TakeArrived(sk);
  if (skb != nullptr) udp_rmem_release(sk, skb->truesize, Release::kPartial);
  return skb;
}

// The datagram at *off of both queues, which stays.
[[gnu::noinline]] sk_buff* Peek(sock* sk, uint32_t flags, int* off) {
  sk_buff_head* const queue = &udp_sk(sk)->reader_queue;
  const int start = *off;
  sk_buff* const skb = __skb_try_recv_from_queue(queue, flags, off);
  if (skb != nullptr || skb_queue_empty(&sk->sk_receive_queue)) return skb;
  skb_queue_splice_tail_init(&sk->sk_receive_queue, queue);
  *off = start;
  return __skb_try_recv_from_queue(queue, flags, off);
}

// The first of the reader's queue whose checksum is right; *dropped: what those before it cost.
const sk_buff* FirstGood(sock* sk, uint32_t* dropped) {
  sk_buff_head* const queue = &udp_sk(sk)->reader_queue;
  while (sk_buff* const skb = skb_peek(queue)) {
    if (!udp_lib_checksum_complete(skb)) return skb;
    ++sk->sk_drops;
    __skb_unlink(skb, queue);
    *dropped += skb->truesize;
    udp_drop_for_checksum(skb, udp_mib_of(sk->sk_net, skb));
  }
  return nullptr;
}

}  // namespace

int __udp_enqueue_schedule_skb(sock* sk, sk_buff* skb, DropReason* reason) {
  const uint32_t rmem = sk->sk_rmem_alloc;
  if (rmem != 0 && uint64_t{rmem} + skb->truesize > sk->sk_rcvbuf) {
    ++sk->sk_drops;
    *reason = SKB_DROP_REASON_SOCKET_RCVBUFF;
    return -ENOMEM;
  }
  if (rmem > sk->sk_rcvbuf / 2) skb_condense(skb);
  if (!sk_rmem_schedule(sk, skb->truesize)) {
    ++sk->sk_drops;
    *reason = SKB_DROP_REASON_PROTO_MEM;
    return -ENOBUFS;
  }
  sk_mem_charge(sk, skb->truesize);
  sk->sk_rmem_alloc += skb->truesize;
  // Whose it is, is known: what it costs is given back by the reader, not by a destructor.
  if (skb->sk != nullptr) skb_orphan(skb);
  skb->dev = nullptr;
  sock_skb_set_dropcount(sk, skb);
  __skb_queue_tail(&sk->sk_receive_queue, skb);
  if (!sock_flag(sk, SOCK_DEAD)) sk->sk_data_ready(sk);
  return 0;
}

sk_buff* __skb_recv_udp(sock* sk, uint32_t flags, int* off, int* err) {
  *err = sock_error(sk);
  if (*err != 0) return nullptr;
  sk_buff* const skb = (flags & MSG_PEEK) != 0 ? Peek(sk, flags, off) : Take(sk);
  if (skb == nullptr) *err = skb_recv_nothing(sk, flags);
  return skb;
}

int udp_drop_damaged(sock* sk, sk_buff* skb, uint32_t flags) {
  int error = 0;
  if ((flags & MSG_PEEK) != 0) {
    error = -ENOENT;
    if (skb->next != nullptr) {
      __skb_unlink(skb, &udp_sk(sk)->reader_queue);
      --skb->users;
      udp_rmem_release(sk, skb->truesize, Release::kPartial);
      error = 0;
    }
  }
  ++sk->sk_drops;
  kfree_skb_reason(skb, SKB_DROP_REASON_UDP_CSUM);
  return error;
}

int first_packet_length(sock* sk) {
  uint32_t dropped = 0;
  const sk_buff* skb = FirstGood(sk, &dropped);
  if (skb == nullptr && !skb_queue_empty(&sk->sk_receive_queue)) {
    skb_queue_splice_tail_init(&sk->sk_receive_queue, &udp_sk(sk)->reader_queue);
    skb = FirstGood(sk, &dropped);
  }
  const int result = skb != nullptr ? static_cast<int>(skb->len) : -1;
  if (dropped != 0) udp_rmem_release(sk, dropped, Release::kPartial);
  return result;
}

uint32_t udp_rqueue_get(const sock* sk) {
  return sk_rmem_alloc_get(sk) - udp_sk(sk)->forward_deficit;
}

void udp_destruct_common(sock* sk) {
  sk_buff_head* const queue = &udp_sk(sk)->reader_queue;
  skb_queue_splice_tail_init(&sk->sk_receive_queue, queue);
  uint32_t total = 0;
  while (sk_buff* const skb = __skb_dequeue(queue)) {
    total += skb->truesize;
    consume_skb(skb);
  }
  udp_rmem_release(sk, total, Release::kAll);
}

}  // namespace tapedeck
