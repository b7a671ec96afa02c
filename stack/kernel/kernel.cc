#include "stack/kernel/kernel.h"

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
    world.AddCpu(cpus_[id]);
  }
  running_ = cpus_[0];
}

int Kernel::request_irq(int slot, int vector, int cpu, IrqHandler handler, void* context) {
  int irq = 0;
  while (irq < irq_count_ && irqs_[irq].handler != nullptr) ++irq;
  CHECK_LT(irq, kIrqsMax);
  if (irq == irq_count_) ++irq_count_;
  IrqDesc& desc = irqs_[irq];
  desc.handler = handler;
  desc.context = context;
  desc.cpu = cpus_[cpu];
  desc.slot = slot;
  desc.vector = vector;
  if (desc.message == nullptr) {
    desc.message = world_.arena().New<MsixEvent>(EventKind::kInterrupt, desc.cpu->event_source(),
                                                 &Kernel::OnMsix);
    desc.message->kernel = this;
    desc.message->irq = irq;
  }
  return irq;
}

void Kernel::free_irq(int irq) {
  IrqDesc& desc = irqs_[irq];
  world_.cpu_events().Cancel(desc.message);
  desc.handler = nullptr;
  desc.slot = -1;
}

void Kernel::DeliverMsix(int slot, int vector, SimTime at) {
  for (int irq = 0; irq < irq_count_; ++irq) {
    IrqDesc& desc = irqs_[irq];
    if (desc.handler == nullptr || desc.slot != slot || desc.vector != vector) continue;
    // Two messages for one vector that are both on their way are one interrupt, as in a local APIC's request register.
    if (!desc.message->queued()) world_.cpu_events().Schedule(desc.message, at);
    return;
  }
}

void Kernel::OnMsix(Event* event, SimTime now) {
  auto* const message = static_cast<MsixEvent*>(event);
  message->kernel->irqs_[message->irq].cpu->RaiseIrq(message->irq, now);
}

Thread* Kernel::NewThread(int cpu) {
  Thread* const thread = threads_.New(*this, next_tid_++, *cpus_[cpu]);
  CHECK(thread != nullptr);
  return thread;
}

void Kernel::StartThread(Thread* thread, std::coroutine_handle<> root) {
  thread->root_ = root;
  thread->resume_at_ = root;
  thread->cpu_.EnqueueThread(thread, now());
}

void Kernel::DeleteThread(Thread* thread) {
  thread->Unlink();
  thread->entry_.Unlink();
  thread->timeout_.Cancel();
  threads_.Delete(thread);
}

}  // namespace tapedeck
