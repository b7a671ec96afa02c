// Low-resolution timers: Linux's hierarchical wheel (kernel/time/timer.c since 4.8). Level n has 64
// buckets of 8^n jiffies each; a timer is put once and never cascaded, so it expires up to one
// bucket of its level late. That lateness is behaviour users see (an RTO of 1 s fires after 1.04 s
// at HZ=100) and is reproduced exactly. High-resolution timers (HrTimer) expire at their time.
#ifndef TAPEDECK_STACK_KERNEL_TIMER_H_
#define TAPEDECK_STACK_KERNEL_TIMER_H_

#include <cstdint>

#include "stack/base/list.h"
#include "stack/base/time.h"
#include "stack/kernel/event_queue.h"

namespace tapedeck {

class Cpu;

// A count of ticks. 64 bits inside; what the kernel's 32-bit arithmetic would wrap, callers wrap.
using Jiffies = uint64_t;

// A timer. Derive from it or keep it as a member; `function` runs in softirq context on the CPU
// that armed it.
struct TimerList {
  using Function = void (*)(TimerList* timer);
  explicit TimerList(Function function_in) : function(function_in) {}
  TimerList(const TimerList&) = delete;
  TimerList& operator=(const TimerList&) = delete;
  ~TimerList() { CHECK(!pending()); }

  bool pending() const { return pprev != nullptr; }

  Function function;
  Jiffies expires = 0;
  // The wheel's own. As in the kernel a bucket is an hlist, newest first: that is the order of
  // expiry within a bucket.
  TimerList* next = nullptr;
  TimerList** pprev = nullptr;
  Cpu* cpu = nullptr;
  uint32_t bucket_expiry = 0;  // low half of the jiffy at which its bucket is due
  uint16_t bucket = 0;
};

// Arms `timer` for `expires`, moving it when it is pending. True where it was pending.
bool mod_timer(Cpu& cpu, TimerList* timer, Jiffies expires);
// As mod_timer, but only ever makes a pending timer expire earlier.
bool timer_reduce(Cpu& cpu, TimerList* timer, Jiffies expires);
// Disarms. True where it was pending.
bool timer_delete(TimerList* timer);

// One CPU's wheel.
class TimerWheel {
 public:
  TimerWheel(Cpu& cpu, uint16_t event_source);

  // timer_list operations for this CPU; see the functions above.
  bool Modify(TimerList* timer, Jiffies expires, bool only_earlier);
  bool Remove(TimerList* timer);

  // Whether Run has anything to do at the CPU's time.
  bool due() const;
  // run_timer_softirq: expires all that is due at the CPU's time. Runs on the wheel's CPU.
  void Run();

  uint64_t pending() const { return pending_; }

 private:
  struct TickEvent : Event {
    using Event::Event;
    TimerWheel* wheel = nullptr;
  };
  static constexpr int kLevelBits = 6;
  static constexpr int kLevelSize = 1 << kLevelBits;
  static constexpr int kLevelMask = kLevelSize - 1;
  static constexpr int kLevelShift = 3;  // each level is 8 times coarser
  static constexpr int kLevels = 9;      // LVL_DEPTH; 8 up to HZ=100
  static constexpr int kBuckets = kLevels * kLevelSize;

  static void OnTick(Event* event, SimTime now);
  uint16_t BucketFor(Jiffies expires, Jiffies* bucket_expiry) const;
  void Enqueue(TimerList* timer, uint16_t bucket, Jiffies bucket_expiry);
  void Detach(TimerList* timer);
  void Settle();
  void ForwardClock();
  Jiffies NextExpiry() const;
  void Rearm();
  int CollectExpired(TimerList* heads[kLevels]);

  Cpu& cpu_;
  int levels_;
  bool running_ = false;  // in Run, which sets the tick itself when it is through
  TickEvent tick_;
  Jiffies clk_;          // the next jiffy to be processed
  Jiffies next_expiry_;  // when the earliest filled bucket is due
  uint64_t pending_ = 0;
  uint64_t filled_[kLevels] = {};  // bit b of word n: bucket b of level n has timers
  TimerList* buckets_[kBuckets] = {};
};

// A timer that expires at its time exactly; `function` runs in hardirq context on `cpu`, or, where
// it is `soft` (HRTIMER_MODE_SOFT), in the softirq that follows. Not periodic: it re-arms itself.
struct HrTimer : Event, ListNode<> {
  using Function = void (*)(HrTimer* timer);
  HrTimer(Cpu& cpu_in, Function function_in);

  // hrtimer_start / hrtimer_cancel.
  void Start(SimTime expires);
  bool Cancel();
  bool active() const { return queued() || linked(); }

  Cpu& cpu;
  Function function;
  bool soft = false;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_KERNEL_TIMER_H_
