// What oracles ask of a socket's queues.
#ifndef TAPEDECK_FUZZ_SKB_QUEUE_H_
#define TAPEDECK_FUZZ_SKB_QUEUE_H_

#include <cstdint>

#include "stack/core/skbuff.h"
#include "stack/core/sock.h"

namespace tapedeck::fuzz {

// Calls `visit` with each packet of `list`, which must stay as it is.
template <typename Visit>
void ForEachSkb(const sk_buff_head* list, Visit visit) {
  for (const sk_buff* skb = skb_peek(list); skb != nullptr;
       skb = skb_queue_is_last(list, skb) ? nullptr : skb->next) {
    visit(skb);
  }
}

// The bytes of memory that it holds.
inline uint64_t TruesizeOf(const sk_buff_head* list) {
  uint64_t sum = 0;
  ForEachSkb(list, [&sum](const sk_buff* skb) { sum += skb->truesize; });
  return sum;
}

// Of an error queue: what counts as received. Notifications of zero-copy sends are charged to
// sk_omem_alloc (sock_omalloc).
inline uint64_t ReceivedInErrors(const sk_buff_head* list) {
  uint64_t sum = 0;
  ForEachSkb(list, [&sum](const sk_buff* skb) {
    if (SKB_CB<sock_exterr_skb>(skb)->ee.ee_origin != kSoEeOriginZerocopy) sum += skb->truesize;
  });
  return sum;
}

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_SKB_QUEUE_H_
