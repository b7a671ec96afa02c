// Control messages of level IPv6 from the sender (RFC 3542, RFC 2292; net/ipv6/datagram.c).
#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/sock_cmsg.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck {
namespace {

constexpr uint32_t kExthdrBytesMin = 2;  // next header and length
constexpr uint32_t kRoutingBytesMin = 4;

// One call's messages, and where what they say goes.
struct Sender {
  net& host;
  sock* sk;
  flowi6* fl6;
  ipcm6_cookie* ipc6;
  ipv6_opt_headers headers;  // in the control messages
};

// The value of a message that holds just an int, in [low, high]. False: -EINVAL.
bool TakeInt(const cmsghdr* cmsg, int32_t low, int32_t high, int32_t* value) {
  if (cmsg->cmsg_len != CmsgLen(sizeof(*value))) return false;
  std::memcpy(value, cmsg_data(cmsg), sizeof(*value));
  return low <= *value && *value <= high;
}

// A source has to be ours, on the device it is to leave by where it is link-local.
int TakeSource(Sender* s, const Ipv6Address& addr, const net_device* dev) {
  const bool strict = ipv6_addr_src_scope(addr) <= IPV6_ADDR_SCOPE_LINKLOCAL;
  if (!ipv6_can_nonlocal_bind(s->host, inet_sk(s->sk)) &&
      !ipv6_chk_addr_and_flags(s->host, addr, dev, !strict, false, IFA_F_TENTATIVE) &&
      !ipv6_chk_acast_addr_src(s->host, dev, addr)) {
    return -EINVAL;
  }
  s->fl6->saddr = addr;
  return 0;
}

int TakePktinfo(Sender* s, const cmsghdr* cmsg) {
  in6_pktinfo info;
  if (cmsg->cmsg_len < CmsgLen(sizeof(info))) return -EINVAL;
  std::memcpy(&info, cmsg_data(cmsg), sizeof(info));
  flowi6* const fl6 = s->fl6;
  if (const auto ifindex = static_cast<int>(info.ipi6_ifindex); ifindex != 0) {
    const int bound = s->sk->sk_bound_dev_if;
    const bool free_to_choose = bound == fl6->oif && (bound == 0 || bound == ifindex);
    if (fl6->oif != 0 && ifindex != fl6->oif && !free_to_choose) return -EINVAL;
    fl6->oif = ifindex;
  }
  const uint32_t type = ipv6_addr_type(info.ipi6_addr);
  const net_device* dev = nullptr;
  if (fl6->oif != 0) {
    dev = dev_get_by_index(s->host, fl6->oif);
    if (dev == nullptr) return -ENODEV;
  } else if ((type & IPV6_ADDR_LINKLOCAL) != 0) {
    return -EINVAL;
  }
  return type == IPV6_ADDR_ANY ? 0 : TakeSource(s, info.ipi6_addr, dev);
}

int TakeFlowinfo(Sender* s, const cmsghdr* cmsg) {
  if (cmsg->cmsg_len < CmsgLen(sizeof(uint32_t))) return -EINVAL;
  const uint32_t given = LoadBe32(cmsg_data(cmsg));
  const uint32_t before = s->fl6->flowlabel;
  if ((before & IPV6_FLOWINFO_MASK) != 0 && ((before ^ given) & ~IPV6_FLOWINFO_MASK) != 0) {
    return -EINVAL;
  }
  s->fl6->flowlabel = given & IPV6_FLOWINFO_MASK;
  return 0;
}

// Whether a message holds all of the extension header that begins in it.
bool HoldsExthdr(const cmsghdr* cmsg) {
  if (cmsg->cmsg_len < CmsgLen(kExthdrBytesMin)) return false;
  return cmsg->cmsg_len >= CmsgLen((cmsg_data(cmsg)[1] + 1U) << 3);
}

// `once`: a second header of this kind is refused, otherwise it replaces the first.
int TakeExthdr(const cmsghdr* cmsg, const uint8_t** header, bool once) {
  if (!HoldsExthdr(cmsg) || (once && *header != nullptr)) return -EINVAL;
  *header = cmsg_data(cmsg);
  return 0;
}

// Only type 2 (RFC 6275) may be sent.
int TakeRouting(Sender* s, const cmsghdr* cmsg) {
  if (cmsg->cmsg_len < CmsgLen(kRoutingBytesMin)) return -EINVAL;
  wire::Ipv6RoutingHeader header;
  std::memcpy(&header, cmsg_data(cmsg), sizeof(header));
  if (header.type != wire::kIpv6RoutingMobility || header.hdrlen != wire::kIpv6MobilityHdrlen ||
      header.segments_left != 1) {
    return -EINVAL;
  }
  if (const int err = TakeExthdr(cmsg, &s->headers.srcrt, false); err != 0) return err;
  // RFC 2292 has one name for the destination options before and behind it.
  if (cmsg->cmsg_type == kIpv62292Rthdr && s->headers.dst1opt != nullptr) {
    s->headers.dst0opt = s->headers.dst1opt;
    s->headers.dst1opt = nullptr;
  }
  return 0;
}

int TakeNumber(Sender* s, const cmsghdr* cmsg) {
  int32_t value = 0;
  switch (cmsg->cmsg_type) {
    case kIpv62292Hoplimit:
    case kIpv6Hoplimit:
      if (!TakeInt(cmsg, -1, 255, &value)) return -EINVAL;
      s->ipc6->hlimit = static_cast<int16_t>(value);
      return 0;
    case kIpv6Tclass:
      if (!TakeInt(cmsg, -1, 255, &value)) return -EINVAL;
      s->ipc6->tclass = static_cast<int16_t>(value);
      return 0;
    case kIpv6Dontfrag:
      if (!TakeInt(cmsg, 0, 1, &value)) return -EINVAL;
      s->ipc6->dontfrag = static_cast<int8_t>(value);
      return 0;
    default:
      return -EINVAL;
  }
}

int TakeIpv6Level(Sender* s, const cmsghdr* cmsg) {
  switch (cmsg->cmsg_type) {
    case kIpv6Pktinfo:
    case kIpv62292Pktinfo:
      return TakePktinfo(s, cmsg);
    case kIpv6Flowinfo:
      return TakeFlowinfo(s, cmsg);
    case kIpv62292Hopopts:
    case kIpv6Hopopts:
      return TakeExthdr(cmsg, &s->headers.hopopt, true);
    case kIpv62292Dstopts:
      return TakeExthdr(cmsg, &s->headers.dst1opt, true);
    case kIpv6Dstopts:
      return TakeExthdr(cmsg, &s->headers.dst1opt, false);
    case kIpv6Rthdrdstopts:
      return TakeExthdr(cmsg, &s->headers.dst0opt, false);
    case kIpv62292Rthdr:
    case kIpv6Rthdr:
      return TakeRouting(s, cmsg);
    default:
      return TakeNumber(s, cmsg);
  }
}

int TakeAll(Sender* s, const msghdr* msg) {
  for (const cmsghdr* cmsg = cmsg_firsthdr(msg); cmsg != nullptr; cmsg = cmsg_nxthdr(msg, cmsg)) {
    if (!cmsg_ok(msg, cmsg)) return -EINVAL;
    int err = 0;
    if (cmsg->cmsg_level == kSolSocket) err = __sock_cmsg_send(s->sk, cmsg, &s->ipc6->sockc);
    if (cmsg->cmsg_level == kSolIpv6) err = TakeIpv6Level(s, cmsg);
    if (err != 0) return err;
  }
  return 0;
}

}  // namespace

bool ipv6_can_nonlocal_bind(net& net, const inet_sock* sk) {
  return net_ipv6(net).settings.ip_nonlocal_bind != 0 || sk->freebind || sk->transparent;
}

int ip6_datagram_send_ctl(net& net, sock* sk, msghdr* msg, flowi6* fl6, ipcm6_cookie* ipc6) {
  Sender sender{net, sk, fl6, ipc6, {}};
  if (const int err = TakeAll(&sender, msg); err != 0) return err;
  const ipv6_opt_headers& headers = sender.headers;
  if (headers.hopopt == nullptr && headers.dst0opt == nullptr && headers.srcrt == nullptr &&
      headers.dst1opt == nullptr) {
    return 0;
  }
  ipc6->opt = ipv6_build_options(net, headers);
  return ipc6->opt != nullptr ? 0 : -ENOBUFS;
}

}  // namespace tapedeck
