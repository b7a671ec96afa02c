// What the files of ICMPv6 share among themselves.
#ifndef TAPEDECK_STACK_IPV6_ICMPV6_INTERNAL_H_
#define TAPEDECK_STACK_IPV6_ICMPV6_INTERNAL_H_

#include "stack/base/drop_reason.h"
#include "stack/core/skbuff.h"

namespace tapedeck {

struct net;

// Answers an echo request, which stays the caller's; data is behind its ICMPv6 header. CONSUMED, or
// why there is no answer.
DropReason icmpv6_echo_reply(sk_buff* skb);
// Settings net/ipv6/icmp/*, with their defaults.
void icmpv6_sysctl_register(net& net);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_ICMPV6_INTERNAL_H_
