// Sending through a neighbour: the last step of the network layer.
#include <cerrno>
#include <cstring>

#include "stack/core/dev.h"
#include "stack/core/neighbour.h"
#include "stack/core/net.h"

namespace tapedeck {

namespace {

// Makes the header for the neighbour's address and queues the packet. A clone whose header others
// may still read gets one of its own first.
int SendWithHeader(neighbour* neigh, sk_buff* skb) {
  const int offset = skb_network_offset(skb);
  if (offset > 0) __skb_pull(skb, static_cast<uint32_t>(offset));
  if (skb_cow_head(skb, LL_RESERVED_SPACE(neigh->dev)) != 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
    return -ENOMEM;
  }
  if (dev_hard_header(skb, neigh->dev, skb->protocol, neigh->ha, nullptr, skb->len) < 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_DEV_HDR);
    return -EINVAL;
  }
  return dev_queue_xmit(skb);
}

void neigh_hh_init(neighbour* neigh) {
  const header_ops* const ops = neigh->dev->header_ops;
  if (ops != nullptr && ops->cache != nullptr) ops->cache(neigh, &neigh->hh, neigh->protocol);
}

}  // namespace

int neigh_resolve_output(neighbour* neigh, sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, neigh_resolve_output, neigh, skb);
  if (neigh_event_send(neigh, skb)) return 0;
  if (neigh->hh.hh_len == 0) neigh_hh_init(neigh);
  return SendWithHeader(neigh, skb);
}

int neigh_connected_output(neighbour* neigh, sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, neigh_connected_output, neigh, skb);
  return SendWithHeader(neigh, skb);
}

int neigh_direct_output(neighbour* /*neigh*/, sk_buff* skb) { return dev_queue_xmit(skb); }

int neigh_hh_output(const hh_cache* hh, sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, neigh_hh_output, hh, skb);
  const bool ready = skb_headroom(skb) >= HH_DATA_MOD && !skb_header_cloned(skb);
  if (__builtin_expect(!ready, 0) && skb_cow_head(skb, HH_DATA_MOD) != 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
    return NET_XMIT_DROP;
  }
  // All 16 bytes at once; the two before the header are nobody's.
  std::memcpy(skb->data - HH_DATA_MOD, hh->hh_data, HH_DATA_MOD);
  skb_push(skb, hh->hh_len);
  return dev_queue_xmit(skb);
}

}  // namespace tapedeck
