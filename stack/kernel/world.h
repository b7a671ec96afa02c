// What all hosts, devices and wires of a Lab share: the arena, the clock, the two event queues, the
// trace. It is the only thing that makes time pass.
//
// Two queues: what devices and wires do needs no CPU, so code that runs on a CPU whose local time
// has run ahead can let the devices catch up (BringDevicesTo) before it touches one; what needs a
// CPU (interrupts, timers, the script) waits for the main loop.
#ifndef TAPEDECK_STACK_KERNEL_WORLD_H_
#define TAPEDECK_STACK_KERNEL_WORLD_H_

#include <cstdint>

#include "stack/base/prng.h"
#include "stack/base/time.h"
#include "stack/base/trace_event.h"
#include "stack/kernel/arena.h"
#include "stack/kernel/event_queue.h"
#include "stack/kernel/slab.h"

namespace tapedeck {

class Cpu;

class World {
 public:
  // The World itself is to be made in `arena` (arena.New<World>). `sink` may be null: then nothing
  // is traced.
  World(Arena& arena, uint64_t seed, TraceSink* sink);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Arena& arena() { return arena_; }
  Kmalloc& kmalloc() { return kmalloc_; }
  PacketPool& packets() { return packets_; }
  uint64_t seed() const { return seed_; }

  // The time of the last event: nothing before it can still happen. A CPU's own time may be later.
  SimTime now() const { return now_; }

  // Events of kind kWire and kDevice; their callbacks never run CPU code.
  EventQueue& device_events() { return device_events_; }
  // Events of kind kInterrupt, kTimer and kScript.
  EventQueue& cpu_events() { return cpu_events_; }
  // Sources are numbered in the order in which a Lab is built.
  uint16_t NewEventSource() {
    CHECK_LT(next_source_, 4096);
    return next_source_++;
  }
  // A stream of random numbers of its own for each caller, in the order in which a Lab is built.
  Prng NewPrng() { return Prng(seed_, next_stream_++); }
  // Names one frame on a wire or packet made by a host, for traces. Never 0.
  uint32_t NewFrameId() { return ++last_frame_id_; }

  // Runs everything that happens until `end` inclusive; then now() == end.
  void RunUntil(SimTime end);
  // Runs until nothing is left to happen, or until `limit`. True where it came to rest; now() is
  // then the last event's time.
  bool RunUntilIdle(SimTime limit);
  // Runs one event or one step of a CPU, if one happens by `limit`; false where none does.
  bool Step(SimTime limit);

  // Lets wires and devices act until `time` inclusive. For code on a CPU, before it touches a
  // device.
  void BringDevicesTo(SimTime time) {
    while (!device_events_.empty() && device_events_.next_time() <= time) device_events_.RunNext();
  }

  bool tracing() const { return sink_ != nullptr; }
  void Trace(const TraceEvent& event) {
    if (sink_ != nullptr) sink_->Emit(event);
  }
  // As TraceSink::Append.
  void Trace(SimTime time, uint64_t head, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    if (sink_ != nullptr) sink_->Append(time, head, a, b, c, d);
  }
  void set_trace_sink(TraceSink* sink) { sink_ = sink; }

  // Called by Kernel for each of its CPUs; ties between CPUs go by this order.
  void AddCpu(Cpu* cpu);

  // Whether no CPU runs or has anything to run: nothing happens before the next event.
  bool idle() const;

  // Steps of the main loop so far: the unit of work budgets and of progress reports.
  uint64_t steps() const { return steps_; }

 private:
  static constexpr int kCpusMax = 64;

  Arena& arena_;
  TraceSink* sink_;
  uint64_t seed_;
  Kmalloc kmalloc_;
  PacketPool packets_;
  EventQueue device_events_;
  EventQueue cpu_events_;
  SimTime now_;
  uint64_t steps_ = 0;
  uint64_t next_stream_ = 0;
  uint32_t last_frame_id_ = 0;
  uint16_t next_source_ = 0;
  bool cpu_running_ = false;
  int cpu_count_ = 0;
  Cpu* cpus_[kCpusMax] = {};
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_KERNEL_WORLD_H_
