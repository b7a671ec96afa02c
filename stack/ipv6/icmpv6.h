// ICMPv6 (net/ipv6/icmp.c; RFC 4443): messages that come in are answered or told to whom they
// concern; errors go out under Linux's rules and limits.
#ifndef TAPEDECK_STACK_IPV6_ICMPV6_H_
#define TAPEDECK_STACK_IPV6_ICMPV6_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/core/flow.h"
#include "stack/core/skbuff.h"
#include "stack/ipv6/in6.h"

namespace tapedeck {

struct net;
struct sock;

// inet6_protocol::handler and err_handler of protocol 58.
int icmpv6_rcv(sk_buff* skb);
int icmpv6_err(sk_buff* skb, uint8_t type, uint8_t code, int offset, uint32_t info);
// Tells the sender of `skb`, which stays the caller's, what went wrong, unless RFC 4443 2.4 (e) or
// the rate limits forbid it. `info`: MTU or pointer, host order.
void icmpv6_send(sk_buff* skb, uint8_t type, uint8_t code, uint32_t info);
// Parameter problem about byte `pos` of the packet; drops the packet.
void icmpv6_param_prob_reason(sk_buff* skb, uint8_t code, uint32_t pos, DropReason reason);
// What an error means to a socket: *err a positive errno; whether it is fatal.
bool icmpv6_err_convert(uint8_t type, uint8_t code, int* err);
// Hands an error to the protocol of the quoted packet (icmpv6_notify). CONSUMED or why not.
DropReason icmpv6_notify(sk_buff* skb, uint8_t type, uint8_t code, uint32_t info);
// A flow for a message of ours.
void icmpv6_flow_init(const sock* sk, flowi6* fl6, uint8_t type, const Ipv6Address& saddr,
                      const Ipv6Address& daddr, int oif);
// Completes the message that was put together by ip6_append_data with `header` and its checksum,
// and sends it: `len` bytes in all. 0 or -errno.
int icmpv6_push_pending_frames(sock* sk, const flowi6& fl6, wire::Icmpv6Header header,
                               uint32_t len);
// Counts a message that goes out.
void icmp6_out_count(net& net, uint8_t type);
int icmpv6_init(net& net);
void icmpv6_cleanup(net& net);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_ICMPV6_H_
