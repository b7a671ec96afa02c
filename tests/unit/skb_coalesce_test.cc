// Two packets become one: what it costs, and that no byte is lost.
#include <gtest/gtest.h>

#include "core_host.h"

namespace tapedeck {
namespace {

class SkbCoalesceTest : public testing::Test {
 protected:
  ~SkbCoalesceTest() override { EXPECT_EQ(host_.LivePackets(), 0U); }
  // As a driver's receive buffer, its head free to be taken.
  sk_buff* Built(const Bytes& bytes) {
    sk_buff* const skb = build_skb(host_.n, host_.world.packets().Alloc(2048), 2048);
    skb_reserve(skb, 64);
    skb_put_data(skb, bytes.data(), static_cast<uint32_t>(bytes.size()));
    return skb;
  }
  // Appends `from` to `to`, which then has the bytes of both; consumes `from`.
  void Merge(sk_buff* to, sk_buff* from, bool expect_stolen, uint32_t expect_delta) {
    Bytes both = BytesOf(to);
    const Bytes more = BytesOf(from);
    both.insert(both.end(), more.begin(), more.end());
    const uint32_t truesize = to->truesize;
    bool stolen = false;
    uint32_t delta = ~0U;
    ASSERT_TRUE(skb_try_coalesce(to, from, &stolen, &delta));
    EXPECT_EQ(stolen, expect_stolen);
    EXPECT_EQ(delta, expect_delta);
    EXPECT_EQ(to->truesize, truesize + delta);
    kfree_skb_partial(from, stolen);
    EXPECT_EQ(BytesOf(to), both);
  }
  CoreHost host_;
};

TEST_F(SkbCoalesceTest, IntoTheTailroom) {
  sk_buff* const to = Built(Pattern(100));
  Merge(to, MakePacket(host_.n, Pattern(200, 3)), false, 0);
  Merge(to, MakePacket(host_.n, {}), false, 0);  // a bare FIN
  consume_skb(to);
}

TEST_F(SkbCoalesceTest, TheHeadBecomesAFragment) {
  sk_buff* const to = Built(Pattern(1000));
  Merge(to, Built(Pattern(1200, 5)), true, 2304 - 256);
  Merge(to, Built(Pattern(1, 5)), true, 2304 - 256);
  EXPECT_EQ(skb_shinfo(to)->nr_frags, 2);
  consume_skb(to);
}

TEST_F(SkbCoalesceTest, FragmentsMoveOver) {
  sk_buff* const to = Built(Pattern(1000));
  sk_buff* const from = MakePacket(host_.n, {});
  AddFrag(from, Pattern(1500, 9));
  AddFrag(from, Pattern(300, 1));
  const uint32_t head = SKB_TRUESIZE(skb_end_offset(from));
  const uint32_t truesize = from->truesize;
  Merge(to, from, false, truesize - head);
  EXPECT_EQ(skb_shinfo(to)->nr_frags, 2);
  consume_skb(to);
}

// A clone keeps its hold on the fragments.
TEST_F(SkbCoalesceTest, FragmentsOfACloneAreShared) {
  sk_buff* const to = Built(Pattern(1000));
  sk_buff* const from = MakePacket(host_.n, {});
  AddFrag(from, Pattern(1500, 9));
  sk_buff* const clone = skb_clone(from);
  bool stolen = false;
  uint32_t delta = 0;
  ASSERT_TRUE(skb_try_coalesce(to, from, &stolen, &delta));
  kfree_skb_partial(from, stolen);
  EXPECT_EQ(BytesOf(clone), Pattern(1500, 9));
  consume_skb(to);
  EXPECT_EQ(BytesOf(clone), Pattern(1500, 9));
  consume_skb(clone);
}

TEST_F(SkbCoalesceTest, WhatCannotBeMerged) {
  bool stolen = false;
  uint32_t delta = 0;
  // kmalloc'ed data has no page to be a fragment of.
  sk_buff* const to = Built(Pattern(1600));
  sk_buff* const plain = MakePacket(host_.n, Pattern(1000));
  EXPECT_FALSE(skb_try_coalesce(to, plain, &stolen, &delta));
  // A cloned head is not ours to give away.
  sk_buff* const shared = Built(Pattern(1000));
  sk_buff* const clone = skb_clone(shared);
  EXPECT_FALSE(skb_try_coalesce(to, shared, &stolen, &delta));
  consume_skb(clone);
  // Others look at the data that would grow.
  sk_buff* const other = skb_clone(to);
  EXPECT_FALSE(skb_try_coalesce(to, shared, &stolen, &delta));
  consume_skb(other);
  // All places taken.
  for (uint32_t i = 0; i < MAX_SKB_FRAGS; ++i) AddFrag(to, Pattern(1));
  EXPECT_FALSE(skb_try_coalesce(to, shared, &stolen, &delta));
  EXPECT_FALSE(stolen);
  for (sk_buff* skb : {to, plain, shared}) consume_skb(skb);
}

TEST_F(SkbCoalesceTest, CondenseGivesPagesBack) {
  sk_buff* const skb = MakePacket(host_.n, {});
  AddFrag(skb, Pattern(100));
  const Bytes bytes = BytesOf(skb);
  skb_condense(skb);
  EXPECT_FALSE(skb_is_nonlinear(skb));
  EXPECT_EQ(skb->truesize, SKB_TRUESIZE(skb_end_offset(skb)));
  EXPECT_EQ(BytesOf(skb), bytes);
  consume_skb(skb);
}

}  // namespace
}  // namespace tapedeck
