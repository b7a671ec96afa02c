// What an AF_INET6 socket has beside inet_sock (struct ipv6_pinfo of include/linux/ipv6.h): one
// from the slab of netns_ipv6 at inet_sock::pinet6, made and freed with the socket, copied to
// accepted children.
#ifndef TAPEDECK_STACK_IPV6_IPV6_SOCK_H_
#define TAPEDECK_STACK_IPV6_IPV6_SOCK_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/core/sock.h"
#include "stack/core/sock_cmsg.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/ipv6/in6.h"

namespace tapedeck {

struct ipv6_mc_socklist;
struct ipv6_ac_socklist;
struct ipv6_fl_socklist;
struct ip6_flowlabel;

// Extension headers that a socket or call sends (struct ipv6_txoptions): the headers' bytes lie
// behind the structure, pointers into them. Counted; from Kmalloc, charged to sk_omem_alloc where a
// socket holds it.
struct ipv6_txoptions {
  uint32_t refcnt = 1;
  uint32_t tot_len = 0;    // bytes, with this structure: what Kmalloc gave
  uint16_t opt_flen = 0;   // after the fragment header
  uint16_t opt_nflen = 0;  // before it
  // Offsets of each header's bytes from the end of this structure; -1: none.
  int16_t hopopt = -1;
  int16_t dst0opt = -1;
  int16_t srcrt = -1;
  int16_t dst1opt = -1;
  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(this + 1); }
  const uint8_t* bytes() const { return reinterpret_cast<const uint8_t*>(this + 1); }
};

// ipv6_pinfo::rxopt: control messages a receiver wants.
struct ipv6_rxopt {
  bool srcrt : 1 = false;
  bool osrcrt : 1 = false;
  bool rxinfo : 1 = false;
  bool rxoinfo : 1 = false;
  bool rxhlim : 1 = false;
  bool rxohlim : 1 = false;
  bool hopopts : 1 = false;
  bool ohopopts : 1 = false;
  bool dstopts : 1 = false;
  bool odstopts : 1 = false;
  bool rxflow : 1 = false;
  bool rxtclass : 1 = false;
  bool rxpmtu : 1 = false;
  bool rxorigdstaddr : 1 = false;
  bool recvfragsize : 1 = false;
  bool any() const {
    return srcrt || osrcrt || rxinfo || rxoinfo || rxhlim || rxohlim || hopopts || ohopopts ||
           dstopts || odstopts || rxflow || rxtclass || rxpmtu || rxorigdstaddr || recvfragsize;
  }
};

struct ipv6_pinfo {
  Ipv6Address sticky_pktinfo_addr;  // IPV6_PKTINFO as an option
  uint32_t sticky_pktinfo_ifindex = 0;
  // Host order, IPV6_FLOWINFO_MASK: the label of connect or the option; what came last.
  uint32_t flow_label = 0;
  uint32_t rcv_flowinfo = 0;
  int32_t ucast_oif = 0;
  int32_t mcast_oif = 0;
  int16_t hop_limit = -1;  // -1: the route's
  int16_t mcast_hops = -1;
  uint8_t tclass = 0;
  uint8_t min_hopcount = 0;
  uint8_t pmtudisc = kIpPmtudiscWant;  // the same values as IPv4's
  uint8_t srcprefs = 0;                // IPV6_PREFER_SRC_*
  uint32_t frag_size = 0;              // IPV6_MTU, bytes; 0: none
  ipv6_rxopt rxopt;
  bool mc_all = true;
  bool recverr = false;
  bool recverr_rfc4884 = false;
  bool sndflow = false;  // IPV6_FLOWINFO_SEND
  bool repflow = false;  // reflects the peer's label
  bool autoflowlabel = false;
  bool autoflowlabel_set = false;
  bool dontfrag = false;
  bool rtalert_isolate = false;
  bool daddr_cached = false;      // the cached route is for the connected destination itself
  uint32_t dst_cookie = 0;        // of sk_dst_cache
  ipv6_txoptions* opt = nullptr;  // a reference
  sk_buff* pktoptions = nullptr;  // of the SYN: IPV6_2292PKTOPTIONS
  sk_buff* rxpmtu = nullptr;      // a path MTU the user is to be told of
  ipv6_mc_socklist* ipv6_mc_list = nullptr;
  ipv6_ac_socklist* ipv6_ac_list = nullptr;
  ipv6_fl_socklist* ipv6_fl_list = nullptr;
};

inline ipv6_pinfo* inet6_sk(sock* sk) { return inet_sk(sk)->pinet6; }
inline const ipv6_pinfo* inet6_sk(const sock* sk) { return inet_sk(sk)->pinet6; }
inline bool ipv6_only_sock(const sock* sk) { return sk->sk_ipv6only; }
// The peer's address as 16 bytes (mapped where the socket speaks IPv4).
inline const Ipv6Address& sk_v6_daddr(const sock* sk) { return inet_sk(sk)->inet_daddr.v6(); }

// Gives a new AF_INET6 socket its ipv6_pinfo with the host's defaults (part of inet6_create).
// 0 or -ENOBUFS. inet6_sock_init REQUIRES: none there yet.
int inet6_sock_init(inet_sock* sk);
// As inet_ctl_sock_create, of AF_INET6, with its ipv6_pinfo. nullptr where memory failed.
inet_sock* inet6_ctl_sock_create(net& net, uint8_t protocol);
void inet6_ctl_sock_destroy(inet_sock* sk);
// A child of listener `sk` gets a copy without what belongs to one socket (memberships, options are
// shared by reference, pktoptions). 0 or -ENOBUFS.
int inet6_sock_clone(const inet_sock* sk, inet_sock* child);
// Frees what the socket holds of IPv6 (inet6_cleanup_sock; its ipv6_pinfo stays), and with the
// ipv6_pinfo (inet6_sock_destruct; nothing on a socket that has none).
void inet6_cleanup_sock(inet_sock* sk);
void inet6_sock_destruct(inet_sock* sk);

// What a datagram call says besides its destination (struct ipcm6_cookie).
struct ipcm6_cookie {
  int16_t hlimit = -1;
  int16_t tclass = -1;
  int8_t dontfrag = -1;
  ipv6_txoptions* opt = nullptr;
  uint16_t gso_size = 0;
  sockcm_cookie sockc;
};
inline void ipcm6_init_sk(ipcm6_cookie* ipc6, const sock* sk) {
  const ipv6_pinfo* const np = inet6_sk(sk);
  *ipc6 = ipcm6_cookie{};
  ipc6->tclass = np->tclass;
  ipc6->dontfrag = np->dontfrag ? 1 : 0;
  sockcm_init(&ipc6->sockc, sk);
}

void txopt_put(net& net, ipv6_txoptions* opt);
inline ipv6_txoptions* txopt_get(const ipv6_pinfo* np) {
  if (np->opt != nullptr) ++np->opt->refcnt;
  return np->opt;
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_IPV6_SOCK_H_
