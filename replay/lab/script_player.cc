#include "replay/lab/script_player.h"

#include <new>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "replay/script/text.h"
#include "stack/base/check.h"
#include "stack/kernel/kernel.h"
#include "stack/wire/repair_checksums.h"

namespace tapedeck {

ScriptPlayer::ScriptPlayer(Lab& lab, const Script& script, FdNames names)
    : lab_(lab),
      script_(script),
      names_(std::move(names)),
      now_(lab.world().now()),
      last_return_(now_),
      idle_(static_cast<size_t>(lab.hosts())) {}

ScriptPlayer::~ScriptPlayer() {
  FreeEnded();
  for (PlayedCall* const call : waiting_) {
    // The thread leaves the wait queue before the call gives up the socket that has it.
    Kernel& kernel = call->thread().kernel();
    kernel.DeleteThread(&call->thread());
    Free(kernel, call);
  }
  for (const std::vector<Thread*>& threads : idle_) {
    for (Thread* const thread : threads) thread->kernel().DeleteThread(thread);
  }
}

void ScriptPlayer::Play() {
  for (size_t i = 0; i < script_.steps.size(); ++i) {
    const Step& step = script_.steps[i];
    now_ = now_ + step.delay;
    lab_.world().RunUntil(Later(now_, lab_.world().now()));
    FreeEnded();
    if (step.host >= lab_.hosts()) continue;
    std::visit([&](const auto& what) { Do(step, what, i); }, step.what);
  }
  lab_.world().RunUntil(Later(last_return_, lab_.world().now()));
  FreeEnded();
}

void ScriptPlayer::Do(const Step& step, const FrameStep& frame, size_t) {
  CapturePort& port = lab_.port(step.host);
  const SimTime at = Later(now_, lab_.world().now());
  const uint8_t flags = frame.bad_fcs ? nic::kWireBadFcs : 0;
  if (frame.repair_checksums) {
    repaired_.assign(frame.bytes.begin(), frame.bytes.end());
    wire::RepairChecksums(repaired_);
    port.Inject(at, repaired_, /*stable=*/false, flags);
  } else {
    port.Inject(at, frame.bytes, /*stable=*/true, flags);
  }
  ++frames_;
}

void ScriptPlayer::Do(const Step& step, const CallStep& what, size_t number) {
  Thread* const thread = TakeThread(step.host);
  Kernel& kernel = thread->kernel();
  auto* const call =
      new (kernel.kmalloc().Alloc(sizeof(PlayedCall))) PlayedCall(what, number, step.host, *thread);
  call->Start(lab_.host(step.host).syscalls(), names_, now_);
  // Until it has ended or sleeps: then its thread is on no run queue.
  while (!call->ended() && thread->ListNode<>::linked()) lab_.world().Step(SimTime::Never());
  if (what.returns_after.has_value()) {
    last_return_ = Later(last_return_, now_ + *what.returns_after);
  }
  if (!call->ended()) call->set_blocked();
  waiting_.push_back(call);
  FreeEnded();
}

Thread* ScriptPlayer::TakeThread(uint8_t host) {
  std::vector<Thread*>& idle = idle_[host];
  if (idle.empty()) return lab_.host(host).kernel().NewThread(0);
  Thread* const thread = idle.back();
  idle.pop_back();
  return thread;
}

void ScriptPlayer::NoteEnd(const PlayedCall& call) {
  const CallStep& step = call.step();
  const int64_t result = call.result();
  if (const auto* const socket = std::get_if<SocketCall>(&step.call); socket && result >= 0) {
    names_.Set(call.host(), socket->fd, static_cast<int32_t>(result));
  } else if (const auto* const close = std::get_if<CloseCall>(&step.call); close && result == 0) {
    names_.Forget(call.host(), close->fd);
  }
  if (!call.AsExpected() && !difference_.has_value()) difference_ = {call.number(), call.Actual()};
}

void ScriptPlayer::Free(Kernel& kernel, PlayedCall* call) {
  call->~PlayedCall();
  kernel.kmalloc().Free(call, sizeof(PlayedCall));
}

void ScriptPlayer::FreeEnded() {
  size_t still_waiting = 0;
  for (PlayedCall* const call : waiting_) {
    if (!call->ended()) {
      waiting_[still_waiting++] = call;
      continue;
    }
    NoteEnd(*call);
    idle_[call->host()].push_back(&call->thread());
    Free(call->thread().kernel(), call);
  }
  waiting_.resize(still_waiting);
}

Verdict ScriptPlayer::verdict() const {
  if (!difference_.has_value() && waiting_.empty()) return {};
  const size_t number = difference_.has_value() ? difference_->number : waiting_[0]->number();
  const Step& expected = script_.steps[number];
  std::string found = "it still waits";
  if (difference_.has_value()) {
    Step actual = expected;
    actual.what = difference_->actual;
    found = PrintStep(actual);
  }
  return {.step = number + 1,
          .line = expected.line,
          .difference = absl::StrCat("expected ", PrintStep(expected), "\n   found ", found)};
}

}  // namespace tapedeck
