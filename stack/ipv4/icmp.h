// ICMP (net/ipv4/icmp.c; RFC 792, RFC 1122 3.2.2, RFC 1812 4.3): what comes in is answered or told
// to whom it concerns; errors go out under Linux's rules and limits.
#ifndef TAPEDECK_STACK_IPV4_ICMP_H_
#define TAPEDECK_STACK_IPV4_ICMP_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/core/flow.h"
#include "stack/core/skbuff.h"
#include "stack/ipv4/ip_options.h"
#include "stack/wire/icmp.h"

namespace tapedeck {

struct inet_sock;
struct net;

inline const wire::IcmpHeader* icmp_hdr(const sk_buff* skb) {
  return reinterpret_cast<const wire::IcmpHeader*>(skb_transport_header(skb));
}

// net_protocol::handler of protocol 1.
int icmp_rcv(sk_buff* skb);
// net_protocol::err_handler of protocol 1: an error about an ICMP message of ours.
int icmp_err(sk_buff* skb, uint32_t info);

// Tells the sender of `skb_in`, which stays the caller's, what went wrong. `info` is the last word
// of the header in host order (next-hop MTU, pointer << 24, gateway). Nothing is sent: about
// packets that were not for us alone (broadcast, multicast, link-layer broadcast), about later
// fragments, about ICMP errors, to addresses that are no single host, or above the rate limits.
// `opt` are the packet's options. REQUIRES: the packet has a route (skb->dst); else nothing is
// sent.
void __icmp_send(sk_buff* skb_in, uint8_t type, uint8_t code, uint32_t info, const ip_options& opt);
inline void icmp_send(sk_buff* skb_in, uint8_t type, uint8_t code, uint32_t info) {
  __icmp_send(skb_in, type, code, info, IPCB(skb_in)->opt);
}

// What an unreachable of this code means to a socket: a positive errno, and whether it is fatal
// (icmp_err_convert).
struct icmp_err_code {
  int err;
  bool fatal;
};
extern const icmp_err_code icmp_err_convert[16];

// Whether the host may send one more message now (sysctl icmp_msgs_per_sec and icmp_msgs_burst),
// and what one uses up.
bool icmp_global_allow(net& net);
void icmp_global_consume(net& net);

// fl4_icmp_type and fl4_icmp_code, which lie where other protocols have the source port.
constexpr void flowi4_set_icmp(flowi4* flow, uint8_t type, uint8_t code) {
  flow->sport = static_cast<uint16_t>(type << 8 | code);
}
constexpr uint8_t flowi4_icmp_type(const flowi4& flow) {
  return static_cast<uint8_t>(flow.sport.host() >> 8);
}

// Counts a message that goes out.
void icmp_out_count(net& net, uint8_t type);
// Makes `sk` the socket that the host's own messages are sent by.
void icmp_sk_init(inet_sock* sk);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_ICMP_H_
