#include "stack/kernel/timer.h"

#include <bit>

#include "stack/kernel/cpu.h"
#include "stack/kernel/kernel.h"

namespace tapedeck {

namespace {

constexpr Jiffies kNever = ~Jiffies{0};

// Level n covers deltas below 63 * 8^n buckets' worth: LVL_START(n + 1) in the kernel.
constexpr Jiffies LevelStart(int level, int level_size, int level_shift) {
  return static_cast<Jiffies>(level_size - 1) << ((level - 1) * level_shift);
}

}  // namespace

bool mod_timer(Cpu& cpu, TimerList* timer, Jiffies expires) {
  // Where packets come quickly most set it to the same jiffy.
  if (timer->pending() && timer->expires == expires) return true;
  return cpu.timers().Modify(timer, expires, /*only_earlier=*/false);
}

bool timer_reduce(Cpu& cpu, TimerList* timer, Jiffies expires) {
  return cpu.timers().Modify(timer, expires, /*only_earlier=*/true);
}

bool timer_delete(TimerList* timer) {
  return timer->pending() && timer->cpu->timers().Remove(timer);
}

TimerWheel::TimerWheel(Cpu& cpu, uint16_t event_source)
    : cpu_(cpu),
      levels_(cpu.kernel().hz() > 100 ? kLevels : kLevels - 1),
      tick_(EventKind::kTimer, event_source, &TimerWheel::OnTick),
      clk_(cpu.kernel().initial_jiffies()),
      next_expiry_(kNever) {
  tick_.wheel = this;
}

// calc_wheel_index: rounds up to the level's granularity and adds one, so that a timer never fires
// early.
uint16_t TimerWheel::BucketFor(Jiffies expires, Jiffies* bucket_expiry) const {
  const auto delta = static_cast<int64_t>(expires - clk_);
  int level = 0;
  if (delta < 0) {
    *bucket_expiry = clk_;
    return static_cast<uint16_t>(clk_ & kLevelMask);
  }
  // The start of the level above this one.
  Jiffies start = LevelStart(1, kLevelSize, kLevelShift);
  for (; static_cast<Jiffies>(delta) >= start && level + 1 < levels_; start <<= kLevelShift) {
    ++level;
  }
  if (static_cast<Jiffies>(delta) >= start) {
    const Jiffies cutoff = start;  // WHEEL_TIMEOUT_CUTOFF
    expires = clk_ + cutoff - (Jiffies{1} << ((levels_ - 1) * kLevelShift));  // WHEEL_TIMEOUT_MAX
  }
  const int shift = level * kLevelShift;
  const Jiffies slot = (expires >> shift) + 1;
  *bucket_expiry = slot << shift;
  return static_cast<uint16_t>(level * kLevelSize + static_cast<int>(slot & kLevelMask));
}

void TimerWheel::Enqueue(TimerList* timer, uint16_t bucket, Jiffies bucket_expiry) {
  TimerList*& head = buckets_[bucket];
  timer->next = head;
  if (head != nullptr) head->pprev = &timer->next;
  timer->pprev = &head;
  head = timer;
  timer->bucket = bucket;
  timer->bucket_expiry = static_cast<uint32_t>(bucket_expiry);
  timer->cpu = &cpu_;
  filled_[bucket / kLevelSize] |= uint64_t{1} << (bucket % kLevelSize);
  ++pending_;
  if (bucket_expiry < next_expiry_) {
    next_expiry_ = bucket_expiry;
    Rearm();
  }
}

void TimerWheel::Detach(TimerList* timer) {
  *timer->pprev = timer->next;
  if (timer->next != nullptr) timer->next->pprev = timer->pprev;
  timer->next = nullptr;
  timer->pprev = nullptr;
  const uint16_t bucket = timer->bucket;
  if (buckets_[bucket] == nullptr) {
    filled_[bucket / kLevelSize] &= ~(uint64_t{1} << (bucket % kLevelSize));
  }
  --pending_;
}

// forward_timer_base: the wheel's clock follows idle time, so that new timers get the level of
// their real distance. The time is that of the code that asks (jiffies are global), not that of the
// wheel's CPU, which may have slept since long ago.
void TimerWheel::ForwardClock() {
  const Jiffies now = cpu_.kernel().jiffies();
  if (now <= clk_) return;
  clk_ = next_expiry_ > now ? now : (next_expiry_ > clk_ ? next_expiry_ : clk_);
}

// __mod_timer.
bool TimerWheel::Modify(TimerList* timer, Jiffies expires, bool only_earlier) {
  const bool was_pending = timer->pending();
  if (was_pending) {
    if (only_earlier && timer->expires <= expires) return true;
    // Where the new expiry falls into the bucket that the timer is in already, it stays there, on
    // the CPU that has it, and keeps its place. The kernel compares the bucket's index alone; its
    // due time too tells apart a bucket that is being expired at this moment, in which the timer
    // would fire early.
    TimerWheel& wheel = timer->cpu->timers();
    wheel.ForwardClock();
    Jiffies bucket_expiry = 0;
    const uint16_t bucket = wheel.BucketFor(expires, &bucket_expiry);
    if (bucket == timer->bucket && static_cast<uint32_t>(bucket_expiry) == timer->bucket_expiry) {
      timer->expires = expires;
      return true;
    }
    wheel.Detach(timer);
    if (&wheel != this) wheel.Settle();
  }
  ForwardClock();
  timer->expires = expires;
  Jiffies bucket_expiry = 0;
  const uint16_t bucket = BucketFor(expires, &bucket_expiry);
  Enqueue(timer, bucket, bucket_expiry);
  return was_pending;
}

bool TimerWheel::Remove(TimerList* timer) {
  Detach(timer);
  Settle();
  return true;
}

// After a removal. The tick of a timer that has gone is harmless (OnTick looks again) and costs
// less than moving it each time; but an empty wheel has none, so that a world without work is at
// rest. What is due already is left to Run.
void TimerWheel::Settle() {
  if (pending_ != 0 || next_expiry_ <= cpu_.kernel().jiffies()) return;
  next_expiry_ = kNever;
  Rearm();
}

// __next_timer_interrupt: the earliest filled bucket over all levels.
Jiffies TimerWheel::NextExpiry() const {
  Jiffies next = kNever;
  Jiffies clk = clk_;
  for (int level = 0; level < levels_; ++level) {
    const int start = static_cast<int>(clk & kLevelMask);
    if (filled_[level] != 0) {
      const uint64_t from_start = std::rotr(filled_[level], start);
      const Jiffies at = (clk + static_cast<Jiffies>(std::countr_zero(from_start)))
                         << (level * kLevelShift);
      if (at < next) next = at;
    }
    // The next level's clock rounds up: its current bucket has been looked at where the low bits
    // are zero only.
    const bool round_up = (clk & ((1 << kLevelShift) - 1)) != 0;
    clk = (clk >> kLevelShift) + (round_up ? 1 : 0);
  }
  return next;
}

void TimerWheel::Rearm() {
  if (running_) return;
  Kernel& kernel = cpu_.kernel();
  EventQueue& events = kernel.world().cpu_events();
  if (next_expiry_ == kNever) {
    events.Cancel(&tick_);
    return;
  }
  // Ticks come at the beginning of a jiffy: what is due in this one already waits for the next.
  const Jiffies next_tick = kernel.jiffies() + 1;
  events.Schedule(&tick_, kernel.TimeOfJiffy(next_expiry_ < next_tick ? next_tick : next_expiry_));
}

bool TimerWheel::due() const { return cpu_.jiffies() >= next_expiry_; }

void TimerWheel::OnTick(Event* event, SimTime now) {
  TimerWheel* const wheel = static_cast<TickEvent*>(event)->wheel;
  // The timer that was due may have been deleted or moved; then there is nothing to interrupt the
  // CPU for.
  wheel->next_expiry_ = wheel->NextExpiry();
  if (wheel->next_expiry_ > wheel->cpu_.kernel().JiffiesAt(now)) {
    wheel->Rearm();
    return;
  }
  wheel->cpu_.RaiseIrq(Cpu::kLocalTimerIrq, now);
}

// Takes what is due at clk_ off the wheel: of every level whose clock ticks over at this jiffy, the
// current bucket.
int TimerWheel::CollectExpired(TimerList* heads[kLevels]) {
  int collected = 0;
  Jiffies clk = clk_;
  for (int level = 0; level < levels_; ++level) {
    const int bucket = (level * kLevelSize) + static_cast<int>(clk & kLevelMask);
    if (buckets_[bucket] != nullptr) {
      heads[collected] = buckets_[bucket];
      heads[collected]->pprev = &heads[collected];
      ++collected;
      buckets_[bucket] = nullptr;
      filled_[level] &= ~(uint64_t{1} << (bucket % kLevelSize));
    }
    if ((clk & ((1 << kLevelShift) - 1)) != 0) break;
    clk >>= kLevelShift;
  }
  return collected;
}

void TimerWheel::Run() {
  running_ = true;
  while (due()) {
    clk_ = next_expiry_;
    TimerList* heads[kLevels];
    int levels = CollectExpired(heads);
    // One ahead while callbacks run, so that a timer re-armed for now waits for the next jiffy.
    ++clk_;
    next_expiry_ = NextExpiry();
    while (levels-- > 0) {
      while (heads[levels] != nullptr) {
        TimerList* const timer = heads[levels];
        Detach(timer);
        cpu_.Charge(CostPoint::k_timer);
        timer->function(timer);
      }
    }
  }
  running_ = false;
  if (pending_ == 0) next_expiry_ = kNever;
  Rearm();
}

HrTimer::HrTimer(Cpu& cpu_in, Function function_in)
    : Event(EventKind::kTimer, cpu_in.event_source(),
            [](Event* event, SimTime now) {
              auto* const timer = static_cast<HrTimer*>(event);
              timer->cpu.hrtimers_due_.PushBack(timer);
              timer->cpu.RaiseIrq(Cpu::kLocalTimerIrq, now);
            }),
      cpu(cpu_in),
      function(function_in) {}

void HrTimer::Start(SimTime expires) {
  Unlink();
  // A time that has passed on this CPU expires at once.
  cpu.kernel().world().cpu_events().Schedule(this, Later(expires, cpu.kernel().world().now()));
}

bool HrTimer::Cancel() {
  const bool was_active = active();
  Unlink();
  cpu.kernel().world().cpu_events().Cancel(this);
  return was_active;
}

}  // namespace tapedeck
