// Generic receive offload (net/core/gro.c): consecutive segments of a flow that one poll finds go
// up as one packet, which costs the layers above as much as one segment. Off until a user switches
// it on (`ethtool -K eth0 gro on`), so that what a run shows is a packet a frame.
//
//   napi_gro_receive -> dev_gro_receive -> (by EtherType) inet_gro_receive -> (by protocol)
//   tcp4_gro_receive -> tcp_gro_receive -> skb_gro_receive
//   napi_gro_flush -> napi_gro_complete -> inet_gro_complete -> tcp4_gro_complete
//
// On its way down each layer takes `held` packets that are not of the same flow out of the
// comparison (same_flow), says whether the packet may not be merged at all (flush), and pulls its
// header (skb_gro_pull; skb->data stays). What results is a packet of several segments (gso.h), so
// that it can be forwarded.
//
// Left out: gro_flush_timeout, GRO_FRAGLIST, tunnels, tags inside of the frame (those beside it are
// compared).
#ifndef TAPEDECK_STACK_CORE_GRO_H_
#define TAPEDECK_STACK_CORE_GRO_H_

#include <cstdint>

#include "stack/core/dev.h"
#include "stack/core/sk_buff_head.h"
#include "stack/core/skbuff.h"

namespace tapedeck {

// Flows that a bucket holds.
inline constexpr uint32_t MAX_GRO_SKBS = 8;
// Bytes of a merged packet, from the network header on, stay below (gro_max_size).
inline constexpr uint32_t GRO_LEGACY_MAX_SIZE = 65536;

struct napi_gro_cb {
  sk_buff* last;         // of a held packet: the one whose fragments grow
  Jiffies age;           // when it came to be held
  uint32_t data_offset;  // of what is not pulled yet, from skb->data
  uint16_t count;        // segments
  bool flush;            // is no part of any merged packet
  bool same_flow;        // of a held packet: may be of the flow of the one at hand; of that: merged
  bool ip_fixedid;       // all segments have the same IP ID
  bool stolen;           // the sk_buff is of no use: its buffer is a fragment of another
};
inline napi_gro_cb* NAPI_GRO_CB(sk_buff* skb) { return SKB_CB<napi_gro_cb>(skb); }
inline const napi_gro_cb* NAPI_GRO_CB(const sk_buff* skb) { return SKB_CB<napi_gro_cb>(skb); }

inline uint32_t skb_gro_offset(const sk_buff* skb) { return NAPI_GRO_CB(skb)->data_offset; }
// Bytes that are not pulled yet.
inline uint32_t skb_gro_len(const sk_buff* skb) { return skb->len - skb_gro_offset(skb); }
inline void skb_gro_pull(sk_buff* skb, uint32_t bytes) { NAPI_GRO_CB(skb)->data_offset += bytes; }
// The first `bytes` that are not pulled yet, linear; nullptr where the packet is shorter.
inline const uint8_t* skb_gro_header(sk_buff* skb, uint32_t bytes) {
  const uint32_t offset = skb_gro_offset(skb);
  return pskb_may_pull(skb, offset + bytes) ? skb->data + offset : nullptr;
}
// Whether the transport checksum over what is not pulled yet is right, `pseudo` being the sum of
// the pseudo-header. A right one is remembered.
bool skb_gro_checksum_validate(sk_buff* skb, wsum pseudo);
// Sum of the pseudo-header of a packet of either family whose transport part has `len` bytes
// (inet_gro_compute_pseudo, ip6_gro_compute_pseudo).
wsum gro_compute_pseudo(const sk_buff* skb, uint32_t len, uint8_t protocol);

// Whether the network headers of a held packet and the next of its flow differ where a merged
// packet could not say so: TTL, TOS, DF, IDs that are neither all the same nor count on.
// (gro_receive_network_flush.)
bool gro_receive_network_flush(const sk_buff* skb, sk_buff* held);

// The held packet of the same ports as the transport header at `ports`; others are out of the
// comparison from here on.
sk_buff* gro_find_by_ports(const sk_buff_head* held, const void* ports);
// Completes a merged packet for its transport protocol: the sum of the pseudo-header is in the
// checksum, `csum_offset` bytes into the header at skb->data + `thoff`.
void gro_complete_transport(sk_buff* skb, uint32_t thoff, uint8_t protocol, uint16_t csum_offset,
                            uint32_t gso_type);

// Appends what is not pulled yet of `skb` to the held packet. False where that would become too
// long, or memory failed.
bool skb_gro_receive(sk_buff* held, sk_buff* skb);

// Ends the holding of all packets (`flush_old`: of those of earlier jiffies). They are in the batch
// of gro_normal_list then.
void napi_gro_flush(napi_struct* napi, bool flush_old);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_GRO_H_
