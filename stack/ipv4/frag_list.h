// Packets whose frag_list holds ready fragments, as ip_append_data and reassembly make them: both
// families send these without copying.
#ifndef TAPEDECK_STACK_IPV4_FRAG_LIST_H_
#define TAPEDECK_STACK_IPV4_FRAG_LIST_H_

#include <cstdint>

#include "stack/core/skbuff.h"

namespace tapedeck {

// What fragments of a packet look like, in bytes.
struct FragmentGeometry {
  uint32_t header_bytes;           // that every fragment repeats
  uint32_t fragment_header_bytes;  // that comes behind these (IPv6)
  uint32_t space;                  // for payload in one fragment
  uint32_t link_room;              // headroom for the link layer
};

// Whether the head, whose data is at the network header, and the pieces of frag_list are fragments
// already: each fits, all but the last are multiples of 8 bytes, nobody shares them, and there is
// room for headers in front.
bool frag_list_fits(const sk_buff* skb, const FragmentGeometry& geometry);

// Takes the list off the head, which becomes the first fragment; its socket pays for each by itself
// from here on.
sk_buff* frag_list_detach(sk_buff* skb);

// What a fragment inherits.
void ip_copy_metadata(sk_buff* to, const sk_buff* from);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_FRAG_LIST_H_
