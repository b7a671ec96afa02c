// Lists of packets, against std::deque.
#include "stack/core/sk_buff_head.h"

#include <gtest/gtest.h>

#include <deque>

#include "core_host.h"
#include "stack/base/prng.h"

namespace tapedeck {
namespace {

class SkBuffHeadTest : public testing::Test {
 protected:
  ~SkBuffHeadTest() override { EXPECT_EQ(host_.LivePackets(), 0U); }
  sk_buff* New() { return MakePacket(host_.n, {1}); }

  static void Expect(const sk_buff_head& list, const std::deque<sk_buff*>& model) {
    ASSERT_EQ(skb_queue_len(&list), model.size());
    ASSERT_EQ(skb_queue_empty(&list), model.empty());
    ASSERT_EQ(skb_peek(&list), model.empty() ? nullptr : model.front());
    ASSERT_EQ(skb_peek_tail(&list), model.empty() ? nullptr : model.back());
    const sk_buff* at = skb_peek(&list);
    for (const sk_buff* expected : model) {
      ASSERT_EQ(at, expected);
      at = skb_peek_next(at, &list);
    }
    ASSERT_EQ(at, nullptr);
    at = skb_peek_tail(&list);
    for (auto it = model.rbegin(); it != model.rend(); ++it) {
      ASSERT_EQ(at, *it);
      at = skb_peek_prev(at, &list);
    }
  }

  CoreHost host_;
};
using SkBuffHeadDeathTest = SkBuffHeadTest;

TEST_F(SkBuffHeadTest, EverySequenceAgreesWithADeque) {
  Prng rng(1, 0);
  sk_buff_head lists[2];
  std::deque<sk_buff*> models[2];
  for (int step = 0; step < 5000 && !HasFailure(); ++step) {
    const uint32_t which = rng.Below(2);
    sk_buff_head* const list = &lists[which];
    std::deque<sk_buff*>& model = models[which];
    sk_buff_head* const other = &lists[1 - which];
    std::deque<sk_buff*>& other_model = models[1 - which];
    const auto place =
        static_cast<int64_t>(model.empty() ? 0 : rng.Below(static_cast<uint32_t>(model.size())));
    switch (rng.Below(11)) {
      case 0:
        model.push_front(New());
        skb_queue_head(list, model.front());
        break;
      case 1:
      case 2:
        model.push_back(New());
        skb_queue_tail(list, model.back());
        break;
      case 3: {
        sk_buff* const skb = skb_dequeue(list);
        EXPECT_EQ(skb, model.empty() ? nullptr : model.front());
        if (skb != nullptr) model.pop_front();
        consume_skb(skb);
        break;
      }
      case 4: {
        sk_buff* const skb = skb_dequeue_tail(list);
        EXPECT_EQ(skb, model.empty() ? nullptr : model.back());
        if (skb != nullptr) model.pop_back();
        consume_skb(skb);
        break;
      }
      case 5:
        if (model.empty()) break;
        skb_append(model[static_cast<size_t>(place)],
                   *model.insert(model.begin() + place + 1, New()), list);
        break;
      case 6:
        if (model.empty()) break;
        {
          sk_buff* const before = model[static_cast<size_t>(place)];
          skb_insert(before, *model.insert(model.begin() + place, New()), list);
        }
        break;
      case 7: {
        if (model.empty()) break;
        sk_buff* const skb = model[static_cast<size_t>(place)];
        model.erase(model.begin() + place);
        skb_unlink(skb, list);
        EXPECT_EQ(skb->next, nullptr);
        consume_skb(skb);
        break;
      }
      case 8: {
        if (model.empty() || !other_model.empty()) break;
        skb_queue_cut_before(list, model[static_cast<size_t>(place)], other);
        other_model.assign(model.begin(), model.begin() + place);
        model.erase(model.begin(), model.begin() + place);
        break;
      }
      case 9:
        skb_queue_splice_init(list, other);
        other_model.insert(other_model.begin(), model.begin(), model.end());
        model.clear();
        break;
      default:
        skb_queue_splice_tail_init(list, other);
        other_model.insert(other_model.end(), model.begin(), model.end());
        model.clear();
        break;
    }
    Expect(lists[0], models[0]);
    Expect(lists[1], models[1]);
  }
  skb_queue_purge(&lists[0]);
  EXPECT_EQ(host_.AllDrops(), 0U);
  const size_t left = models[1].size();
  skb_queue_purge_reason(&lists[1], SKB_DROP_REASON_QDISC_DROP);
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_QDISC_DROP), left);
}

TEST_F(SkBuffHeadDeathTest, APacketIsOnOneListAndHasOneUser) {
  sk_buff_head list;
  sk_buff_head other;
  sk_buff* const skb = New();
  skb_get(skb);
  EXPECT_DEATH(skb_queue_tail(&list, skb), "CHECK failed");
  consume_skb(skb);
  skb_queue_tail(&list, skb);
  EXPECT_DEATH(skb_queue_tail(&other, skb), "CHECK failed");
  skb_unlink(skb, &list);
  EXPECT_DEATH(skb_unlink(skb, &list), "CHECK failed");
  consume_skb(skb);
}

}  // namespace
}  // namespace tapedeck
