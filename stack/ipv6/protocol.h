// What sits on top of IPv6: transports, extension headers and ICMPv6 register by next header value
// (struct inet6_protocol of include/net/protocol.h). The network layer never includes a transport.
#ifndef TAPEDECK_STACK_IPV6_PROTOCOL_H_
#define TAPEDECK_STACK_IPV6_PROTOCOL_H_

#include <cstdint>

#include "stack/core/gso.h"
#include "stack/core/skbuff.h"
#include "stack/ipv6/in6.h"

namespace tapedeck {

struct net;

// inet6_protocol::flags.
enum : uint8_t {
  INET6_PROTO_NOPOLICY = 0x1,
  INET6_PROTO_FINAL = 0x2,  // an upper layer, no extension header: raw sockets see it once
};

struct inet6_protocol {
  // Takes a packet: data is at the header that is its own (transport header), IP6CB(skb)->nhoff
  // says where its number stands. 0: delivered (counted in InDelivers); < 0: taken, for another
  // end. > 0 from an extension header: transport_header is at the next one, which the byte at nhoff
  // names; from an upper layer: the number of another one to be tried.
  int (*handler)(sk_buff* skb) = nullptr;
  // An ICMPv6 error about a packet of ours: data is at the quoted IPv6 header, the upper layer's
  // begins `offset` bytes behind. `info` is the last word of the ICMPv6 header (MTU, pointer), host
  // order. The packet stays the caller's. 0, or -ENOENT where nobody sent it.
  int (*err_handler)(sk_buff* skb, uint8_t type, uint8_t code, int offset, uint32_t info) = nullptr;
  // As net_protocol::early_demux.
  int (*early_demux)(sk_buff* skb, DropReason* reason) = nullptr;
  uint8_t flags = 0;
  GsoResult (*gso_segment)(sk_buff* skb, netdev_features_t features) = nullptr;
  sk_buff* (*gro_receive)(sk_buff_head* held, sk_buff* skb) = nullptr;
  void (*gro_complete)(sk_buff* skb, uint32_t nhoff) = nullptr;
};

// Registers `protocol`, which must outlive the host. 0, or -1 where the number is taken.
int inet6_add_protocol(net& net, const inet6_protocol* protocol, uint8_t number);
int inet6_del_protocol(net& net, const inet6_protocol* protocol, uint8_t number);

// Raw sockets see every packet for us before its protocol does. Set by their layer.
struct raw6_hooks {
  // Hands copies to all raw sockets that want it; whether any did. data is at the upper layer.
  bool (*local_deliver)(sk_buff* skb, uint8_t nexthdr) = nullptr;
  // A packet with a router alert option. True where a socket took it (and the packet).
  bool (*router_alert)(sk_buff* skb, int value) = nullptr;
  void (*icmp_error)(sk_buff* skb, uint8_t nexthdr, uint8_t type, uint8_t code, int inner_offset,
                     uint32_t info) = nullptr;
};
void inet6_set_raw_hooks(net& net, const raw6_hooks& hooks);

// Ping sockets, as ping_hooks of IPv4.
struct ping6_hooks {
  bool (*rcv)(sk_buff* skb) = nullptr;
  void (*err)(sk_buff* skb, int offset, uint32_t info) = nullptr;
};
void inet6_set_ping_hooks(net& net, const ping6_hooks& hooks);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_PROTOCOL_H_
