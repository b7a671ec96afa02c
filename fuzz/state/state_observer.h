// Fills a StateMap from a run: from the events of its trace, and from what its hosts hold between
// two steps. It changes nothing, and nothing of an earlier run shows.
#ifndef TAPEDECK_FUZZ_STATE_STATE_OBSERVER_H_
#define TAPEDECK_FUZZ_STATE_STATE_OBSERVER_H_

#include <algorithm>
#include <array>
#include <cstdint>

#include "fuzz/state/state_map.h"
#include "replay/lab/lab.h"
#include "replay/script/script.h"
#include "replay/trace/recorder.h"
#include "stack/socket/sock_diag.h"

namespace tapedeck::fuzz {

class StateObserver : public TraceObserver {
 public:
  // Both outlive it.
  StateObserver(Lab& lab, StateMap& map) : lab_(lab), map_(map) {}

  // A run begins: the map is cleared.
  void Begin();
  // `step` has been played: a call has been made, a frame is on its way.
  void AfterStep(const Step& step);
  // The run is over.
  void End();

  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;

 private:
  // The last two states of a socket as far as this run has changed them; 0: it has not.
  struct Path {
    uint8_t before = 0;
    uint8_t last = 0;
  };

  Path& PathOf(uint64_t socket, uint8_t host);
  // What hosts hold now.
  void Look();
  void LookAt(const sock_diag_entry& entry);
  void LookAtTcp(const sock* sk);
  void Raise(StateQueue queue, uint64_t length) {
    uint64_t& maximum = maxima_[static_cast<size_t>(queue)];
    maximum = std::max(maximum, length);
  }
  void NoteSockState(const TraceEvent& event);
  void NoteCallExit(const TraceEvent& event);

  Lab& lab_;
  StateMap& map_;
  // By number and host; those beyond share an entry. Of one size, since what grows in an input's
  // first run takes another way through code than in its second (AFL++'s stability).
  static constexpr size_t kSockets = 256;
  static constexpr size_t kHosts = 4;
  std::array<std::array<Path, kHosts>, kSockets> paths_ = {};
  uint32_t tcp_states_ = 0;  // bit by bit: some socket was in the state when Look() last looked
  size_t last_call_ = 0;     // group and result of the last call
  std::array<uint64_t, kStateQueues> maxima_ = {};
};

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_STATE_STATE_OBSERVER_H_
