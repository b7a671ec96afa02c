// What ping sockets of both families share among themselves.
#ifndef TAPEDECK_STACK_SOCKET_PING_IMPL_H_
#define TAPEDECK_STACK_SOCKET_PING_IMPL_H_

#include <cstddef>
#include <cstdint>

#include "stack/base/checksum.h"
#include "stack/core/msghdr.h"
#include "stack/core/skbuff.h"
#include "stack/socket/ping.h"

namespace tapedeck {

inline ping_sock* ping_sk(sock* sk) { return static_cast<ping_sock*>(sk); }
inline netns_ping& net_ping(net& net) { return *net.ping; }

// --- Members of proto. ---

void ping_free(sock* sk);
int ping_init_sock(sock* sk);
void ping_close(sock* sk, SimTime linger_until);
int ping_disconnect(sock* sk, uint32_t flags);
uint32_t ping_poll(sock* sk);
void ping_unhash(sock* sk);
int ping_get_port(sock* sk, uint16_t ident);

// The socket that waits for `ident` at `daddr` of the same family; nullptr.
ping_sock* ping_lookup(net& net, const IpAddress& daddr, int iif, uint16_t ident);
// Queues an echo reply, or drops it.
void ping_queue_rcv_skb(ping_sock* sk, sk_buff* skb);
// Takes the user's ICMP header, of 8 bytes, off a message of `len` bytes. 0, -EMSGSIZE, -EINVAL,
// -EOPNOTSUPP, -EFAULT.
int ping_take_header(msghdr* msg, size_t len, void* header);

// An echo request that is put together: its payload is summed while ip_append_data copies it.
struct pingfakehdr {
  msghdr* msg;
  wsum wcheck;
};
// ip_getfrag_t. Every piece but the last is a multiple of eight bytes, so sums simply add up.
int ping_getfrag(void* from, uint8_t* to, uint32_t offset, uint32_t len, uint32_t odd,
                 sk_buff* skb);

// The hooks of IPv6.
void ping_register_ipv6(net& net);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_PING_IMPL_H_
