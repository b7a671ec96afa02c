// The state machine of one neighbour (net/core/neighbour.c).
#include "stack/core/neighbour.h"

#include <algorithm>
#include <cerrno>

#include "stack/core/neigh_internal.h"
#include "stack/core/net.h"

namespace tapedeck {

using neigh_internal::neigh_add_timer;
using neigh_internal::neigh_del_timer;
using neigh_internal::ReachableTime;
using neigh_internal::SetState;

namespace {

Jiffies Now(const neighbour* neigh) { return neigh->tbl->host_net.jiffies(); }
Jiffies CentiSecond(const neighbour* neigh) { return neigh->tbl->host_net.kernel.hz() / 100; }

Jiffies RetransTime(const neighbour* neigh) {
  return std::max<Jiffies>(static_cast<Jiffies>(neigh->parms->retrans_time), CentiSecond(neigh));
}

// How many questions an entry may ask in its state. An incomplete one starts to count at
// ucast_probes: it has no address that it could ask directly.
uint32_t neigh_max_probes(const neighbour* neigh) {
  const neigh_parms* const p = neigh->parms;
  const int32_t everybody =
      (neigh->nud_state & NUD_PROBE) != 0 ? p->mcast_reprobes : p->mcast_probes;
  return static_cast<uint32_t>(p->ucast_probes + p->app_probes + everybody);
}

// The address must be verified by use / may be used as it is.
void neigh_suspect(neighbour* neigh) { neigh->output = neigh->ops->output; }
void neigh_connect(neighbour* neigh) { neigh->output = neigh->ops->connected_output; }

void neigh_probe(neighbour* neigh) {
  // The question may go out on behalf of the packet that waited last; a clone, as asking may change
  // the queue.
  sk_buff* const waiting = skb_peek_tail(&neigh->arp_queue);
  sk_buff* const skb = waiting != nullptr ? skb_clone(waiting) : nullptr;
  neigh->ops->solicit(neigh, skb);
  ++neigh->probes;
  consume_skb(skb);
}

void PurgeQueue(neighbour* neigh) {
  __skb_queue_purge_reason(&neigh->arp_queue, SKB_DROP_REASON_NEIGH_FAILED);
  neigh->arp_queue_len_bytes = 0;
}

sk_buff* TakeWaiting(neighbour* neigh) {
  sk_buff* const skb = __skb_dequeue(&neigh->arp_queue);
  if (skb != nullptr) neigh->arp_queue_len_bytes -= skb->truesize;
  return skb;
}

// Nobody answers: every waiting packet is reported. Telling the sender may start a new resolution
// of the same entry, which ends this.
void neigh_invalidate(neighbour* neigh) {
  ++neigh->tbl->stats.res_failed;
  neigh->updated = Now(neigh);
  while (neigh->nud_state == NUD_FAILED) {
    sk_buff* const skb = TakeWaiting(neigh);
    if (skb == nullptr) break;
    neigh->ops->error_report(neigh, skb);
  }
  if (neigh->nud_state == NUD_FAILED) PurgeQueue(neigh);
}

// What becomes of a REACHABLE or DELAY entry whose time has come; returns when to look again.
Jiffies ReachableTimeout(neighbour* neigh, Jiffies now) {
  const auto delay = static_cast<Jiffies>(neigh->parms->delay_probe_time);
  const Jiffies reachable_until = neigh->confirmed + ReachableTime(neigh->parms);
  if (now <= reachable_until) return reachable_until;
  neigh->updated = now;
  if (now <= neigh->used + delay) {
    SetState(neigh, NUD_DELAY);
    neigh_suspect(neigh);
    return now + delay;
  }
  SetState(neigh, NUD_STALE);
  neigh_suspect(neigh);
  return now;
}

Jiffies DelayTimeout(neighbour* neigh, Jiffies now) {
  const auto delay = static_cast<Jiffies>(neigh->parms->delay_probe_time);
  neigh->updated = now;
  if (now <= neigh->confirmed + delay) {
    SetState(neigh, NUD_REACHABLE);
    neigh_connect(neigh);
    return neigh->confirmed + ReachableTime(neigh->parms);
  }
  SetState(neigh, NUD_PROBE);
  neigh->probes = 0;
  return now + RetransTime(neigh);
}

// neigh_timer_handler without the reference.
void TimerExpired(neighbour* neigh) {
  const Jiffies now = Now(neigh);
  const uint8_t state = neigh->nud_state;
  if ((state & NUD_IN_TIMER) == 0) return;
  Jiffies next = now + RetransTime(neigh);
  if ((state & NUD_REACHABLE) != 0) {
    next = ReachableTimeout(neigh, now);
  } else if ((state & NUD_DELAY) != 0) {
    next = DelayTimeout(neigh, now);
  }
  const bool asking = (neigh->nud_state & (NUD_INCOMPLETE | NUD_PROBE)) != 0;
  if (asking && neigh->probes >= neigh_max_probes(neigh)) {
    SetState(neigh, NUD_FAILED);
    neigh_invalidate(neigh);
    return;
  }
  if ((neigh->nud_state & NUD_IN_TIMER) != 0) {
    neigh_add_timer(neigh, std::max(next, now + CentiSecond(neigh)));
  }
  if (asking) neigh_probe(neigh);
}

// Lets a packet wait for the address; the oldest ones give way.
void QueueWaiting(neighbour* neigh, sk_buff* skb) {
  const auto limit = static_cast<uint32_t>(neigh->parms->queue_len_bytes);
  while (skb->truesize + neigh->arp_queue_len_bytes > limit) {
    sk_buff* const oldest = TakeWaiting(neigh);
    if (oldest == nullptr) break;
    kfree_skb_reason(oldest, SKB_DROP_REASON_NEIGH_QUEUEFULL);
    ++neigh->tbl->stats.unres_discards;
  }
  __skb_queue_tail(&neigh->arp_queue, skb);
  neigh->arp_queue_len_bytes += skb->truesize;
}

// Starts to ask for an address that is unknown. False where nobody can be asked: the entry has
// failed.
bool StartResolution(neighbour* neigh) {
  const Jiffies now = Now(neigh);
  const neigh_parms* const p = neigh->parms;
  neigh->updated = now;
  if (p->mcast_probes + p->app_probes == 0) {
    SetState(neigh, NUD_FAILED);
    return false;
  }
  neigh->probes = static_cast<uint32_t>(p->ucast_probes);
  neigh_del_timer(neigh);
  SetState(neigh, NUD_INCOMPLETE);
  neigh_add_timer(neigh, now + RetransTime(neigh));
  return true;
}

bool __neigh_event_send(neighbour* neigh, sk_buff* skb) {
  if (neigh->dead) {
    if ((neigh->nud_state & NUD_STALE) != 0) return false;
    kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_DEAD);
    return true;
  }
  bool ask_now = false;
  if ((neigh->nud_state & NUD_STALE) != 0) {
    neigh_del_timer(neigh);
    neigh->updated = Now(neigh);
    SetState(neigh, NUD_DELAY);
    neigh_add_timer(neigh, Now(neigh) + static_cast<Jiffies>(neigh->parms->delay_probe_time));
  } else if ((neigh->nud_state & NUD_INCOMPLETE) == 0) {
    if (!StartResolution(neigh)) {
      kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_FAILED);
      return true;
    }
    ask_now = true;
  }
  const bool waits = neigh->nud_state == NUD_INCOMPLETE;
  if (waits && skb != nullptr) QueueWaiting(neigh, skb);
  if (ask_now) neigh_probe(neigh);
  return waits;
}

