// Plays a Script in packetdrill's language in a TunLab and says whether it held.
//
// A step happens at its time, after all else that happens then. Packets of the script that come in
// get the connection's real addresses and numbers; packets that the host sends are compared, in
// their order, with those that the script expects (packet_match.h). A system call is made on a
// thread of its own; the next step waits until it has returned or sleeps. One that the script says
// blocks goes on beside the script; any other delays it. Source: packetdrill, run.c, run_packet.c,
// run_system_call.c.
#ifndef TAPEDECK_REPLAY_LAB_TUN_PLAYER_H_
#define TAPEDECK_REPLAY_LAB_TUN_PLAYER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "replay/lab/command_runner.h"
#include "replay/lab/fd_names.h"
#include "replay/lab/play_settings.h"
#include "replay/lab/script_call.h"
#include "replay/lab/script_sockets.h"
#include "replay/lab/tcp_info_names.h"
#include "replay/lab/tun_lab.h"
#include "replay/script/code.h"
#include "replay/script/script.h"
#include "replay/trace/verdict.h"

namespace tapedeck {

class TunPlayer {
 public:
  // All three must outlive the player; it must be gone before the Lab is shut down.
  TunPlayer(TunLab& lab, const Script& script, const PlaySettings& settings);
  TunPlayer(const TunPlayer&) = delete;
  TunPlayer& operator=(const TunPlayer&) = delete;
  // Calls that still wait end without a result.
  ~TunPlayer();

  // Plays all of the script, or up to its first difference.
  Verdict Play();
  // The same a step at a time: false once there is none left.
  bool PlayNext();
  // How many steps have begun.
  size_t begun() const { return number_; }
  const Verdict& verdict() const { return verdict_; }

  // What the script's print() wrote.
  const std::string& output() const { return code_.output(); }
  // Warnings of scripts that ask for them (--non_fatal=packet), a line each.
  const std::string& warnings() const { return warnings_; }

 private:
  // The times of a step.
  struct When {
    SimTime time;
    std::optional<SimTime> range_end;
    bool any = false;
  };
  // Packets that the host sent and that are one to the script.
  struct Sighting {
    LivePacket packet;  // in the numbers of the script
    SimTime time;
  };

  void Begin();
  void PlayStep(const Step& step);
  void End();

  When TimeOf(const Step& step) const;
  // Runs until `when` and says whether that is now.
  bool WaitUntil(const When& when, const char* what);
  bool TimeHolds(const When& when, SimTime actual, const char* what);
  void Settle();

  bool Do(const Step&, const PauseStep&, const When& when);
  bool Do(const Step& step, const PacketStep& packet, const When& when);
  bool Do(const Step& step, const SyscallStep& call, const When& when);
  bool Do(const Step& step, const CommandStep& command, const When& when);
  bool Do(const Step& step, const CodeStep& code, const When& when);
  bool Do(const Step& step, const AllocationFailureStep& what, const When& when);
  bool Do(const Step& step, const SysctlStep& what, const When& when);
  bool Do(const Step& step, const CpuBusyStep& what, const When& when);
  // Any other: it is about NICs.
  template <typename What>
  bool Do(const Step&, const What&, const When&) {
    return Fail("frames and faults of NICs are for hosts with NICs; a tun device has packets only");
  }

  bool Inject(const PacketStep& packet, ScriptConnection& connection);
  bool Expect(const Step& step, const PacketStep& packet, ScriptConnection& connection,
              const When& when);
  // The next packet of the connection under test that the host sends, until `deadline`.
  std::optional<Sighting> NextSent(const PacketStep& expected, SimTime deadline);
  bool Gather(const PacketStep& expected, SimTime deadline, Sighting* seen);
  // What was expected and what came, one under the other; `found` and `then` may be null.
  std::string Ladder(const std::string& why, const PacketStep& expected, const Sighting* found,
                     const Sighting* then) const;
  bool Differs(const Step& step, const Sighting& seen, const std::string& why);

  // Notes and checks the calls that have ended; false where one is not as it should be.
  bool CollectEnded();
  bool CheckEnded(const ScriptCall& call);
  // What follows for the connections: before a call is made, and from its result.
  void NoteConnect(const ScriptCall& call);
  void NoteResult(const ScriptCall& call);
  bool FinishCalls();
  Thread* TakeThread();

  std::optional<int64_t> LookUp(std::string_view name);

  // The first difference stands.
  bool Fail(size_t number, std::string difference);
  bool Fail(std::string difference) { return Fail(number_, std::move(difference)); }
  // "0.100000", from the start of the script.
  std::string TimeText(SimTime time) const;

  TunLab& lab_;
  const Script& script_;
  const PlaySettings& settings_;
  ScriptSockets sockets_;
  CommandRunner commands_;
  CodeRunner code_;
  FdNames names_;
  SimTime start_;
  SimTime now_;
  // Of the step before: when the script has it, and whether it was a packet that came in.
  std::optional<SimTime> last_time_;
  bool last_inbound_ = false;
  SimTime last_expected_;  // when the packet under comparison should come
  size_t number_ = 0;      // of the present step
  bool begun_ = false;
  bool over_ = false;
  std::vector<std::unique_ptr<ScriptCall>> calls_;  // all; data of zero-copy sends must stay
  std::vector<ScriptCall*> waiting_;
  std::vector<Thread*> idle_;
  std::vector<uint8_t> info_[kInfoSources];  // of the present CodeStep
  Verdict verdict_;
  std::string warnings_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_TUN_PLAYER_H_
