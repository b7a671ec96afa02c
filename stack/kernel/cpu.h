// A virtual CPU. It runs one thing at a time, in one of three contexts, and its local time runs
// ahead of the world while code runs on it. What it does next is decided at defined points (between
// interrupt handlers, between slices of softirq work, between steps of tasks): pending interrupts
// first, then softirqs, then tasks.
#ifndef TAPEDECK_STACK_KERNEL_CPU_H_
#define TAPEDECK_STACK_KERNEL_CPU_H_

#include <cstddef>
#include <cstdint>

#include "stack/base/list.h"
#include "stack/base/time.h"
#include "stack/base/trace_event.h"
#include "stack/kernel/cost.h"
#include "stack/kernel/timer.h"

namespace tapedeck {

class Kernel;
class Thread;

enum class Context : uint8_t { kIdle, kHardirq, kSoftirq, kTask };

// The kernel's softirq vectors that the network uses, in its order of priority.
enum SoftirqVector : uint8_t {
  TIMER_SOFTIRQ,
  NET_TX_SOFTIRQ,
  NET_RX_SOFTIRQ,
  TASKLET_SOFTIRQ,  // work that wants to run in a softirq (system_bh_wq)
  HRTIMER_SOFTIRQ,  // high-resolution timers that are `soft`
  kSoftirqs
};

// What a softirq action says after a slice of work: kYield leaves work undone on purpose, so that
// interrupts that have come meanwhile are taken before the next slice; it is not a restart of the
// softirq loop.
enum class SoftirqSlice : uint8_t { kDone, kYield };
using SoftirqAction = SoftirqSlice (*)(Cpu& cpu);

class Cpu {
 public:
  Cpu(Kernel& kernel, int id);
  Cpu(const Cpu&) = delete;
  Cpu& operator=(const Cpu&) = delete;

  Kernel& kernel() { return kernel_; }
  int id() const { return id_; }
  Context context() const { return context_; }

  // The CPU's local time: what ktime_get() tells the code that runs.
  SimTime now() const { return now_; }
  // Ticks at now(), starting at INITIAL_JIFFIES.
  Jiffies jiffies() const;

  // Spends what `point` costs, once or a number of times.
  void Charge(CostPoint point, uint64_t times = 1) {
    if (!costs_free_) Spend(point, times);
  }
  // For points per byte.
  void ChargeBytes(CostPoint point, size_t bytes) {
    if (!costs_free_) SpendBytes(point, bytes);
  }
  // `units` turns of a loop whose length a peer or a user decides: elements of a list walked, bytes
  // searched. Costs nothing in virtual time and decides nothing; who watches for algorithms that
  // explode looks at work().
  void CountWork(uint64_t units) { work_ += units; }
  uint64_t work() const { return work_; }
  // Time in which the CPU waits (for a register read).
  void Stall(Duration duration) { now_ += duration; }

  // --- Interrupts and softirqs. ---
  // An interrupt reaches the CPU at `at`; its handler runs at the next defined point. Called by
  // events, at their time: code on another CPU, whose time may be ahead of this one's, sends an
  // event (an HrTimer of this CPU serves as a call to it).
  void RaiseIrq(int irq, SimTime at);
  // Forgets an interrupt that has not been taken.
  void ClearIrq(int irq) { irq_pending_ &= ~(uint64_t{1} << irq); }
  void raise_softirq(SoftirqVector vector) { softirq_pending_ |= uint8_t(1U << vector); }
  bool softirq_pending() const { return softirq_pending_ != 0; }
  // Whether it is ksoftirqd that runs softirqs (this_cpu_ksoftirqd() == current): they kept coming.
  bool in_ksoftirqd() const { return in_ksoftirqd_; }
  // Runs pending softirqs at once when a task calls it (the last act of code that had bottom halves
  // off).
  void local_bh_enable();

  // --- Tasks. ---
  // Makes `thread` runnable from `at` on; that may be ahead of now(), where code on another CPU
  // woke it.
  void EnqueueThread(Thread* thread, SimTime at);

  // Whether it has anything to do.
  bool runnable() const { return next_time() != SimTime::Never(); }
  // When it goes on: now(), or later where all it has is a thread that another CPU has woken ahead
  // of it. Never() without work.
  SimTime next_time() const {
    return irq_pending_ != 0 || softirq_active_ || softirq_pending_ != 0
               ? now_
               : Later(now_, run_queue_ready_);
  }
  // Does the next thing, at next_time(). REQUIRES: runnable().
  void RunOne();

  TimerWheel& timers() { return timers_; }
  uint16_t event_source() const { return event_source_; }
  Thread* current() const { return current_; }

  // Emits a trace event at now().
  void Trace(TraceKind kind, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0);

  // What /proc/softirqs and /proc/interrupts count.
  uint64_t softirqs(SoftirqVector vector) const { return softirq_count_[vector]; }
  uint64_t interrupts() const { return interrupts_; }

 private:
  friend struct HrTimer;
  friend class Kernel;
  friend class TimerWheel;

  static constexpr int kLocalTimerIrq = 63;
  static constexpr int kSoftirqRestartMax = 10;  // MAX_SOFTIRQ_RESTART
  static constexpr uint64_t kSoftirqMsMax = 2;   // MAX_SOFTIRQ_TIME, counted in whole jiffies

  uint64_t CyclesOf(CostPoint point) const;
  // Out of line: they would take most of the registers of the many small functions that charge.
  void Spend(CostPoint point, uint64_t times);
  void SpendBytes(CostPoint point, size_t bytes);
  void RunIrq();
  void RunLocalTimer();
  void RunSoftHrTimers();
  void EnterSoftirq();
  void RunSoftirqSlice();
  bool SoftirqMayRestart();
  void RunThread();
  void DequeueThread(Thread* thread);

  Kernel& kernel_;
  int id_;
  uint16_t event_source_;
  uint64_t trace_origin_;  // this CPU's part of an event's second word
  Context context_ = Context::kIdle;
  bool costs_free_;
  ClockDomain clock_;
  SimTime now_;
  uint64_t work_ = 0;

  uint64_t irq_pending_ = 0;
  uint8_t softirq_pending_ = 0;
  uint8_t softirq_round_ = 0;  // vectors left in this round of the softirq loop
  bool softirq_active_ = false;
  bool ksoftirqd_ = false;       // has been woken to go on with softirqs as a task
  bool ksoftirqd_turn_ = false;  // tasks and ksoftirqd take turns
  bool in_ksoftirqd_ = false;
  int softirq_restarts_left_ = 0;
  SimTime softirq_start_;
  Thread* current_ = nullptr;
  List<Thread> run_queue_;  // by Thread::ready_at_, equal times in order of arrival
  SimTime run_queue_ready_ = SimTime::Never();  // the first one's
  List<HrTimer> hrtimers_due_;
  List<HrTimer> soft_hrtimers_due_;
  TimerWheel timers_;
  uint64_t interrupts_ = 0;
  uint64_t softirq_count_[kSoftirqs] = {};
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_KERNEL_CPU_H_
