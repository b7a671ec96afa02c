// Splitting and joining packets whose data lies in fragments.
#include "stack/core/skb_split.h"

#include <gtest/gtest.h>

#include "core_host.h"

namespace tapedeck {
namespace {

class SkbSplitTest : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(host.LivePackets(), 0U); }

  // A packet without linear bytes, in fragments of `sizes`.
  sk_buff* Fragments(std::initializer_list<uint32_t> sizes, uint8_t start = 0) {
    sk_buff* const skb = alloc_skb(host.n, 320);
    skb_reserve(skb, 320);
    for (const uint32_t size : sizes) {
      AddFrag(skb, Pattern(size, start));
      start = static_cast<uint8_t>(start + size * 7);
    }
    return skb;
  }

  CoreHost host;
};

TEST_F(SkbSplitTest, SplitAnywhere) {
  for (const uint32_t len : {0U, 1U, 100U, 150U, 300U, 599U, 600U}) {
    sk_buff* const skb = Fragments({100, 200, 300});
    sk_buff* const rest = Fragments({});
    const Bytes all = BytesOf(skb);
    skb_split(skb, rest, len);
    EXPECT_EQ(skb->len, len);
    EXPECT_EQ(rest->len, 600 - len);
    Bytes joined = BytesOf(skb);
    const Bytes behind = BytesOf(rest);
    joined.insert(joined.end(), behind.begin(), behind.end());
    EXPECT_EQ(joined, all);
    consume_skb(skb);
    consume_skb(rest);
  }
}

TEST_F(SkbSplitTest, ShiftAnywhere) {
  for (const uint32_t len : {1U, 100U, 150U, 300U, 599U, 600U}) {
    sk_buff* const to = Fragments({50});
    sk_buff* const from = Fragments({100, 200, 300}, static_cast<uint8_t>(50 * 7));
    const uint32_t truesize = to->truesize + from->truesize;
    EXPECT_EQ(skb_shift(to, from, len), len);
    EXPECT_EQ(to->len, 50 + len);
    EXPECT_EQ(from->len, 600 - len);
    EXPECT_EQ(to->truesize + from->truesize, truesize);
    Bytes joined = BytesOf(to);
    const Bytes behind = BytesOf(from);
    joined.insert(joined.end(), behind.begin(), behind.end());
    EXPECT_EQ(joined, Pattern(650));
    consume_skb(to);
    consume_skb(from);
  }
}

TEST_F(SkbSplitTest, ShiftJoinsWhatLiesTogether) {
  sk_buff* const to = Fragments({300});
  sk_buff* const from = Fragments({});
  skb_split(to, from, 100);
  EXPECT_EQ(skb_shift(to, from, 50), 50U);
  EXPECT_EQ(skb_shinfo(to)->nr_frags, 1);
  EXPECT_EQ(skb_shift(to, from, 150), 150U);
  EXPECT_EQ(skb_shinfo(to)->nr_frags, 1);
  EXPECT_EQ(from->len, 0U);
  EXPECT_EQ(BytesOf(to), Pattern(300));
  consume_skb(to);
  consume_skb(from);
}

TEST_F(SkbSplitTest, ShiftNeedsRoomForFragments) {
  sk_buff* const to = Fragments({1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
  sk_buff* const from = Fragments({10, 10});
  EXPECT_EQ(skb_shift(to, from, 20), 0U);
  EXPECT_EQ(from->len, 20U);
  EXPECT_EQ(skb_shift(to, from, 10), 10U);
  consume_skb(to);
  consume_skb(from);
}

TEST_F(SkbSplitTest, TrimHead) {
  sk_buff* const skb = Fragments({100, 200});
  const Bytes all = BytesOf(skb);
  __pskb_trim_head(skb, 100);
  EXPECT_EQ(BytesOf(skb), Bytes(all.begin() + 100, all.end()));
  __pskb_trim_head(skb, 30);
  EXPECT_EQ(BytesOf(skb), Bytes(all.begin() + 130, all.end()));
  consume_skb(skb);
}

// A clone keeps what it saw, and the original keeps its price and the right to push headers.
TEST_F(SkbSplitTest, UncloneKeepsTruesize) {
  sk_buff* const skb = Fragments({100});
  __skb_header_release(skb);
  sk_buff* const clone = skb_clone(skb);
  const uint32_t truesize = skb->truesize;
  EXPECT_EQ(skb_unclone_keeptruesize(skb), 0);
  EXPECT_EQ(skb->truesize, truesize);
  EXPECT_FALSE(skb_cloned(skb));
  __pskb_trim_head(skb, 40);
  EXPECT_EQ(clone->len, 100U);
  sk_buff* const again = skb_clone(skb);
  skb_push(again, 20);
  consume_skb(again);
  consume_skb(clone);
  consume_skb(skb);
}

TEST_F(SkbSplitTest, FastCloneIsBusyUntilItHasGone) {
  sk_buff* const skb = Fragments({100});
  sk_buff* const clone = skb_clone(skb);
  skb_fclone_link(skb, clone);
  EXPECT_TRUE(skb_fclone_busy(nullptr, skb)) << "its socket is the one asked about: none";
  sk_buff* const second = skb_clone(skb);
  skb_fclone_link(skb, second);
  consume_skb(second);
  EXPECT_TRUE(skb_fclone_busy(nullptr, skb));
  consume_skb(clone);
  EXPECT_FALSE(skb_fclone_busy(nullptr, skb));
  consume_skb(skb);
}

}  // namespace
}  // namespace tapedeck
