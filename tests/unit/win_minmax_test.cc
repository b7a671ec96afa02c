// The windowed minimum and maximum, by hand and at random.
#include "stack/tcp/win_minmax.h"

#include <gtest/gtest.h>

#include <deque>

#include "stack/base/prng.h"

namespace tapedeck {
namespace {

TEST(WinMinmaxTest, KeepsTheMinimumUntilItIsOutOfTheWindow) {
  minmax m;
  minmax_reset(&m, 0, 50);
  EXPECT_EQ(minmax_running_min(&m, 100, 10, 60), 50U);
  EXPECT_EQ(minmax_running_min(&m, 100, 30, 55), 50U);   // second quarter: the second best
  EXPECT_EQ(minmax_running_min(&m, 100, 60, 58), 50U);   // second half: the third best
  EXPECT_EQ(minmax_running_min(&m, 100, 100, 70), 50U);  // exactly as old as the window
  EXPECT_EQ(minmax_running_min(&m, 100, 101, 70), 55U);
  EXPECT_EQ(minmax_running_min(&m, 100, 131, 80), 58U);
}

TEST(WinMinmaxTest, ABetterOrEqualSampleReplacesAll) {
  minmax m;
  minmax_reset(&m, 0, 50);
  EXPECT_EQ(minmax_running_min(&m, 100, 90, 50), 50U);
  EXPECT_EQ(minmax_running_min(&m, 100, 190, 60), 50U);  // as of 90
  EXPECT_EQ(minmax_running_min(&m, 100, 200, 40), 40U);
  EXPECT_EQ(minmax_running_max(&m, 100, 210, 45), 45U);
}

TEST(WinMinmaxTest, StartsAnewWhereNothingIsLeft) {
  minmax m;
  minmax_reset(&m, 0, 50);
  EXPECT_EQ(minmax_running_min(&m, 100, 1000, 90), 90U);
  EXPECT_EQ(minmax_running_max(&m, 100, 2000, 10), 10U);
}

TEST(WinMinmaxTest, TimeWraps) {
  minmax m;
  minmax_reset(&m, 0xfffffff0, 5);
  EXPECT_EQ(minmax_running_min(&m, 100, 0x10, 9), 5U);
  EXPECT_EQ(minmax_running_min(&m, 100, 0x80, 9), 9U);
}

// Whatever comes: the answer is a sample of the window, and no later sample is better.
TEST(WinMinmaxTest, RandomWalk) {
  constexpr uint32_t kWindow = 64;
  Prng prng(7, 0);
  minmax low;
  minmax high;
  uint32_t t = 0;
  std::deque<minmax_sample> samples = {{0, 1000}};
  minmax_reset(&low, 0, 1000);
  minmax_reset(&high, 0, 1000);
  for (int i = 0; i < 20000; ++i) {
    t += 1 + prng.Below(8);
    samples.push_back({t, samples.back().v + prng.Below(21) - 10});
    while (t - samples.front().t > kWindow) samples.pop_front();
    const uint32_t min = minmax_running_min(&low, kWindow, t, samples.back().v);
    const uint32_t max = minmax_running_max(&high, kWindow, t, samples.back().v);
    bool min_is_sample = false;
    bool max_is_sample = false;
    for (const minmax_sample& sample : samples) {
      min_is_sample |= sample.v == min && sample.t == low.s[0].t;
      max_is_sample |= sample.v == max && sample.t == high.s[0].t;
      if (sample.t >= low.s[0].t) {
        ASSERT_LE(min, sample.v) << "at " << t;
      }
      if (sample.t >= high.s[0].t) {
        ASSERT_GE(max, sample.v) << "at " << t;
      }
    }
    ASSERT_TRUE(min_is_sample && max_is_sample) << "at " << t;
  }
}

}  // namespace
}  // namespace tapedeck
