// Socket options of level SOL_IPV6, setting them (net/ipv6/ipv6_sockglue.c). IPV6_ADDRFORM, which
// makes another kind of socket, and IPV6_ROUTER_ALERT, which only raw sockets have, are above.
#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/ipv4/ip_sockopt.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/ipv6_sockopt_internal.h"
#include "stack/ipv6/mcast.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck {

bool IsRxOption(int optname) {
  ipv6_rxopt rxopt;
  return SetRxOption(&rxopt, optname, false);
}

bool SetRxOption(ipv6_rxopt* rxopt, int optname, bool on) {
  switch (optname) {
    case kIpv6Recvpktinfo:
      rxopt->rxinfo = on;
      return true;
    case kIpv62292Pktinfo:
      rxopt->rxoinfo = on;
      return true;
    case kIpv6Recvhoplimit:
      rxopt->rxhlim = on;
      return true;
    case kIpv62292Hoplimit:
      rxopt->rxohlim = on;
      return true;
    case kIpv6Recvrthdr:
      rxopt->srcrt = on;
      return true;
    case kIpv62292Rthdr:
      rxopt->osrcrt = on;
      return true;
    case kIpv6Recvhopopts:
      rxopt->hopopts = on;
      return true;
    case kIpv62292Hopopts:
      rxopt->ohopopts = on;
      return true;
    case kIpv6Recvdstopts:
      rxopt->dstopts = on;
      return true;
    case kIpv62292Dstopts:
      rxopt->odstopts = on;
      return true;
    case kIpv6Recvtclass:
      rxopt->rxtclass = on;
      return true;
    case kIpv6Flowinfo:
      rxopt->rxflow = on;
      return true;
    case kIpv6Recvpathmtu:
      rxopt->rxpmtu = on;
      return true;
    case kIpv6Origdstaddr:
      rxopt->rxorigdstaddr = on;
      return true;
    case kIpv6Recvfragsize:
      rxopt->recvfragsize = on;
      return true;
    default:
      return false;
  }
}

bool* FlagMember6(inet_sock* sk, int optname) {
  ipv6_pinfo* const np = inet6_sk(sk);
  switch (optname) {
    case kIpv6MulticastLoop:
      return &sk->mc6_loop;
    case kIpv6MulticastAll:
      return &np->mc_all;
    case kIpv6Recverr:
      return &np->recverr;
    case kIpv6RecverrRfc4884:
      return &np->recverr_rfc4884;
    case kIpv6RouterAlertIsolate:
      return &np->rtalert_isolate;
    case kIpv6FlowinfoSend:
      return &np->sndflow;
    case kIpv6Dontfrag:
      return &np->dontfrag;
    case kIpv6Transparent:
      return &sk->transparent;  // one bit for both versions
    case kIpv6Freebind:
      return &sk->freebind;
    default:
      return nullptr;
  }
}

