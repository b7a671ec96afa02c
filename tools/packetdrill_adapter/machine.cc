#include "tools/packetdrill_adapter/machine.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <utility>

#include "replay/script/script.h"
#include "replay/script/text.h"

namespace tapedeck::adapter {
namespace {

// Virtual time that a wait for a packet or for the end of a call may take: nothing that a stack
// does by itself comes later but keepalives.
constexpr Duration kPatience = Duration::Seconds(200);
// Real time in which the program's other thread answers, however loaded the machine is.
constexpr std::chrono::seconds kThreadPatience{5};
// How often a sleeping thread looks whether the other one sleeps as well, and how many times it
// must.
constexpr std::chrono::milliseconds kLookInterval{4};
constexpr int kLooks = 4;

// The program draws from 192.168.0.0/16.
constexpr uint8_t kDrawnPrefixBits = 16;

int64_t ThreadId() { return syscall(SYS_gettid); }

// Whether a thread of this process sleeps, as /proc says and as the program itself looks.
bool Sleeps(int64_t tid) {
  std::ifstream file("/proc/self/task/" + std::to_string(tid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const size_t name_end = text.rfind(')');
  return name_end != std::string::npos && name_end + 2 < text.size() && text[name_end + 2] == 'S';
}

}  // namespace

Machine::Machine(const PlaySettings& settings)
    : lab_(settings, TunLabOptions{}),
      commands_(lab_.host(), settings.local),
      gso_size_bytes_(settings.mss_bytes),
      first_tid_(getpid()),
      now_(lab_.world().now()) {}

Machine::~Machine() = default;

bool Machine::OnFirstThread() const { return ThreadId() == first_tid_; }

void Machine::Tick() {
  if (OnFirstThread()) ++activity_;
}

bool Machine::AdvanceTo(SimTime end, Lock& lock) {
  World& world = lab_.world();
  const bool waiting = blocked_ != nullptr && !blocked_->ended();
  while (world.Step(end)) {
    if (waiting && blocked_->ended()) {
      now_ = Later(now_, world.now());
      HandOver(lock);
      return false;
    }
  }
  world.RunUntil(end);
  now_ = Later(now_, end);
  return true;
}

void Machine::Advance(SimTime end, Lock& lock) {
  while (!AdvanceTo(end, lock)) {
  }
}

// A call of the second thread has ended: its thread comes back from it before anything else
// happens.
void Machine::HandOver(Lock& lock) {
  blocked_ = nullptr;
  returning_ = true;
  second_awake_ = true;
  changed_.notify_all();
  if (!OnFirstThread()) return;
  changed_.wait_for(lock, kThreadPatience, [this] { return !returning_; });
}

// The program lets the second thread go on only while the first sleeps: a sleep in virtual time is
// over at once, so wait until it has done what it has to do.
void Machine::AwaitSecondAsleep(Lock& lock) {
  if (!second_awake_) return;
  const auto deadline = std::chrono::steady_clock::now() + kThreadPatience;
  while (!Sleeps(second_tid_) && std::chrono::steady_clock::now() < deadline) {
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
  second_awake_ = false;
}

int64_t Machine::Call(const MakeCall& make) {
  Lock lock(mutex_);
  Tick();
  Kernel& kernel = lab_.host().kernel();
  Thread* const thread = kernel.NewThread(0);
  int64_t result = 0;
  {
    SystemCall call = make(lab_.host().syscalls(), *thread);
    call.Start(+[](SystemCall*, void*) {}, nullptr);
    Advance(now_, lock);
    if (!call.ended()) {
      if (OnFirstThread()) {
        WaitOnFirstThread(call, lock);
      } else {
        WaitOnSecondThread(call, lock);
      }
    }
    if (!call.ended()) {
      thread->Interrupt();
      Advance(now_, lock);
    }
    result = call.ended() ? call.result() : -EINTR;
    kernel.DeleteThread(thread);
  }
  return result;
}

void Machine::WaitOnFirstThread(const SystemCall& call, Lock& lock) {
  World& world = lab_.world();
  const SimTime limit = now_ + kPatience;
  while (!call.ended() && world.Step(limit)) {
    now_ = Later(now_, world.now());
    if (blocked_ != nullptr && blocked_->ended()) HandOver(lock);
  }
}

void Machine::WaitOnSecondThread(const SystemCall& call, Lock& lock) {
  blocked_ = &call;
  second_tid_ = ThreadId();
  uint64_t seen = activity_;
  int looks = 0;
  while (!call.ended()) {
    if (changed_.wait_for(lock, kLookInterval) == std::cv_status::no_timeout) continue;
    if (call.ended()) break;
    looks = activity_ == seen && Sleeps(first_tid_) ? looks + 1 : 0;
    seen = activity_;
    if (looks < kLooks) continue;
    // The program does nothing any more but wait for this call.
    const SimTime limit = now_ + kPatience;
    while (!call.ended() && lab_.world().Step(limit)) now_ = Later(now_, lab_.world().now());
    break;
  }
  if (blocked_ == &call) blocked_ = nullptr;
}

void Machine::AddLocalAddress(Ipv4Address address) {
  const Lock lock(mutex_);
  // It may be there already.
  static_cast<void>(lab_.host().AddAddress(lab_.tun(), address, kDrawnPrefixBits));
}

void Machine::Inject(std::span<const uint8_t> packet) {
  Lock lock(mutex_);
  Tick();
  lab_.Inject(packet, gso_size_bytes_);
  Advance(now_, lock);
}

std::optional<SentPacket> Machine::Receive() {
  Lock lock(mutex_);
  Tick();
  World& world = lab_.world();
  const SimTime limit = now_ + kPatience;
  while (lab_.sent().empty()) {
    if (!world.Step(limit)) return std::nullopt;
    now_ = Later(now_, world.now());
    if (blocked_ != nullptr && blocked_->ended()) HandOver(lock);
  }
  SentPacket packet = std::move(lab_.sent().front());
  lab_.sent().pop_front();
  return packet;
}

void Machine::Sleep(Duration duration) {
  Lock lock(mutex_);
  Tick();
  if (OnFirstThread()) AwaitSecondAsleep(lock);
  Advance(now_ + duration, lock);
}

int64_t Machine::Now() {
  Lock lock(mutex_);
  Tick();
  if (returning_ && !OnFirstThread()) {
    returning_ = false;
    changed_.notify_all();
    return now_.ps / Duration::Microseconds(1).ps;
  }
  Advance(now_ + Duration::Microseconds(1), lock);
  return now_.ps / Duration::Microseconds(1).ps;
}

int Machine::RunCommand(const std::string& command_line) {
  Lock lock(mutex_);
  Tick();
  ParseOptions options;
  options.read_file = ReadScriptFile;
  const absl::StatusOr<Script> script = ParseScript("`" + command_line + "`\n", "command", options);
  if (!script.ok()) {
    std::fprintf(stderr, "%s\n", std::string(script.status().message()).c_str());
    return 1;
  }
  const absl::Status status = script->init ? commands_.Run(*script->init) : absl::OkStatus();
  now_ = Later(now_, lab_.world().now());
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return 1;
}

std::optional<uint64_t> Machine::FileBytes(const std::string& path) {
  const Lock lock(mutex_);
  const ram_inode* const inode = lab_.host().syscalls().ram_files().Find(path);
  return inode != nullptr ? std::optional<uint64_t>(inode->size_bytes) : std::nullopt;
}

}  // namespace tapedeck::adapter
