// One host's kernel: its CPUs, interrupts, softirqs, threads, bus and settings. What network code
// gets from a kernel, and nothing about networks.
#ifndef TAPEDECK_STACK_KERNEL_KERNEL_H_
#define TAPEDECK_STACK_KERNEL_KERNEL_H_

#include <cstdint>
#include <type_traits>

#include "stack/base/prng.h"
#include "stack/kernel/bus.h"
#include "stack/kernel/cost.h"
#include "stack/kernel/cpu.h"
#include "stack/kernel/sysctl.h"
#include "stack/kernel/wait.h"
#include "stack/kernel/world.h"

namespace tapedeck {

struct KernelOptions {
  int host = 0;        // index in the Lab, for traces
  int cpus = 1;        // at most Kernel::kCpusMax
  uint32_t hz = 1000;  // ticks a second; 10^12 must be a multiple
  BusTiming bus_timing = {};
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
  const DeviceBus& bus() const { return bus_; }
  SysctlTree& sysctl() { return sysctl_; }
  Kmalloc& kmalloc() { return world_.kmalloc(); }
  PacketPool& packets() { return world_.packets(); }
  // alloc_pages: a buffer for packets of this host, as PacketPool::Alloc; none, too, where a
  // failure was asked for.
  [[gnu::always_inline]] PacketBuffer AllocPacketBuffer(uint32_t bytes, bool touch = true) {
    if (fail_page_nth_ != 0 && --fail_page_nth_ == 0) return {};
    return packets().Alloc(bytes, touch);
  }
  // What up to `count` calls of AllocPacketBuffer give without `touch`, as PacketPool::AllocMany.
  template <typename Take>
  uint32_t AllocPacketBuffers(uint32_t bytes, uint32_t count, Take take) {
    if (fail_page_nth_ == 0) [[likely]]
      return packets().AllocMany(bytes, count, take);
    for (uint32_t i = 0; i < count; ++i) {
      const PacketBuffer buffer = AllocPacketBuffer(bytes, /*touch=*/false);
      if (buffer.data == nullptr) return i;
      take(buffer);
    }
    return count;
  }
  // Lets the `nth` AllocPacketBuffer from now on fail, once (1: the next). 0: none.
  // fail_page_alloc.
  void FailPage(uint64_t nth) { fail_page_nth_ = nth; }
  const CostTable& costs() const { return costs_; }
  int host() const { return host_; }

  int cpus() const { return cpu_count_; }
  Cpu& cpu(int id) { return *cpus_[id]; }
  // The CPU whose code is running; CPU 0 where none is: a host is being built on it.
  Cpu& this_cpu() { return *this_cpu_; }
  // The running CPU's local time. Where none runs, CPU 0's or the world's, which is later.
  SimTime now() const {
    return running_ == nullptr ? Later(cpus_[0]->now(), world_.now()) : running_->now();
  }

  uint32_t hz() const { return hz_; }
  Duration tick() const { return tick_; }
  Jiffies jiffies() const { return JiffiesAt(now()); }
  Jiffies JiffiesAt(SimTime time) const {
    // Asked again and again within one tick, and a division takes longer than all else.
    if (time.ps - tick_begin_.ps >= tick_.ps) {
      ticks_ = time.ps / tick_.ps;
      tick_begin_ = SimTime::Zero() + tick_ * ticks_;
    }
    return initial_jiffies_ + ticks_;
  }
  // When jiffy `j` begins. REQUIRES: j >= initial_jiffies().
  SimTime TimeOfJiffy(Jiffies j) const { return SimTime::Zero() + tick_ * (j - initial_jiffies_); }
  // Rounds up, as msecs_to_jiffies.
  Jiffies MsecsToJiffies(uint64_t ms) const { return (ms * hz_ + 999) / 1000; }

  // INITIAL_JIFFIES: the kernel starts its 32-bit tick count five minutes before it wraps, so that
  // wraps are met early. Ours is 64 bits wide and starts where the low 32 bits do.
  Jiffies initial_jiffies() const { return initial_jiffies_; }

