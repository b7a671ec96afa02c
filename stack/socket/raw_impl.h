// What raw sockets of both families share among themselves.
#ifndef TAPEDECK_STACK_SOCKET_RAW_IMPL_H_
#define TAPEDECK_STACK_SOCKET_RAW_IMPL_H_

#include <cstdint>

#include "stack/core/iov_iter.h"
#include "stack/core/msghdr.h"
#include "stack/core/skbuff.h"
#include "stack/socket/raw.h"

namespace tapedeck {

inline constexpr int kIcmpFilterOption = 1;  // ICMP_FILTER and ICMPV6_FILTER

inline raw_sock* raw_sk(sock* sk) { return static_cast<raw_sock*>(sk); }
inline const raw_sock* raw_sk(const sock* sk) { return static_cast<const raw_sock*>(sk); }

// --- Members of proto. ---

void raw_free(sock* sk);
void raw_unhash_sk(sock* sk);
int raw_ioctl(sock* sk, uint32_t command, int* argument);
uint32_t raw_poll(sock* sk);

// --- Router alerts. ---

// Puts the socket on the chain for packets with alert `sel` / takes it off (`sel` < 0). 0,
// -EADDRINUSE (it is there), -ENOBUFS (it was not).
int raw_ra_control(raw_sock** chain, raw_sock* sk, int32_t sel);
// Takes it off where it is on.
void raw_ra_leave(raw_sock** chain, raw_sock* sk);

// --- Data. ---

// Whether a copy may be queued at all; counts where not.
bool raw_has_room(raw_sock* sk);
bool raw_bound_dev_eq(const sock* sk, int dif);
// Queues a packet whose bytes from data on are the user's, or drops it.
void raw_queue(raw_sock* sk, sk_buff* skb);

// The first bytes of a message, which are read before the rest: ICMP's type and code are part of
// the flow.
struct raw_frag_vec {
  msghdr* msg = nullptr;
  uint32_t hlen = 0;
  uint8_t head[2] = {};
};
// Reads them. 0 or -EFAULT.
int raw_probe_head(raw_frag_vec* rfv);
// ip_getfrag_t over a raw_frag_vec.
int raw_getfrag(void* from, uint8_t* to, uint32_t offset, uint32_t len, uint32_t odd, sk_buff* skb);

// A packet that the user gives with its IP header: allocated with `link_room` in front, filled from
// the message; network and transport header are its start. nullptr and *err.
sk_buff* raw_alloc_hdrinc(sock* sk, msghdr* msg, uint32_t length, uint32_t link_room, int* err);

// Copies up to `size` bytes of an option in / out.
int raw_set_filter(void* filter, uint32_t size, const void* optval, uint32_t optlen);
int raw_get_filter(const void* filter, uint32_t size, void* optval, uint32_t* optlen);

// The hooks of each family: registered with its first socket, so that packets of hosts without any
// pass none.
void raw_register_ipv4(net& net);
void raw_register_ipv6(net& net);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_RAW_IMPL_H_
