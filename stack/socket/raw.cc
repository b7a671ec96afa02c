#include "stack/socket/raw.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/core/datagram.h"
#include "stack/core/sock_cmsg.h"
#include "stack/ipv4/ip.h"
#include "stack/socket/ping.h"
#include "stack/socket/raw_impl.h"

namespace tapedeck {
namespace {

constexpr uint32_t kSiocinqCommand = 0x541b;
constexpr uint32_t kSiocoutqCommand = 0x5411;
constexpr uint32_t kTailRoomBytes = 15;

}  // namespace

netns_raw::netns_raw(net& its_net) : sockets(its_net.world.arena(), "RAW") {}

netns_raw& net_raw(net& net) { return *net.ping->raw; }

void raw_init(net& net) {
  CHECK(net.ping->raw == nullptr);
  net.ping->raw = net.world.arena().New<netns_raw>(net);
}

void raw_free(sock* sk) { net_raw(sk->sk_net).sockets.Delete(raw_sk(sk)); }

void raw_unhash_sk(sock* sk) {
  if (raw_sk(sk)->linked()) raw_sk(sk)->Unlink();
}

int raw_ioctl(sock* sk, uint32_t command, int* argument) {
  switch (command) {
    case kSiocoutqCommand:
      *argument = static_cast<int>(sk_wmem_alloc_get(sk));
      return 0;
    case kSiocinqCommand: {
      const sk_buff* const skb = skb_peek(&sk->sk_receive_queue);
      *argument = skb == nullptr ? 0 : static_cast<int>(skb->len);
      return 0;
    }
    default:
      return -ENOTTY;
  }
}

uint32_t raw_poll(sock* sk) { return datagram_poll(sk); }

int raw_ra_control(raw_sock** chain, raw_sock* sk, int32_t sel) {
  if (sel < 0) {
    if (sk->ra_sel < 0) return -ENOBUFS;
    raw_ra_leave(chain, sk);
    return 0;
  }
  if (sk->ra_sel >= 0) return -EADDRINUSE;
  sk->ra_sel = sel;
  sk->ra_next = *chain;
  *chain = sk;
  return 0;
}

void raw_ra_leave(raw_sock** chain, raw_sock* sk) {
  if (sk->ra_sel < 0) return;
  while (*chain != sk) chain = &(*chain)->ra_next;
  *chain = sk->ra_next;
  sk->ra_next = nullptr;
  sk->ra_sel = -1;
}

bool raw_has_room(raw_sock* sk) {
  if (sk->sk_rmem_alloc < sk->sk_rcvbuf) return true;
  ++sk->sk_drops;
  return false;
}

bool raw_bound_dev_eq(const sock* sk, int dif) {
  return sk->sk_bound_dev_if == 0 || sk->sk_bound_dev_if == dif;
}

void raw_queue(raw_sock* sk, sk_buff* skb) {
  net& net = sk->sk_net;
  const uint32_t frame_id = skb->frame_id;
  const uint32_t len = skb->len;
  DropReason reason = SKB_DROP_REASON_NOT_SPECIFIED;
  sock_skb_set_dropcount(sk, skb);
  if (sock_queue_rcv_skb_reason(sk, skb, &reason) != 0) {
    kfree_skb_reason(skb, reason);
  } else {
    net.this_cpu().Trace(TraceKind::kDeliver, frame_id, len, sk->sk_protocol, 0);
  }
}

int raw_probe_head(raw_frag_vec* rfv) {
  rfv->hlen = sizeof(rfv->head);
  return copy_from_iter_full(rfv->head, rfv->hlen, &rfv->msg->msg_iter) ? 0 : -EFAULT;
}

int raw_getfrag(void* from, uint8_t* to, uint32_t offset, uint32_t len, uint32_t odd,
                sk_buff* skb) {
  auto* const rfv = static_cast<raw_frag_vec*>(from);
  if (offset < rfv->hlen) {
    const uint32_t copied = std::min(rfv->hlen - offset, len);
    const wsum sum = csum_and_copy(to, rfv->head + offset, copied);
    if (skb->ip_summed != CHECKSUM_PARTIAL) skb->csum = csum_block_add(skb->csum, sum, odd);
    odd = 0;
    offset += copied;
    to += copied;
    len -= copied;
    if (len == 0) return 0;
  }
  return ip_generic_getfrag(rfv->msg, to, offset - rfv->hlen, len, odd, skb);
}

sk_buff* raw_alloc_hdrinc(sock* sk, msghdr* msg, uint32_t length, uint32_t link_room, int* err) {
  sk_buff* const skb = sock_alloc_send_skb(sk, length + link_room + kTailRoomBytes, err);
  if (skb == nullptr) return nullptr;
  skb_reserve(skb, link_room);
  skb->priority = sk->sk_priority;
  skb->mark = sk->sk_mark;
  skb->ip_summed = CHECKSUM_NONE;
  uint8_t* const bytes = skb_put(skb, length);
  skb_reset_network_header(skb);
  skb_reset_transport_header(skb);
  if (copy_from_iter_full(bytes, length, &msg->msg_iter)) return skb;
  kfree_skb_reason(skb, SKB_DROP_REASON_SKB_UCOPY_FAULT);
  *err = -EFAULT;
  return nullptr;
}

int raw_set_filter(void* filter, uint32_t size, const void* optval, uint32_t optlen) {
  const uint32_t copied = std::min(optlen, size);
  if (copied != 0 && optval == nullptr) return -EFAULT;
  if (copied != 0) std::memcpy(filter, optval, copied);
  return 0;
}

int raw_get_filter(const void* filter, uint32_t size, void* optval, uint32_t* optlen) {
  if (static_cast<int32_t>(*optlen) < 0) return -EINVAL;
  *optlen = std::min(*optlen, size);
  if (*optlen != 0 && optval == nullptr) return -EFAULT;
  if (*optlen != 0) std::memcpy(optval, filter, *optlen);
  return 0;
}

}  // namespace tapedeck
