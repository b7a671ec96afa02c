#include "stack/kernel/kernel.h"

#include <utility>

namespace tapedeck {

Kernel::Kernel(World& world, const KernelOptions& options, const CostTable& costs)
    : world_(world),
      costs_(costs),
      host_(options.host),
      cpu_count_(options.cpus),
      hz_(options.hz),
      tick_(Duration{Duration::Seconds(1).ps / options.hz}),
      initial_jiffies_(static_cast<uint32_t>(-300 * static_cast<int32_t>(options.hz))),
      prng_(world.NewPrng()),
      bus_(world, *this, options.bus_timing),
      sysctl_(world.arena(), options.hz),
      threads_(world.arena(), "thread") {
  CHECK_EQ(Duration::Seconds(1).ps % options.hz, 0U);
  CHECK(cpu_count_ >= 1 && cpu_count_ <= kCpusMax);
  for (int id = 0; id < cpu_count_; ++id) {
    cpus_[id] = world.arena().New<Cpu>(*this, id);
    this_cpu_ = cpus_[0];
    world.AddCpu(cpus_[id]);
  }
}

int Kernel::request_irq(int slot, int vector, int cpu, IrqHandler handler, void* context) {
  int irq = 0;
  while (irq < irq_count_ && irqs_[irq]->handler != nullptr) ++irq;
  CHECK_LT(irq, kIrqsMax);
  CHECK_LT(cpu, cpu_count_);
  CHECK(handler != nullptr);
  if (irq == irq_count_) {
    irqs_[irq_count_++] =
        world_.arena().New<IrqDesc>(EventKind::kInterrupt, uint16_t{0}, &Kernel::OnMsix);
  }
  IrqDesc& desc = *irqs_[irq];
  desc.kernel = this;
  desc.source = cpus_[cpu]->event_source();
  desc.handler = handler;
  desc.context = context;
  desc.cpu = cpus_[cpu];
  desc.irq = irq;
  desc.slot = slot;
  desc.vector = vector;
  return irq;
}

void Kernel::free_irq(int irq) {
  IrqDesc& desc = *irqs_[irq];
  // Neither a message on its way nor one that has arrived reaches the line's next user.
  world_.cpu_events().Cancel(&desc);
  desc.last = SimTime::Never();
  desc.cpu->ClearIrq(irq);
  desc.handler = nullptr;
  desc.slot = -1;
}

void Kernel::DeliverMsix(int slot, int vector, SimTime at) {
  for (int irq = 0; irq < irq_count_; ++irq) {
    IrqDesc& desc = *irqs_[irq];
    if (desc.handler == nullptr || desc.slot != slot || desc.vector != vector) continue;
    EventQueue& events = world_.cpu_events();
    if (!desc.queued()) return events.Schedule(&desc, at);
    // Of several messages on their way for one vector the first and the last interrupt: what those
    // between tell of is in memory when the last comes. It counts even where the first one's
    // handler runs after it was sent: what it tells of may be written later than that handler
    // looks.
    const SimTime first = events.TimeOf(&desc);
    if (at == first) return;
    const SimTime later = Later(at, first);
    desc.last = desc.last == SimTime::Never() ? later : Later(desc.last, later);
    if (at < first) events.Schedule(&desc, at);
    return;
  }
}

void Kernel::OnMsix(Event* event, SimTime now) {
  auto* const desc = static_cast<IrqDesc*>(event);
  const SimTime last = std::exchange(desc->last, SimTime::Never());
  if (last != SimTime::Never()) desc->kernel->world_.cpu_events().Schedule(desc, last);
  desc->cpu->RaiseIrq(desc->irq, now);
}

Thread* Kernel::NewThread(int cpu) {
  Thread* const thread = threads_.New(*this, next_tid_++, *cpus_[cpu]);
  CHECK(thread != nullptr);
  all_threads_.PushBack(thread);
  return thread;
}

void Kernel::StartThread(Thread* thread, std::coroutine_handle<> root) {
  thread->root_ = root;
  thread->resume_at_ = root;
  thread->cpu_.EnqueueThread(thread, EffectTime());
}

void Kernel::DeleteThread(Thread* thread) {
  CHECK(thread->cpu_.current() != thread);
  if (thread->ListNode<>::linked()) thread->cpu_.DequeueThread(thread);
  // It leaves its wait queue first: a call that ends with its frame may free the queue.
  thread->entry_.Unlink();
  thread->timeout_.Cancel();
  timer_delete(&thread->process_timer_);
  if (thread->root_) thread->root_.destroy();
  thread->ListNode<AllThreadsTag>::Unlink();
  threads_.Delete(thread);
}

void Kernel::EndThreads() {
  while (Thread* const thread = all_threads_.front()) DeleteThread(thread);
}

uint64_t Kernel::pending_timers() const {
  uint64_t pending = 0;
  for (int id = 0; id < cpu_count_; ++id) pending += cpus_[id]->timers().pending();
  return pending;
}

}  // namespace tapedeck
