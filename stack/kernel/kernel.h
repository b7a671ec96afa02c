// One host's kernel: its CPUs, interrupts, softirqs, threads, bus and settings. What network code gets from a kernel, and
// nothing about networks.
#ifndef TAPEDECK_STACK_KERNEL_KERNEL_H_
#define TAPEDECK_STACK_KERNEL_KERNEL_H_

#include <cstdint>

#include "stack/base/prng.h"
#include "stack/kernel/bus.h"
#include "stack/kernel/cost.h"
#include "stack/kernel/cpu.h"
#include "stack/kernel/sysctl.h"
#include "stack/kernel/wait.h"
#include "stack/kernel/world.h"

namespace tapedeck {

struct KernelOptions {
  int host = 0;       // index in the Lab, for traces
  int cpus = 1;       // at most Kernel::kCpusMax
  uint32_t hz = 1000;  // ticks a second; 10^12 must be a multiple
  BusTiming bus_timing;
};

// Runs in hardirq context.
using IrqHandler = void (*)(Cpu& cpu, void* context);

class Kernel {
 public:
  static constexpr int kCpusMax = 16;
  static constexpr int kIrqsMax = 63;  // the 64th line is the CPU's local timer

  // Everything is made in the world's arena. `costs` is copied.
  Kernel(World& world, const KernelOptions& options, const CostTable& costs);
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  World& world() { return world_; }
  DeviceBus& bus() { return bus_; }
  SysctlTree& sysctl() { return sysctl_; }
  Kmalloc& kmalloc() { return world_.kmalloc(); }
  PacketPool& packets() { return world_.packets(); }
  const CostTable& costs() const { return costs_; }
  int host() const { return host_; }

  int cpus() const { return cpu_count_; }
  Cpu& cpu(int id) { return *cpus_[id]; }
  // The CPU whose code is running; CPU 0 where none is (while a host is being built).
  Cpu& this_cpu() { return *running_; }
  // The running CPU's local time; the world's where none runs.
  SimTime now() const { return Later(running_->now(), world_.now()); }

  uint32_t hz() const { return hz_; }
  Duration tick() const { return tick_; }
  Jiffies jiffies() const { return JiffiesAt(now()); }
  Jiffies JiffiesAt(SimTime time) const { return initial_jiffies_ + time.ps / tick_.ps; }
  // When jiffy `j` begins. REQUIRES: j >= initial_jiffies().
  SimTime TimeOfJiffy(Jiffies j) const { return SimTime::Zero() + tick_ * (j - initial_jiffies_); }
  // Rounds up, as msecs_to_jiffies.
  Jiffies MsecsToJiffies(uint64_t ms) const { return (ms * hz_ + 999) / 1000; }

  // INITIAL_JIFFIES: the kernel starts its 32-bit tick count five minutes before it wraps, so that wraps are met early.
  // Ours is 64 bits wide and starts where the low 32 bits do.
  Jiffies initial_jiffies() const { return initial_jiffies_; }

  // Binds vector `vector` of the device in `slot` to `cpu`; returns the irq number. request_irq.
  int request_irq(int slot, int vector, int cpu, IrqHandler handler, void* context);
  void free_irq(int irq);
  // Called by the bus: a message for (slot, vector) was sent and arrives at `at`.
  void DeliverMsix(int slot, int vector, SimTime at);

  void open_softirq(SoftirqVector vector, SoftirqAction action) { softirqs_[vector] = action; }

  // Starts a thread that runs `body(thread)` on `cpu` from the next defined point on. It is freed when it ends.
  template <typename Body>
  Thread* Spawn(int cpu, Body body) {
    Thread* const thread = NewThread(cpu);
    StartThread(thread, body(*thread).Release());
    return thread;
  }
  // A thread without a coroutine, for callers that drive calls by hand. Freed by DeleteThread.
  Thread* NewThread(int cpu);
  void DeleteThread(Thread* thread);
  uint64_t live_threads() const { return threads_.cache().live_objects(); }

  // Keyed randomness of this host, for what Linux takes from get_random_*().
  Prng& prng() { return prng_; }

  // The network of this host (struct net), which registers itself here: opaque to the kernel, and how its softirq actions
  // find it.
  void set_network(void* network) { network_ = network; }
  void* network() const { return network_; }

 private:
  friend class Cpu;
  friend class Thread;

  struct MsixEvent : Event {
    using Event::Event;
    Kernel* kernel = nullptr;
    int irq = 0;
  };
  struct IrqDesc {
    IrqHandler handler = nullptr;
    void* context = nullptr;
    Cpu* cpu = nullptr;
    MsixEvent* message = nullptr;
    int slot = -1;
    int vector = -1;
  };

  void StartThread(Thread* thread, std::coroutine_handle<> root);
  static void OnMsix(Event* event, SimTime now);

  World& world_;
  CostTable costs_;
  int host_;
  int cpu_count_;
  uint32_t hz_;
  Duration tick_;
  Jiffies initial_jiffies_;
  Prng prng_;
  DeviceBus bus_;
  SysctlTree sysctl_;
  SlabCache<Thread> threads_;
  Cpu* running_ = nullptr;
  Cpu* cpus_[kCpusMax] = {};
  SoftirqAction softirqs_[kSoftirqs] = {};
  IrqDesc irqs_[kIrqsMax];
  int irq_count_ = 0;
  int next_tid_ = 1;
  void* network_ = nullptr;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_KERNEL_KERNEL_H_
