// Moving bytes between packets whose data lies in fragments only, as a stream's write queue holds
// them (net/core/skbuff.c): nothing is copied, pages change hands. And what ties such a packet to
// its clone on the way out.
#ifndef TAPEDECK_STACK_CORE_SKB_SPLIT_H_
#define TAPEDECK_STACK_CORE_SKB_SPLIT_H_

#include <cstdint>

#include "stack/core/skbuff.h"
#include "stack/core/sock.h"

namespace tapedeck {

// Makes the packet's head its own where a clone shares it; what it costs its socket stays the same,
// and so does a __skb_header_release. 0 or -ENOMEM.
int skb_unclone_keeptruesize(sk_buff* skb);

// Cuts `skb` to `len` bytes; the rest goes to `skb1`, which is empty. truesize is the caller's.
// REQUIRES: no linear bytes, len <= skb->len, nobody shares `skb`.
void skb_split(sk_buff* skb, sk_buff* skb1, uint32_t len);

// Moves the first `shiftlen` bytes of `skb` to the end of `tgt`, with their truesize. How many were
// moved: `shiftlen`, or 0 where there is no room for their fragments, where memory failed, or where
// either has linear bytes or a zero-copy notification. REQUIRES: shiftlen <= skb->len.
uint32_t skb_shift(sk_buff* tgt, sk_buff* skb, uint32_t shiftlen);

// Forgets the first `len` bytes. REQUIRES: no linear bytes, len <= skb->len, nobody shares `skb`.
void __pskb_trim_head(sk_buff* skb, uint32_t len);

// `to` stands for data of `from` as well: its zero-copy notification waits for both.
void skb_zerocopy_clone(sk_buff* to, const sk_buff* from);

// `clone` is the copy of `orig` that is now on its way out, unless an earlier one still is.
inline void skb_fclone_link(sk_buff* orig, sk_buff* clone) {
  if (orig->fclone != nullptr) return;
  orig->fclone = clone;
  clone->fclone = orig;
}
// Whether a copy of `orig` still waits in a queue of this host (skb_fclone_busy): one that a driver
// has orphaned does not count.
inline bool skb_fclone_busy(const sock* sk, const sk_buff* orig) {
  return orig->fclone != nullptr && orig->fclone->sk == sk;
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_SKB_SPLIT_H_
