#include "stack/base/seqnum.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace tapedeck {
namespace {

template <typename T>
concept HasLess = requires(T a, T b) { a < b; };
static_assert(!HasLess<SeqNum>, "sequence numbers have no order");

// Every relation holds wherever in the circle the two numbers lie.
class SeqNumAt : public testing::TestWithParam<uint32_t> {};

TEST_P(SeqNumAt, BeforeAndAfter) {
  const SeqNum base(GetParam());
  for (const uint32_t distance : {1U, 2U, 65535U, 0x7fffffffU}) {
    const SeqNum later = base + distance;
    EXPECT_TRUE(base.Before(later)) << distance;
    EXPECT_TRUE(later.After(base)) << distance;
    EXPECT_FALSE(later.Before(base)) << distance;
    EXPECT_FALSE(base.AtOrAfter(later)) << distance;
    EXPECT_EQ(later - base, static_cast<int32_t>(distance));
    EXPECT_EQ(base - later, -static_cast<int32_t>(distance));
    EXPECT_EQ(later - distance, base);
    EXPECT_EQ(SeqMax(base, later), later);
    EXPECT_EQ(SeqMin(base, later), base);
  }
  EXPECT_FALSE(base.Before(base));
  EXPECT_FALSE(base.After(base));
  EXPECT_TRUE(base.AtOrBefore(base));
  EXPECT_TRUE(base.AtOrAfter(base));
}

TEST_P(SeqNumAt, HalfTheCircleAwayEachIsBeforeTheOther) {
  const SeqNum base(GetParam());
  const SeqNum opposite = base + 0x80000000;
  EXPECT_TRUE(base.Before(opposite));
  EXPECT_TRUE(opposite.Before(base));
}

TEST_P(SeqNumAt, BetweenIncludesBothEndsAndWalksUpwards) {
  const SeqNum first(GetParam());
  const SeqNum last = first + 10;
  EXPECT_TRUE(first.Between(first, last));
  EXPECT_TRUE(last.Between(first, last));
  EXPECT_TRUE((first + 5).Between(first, last));
  EXPECT_FALSE((first - 1).Between(first, last));
  EXPECT_FALSE((last + 1).Between(first, last));
  EXPECT_TRUE((last + 1).Between(last, first));
  EXPECT_FALSE((first + 5).Between(last, first));
}

INSTANTIATE_TEST_SUITE_P(AroundTheCircle, SeqNumAt,
                         testing::Values(0U, 1U, 0x7fffffffU, 0x80000000U, 0xfffffff6U,
                                         0xffffffffU));

}  // namespace
}  // namespace tapedeck
