// What fuzz targets over whole hosts share: a Lab that is put back after every input, and the
// promises that must hold afterwards. A target adds which hosts there are and what they have open.
#ifndef TAPEDECK_FUZZ_STAGE_H_
#define TAPEDECK_FUZZ_STAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "fuzz/call_oracle.h"
#include "fuzz/datagram_oracle.h"
#include "fuzz/nic_oracle.h"
#include "fuzz/reply_oracle.h"
#include "fuzz/script_traits.h"
#include "fuzz/segment_oracle.h"
#include "fuzz/state/state_observer.h"
#include "fuzz/target.h"
#include "fuzz/wire_oracle.h"
#include "replay/lab/fd_names.h"
#include "replay/lab/lab.h"
#include "replay/lab/peer_flows.h"
#include "replay/lab/script_hosts.h"
#include "replay/script/script.h"
#include "stack/base/time.h"
#include "stack/host.h"
#include "stack/socket/sock_diag.h"

namespace tapedeck::fuzz {

class Stage {
 public:
  // `configure` is called with the new Lab; then `prelude` (text spelling), which must hold, is
  // played. What it leaves open and has learnt every input finds. `afterwards` is called when an
  // input's run is over and before the applications end: what a target wants to see then.
  Stage(const LabOptions& options, const std::function<void(Lab&)>& configure,
        std::string_view prelude, std::function<void(Lab&)> afterwards = {});
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  Lab& lab() { return lab_; }
  // `look` is called whenever nothing is running between two steps of a script.
  void CallBetweenSteps(std::function<void()> look) { look_ = std::move(look); }

  // Plays `script` and checks the promises (oracles.h). REQUIRES: ValidateScript(script).ok().
  RunResult Run(const Script& script);
  // The same of the script that `input` spells, where it is in the bounds of ScriptOf().
  RunResult Run(std::span<const uint8_t> input);

 private:
  // How long a run goes on behind the last step. Devices that go down forget what is in their
  // queues, so these must be empty: 256 of the longest frames take 4 ms on a 10G wire, and a
  // moderated interrupt comes within 1 ms.
  static constexpr Duration kSettle = Duration::Milliseconds(10);

  // How long time goes on for a Variation's detour.
  static constexpr Duration kDetour = Duration::Milliseconds(50);

  // What the oracles are told of the input that begins.
  void Begin(const ScriptTraits& traits);
  // How far a script was played.
  struct Played {
    uint64_t frames = 0;  // put on the wire
    bool cut_short = false;
  };
  Played Play(const Script& script, const ScriptTraits& traits);
  // What must hold between two steps.
  // `steps` of the script have been played.
  void CheckBetweenSteps(const PeerFlows& flows, uint64_t steps);
  void CheckSocket(uint8_t host, const sock_diag_entry& entry, const PeerFlows& flows);
  // What is on its way arrives, also where a busy CPU has taken a NIC with it into the future.
  void Settle();
  // The application ends; what is on its way arrives.
  void EndApplications();
  // What is held. A driver replaces used receive buffers in batches; until then one is neither held
  // nor mapped, so of these two only the difference says something. Timers that are armed at rest
  // may have expired for good.
  static constexpr int kHostsMax = 4;
  struct Holdings {
    std::array<uint64_t, size_t{kHostsMax} * Host::kLedgerEntriesMax> others;
    uint64_t packet_buffers;
    uint64_t timers;
    uint64_t mappings_without_buffer;
  };
  Holdings Held();
  // As much is held as after no input at all, and no frame is on its way.
  bool AtRest();
  // Two hours of silence after the end of applications: nothing that a connection, a datagram or a
  // call needs is held for longer.
  void CheckComesToRest();
  // What of the ledgers nobody may hold for ever, and is held more than at rest; nullptr: nothing.
  const char* HeldTooLong();

  ScriptPeers peers_;
  Lab lab_;
  std::function<void(Lab&)> afterwards_;
  std::function<void()> look_;
  FdNames names_;
  std::optional<PeerFlows> flows_;
  CallOracle calls_;
  NicOracle nics_{lab_};
  WireOracle wire_;
  StateObserver state_{lab_, EngineStateMap()};
  SegmentOracle segments_{lab_};
  ReplyOracle replies_{lab_};
  DatagramOracle datagrams_;
  bool punctual_ = false;  // CPUs do what is due when it is due, as far as the input has a say
  bool timely_ = false;    // punctual, and nothing is running
  bool streams_ = false;   // of this input's peers every segment is a SegmentStep
  Lab::Checkpoint start_;
  Holdings at_rest_;
};

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_STAGE_H_
