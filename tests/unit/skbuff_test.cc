// Packets by example: what they cost, where their parts lie, who may write.
#include "stack/core/skbuff.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "core_host.h"
#include "stack/core/dst.h"

namespace tapedeck {
namespace {

class SkbuffTest : public testing::Test {
 protected:
  ~SkbuffTest() override { EXPECT_EQ(host_.LivePackets(), 0U); }
  net& n() { return host_.n; }
  CoreHost host_;
};
using SkbuffDeathTest = SkbuffTest;

// Figures from 320 bytes of room on were read from Linux 6.18 (SO_MEMINFO of a UDP socket on the
// loopback device, packets of 200 to 16000 bytes); below, skb_small_head of a kernel with
// CONFIG_WLAN.
TEST_F(SkbuffTest, TruesizeIsLinux) {
  const struct {
    uint32_t size;
    uint32_t truesize;
  } kCases[] = {{0, 896},       {1, 896},       {320, 896},    {321, 1280},   {704, 1280},
                {705, 2304},    {1500, 2304},   {1728, 2304},  {1729, 4352},  {3776, 4352},
                {3777, 8448},   {7872, 8448},   {7873, 16640}, {9000, 16640}, {16064, 16640},
                {16065, 33024}, {65536, 131328}};
  for (const auto& c : kCases) {
    sk_buff* const skb = alloc_skb(n(), c.size);
    EXPECT_EQ(skb->truesize, c.truesize) << c.size;
    EXPECT_GE(skb_tailroom(skb), c.size);
    EXPECT_EQ(skb->truesize, SKB_TRUESIZE(skb_end_offset(skb)));
    kfree_skb(skb);
  }
  EXPECT_EQ(alloc_skb(n(), 128 * 1024), nullptr);
}

// Half a page of ixgbe; and __netdev_alloc_skb, whose page fragments round to a cache line only.
TEST_F(SkbuffTest, TruesizeOfReceivedPackets) {
  TestDevice device(host_);
  sk_buff* const built = build_skb(n(), host_.world.packets().Alloc(2048), 2048);
  EXPECT_EQ(built->truesize, 2304U);
  EXPECT_EQ(skb_tailroom(built), 2048U - 320);
  EXPECT_EQ(built->frame_id, 0U);
  consume_skb(built);
  const struct {
    uint32_t size;
    uint32_t truesize;
  } kCases[] = {{100, 896}, {640, 1280}, {641, 1344}, {1500, 2176}, {3712, 4352}, {3713, 8448}};
  for (const auto& c : kCases) {
    sk_buff* const skb = netdev_alloc_skb(device.dev(), c.size);
    EXPECT_EQ(skb->truesize, c.truesize) << c.size;
    EXPECT_EQ(skb_headroom(skb), NET_SKB_PAD);
    EXPECT_EQ(skb->dev, device.dev());
    consume_skb(skb);
  }
}

TEST_F(SkbuffTest, ReserveThenPutThenPush) {
  sk_buff* const skb = alloc_skb(n(), 200);
  skb_reserve(skb, 60);
  EXPECT_EQ(skb_headroom(skb), 60U);
  EXPECT_EQ(skb->len, 0U);
  skb_put_data(skb, "payload", 7);
  std::memcpy(skb_push(skb, 3), "hdr", 3);
  EXPECT_EQ(BytesOf(skb), (Bytes{'h', 'd', 'r', 'p', 'a', 'y', 'l', 'o', 'a', 'd'}));
  EXPECT_EQ(skb_headroom(skb), 57U);
  EXPECT_EQ(skb_pull(skb, 11), nullptr);
  EXPECT_EQ(skb->len, 10U);
  EXPECT_EQ(*skb_pull(skb, 3), 'p');
  skb_trim(skb, 3);
  EXPECT_EQ(BytesOf(skb), (Bytes{'p', 'a', 'y'}));
  kfree_skb(skb);
}

TEST_F(SkbuffTest, HeaderOffsetsFollowTheHead) {
  sk_buff* const skb = MakePacket(n(), Pattern(100), 20);
  EXPECT_FALSE(skb_mac_header_was_set(skb));
  EXPECT_FALSE(skb_transport_header_was_set(skb));
  skb_reset_mac_header(skb);
  skb_set_network_header(skb, 14);
  skb_set_transport_header(skb, 34);
  skb->ip_summed = CHECKSUM_PARTIAL;
  skb->csum_start = static_cast<uint16_t>(skb_headroom(skb) + 34);
  ASSERT_EQ(pskb_expand_head(skb, 100, 1000), 0);
  EXPECT_EQ(skb_headroom(skb), 120U);
  EXPECT_EQ(skb_mac_offset(skb), 0);
  EXPECT_EQ(skb_network_offset(skb), 14);
  EXPECT_EQ(skb_transport_offset(skb), 34);
  EXPECT_EQ(skb->csum_start, 120 + 34);
  EXPECT_EQ(skb_network_header_len(skb), 20U);
  EXPECT_EQ(BytesOf(skb), Pattern(100));
  kfree_skb(skb);
}

TEST_F(SkbuffTest, ClonesShareDataAndCopiesDoNot) {
  sk_buff* const skb = MakePacket(n(), Pattern(50));
  AddFrag(skb, Pattern(70, 50));
  skb->priority = 6;
  skb->mark = 77;
  SKB_CB<uint64_t>(skb)[3] = 4711;
  sk_buff* const clone = skb_clone(skb);
  EXPECT_EQ(clone->data, skb->data);
  EXPECT_TRUE(skb_cloned(skb) && skb_cloned(clone));
  sk_buff* const copy = skb_copy(skb);
  EXPECT_FALSE(skb_is_nonlinear(copy));
  EXPECT_FALSE(skb_cloned(copy));
  sk_buff* const head_copy = pskb_copy(skb);
  EXPECT_NE(head_copy->data, skb->data);
  EXPECT_EQ(skb_shinfo(head_copy)->frags[0].page, skb_shinfo(skb)->frags[0].page);
  for (sk_buff* other : {clone, copy, head_copy}) {
    EXPECT_EQ(BytesOf(other), BytesOf(skb));
    EXPECT_EQ(other->priority, 6U);
    EXPECT_EQ(other->mark, 77U);
    EXPECT_EQ(SKB_CB<uint64_t>(other)[3], 4711U);
    EXPECT_EQ(other->frame_id, skb->frame_id);
    EXPECT_EQ(other->users, 1U);
    EXPECT_EQ(other->next, nullptr);
  }
  kfree_skb(skb);
  // What is left of the shared data stays whole.
  EXPECT_FALSE(skb_cloned(clone));
  EXPECT_EQ(BytesOf(clone), BytesOf(copy));
  for (sk_buff* other : {clone, copy, head_copy}) consume_skb(other);
}

TEST_F(SkbuffTest, ShareCheckGivesAPacketOfOnesOwn) {
  sk_buff* const skb = MakePacket(n(), Pattern(10));
  EXPECT_EQ(skb_share_check(skb), skb);
  skb_get(skb);
  sk_buff* const mine = skb_share_check(skb);
  EXPECT_NE(mine, skb);
  EXPECT_FALSE(skb_shared(skb));
  EXPECT_TRUE(skb_cloned(mine));
  sk_buff* const writable = skb_unshare(mine);
  EXPECT_NE(writable, mine);
  EXPECT_FALSE(skb_cloned(writable) || skb_cloned(skb));
  consume_skb(writable);
  consume_skb(skb);
}

// TCP keeps the packet for retransmission and sends a clone, which gets the headers.
TEST_F(SkbuffTest, ACloneOfAPacketThatGaveItsHeaderAwayMayPushHeaders) {
  sk_buff* const kept = MakePacket(n(), Pattern(30), 128);
  __skb_header_release(kept);
  sk_buff* const sent = skb_clone(kept);
  EXPECT_TRUE(skb_cloned(sent));
  EXPECT_FALSE(skb_header_cloned(sent));
  std::memset(skb_push(sent, 20), 0xaa, 20);
  EXPECT_EQ(skb_cow_head(sent, 54), 0);
  EXPECT_EQ(sent->head, kept->head);  // no copy was needed
  std::memset(skb_writable(sent, sent->data, 20), 0xbb, 20);
  EXPECT_EQ(BytesOf(kept), Pattern(30));
  consume_skb(sent);
  EXPECT_FALSE(skb_cloned(kept));
  sk_buff* const again = skb_clone(kept);
  EXPECT_FALSE(skb_header_cloned(again));
  consume_skb(kept);
  consume_skb(again);
}

TEST_F(SkbuffTest, EnsureWritableCopiesOnlyWhatIsShared) {
  sk_buff* const skb = MakePacket(n(), Pattern(40));
  const uint8_t* const head = skb->head;
  EXPECT_EQ(skb_ensure_writable(skb, 20), 0);
  EXPECT_EQ(skb->head, head);
  sk_buff* const clone = skb_clone(skb);
  EXPECT_EQ(skb_ensure_writable(skb, 20), 0);
  EXPECT_NE(skb->head, clone->head);
  skb_writable(skb, skb->data, 1)[0] = 0xff;
  EXPECT_EQ(BytesOf(clone), Pattern(40));
  EXPECT_EQ(skb_ensure_writable(skb, 41), -ENOMEM);
  consume_skb(clone);
  kfree_skb(skb);
}

TEST_F(SkbuffTest, ExpandHeadKeepsThePriceASocketPaid) {
  sk_buff* const skb = MakePacket(n(), Pattern(40));
  const uint32_t before = skb->truesize;
  ASSERT_EQ(pskb_expand_head(skb, 1024, 0), 0);
  EXPECT_EQ(skb->truesize, before + (2048 - 640));
  skb->sk = reinterpret_cast<sock*>(8);
  ASSERT_EQ(pskb_expand_head(skb, 2048, 0), 0);
  EXPECT_EQ(skb->truesize, before + (2048 - 640));
  skb->sk = nullptr;
  kfree_skb(skb);
}

TEST_F(SkbuffTest, MayPullGathersFragmentsAndFragList) {
  sk_buff* const skb = MakePacket(n(), Pattern(10));
  AddFrag(skb, Pattern(10, 10));
  AddFrag(skb, Pattern(10, 20));
  AddToFragList(skb, MakePacket(n(), Pattern(10, 30)));
  AddToFragList(skb, MakePacket(n(), Pattern(10, 40)));
  const Bytes all = BytesOf(skb);
  EXPECT_FALSE(pskb_may_pull(skb, 51));
  EXPECT_TRUE(pskb_may_pull(skb, 15));
  EXPECT_EQ(skb_headlen(skb), 15U);
  EXPECT_EQ(skb_shinfo(skb)->nr_frags, 2);
  EXPECT_TRUE(pskb_may_pull(skb, 35));
  EXPECT_EQ(skb_shinfo(skb)->nr_frags, 0);
  EXPECT_EQ(BytesOf(skb), all);
  EXPECT_EQ(skb_linearize(skb), 0);
  EXPECT_FALSE(skb_has_frag_list(skb));
  EXPECT_EQ(BytesOf(skb), all);
  kfree_skb(skb);
}

TEST_F(SkbuffTest, DropsAreCountedAndTracedOnce) {
  sk_buff* const skb = MakePacket(n(), Pattern(33));
  skb_get(skb);
  kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);  // only one of two users
  EXPECT_EQ(host_.AllDrops(), 0U);
  const uint32_t frame_id = skb->frame_id;
  kfree_skb_reason(skb, SKB_DROP_REASON_IP_CSUM);
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_IP_CSUM), 1U);
  EXPECT_EQ(host_.AllDrops(), 1U);
  const auto drops = host_.sink.Of(TraceKind::kDrop);
  ASSERT_EQ(drops.size(), 1U);
  EXPECT_EQ(drops[0].args[0], frame_id);
  EXPECT_EQ(drops[0].args[1], static_cast<uint64_t>(SKB_DROP_REASON_IP_CSUM));
  EXPECT_EQ(drops[0].args[2], 33U);
  consume_skb(MakePacket(n(), Pattern(5)));
  kfree_skb_reason(MakePacket(n(), Pattern(5)), SKB_DROP_REASON_CONSUMED);
  kfree_skb(nullptr);
  EXPECT_EQ(host_.AllDrops(), 1U);
}