// Puts a new address into the cached header.
void neigh_update_hhs(neighbour* neigh) {
  const header_ops* const ops = neigh->dev->header_ops;
  if (neigh->hh.hh_len != 0 && ops != nullptr && ops->cache_update != nullptr) {
    ops->cache_update(&neigh->hh, neigh->dev, neigh->ha);
  }
}

// The address is known now: what waited may go.
void SendWaiting(neighbour* neigh) {
  while ((neigh->nud_state & NUD_VALID) != 0) {
    sk_buff* const skb = TakeWaiting(neigh);
    if (skb == nullptr) return;
    neigh->output(neigh, skb);
  }
  PurgeQueue(neigh);
}

// neigh_update with a state in which the entry has no address.
void Invalidate(neighbour* neigh, uint8_t new_state) {
  const uint8_t old = neigh->nud_state;
  neigh_del_timer(neigh);
  if ((old & NUD_CONNECTED) != 0) neigh_suspect(neigh);
  SetState(neigh, new_state);
  if ((old & (NUD_INCOMPLETE | NUD_PROBE)) != 0 && (new_state & NUD_FAILED) != 0) {
    neigh_invalidate(neigh);
  }
}

void ChangeState(neighbour* neigh, uint8_t new_state) {
  neigh_del_timer(neigh);
  if ((new_state & NUD_PROBE) != 0) neigh->probes = 0;
  if ((new_state & NUD_IN_TIMER) != 0) {
    const bool reachable = (new_state & NUD_REACHABLE) != 0;
    neigh_add_timer(neigh, Now(neigh) + (reachable ? ReachableTime(neigh->parms) : 0));
  }
  SetState(neigh, new_state);
}

