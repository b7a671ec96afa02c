#include "stack/kernel/wait.h"

#include "stack/kernel/kernel.h"

namespace tapedeck {

[[gnu::noinline]] void WaitQueue::WakeUp(uint32_t events, int exclusive_max) {
  WaitEntry* entry = entries_.front();
  while (entry != nullptr) {
    WaitEntry* const next = entries_.Next(entry);
    if ((entry->events & events) != 0) {
      const bool exclusive = entry->exclusive;
      const bool woken = entry->wake(entry, events);
      if (exclusive && woken && --exclusive_max == 0) return;
    }
    entry = next;
  }
}

Thread::Thread(Kernel& kernel, int tid, Cpu& cpu)
    : kernel_(kernel),
      cpu_(cpu),
      tid_(tid),
      entry_([](WaitEntry* entry, uint32_t) {
        static_cast<QueueEntry*>(entry)->thread->Wake(WakeReason::kDone);
        return true;
      }),
      timeout_(
          cpu,
          [](HrTimer* timer) { static_cast<Timeout*>(timer)->thread->Wake(WakeReason::kTimeout); }),
      process_timer_([](TimerList* timer) {
        static_cast<ProcessTimer*>(timer)->thread->Wake(WakeReason::kTimeout);
      }) {
  entry_.thread = this;
  timeout_.thread = this;
  process_timer_.thread = this;
}

void Thread::Sleep(Sleeper* sleeper, WaitQueue* queue, uint32_t events, SimTime deadline,
                   bool exclusive) {
  CHECK(sleeper_ == nullptr);
  sleeper_ = sleeper;
  if (queue != nullptr) {
    entry_.events = events;
    entry_.exclusive = exclusive;
    queue->Add(&entry_);
  }
  if (deadline != SimTime::Never()) timeout_.Start(deadline);
}

void Thread::ScheduleTimeout(Jiffies expires) {
  CHECK(sleeping());
  mod_timer(cpu_, &process_timer_, expires);
}

void Thread::Wake(WakeReason reason) {
  if (sleeper_ == nullptr) return;
  if (ListNode<>::linked()) {
    if (wake_reason_ == WakeReason::kDone) wake_reason_ = reason;
    return;
  }
  wake_reason_ = reason;
  entry_.Unlink();
  timeout_.Cancel();
  timer_delete(&process_timer_);
  if (kernel_.running_ != nullptr) kernel_.running_->Charge(CostPoint::k_sock_wake);
  cpu_.EnqueueThread(this, kernel_.EffectTime());
}

void Thread::Run() {
  if (sleeper_ != nullptr) {
    Sleeper* const sleeper = sleeper_;
    sleeper_ = nullptr;
    if (!sleeper->retry(sleeper, wake_reason_)) return;
  }
  if (resume_at_) {
    const std::coroutine_handle<> resume_at = resume_at_;
    resume_at.resume();
  }
  if (root_ && root_.done()) {
    root_.destroy();
    root_ = nullptr;
    resume_at_ = nullptr;
    finished_ = true;
  }
}

void SleepFor::await_suspend(std::coroutine_handle<> caller) {
  thread_.set_resume_at(caller);
  thread_.Sleep(this, nullptr, 0, thread_.kernel().now() + duration_);
}

namespace {

// A frame knows its kernel, so that it can be freed from its address alone.
struct FrameHeader {
  Kernel* kernel;
  uint64_t unused;
};
static_assert(sizeof(FrameHeader) == 16);

}  // namespace

void* AllocateFrame(Thread& thread, size_t bytes) {
  Kernel& kernel = thread.kernel();
  auto* const header =
      static_cast<FrameHeader*>(kernel.kmalloc().Alloc(bytes + sizeof(FrameHeader)));
  header->kernel = &kernel;
  return header + 1;
}

void FreeFrame(void* frame, size_t bytes) {
  FrameHeader* const header = static_cast<FrameHeader*>(frame) - 1;
  header->kernel->kmalloc().Free(header, bytes + sizeof(FrameHeader));
}

}  // namespace tapedeck
