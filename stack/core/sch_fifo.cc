// pfifo: one queue of so many packets, and a packet too many is dropped (net/sched/sch_fifo.c). A
// limit of zero drops everything.
#include "stack/core/net.h"
#include "stack/core/qdisc.h"

namespace tapedeck {

namespace {

struct pfifo_priv {
  sk_buff_head queue;
};

int pfifo_enqueue(sk_buff* skb, Qdisc* q, sk_buff** to_free) {
  if (q->qlen >= q->limit) {
    ++q->drops;
    skb->next = *to_free;
    *to_free = skb;
    return NET_XMIT_DROP;
  }
  __skb_queue_tail(&qdisc_priv<pfifo_priv>(q)->queue, skb);
  ++q->qlen;
  q->backlog += skb->len;
  return NET_XMIT_SUCCESS;
}

sk_buff* pfifo_dequeue(Qdisc* q) {
  sk_buff* const skb = __skb_dequeue(&qdisc_priv<pfifo_priv>(q)->queue);
  if (skb == nullptr) return nullptr;
  --q->qlen;
  q->backlog -= skb->len;
  return skb;
}

sk_buff* pfifo_peek(Qdisc* q) { return skb_peek(&qdisc_priv<pfifo_priv>(q)->queue); }

int pfifo_init(Qdisc* q) {
  new (q->priv) pfifo_priv;
  return 0;
}

void pfifo_reset(Qdisc* q) {
  __skb_queue_purge_reason(&qdisc_priv<pfifo_priv>(q)->queue, SKB_DROP_REASON_TX_QUEUE_STOPPED);
}

}  // namespace

const Qdisc_ops pfifo_qdisc_ops = {
    .id = "pfifo",
    .priv_bytes = sizeof(pfifo_priv),
    .enqueue = pfifo_enqueue,
    .dequeue = pfifo_dequeue,
    .peek = pfifo_peek,
    .init = pfifo_init,
    .reset = pfifo_reset,
    .destroy = nullptr,
};

}  // namespace tapedeck