TEST_F(SkbuffTest, DestructorAndRouteAreReleasedOnce) {
  static int destructions;
  static int destroyed;
  destructions = destroyed = 0;
  dst_ops ops = {};
  ops.destroy = [](dst_entry*) { ++destroyed; };
  dst_entry dst;
  dst_init(&dst, &ops, nullptr, DST_OBSOLETE_NONE, 0);
  sk_buff* const skb = MakePacket(n(), Pattern(5));
  skb->sk = reinterpret_cast<sock*>(8);
  skb->destructor = [](sk_buff* packet) {
    ++destructions;
    packet->sk = nullptr;
  };
  skb_dst_set(skb, &dst);
  sk_buff* const clone = skb_clone(skb);
  EXPECT_EQ(clone->sk, nullptr);
  EXPECT_EQ(dst.refcount, 2U);
  kfree_skb(skb);
  EXPECT_EQ(destructions, 1);
  EXPECT_EQ(destroyed, 0);
  kfree_skb(clone);
  EXPECT_EQ(destructions, 1);
  EXPECT_EQ(destroyed, 1);
}

TEST_F(SkbuffTest, PadsShortFramesWithZeros) {
  sk_buff* const skb = MakePacket(n(), Pattern(14));
  sk_buff* const clone = skb_clone(skb);
  ASSERT_EQ(skb_put_padto(skb, 60), 0);
  Bytes expected = Pattern(14);
  expected.resize(60);
  EXPECT_EQ(BytesOf(skb), expected);
  EXPECT_EQ(BytesOf(clone), Pattern(14));
  EXPECT_EQ(skb_put_padto(skb, 20), 0);
  EXPECT_EQ(skb->len, 60U);
  kfree_skb(skb);
  kfree_skb(clone);
}

