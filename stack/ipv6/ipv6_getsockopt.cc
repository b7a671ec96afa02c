// Socket options of level SOL_IPV6, reading them (net/ipv6/ipv6_sockglue.c).
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/ipv4/ip_sockopt.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/ipv6_sockopt_internal.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

int CopyOut(const void* value, uint32_t bytes, void* optval, uint32_t* optlen) {
  const uint32_t copied = std::min(*optlen, bytes);
  if (copied != 0 && optval == nullptr) return -EFAULT;
  if (copied != 0) std::memcpy(optval, value, copied);
  *optlen = copied;
  return 0;
}

bool RxOption(const ipv6_rxopt& rxopt, int optname) {
  switch (optname) {
    case kIpv6Recvpktinfo:
      return rxopt.rxinfo;
    case kIpv62292Pktinfo:
      return rxopt.rxoinfo;
    case kIpv6Recvhoplimit:
      return rxopt.rxhlim;
    case kIpv62292Hoplimit:
      return rxopt.rxohlim;
    case kIpv6Recvrthdr:
      return rxopt.srcrt;
    case kIpv62292Rthdr:
      return rxopt.osrcrt;
    case kIpv6Recvhopopts:
      return rxopt.hopopts;
    case kIpv62292Hopopts:
      return rxopt.ohopopts;
    case kIpv6Recvdstopts:
      return rxopt.dstopts;
    case kIpv62292Dstopts:
      return rxopt.odstopts;
    case kIpv6Recvtclass:
      return rxopt.rxtclass;
    case kIpv6Flowinfo:
      return rxopt.rxflow;
    case kIpv6Recvpathmtu:
      return rxopt.rxpmtu;
    case kIpv6Origdstaddr:
      return rxopt.rxorigdstaddr;
    default:
      return rxopt.recvfragsize;
  }
}

// The hop limit of packets, by the option, the route or the host.
int HopLimit(const inet_sock* sk, int16_t hops) {
  if (hops >= 0) return hops;
  if (const dst_entry* const dst = __sk_dst_get(sk)) return ip6_dst_hoplimit(dst);
  return net_ipv6(sk->sk_net).devconf_all.hop_limit;
}

int AddrPreferences(uint8_t prefs) {
  int value = kPreferSrcPubtmpDefault;
  if ((prefs & IPV6_PREFER_SRC_PUBLIC) != 0) value = IPV6_PREFER_SRC_PUBLIC;
  if ((prefs & IPV6_PREFER_SRC_TMP) != 0) value = IPV6_PREFER_SRC_TMP;
  return value | ((prefs & IPV6_PREFER_SRC_COA) != 0 ? int{IPV6_PREFER_SRC_COA} : kPreferSrcHome);
}

// The path MTU of the cached route; 0 without one.
uint32_t RouteMtu(const inet_sock* sk) {
  const dst_entry* const dst = __sk_dst_get(sk);
  return dst != nullptr ? dst_mtu(dst) : 0;
}

