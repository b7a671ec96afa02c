// Plays a Script in a Lab: every step at its virtual time, and compares what system calls do with
// what the script expects.
//
// A step happens once all that comes before its time has happened. A call is made by a thread of
// its own on CPU 0; the next step waits until it has returned or sleeps, as in packetdrill. Steps
// of hosts that the Lab does not have only take time, and so do packets, command lines and code,
// which are about a connection under test: TunPlayer plays those. A NIC that a host does not have
// is one that it has.
#ifndef TAPEDECK_REPLAY_LAB_SCRIPT_PLAYER_H_
#define TAPEDECK_REPLAY_LAB_SCRIPT_PLAYER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replay/lab/fd_names.h"
#include "replay/lab/lab.h"
#include "replay/lab/peer_flows.h"
#include "replay/lab/script_call.h"
#include "replay/script/script.h"
#include "replay/trace/verdict.h"
#include "stack/base/time.h"

namespace tapedeck {

// Steps of the main loop after which a script is cut short wherever it is. Only what nothing bounds
// gets there: interrupts of a NIC whose registers somebody else writes (Linux serves them for ever,
// too), hours of two hosts that send each other what they can. Of an input of fuzzers a twentieth
// of a second's work, a second's under sanitizers; of a script that somebody wrote some seconds'.
inline constexpr uint64_t kInputWorkMax = 500'000;
inline constexpr uint64_t kScriptWorkMax = 50'000'000;

class ScriptPlayer : private FrameListener {
 public:
  // The script starts at the Lab's present. `names`: descriptors that an earlier script has left
  // open; `flows`: its peers' connections. The player must be gone before the Lab is shut down or
  // restored; the script only afterwards, as its frames may still be on the wire. Where the Lab's
  // hosts are back to back each is the other's peer, and flows are not kept. REQUIRES:
  // ValidateScript(script).ok().
  ScriptPlayer(Lab& lab, const Script& script, FdNames names = {},
               std::optional<PeerFlows> flows = std::nullopt);
  ScriptPlayer(const ScriptPlayer&) = delete;
  ScriptPlayer& operator=(const ScriptPlayer&) = delete;
  // Calls that still wait end without a result.
  ~ScriptPlayer() override;

  // Plays all steps, and runs on until every call that the script has return later should have done
  // so.
  void Play();

  // The same a step at a time: false once all is played, or the work that LimitWork() allows is
  // done.
  bool PlayNext();
  // Ends the script once the Lab's main loop has taken so many steps for it, wherever it is then:
  // what no time limit bounds, as interrupts without end in a script's hours.
  void LimitWork(uint64_t steps) { work_left_ = steps; }
  // The script was ended so.
  bool out_of_work() const { return work_left_ == 0; }
  // How many steps have begun.
  size_t begun() const { return std::min(next_, script_.steps.size()); }

  // Goes on for `duration` and takes back what has happened: it must make no difference to the
  // rest. False, and nothing is done, where a call is under way or the script keeps a state itself.
  bool Detour(Duration duration);

  // Whether all expectations were met. Where it was more than one that was not, the first to be so
  // in time.
  Verdict verdict() const;

  const FdNames& names() const { return names_; }
  const PeerFlows& flows() const { return flows_; }
  // Frames put on the wire so far.
  uint64_t frames() const { return frames_; }

 private:
  // A call under way or just ended.
  struct Played {
    std::unique_ptr<ScriptCall> call;
    bool blocked = false;  // it did not return at once
  };
  // Between what step `number` expects and what happened.
  struct Difference {
    size_t number = 0;
    std::string found;
  };

  void Do(const Step&, const PauseStep&, size_t) {}
  void Do(const Step&, const PacketStep&, size_t) {}
  void Do(const Step&, const CommandStep&, size_t) {}
  void Do(const Step&, const CodeStep&, size_t) {}
  void Do(const Step& step, const FrameStep& frame, size_t number);
  void Do(const Step& step, const SegmentStep& segment, size_t number);
  void Do(const Step& step, const SyscallStep& call, size_t number);
  void Do(const Step& step, const LinkStep& link, size_t number);
  void Do(const Step& step, const NicRegisterStep& what, size_t number);
  void Do(const Step& step, const NicFaultStep& what, size_t number);
  void Do(const Step& step, const SpuriousInterruptStep& what, size_t number);
  void Do(const Step& step, const AllocationFailureStep& what, size_t number);
  void Do(const Step& step, const SysctlStep& what, size_t number);
  void Do(const Step& step, const CpuBusyStep& what, size_t number);
  void Do(const Step& step, const SnapshotStep& what, size_t number);

  // Everything that happens until `end`; false where the work was done before.
  bool RunUntil(SimTime end);
  // When a step takes effect whose time has come.
  SimTime StepTime() const { return Later(now_, lab_.world().now()); }
  CallDefaults DefaultsOf(uint8_t host) const;
  void Save();
  void Restore();
  // Who hears what the hosts send; nullptr: nobody.
  void Listen(FrameListener* listener);
  // Calls that still wait end without a result.
  void EndWaiting();

  void OnFrame(uint8_t host, SimTime, std::span<const uint8_t> frame) override {
    flows_.Observe(host, frame);
  }
  Thread* TakeThread(uint8_t host);
  // What follows from the result of a call that has ended.
  void NoteEnd(const Played& played);
  // Whether it did what was expected, and when.
  static bool AsExpected(const Played& played);
  std::string Found(const Played& played) const;
  void NoteDifference(size_t number, std::string found);
  void FreeEnded();

  Lab& lab_;
  const Script& script_;
  FdNames names_;
  PeerFlows flows_;
  SimTime start_;
  SimTime now_;          // of the present step
  size_t next_ = 0;      // which step comes next; one behind the last: all is played
  SimTime last_return_;  // when the last call that blocks should be back
  uint64_t frames_ = 0;
  uint64_t work_left_ = std::numeric_limits<uint64_t>::max();
  std::vector<uint8_t> repaired_;           // a frame, for a moment
  std::vector<Played> waiting_;             // in the order of the script
  std::vector<std::vector<Thread*>> idle_;  // threads without a call, by host
  std::optional<Difference> difference_;

  // What SnapshotStep keeps: the Lab, and where the player was.
  struct Saved {
    Lab::Checkpoint lab;
    FdNames names;
    PeerFlows flows;
    SimTime now;
    SimTime last_return;
    uint64_t frames;
    std::vector<std::vector<Thread*>> idle;
  };
  std::unique_ptr<Saved> saved_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_SCRIPT_PLAYER_H_
