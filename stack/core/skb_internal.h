// What the parts of the sk_buff code share among themselves. Not for others.
#ifndef TAPEDECK_STACK_CORE_SKB_INTERNAL_H_
#define TAPEDECK_STACK_CORE_SKB_INTERNAL_H_

#include <cstdint>

#include "stack/core/skbuff.h"
#include "stack/kernel/slab.h"

namespace tapedeck::skb_internal {

// The buffer that Linux allocates for `size` bytes of data and the shared info: skb_small_head, or
// kmalloc's next size.
uint32_t LogicalBufferBytes(uint32_t size);

// Forgets what the packet belongs to: route, socket.
void skb_release_head_state(sk_buff* skb);
// Gives up our hold on the data: the last holder frees fragments, frag_list and buffer.
void skb_release_data(sk_buff* skb);
// Its buffer as a page: the packet's hold on it goes over to the page. nullptr where memory failed.
page* HeadAsPage(sk_buff* from);
// Frees the buffer alone.
void FreeHead(sk_buff* skb);
// Gives up a chain of packets from a frag_list.
void DropFragList(sk_buff* first);
// One more use of each packet of frag_list.
void skb_clone_fraglist(sk_buff* skb);
// `to` takes over all that is said about `from`: header offsets, marks, route (one more reference),
// frame id, GSO. Its geometry and socket stay its own.
void skb_copy_header(sk_buff* to, const sk_buff* from);
// Header offsets after the data has moved by `offset_bytes` against head.
void skb_headers_offset_update(sk_buff* skb, int offset_bytes);

}  // namespace tapedeck::skb_internal

#endif  // TAPEDECK_STACK_CORE_SKB_INTERNAL_H_
