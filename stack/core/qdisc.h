// Queueing disciplines: what stands between dev_queue_xmit and the driver
// (net/sched/sch_generic.c). pfifo_fast is the default of a device with a queue, noqueue of one
// without. Each transmit queue has a discipline of its own (as under `mq`).
//
// pfifo and fq can be put in their place. Left out: other disciplines, classes and filters; byte
// queue limits.
#ifndef TAPEDECK_STACK_CORE_QDISC_H_
#define TAPEDECK_STACK_CORE_QDISC_H_

#include <cstdint>

#include "stack/core/dev.h"
#include "stack/core/net_device.h"
#include "stack/core/sk_buff_head.h"

namespace tapedeck {

// skb->priority (pkt_sched.h).
enum : uint32_t {
  TC_PRIO_BESTEFFORT = 0,
  TC_PRIO_FILLER = 1,
  TC_PRIO_BULK = 2,
  TC_PRIO_INTERACTIVE_BULK = 4,
  TC_PRIO_INTERACTIVE = 6,
  TC_PRIO_CONTROL = 7,
  TC_PRIO_MAX = 15,
};

// The priority of a packet with type of service `tos` (16 values: bits 1 to 4), as rt_tos2priority.
//   TOS 0x00, 0x02..0x06  best effort    (band 1)     TOS 0x10..0x16  interactive       (band 0)
//   TOS 0x08..0x0e        bulk           (band 2)     TOS 0x18..0x1e  interactive bulk  (band 1)
uint32_t rt_tos2priority(uint8_t tos);

struct Qdisc_ops {
  const char* id;
  uint32_t priv_bytes;
  // NET_XMIT_SUCCESS, or NET_XMIT_DROP / _CN with the packets that did not fit on *to_free.
  int (*enqueue)(sk_buff* skb, Qdisc* q, sk_buff** to_free);
  sk_buff* (*dequeue)(Qdisc* q);
  sk_buff* (*peek)(Qdisc* q);
  int (*init)(Qdisc* q);
  void (*reset)(Qdisc* q);
  void (*destroy)(Qdisc* q);
};

// Qdisc::state.
enum : uint8_t {
  QDISC_STATE_SCHED = 1U << 0,  // on a CPU's output_queue
  QDISC_STATE_DEACTIVATED = 1U << 1,
  QDISC_STATE_RUNNING = 1U << 2,
};
// Qdisc::flags.
enum : uint8_t {
  TCQ_F_BUILTIN = 1U << 0,
  TCQ_F_CAN_BYPASS = 1U << 1,  // an empty queue may be jumped
  TCQ_F_NOQUEUE = 1U << 2,
};

struct Qdisc {
  const Qdisc_ops* ops = nullptr;
  netdev_queue* dev_queue = nullptr;
  uint32_t limit = 0;
  uint8_t flags = 0;
  uint8_t state = 0;
  uint32_t handle = 0;
  uint32_t qlen = 0;     // packets inside
  uint32_t backlog = 0;  // bytes inside
  sk_buff_head gso_skb;  // what the driver gave back: goes first (requeue)
  Qdisc* next_sched = nullptr;
  // Statistics, as `tc -s qdisc` shows them.
  uint64_t bytes = 0;
  uint64_t packets = 0;
  uint64_t drops = 0;
  uint64_t requeues = 0;
  void* priv = nullptr;
};
template <typename T>
T* qdisc_priv(const Qdisc* q) {
  return static_cast<T*>(q->priv);
}

inline constexpr int PFIFO_FAST_BANDS = 3;
extern const Qdisc_ops pfifo_fast_ops;
extern const Qdisc_ops noop_qdisc_ops;     // of a device that is down: drops
extern const Qdisc_ops noqueue_qdisc_ops;  // of a device without a queue: never entered

extern const Qdisc_ops pfifo_qdisc_ops;  // one queue of `limit` packets
extern const Qdisc_ops fq_qdisc_ops;     // packets leave at their departure times

// The band of priority `priority`, from pfifo_fast's table.
int pfifo_fast_band(uint32_t priority);

// A discipline for `txq`; nullptr where memory failed.
Qdisc* qdisc_create(netdev_queue* txq, const Qdisc_ops* ops);
// Drops what is inside (TX_QUEUE_STOPPED).
void qdisc_reset(Qdisc* q);
void qdisc_destroy(Qdisc* q);

// Disciplines of a device that is registered / comes up / goes down / leaves.
void dev_init_scheduler(net_device* dev);
void dev_activate(net_device* dev);
void dev_deactivate(net_device* dev);
void dev_shutdown(net_device* dev);

// `tc qdisc replace dev DEV root ...`: every queue of `dev` gets a discipline of its own of `ops`
// (null: the device's default), with `limit` if that is not null; what the old ones hold is
// dropped. 0 or -ENOMEM.
int dev_graft_qdisc(net_device* dev, const Qdisc_ops* ops, const uint32_t* limit);

// Sends until the queue is empty, the driver is busy, or dev_weight packets have gone; in the last
// case NET_TX goes on.
void __qdisc_run(Qdisc* q);
// Sends `skb` (a chain) past the queue. True where more may be sent; false where the driver was
// busy: it is requeued then.
bool sch_direct_xmit(sk_buff* skb, Qdisc* q, net_device* dev, netdev_queue* txq, bool validate);
// The queue part of __dev_queue_xmit.
int __dev_xmit_skb(sk_buff* skb, Qdisc* q, net_device* dev, netdev_queue* txq);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_QDISC_H_
