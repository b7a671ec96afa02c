// What will happen, in a total order: (time, kind, source, sequence). Two events are never
// unordered, so a tie is part of a run's definition. A 4-ary heap of intrusive events; the heap's
// array is in the arena.
#ifndef TAPEDECK_STACK_KERNEL_EVENT_QUEUE_H_
#define TAPEDECK_STACK_KERNEL_EVENT_QUEUE_H_

#include <cstdint>

#include "stack/base/time.h"
#include "stack/kernel/slab.h"

namespace tapedeck {

// At equal times, the lower kind comes first: a frame that arrives at t is on the wire before a
// device acts at t, an interrupt reaches its CPU before a timer of the same instant, and the script
// acts last, on a world that has settled.
enum class EventKind : uint8_t {
  kWire,       // frames that enter or leave a wire
  kDevice,     // a device does something that others can see
  kInterrupt,  // a message reaches a CPU
  kTimer,      // timer wheel, hrtimers
  kScript,     // the player's steps
};

// Derive from it, or keep one as a member. It may not move or die while it is queued.
struct Event {
  using Callback = void (*)(Event* event, SimTime now);

  Event(EventKind kind_in, uint16_t source_in, Callback run_in)
      : run(run_in), source(source_in), kind(kind_in) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { CHECK(!queued()); }

  bool queued() const { return heap_index != kNotQueued; }

  static constexpr uint32_t kNotQueued = ~uint32_t{0};
  Callback run;
  uint32_t heap_index = kNotQueued;
  uint16_t source;  // World::NewEventSource, below 4096
  EventKind kind;
};

class EventQueue {
 public:
  explicit EventQueue(Kmalloc& kmalloc);
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;

  // Queues `event` at `time`, or moves it there when it is queued already. SimTime::Never() takes
  // it off.
  void Schedule(Event* event, SimTime time);
  // Nothing where it is not queued.
  void Cancel(Event* event);

  bool empty() const { return size_ == 0; }
  uint32_t size() const { return size_; }
  // Never() where the queue is empty.
  SimTime next_time() const { return size_ == 0 ? SimTime::Never() : heap_[0].time; }
  EventKind next_kind() const { return static_cast<EventKind>(heap_[0].order >> 60); }
  // REQUIRES: queued.
  SimTime TimeOf(const Event* event) const { return heap_[event->heap_index].time; }

  // Takes the first event off and runs it. REQUIRES: !empty().
  void RunNext();

 private:
  struct Entry {
    SimTime time;
    uint64_t order;  // kind: 4 bits, source: 12 bits, sequence: 48 bits
    Event* event;
    // As one number, so that a comparison takes no branch that the processor could guess wrong.
    uint128 key() const { return static_cast<uint128>(time.ps) << 64 | order; }
    friend bool operator<(const Entry& a, const Entry& b) { return a.key() < b.key(); }
  };
  void Place(uint32_t index, const Entry& entry);
  void SiftUp(uint32_t index, const Entry& entry);
  void SiftDown(uint32_t index, const Entry& entry);
  void RemoveAt(uint32_t index);
  void Grow();

  Kmalloc& kmalloc_;
  Entry* heap_;
  uint32_t size_ = 0;
  uint32_t capacity_;
  uint64_t next_sequence_ = 0;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_KERNEL_EVENT_QUEUE_H_