TEST_F(SkbuffTest, VlanTagGoesOutOfTheFrameAndBack) {
  Bytes frame = EthernetFrame(kMacBroadcast, 0x8100, {0x60, 0x05, 0x08, 0x00, 1, 2, 3, 4});
  TestDevice device(host_);
  sk_buff* skb = ReceivedFrame(device.dev(), frame);
  EXPECT_EQ(skb->protocol, 0x8100);
  skb_reset_network_header(skb);
  skb = skb_vlan_untag(skb);
  ASSERT_NE(skb, nullptr);
  EXPECT_EQ(skb_vlan_tag_get(skb), 0x6005);
  EXPECT_EQ(skb->vlan_proto, 0x8100);
  EXPECT_EQ(skb->protocol, 0x0800);
  EXPECT_EQ(BytesOf(skb), (Bytes{1, 2, 3, 4}));
  __skb_push(skb, static_cast<uint32_t>(skb->data - skb_mac_header(skb)));
  EXPECT_EQ(BytesOf(skb), EthernetFrame(kMacBroadcast, 0x0800, {1, 2, 3, 4}));
  skb = __vlan_hwaccel_push_inside(skb);
  EXPECT_EQ(BytesOf(skb), frame);
  EXPECT_FALSE(skb_vlan_tag_present(skb));
  kfree_skb(skb);

  // A tag cut short is a drop.
  skb = ReceivedFrame(device.dev(), EthernetFrame(kMacBroadcast, 0x8100, {0x60, 0x05, 0x08}));
  EXPECT_EQ(skb_vlan_untag(skb), nullptr);
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_HDR_TRUNC), 1U);
}

