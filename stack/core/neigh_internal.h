// What the parts of the neighbour code share among themselves. Not for others.
#ifndef TAPEDECK_STACK_CORE_NEIGH_INTERNAL_H_
#define TAPEDECK_STACK_CORE_NEIGH_INTERNAL_H_

#include "stack/core/neighbour.h"
#include "stack/core/net.h"

namespace tapedeck::neigh_internal {

// Changes nud_state, with a trace event.
void SetState(neighbour* neigh, uint8_t state);
// The entry's timer holds a reference while it is armed.
void neigh_add_timer(neighbour* neigh, Jiffies when);
void neigh_del_timer(neighbour* neigh);
void neigh_timer_handler(TimerList* timer);
// Output of an entry that is not usable any more: drops.
int neigh_blackhole(neighbour* neigh, sk_buff* skb);
// Starts garbage collection where the table has grown enough for it.
void MaybeArmGc(neigh_table* tbl);
// Puts an entry on the list of those that may be collected, or takes it off, after its state or its
// flags have changed.
void neigh_update_gc_list(neighbour* neigh);
// A new entry, without a reference. REQUIRES: there is none for this key. nullptr where the table
// is full (unless exempt), memory failed or the constructor refused.
neighbour* ___neigh_create(neigh_table* tbl, const void* key, net_device* dev, uint8_t flags,
                           bool exempt_from_gc);
// Forgets the proxied addresses of `dev`; nullptr: all.
void pneigh_ifdown(neigh_table* tbl, const net_device* dev, bool skip_permanent);
// Defaults in jiffies.
void InitDefaultParms(neigh_table* tbl);
// The reachable time, drawn anew every five minutes as neigh_periodic_work does it.
Jiffies ReachableTime(neigh_parms* parms);
// Runs the questions for proxied addresses that are due.
void neigh_proxy_process(TimerList* timer);
// Drops the waiting questions that came in on `dev`; nullptr: all.
void pneigh_queue_purge(neigh_table* tbl, const net_device* dev);

}  // namespace tapedeck::neigh_internal

#endif  // TAPEDECK_STACK_CORE_NEIGH_INTERNAL_H_
