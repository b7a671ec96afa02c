// pfifo_fast: three bands, each a FIFO of its own; a lower band is empty before the next is looked
// at. A packet's band follows from its priority, and for IPv4 that from its type of service.
//
//   TOS bits      meaning               priority               band
//   0000..0011    normal, min. cost     BESTEFFORT        0    1
//   0100..0111    max. throughput       BULK              2    2
//   1000..1011    min. delay            INTERACTIVE       6    0
//   1100..1111    delay and throughput  INTERACTIVE_BULK  4    1
#include <cerrno>

#include "stack/core/net.h"
#include "stack/core/qdisc.h"

namespace tapedeck {

namespace {

// ip_tos2prio: indexed by the four TOS bits (RFC 1349) as they stand in the byte.
constexpr uint8_t kTosPriority[16] = {
    TC_PRIO_BESTEFFORT,
    TC_PRIO_BESTEFFORT,
    TC_PRIO_BESTEFFORT,
    TC_PRIO_BESTEFFORT,
    TC_PRIO_BULK,
    TC_PRIO_BULK,
    TC_PRIO_BULK,
    TC_PRIO_BULK,
    TC_PRIO_INTERACTIVE,
    TC_PRIO_INTERACTIVE,
    TC_PRIO_INTERACTIVE,
    TC_PRIO_INTERACTIVE,
    TC_PRIO_INTERACTIVE_BULK,
    TC_PRIO_INTERACTIVE_BULK,
    TC_PRIO_INTERACTIVE_BULK,
    TC_PRIO_INTERACTIVE_BULK,
};
constexpr uint8_t kTosMask = 0x1e;  // IPTOS_TOS_MASK

constexpr uint8_t kPriorityBand[TC_PRIO_MAX + 1] = {1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};

struct pfifo_fast_priv {
  sk_buff_head band[PFIFO_FAST_BANDS];
};

// Since Linux 4.16 each band holds tx_queue_len packets of its own.
int pfifo_fast_enqueue(sk_buff* skb, Qdisc* q, sk_buff** to_free) {
  sk_buff_head* const band = &qdisc_priv<pfifo_fast_priv>(q)->band[pfifo_fast_band(skb->priority)];
  if (skb_queue_len(band) >= q->limit) {
    ++q->drops;
    skb->next = *to_free;
    *to_free = skb;
    return NET_XMIT_DROP;
  }
  __skb_queue_tail(band, skb);
  ++q->qlen;
  q->backlog += skb->len;
  return NET_XMIT_SUCCESS;
}

sk_buff_head* FirstFilled(Qdisc* q) {
  for (sk_buff_head& band : qdisc_priv<pfifo_fast_priv>(q)->band) {
    if (!skb_queue_empty(&band)) return &band;
  }
  return nullptr;
}

sk_buff* pfifo_fast_dequeue(Qdisc* q) {
  sk_buff_head* const band = FirstFilled(q);
  if (band == nullptr) return nullptr;
  sk_buff* const skb = __skb_dequeue(band);
  --q->qlen;
  q->backlog -= skb->len;
  return skb;
}

sk_buff* pfifo_fast_peek(Qdisc* q) {
  const sk_buff_head* const band = FirstFilled(q);
  return band == nullptr ? nullptr : skb_peek(band);
}

int pfifo_fast_init(Qdisc* q) {
  new (q->priv) pfifo_fast_priv;
  q->flags |= TCQ_F_CAN_BYPASS;
  return 0;
}

void pfifo_fast_reset(Qdisc* q) {
  for (sk_buff_head& band : qdisc_priv<pfifo_fast_priv>(q)->band) {
    __skb_queue_purge_reason(&band, SKB_DROP_REASON_TX_QUEUE_STOPPED);
  }
}

}  // namespace

uint32_t rt_tos2priority(uint8_t tos) { return kTosPriority[(tos & kTosMask) >> 1]; }

int pfifo_fast_band(uint32_t priority) { return kPriorityBand[priority & TC_PRIO_MAX]; }

const Qdisc_ops pfifo_fast_ops = {
    .id = "pfifo_fast",
    .priv_bytes = sizeof(pfifo_fast_priv),
    .enqueue = pfifo_fast_enqueue,
    .dequeue = pfifo_fast_dequeue,
    .peek = pfifo_fast_peek,
    .init = pfifo_fast_init,
    .reset = pfifo_fast_reset,
    .destroy = nullptr,
};

}  // namespace tapedeck