TEST_F(SkbuffTest, PageFragmentsAreCutFromOnePage) {
  page_frag frag;
  ASSERT_TRUE(skb_page_frag_refill(n(), 32, &frag));
  EXPECT_EQ(frag.size, kPageFragBytes);
  page* const first = frag.page;
  get_page(first);
  frag.offset = kPageFragBytes - 16;
  ASSERT_TRUE(skb_page_frag_refill(n(), 32, &frag));
  EXPECT_NE(frag.page, first);
  frag.offset = kPageFragBytes - 16;
  page* const second = frag.page;
  ASSERT_TRUE(skb_page_frag_refill(n(), 32, &frag));  // nobody uses it: from its start again
  EXPECT_EQ(frag.page, second);
  EXPECT_EQ(frag.offset, 0U);
  put_page(first);
  put_page(frag.page);
}

// Writing what others see, or past the buffer, is a bug of ours.
TEST_F(SkbuffDeathTest, WritingSharedDataIsCaught) {
  sk_buff* const skb = MakePacket(n(), Pattern(40));
  sk_buff* const clone = skb_clone(skb);
  EXPECT_DEATH(skb_put(skb, 1), "CHECK failed");
  EXPECT_DEATH(skb_push(clone, 1), "CHECK failed");
  EXPECT_DEATH(skb_writable(clone, clone->data, 1), "CHECK failed");
  const uint8_t byte = 0;
  EXPECT_DEATH(skb_store_bits(clone, 0, &byte, 1), "CHECK failed");
  EXPECT_DEATH(__skb_header_release(skb), "CHECK failed");
  __skb_push(clone, 1);  // to read
  consume_skb(clone);
  skb_put(skb, 1);
  skb_get(skb);
  EXPECT_DEATH(pskb_expand_head(skb, 0, 0), "CHECK failed");
  consume_skb(skb);
  consume_skb(skb);
}

TEST_F(SkbuffDeathTest, SharedFragmentsAreNotWritten) {
  sk_buff* const skb = MakePacket(n(), Pattern(10));
  AddFrag(skb, Pattern(10));
  sk_buff* const head_copy = pskb_copy(skb);
  const uint8_t byte = 0;
  EXPECT_DEATH(skb_store_bits(head_copy, 12, &byte, 1), "CHECK failed");
  EXPECT_DEATH(skb_put(skb, 1), "CHECK failed");  // fragments stand behind the tail
  kfree_skb(skb);
  EXPECT_EQ(skb_store_bits(head_copy, 12, &byte, 1), 0);
  kfree_skb(head_copy);
}

TEST_F(SkbuffDeathTest, BoundsAreChecked) {
  sk_buff* const skb = MakePacket(n(), Pattern(10), 16);
  EXPECT_DEATH(skb_push(skb, 17), "CHECK failed");
  EXPECT_DEATH(skb_put(skb, skb_tailroom(skb) + 1), "CHECK failed");
  EXPECT_DEATH(__skb_pull(skb, 11), "CHECK failed");
  EXPECT_DEATH(skb_reserve(skb, 100000), "CHECK failed");
  kfree_skb(skb);
}

}  // namespace
}  // namespace tapedeck
