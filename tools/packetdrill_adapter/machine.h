// The Lab that the packetdrill program drives, as that program's two threads see it: system calls
// that return when they are through, packets in and out, and a clock.
//
// Time is virtual and moves only here: by a microsecond with each look at the clock (the program
// waits by looking), by as much as it sleeps, up to the next packet when it waits for one, and on
// to the end of a call that it makes where only time can end it.
//
// The program makes calls that block on a second thread and goes on with the first once it sees the
// second asleep. So a call that waits really sleeps; and when something the first thread does ends
// it, the first waits until the second has looked at the clock, which is what the program takes for
// the call's end.
#ifndef TAPEDECK_TOOLS_PACKETDRILL_ADAPTER_MACHINE_H_
#define TAPEDECK_TOOLS_PACKETDRILL_ADAPTER_MACHINE_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "replay/lab/command_runner.h"
#include "replay/lab/play_settings.h"
#include "replay/lab/tun_lab.h"
#include "stack/base/time.h"
#include "stack/kernel/wait.h"
#include "stack/socket/syscalls.h"

namespace tapedeck::adapter {

class Machine {
 public:
  // Makes a call on `thread`.
  using MakeCall = std::function<SystemCall(Syscalls& sys, Thread& thread)>;

  explicit Machine(const PlaySettings& settings);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Makes a call and returns its result, >= 0 or -errno, when it has ended. On the program's first
  // thread time passes until it does; one that nothing can end any more ends with -EINTR.
  int64_t Call(const MakeCall& make);

  // The program draws its own address where its command line gives none, and tells it first to
  // bind(): gives the host `address` as well.
  void AddLocalAddress(Ipv4Address address);

  void Inject(std::span<const uint8_t> packet);
  // The next packet that the stack has sent or will send, if there is one before kPatience.
  std::optional<SentPacket> Receive();
  void Sleep(Duration duration);
  // Microseconds since some time ago.
  int64_t Now();

  // Runs a shell command line of a script against the Lab. 0, or 1 where it fails or is none that a
  // Lab understands, which is said on stderr.
  int RunCommand(const std::string& command_line);
  // The size of a file that a command has made; none where there is none.
  std::optional<uint64_t> FileBytes(const std::string& path);

 private:
  using Lock = std::unique_lock<std::mutex>;

  bool OnFirstThread() const;
  void Tick();
  // Lets time pass until `end`, stopping where a call of the second thread ends. Whether it got
  // there.
  bool AdvanceTo(SimTime end, Lock& lock);
  void Advance(SimTime end, Lock& lock);
  void WaitOnFirstThread(const SystemCall& call, Lock& lock);
  void WaitOnSecondThread(const SystemCall& call, Lock& lock);
  void HandOver(Lock& lock);
  void AwaitSecondAsleep(Lock& lock);

  std::mutex mutex_;
  std::condition_variable changed_;
  TunLab lab_;
  CommandRunner commands_;
  const uint16_t gso_size_bytes_;  // of the segments that inbound packets are made of; 0: one each
  const int64_t first_tid_;
  SimTime now_;
  uint64_t activity_ = 0;                // calls of the first thread so far
  const SystemCall* blocked_ = nullptr;  // what the second thread waits for
  int64_t second_tid_ = 0;
  bool returning_ = false;     // it has ended, but its thread has not looked at the clock yet
  bool second_awake_ = false;  // nor gone to sleep again
};

}  // namespace tapedeck::adapter

#endif  // TAPEDECK_TOOLS_PACKETDRILL_ADAPTER_MACHINE_H_
