// NAPI: polling instead of an interrupt for every packet (net/core/dev.c,
// Documentation/networking/napi.rst).
#include "stack/core/dev.h"
#include "stack/core/gro.h"
#include "stack/core/net.h"
#include "stack/core/qdisc.h"

namespace tapedeck {

namespace {

// Polls `napi` once. One that has used its whole weight goes to the end of the line.
int napi_poll(softnet_data& sd, napi_struct* napi) {
  sd.cpu.Charge(CostPoint::k_napi_poll);
  napi->Unlink();
  const int weight = napi->weight;
  const int work = (napi->state & NAPI_STATE_SCHED) != 0 ? napi->poll(napi, weight) : 0;
  CHECK_LE(work, weight);
  const bool complete = work < weight;
  sd.cpu.Trace(TraceKind::kNapiPoll, napi->vector, static_cast<uint64_t>(work),
               static_cast<uint64_t>(weight), complete);
  if (complete) return work;
  // A driver that has called napi_complete_done all the same has been scheduled anew by an
  // interrupt at most. Packets may be held until the next poll where a jiffy is short.
  if (napi->gro_bitmask != 0) napi_gro_flush(napi, /*flush_old=*/sd.host_net.kernel.hz() >= 1000);
  gro_normal_list(napi);
  if (!napi->linked()) sd.action_repoll.PushBack(napi);
  return work;
}

void BeginAction(softnet_data& sd) {
  net& net = sd.host_net;
  sd.in_net_rx_action = true;
  sd.action_budget = net.core.netdev_budget;
  // usecs_to_jiffies, rounding up.
  const uint64_t usecs = net.core.netdev_budget_usecs;
  sd.action_time_limit = sd.cpu.jiffies() + (usecs * net.kernel.hz() + 999'999) / 1'000'000;
  sd.action_list.SpliceBack(sd.poll_list);
}

// What is left is polled next time: first the rest of the list, then what was scheduled meanwhile,
// then what has had its turn.
void EndAction(softnet_data& sd) {
  sd.action_list.SpliceBack(sd.poll_list);
  sd.action_list.SpliceBack(sd.action_repoll);
  sd.poll_list.SpliceBack(sd.action_list);
  sd.in_net_rx_action = false;
  if (!sd.poll_list.empty()) sd.cpu.raise_softirq(NET_RX_SOFTIRQ);
}

}  // namespace

softnet_data::softnet_data(net& its_net, Cpu& its_cpu) : host_net(its_net), cpu(its_cpu) {
  backlog.poll = process_backlog;
  backlog.weight = NAPI_POLL_WEIGHT;
  backlog.state = 0;
  backlog.cpu = &its_cpu;
}

// One slice is one poll: interrupts that came meanwhile are taken before the next. The loop of
// net/core/dev.c ends where its list is empty: an instance that used its weight waits for the next
// run of the softirq, so that one busy queue alone gets 64 packets a run, and the budget of 300 is
// met by five and more of them (64 each: after 320 packets).
SoftirqSlice net_rx_action(Cpu& cpu) {
  TRACE_FUNCTION(cpu_net(cpu), nullptr, net_rx_action, cpu);
  softnet_data& sd = cpu_softnet(cpu);
  if (!sd.in_net_rx_action) BeginAction(sd);
  if (napi_struct* const napi = sd.action_list.front()) {
    sd.action_budget -= napi_poll(sd, napi);
    if (sd.action_budget <= 0 || cpu.jiffies() >= sd.action_time_limit) {
      ++sd.time_squeeze;
      EndAction(sd);
      return SoftirqSlice::kDone;
    }
  }
  if (sd.action_list.empty() && sd.action_repoll.empty() && !sd.poll_list.empty()) {
    // All is done but what an interrupt has scheduled since: the same run takes it.
    sd.action_list.SpliceBack(sd.poll_list);
  }
  if (!sd.action_list.empty()) return SoftirqSlice::kYield;
  EndAction(sd);
  return SoftirqSlice::kDone;
}

void netif_napi_add(net_device* dev, napi_struct* napi, int (*poll)(napi_struct* napi, int budget),
                    int weight) {
  CHECK_LE(weight, NAPI_POLL_WEIGHT);
  CHECK((napi->state & NAPI_STATE_LISTED) == 0);
  napi->dev = dev;
  napi->poll = poll;
  napi->weight = weight;
  napi->napi_id = ++dev_net(dev).last_napi_id;
  // Disabled: as if somebody polled it, until napi_enable.
  napi->state = NAPI_STATE_SCHED | NAPI_STATE_LISTED;
  napi->dev_next = dev->napi_list;
  dev->napi_list = napi;
}

void netif_napi_del(napi_struct* napi) {
  if ((napi->state & NAPI_STATE_LISTED) == 0) return;
  CHECK((napi->state & NAPI_STATE_SCHED) != 0 && !napi->linked());
  napi_struct** link = &napi->dev->napi_list;
  while (*link != napi) link = &(*link)->dev_next;
  *link = napi->dev_next;
  napi->state &= static_cast<uint8_t>(~NAPI_STATE_LISTED);
  skb_queue_purge_reason(&napi->rx_list, SKB_DROP_REASON_DEV_READY);
  napi->rx_count = 0;
}

void napi_enable(napi_struct* napi) {
  CHECK((napi->state & NAPI_STATE_SCHED) != 0 && !napi->linked());
  napi->state &= static_cast<uint8_t>(~(NAPI_STATE_SCHED | NAPI_STATE_MISSED | NAPI_STATE_DISABLE));
}

void napi_disable(napi_struct* napi) {
  napi->Unlink();
  napi->state |= NAPI_STATE_SCHED;
  napi->state &= static_cast<uint8_t>(~(NAPI_STATE_MISSED | NAPI_STATE_DISABLE));
  // The poll that is not waited for would have let go what it held.
  if (napi->gro_bitmask != 0) napi_gro_flush(napi, /*flush_old=*/false);
  gro_normal_list(napi);
}

bool napi_schedule_prep(napi_struct* napi) {
  if ((napi->state & NAPI_STATE_DISABLE) != 0) return false;
  if ((napi->state & NAPI_STATE_SCHED) != 0) {
    napi->state |= NAPI_STATE_MISSED;
    return false;
  }
  napi->state |= NAPI_STATE_SCHED;
  return true;
}

void __napi_schedule(Cpu& cpu, napi_struct* napi) {
  TRACE_FUNCTION(cpu_net(cpu), nullptr, __napi_schedule, cpu, napi);
  cpu.Charge(CostPoint::k_napi_schedule);
  softnet_data& sd = cpu_softnet(cpu);
  napi->cpu = &cpu;
  sd.poll_list.PushBack(napi);
  // A running net_rx_action will look at the list again before it ends.
  if (!sd.in_net_rx_action) cpu.raise_softirq(NET_RX_SOFTIRQ);
}

bool napi_schedule(Cpu& cpu, napi_struct* napi) {
  TRACE_FUNCTION(cpu_net(cpu), nullptr, napi_schedule, cpu, napi);
  if (!napi_schedule_prep(napi)) return false;
  __napi_schedule(cpu, napi);
  return true;
}

bool napi_complete_done(napi_struct* napi, int work_done) {
  TRACE_FUNCTION(dev_net(napi->dev), nullptr, napi_complete_done, napi, work_done);
  softnet_data& sd = cpu_softnet(*napi->cpu);
  sd.cpu.Charge(CostPoint::k_napi_complete);
  if (napi->gro_bitmask != 0) napi_gro_flush(napi, /*flush_old=*/false);
  gro_normal_list(napi);
  napi->Unlink();
  const bool missed = (napi->state & NAPI_STATE_MISSED) != 0;
  napi->state &= static_cast<uint8_t>(~(NAPI_STATE_MISSED | NAPI_STATE_SCHED));
  if (!missed) return true;
  napi->state |= NAPI_STATE_SCHED;
  __napi_schedule(sd.cpu, napi);
  return false;
}

}  // namespace tapedeck
