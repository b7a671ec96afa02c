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
// Registers the files of `parms`, under `dev_name`.
void RegisterParms(neigh_table* tbl, neigh_parms* parms, const char* dev_name);
// Defaults in jiffies.
void InitDefaultParms(neigh_table* tbl);
// A new reachable_time between 0.5 and 1.5 times the base.
void DrawReachableTime(neigh_parms* parms);
// The reachable time, drawn anew every five minutes as neigh_periodic_work does it.
Jiffies ReachableTime(neigh_parms* parms);
// Runs the questions for proxied addresses that are due.
void neigh_proxy_process(TimerList* timer);
// Drops the waiting questions that came in on `dev`; nullptr: all.
void pneigh_queue_purge(neigh_table* tbl, const net_device* dev);

}  // namespace tapedeck::neigh_internal

#endif  // TAPEDECK_STACK_CORE_NEIGH_INTERNAL_H_
