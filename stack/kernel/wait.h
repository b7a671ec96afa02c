// Waiting: threads of applications are coroutines, and a wait queue is where one sleeps until an
// event or a time. Nothing ever blocks the host thread.
//
// A system call that may block is an Op: an object with
//   bool Try();                     // makes progress; true when the call is over
//   WaitQueue& queue();             // where to sleep when Try said false
//   uint32_t events() const;        // which wake-ups to hear, as poll(2)'s mask
//   SimTime deadline() const;       // until when; Never() for ever
//   void GiveUp(WakeReason reason); // ends the call after its deadline or a signal
//   bool exclusive() const;         // optional: wait as an exclusive sleeper (accept, datagram
//   receive); false without it
// `co_await Block(thread, op)` runs Try at once and suspends only where it must, so a call that
// does not block costs no coroutine frame. The op keeps its own result.
#ifndef TAPEDECK_STACK_KERNEL_WAIT_H_
#define TAPEDECK_STACK_KERNEL_WAIT_H_

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <type_traits>
#include <utility>

#include "stack/base/list.h"
#include "stack/base/time.h"
#include "stack/kernel/timer.h"

namespace tapedeck {

class Cpu;
class Kernel;
class WaitQueue;

// A mask of events: poll(2)'s (EPOLLIN, ...), or all of them.
inline constexpr uint32_t kAnyEvent = ~uint32_t{0};

// One sleeper. `wake` is called for each event on the queue whose mask meets `events`; it may take
// the entry off, and says whether it woke somebody, which is what exclusive sleepers are counted
// by.
struct WaitEntry : ListNode<> {
  using Wake = bool (*)(WaitEntry* entry, uint32_t events);
  explicit WaitEntry(Wake wake_in, uint32_t events_in = kAnyEvent, bool exclusive_in = false)
      : wake(wake_in), events(events_in), exclusive(exclusive_in) {}
  Wake wake;
  uint32_t events;
  bool exclusive;  // only the first exclusive sleeper is woken, and those before it
};

class WaitQueue {
 public:
  bool empty() const { return entries_.empty(); }
  // Exclusive entries go to the back, others to the front, as in the kernel.
  void Add(WaitEntry* entry) {
    if (entry->exclusive) {
      entries_.PushBack(entry);
    } else {
      entries_.PushFront(entry);
    }
  }
  // wake_up_interruptible_poll: wakes all that are not exclusive and `exclusive_max` that are.
  void WakeUp(uint32_t events = kAnyEvent, int exclusive_max = 1);

 private:
  List<WaitEntry> entries_;
};

enum class WakeReason : uint8_t { kDone, kTimeout, kInterrupted };

// What a sleeping thread waits in. When the thread runs again, `retry` decides: true and the thread
// goes on behind its wait, false and it sleeps again (retry has called Thread::Sleep).
struct Sleeper {
  using Retry = bool (*)(Sleeper* sleeper, WakeReason reason);
  explicit Sleeper(Retry retry_in) : retry(retry_in) {}
  Retry retry;
};

struct AllThreadsTag;

// A thread of an application: a coroutine chain that runs on a Cpu, one step from one wait to the
// next. A thread without a coroutine serves those that drive calls by hand (the script): its
// Sleeper's retry is all that runs.
class Thread : public ListNode<>, public ListNode<AllThreadsTag> {
 public:
  Thread(Kernel& kernel, int tid, Cpu& cpu);
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  Kernel& kernel() { return kernel_; }
  Cpu& cpu() { return cpu_; }
  int tid() const { return tid_; }
  bool finished() const { return finished_; }
  bool sleeping() const { return sleeper_ != nullptr; }

  // Sleeps on `queue` (may be null) until woken with an event of `events`, interrupted, or
  // `deadline`.
  void Sleep(Sleeper* sleeper, WaitQueue* queue, uint32_t events, SimTime deadline,
             bool exclusive = false);
  // schedule_timeout: a thread that sleeps is woken (kTimeout) when the timer wheel expires
  // `expires`, which is a tick late or more (see timer.h).
  void ScheduleTimeout(Jiffies expires);
  // Makes a sleeping thread runnable on its CPU; nothing where it is runnable already.
  void Wake(WakeReason reason);
  // A signal: a blocked call ends with EINTR, also where it has been woken already but finds
  // nothing to do.
  void Interrupt() { Wake(WakeReason::kInterrupted); }

  // Where to go on once the Sleeper says so.
  void set_resume_at(std::coroutine_handle<> handle) { resume_at_ = handle; }

