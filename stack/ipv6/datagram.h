// What datagram sockets over IPv6 share (net/ipv6/datagram.c, ip6_flowlabel.c): connecting, control
// messages, the error queue, flow labels.
#ifndef TAPEDECK_STACK_IPV6_DATAGRAM_H_
#define TAPEDECK_STACK_IPV6_DATAGRAM_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/core/flow.h"
#include "stack/core/msghdr.h"
#include "stack/ipv6/ipv6_sock.h"

namespace tapedeck {

// Connects; a mapped address goes to IPv4. 0, -EINVAL, -EAFNOSUPPORT, -ENETUNREACH ("network
// unreachable" for a mapped address on an IPv6-only socket), an error of routing.
int __ip6_datagram_connect(inet_sock* sk, const void* addr, uint32_t addr_len);
// Routes the connected socket again. 0 or -errno.
int ip6_datagram_dst_update(inet_sock* sk, bool fix_sk_saddr);
void ip6_datagram_release_cb(sock* sk);

// An ICMPv6 error / a local one / a path MTU for the error queue or rxpmtu; recvmsg of them.
void ipv6_icmp_error(sock* sk, sk_buff* skb, int err, be16 port, uint32_t info,
                     uint32_t payload_offset);
void ipv6_local_error(sock* sk, int err, const flowi6* fl6, uint32_t info);
void ipv6_local_rxpmtu(sock* sk, const flowi6* fl6, uint32_t mtu);
int64_t ipv6_recv_error(sock* sk, msghdr* msg, size_t len);
int64_t ipv6_recv_rxpmtu(sock* sk, msghdr* msg, size_t len);

// Control messages to the receiver / from the sender. `fl6` and `ipc6` take what they say. 0 or
// -EINVAL, -EPERM, -ENODEV.
void ip6_datagram_recv_ctl(sock* sk, msghdr* msg, sk_buff* skb);
void ip6_datagram_recv_common_ctl(sock* sk, msghdr* msg, sk_buff* skb);
void ip6_datagram_recv_specific_ctl(sock* sk, msghdr* msg, sk_buff* skb);
int ip6_datagram_send_ctl(net& net, sock* sk, msghdr* msg, flowi6* fl6, ipcm6_cookie* ipc6);

// Flow labels that sockets lease (IPV6_FLOWLABEL_MGR).
struct ip6_flowlabel {
  ip6_flowlabel* next = nullptr;
  uint32_t label = 0;  // host order
  uint32_t users = 0;
  Ipv6Address dst;
  ipv6_txoptions* opt = nullptr;
  uint64_t linger = 0;  // jiffies
  uint64_t lastuse = 0;
  uint64_t expires = 0;
  uint8_t share = 0;
  uint32_t owner_uid = 0;
};
// The lease of this socket for `label`; nullptr and *err = -ENOENT where there is none.
ip6_flowlabel* fl6_sock_lookup(sock* sk, uint32_t label, int* err);
void fl6_sock_release(ip6_flowlabel* fl);
void fl6_free_socklist(sock* sk);
int ipv6_flowlabel_opt(sock* sk, const void* optval, uint32_t optlen);
int ipv6_flowlabel_opt_get(sock* sk, void* freq, uint32_t flags);
void ip6_flowlabel_cleanup(net& net);

// SOL_IPV6 options (net/ipv6/ipv6_sockglue.c), as ip_setsockopt's.
int ipv6_setsockopt(sock* sk, int level, int optname, const void* optval, uint32_t optlen);
int ipv6_getsockopt(sock* sk, int level, int optname, void* optval, uint32_t* optlen);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_DATAGRAM_H_