void ChangeAddress(neighbour* neigh, const uint8_t* lladdr, uint8_t new_state) {
  std::memcpy(neigh->ha, lladdr, neigh->dev->addr_len);
  neigh_update_hhs(neigh);
  if ((new_state & NUD_CONNECTED) == 0) {
    // Not confirmed, and so long ago that it counts as such.
    neigh->confirmed = Now(neigh) - 2 * static_cast<Jiffies>(neigh->parms->base_reachable_time);
  }
}

void SetFlag(neighbour* neigh, uint8_t flag, bool on) {
  neigh->flags = static_cast<uint8_t>((neigh->flags & ~flag) | (on ? flag : 0));
}

bool IsExemptFromGc(const neighbour* neigh) {
  return (neigh->nud_state & NUD_PERMANENT) != 0 || (neigh->flags & NTF_EXT_LEARNED) != 0;
}

// neigh_update, but for the list of what may be collected.
int Update(neighbour* neigh, const uint8_t* lladdr, uint8_t new_state, uint32_t flags) {
  const uint8_t old = neigh->nud_state;
  const bool admin = (flags & NEIGH_UPDATE_F_ADMIN) != 0;
  if (neigh->dead || (!admin && (old & (NUD_NOARP | NUD_PERMANENT)) != 0)) return -EPERM;
  if (admin) SetFlag(neigh, NTF_EXT_LEARNED, (flags & NEIGH_UPDATE_F_EXT_LEARNED) != 0);
  if ((flags & NEIGH_UPDATE_F_USE) != 0) {
    SetState(neigh, static_cast<uint8_t>(old & ~NUD_PERMANENT));
    return 0;
  }
  if ((new_state & NUD_VALID) == 0) {
    Invalidate(neigh, new_state);
    return 0;
  }
  const bool valid = (old & NUD_VALID) != 0;
  if (lladdr == nullptr && neigh->dev->addr_len != 0 && !valid) return -EINVAL;
  bool changed = lladdr != nullptr && neigh->dev->addr_len != 0 &&
                 !(valid && std::memcmp(lladdr, neigh->ha, neigh->dev->addr_len) == 0);
  // Heard of, whether or not anything changes by it.
  if ((new_state & NUD_CONNECTED) != 0) neigh->confirmed = Now(neigh);

  bool update_router = (flags & NEIGH_UPDATE_F_OVERRIDE_ISROUTER) != 0;
  if (valid && changed && (flags & NEIGH_UPDATE_F_OVERRIDE) == 0) {
    const bool weak = (flags & NEIGH_UPDATE_F_WEAK_OVERRIDE) != 0;
    if (!weak || (old & NUD_CONNECTED) == 0) return 0;
    // Another address claims to be it: keep ours, but verify it.
    changed = false;
    update_router = false;
    new_state = NUD_STALE;
  } else if (valid && !changed && new_state == NUD_STALE && !admin) {
    new_state = old;
  }

  const bool new_differs = new_state != old;
  if (new_differs || changed) neigh->updated = Now(neigh);
  if (new_differs) ChangeState(neigh, new_state);
  if (changed) ChangeAddress(neigh, lladdr, new_state);
  if (new_differs) {
    if ((new_state & NUD_CONNECTED) != 0) {
      neigh_connect(neigh);
    } else {
      neigh_suspect(neigh);
    }
    if (!valid) SendWaiting(neigh);
  }
  if (update_router) {
    SetFlag(neigh, NTF_ROUTER, (flags & NEIGH_UPDATE_F_ISROUTER) != 0);
  }
  return 0;
}

}  // namespace