namespace {

// Options that take a value of any length, 0 where it is shorter than an int.
bool LengthIsFree(int optname) {
  return optname == kIpv6Autoflowlabel || optname == kIpv6Dontfrag || optname == kIpv6Recvfragsize;
}

// --- Numbers. ---

int SetTclass(inet_sock* sk, int value) {
  if (value < -1 || value > 255) return -EINVAL;
  ipv6_pinfo* const np = inet6_sk(sk);
  // RFC 3542 6.5: the default is 0. ECN bits of a stream are TCP's business.
  auto tclass = static_cast<uint8_t>(value == -1 ? 0 : value);
  if (sk->sk_type == SOCK_STREAM) {
    tclass = static_cast<uint8_t>((tclass & ~wire::kEcnMask) | (np->tclass & wire::kEcnMask));
  }
  if (np->tclass == tclass) return 0;
  np->tclass = tclass;
  sk_dst_reset(sk);
  return 0;
}

int SetMulticastIf(inet_sock* sk, int ifindex) {
  if (ifindex != 0) {
    if (dev_get_by_index(sk->sk_net, ifindex) == nullptr) return -ENODEV;
    if (sk->sk_bound_dev_if != 0 && sk->sk_bound_dev_if != ifindex) return -EINVAL;
  }
  inet6_sk(sk)->mcast_oif = ifindex;
  return 0;
}

// The index in network byte order, as in Linux.
int SetUnicastIf(inet_sock* sk, int value) {
  const auto ifindex = static_cast<int>(ByteSwap(static_cast<uint32_t>(value)));
  if (ifindex != 0) {
    if (dev_get_by_index(sk->sk_net, ifindex) == nullptr) return -EADDRNOTAVAIL;
    if (sk->sk_bound_dev_if != 0) return -EINVAL;
  }
  inet6_sk(sk)->ucast_oif = ifindex;
  return 0;
}

// ip6_sock_set_addr_preferences (RFC 5014): each pair of preferences excludes itself.
int SetAddrPreferences(inet_sock* sk, int value) {
  constexpr int kPublicOrTemporary =
      IPV6_PREFER_SRC_PUBLIC | IPV6_PREFER_SRC_TMP | kPreferSrcPubtmpDefault;
  constexpr int kHomeOrCareOf = kPreferSrcHome | IPV6_PREFER_SRC_COA;
  constexpr int kCgaOrNot = kPreferSrcCga | kPreferSrcNoncga;
  const auto several = [value](int bits) { return ((value & bits) & ((value & bits) - 1)) != 0; };
  if (several(kPublicOrTemporary) || several(kHomeOrCareOf) || several(kCgaOrNot)) return -EINVAL;
  int prefs = inet6_sk(sk)->srcprefs;
  if ((value & kPublicOrTemporary) != 0) prefs &= ~(IPV6_PREFER_SRC_PUBLIC | IPV6_PREFER_SRC_TMP);
  if ((value & kPreferSrcHome) != 0) prefs &= ~int{IPV6_PREFER_SRC_COA};
  prefs |= value & (IPV6_PREFER_SRC_PUBLIC | IPV6_PREFER_SRC_TMP | IPV6_PREFER_SRC_COA);
  inet6_sk(sk)->srcprefs = static_cast<uint8_t>(prefs);
  return 0;
}

// A hop limit, -1 for the default.
int SetHops(int value, int16_t default_hops, int16_t* hops) {
  if (value < -1 || value > 255) return -EINVAL;
  *hops = value == -1 ? default_hops : static_cast<int16_t>(value);
  return 0;
}

int SetFlag(inet_sock* sk, int optname, int value) {
  const bool only_0_or_1 = optname == kIpv6MulticastLoop || optname == kIpv6RecverrRfc4884;
  if (only_0_or_1 && value != 0 && value != 1) return -EINVAL;
  *FlagMember6(sk, optname) = value != 0;
  if (optname == kIpv6Recverr && value == 0) skb_queue_purge(&sk->sk_error_queue);
  return 0;
}

int SetNumber(inet_sock* sk, int optname, int value) {
  ipv6_pinfo* const np = inet6_sk(sk);
  switch (optname) {
    case kIpv6UnicastHops:
      return SetHops(value, -1, &np->hop_limit);
    case kIpv6MulticastHops:
      return SetHops(value, 1, &np->mcast_hops);
    case kIpv6Mtu:
      if (value != 0 && value < static_cast<int>(wire::kIpv6MinMtu)) return -EINVAL;
      np->frag_size = static_cast<uint32_t>(value);
      return 0;
    case kIpv6Minhopcount:
      if (value < 0 || value > 255) return -EINVAL;
      np->min_hopcount = static_cast<uint8_t>(value);
      return 0;
    case kIpv6MtuDiscover:
      if (value < kIpPmtudiscDont || value > kIpPmtudiscOmit) return -EINVAL;
      np->pmtudisc = static_cast<uint8_t>(value);
      return 0;
    case kIpv6Autoflowlabel:
      np->autoflowlabel = value != 0;
      np->autoflowlabel_set = true;
      return 0;
    case kIpv6V6only:
      if (sk->inet_num != 0) return -EINVAL;
      sk->sk_ipv6only = value != 0;
      return 0;
    case kIpv6Tclass:
      return SetTclass(sk, value);
    case kIpv6MulticastIf:
      return SetMulticastIf(sk, value);
    case kIpv6UnicastIf:
      return SetUnicastIf(sk, value);
    case kIpv6AddrPreferences:
      return SetAddrPreferences(sk, value);
    default:
      return -ENOPROTOOPT;
  }
}

bool IsNumber(int optname) {
  switch (optname) {
    case kIpv6UnicastHops:
    case kIpv6MulticastHops:
    case kIpv6Mtu:
    case kIpv6Minhopcount:
    case kIpv6MtuDiscover:
    case kIpv6Autoflowlabel:
    case kIpv6V6only:
    case kIpv6Tclass:
    case kIpv6MulticastIf:
    case kIpv6UnicastIf:
    case kIpv6AddrPreferences:
      return true;
    default:
      return false;
  }
}

// Options whose value is one int.
int SetInt(inet_sock* sk, int optname, const void* optval, uint32_t optlen) {
  int value = 0;
  if (optval != nullptr && optlen >= sizeof(value)) std::memcpy(&value, optval, sizeof(value));
  // A stream speaks to no group.
  const bool multicast = optname == kIpv6MulticastHops || optname == kIpv6MulticastIf;
  if (multicast && sk->sk_type == SOCK_STREAM) return -ENOPROTOOPT;
  if (optlen < sizeof(value) && !LengthIsFree(optname)) return -EINVAL;
  if (optname == kIpv6UnicastIf && optlen != sizeof(value)) return -EINVAL;
  if (SetRxOption(&inet6_sk(sk)->rxopt, optname, value != 0)) return 0;
  return IsNumber(optname) ? SetNumber(sk, optname, value) : SetFlag(sk, optname, value);
}

// --- Structures. ---

// ipv6_update_options: the socket's extension headers become `opt`, which it is charged for.
void UpdateOptions(inet_sock* sk, ipv6_txoptions* opt) {
  ipv6_pinfo* const np = inet6_sk(sk);
  ipv6_txoptions* const old = np->opt;
  np->opt = opt;
  sk_dst_reset(sk);
  if (old == nullptr) return;
  sk->sk_omem_alloc -= old->tot_len;
  txopt_put(sk->sk_net, old);
}

// Only type 2 (RFC 6275) may be sent.
bool RoutingHeaderIsValid(const uint8_t* header) {
  return header[2] == wire::kIpv6RoutingMobility && header[1] == wire::kIpv6MobilityHdrlen &&
         header[3] == 1;
}

// One sticky extension header (RFC 3542 7.1); without bytes it is removed.
int SetExthdr(inet_sock* sk, int optname, const void* optval, uint32_t optlen) {
  constexpr uint32_t kBytesMin = 8;
  constexpr uint32_t kBytesMax = 8 * 255;
  const auto* const header = optlen == 0 ? nullptr : static_cast<const uint8_t*>(optval);
  if (optlen != 0) {
    if (header == nullptr || optlen < kBytesMin || optlen % 8 != 0 || optlen > kBytesMax) {
      return -EINVAL;
    }
    if ((header[1] + 1U) * 8 > optlen) return -EINVAL;
    if (optname == kIpv6Rthdr && !RoutingHeaderIsValid(header)) return -EINVAL;
  }
  int err = 0;
  ipv6_txoptions* const opt =
      ipv6_renew_options(sk, inet6_sk(sk)->opt, optname, header, optlen, &err);
  if (err != 0) return err;
  UpdateOptions(sk, opt);
  return 0;
}

int SetPktinfo(inet_sock* sk, const void* optval, uint32_t optlen) {
  in6_pktinfo info;
  if (optlen < sizeof(info) || optval == nullptr) return -EINVAL;
  std::memcpy(&info, optval, sizeof(info));
  const auto ifindex = static_cast<int32_t>(info.ipi6_ifindex);
  if (sk->sk_bound_dev_if != 0 && sk->sk_bound_dev_if != ifindex) return -EINVAL;
  inet6_sk(sk)->sticky_pktinfo_addr = info.ipi6_addr;
  inet6_sk(sk)->sticky_pktinfo_ifindex = info.ipi6_ifindex;
  return 0;
}

// RFC 2292: all sticky headers at once, as control messages.
int SetPktoptions(inet_sock* sk, const void* optval, uint32_t optlen) {
  constexpr uint32_t kBytesMax = 64 * 1024;
  ipcm6_cookie ipc6;
  if (optlen != 0) {
    if (optlen > kBytesMax) return -EINVAL;
    if (optval == nullptr) return -EFAULT;
    msghdr msg;
    msg.msg_control = static_cast<uint8_t*>(const_cast<void*>(optval));  // only read
    msg.msg_controllen = optlen;
    flowi6 fl6;
    fl6.oif = sk->sk_bound_dev_if;
    fl6.mark = sk->sk_mark;
    const int err = ip6_datagram_send_ctl(sk->sk_net, sk, &msg, &fl6, &ipc6);
    if (err != 0) {
      txopt_put(sk->sk_net, ipc6.opt);
      return err;
    }
  }
  if (ipc6.opt != nullptr) sk->sk_omem_alloc += ipc6.opt->tot_len;
  UpdateOptions(sk, ipc6.opt);
  return 0;
}

int SetMembership(inet_sock* sk, int optname, const void* optval, uint32_t optlen) {
  ipv6_mreq mreq;
  if (optlen < sizeof(mreq)) return -EINVAL;
  const bool anycast = optname == kIpv6JoinAnycast || optname == kIpv6LeaveAnycast;
  if (!anycast && sk->is_icsk) return -EPROTO;
  if (optval == nullptr) return -EFAULT;
  std::memcpy(&mreq, optval, sizeof(mreq));
  switch (optname) {
    case kIpv6AddMembership:
      return ipv6_sock_mc_join(sk, mreq.ipv6mr_ifindex, mreq.ipv6mr_multiaddr);
    case kIpv6DropMembership:
      return ipv6_sock_mc_drop(sk, mreq.ipv6mr_ifindex, mreq.ipv6mr_multiaddr);
    case kIpv6JoinAnycast:
      return ipv6_sock_ac_join(sk, mreq.ipv6mr_ifindex, mreq.ipv6mr_multiaddr);
    default:
      return ipv6_sock_ac_drop(sk, mreq.ipv6mr_ifindex, mreq.ipv6mr_multiaddr);
  }
}

}  // namespace

