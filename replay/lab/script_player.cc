#include "replay/lab/script_player.h"

#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "replay/lab/fault_steps.h"
#include "replay/script/addresses.h"
#include "replay/script/text.h"
#include "stack/base/check.h"
#include "stack/kernel/kernel.h"
#include "stack/wire/repair_checksums.h"

namespace tapedeck {
ScriptPlayer::ScriptPlayer(Lab& lab, const Script& script, FdNames names,
                           std::optional<PeerFlows> flows)
    : lab_(lab),
      script_(script),
      names_(std::move(names)),
      flows_(flows.has_value() ? *std::move(flows) : PeerFlows(lab.hosts())),
      start_(lab.world().now()),
      now_(start_),
      last_return_(now_),
      idle_(static_cast<size_t>(lab.hosts())) {
  Listen(this);
}

void ScriptPlayer::Listen(FrameListener* listener) {
  if (!lab_.has_ports()) return;
  for (int host = 0; host < lab_.hosts(); ++host) {
    for (int nic = 0; nic < lab_.nics(host); ++nic) {
      lab_.port(host, nic).Listen(listener, static_cast<uint8_t>(host));
    }
  }
}

ScriptPlayer::~ScriptPlayer() {
  Listen(nullptr);
  FreeEnded();
  EndWaiting();
  for (const std::vector<Thread*>& threads : idle_) {
    for (Thread* const thread : threads) thread->kernel().DeleteThread(thread);
  }
}

void ScriptPlayer::EndWaiting() {
  for (Played& played : waiting_) {
    // The thread leaves the wait queue before the call gives up the socket that has it; those of
    // the calls behind are still there, for a file that is released wakes who polls it.
    Thread& thread = played.call->thread();
    thread.kernel().DeleteThread(&thread);
    played.call.reset();
  }
  waiting_.clear();
}

void ScriptPlayer::Play() {
  while (PlayNext()) {
  }
}

bool ScriptPlayer::PlayNext() {
  const size_t number = next_;
  if (number > script_.steps.size() || work_left_ == 0) return false;
  ++next_;
  if (number == script_.steps.size()) {
    const bool ran = RunUntil(Later(last_return_, lab_.world().now()));
    FreeEnded();
    return ran;
  }
  const Step& step = script_.steps[number];
  now_ = (step.base == TimeBase::kStart ? start_ : now_) + step.delay;
  const bool ran = RunUntil(Later(now_, lab_.world().now()));
  FreeEnded();
  if (!ran) return false;
  if (step.host < lab_.hosts()) {
    std::visit([&](const auto& what) { Do(step, what, number); }, step.what);
  }
  return true;
}

bool ScriptPlayer::RunUntil(SimTime end) {
  World& world = lab_.world();
  while (world.Step(end)) {
    if (--work_left_ == 0) return false;
  }
  world.RunUntil(end);
  return true;
}

void ScriptPlayer::Do(const Step& step, const FrameStep& frame, size_t) {
  const int nic = step.nic % lab_.nics(step.host);
  const uint8_t flags = frame.bad_fcs ? nic::kWireBadFcs : 0;
  if (frame.repair_checksums) {
    repaired_.assign(frame.bytes.begin(), frame.bytes.end());
    wire::RepairChecksums(repaired_);
    lab_.Inject(step.host, nic, StepTime(), repaired_, /*stable=*/false, flags);
  } else {
    lab_.Inject(step.host, nic, StepTime(), frame.bytes, /*stable=*/true, flags);
  }
  ++frames_;
}

void ScriptPlayer::Do(const Step& step, const SegmentStep& segment, size_t) {
  const SimTime at = StepTime();
  lab_.Inject(step.host, step.nic % lab_.nics(step.host), at, flows_.Build(segment, step.host, at),
              /*stable=*/false, 0);
  ++frames_;
}

void ScriptPlayer::Do(const Step& step, const SyscallStep& what, size_t number) {
  Thread* const thread = TakeThread(step.host);
  Played played;
  played.call =
      std::make_unique<ScriptCall>(what, number, step.host, *thread, DefaultsOf(step.host));
  ScriptCall& call = *played.call;
  const absl::Status made = call.Start(lab_.host(step.host).syscalls(), names_, now_);
  if (!made.ok()) {
    idle_[step.host].push_back(thread);
    NoteDifference(number, std::string(made.message()));
    return;
  }
  // Until it has ended or sleeps: then its thread is on no run queue.
  while (!call.ended() && thread->ListNode<>::linked() && work_left_ != 0) {
    lab_.world().Step(SimTime::Never());
    --work_left_;
  }
  if (what.returns_after.has_value()) {
    last_return_ = Later(last_return_, now_ + *what.returns_after);
  }
  played.blocked = !call.ended();
  waiting_.push_back(std::move(played));
  FreeEnded();
}

// What "..." means on `host`: its own address, and packetdrill's one remote side.
CallDefaults ScriptPlayer::DefaultsOf(uint8_t host) const {
  CallDefaults defaults;
  defaults.own = {HostIpv4(host), be16(kScriptPort)};
  const uint8_t other = host == 0 ? 1 : 0;
  defaults.peer = {lab_.has_ports() ? PeerIpv4(0) : HostIpv4(other), be16(kScriptPort)};
  defaults.ping = true;
  return defaults;
}

// --- Faults and settings. ---

void ScriptPlayer::Do(const Step& step, const LinkStep& link, size_t) {
  DoLink(lab_, step, link, StepTime());
}
void ScriptPlayer::Do(const Step& step, const NicRegisterStep& what, size_t) {
  DoNicRegister(lab_, step, what, StepTime());
}
void ScriptPlayer::Do(const Step& step, const NicFaultStep& what, size_t) {
  DoNicFault(lab_, step, what);
}
void ScriptPlayer::Do(const Step& step, const SpuriousInterruptStep& what, size_t) {
  DoSpuriousInterrupt(lab_, step, what, StepTime());
}
void ScriptPlayer::Do(const Step& step, const AllocationFailureStep& what, size_t) {
  DoAllocationFailure(lab_.host(step.host), what);
}
void ScriptPlayer::Do(const Step& step, const SysctlStep& what, size_t number) {
  const absl::Status status = DoSysctl(lab_.host(step.host), what);
  if (!status.ok()) NoteDifference(number, std::string(status.message()));
}
void ScriptPlayer::Do(const Step& step, const CpuBusyStep& what, size_t) {
  DoCpuBusy(lab_.host(step.host), what, StepTime());
}
void ScriptPlayer::Do(const Step&, const SnapshotStep& what, size_t) {
  if (what.action == SnapshotStep::Action::kSave) {
    Save();
  } else {
    Restore();
  }
}

// A call under way is not state of the Lab alone: while there is one nothing is kept.
void ScriptPlayer::Save() {
  if (!waiting_.empty()) return;
  saved_ =
      std::make_unique<Saved>(Saved{{}, names_, flows_, StepTime(), last_return_, frames_, idle_});
  lab_.Take(&saved_->lab);
}

bool ScriptPlayer::Detour(Duration duration) {
  if (!waiting_.empty() || saved_ != nullptr) return false;
  const SimTime now = now_;
  Save();
  lab_.world().RunUntil(StepTime() + duration);
  Restore();
  saved_ = nullptr;
  now_ = now;
  return true;
}

void ScriptPlayer::Restore() {
  if (saved_ == nullptr) return;
  EndWaiting();
  lab_.Restore(saved_->lab);
  names_ = saved_->names;
  flows_ = saved_->flows;
  now_ = saved_->now;
  last_return_ = saved_->last_return;
  frames_ = saved_->frames;
  idle_ = saved_->idle;
}

// --- Calls. ---

Thread* ScriptPlayer::TakeThread(uint8_t host) {
  std::vector<Thread*>& idle = idle_[host];
  if (idle.empty()) return lab_.host(host).kernel().NewThread(0);
  Thread* const thread = idle.back();
  idle.pop_back();
  return thread;
}

bool ScriptPlayer::AsExpected(const Played& played) {
  const ScriptCall& call = *played.call;
  const std::optional<Duration> returns_after = call.step().returns_after;
  const bool in_time = returns_after.has_value()
                           ? played.blocked && call.ended_at() - call.made_at() == *returns_after
                           : !played.blocked;
  return in_time && call.Difference().empty();
}

// The step as it would have to stand in the script.
std::string ScriptPlayer::Found(const Played& played) const {
  const ScriptCall& call = *played.call;
  Step found = script_.steps[call.number()];
  SyscallStep actual = call.Actual();
  actual.returns_after.reset();
  if (played.blocked) actual.returns_after = call.ended_at() - call.made_at();
  found.what = std::move(actual);
  return PrintStep(found);
}

void ScriptPlayer::NoteDifference(size_t number, std::string found) {
  if (!difference_.has_value()) difference_ = {number, std::move(found)};
}

void ScriptPlayer::NoteEnd(const Played& played) {
  const ScriptCall& call = *played.call;
  const SyscallStep& step = call.step();
  const int64_t result = call.result();
  if (result >= 0 && ReturnsFd(step.name)) {
    names_.Set(call.host(), step.fd, static_cast<int32_t>(result));
  } else if (result == 0 && step.name == SyscallName::kClose) {
    names_.Forget(call.host(), static_cast<int32_t>(step.arguments[0].value));
  } else if (const auto pair = FdPairArgumentOf(step.name); result == 0 && pair.has_value()) {
    for (size_t i = 0; i < 2; ++i) {
      const auto name = static_cast<int32_t>(step.arguments[*pair].items[i].value);
      names_.Set(call.host(), name, call.fd_pair()[i]);
    }
  }
  if (!difference_.has_value() && !AsExpected(played)) NoteDifference(call.number(), Found(played));
}

void ScriptPlayer::FreeEnded() {
  size_t still_waiting = 0;
  for (Played& played : waiting_) {
    if (played.call->ended()) {
      NoteEnd(played);
      idle_[played.call->host()].push_back(&played.call->thread());
      played.call.reset();
    } else {
      if (&played != &waiting_[still_waiting]) waiting_[still_waiting] = std::move(played);
      ++still_waiting;
    }
  }
  waiting_.resize(still_waiting);
}

Verdict ScriptPlayer::verdict() const {
  if (!difference_.has_value() && waiting_.empty()) return {};
  const size_t number = difference_.has_value() ? difference_->number : waiting_[0].call->number();
  const Step& expected = script_.steps[number];
  const std::string found = difference_.has_value() ? difference_->found : "it still waits";
  return {.step = number + 1,
          .line = expected.line,
          .difference = absl::StrCat("expected ", PrintStep(expected), "\n   found ", found)};
}

}  // namespace tapedeck
