// fq: packets leave at their departure times (net/sched/sch_fq.c). A socket whose packets pass
// through it need not pace itself: it writes into skb->tstamp when each may go.
//
// Left out: rounds among flows and their quanta, bands, and the pacing of packets that name no time
// (datagram sockets with SO_MAX_PACING_RATE). Packets of equal times go in the order they came.
#include <cstdint>

#include "stack/core/net.h"
#include "stack/core/qdisc.h"
#include "stack/core/sock.h"
#include "stack/kernel/timer.h"

namespace tapedeck {

namespace {

constexpr uint32_t kLimitPackets = 10'000;
constexpr uint64_t kHorizonNs = 10'000'000'000;  // packets beyond it are dropped
// States of a struct sock that is no connection: those that answer for others, and closed ones.
constexpr uint8_t kTcpTimeWait = 6;
constexpr uint8_t kTcpClose = 7;
constexpr uint8_t kTcpListen = 10;
constexpr uint8_t kTcpNewSynRecv = 12;

struct fq_skb_cb {
  uint64_t time_to_send_ns;
};

struct Watchdog : HrTimer {
  using HrTimer::HrTimer;
  Qdisc* q = nullptr;
};

struct fq_sched_data {
  fq_sched_data(Cpu& cpu, HrTimer::Function function) : watchdog(cpu, function) {}
  sk_buff_head queue;  // by time_to_send_ns
  Watchdog watchdog;
};

uint64_t NowNs(const Qdisc* q) { return q->dev_queue->dev->nd_net.this_cpu().now().ns(); }

// fq_classify's other effect: the socket learns that it is paced here.
void TakeOverPacing(sock* sk) {
  if (sk == nullptr) return;
  switch (sk->sk_state) {
    case kTcpTimeWait:
    case kTcpClose:
    case kTcpListen:
    case kTcpNewSynRecv:
      return;
    default:
      sk->sk_pacing_status = SK_PACING_FQ;
  }
}

int Drop(Qdisc* q, sk_buff* skb, sk_buff** to_free) {
  ++q->drops;
  skb->next = *to_free;
  *to_free = skb;
  return NET_XMIT_DROP;
}

int fq_enqueue(sk_buff* skb, Qdisc* q, sk_buff** to_free) {
  if (q->qlen >= q->limit) return Drop(q, skb, to_free);
  const uint64_t now_ns = NowNs(q);
  const uint64_t time_ns = skb->tstamp > 0 ? static_cast<uint64_t>(skb->tstamp) : now_ns;
  if (time_ns > now_ns + kHorizonNs) return Drop(q, skb, to_free);
  SKB_CB<fq_skb_cb>(skb)->time_to_send_ns = time_ns;
  TakeOverPacing(skb->sk);
  sk_buff_head* const queue = &qdisc_priv<fq_sched_data>(q)->queue;
  sk_buff* before = skb_peek_tail(queue);
  while (before != nullptr && SKB_CB<fq_skb_cb>(before)->time_to_send_ns > time_ns) {
    before = skb_peek_prev(before, queue);
  }
  if (before == nullptr) {
    __skb_queue_head(queue, skb);
  } else {
    __skb_queue_after(queue, before, skb);
  }
  ++q->qlen;
  q->backlog += skb->len;
  return NET_XMIT_SUCCESS;
}

sk_buff* fq_peek(Qdisc* q) {
  sk_buff* const skb = skb_peek(&qdisc_priv<fq_sched_data>(q)->queue);
  const bool due = skb != nullptr && SKB_CB<fq_skb_cb>(skb)->time_to_send_ns <= NowNs(q);
  return due ? skb : nullptr;
}

sk_buff* fq_dequeue(Qdisc* q) {
  auto* const data = qdisc_priv<fq_sched_data>(q);
  sk_buff* const skb = skb_peek(&data->queue);
  if (skb == nullptr) return nullptr;
  const uint64_t time_ns = SKB_CB<fq_skb_cb>(skb)->time_to_send_ns;
  if (time_ns > NowNs(q)) {
    data->watchdog.Start(SimTime::At(Duration::Nanoseconds(time_ns)));
    return nullptr;
  }
  __skb_dequeue(&data->queue);
  --q->qlen;
  q->backlog -= skb->len;
  return skb;
}

void OnWatchdog(HrTimer* timer) { __netif_schedule(static_cast<Watchdog*>(timer)->q); }

int fq_init(Qdisc* q) {
  Cpu& cpu = q->dev_queue->dev->nd_net.this_cpu();
  auto* const data = new (q->priv) fq_sched_data(cpu, &OnWatchdog);
  data->watchdog.q = q;
  q->limit = kLimitPackets;
  return 0;
}

void fq_reset(Qdisc* q) {
  auto* const data = qdisc_priv<fq_sched_data>(q);
  data->watchdog.Cancel();
  __skb_queue_purge_reason(&data->queue, SKB_DROP_REASON_TX_QUEUE_STOPPED);
}

void fq_destroy(Qdisc* q) { qdisc_priv<fq_sched_data>(q)->~fq_sched_data(); }

}  // namespace

const Qdisc_ops fq_qdisc_ops = {
    .id = "fq",
    .priv_bytes = sizeof(fq_sched_data),
    .enqueue = fq_enqueue,
    .dequeue = fq_dequeue,
    .peek = fq_peek,
    .init = fq_init,
    .reset = fq_reset,
    .destroy = fq_destroy,
};

}  // namespace tapedeck