// The value of a one-number option. 0, -ENOPROTOOPT for others, -ENOTCONN.
int GetNumber(inet_sock* sk, int optname, int* value) {
  const ipv6_pinfo& np = *inet6_sk(sk);
  switch (optname) {
    case kIpv6Addrform:
      if (sk->sk_protocol != wire::kIpProtoUdp && sk->sk_protocol != wire::kIpProtoTcp) {
        return -ENOPROTOOPT;
      }
      *value = sk->sk_family;
      return sk->sk_state == TCP_ESTABLISHED ? 0 : -ENOTCONN;
    case kIpv6Mtu:
      *value = static_cast<int>(RouteMtu(sk));
      return *value != 0 ? 0 : -ENOTCONN;
    case kIpv6V6only:
      *value = sk->sk_ipv6only ? 1 : 0;
      return 0;
    case kIpv6Tclass:
      *value = np.tclass;
      return 0;
    case kIpv6UnicastHops:
      *value = HopLimit(sk, np.hop_limit);
      return 0;
    case kIpv6MulticastHops:
      *value = HopLimit(sk, np.mcast_hops);
      return 0;
    case kIpv6MulticastIf:
      *value = np.mcast_oif;
      return 0;
    case kIpv6UnicastIf:
      *value = static_cast<int>(ByteSwap(static_cast<uint32_t>(np.ucast_oif)));
      return 0;
    case kIpv6MtuDiscover:
      *value = np.pmtudisc;
      return 0;
    case kIpv6AddrPreferences:
      *value = AddrPreferences(np.srcprefs);
      return 0;
    case kIpv6Minhopcount:
      *value = np.min_hopcount;
      return 0;
    case kIpv6Autoflowlabel:
      *value = ip6_autoflowlabel(sk->sk_net, sk) ? 1 : 0;
      return 0;
    case kIpv6RouterAlert:
      *value = 0;  // raw sockets answer for themselves
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

// One sticky extension header; no bytes where there is none.
int GetExthdr(const inet_sock* sk, int optname, void* optval, uint32_t* optlen) {
  const ipv6_opt_headers headers = ipv6_headers_of(inet6_sk(sk)->opt);
  const uint8_t* header = headers.dst1opt;
  if (optname == kIpv6Hopopts) header = headers.hopopt;
  if (optname == kIpv6Rthdrdstopts) header = headers.dst0opt;
  if (optname == kIpv6Rthdr) header = headers.srcrt;
  if (header == nullptr) {
    *optlen = 0;
    return 0;
  }
  return CopyOut(header, (header[1] + 1U) * 8, optval, optlen);
}

int GetPathmtu(const inet_sock* sk, void* optval, uint32_t* optlen) {
  ip6_mtuinfo info;
  info.ip6m_addr.sin6_family = kAfUnspec;
  if (*optlen < sizeof(info)) return -EINVAL;
  info.ip6m_mtu = RouteMtu(sk);
  if (info.ip6m_mtu == 0) return -ENOTCONN;
  return CopyOut(&info, sizeof(info), optval, optlen);
}

int GetFlowlabel(sock* sk, void* optval, uint32_t* optlen) {
  in6_flowlabel_req freq;
  if (*optlen < sizeof(freq)) return -EINVAL;
  if (optval == nullptr) return -EFAULT;
  std::memcpy(&freq, optval, sizeof(freq));
  if (freq.flr_action != IPV6_FL_A_GET) return -EINVAL;
  const uint16_t flags = freq.flr_flags;
  freq = in6_flowlabel_req{};
  if (const int err = ipv6_flowlabel_opt_get(sk, &freq, flags); err != 0) return err;
  return CopyOut(&freq, sizeof(freq), optval, optlen);
}

// What would come with a packet, before one has come: the socket's own.
void PutDefaults(inet_sock* sk, msghdr* msg) {
  const ipv6_pinfo& np = *inet6_sk(sk);
  const bool multicast = np.mcast_oif != 0;
  const in6_pktinfo info{
      multicast ? sk->inet_daddr.v6() : np.sticky_pktinfo_addr,
      multicast ? static_cast<uint32_t>(np.mcast_oif) : np.sticky_pktinfo_ifindex};
  const int32_t hops = np.mcast_hops;
  const int32_t tclass = ip6_tclass(np.rcv_flowinfo);
  const be32 flowinfo(np.rcv_flowinfo);
  const ipv6_rxopt& rxopt = np.rxopt;
  if (rxopt.rxinfo) put_cmsg(msg, kSolIpv6, kIpv6Pktinfo, &info, sizeof(info));
  if (rxopt.rxhlim) put_cmsg(msg, kSolIpv6, kIpv6Hoplimit, &hops, sizeof(hops));
  if (rxopt.rxtclass) put_cmsg(msg, kSolIpv6, kIpv6Tclass, &tclass, sizeof(tclass));
  if (rxopt.rxoinfo) put_cmsg(msg, kSolIpv6, kIpv62292Pktinfo, &info, sizeof(info));
  if (rxopt.rxohlim) put_cmsg(msg, kSolIpv6, kIpv62292Hoplimit, &hops, sizeof(hops));
  if (rxopt.rxflow) put_cmsg(msg, kSolIpv6, kIpv6Flowinfo, &flowinfo, sizeof(flowinfo));
}

// RFC 2292: the control messages of what a stream received last, as an option.
int GetPktoptions(inet_sock* sk, void* optval, uint32_t* optlen) {
  if (sk->sk_type != SOCK_STREAM) return -ENOPROTOOPT;
  msghdr msg;
  msg.msg_control = static_cast<uint8_t*>(optval);
  msg.msg_controllen = optval == nullptr ? 0 : *optlen;
  const size_t room = msg.msg_controllen;
  if (sk_buff* const skb = inet6_sk(sk)->pktoptions) {
    ip6_datagram_recv_ctl(sk, &msg, skb);
  } else {
    PutDefaults(sk, &msg);
  }
  *optlen = static_cast<uint32_t>(room - msg.msg_controllen);
  return 0;
}

int GetInt(inet_sock* sk, int optname, void* optval, uint32_t* optlen) {
  int value = 0;
  if (IsRxOption(optname)) {
    value = RxOption(inet6_sk(sk)->rxopt, optname) ? 1 : 0;
  } else if (const bool* const flag = FlagMember6(sk, optname)) {
    value = *flag ? 1 : 0;
  } else if (const int err = GetNumber(sk, optname, &value); err != 0) {
    return err;
  }
  return CopyOut(&value, sizeof(value), optval, optlen);
}

}  // namespace

int ipv6_getsockopt(sock* sk, int level, int optname, void* optval, uint32_t* optlen) {
  if (level == kSolIp && sk->sk_type != SOCK_RAW) {
    return ip_getsockopt(sk, level, optname, optval, optlen);
  }
  if (level != kSolIpv6) return -ENOPROTOOPT;
  inet_sock* const inet = inet_sk(sk);
  switch (optname) {
    case kMcastMsfilter:
      return ipv6_get_msfilter(sk, optval, optlen);
    case kIpv62292Pktoptions:
      return GetPktoptions(inet, optval, optlen);
    case kIpv6Hopopts:
    case kIpv6Rthdrdstopts:
    case kIpv6Rthdr:
    case kIpv6Dstopts:
      return GetExthdr(inet, optname, optval, optlen);
    case kIpv6Pathmtu:
      return GetPathmtu(inet, optval, optlen);
    case kIpv6FlowlabelMgr:
      return GetFlowlabel(sk, optval, optlen);
    default:
      return GetInt(inet, optname, optval, optlen);
  }
}

}  // namespace tapedeck
