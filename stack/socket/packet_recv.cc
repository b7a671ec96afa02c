#include "stack/socket/packet_recv.h"

#include <algorithm>
#include <cstring>

#include "stack/core/datagram.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/ip.h"

namespace tapedeck {

int64_t packet_recv(sock* sk, msghdr* msg, size_t len, uint32_t flags,
                    void (*tell)(sock* sk, msghdr* msg, sk_buff* skb)) {
  int off = 0;
  int err = 0;
  sk_buff* const skb = skb_recv_datagram(sk, flags, &off, &err);
  if (skb == nullptr) return err;
  const uint32_t whole = skb->len;
  if (whole > len) msg->msg_flags |= MSG_TRUNC;
  const auto copied = static_cast<uint32_t>(std::min<size_t>(whole, len));
  err = skb_copy_datagram_iter(skb, 0, &msg->msg_iter, copied);
  if (err == 0) tell(sk, msg, skb);
  skb_free_datagram(sk, skb);
  if (err != 0) return err;
  return (flags & MSG_TRUNC) != 0 ? whole : copied;
}

void packet_recv_source(msghdr* msg, const sk_buff* skb) {
  if (msg->msg_name == nullptr) return;
  sockaddr_in sin;
  sin.sin_addr = ip_hdr(skb)->saddr;
  std::memcpy(msg->msg_name, &sin, sizeof(sin));
  msg->msg_namelen = sizeof(sin);
}

}  // namespace tapedeck
