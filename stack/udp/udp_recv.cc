// udp_recvmsg: from the socket's queue to the user.
#include "stack/udp/udp_recv.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/core/datagram.h"
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/sock_cmsg.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/ip_recverr.h"
#include "stack/udp/udp.h"
#include "stack/udp/udp_impl.h"
#include "stack/udp/udp_queue.h"

namespace tapedeck {
namespace {

// Where the next peek starts (below 0: SO_PEEK_OFF is off).
void MovePeekOffset(sock* sk, bool peek, int bytes) {
  if (sk->sk_peek_off < 0) return;
  sk->sk_peek_off = peek ? sk->sk_peek_off + bytes : std::max(sk->sk_peek_off - bytes, 0);
}

// Whether the user wants to know more than the data of a datagram of IPv4; and what it is: source
// and control messages.
bool Curious(const sock* sk, const msghdr* msg) {
  return msg->msg_name != nullptr || udp_sk(sk)->gro_enabled || inet_sk(sk)->cmsg_flags != 0;
}
void Tell(sock* sk, msghdr* msg, sk_buff* skb, uint32_t offset) {
  if (msg->msg_name != nullptr) {
    sockaddr_in sin;
    sin.sin_port = udp_hdr(skb)->source;
    sin.sin_addr = ip_hdr(skb)->saddr;
    std::memcpy(msg->msg_name, &sin, sizeof(sin));
    msg->msg_namelen = sizeof(sin);
  }
  if (udp_sk(sk)->gro_enabled) udp_cmsg_recv(msg, skb);
  if (inet_sk(sk)->cmsg_flags != 0) {
    ip_cmsg_recv_offset(msg, sk, skb, wire::kUdpHeaderBytes, offset);
  }
}

// skb_copy_datagram_iter for the usual case of one piece (copy_linear_skb). 0 or -EFAULT.
[[gnu::always_inline]] inline int CopyLinear(const sk_buff* skb, msghdr* msg, uint32_t off,
                                             uint32_t bytes) {
  skb->owner->ChargeBytes(CostPoint::k_copy_per_byte, bytes);
  return copy_to_iter(skb->data + off, bytes, &msg->msg_iter) == bytes ? 0 : -EFAULT;
}

// Copies payload, its checksum verified before where not all of it is copied, else on the way. 0,
// -EFAULT, -EINVAL (wrong checksum).
[[gnu::noinline]] int VerifyAndCopy(sk_buff* skb, msghdr* msg, uint32_t off, uint32_t copied,
                                    bool peek) {
  if (!skb_csum_unnecessary(skb)) {
    const bool whole = copied == skb->len && off == 0 && !peek;
    if (whole) return skb_copy_and_csum_datagram_iter(skb, 0, &msg->msg_iter);
    if (__skb_checksum_complete(skb) != 0) return -EINVAL;
  }
  if (!skb_is_nonlinear(skb)) return CopyLinear(skb, msg, off, copied);
  return skb_copy_datagram_iter(skb, off, &msg->msg_iter, copied);
}

// The same, without a call for the usual case: verified, and in one piece.
[[gnu::always_inline]] inline int CopyPayload(sk_buff* skb, msghdr* msg, uint32_t off,
                                              uint32_t copied, bool peek) {
  const bool plain = skb_csum_unnecessary(skb) && !skb_is_nonlinear(skb);
  return plain ? CopyLinear(skb, msg, off, copied) : VerifyAndCopy(skb, msg, off, copied, peek);
}

// The reader has done with a datagram.
[[gnu::always_inline]] inline void skb_consume_udp(sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, skb_consume_udp, skb);
  consume_skb(skb);
}

[[gnu::noinline]] void DropForChecksum(sock* sk, sk_buff* skb, uint32_t flags) {
  Mib<UdpMib>& mib = udp_mib_of(sk->sk_net, skb);
  if (udp_drop_damaged(sk, skb, flags) != 0) return;
  mib.Inc(UdpMib::kInCsumErrors);
  mib.Inc(UdpMib::kInErrors);
}

// The user's memory ends before the datagram does.
[[gnu::noinline]] int64_t DropForFault(sock* sk, sk_buff* skb, bool peek, int err) {
  if (!peek) {
    ++sk->sk_drops;
    udp_mib_of(sk->sk_net, skb).Inc(UdpMib::kInErrors);
  }
  kfree_skb_reason(skb, peek ? SKB_DROP_REASON_CONSUMED : SKB_DROP_REASON_SKB_UCOPY_FAULT);
  return err;
}

}  // namespace

void udp_cmsg_recv(msghdr* msg, const sk_buff* skb) {
  if ((skb_shinfo(skb)->gso_type & SKB_GSO_UDP_L4) == 0) return;
  const int32_t gso_size = skb_shinfo(skb)->gso_size;
  put_cmsg(msg, kSolUdp, kUdpGro, &gso_size, sizeof(gso_size));
}

int64_t udp_recvmsg(sock* sk, msghdr* msg, size_t len, uint32_t flags) {
  TRACE_FUNCTION(sk->sk_net, nullptr, udp_recvmsg, sk, msg, len, flags);
  if ((flags & MSG_ERRQUEUE) != 0) return ip_recv_error(sk, msg, len);
  return udp_recv_datagram(sk, msg, len, flags, Curious(sk, msg) ? Tell : nullptr);
}

int64_t udp_recv_datagram(sock* sk, msghdr* msg, size_t len, uint32_t flags,
                          void (*tell)(sock* sk, msghdr* msg, sk_buff* skb, uint32_t offset)) {
  const bool peek = (flags & MSG_PEEK) != 0;
  for (;;) {
    int off = peek ? sk->sk_peek_off : 0;
    int err = 0;
    sk_buff* const skb = __skb_recv_udp(sk, flags, &off, &err);
    if (skb == nullptr) return err;
    const auto start = static_cast<uint32_t>(off);
    const uint32_t ulen = skb->len;
    const auto copied = static_cast<uint32_t>(std::min<size_t>(len, ulen - start));
    err = CopyPayload(skb, msg, start, copied, peek);
    if (err == -EINVAL) {
      DropForChecksum(sk, skb, flags);
      continue;
    }
    if (err != 0) return DropForFault(sk, skb, peek, err);
    // What SO_PEEK_OFF skips is not cut off, unless there is no room to spare behind it either.
    if (copied < ulen && len <= ulen - start) msg->msg_flags |= MSG_TRUNC;
    if (!peek) udp_mib_of(sk->sk_net, skb).Inc(UdpMib::kInDatagrams);
    sock_recv_cmsgs(msg, sk, skb);
    if (tell != nullptr) tell(sk, msg, skb, start);
    const uint32_t result = (flags & MSG_TRUNC) != 0 ? ulen : copied;
    MovePeekOffset(sk, peek, static_cast<int>(result));
    skb_consume_udp(skb);
    return result;
  }
}

}  // namespace tapedeck
