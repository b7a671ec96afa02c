// What sits on top of IPv4: a transport registers its receive and error functions by protocol
// number (include/net/protocol.h). The network layer never includes a transport.
#ifndef TAPEDECK_STACK_IPV4_PROTOCOL_H_
#define TAPEDECK_STACK_IPV4_PROTOCOL_H_

#include <cstdint>

#include "stack/core/gso.h"
#include "stack/core/skbuff.h"

namespace tapedeck {

struct net;

struct net_protocol {
  // Takes a datagram: data is at the transport header, which is set; skb->dst is the input route;
  // skb->len is what IP says. It owns the packet. 0, or minus the number of a protocol that is to
  // be tried next.
  int (*handler)(sk_buff* skb) = nullptr;
  // An ICMP error about a datagram of ours: data is at the quoted IP header (20 bytes and its
  // options are linear, and eight bytes behind), the outer header is in icmp_hdr's packet
  // (skb_transport_header). `info` is the next-hop MTU, the pointer or the gateway. The packet
  // stays the caller's. 0, or -ENOENT where nobody sent it.
  int (*err_handler)(sk_buff* skb, uint32_t info) = nullptr;
  // Finds the socket of a packet before it is routed and sets skb->sk and skb->dst. May be null.
  // data is at the IP header, transport_header is set. 0, or -errno to drop it with the drop reason
  // in *reason.
  int (*early_demux)(sk_buff* skb, DropReason* reason) = nullptr;
  bool no_policy = true;
  // Understands ICMP errors about itself strictly: fragmentation needed is not acted upon unless
  // the protocol is there.
  bool icmp_strict_tag_validation = false;
  // Cuts a packet of several segments: data is at the transport header, which is set. May be null:
  // the protocol makes none. See gso.h.
  GsoResult (*gso_segment)(sk_buff* skb, netdev_features_t features) = nullptr;
  // As packet_offload's. May be null: its packets are not merged.
  sk_buff* (*gro_receive)(sk_buff_head* held, sk_buff* skb) = nullptr;
  void (*gro_complete)(sk_buff* skb, uint32_t nhoff) = nullptr;
};

// Registers `protocol`, which must outlive the host. 0, or -1 where the number is taken.
int inet_add_protocol(net& net, const net_protocol* protocol, uint8_t number);
// 0, or -1 where another one is registered.
int inet_del_protocol(net& net, const net_protocol* protocol, uint8_t number);

// Raw sockets see every datagram for us before its protocol does. Set by their layer.
struct raw_hooks {
  // Hands copies to all raw sockets that want it; whether any did. data is at the transport header;
  // the packet stays the caller's.
  bool (*local_deliver)(sk_buff* skb, uint8_t protocol) = nullptr;
  // A packet with a router alert option that is to be forwarded. True where a socket took it.
  bool (*router_alert)(sk_buff* skb) = nullptr;
  // An ICMP error about a datagram; data is at the quoted IP header.
  void (*icmp_error)(sk_buff* skb, uint8_t protocol, uint32_t info) = nullptr;
};
void inet_set_raw_hooks(net& net, const raw_hooks& hooks);

// Ping sockets: see ping_rcv in the kernel. Set by their layer.
struct ping_hooks {
  // An echo reply, data at the ICMP header. True: the packet was queued and is theirs; false:
  // nobody waits for it, it stays the caller's.
  bool (*rcv)(sk_buff* skb) = nullptr;
  // An ICMP error about an echo request of ours; data at the quoted IP header.
  void (*err)(sk_buff* skb, int offset, uint32_t info) = nullptr;
};
void inet_set_ping_hooks(net& net, const ping_hooks& hooks);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_PROTOCOL_H_
