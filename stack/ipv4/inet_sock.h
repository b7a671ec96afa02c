// What all internet sockets have in common (include/net/inet_sock.h): addresses of either family,
// ports, IP options, and the datagram that is being put together.
#ifndef TAPEDECK_STACK_IPV4_INET_SOCK_H_
#define TAPEDECK_STACK_IPV4_INET_SOCK_H_

#include <cstdint>

#include "stack/base/byteorder.h"
#include "stack/base/ip_address.h"
#include "stack/core/flow.h"
#include "stack/core/sock.h"
#include "stack/core/sock_cmsg.h"
#include "stack/ipv4/ip_options.h"

namespace tapedeck {

struct ip_mc_socklist;
struct ipv6_pinfo;
struct ipv6_txoptions;

// inet_sock::pmtudisc: values of IP_MTU_DISCOVER (IP_PMTUDISC_*, which are macros).
enum : uint8_t {
  kIpPmtudiscDont,       // never set DF
  kIpPmtudiscWant,       // by the route
  kIpPmtudiscDo,         // always set DF
  kIpPmtudiscProbe,      // set DF, ignore the path MTU
  kIpPmtudiscInterface,  // use the device's MTU, DF clear
  kIpPmtudiscOmit,       // the same, but may be fragmented here
};

// inet_sock::cmsg_flags: which control messages a receiver wants.
enum : uint32_t {
  IP_CMSG_PKTINFO = 1U << 0,
  IP_CMSG_TTL = 1U << 1,
  IP_CMSG_TOS = 1U << 2,
  IP_CMSG_RECVOPTS = 1U << 3,
  IP_CMSG_RETOPTS = 1U << 4,
  IP_CMSG_PASSSEC = 1U << 5,  // there is no security label to pass
  IP_CMSG_ORIGDSTADDR = 1U << 6,
  IP_CMSG_CHECKSUM = 1U << 7,
  IP_CMSG_RECVFRAGSIZE = 1U << 8,
};

// inet_cork::flags: `opt` holds options; `ts_opt_id` was given.
enum : uint8_t { IPCORK_OPT = 1, IPCORK_ALLFRAG = 2, IPCORK_TS_OPT_ID = 4 };

// A datagram that is being put together by ip_append_data: what is the same for all its fragments.
struct inet_cork {
  uint8_t flags = 0;  // IPCORK_*
  uint8_t ttl = 0;    // 0: the socket's
  int16_t tos = -1;   // -1: the socket's
  Ipv4Address addr;   // where it goes (the first hop of a source route)
  ip_options_data opt;
  uint32_t fragsize = 0;  // MTU of the route
  uint32_t length = 0;    // bytes so far, without IP headers
  uint32_t priority = 0;
  uint32_t mark = 0;
  uint16_t gso_size = 0;
  uint8_t tx_flags = 0;       // of time stamps, for the first packet
  uint32_t ts_opt_id = 0;     // its number
  int64_t transmit_time = 0;  // SCM_TXTIME, ns; 0: at once
  dst_entry* dst = nullptr;   // a reference
};
// The same of IPv6 (struct inet6_cork).
struct inet6_cork {
  ipv6_txoptions* opt = nullptr;  // a copy of the cork's own
  uint8_t hop_limit = 0;
  uint8_t tclass = 0;
  bool dontfrag = false;
};
struct inet_cork_full {
  inet_cork base;
  inet6_cork base6;
  flowi fl;
};

// An AF_INET6 socket that speaks to or is bound to a mapped address (::ffff:a.b.c.d) holds it as
// the IPv4 address a.b.c.d, so that lookups compare one form only; the user sees it mapped again.
struct inet_sock : sock {
  using sock::sock;

  ipv6_pinfo* pinet6 = nullptr;  // what an AF_INET6 socket has beside: stack/ipv6/ipv6_sock.h