int ipv6_setsockopt(sock* sk, int level, int optname, const void* optval, uint32_t optlen) {
  if (level == kSolIp && sk->sk_type != SOCK_RAW) {
    return ip_setsockopt(sk, level, optname, optval, optlen);
  }
  if (level != kSolIpv6) return -ENOPROTOOPT;
  inet_sock* const inet = inet_sk(sk);
  if (IsNumber(optname) || IsRxOption(optname) || FlagMember6(inet, optname) != nullptr) {
    return SetInt(inet, optname, optval, optlen);
  }
  switch (optname) {
    case kIpv6Hopopts:
    case kIpv6Rthdrdstopts:
    case kIpv6Rthdr:
    case kIpv6Dstopts:
      return SetExthdr(inet, optname, optval, optlen);
    case kIpv6Pktinfo:
      return SetPktinfo(inet, optval, optlen);
    case kIpv62292Pktoptions:
      return SetPktoptions(inet, optval, optlen);
    case kIpv6AddMembership:
    case kIpv6DropMembership:
    case kIpv6JoinAnycast:
    case kIpv6LeaveAnycast:
      return SetMembership(inet, optname, optval, optlen);
    case kMcastJoinGroup:
    case kMcastLeaveGroup:
    case kMcastBlockSource:
    case kMcastUnblockSource:
    case kMcastJoinSourceGroup:
    case kMcastLeaveSourceGroup:
    case kMcastMsfilter:
      return ipv6_set_mcast_option(sk, optname, optval, optlen);
    case kIpv6FlowlabelMgr:
      return ipv6_flowlabel_opt(sk, optval, optlen);
    case kIpv6RouterAlert:
      return optlen < sizeof(int) ? -EINVAL : -ENOPROTOOPT;  // raw sockets have it
    default:
      return -ENOPROTOOPT;
  }
}

}  // namespace tapedeck
