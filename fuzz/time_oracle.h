// TIME:served:<object>. A timer whose time is over has been served: none waits when nothing is
// running, and no CPU was kept from its work.
#ifndef TAPEDECK_FUZZ_TIME_ORACLE_H_
#define TAPEDECK_FUZZ_TIME_ORACLE_H_

#include "stack/core/neighbour.h"
#include "stack/core/sock.h"

namespace tapedeck::fuzz {

// TIME:served:tcp_timer. `sk` is a TCP socket.
void CheckTcpTimers(const sock* sk);
// TIME:served:neighbour_timer.
void CheckNeighbourTimer(const neighbour* neigh);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_TIME_ORACLE_H_
