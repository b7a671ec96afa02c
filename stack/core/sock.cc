// A socket's life, ownership, callbacks and errors (net/core/sock.c).
#include "stack/core/sock.h"

#include <cerrno>
#include <climits>

#include "stack/core/net.h"
#include "stack/core/sock_cmsg.h"

namespace tapedeck {

namespace {

// Frees a socket that neither a reference nor a packet on its way out holds.
void __sk_free(sock* sk) {
  net& net = sk->sk_net;
  sk->sk_destruct(sk);
  sock_set_timestamp(sk, false);
  sk_dst_reset(sk);
  if (sk->sk_frag.page != nullptr) put_page(sk->sk_frag.page);
  sk_mem_reclaim(sk);
  CHECK(sk->sk_wq.empty());
  CHECK(sk->sk_backlog.head == nullptr);
  --net.live_socks;
  sk->sk_prot->free(sk);
}

// Destructor of packets on the error queue: they count, but not in the protocol's memory.
void sock_rmem_free(sk_buff* skb) { skb->sk->sk_rmem_alloc -= skb->truesize; }

bool is_icmp_err_skb(sk_buff* skb) {
  if (skb == nullptr) return false;
  const uint8_t origin = SKB_EXT_ERR(skb)->ee.ee_origin;
  return origin == kSoEeOriginIcmp || origin == kSoEeOriginIcmp6;
}

}  // namespace

sock::sock(net& host_net, uint16_t family, const proto* prot)
    : sk_net(host_net),
      sk_prot(prot),
      sk_family(family),
      sk_id(++host_net.last_sock_id),
      sk_rcvbuf(host_net.core.rmem_default),
      sk_sndbuf(host_net.core.wmem_default),
      sk_state_change(sock_def_wakeup),
      sk_data_ready(sock_def_readable),
      sk_write_space(sock_def_write_space),
      sk_error_report(sock_def_error_report),
      sk_backlog_rcv(prot->backlog_rcv),
      sk_destruct(sock_def_destruct) {
  ++host_net.live_socks;
}

sock* sk_alloc(net& net, uint16_t family, const proto* prot) { return prot->alloc(net, family); }

void sock_put(sock* sk) {
  CHECK_GT(sk->sk_refcnt, 0U);
  if (--sk->sk_refcnt == 0) sk_free(sk);
}

void sk_free(sock* sk) {
  CHECK_GT(sk->sk_wmem_alloc, 0U);
  if (--sk->sk_wmem_alloc == 0) __sk_free(sk);
}

void sock_orphan(sock* sk) {
  sock_set_flag(sk, SOCK_DEAD);
  sk->sk_socket = nullptr;
}

void sock_graft(sock* sk, socket* parent) {
  sk->sk_socket = parent;
  sock_reset_flag(sk, SOCK_DEAD);
}

void sk_common_release(sock* sk) {
  const proto* const prot = sk->sk_prot;
  if (prot->destroy != nullptr) prot->destroy(sk);
  // Nobody finds it from here on; packets that were found before may still reach it.
  if (prot->unhash != nullptr) prot->unhash(sk);
  sock_orphan(sk);
  sock_put(sk);
}

void sk_set_state(sock* sk, uint8_t state) {
  if (sk->sk_state == state) return;
  sk->sk_net.this_cpu().Trace(TraceKind::kSockState, sk->sk_id, sk->sk_state, state);
  sk->sk_state = state;
}

void lock_sock(sock* sk) {
  CHECK(!sk->sk_owned);
  sk->sk_owned = true;
}

void __release_sock(sock* sk) {
  // Working on one packet may bring the next.
  while (sk_buff* skb = sk->sk_backlog.head) {
    sk->sk_backlog.head = sk->sk_backlog.tail = nullptr;
    while (skb != nullptr) {
      sk_buff* const next = skb->next;
      skb->next = nullptr;
      sk->sk_backlog_rcv(sk, skb);
      skb = next;
    }
  }
  // Only now, so that a flood cannot keep the owner here for ever.
  sk->sk_backlog.len = 0;
}

void release_sock(sock* sk) {
  CHECK(sk->sk_owned);
  // What release_cb sends may be answered before it returns.
  do {
    __release_sock(sk);
    if (sk->sk_prot->release_cb != nullptr) sk->sk_prot->release_cb(sk);
  } while (sk->sk_backlog.head != nullptr);
  sk->sk_owned = false;
}

int sk_add_backlog(sock* sk, sk_buff* skb, uint32_t limit) {
  if (sk->sk_backlog.len + sk->sk_rmem_alloc > limit) return -ENOBUFS;
  CHECK(skb->next == nullptr && !skb_shared(skb));
  if (sk->sk_backlog.tail == nullptr) {
    sk->sk_backlog.head = skb;
  } else {
    sk->sk_backlog.tail->next = skb;
  }
  sk->sk_backlog.tail = skb;
  sk->sk_backlog.len += skb->truesize;
  return 0;
}

int __sock_queue_rcv_skb(sock* sk, sk_buff* skb, DropReason* reason) {
  if (sk->sk_rmem_alloc >= sk->sk_rcvbuf) {
    ++sk->sk_drops;
    *reason = SKB_DROP_REASON_SOCKET_RCVBUFF;
    return -ENOMEM;
  }
  if (!sk_rmem_schedule(sk, skb->truesize)) {
    ++sk->sk_drops;
    *reason = SKB_DROP_REASON_PROTO_MEM;
    return -ENOBUFS;
  }
  skb->dev = nullptr;
  skb_set_owner_r(skb, sk);
  __skb_queue_tail(&sk->sk_receive_queue, skb);
  if (!sock_flag(sk, SOCK_DEAD)) sk->sk_data_ready(sk);
  return 0;
}

int sock_queue_rcv_skb_reason(sock* sk, sk_buff* skb, DropReason* reason) {
  return __sock_queue_rcv_skb(sk, skb, reason);
}

void sock_def_wakeup(sock* sk) { sk->sk_wq.WakeUp(~uint32_t{0}, INT_MAX); }

void sock_def_readable(sock* sk) {
  TRACE_FUNCTION(sk->sk_net, nullptr, sock_def_readable, sk);
  // Of many packets only the first finds somebody asleep.
  if (sk->sk_wq.empty()) return;
  sk->sk_wq.WakeUp(EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND);
}

void sock_def_write_space(sock* sk) {
  // Not for every packet: when half of the buffer is free.
  if (uint64_t{sk->sk_wmem_alloc} * 2 > sk->sk_sndbuf) return;
  sk->sk_wq.WakeUp(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
}

void sock_def_error_report(sock* sk) { sk->sk_wq.WakeUp(EPOLLERR); }

void sock_def_destruct(sock* sk) {
  skb_queue_purge(&sk->sk_receive_queue);
  skb_queue_purge(&sk->sk_error_queue);
}

int sock_error(sock* sk) {
  const int error = -sk->sk_err;
  sk->sk_err = 0;
  return error;
}

int sock_queue_err_skb(sock* sk, sk_buff* skb) {
  if (uint64_t{sk->sk_rmem_alloc} + skb->truesize >= sk->sk_rcvbuf) return -ENOMEM;
  skb_orphan(skb);
  skb->sk = sk;
  skb->destructor = sock_rmem_free;
  sk->sk_rmem_alloc += skb->truesize;
  skb->pkt_type = PACKET_OUTGOING;
  __skb_queue_tail(&sk->sk_error_queue, skb);
  if (!sock_flag(sk, SOCK_DEAD)) sk_error_report(sk);
  return 0;
}

sk_buff* sock_dequeue_err_skb(sock* sk) {
  sk_buff* const skb = __skb_dequeue(&sk->sk_error_queue);
  if (skb == nullptr) return nullptr;
  sk_buff* const next = skb_peek(&sk->sk_error_queue);
  const bool icmp_next = is_icmp_err_skb(next);
  if (icmp_next) {
    sk->sk_err = static_cast<int32_t>(SKB_EXT_ERR(next)->ee.ee_errno);
  } else if (is_icmp_err_skb(skb)) {
    sk->sk_err = 0;
  }
  if (next != nullptr) sk_error_report(sk);
  return skb;
}

dst_entry* sk_dst_check(sock* sk, uint32_t cookie) {
  dst_entry* const dst = sk->sk_dst_cache;
  if (dst == nullptr) return nullptr;
  if (dst_check(dst, cookie) == nullptr) {
    sk_dst_reset(sk);
    return nullptr;
  }
  return dst_clone(dst);
}

}  // namespace tapedeck
