// What must hold between NICs and their drivers.
//
// While it happens (NicOracle):
//
//   DMA-OWN:allowed:access         no device touches memory that its driver has not given it
//   FAIR:within_budget:rx_ring     a poll takes no more frames than its budget: others want a turn
//   FAIR:within_budget:tx_ring     ... and gives back no more packets than half a ring
//
// And, of LIVE: some time after the last thing that happened nothing waits in a ring for a driver
// who has been told of it, or ought to have been:
//
//   LIVE:served:rx_ring        frames that the device has delivered were taken
//   LIVE:served:tx_ring        packets that it has sent were given back
//   LIVE:woken:tx_queue        a queue was stopped because the ring was full, and it is empty
#ifndef TAPEDECK_FUZZ_NIC_ORACLE_H_
#define TAPEDECK_FUZZ_NIC_ORACLE_H_

#include <array>
#include <cstdint>

#include "replay/lab/lab.h"
#include "replay/script/script.h"
#include "replay/trace/recorder.h"

namespace tapedeck::fuzz {

class NicOracle : public TraceObserver {
 public:
  // `lab` must outlive it.
  explicit NicOracle(Lab& lab) : lab_(lab) {}

  // Another input begins, whose NICs are `honest`; `goes_back`: counters become what they were.
  void Begin(bool honest, bool goes_back);

  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;

 private:
  // What the drivers of a host have counted so far.
  struct Counted {
    uint64_t received = 0;
    uint64_t sent = 0;
    uint64_t sent_max = 0;  // in one poll
  };
  Counted CountedBy(int host);
  // The poll that `event` tells of is over.
  void CheckPoll(const TraceEvent& event);

  Lab& lab_;
  bool honest_ = false;
  bool counting_ = false;
  std::array<Counted, kHostsMax> before_;
};

// Whether drivers have taken all that their devices have done, and who waits for room is awake.
bool RingsServed(Lab& lab);
// The same as a promise. REQUIRES: nothing has happened for longer than any interrupt is moderated,
// and nothing has held interrupts up: otherwise none of this is the driver's fault.
void CheckRingsServed(Lab& lab);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_NIC_ORACLE_H_
