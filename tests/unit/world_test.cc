// The main loop: two queues, the clock, and what "at rest" means. CPUs are in cpu_test.
#include "stack/kernel/world.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "test_host.h"

namespace tapedeck {
namespace {

struct Act : Event {
  Act(EventKind kind_in, uint16_t source_in, std::function<void(SimTime)> act_in)
      : Event(kind_in, source_in,
              [](Event* event, SimTime now) { static_cast<Act*>(event)->act(now); }),
        act(std::move(act_in)) {}
  std::function<void(SimTime)> act;
};

class WorldTest : public testing::Test {
 protected:
  TestHost host_;
  World& world_ = host_.world;
  std::vector<std::string> log_;
};

TEST_F(WorldTest, DevicesComeFirstAtEqualTimes) {
  Act script(EventKind::kScript, 0, [&](SimTime) { log_.emplace_back("script"); });
  Act device(EventKind::kDevice, 0, [&](SimTime) { log_.emplace_back("device"); });
  Act early(EventKind::kTimer, 0, [&](SimTime) { log_.emplace_back("early timer"); });
  world_.cpu_events().Schedule(&script, AtNs(5));
  world_.cpu_events().Schedule(&early, AtNs(4));
  world_.device_events().Schedule(&device, AtNs(5));
  world_.RunUntil(AtNs(5));
  EXPECT_EQ(log_, (std::vector<std::string>{"early timer", "device", "script"}));
}

TEST_F(WorldTest, RunUntilIsInclusiveAndMovesTheClock) {
  int runs = 0;
  Act at_end(EventKind::kScript, 0, [&](SimTime) { ++runs; });
  Act behind(EventKind::kScript, 0, [&](SimTime) { ++runs; });
  world_.cpu_events().Schedule(&at_end, AtNs(10));
  world_.cpu_events().Schedule(&behind, SimTime{AtNs(10).ps + 1});
  world_.RunUntil(AtNs(10));
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(world_.now(), AtNs(10));
  world_.RunUntil(AtNs(3));  // the past: nothing happens
  EXPECT_EQ(world_.now(), AtNs(10));
  world_.RunUntil(AtNs(20));
  EXPECT_EQ(runs, 2);
}

TEST_F(WorldTest, RunUntilIdleStopsAtTheLastEvent) {
  Act last(EventKind::kScript, 0, [](SimTime) {});
  world_.cpu_events().Schedule(&last, AtNs(10));
  EXPECT_FALSE(world_.RunUntilIdle(AtNs(9)));
  EXPECT_TRUE(world_.RunUntilIdle(AtUs(1)));
  EXPECT_EQ(world_.now(), AtNs(10));
  EXPECT_EQ(world_.steps(), 1U);
}

// Devices may run ahead of the clock for a CPU that has; what they ask of CPUs waits for its time.
TEST_F(WorldTest, DevicesCanBeBroughtAhead) {
  std::vector<SimTime> cpu_times;
  Act cpu(EventKind::kInterrupt, 0, [&](SimTime now) { cpu_times.push_back(now); });
  Act device(EventKind::kDevice, 0, [&](SimTime now) {
    world_.cpu_events().Schedule(&cpu, now + Duration::Nanoseconds(1));
  });
  world_.device_events().Schedule(&device, AtNs(50));
  world_.BringDevicesTo(AtNs(49));
  EXPECT_TRUE(device.queued());
  world_.BringDevicesTo(AtNs(50));
  EXPECT_FALSE(device.queued());
  EXPECT_EQ(world_.now(), SimTime::Zero());
  world_.BringDevicesTo(SimTime::Never());
  world_.RunUntil(AtUs(1));
  EXPECT_EQ(cpu_times, std::vector<SimTime>{AtNs(51)});
}

TEST_F(WorldTest, StreamsOfRandomNumbersAreTheirOwn) {
  TestHost other;
  Prng a = world_.NewPrng();
  Prng b = world_.NewPrng();
  Prng a_again = other.world.NewPrng();
  const uint64_t first = a.Next64();
  EXPECT_EQ(first, a_again.Next64());
  EXPECT_NE(first, b.Next64());
}

// A small Lab stays in the cache: the budget for a world and a kernel with one CPU before anything
// is attached.
TEST_F(WorldTest, AnEmptyHostIsSmall) {
  if (kAsanBuild) GTEST_SKIP() << "red zones take more";
  EXPECT_LE(host_.arena.hot_used_bytes(), size_t{24} << 10);
  RecordProperty("hot_used_bytes", static_cast<int>(host_.arena.hot_used_bytes()));
}

}  // namespace
}  // namespace tapedeck
