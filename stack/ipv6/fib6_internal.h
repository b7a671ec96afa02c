// Between the parts of ip6_fib.h: not for users of routes.
#ifndef TAPEDECK_STACK_IPV6_FIB6_INTERNAL_H_
#define TAPEDECK_STACK_IPV6_FIB6_INTERNAL_H_

#include "stack/ipv6/ip6_fib.h"

namespace tapedeck {

// The node of a route's prefixes, made where there was none; nullptr where memory failed. A caller
// that leaves it without routes calls fib6_repair_tree.
fib6_node* fib6_make_node(netns_ipv6& ns, fib6_node* root, const rt6key& dst, const rt6key& src);
// Removes `fn`, and those above it, where they are of no use: without routes, no fork.
void fib6_repair_tree(netns_ipv6& ns, fib6_node* fn);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_FIB6_INTERNAL_H_
