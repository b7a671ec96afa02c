// The timer wheel against Linux's rules, written down a second time, and against what real Linux
// did.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "stack/base/prng.h"
#include "stack/kernel/timer.h"
#include "test_host.h"

namespace tapedeck {
namespace {

// When Linux expires a timer, from the wheel's definition (the comment at the head of
// kernel/time/timer.c): level n is 8^n jiffies coarse and takes timers that are less than 63 * 8^n
// jiffies away; a timer expires at the next multiple of its level's granularity behind its expiry,
// never in its expiry's own; what is further than the last level reaches is brought to that level's
// last bucket but one. `clk` is the wheel's clock: the current jiffy, or the next one for code that
// runs in a timer's own softirq.
Jiffies LinuxExpiry(uint32_t hz, Jiffies clk, Jiffies expires) {
  if (expires < clk) return clk;
  const int levels = hz > 100 ? 9 : 8;
  Jiffies granularity = 1;
  for (int level = 0; level < levels; ++level) {
    const Jiffies reach = 63 * granularity;
    if (expires - clk < reach) return expires - expires % granularity + granularity;
    if (level == levels - 1) {
      const Jiffies last = clk + reach - granularity;
      return last - last % granularity + granularity;
    }
    granularity *= 8;
  }
  return 0;
}

// A timer that notes when it fired, in jiffies, and then calls `then`.
struct Probe : TimerList {
  explicit Probe(Kernel& kernel_in, std::function<void()> then_in = nullptr)
      : TimerList([](TimerList* timer) { static_cast<Probe*>(timer)->Fire(); }),
        kernel(kernel_in),
        then(std::move(then_in)) {}
  void Fire() {
    EXPECT_FALSE(pending());
    EXPECT_EQ(kernel.this_cpu().context(), Context::kSoftirq);
    fired.push_back(kernel.jiffies());
    fired_at = kernel.now();
    if (then) then();
  }
  Kernel& kernel;
  std::function<void()> then;
  std::vector<Jiffies> fired;
  SimTime fired_at;
};

class TimerWheelTest : public testing::TestWithParam<uint32_t> {
 protected:
  TimerWheelTest() : host_(/*cpus=*/2, GetParam()) {}
  void RunToJiffy(Jiffies j) { host_.world.RunUntil(host_.kernel.TimeOfJiffy(j)); }
  void RunFor(Jiffies jiffies) { RunToJiffy(host_.kernel.jiffies() + jiffies); }

