#include "stack/kernel/cpu.h"

#include <bit>

#include "stack/kernel/kernel.h"

namespace tapedeck {

Cpu::Cpu(Kernel& kernel, int id)
    : kernel_(kernel),
      id_(id),
      event_source_(kernel.world().NewEventSource()),
      trace_origin_(TraceHeadWord(TraceKind{}, static_cast<uint8_t>(kernel.host()),
                                  static_cast<uint8_t>(id), 0)),
      costs_free_(kernel.costs().free),
      clock_(kernel.costs().cpu_hz),
      now_(kernel.world().now()),
      timers_(*this, event_source_) {}

Jiffies Cpu::jiffies() const { return kernel_.JiffiesAt(now_); }

uint64_t Cpu::CyclesOf(CostPoint point) const {
  return kernel_.costs().cycles[static_cast<size_t>(point)];
}

[[gnu::noinline]] void Cpu::Spend(CostPoint point, uint64_t times) {
  now_ += clock_.Advance(Cycles{CyclesOf(point) * times});
}

[[gnu::noinline]] void Cpu::SpendBytes(CostPoint point, size_t bytes) {
  now_ += clock_.Advance(Cycles{CyclesOf(point) * bytes / 256});
}

void Cpu::Trace(TraceKind kind, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  kernel_.world().Trace(now_, trace_origin_ | static_cast<uint64_t>(kind), a, b, c, d);
}

void Cpu::RaiseIrq(int irq, SimTime at) {
  // An idle CPU wakes at the interrupt; a busy one takes it when its local time has come past it,
  // which it has.
  now_ = Later(now_, at);
  irq_pending_ |= uint64_t{1} << irq;
}

void Cpu::EnqueueThread(Thread* thread, SimTime at) {
  thread->ready_at_ = at;
  Thread* behind = run_queue_.back();
  while (behind != nullptr && behind->ready_at_ > at) behind = run_queue_.Prev(behind);
  Thread* const before = behind == nullptr ? run_queue_.front() : run_queue_.Next(behind);
  if (before == nullptr) {
    run_queue_.PushBack(thread);
  } else {
    run_queue_.InsertBeforeItem(before, thread);
  }
  run_queue_ready_ = run_queue_.front()->ready_at_;
}

void Cpu::DequeueThread(Thread* thread) {
  thread->ListNode<>::Unlink();
  run_queue_ready_ = run_queue_.empty() ? SimTime::Never() : run_queue_.front()->ready_at_;
}

void Cpu::RunOne() {
  Cpu* const before = kernel_.running_;
  Cpu* const this_cpu_before = kernel_.this_cpu_;
  kernel_.running_ = kernel_.this_cpu_ = this;
  // Nothing runs before what has happened already, also where work was given to an idle CPU from
  // outside.
  now_ = Later(next_time(), kernel_.world().now());
  if (irq_pending_ != 0) {
    RunIrq();
  } else if (softirq_active_) {
    RunSoftirqSlice();
  } else if (ksoftirqd_ && (ksoftirqd_turn_ || run_queue_ready_ > now_)) {
    ksoftirqd_ = false;
    ksoftirqd_turn_ = false;
    EnterSoftirq();
    in_ksoftirqd_ = true;
  } else if (softirq_pending_ != 0 && !ksoftirqd_) {
    EnterSoftirq();
  } else {
    ksoftirqd_turn_ = true;
    RunThread();
  }
  kernel_.running_ = before;
  kernel_.this_cpu_ = this_cpu_before;
}

void Cpu::RunIrq() {
  const Context before = context_;
  context_ = Context::kHardirq;
  const int irq = std::countr_zero(irq_pending_);
  irq_pending_ &= irq_pending_ - 1;
  ++interrupts_;
  Charge(CostPoint::k_hardirq);
  if (irq == kLocalTimerIrq) {
    RunLocalTimer();
  } else {
    const Kernel::IrqDesc& desc = *kernel_.irqs_[irq];
    desc.handler(*this, desc.context);
  }
  context_ = before;
  // irq_exit: softirqs run now, unless the interrupt came in the middle of them or ksoftirqd has
  // them.
  if (irq_pending_ == 0 && !softirq_active_ && softirq_pending_ != 0 && !ksoftirqd_) {
    EnterSoftirq();
  }
}

void Cpu::RunLocalTimer() {
  while (HrTimer* const timer = hrtimers_due_.PopFront()) {
    if (timer->soft) {
      soft_hrtimers_due_.PushBack(timer);
      raise_softirq(HRTIMER_SOFTIRQ);
      continue;
    }
    Charge(CostPoint::k_timer);
    timer->function(timer);
  }
  if (timers_.due()) raise_softirq(TIMER_SOFTIRQ);
}

// hrtimer_run_softirq.
void Cpu::RunSoftHrTimers() {
  while (HrTimer* const timer = soft_hrtimers_due_.PopFront()) {
    Charge(CostPoint::k_timer);
    timer->function(timer);
  }
}

void Cpu::EnterSoftirq() {
  Charge(CostPoint::k_softirq);
  Trace(TraceKind::kSoftirq, softirq_pending_);
  softirq_active_ = true;
  softirq_restarts_left_ = kSoftirqRestartMax;
  softirq_start_ = now_;
  softirq_round_ = softirq_pending_;
  softirq_pending_ = 0;
}

// One slice of __do_softirq: the lowest vector of this round.
void Cpu::RunSoftirqSlice() {
  const Context before = context_;
  context_ = Context::kSoftirq;
  const auto vector = static_cast<SoftirqVector>(std::countr_zero(softirq_round_));
  SoftirqSlice slice = SoftirqSlice::kDone;
  if (vector == TIMER_SOFTIRQ) {
    timers_.Run();
  } else if (vector == HRTIMER_SOFTIRQ) {
    RunSoftHrTimers();
  } else if (kernel_.softirqs_[vector] != nullptr) {
    slice = kernel_.softirqs_[vector](*this);
  }
  context_ = before;
  if (slice == SoftirqSlice::kYield) return;
  ++softirq_count_[vector];
  softirq_round_ &= static_cast<uint8_t>(softirq_round_ - 1);
  if (softirq_round_ != 0) return;
  if (softirq_pending_ == 0) {
    softirq_active_ = in_ksoftirqd_ = false;
    return;
  }
  // Raised again meanwhile: go on, but not for ever. Then ksoftirqd takes turns with the tasks.
  if (SoftirqMayRestart()) {
    softirq_round_ = softirq_pending_;
    softirq_pending_ = 0;
    return;
  }
  softirq_active_ = in_ksoftirqd_ = false;
  ksoftirqd_ = true;
}

// __do_softirq's limits: time_before(jiffies, end), then the number of restarts.
bool Cpu::SoftirqMayRestart() {
  const Jiffies end = kernel_.JiffiesAt(softirq_start_) + kernel_.MsecsToJiffies(kSoftirqMsMax);
  return jiffies() < end && --softirq_restarts_left_ > 0;
}

void Cpu::local_bh_enable() {
  if (context_ != Context::kTask || softirq_active_ || softirq_pending_ == 0 || ksoftirqd_) return;
  EnterSoftirq();
  while (softirq_active_) RunSoftirqSlice();
}

void Cpu::RunThread() {
  Thread* const thread = run_queue_.front();
  DequeueThread(thread);
  context_ = Context::kTask;
  current_ = thread;
  Charge(CostPoint::k_context_switch);
  thread->Run();
  current_ = nullptr;
  context_ = Context::kIdle;
  if (thread->finished_) kernel_.DeleteThread(thread);
}

}  // namespace tapedeck
