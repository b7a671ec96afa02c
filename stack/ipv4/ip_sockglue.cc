// Control messages of level IP (net/ipv4/ip_sockglue.c).
#include <cerrno>
#include <cstring>

#include "stack/core/msghdr.h"
#include "stack/core/net.h"
#include "stack/core/qdisc.h"
#include "stack/core/skb_data.h"
#include "stack/core/sock.h"
#include "stack/core/sock_cmsg.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/netns_ipv4.h"

namespace tapedeck {

namespace {

// The pktinfo of a queued packet, in the first bytes of its control block: the ifindex is where
// IPCB has it.
struct QueuedPktinfo {
  int32_t ifindex;
  Ipv4Address spec_dst;
};
static_assert(offsetof(inet_skb_parm, iif) == offsetof(QueuedPktinfo, ifindex));
static_assert(offsetof(inet_skb_parm, opt) + offsetof(ip_options, faddr) ==
              offsetof(QueuedPktinfo, spec_dst));

// An option's value that is an int, or a single byte as IP_TOS allows. False where it is neither.
bool TakeInt(const cmsghdr* cmsg, bool byte_allowed, int32_t* value) {
  if (cmsg->cmsg_len == CmsgLen(sizeof(int32_t))) {
    std::memcpy(value, cmsg_data(cmsg), sizeof(int32_t));
    return true;
  }
  if (!byte_allowed || cmsg->cmsg_len != CmsgLen(1)) return false;
  *value = *cmsg_data(cmsg);
  return true;
}

int TakePktinfo(const cmsghdr* cmsg, ipcm_cookie* ipc) {
  if (cmsg->cmsg_len != CmsgLen(sizeof(in_pktinfo))) return -EINVAL;
  in_pktinfo info;
  std::memcpy(&info, cmsg_data(cmsg), sizeof(info));
  if (info.ipi_ifindex != 0) ipc->oif = info.ipi_ifindex;
  ipc->addr = info.ipi_spec_dst;
  return 0;
}

int TakeIpLevel(net& net, const cmsghdr* cmsg, ipcm_cookie* ipc) {
  int32_t value = 0;
  switch (cmsg->cmsg_type) {
    case kIpRetopts: {
      const size_t len = cmsg->cmsg_len - sizeof(cmsghdr);
      const int err = ip_options_get(net, &ipc->opt, cmsg_data(cmsg),
                                     static_cast<uint32_t>(len < 40 ? len : size_t{40}));
      if (err == 0) ipc->has_opt = ipc->opt.opt.optlen != 0;
      return err;
    }
    case kIpPktinfo:
      return TakePktinfo(cmsg, ipc);
    case kIpTtl:
      if (!TakeInt(cmsg, false, &value) || value < 1 || value > 255) return -EINVAL;
      ipc->ttl = static_cast<uint8_t>(value);
      return 0;
    case kIpTos:
      if (!TakeInt(cmsg, true, &value) || value < 0 || value > 255) return -EINVAL;
      ipc->tos = static_cast<int16_t>(value);
      ipc->sockc.priority = rt_tos2priority(static_cast<uint8_t>(value));
      return 0;
    default:
      return -EINVAL;
  }
}

void PutPktinfo(msghdr* msg, const sk_buff* skb) {
  const auto* const queued = SKB_CB<QueuedPktinfo>(skb);
  const in_pktinfo info{queued->ifindex, queued->spec_dst, ip_hdr(skb)->daddr};
  put_cmsg(msg, kSolIp, kIpPktinfo, &info, sizeof(info));
}

void PutReturnOptions(msghdr* msg, sk_buff* skb) {
  const ip_options& opt = IPCB(skb)->opt;
  if (opt.optlen == 0) return;
  ip_options_data echo;
  if (__ip_options_echo(*skb->owner, &echo, skb, opt) != 0) {
    msg->msg_flags |= MSG_CTRUNC;
    return;
  }
  put_cmsg(msg, kSolIp, kIpRetopts, echo.data, echo.opt.optlen);
}

// Where the packet was sent to: a sockaddr_in.
void PutOriginalDestination(msghdr* msg, const sk_buff* skb) {
  uint8_t copy[4];
  const int offset = skb_transport_offset(skb);
  const uint8_t* const ports = offset < 0
                                   ? skb_transport_header(skb)
                                   : static_cast<const uint8_t*>(skb_header_pointer(
                                         skb, static_cast<uint32_t>(offset), sizeof(copy), copy));
  if (ports == nullptr) return;
  sockaddr_in address;
  address.sin_port = LoadBe16(ports + 2);
  address.sin_addr = ip_hdr(skb)->daddr;
  put_cmsg(msg, kSolIp, kIpOrigdstaddr, &address, sizeof(address));
}

// The sum of what follows the first `offset` bytes of the payload, as the machine holds a __wsum:
// the 16 bits as they lie in the packet.
void PutChecksum(msghdr* msg, sk_buff* skb, uint32_t transport_bytes, uint32_t offset) {
  if (skb->ip_summed != CHECKSUM_COMPLETE) return;
  wsum csum = skb->csum;
  if (offset != 0) {
    const int start = skb_transport_offset(skb) + static_cast<int>(transport_bytes);
    csum = csum_sub(csum, skb_checksum(skb, static_cast<uint32_t>(start), offset, 0));
  }
  uint8_t value[4] = {};
  StoreBe16(value, static_cast<uint16_t>(~csum_fold(csum)));
  put_cmsg(msg, kSolIp, kIpChecksum, value, sizeof(value));
}

}  // namespace

int ip_cmsg_send(sock* sk, msghdr* msg, ipcm_cookie* ipc) {
  for (const cmsghdr* cmsg = cmsg_firsthdr(msg); cmsg != nullptr; cmsg = cmsg_nxthdr(msg, cmsg)) {
    if (!cmsg_ok(msg, cmsg)) return -EINVAL;
    int err = 0;
    if (cmsg->cmsg_level == kSolSocket) err = __sock_cmsg_send(sk, cmsg, &ipc->sockc);
    if (cmsg->cmsg_level == kSolIp) err = TakeIpLevel(sk->sk_net, cmsg, ipc);
    if (err != 0) return err;
  }
  return 0;
}

void ip_cmsg_recv(msghdr* msg, sock* sk, sk_buff* skb) { ip_cmsg_recv_offset(msg, sk, skb, 0, 0); }

void ip_cmsg_recv_offset(msghdr* msg, sock* sk, sk_buff* skb, uint32_t transport_bytes,
                         uint32_t offset) {
  const uint32_t wanted = inet_sk(sk)->cmsg_flags;
  if (wanted == 0) return;
  const wire::Ipv4Header& iph = *ip_hdr(skb);
  if ((wanted & IP_CMSG_PKTINFO) != 0) PutPktinfo(msg, skb);
  if ((wanted & IP_CMSG_TTL) != 0) {
    const int32_t ttl = iph.ttl;
    put_cmsg(msg, kSolIp, kIpTtl, &ttl, sizeof(ttl));
  }
  if ((wanted & IP_CMSG_TOS) != 0) put_cmsg(msg, kSolIp, kIpTos, &iph.tos, 1);
  const uint8_t optlen = IPCB(skb)->opt.optlen;
  if ((wanted & IP_CMSG_RECVOPTS) != 0 && optlen != 0) {
    put_cmsg(msg, kSolIp, kIpRecvopts, &iph + 1, optlen);
  }
  if ((wanted & IP_CMSG_RETOPTS) != 0) PutReturnOptions(msg, skb);
  if ((wanted & IP_CMSG_ORIGDSTADDR) != 0) PutOriginalDestination(msg, skb);
  const int32_t frag_max_size = IPCB(skb)->frag_max_size;
  if ((wanted & IP_CMSG_RECVFRAGSIZE) != 0 && frag_max_size != 0) {
    put_cmsg(msg, kSolIp, kIpRecvfragsize, &frag_max_size, sizeof(frag_max_size));
  }
  if ((wanted & IP_CMSG_CHECKSUM) != 0) PutChecksum(msg, skb, transport_bytes, offset);
}

void ipv4_pktinfo_keep(sk_buff* skb) {
  auto* const queued = SKB_CB<QueuedPktinfo>(skb);
  // Through loopback: the device that the sender chose.
  if (queued->ifindex == kLoopbackIfindex) queued->ifindex = inet_iif(skb);
  queued->spec_dst = fib_compute_spec_dst(*skb->owner, skb);
}

}  // namespace tapedeck