  TestHost host_;
  Kernel& kernel_ = host_.kernel;
  Cpu& cpu_ = host_.kernel.cpu(0);
};
INSTANTIATE_TEST_SUITE_P(Hz, TimerWheelTest, testing::Values(100, 250, 1000),
                         [](const auto& param) { return "Hz" + std::to_string(param.param); });

TEST_P(TimerWheelTest, ExpiresWhenLinuxDoes) {
  Prng prng(11, GetParam());
  for (int round = 0; round < 3000; ++round) {
    // An idle stretch of any length, to a point between two ticks.
    const Duration rest = {kernel_.tick().ps * prng.Below(5000) + prng.Below(1'000'000)};
    host_.world.RunUntil(host_.world.now() + rest);
    const Jiffies now = kernel_.jiffies();
    const Jiffies delta = prng.Next64() >> (64 - 1 - prng.Below(18));
    const Jiffies wanted = LinuxExpiry(GetParam(), now, now + delta);
    Probe probe(kernel_);
    EXPECT_FALSE(mod_timer(cpu_, &probe, now + delta));
    EXPECT_TRUE(host_.world.RunUntilIdle(SimTime::Never()));
    ASSERT_EQ(probe.fired, std::vector<Jiffies>{wanted}) << "delta " << delta << " at " << now;
    ASSERT_EQ(probe.fired_at, kernel_.TimeOfJiffy(wanted)) << "at the tick";
    ASSERT_GT(wanted, now + delta) << "never early";
  }
}

// Both sides of every border between levels, and beyond the last.
TEST_P(TimerWheelTest, LevelsMeetWithoutAGap) {
  for (int level = 1; level <= (GetParam() > 100 ? 9 : 8); ++level) {
    const Jiffies border = Jiffies{63} << (3 * (level - 1));
    for (const Jiffies delta : {border - 1, border, border + 1, border + 12345}) {
      TestHost host(1, GetParam());
      const Jiffies now = host.kernel.jiffies();
      const Jiffies wanted = LinuxExpiry(GetParam(), now, now + delta);
      const SimTime wanted_time = host.kernel.TimeOfJiffy(wanted);
      Probe probe(host.kernel);
      mod_timer(host.kernel.cpu(0), &probe, now + delta);
      EXPECT_TRUE(host.world.RunUntilIdle(SimTime::Never()));
      ASSERT_EQ(probe.fired, std::vector<Jiffies>{wanted}) << "delta " << delta;
      ASSERT_EQ(host.world.now(), wanted_time);
    }
  }
}

// Many timers at once, armed, moved and deleted at random: each fires when the rules say, from the
// clock at which it got its bucket (which is one ahead in a jiffy in which timers have fired
// already); moving it within its bucket changes nothing.
TEST_P(TimerWheelTest, ManyTimersAgreeWithTheRules) {
  constexpr int kTimers = 200;
  Prng prng(12, GetParam());
  std::deque<Probe> probes;
  std::vector<Jiffies> wanted(kTimers, 0);  // 0: not pending
  std::vector<size_t> fired(kTimers, 0);
  Jiffies last_fired = 0;
  for (int i = 0; i < kTimers; ++i) probes.emplace_back(kernel_);
  for (int round = 0; round < 20'000; ++round) {
    if (prng.Below(4) == 0) RunFor(prng.Below(40));
    const Jiffies now = kernel_.jiffies();
    for (size_t i = 0; i < kTimers; ++i) {
      if (wanted[i] != 0 && wanted[i] <= now) {
        ASSERT_EQ(probes[i].fired.size(), ++fired[i]);
        ASSERT_EQ(probes[i].fired.back(), wanted[i]);
        last_fired = std::max(last_fired, wanted[i]);
        wanted[i] = 0;
      }
      ASSERT_EQ(probes[i].fired.size(), fired[i]);
      ASSERT_EQ(probes[i].pending(), wanted[i] != 0);
    }
    const Jiffies clk = std::max(now, last_fired + 1);
    const size_t i = prng.Below(kTimers);
    const Jiffies expires = now + (prng.Next64() >> (64 - 1 - prng.Below(12)));
    switch (prng.Below(4)) {
      case 0:
        ASSERT_EQ(timer_delete(&probes[i]), wanted[i] != 0);
        wanted[i] = 0;
        break;
      case 1:
        if (wanted[i] == 0 || probes[i].expires > expires) {
          wanted[i] = LinuxExpiry(GetParam(), clk, expires);
        }
        timer_reduce(cpu_, &probes[i], expires);
        break;
      default:
        if (wanted[i] == 0 || probes[i].expires != expires) {
          wanted[i] = LinuxExpiry(GetParam(), clk, expires);
        }
        mod_timer(cpu_, &probes[i], expires);
    }
  }
  for (Probe& probe : probes) timer_delete(&probe);
  EXPECT_EQ(cpu_.timers().pending(), 0U);
}

// A bucket is a stack; coarser levels come first (expire_timers from the highest level down).
TEST_P(TimerWheelTest, OrderOfExpiryIsLinux) {
  std::string order;
  // A multiple of 8 that is level 1's next tick but one from `now` as well as level 0's.
  RunToJiffy((kernel_.jiffies() / 64 + 2) * 64);
  const Jiffies now = kernel_.jiffies();
  const Jiffies at = now + 72;
  Probe coarse_1(kernel_, [&] { order += "c1 "; });
  Probe coarse_2(kernel_, [&] { order += "c2 "; });
  mod_timer(cpu_, &coarse_1, at - 8);  // 64 away: level 1
  mod_timer(cpu_, &coarse_2, at - 1);
  // A new expiry in the same bucket keeps the place.
  EXPECT_TRUE(mod_timer(cpu_, &coarse_1, at - 7));
  RunToJiffy(at - 10);
  Probe fine_1(kernel_, [&] { order += "f1 "; });
  Probe fine_2(kernel_, [&] { order += "f2 "; });
  mod_timer(cpu_, &fine_1, at - 1);
  mod_timer(cpu_, &fine_2, at - 1);
  RunToJiffy(at);
  EXPECT_EQ(order, "c2 c1 f2 f1 ");
  EXPECT_EQ(coarse_1.fired, std::vector<Jiffies>{at});
}

TEST_P(TimerWheelTest, CallbacksMayDeleteOthersOfTheirBucket) {
  const Jiffies at = kernel_.jiffies() + 3;
  Probe victim(kernel_);
  Probe killer(kernel_, [&] { EXPECT_TRUE(timer_delete(&victim)); });
  Probe bystander(kernel_);
  mod_timer(cpu_, &bystander, at);
  mod_timer(cpu_, &victim, at);
  mod_timer(cpu_, &killer, at);  // the newest: fires first
  RunFor(10);
  EXPECT_TRUE(victim.fired.empty());
  EXPECT_EQ(killer.fired.size(), 1U);
  EXPECT_EQ(bystander.fired.size(), 1U);
}

// A callback moves another timer of the bucket that is being expired; 62 and 63 jiffies on is the
// index of that very bucket, where a comparison of indices alone would leave it and fire it 62
// jiffies early.
TEST_P(TimerWheelTest, CallbacksMayMoveOthersOfTheirBucket) {
  for (const Jiffies later : std::initializer_list<Jiffies>{1, 5, 61, 62, 63, 64, 100}) {
    const Jiffies expires = kernel_.jiffies() + 3;
    Probe moved(kernel_);
    Jiffies wanted = 0;
    Probe mover(kernel_, [&] {
      const Jiffies now = kernel_.jiffies();
      EXPECT_TRUE(mod_timer(cpu_, &moved, now + later));
      wanted = LinuxExpiry(GetParam(), now + 1, now + later);
    });
    mod_timer(cpu_, &moved, expires);
    mod_timer(cpu_, &mover, expires);
    RunFor(200);
    EXPECT_EQ(mover.fired, std::vector<Jiffies>{expires + 1});
    EXPECT_EQ(moved.fired, std::vector<Jiffies>{wanted}) << later;
  }
}

// A timer that re-arms itself for now, or for the past, runs once a jiffy and does not keep the
// softirq.
TEST_P(TimerWheelTest, ReArmingForNowWaitsForTheNextJiffy) {
  const Jiffies start = kernel_.jiffies();
  Probe again(kernel_);
  again.then = [&] {
    if (again.fired.size() < 5)
      mod_timer(cpu_, &again, again.fired.size() % 2 == 0 ? start : again.fired.back());
  };
  RunFor(1);
  mod_timer(cpu_, &again, start);  // passed already
  RunFor(20);
  ASSERT_EQ(again.fired.size(), 5U);
  EXPECT_EQ(again.fired[0], start + 2);
  for (size_t i = 1; i < 5; ++i) {
    EXPECT_GT(again.fired[i], again.fired[i - 1]);
    EXPECT_LE(again.fired[i], again.fired[i - 1] + 2);
  }
}

TEST_P(TimerWheelTest, ReduceOnlyMakesEarlier) {
  const Jiffies now = kernel_.jiffies();
  Probe probe(kernel_);
  EXPECT_FALSE(timer_reduce(cpu_, &probe, now + 20));
  EXPECT_TRUE(timer_reduce(cpu_, &probe, now + 30));
  EXPECT_EQ(probe.expires, now + 20);
  EXPECT_TRUE(timer_reduce(cpu_, &probe, now + 10));
  EXPECT_EQ(probe.expires, now + 10);
  RunFor(50);
  EXPECT_EQ(probe.fired, std::vector<Jiffies>{now + 11});
}

// mod_timer on another CPU moves a timer there, unless its bucket stays the same; each fires on the
// CPU that has it.
TEST_P(TimerWheelTest, TimersMoveBetweenCpus) {
  Cpu& other = kernel_.cpu(1);
  const Jiffies now = kernel_.jiffies();
  Cpu* ran_on = nullptr;
  Probe probe(kernel_, [&] { ran_on = &kernel_.this_cpu(); });
  mod_timer(cpu_, &probe, now + 10);
  EXPECT_TRUE(mod_timer(other, &probe, now + 10));
  EXPECT_EQ(probe.cpu, &cpu_);
  EXPECT_TRUE(mod_timer(other, &probe, now + 20));
  EXPECT_EQ(probe.cpu, &other);
  EXPECT_EQ(cpu_.timers().pending(), 0U);
  RunFor(30);
  EXPECT_EQ(ran_on, &other);
  EXPECT_EQ(probe.fired, std::vector<Jiffies>{now + 21});
  mod_timer(other, &probe, kernel_.jiffies() + 1);
  EXPECT_TRUE(timer_delete(&probe));
  EXPECT_FALSE(timer_delete(&probe));
}

// There are no ticks: a day with a dozen timers in it costs a few steps each, a day with none costs
// nothing.
TEST_P(TimerWheelTest, IdleTimeIsFree) {
  const Jiffies day = Jiffies{86'400} * GetParam();
  RunFor(day);
  EXPECT_EQ(host_.world.steps(), 0U);
  std::deque<Probe> probes;
  for (Jiffies i = 0; i < 12; ++i) {
    probes.emplace_back(kernel_);
    mod_timer(cpu_, &probes.back(), kernel_.jiffies() + day * (i + 1) / 13);
  }
  RunFor(day + day / 8);
  for (const Probe& probe : probes) EXPECT_EQ(probe.fired.size(), 1U);
  // Tick, interrupt, softirq.
  EXPECT_LE(host_.world.steps(), 12U * 3);
}

// A timer that is pushed back all the time (as an RTO is by every ACK) costs next to nothing, and a
// world in which the last timer was deleted is at rest.
TEST_P(TimerWheelTest, PushingATimerBackIsCheap) {
  Probe rto(kernel_);
  for (int i = 0; i < 1000; ++i) {
    mod_timer(cpu_, &rto, kernel_.jiffies() + 200);
    RunFor(1);
  }
  EXPECT_TRUE(rto.fired.empty());
  EXPECT_LE(host_.world.steps(), 20U);
  timer_delete(&rto);
  EXPECT_TRUE(host_.world.RunUntilIdle(host_.world.now()));
}

// What user-mode Linux 6.1 (HZ=100, virtual time) was seen to do with retransmissions.
class RetransmissionTest : public testing::Test {
 protected:
  RetransmissionTest() : host_(/*cpus=*/1, /*hz=*/100) {}

  // Runs a timer that re-arms itself from its own callback, `rto[i]` jiffies ahead each time;
  // returns the distances between its expiries in jiffies. `phase` is the jiffy modulo 4096 at
  // which the first is armed.
  std::vector<Jiffies> Distances(Jiffies phase, const std::vector<Jiffies>& rto) {
    Kernel& kernel = host_.kernel;
    Jiffies start = kernel.jiffies() / 4096 * 4096 + 4096 + phase;
    host_.world.RunUntil(kernel.TimeOfJiffy(start));
    Probe probe(kernel);
    probe.then = [&] {
      const size_t next = probe.fired.size();
      if (next < rto.size()) mod_timer(kernel.cpu(0), &probe, kernel.jiffies() + rto[next]);
    };
    mod_timer(kernel.cpu(0), &probe, start + rto[0]);
    EXPECT_TRUE(host_.world.RunUntilIdle(SimTime::Never()));
    std::vector<Jiffies> distances;
    for (const Jiffies at : probe.fired) {
      distances.push_back(at - start);
      start = at;
    }
    return distances;
  }
  TestHost host_;
};

// SYN-ACKs were sent again after 1.04, 2.08, 4.08, 8.56 and 16.64 s, where the formula says 1, 2,
// 4, 8 and 16. 1, 2 and 4 s are 100, 200 and 400 jiffies: level 1, 8 jiffies coarse. From a
// multiple of 8 the first ends 4 behind its expiry, and each further one, which begins at a
// multiple of 8 and lasts one, takes 8 more. 8 and 16 s are level 2, 64 jiffies coarse: 8 s end at
// the next multiple of 64, the 16 s that begin there take 64 more. That the 8.56 s are 56 jiffies
// long fixes where the connection began: at 24 modulo 64.
TEST_F(RetransmissionTest, SynAckTimesAreThoseOfLinux) {
  EXPECT_EQ(Distances(24, {100, 200, 400, 800, 1600}),
            (std::vector<Jiffies>{104, 208, 408, 856, 1664}));
}

// Data: an RTO of 21 jiffies (200 ms of rttvar floor and a tick of srtt) first ends after 0.22 s
// and doubles up to 120 s, which on level 3 (512 jiffies coarse) take 122.88 s; 15 retries
// (tcp_retries2).
TEST_F(RetransmissionTest, DataTimesAreThoseOfLinux) {
  std::vector<Jiffies> rto;
  for (Jiffies next = 21; rto.size() < 15; next = next * 2 < 12'000 ? next * 2 : 12'000) {
    rto.push_back(next);
  }
  for (Jiffies phase = 0; phase < 64; ++phase) {
    const std::vector<Jiffies> distances = Distances(phase, rto);
    ASSERT_EQ(distances.size(), 15U);
    EXPECT_EQ(distances[0], 22U);
    EXPECT_EQ(distances[1], 43U);
    for (size_t i = 11; i < 15; ++i) EXPECT_EQ(distances[i], 12'288U);
  }
}

// Arming from outside, when the wheel's CPU has slept for long, takes the level of the real
// distance.
TEST(TimerWheelIdleTest, AnIdleCpusTimersAreExact) {
  TestHost host(2, 1000);
  host.world.RunUntil(AtMs(3'600'000));
  Probe probe(host.kernel);
  mod_timer(host.kernel.cpu(1), &probe, host.kernel.jiffies() + 5);
  EXPECT_TRUE(host.world.RunUntilIdle(SimTime::Never()));
  EXPECT_EQ(host.world.now(), AtMs(3'600'006));
}

struct HrProbe : HrTimer {
  HrProbe(Cpu& cpu_in, std::function<void()> then_in)
      : HrTimer(cpu_in,
                [](HrTimer* timer) {
                  EXPECT_EQ(timer->cpu.context(), Context::kHardirq);
                  EXPECT_FALSE(timer->active());
                  static_cast<HrProbe*>(timer)->then();
                }),
        then(std::move(then_in)) {}
  std::function<void()> then;
};

TEST(HrTimerTest, ExpiresAtItsTimeAndReArmsItself) {
  TestHost host(1, 100);
  Cpu& cpu = host.kernel.cpu(0);
  std::vector<uint64_t> times;
  HrProbe timer(cpu, [&] {
    times.push_back(cpu.now().ns());
    if (times.size() < 3) timer.Start(cpu.now() + Duration::Nanoseconds(7));
  });
  timer.Start(AtNs(100));
  EXPECT_TRUE(timer.active());
  // A timer of the wheel is pending, but not due: no softirq for it.
  Probe slow(host.kernel);
  mod_timer(cpu, &slow, host.kernel.jiffies() + 5);
  host.world.RunUntil(AtUs(1));
  EXPECT_EQ(times, (std::vector<uint64_t>{100, 107, 114}));
  EXPECT_EQ(cpu.softirqs(TIMER_SOFTIRQ), 0U);
  EXPECT_TRUE(host.world.RunUntilIdle(SimTime::Never()));
  EXPECT_EQ(cpu.softirqs(TIMER_SOFTIRQ), 1U);
}

TEST(HrTimerTest, CanBeMovedAndCancelledAlsoWhenDue) {
  TestHost host(1, 100);
  Cpu& cpu = host.kernel.cpu(0);
  std::string order;
  HrProbe second(cpu, [&] { order += "2"; });
  HrProbe third(cpu, [&] { order += "3"; });
  HrProbe first(cpu, [&] {
    order += "1";
    EXPECT_TRUE(second.active()) << "due at the same time, not run yet";
    EXPECT_TRUE(second.Cancel());
    EXPECT_FALSE(second.Cancel());
    third.Start(cpu.now() + Duration::Nanoseconds(1));
  });
  third.Start(AtNs(5));
  first.Start(AtNs(100));
  second.Start(AtNs(100));
  third.Start(AtNs(100));
  EXPECT_TRUE(host.world.RunUntilIdle(SimTime::Never()));
  EXPECT_EQ(order, "13");
  EXPECT_EQ(host.world.now(), AtNs(101));
  third.Start(AtNs(3));  // has passed: at once
  EXPECT_TRUE(host.world.RunUntilIdle(SimTime::Never()));
  EXPECT_EQ(order, "133");
  EXPECT_EQ(host.world.now(), AtNs(101));
}

}  // namespace
}  // namespace tapedeck
