// LIVE of NICs. Some time after the last thing that happened nothing waits in a ring for a driver
// who has been told of it, or ought to have been:
//
//   LIVE:served:rx_ring        frames that the device has delivered were taken
//   LIVE:served:tx_ring        packets that it has sent were given back
//   LIVE:woken:tx_queue        a queue was stopped because the ring was full, and it is empty
#ifndef TAPEDECK_FUZZ_NIC_ORACLE_H_
#define TAPEDECK_FUZZ_NIC_ORACLE_H_

#include "replay/lab/lab.h"
#include "replay/script/script.h"

namespace tapedeck::fuzz {

// Whether `script` leaves the driver's interrupts alone: otherwise none of this is its fault.
bool LeavesInterruptsAlone(const Script& script);

// REQUIRES: nothing has happened for longer than any interrupt is moderated.
void CheckRingsServed(Lab& lab);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_NIC_ORACLE_H_