namespace neigh_internal {

void SetState(neighbour* neigh, uint8_t state) {
  if (neigh->nud_state == state) return;
  const neigh_table* const tbl = neigh->tbl;
  net& net = tbl->host_net;
  if (net.world.tracing()) {
    const bool v4 = tbl->key_len == 4;
    Cpu& cpu = net.this_cpu();
    net.world.Trace({.time = cpu.now(),
                     .kind = TraceKind::kNeighState,
                     .host = static_cast<uint8_t>(net.kernel.host()),
                     .cpu = static_cast<uint8_t>(cpu.id()),
                     .args = {v4 ? uint64_t{LoadBe32(neigh->primary_key)}
                                 : LoadBe64(neigh->primary_key + tbl->key_len - 8),
                              neigh->nud_state, state},
                     .bytes = {neigh->primary_key, v4 ? size_t{0} : tbl->key_len}});
  }
  neigh->nud_state = state;
  MaybeArmGc(neigh->tbl);
}

void neigh_add_timer(neighbour* neigh, Jiffies when) {
  if (!mod_timer(neigh->tbl->host_net.this_cpu(), &neigh->timer, when)) neigh_clone(neigh);
}

void neigh_del_timer(neighbour* neigh) {
  if (timer_delete(&neigh->timer)) neigh_release(neigh);
}

void neigh_timer_handler(TimerList* timer) {
  neighbour* const neigh = static_cast<neighbour::Timer*>(timer)->neigh;
  TimerExpired(neigh);
  neigh_release(neigh);
}

int neigh_blackhole(neighbour* /*neigh*/, sk_buff* skb) {
  kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_DEAD);
  return -ENETDOWN;
}

}  // namespace neigh_internal

bool neigh_event_send(neighbour* neigh, sk_buff* skb) {
  neigh->used = Now(neigh);
  if ((neigh->nud_state & (NUD_CONNECTED | NUD_DELAY | NUD_PROBE)) != 0) return false;
  return __neigh_event_send(neigh, skb);
}

void neigh_confirm(neighbour* neigh) { neigh->confirmed = Now(neigh); }

void neigh_set_probe_once(neighbour* neigh) {
  if (neigh->dead) return;
  neigh->updated = Now(neigh);
  if ((neigh->nud_state & NUD_FAILED) == 0) return;
  SetState(neigh, NUD_INCOMPLETE);
  neigh->probes = neigh_max_probes(neigh);
  neigh_add_timer(neigh, Now(neigh) + RetransTime(neigh));
}

int neigh_update(neighbour* neigh, const uint8_t* lladdr, uint8_t new_state, uint32_t flags) {
  const bool was_exempt = IsExemptFromGc(neigh);
  const int err = Update(neigh, lladdr, new_state, flags);
  if (IsExemptFromGc(neigh) != was_exempt) neigh_internal::neigh_update_gc_list(neigh);
  return err;
}

neighbour* neigh_event_ns(neigh_table* tbl, const uint8_t* lladdr, const void* saddr,
                          net_device* dev) {
  neighbour* neigh = neigh_lookup(tbl, saddr, dev);
  if (neigh == nullptr && (lladdr != nullptr || dev->addr_len == 0)) {
    neigh = neigh_create(tbl, saddr, dev);
  }
  if (neigh != nullptr) neigh_update(neigh, lladdr, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE);
  return neigh;
}

}  // namespace tapedeck
