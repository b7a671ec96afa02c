// Packets of several segments (generic segmentation offload; net/core/gso.c, skb_segment of
// net/core/skbuff.c). TCP makes them whatever the device can; where the device cannot cut them,
// they are cut here, after the queueing discipline and just before the driver (validate_xmit_skb).
//
//   validate_xmit_skb -> skb_gso_segment -> (by EtherType) inet_gso_segment -> (by protocol)
//   tcp4_gso_segment -> tcp_gso_segment -> skb_segment
//
// Each layer pulls its header, lets the next one cut, and puts the header of every segment right.
// skb_shared_info of such a packet: gso_size is the payload of each segment but the last, gso_segs
// how many there are (0: nobody has counted), gso_type who cuts it.
#ifndef TAPEDECK_STACK_CORE_GSO_H_
#define TAPEDECK_STACK_CORE_GSO_H_

#include <cstdint>

#include "stack/core/net_device.h"
#include "stack/core/sk_buff_head.h"
#include "stack/core/skbuff.h"

namespace tapedeck {

// Features that say who cuts; what software can do for any device.
inline constexpr netdev_features_t NETIF_F_GSO_SOFTWARE =
    NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_GSO_UDP_L4;
inline constexpr netdev_features_t NETIF_F_GSO_MASK = NETIF_F_GSO | NETIF_F_GSO_SOFTWARE;

// `segs`, linked by `next`, take the place of the packet, which stays the caller's; nullptr and
// error 0: the packet can go as it is; error < 0: it cannot be cut (-EINVAL, -EPROTONOSUPPORT,
// -ENOMEM).
struct GsoResult {
  int error = 0;
  sk_buff* segs = nullptr;
};
constexpr GsoResult GsoError(int error) { return {.error = error, .segs = nullptr}; }

// Cuts packets of one EtherType, and makes one of several.
struct packet_offload {
  uint16_t type;
  // Data is at the network header, mac_header is set.
  GsoResult (*gso_segment)(sk_buff* skb, netdev_features_t features);
  // Compares a packet with the held ones that may be of its flow, and merges it with one where it
  // can (gro.h). The held packet that must go up now; nullptr: none.
  sk_buff* (*gro_receive)(sk_buff_head* held, sk_buff* skb);
  // Puts the headers of a merged packet right; its own is `nhoff` bytes behind data.
  void (*gro_complete)(sk_buff* skb, uint32_t nhoff);
};
// Registers `offload`, which outlives the host. REQUIRES: there is room (net::kOffloads).
void dev_add_offload(net& net, const packet_offload* offload);
void dev_remove_offload(net& net, const packet_offload* offload);
// nullptr where nobody has registered the EtherType.
const packet_offload* skb_find_offload(const net& net, uint16_t type);

// Whether a device with `features` takes packets of `gso_type` / this packet as it is.
bool net_gso_ok(netdev_features_t features, uint32_t gso_type);
bool skb_gso_ok(const sk_buff* skb, netdev_features_t features);
// Whether software has to cut it.
bool netif_needs_gso(const sk_buff* skb, netdev_features_t features);

// Whether each segment, from its network header on, has at most `mtu` bytes.
bool skb_gso_validate_network_len(const sk_buff* skb, uint32_t mtu);

// Cuts a packet, data at its link-layer header, into what a device with `features` can send.
GsoResult skb_gso_segment(sk_buff* skb, netdev_features_t features);

// The cutting itself: data is at the payload, mac_header at the first header. Every segment has a
// copy of all headers and its own frame id; payload in fragments is shared where the features
// allow. Headers are still to be put right.
GsoResult skb_segment(sk_buff* skb, netdev_features_t features);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_GSO_H_