 private:
  friend class Cpu;
  friend class Kernel;
  struct QueueEntry : WaitEntry {
    using WaitEntry::WaitEntry;
    Thread* thread = nullptr;
  };
  struct Timeout : HrTimer {
    using HrTimer::HrTimer;
    Thread* thread = nullptr;
  };
  struct ProcessTimer : TimerList {
    using TimerList::TimerList;
    Thread* thread = nullptr;
  };
  // One step: from where it slept to its next sleep or its end.
  void Run();

  Kernel& kernel_;
  Cpu& cpu_;
  int tid_;
  bool finished_ = false;
  WakeReason wake_reason_ = WakeReason::kDone;
  SimTime ready_at_;  // while it is on its CPU's run queue
  Sleeper* sleeper_ = nullptr;
  std::coroutine_handle<> resume_at_;
  std::coroutine_handle<> root_;
  QueueEntry entry_;
  Timeout timeout_;
  ProcessTimer process_timer_;
};

// Coroutine frames come from the Lab's arena: the first parameter of every coroutine is its Thread.
void* AllocateFrame(Thread& thread, size_t bytes);
void FreeFrame(void* frame, size_t bytes);

// What a coroutine of an application returns. It starts when it is awaited (or handed to
// Kernel::Spawn), and goes on in its caller when it ends.
template <typename T>
class [[nodiscard]] Task;

namespace task_internal {

struct PromiseBase {
  std::coroutine_handle<> continuation;

  template <typename... Args>
  static void* operator new(size_t bytes, Thread& thread, Args&&...) {
    return AllocateFrame(thread, bytes);
  }
  // Lambdas and member functions: the object comes first.
  template <typename Object, typename... Args>
  static void* operator new(size_t bytes, Object&&, Thread& thread, Args&&...) {
    return AllocateFrame(thread, bytes);
  }
  static void operator delete(void* frame, size_t bytes) { FreeFrame(frame, bytes); }

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) noexcept {
      const std::coroutine_handle<> next = done.promise().continuation;
      return next ? next : std::noop_coroutine();
    }
    void await_resume() noexcept {}
  };
  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { std::terminate(); }
};

template <typename T>
struct Promise : PromiseBase {
  Task<T> get_return_object();
  void return_value(T value_in) { value = std::move(value_in); }
  T value{};
};
template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() {}
};

}  // namespace task_internal

template <typename T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = task_internal::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
    handle_.promise().continuation = caller;
    return handle_;
  }
  T await_resume() {
    if constexpr (!std::is_void_v<T>) return std::move(handle_.promise().value);
  }

  // For Kernel::Spawn, which owns the frame from then on.
  std::coroutine_handle<> Release() { return std::exchange(handle_, nullptr); }

 private:
  Handle handle_;
};

namespace task_internal {
template <typename T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}
}  // namespace task_internal

// Awaitable of an Op (see the head of this file); `op` must outlive it.
template <typename Op>
class Block : private Sleeper {
 public:
  Block(Thread& thread, Op& op) : Sleeper(&Block::Again), thread_(thread), op_(op) {}
  bool await_ready() { return op_.Try(); }
  void await_suspend(std::coroutine_handle<> caller) {
    thread_.set_resume_at(caller);
    Sleep();
  }
  void await_resume() const {}

 private:
  void Sleep() {
    bool exclusive = false;
    if constexpr (requires { op_.exclusive(); }) exclusive = op_.exclusive();
    thread_.Sleep(this, &op_.queue(), op_.events(), op_.deadline(), exclusive);
  }
  static bool Again(Sleeper* sleeper, WakeReason reason) {
    auto* const self = static_cast<Block*>(sleeper);
    if (self->op_.Try()) return true;
    if (reason != WakeReason::kDone) {
      self->op_.GiveUp(reason);
      return true;
    }
    self->Sleep();
    return false;
  }
  Thread& thread_;
  Op& op_;
};

// co_await SleepFor(thread, duration): true where the time has passed, false where a signal ended
// it.
class SleepFor : private Sleeper {
 public:
  SleepFor(Thread& thread, Duration duration)
      : Sleeper(&SleepFor::Over), thread_(thread), duration_(duration) {}
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> caller);
  bool await_resume() const { return reason_ == WakeReason::kTimeout; }

 private:
  static bool Over(Sleeper* sleeper, WakeReason reason) {
    static_cast<SleepFor*>(sleeper)->reason_ = reason;
    return true;
  }
  Thread& thread_;
  Duration duration_;
  WakeReason reason_ = WakeReason::kDone;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_KERNEL_WAIT_H_