  // Binds vector `vector` of the device in `slot` to `cpu`; returns the irq number. request_irq.
  int request_irq(int slot, int vector, int cpu, IrqHandler handler, void* context);
  void free_irq(int irq);
  // Called by the bus: a message for (slot, vector) was sent and arrives at `at`.
  void DeliverMsix(int slot, int vector, SimTime at);

  void open_softirq(SoftirqVector vector, SoftirqAction action) { softirqs_[vector] = action; }

  // Starts a thread that runs `body(thread)`, a coroutine, on `cpu` from the next defined point on.
  // It is freed when it ends. `body` is kept as long as its coroutine; its captures are state of
  // the Lab, and may refer to such only.
  template <typename Body>
  Thread* Spawn(int cpu, Body body) {
    static_assert(std::is_trivially_copyable_v<Body>, "a snapshot copies what it captured");
    Thread* const thread = NewThread(cpu);
    if constexpr (std::is_empty_v<Body> || !std::is_class_v<Body>) {
      StartThread(thread, body(*thread).Release());
    } else {
      StartThread(thread, KeepBody(*thread, body).Release());
    }
    return thread;
  }
  // A thread without a coroutine, for callers that drive calls by hand.
  Thread* NewThread(int cpu);
  // Ends a thread wherever it sleeps; a coroutine's frames are destroyed. REQUIRES: it is not
  // running.
  void DeleteThread(Thread* thread);
  // Ends all of them: the end of every application. REQUIRES: none is running.
  void EndThreads();
  uint64_t live_threads() const { return threads_.cache().live_objects(); }

  // Timers armed on the wheels of all CPUs.
  uint64_t pending_timers() const;

  // Keyed randomness of this host, for what Linux takes from get_random_*().
  Prng& prng() { return prng_; }

  // The network of this host (struct net), which registers itself here: opaque to the kernel, and
  // how its softirq actions find it.
  void set_network(void* network) { network_ = network; }
  void* network() const { return network_; }

 private:
  friend class Cpu;
  friend class Thread;

  // An interrupt line and, as an event, the message that is on its way to it.
  struct IrqDesc : Event {
    using Event::Event;
    Kernel* kernel = nullptr;
    IrqHandler handler = nullptr;
    void* context = nullptr;
    Cpu* cpu = nullptr;
    int irq = 0;
    int slot = -1;
    int vector = -1;
    // When the last of the messages behind it comes; Never() where it is the only one on its way.
    SimTime last = SimTime::Never();
  };

  // A lambda's captures live in the lambda, not in its coroutine's frame: this frame holds the
  // lambda.
  template <typename Body>
  static Task<> KeepBody(Thread& thread, Body body) {
    co_await body(thread);
  }
  // When what is done now takes effect elsewhere: the running CPU's local time, or the world's.
  SimTime EffectTime() const { return running_ == nullptr ? world_.now() : running_->now(); }

  void StartThread(Thread* thread, std::coroutine_handle<> root);
  static void OnMsix(Event* event, SimTime now);

  World& world_;
  CostTable costs_;
  int host_;
  int cpu_count_;
  uint32_t hz_;
  Duration tick_;
  Jiffies initial_jiffies_;
  // The last tick that was asked for: its number and when it begins.
  mutable uint64_t ticks_ = 0;
  mutable SimTime tick_begin_;
  Prng prng_;
  DeviceBus bus_;
  SysctlTree sysctl_;
  SlabCache<Thread> threads_;
  List<Thread, AllThreadsTag> all_threads_;
  Cpu* running_ = nullptr;   // whose code runs
  Cpu* this_cpu_ = nullptr;  // that, or CPU 0 where none does
  Cpu* cpus_[kCpusMax] = {};
  SoftirqAction softirqs_[kSoftirqs] = {};
  IrqDesc* irqs_[kIrqsMax] = {};
  int irq_count_ = 0;
  int next_tid_ = 1;
  uint64_t fail_page_nth_ = 0;
  void* network_ = nullptr;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_KERNEL_KERNEL_H_