  // --- What lookups compare. Unset addresses are "any" of the family. ---
  IpAddress inet_daddr;      // the peer of a connected socket
  IpAddress inet_rcv_saddr;  // bound to; any: receives on all
  be16 inet_dport;
  uint16_t inet_num = 0;  // local port, host order; the protocol number of raw sockets

  IpAddress inet_saddr;  // source of what it sends
  be16 inet_sport;
  int16_t uc_ttl = -1;   // -1: the route's
  uint16_t inet_id = 0;  // next IP ID of a connected socket
  uint32_t cmsg_flags = 0;
  uint8_t tos = 0;
  uint8_t min_ttl = 0;  // IP_MINTTL
  uint8_t mc_ttl = 1;
  uint8_t pmtudisc = kIpPmtudiscWant;
  uint8_t rcv_tos = 0;
  bool recverr = false;
  bool recverr_rfc4884 = false;
  bool is_icsk = false;  // a connection-oriented socket
  bool freebind = false;
  bool hdrincl = false;
  bool mc_loop = true;   // IP_MULTICAST_LOOP, for AF_INET sockets
  bool mc6_loop = true;  // IPV6_MULTICAST_LOOP, for AF_INET6 sockets, whatever they send
  bool transparent = false;
  bool mc_all = true;
  bool nodefrag = false;
  bool bind_address_no_port = false;
  bool defer_connect = false;
  uint32_t local_port_range = 0;  // IP_LOCAL_PORT_RANGE: first port, last << 16; 0: the host's
  int uc_index = 0;
  int mc_index = 0;
  Ipv4Address mc_addr;
  bool has_opt = false;
  ip_options_data inet_opt;  // where has_opt
  ip_mc_socklist* mc_list = nullptr;
  inet_cork_full cork;
};

inline inet_sock* inet_sk(sock* sk) { return static_cast<inet_sock*>(sk); }
inline const inet_sock* inet_sk(const sock* sk) { return static_cast<const inet_sock*>(sk); }

// A socket that a protocol itself sends with (resets, ICMP messages): no user's, and not among the
// live sockets. nullptr where memory failed. Destroyed with its protocol.
inet_sock* inet_ctl_sock_create(net& net, uint8_t protocol);
void inet_ctl_sock_destroy(inet_sock* sk);
extern const proto inet_ctl_prot;

// TOS of what the socket sends, the DSCP part for route lookups, and how a route lookup is limited
// to the link (SO_DONTROUTE).
inline uint8_t ip_sock_rt_tos(const sock* sk) { return inet_sk(sk)->tos & IPTOS_RT_MASK; }
inline uint8_t ip_sock_rt_scope(const sock* sk) {
  return sock_flag(sk, SOCK_LOCALROUTE) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}
inline uint8_t inet_sk_flowi_flags(const sock* sk) {
  return inet_sk(sk)->transparent ? uint8_t{FLOWI_FLAG_ANYSRC} : uint8_t{0};
}

// What a datagram call says besides its destination: from control messages, else the socket's
// (struct ipcm_cookie).
struct ipcm_cookie {
  int oif = 0;
  Ipv4Address addr;  // source
  bool has_opt = false;
  ip_options_data opt;
  uint8_t ttl = 0;   // 0: the socket's
  int16_t tos = -1;  // -1: the socket's
  uint16_t gso_size = 0;
  sockcm_cookie sockc;
};
inline void ipcm_init_sk(ipcm_cookie* ipcm, const inet_sock* inet) {
  *ipcm = ipcm_cookie{};
  sockcm_init(&ipcm->sockc, inet);
  ipcm->oif = inet->sk_bound_dev_if;
  ipcm->addr = inet->inet_saddr.is_v4() ? inet->inet_saddr.v4() : kIpv4Any;
}
inline uint8_t get_rttos(const ipcm_cookie* ipc, const inet_sock* inet) {
  return static_cast<uint8_t>(ipc->tos != -1 ? ipc->tos : inet->tos) & IPTOS_RT_MASK;
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_INET_SOCK_H_
