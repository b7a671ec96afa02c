// Reading and writing the bytes of a packet wherever they lie: linear part, fragments, frag_list.
// Offsets count from skb->data. Functions return 0, or -EFAULT where the range is not in the packet
// or user memory cannot be touched. Source: net/core/skbuff.c, net/core/datagram.c.
#ifndef TAPEDECK_STACK_CORE_SKB_DATA_H_
#define TAPEDECK_STACK_CORE_SKB_DATA_H_

#include <cstdint>

#include "stack/base/checksum.h"
#include "stack/core/iov_iter.h"
#include "stack/core/skbuff.h"

namespace tapedeck {

int skb_copy_bits(const sk_buff* skb, uint32_t offset, void* to, uint32_t len);
// Overwrites bytes of the packet. REQUIRES: nobody shares the data it reaches (checked).
int skb_store_bits(sk_buff* skb, uint32_t offset, const void* from, uint32_t len);
// The same for who has made the packet himself. What it reaches may lie in a page of which others
// hold other bytes (sk_page_frag).
int skb_store_own_bits(sk_buff* skb, uint32_t offset, const void* from, uint32_t len);

// `len` bytes at `offset`: in place where they are linear, else copied to `buffer`; nullptr where
// the packet ends before.
inline const void* skb_header_pointer(const sk_buff* skb, uint32_t offset, uint32_t len,
                                      void* buffer) {
  if (uint64_t{offset} + len <= skb_headlen(skb)) return skb->data + offset;
  return skb_copy_bits(skb, offset, buffer, len) == 0 ? buffer : nullptr;
}

// Sum of `len` bytes at `offset`, plus `csum`. REQUIRES: the packet has them (checked).
wsum skb_checksum(const sk_buff* skb, uint32_t offset, uint32_t len, wsum csum);
// The same while copying them to `to`.
wsum skb_copy_and_csum_bits(const sk_buff* skb, uint32_t offset, uint8_t* to, uint32_t len,
                            wsum csum = 0);

// To and from user memory. Copying costs the CPU copy_per_byte.
int skb_copy_datagram_iter(const sk_buff* skb, uint32_t offset, iov_iter* to, uint32_t len);
// The same from `hlen` to the end of the packet while verifying the checksum; -EINVAL where it is
// wrong. Sets csum_valid.
int skb_copy_and_csum_datagram_iter(sk_buff* skb, uint32_t hlen, iov_iter* to);
// Fills `len` bytes at `offset` of a packet that has them already.
int skb_copy_datagram_from_iter(sk_buff* skb, uint32_t offset, iov_iter* from, uint32_t len);

// --- Checksum state. ---

inline bool skb_csum_unnecessary(const sk_buff* skb) {
  return skb->csum_valid || skb->ip_summed == CHECKSUM_UNNECESSARY ||
         skb->ip_summed == CHECKSUM_PARTIAL;
}
// Verifies the sum of the whole packet, `skb->csum` being the pseudo-header's: 0 where it is right.
// A right sum is remembered, so the next caller does not compute it again.
uint16_t __skb_checksum_complete(sk_buff* skb);
uint16_t __skb_checksum_complete_head(sk_buff* skb, uint32_t len);
inline uint16_t skb_checksum_complete(sk_buff* skb) {
  return skb_csum_unnecessary(skb) ? uint16_t{0} : __skb_checksum_complete(skb);
}
// __skb_checksum_validate: prepares or does the verification of a transport checksum, with data at
// the transport header. `check` is the header's field: zero means "none" where `zero_okay`.
// `pseudo` is the pseudo-header's sum. With `complete` it is verified now, otherwise short packets
// only and the rest when the bytes are copied. 0 where right or put off.
uint16_t skb_checksum_validate(sk_buff* skb, bool complete, bool zero_okay, uint16_t check,
                               wsum pseudo);
// Fills the checksum of a CHECKSUM_PARTIAL packet in software. 0, -EINVAL (offsets outside the
// packet), -ENOMEM.
int skb_checksum_help(sk_buff* skb);

// `bytes` at `start` have left the front of a CHECKSUM_COMPLETE packet, or have been put there.
void skb_postpull_rcsum(sk_buff* skb, const void* start, uint32_t bytes);
void skb_postpush_rcsum(sk_buff* skb, const void* start, uint32_t bytes);
// skb_pull that keeps a CHECKSUM_COMPLETE sum right.
const uint8_t* skb_pull_rcsum(sk_buff* skb, uint32_t bytes);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_SKB_DATA_H_
