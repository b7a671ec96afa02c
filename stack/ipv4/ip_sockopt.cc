#include "stack/ipv4/ip_sockopt.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/qdisc.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/inet_ports.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/ip_options.h"
#include "stack/ipv4/mcast_sock.h"
#include "stack/ipv4/netns_ipv4.h"

namespace tapedeck {
namespace {

constexpr uint32_t kMreqBytes = 8;  // struct ip_mreq: the first two members of ip_mreqn
constexpr uint32_t kInAddrBytes = 4;

// Options that are a flag in inet_sock::cmsg_flags; 0 for others.
uint32_t CmsgFlag(int optname) {
  switch (optname) {
    case kIpPktinfo:
      return IP_CMSG_PKTINFO;
    case kIpRecvttl:
      return IP_CMSG_TTL;
    case kIpRecvtos:
      return IP_CMSG_TOS;
    case kIpRecvopts:
      return IP_CMSG_RECVOPTS;
    case kIpRetopts:
      return IP_CMSG_RETOPTS;
    case kIpOrigdstaddr:
      return IP_CMSG_ORIGDSTADDR;
    case kIpRecvfragsize:
      return IP_CMSG_RECVFRAGSIZE;
    case kIpPasssec:
      return IP_CMSG_PASSSEC;
    case kIpChecksum:
      return IP_CMSG_CHECKSUM;
    default:
      return 0;
  }
}

// Options that are a bool; nullptr for others.
bool* FlagMember(inet_sock* sk, int optname) {
  switch (optname) {
    case kIpRecverr:
      return &sk->recverr;
    case kIpRecverrRfc4884:
      return &sk->recverr_rfc4884;
    case kIpFreebind:
      return &sk->freebind;
    case kIpTransparent:
      return &sk->transparent;
    case kIpBindAddressNoPort:
      return &sk->bind_address_no_port;
    case kIpMulticastLoop:
      return &sk->mc_loop;
    case kIpMulticastAll:
      return &sk->mc_all;
    case kIpNodefrag:
      return &sk->nodefrag;
    default:
      return nullptr;
  }
}

// __ip_sock_set_tos. ECN bits of a stream are TCP's business.
int SetTos(inet_sock* sk, int value) {
  auto tos = static_cast<uint8_t>(value);
  if (sk->sk_type == SOCK_STREAM) {
    tos = static_cast<uint8_t>((tos & ~wire::kEcnMask) | (sk->tos & wire::kEcnMask));
  }
  if (sk->tos == tos) return 0;
  sk->tos = tos;
  sk->sk_priority = rt_tos2priority(tos);
  sk_dst_reset(sk);
  return 0;
}

int SetMulticastTtl(inet_sock* sk, int value) {
  if (sk->sk_type == SOCK_STREAM) return -EINVAL;
  if (value == -1) value = 1;
  if (value < 0 || value > 255) return -EINVAL;
  sk->mc_ttl = static_cast<uint8_t>(value);
  return 0;
}

// IP_UNICAST_IF: the index in network byte order, as in Linux.
int SetUnicastIf(inet_sock* sk, int value) {
  const auto ifindex = static_cast<int>(ByteSwap(static_cast<uint32_t>(value)));
  if (ifindex == 0) {
    sk->uc_index = 0;
    return 0;
  }
  if (dev_get_by_index(sk->sk_net, ifindex) == nullptr) return -EADDRNOTAVAIL;
  if (sk->sk_bound_dev_if != 0) return -EINVAL;
  sk->uc_index = ifindex;
  return 0;
}

int SetOptions(inet_sock* sk, const void* optval, uint32_t optlen) {
  if (optlen > sizeof(ip_options_data::data)) return -EINVAL;
  if (optlen != 0 && optval == nullptr) return -EFAULT;
  ip_options_data options;
  const int err = ip_options_get(sk->sk_net, &options, static_cast<const uint8_t*>(optval), optlen);
  if (err != 0) return err;
  sk->inet_opt = options;
  sk->has_opt = options.opt.optlen != 0;
  return 0;
}

// A request in any of its three lengths: in_addr (a device's address), ip_mreq, ip_mreqn.
ip_mreqn ReadMreq(const void* optval, uint32_t optlen, bool address_alone) {
  const auto* const bytes = static_cast<const uint8_t*>(optval);
  ip_mreqn mreq;
  if (optlen >= kMreqBytes) {
    mreq.imr_multiaddr = Ipv4Address(LoadBe32(bytes));
    mreq.imr_address = Ipv4Address(LoadBe32(bytes + kInAddrBytes));
    if (optlen >= sizeof(mreq)) std::memcpy(&mreq.imr_ifindex, bytes + kMreqBytes, sizeof(int));
  } else if (address_alone && optlen >= kInAddrBytes) {
    mreq.imr_address = Ipv4Address(LoadBe32(bytes));
  }
  return mreq;
}

int SetMembership(inet_sock* sk, int optname, const void* optval, uint32_t optlen) {
  if (sk->is_icsk) return -EPROTO;
  if (optlen < kMreqBytes) return -EINVAL;
  if (optval == nullptr) return -EFAULT;
  const ip_mreqn mreq = ReadMreq(optval, optlen, false);
  return optname == kIpAddMembership ? ip_mc_join_group(sk, mreq) : ip_mc_leave_group(sk, mreq);
}

int SetMulticastIf(inet_sock* sk, const void* optval, uint32_t optlen) {
  if (sk->sk_type == SOCK_STREAM || optlen < kInAddrBytes) return -EINVAL;
  if (optval == nullptr) return -EFAULT;
  const ip_mreqn mreq = ReadMreq(optval, optlen, true);
  if (mreq.imr_ifindex == 0 && mreq.imr_address == kIpv4Any) {
    sk->mc_index = 0;
    sk->mc_addr = kIpv4Any;
    return 0;
  }
  const net_device* const dev = mreq.imr_ifindex != 0
                                    ? dev_get_by_index(sk->sk_net, mreq.imr_ifindex)
                                    : __ip_dev_find(sk->sk_net, mreq.imr_address);
  if (dev == nullptr) return -EADDRNOTAVAIL;
  if (sk->sk_bound_dev_if != 0 && sk->sk_bound_dev_if != dev->ifindex) return -EINVAL;
  sk->mc_index = dev->ifindex;
  sk->mc_addr = mreq.imr_address;
  return 0;
}

// Options whose value is one number.
int SetNumber(inet_sock* sk, int optname, int value) {
  switch (optname) {
    case kIpTos:
      return SetTos(sk, value);
    case kIpTtl:
      if (value != -1 && (value < 1 || value > 255)) return -EINVAL;
      sk->uc_ttl = static_cast<int16_t>(value);
      return 0;
    case kIpMinttl:
      if (value < 0 || value > 255) return -EINVAL;
      sk->min_ttl = static_cast<uint8_t>(value);
      return 0;
    case kIpMtuDiscover:
      if (value < kIpPmtudiscDont || value > kIpPmtudiscOmit) return -EINVAL;
      sk->pmtudisc = static_cast<uint8_t>(value);
      return 0;
    case kIpMulticastTtl:
      return SetMulticastTtl(sk, value);
    case kIpUnicastIf:
      return SetUnicastIf(sk, value);
    case kIpLocalPortRange:
      return inet_set_local_port_range(sk, static_cast<uint32_t>(value));
    case kIpMulticastAll:
      if (value != 0 && value != 1) return -EINVAL;
      break;
    case kIpRecverr:
      if (value == 0) skb_queue_purge(&sk->sk_error_queue);
      break;
    case kIpRecverrRfc4884:
      if (value != 0 && value != 1) return -EINVAL;
      break;
    case kIpRouterAlert:  // raw sockets have it by themselves
      return -EINVAL;
    case kIpNodefrag:
      if (sk->sk_type != SOCK_RAW) return -ENOPROTOOPT;
      break;
    case kIpRecvfragsize:
      if (sk->sk_type != SOCK_RAW && sk->sk_type != SOCK_DGRAM) return -EINVAL;
      break;
    default:
      break;
  }
  if (bool* const flag = FlagMember(sk, optname)) {
    *flag = value != 0;
    return 0;
  }
  const uint32_t cmsg_flag = CmsgFlag(optname);
  if (cmsg_flag == 0) return -ENOPROTOOPT;
  sk->cmsg_flags = value != 0 ? sk->cmsg_flags | cmsg_flag : sk->cmsg_flags & ~cmsg_flag;
  return 0;
}

// Options that Linux refuses where no byte at all is given, rather than taking that for 0.
bool WantsValue(int optname) {
  return optname == kIpTtl || optname == kIpMinttl || optname == kIpMulticastTtl ||
         optname == kIpMulticastLoop || optname == kIpMulticastAll || optname == kIpFreebind ||
         optname == kIpTransparent;
}

// Of the cached route, valid or not (sk_dst_get).
uint32_t RouteMtu(const inet_sock* sk) {
  return sk->sk_dst_cache != nullptr ? dst_mtu(sk->sk_dst_cache) : 0;
}

// The value of a one-number option; false for others.
bool GetNumber(inet_sock* sk, int optname, int* value) {
  if (const bool* const flag = FlagMember(sk, optname)) {
    *value = *flag ? 1 : 0;
    return true;
  }
  if (const uint32_t flag = CmsgFlag(optname); flag != 0) {
    *value = (sk->cmsg_flags & flag) != 0 ? 1 : 0;
    return true;
  }
  switch (optname) {
    case kIpTos:
      *value = sk->tos;
      return true;
    case kIpTtl:
      *value = sk->uc_ttl >= 0 ? sk->uc_ttl : net_ipv4(sk->sk_net).settings.ip_default_ttl;
      return true;
    case kIpMinttl:
      *value = sk->min_ttl;
      return true;
    case kIpMtuDiscover:
      *value = sk->pmtudisc;
      return true;
    case kIpMulticastTtl:
      *value = sk->mc_ttl;
      return true;
    case kIpUnicastIf:
      *value = static_cast<int>(ByteSwap(static_cast<uint32_t>(sk->uc_index)));
      return true;
    case kIpLocalPortRange:
      *value = static_cast<int>(sk->local_port_range);
      return true;
    case kIpHdrincl:
      *value = sk->hdrincl ? 1 : 0;
      return true;
    case kIpRouterAlert:
      *value = 0;
      return true;
    case kIpProtocolOption:
      *value = sk->inet_num;
      return true;
    default:
      return false;
  }
}

int CopyOut(const void* value, uint32_t bytes, void* optval, uint32_t* optlen) {
  const uint32_t copied = std::min(*optlen, bytes);
  if (copied != 0 && optval == nullptr) return -EFAULT;
  if (copied != 0) std::memcpy(optval, value, copied);
  *optlen = copied;
  return 0;
}

// The option that begins `offset` bytes into a header with these options.
uint8_t* OptionAt(ip_options_data* options, uint8_t offset) {
  return options->data + offset - sizeof(wire::Ipv4Header);
}

// Takes a pointer back by the address that the host was going to fill in.
void UndoSlot(uint8_t* option) { option[2] = static_cast<uint8_t>(option[2] - kInAddrBytes); }

// The bytes of IP_OPTIONS as the user wrote them (ip_options_undo): the first hop of a source
// route, which lives apart, goes back, and so do pointers past what the host fills in.
int GetOptions(inet_sock* sk, void* optval, uint32_t* optlen) {
  if (!sk->has_opt) {
    *optlen = 0;
    return 0;
  }
  ip_options_data options = sk->inet_opt;
  const ip_options& opt = options.opt;
  if (opt.srr != 0) {
    uint8_t* const route = OptionAt(&options, opt.srr);
    std::memmove(route + 7, route + 3, route[1] - 7U);
    std::memcpy(route + 3, opt.faddr.bytes().data(), kInAddrBytes);
  }
  if (opt.rr_needaddr) UndoSlot(OptionAt(&options, opt.rr));
  if (opt.ts_needtime) UndoSlot(OptionAt(&options, opt.ts));
  if (opt.ts_needaddr) UndoSlot(OptionAt(&options, opt.ts));
  return CopyOut(options.data, opt.optlen, optval, optlen);
}

// RFC 2292's way for streams, as an option: the control messages of what came last.
int GetPktoptions(const inet_sock* sk, void* optval, uint32_t* optlen) {
  if (sk->sk_type != SOCK_STREAM) return -ENOPROTOOPT;
  msghdr msg;
  msg.msg_control = static_cast<uint8_t*>(optval);
  msg.msg_controllen = optval == nullptr ? 0 : *optlen;
  const size_t room = msg.msg_controllen;
  if ((sk->cmsg_flags & IP_CMSG_PKTINFO) != 0) {
    const Ipv4Address local = sk->inet_rcv_saddr.v4();
    const in_pktinfo info{sk->mc_index, local, local};
    put_cmsg(&msg, kSolIp, kIpPktinfo, &info, sizeof(info));
  }
  if ((sk->cmsg_flags & IP_CMSG_TTL) != 0) {
    const int32_t ttl = sk->mc_ttl;
    put_cmsg(&msg, kSolIp, kIpTtl, &ttl, sizeof(ttl));
  }
  if ((sk->cmsg_flags & IP_CMSG_TOS) != 0) {
    const int32_t tos = sk->rcv_tos;
    put_cmsg(&msg, kSolIp, kIpTos, &tos, sizeof(tos));
  }
  *optlen = static_cast<uint32_t>(room - msg.msg_controllen);
  return 0;
}

}  // namespace

int ip_setsockopt(sock* sk, int level, int optname, const void* optval, uint32_t optlen) {
  if (level != kSolIp) return -ENOPROTOOPT;
  inet_sock* const inet = inet_sk(sk);
  switch (optname) {
    case kIpOptions:
      return SetOptions(inet, optval, optlen);
    case kIpMulticastIf:
      return SetMulticastIf(inet, optval, optlen);
    case kIpAddMembership:
    case kIpDropMembership:
      return SetMembership(inet, optname, optval, optlen);
    default:
      if (ip_is_mcast_option(optname)) return ip_set_mcast_option(inet, optname, optval, optlen);
      break;
  }
  const bool exact = optname == kIpLocalPortRange || optname == kIpUnicastIf;
  if (exact && optlen != sizeof(uint32_t)) return -EINVAL;
  // One byte will do where an int would.
  int value = 0;
  if (optlen != 0 && optval == nullptr) return -EFAULT;
  if (optlen >= sizeof(int)) {
    std::memcpy(&value, optval, sizeof(int));
  } else if (optlen >= 1) {
    value = *static_cast<const uint8_t*>(optval);
  } else if (WantsValue(optname)) {
    return -EINVAL;
  }
  return SetNumber(inet, optname, value);
}

int ip_getsockopt(sock* sk, int level, int optname, void* optval, uint32_t* optlen) {
  if (level != kSolIp) return -EOPNOTSUPP;
  inet_sock* const inet = inet_sk(sk);
  if (static_cast<int32_t>(*optlen) < 0) return -EINVAL;
  if (optname == kIpOptions) return GetOptions(inet, optval, optlen);
  if (optname == kIpPktoptions) return GetPktoptions(inet, optval, optlen);
  if (optname == kIpMsfilter || optname == kMcastMsfilter) {
    return ip_get_mcast_option(inet, optname, optval, optlen);
  }
  if (optname == kIpMulticastIf) {
    return CopyOut(&inet->mc_addr, sizeof(inet->mc_addr), optval, optlen);
  }
  int value = 0;
  if (optname == kIpMtu) {
    value = static_cast<int>(RouteMtu(inet));
    if (value == 0) return -ENOTCONN;
  } else if (!GetNumber(inet, optname, &value)) {
    return -ENOPROTOOPT;
  }
  // Room for less than an int gets a byte where that suffices.
  if (*optlen < sizeof(int) && *optlen > 0 && value >= 0 && value <= 255) {
    const auto byte = static_cast<uint8_t>(value);
    return CopyOut(&byte, 1, optval, optlen);
  }
  return CopyOut(&value, sizeof(value), optval, optlen);
}

}  // namespace tapedeck
