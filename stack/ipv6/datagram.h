// What datagram sockets over IPv6 share (net/ipv6/datagram.c, ip6_flowlabel.c): connecting, control
// messages, the error queue, flow labels.
#ifndef TAPEDECK_STACK_IPV6_DATAGRAM_H_
#define TAPEDECK_STACK_IPV6_DATAGRAM_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/core/flow.h"
#include "stack/core/msghdr.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv6/ipv6_sock.h"
#include "stack/kernel/timer.h"

namespace tapedeck {

struct netns_ipv6;

// Connects; a mapped address goes to IPv4. 0, -EINVAL, -EAFNOSUPPORT, -ENETUNREACH ("network
// unreachable" for a mapped address on an IPv6-only socket), an error of routing.
int __ip6_datagram_connect(inet_sock* sk, const void* addr, uint32_t addr_len);
// Routes the connected socket again. 0 or -errno.
int ip6_datagram_dst_update(inet_sock* sk, bool fix_sk_saddr);
void ip6_datagram_release_cb(sock* sk);

// The device that a flow of `sk` to `daddr` leaves by where `oif` is 0: what IPV6_PKTINFO,
// IPV6_MULTICAST_IF or IPV6_UNICAST_IF say; 0: any.
int ip6_datagram_oif(const inet_sock* sk, const Ipv6Address& daddr, int oif);

// An address of a call: at least the first kSin6LenRfc2133 bytes of a sockaddr_in6, which end
// before its scope; what is not there is 0.
inline constexpr uint32_t kSin6LenRfc2133 = 24;
sockaddr_in6 CopySockaddrIn6(const void* addr, uint32_t addr_len);

// --- How a datagram call begins (what udpv6_sendmsg and rawv6_sendmsg share). ---

struct ip6_flowlabel;
struct ip6_datagram_call {
  flowi6 fl6;
  ipcm6_cookie ipc6;
  ip6_flowlabel* flowlabel = nullptr;    // a reference
  bool connected = false;                // the socket's peer: its cached route will do
  Ipv6Address final_daddr;               // behind a routing header
  const Ipv6Address* final_p = nullptr;  // &final_daddr where there is one
};
// Fills `call` in from the destination `to` (null: the socket's peer), the control messages and the
// socket; ports are the caller's. 0, -EDESTADDRREQ, -EINVAL, or as ip6_datagram_send_ctl. Whatever
// it returns, ip6_datagram_send_end follows. `call` may not move in between.
int ip6_datagram_send_begin(inet_sock* sk, msghdr* msg, const sockaddr_in6* to,
                            ip6_datagram_call* call);
// Its route, with a reference, the flow's source and the hop limit. nullptr and *err.
dst_entry* ip6_datagram_send_route(inet_sock* sk, ip6_datagram_call* call, int* err);
void ip6_datagram_send_end(inet_sock* sk, ip6_datagram_call* call);

// Whether a socket may use addresses that are not ours.
bool ipv6_can_nonlocal_bind(net& net, const inet_sock* sk);

// --- Errors. ---

// struct ip6_mtuinfo of the user interface (ipv6.h).
struct ip6_mtuinfo {
  sockaddr_in6 ip6m_addr;
  uint32_t ip6m_mtu = 0;
};
static_assert(sizeof(ip6_mtuinfo) == 32);

// An ICMPv6 error / a local one / a path MTU for the error queue or rxpmtu; recvmsg of them.
void ipv6_icmp_error(sock* sk, sk_buff* skb, int err, be16 port, uint32_t info,
                     uint32_t payload_offset);
void ipv6_local_error(sock* sk, int err, const flowi6* fl6, uint32_t info);
void ipv6_local_rxpmtu(sock* sk, const flowi6* fl6, uint32_t mtu);
int64_t ipv6_recv_error(sock* sk, msghdr* msg, size_t len);
int64_t ipv6_recv_rxpmtu(sock* sk, msghdr* msg, size_t len);

// Control messages to the receiver / from the sender. `fl6` and `ipc6` take what they say;
// extension headers become ipc6->opt, which the caller puts (txopt_put). 0 or -EINVAL, -EPERM,
// -ENODEV, -ENOBUFS.
void ip6_datagram_recv_ctl(sock* sk, msghdr* msg, sk_buff* skb);
void ip6_datagram_recv_common_ctl(sock* sk, msghdr* msg, sk_buff* skb);
void ip6_datagram_recv_specific_ctl(sock* sk, msghdr* msg, sk_buff* skb);
int ip6_datagram_send_ctl(net& net, sock* sk, msghdr* msg, flowi6* fl6, ipcm6_cookie* ipc6);

// --- Flow labels that sockets lease (IPV6_FLOWLABEL_MGR). ---

// struct in6_flowlabel_req of the user interface (in6.h), behind which control messages may follow.
struct in6_flowlabel_req {
  Ipv6Address flr_dst;
  be32 flr_label;
  uint8_t flr_action = 0;    // IPV6_FL_A_*
  uint8_t flr_share = 0;     // IPV6_FL_S_*
  uint16_t flr_flags = 0;    // IPV6_FL_F_*
  uint16_t flr_expires = 0;  // s
  uint16_t flr_linger = 0;   // s
  uint32_t flr_pad = 0;
};
static_assert(sizeof(in6_flowlabel_req) == 32);
enum : uint8_t { IPV6_FL_A_GET = 0, IPV6_FL_A_PUT = 1, IPV6_FL_A_RENEW = 2 };
enum : uint16_t {
  IPV6_FL_F_CREATE = 1,
  IPV6_FL_F_EXCL = 2,
  IPV6_FL_F_REFLECT = 4,
  IPV6_FL_F_REMOTE = 8,
};
enum : uint8_t {
  IPV6_FL_S_NONE = 0,
  IPV6_FL_S_EXCL = 1,
  IPV6_FL_S_PROCESS = 2,
  IPV6_FL_S_USER = 3,
  IPV6_FL_S_ANY = 255,
};

// From Kmalloc.
struct ip6_flowlabel {
  ip6_flowlabel* next = nullptr;
  uint32_t label = 0;  // host order
  uint32_t users = 0;
  Ipv6Address dst;
  ipv6_txoptions* opt = nullptr;  // a reference
  Jiffies linger = 0;
  Jiffies lastuse = 0;
  Jiffies expires = 0;
  uint8_t share = 0;
  uint32_t owner_uid = 0;
};
// The lease of this socket for `label`, with a reference. nullptr with *err == 0 while no label of
// the host is anybody's own (any may be used then), else with -ENOENT.
ip6_flowlabel* fl6_sock_lookup(sock* sk, uint32_t label, int* err);
// Nothing on nullptr.
void fl6_sock_release(net& net, ip6_flowlabel* fl);
void fl6_free_socklist(sock* sk);
// setsockopt and getsockopt. 0, -EINVAL, -EFAULT, -EPERM, -EEXIST, -ENOENT, -ESRCH, -ERANGE,
// -ENOPROTOOPT, -ENOBUFS, -ENOMEM. A GET of label 0 writes the label it chose to `optval`.
int ipv6_flowlabel_opt(sock* sk, const void* optval, uint32_t optlen);
int ipv6_flowlabel_opt_get(sock* sk, in6_flowlabel_req* freq, uint32_t flags);
void ip6_flowlabel_cleanup(net& net);
uint32_t ip6_flowlabel_count(const netns_ipv6& ns);
// The headers of a datagram on a leased flow: those of the label up to the routing header, the
// rest from `opt` (both may be null). A reference of its own; nullptr: none, or no memory (*err).
ipv6_txoptions* fl6_merge_options(net& net, const ip6_flowlabel* fl, ipv6_txoptions* opt, int* err);

// SOL_IPV6 options (net/ipv6/ipv6_sockglue.c), as ip_setsockopt's.
int ipv6_setsockopt(sock* sk, int level, int optname, const void* optval, uint32_t optlen);
int ipv6_getsockopt(sock* sk, int level, int optname, void* optval, uint32_t* optlen);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_DATAGRAM_H_
