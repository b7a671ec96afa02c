// Random sequences of sk_buff operations over a handful of packets, each against a plain vector of
// bytes. After every step every packet must still be what its model says: whatever shares data with
// the one that was changed may not notice.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "core_host.h"
#include "stack/base/prng.h"

namespace tapedeck {
namespace {

struct Modelled {
  sk_buff* skb;
  Bytes bytes;
};

class Machine {
 public:
  Machine(CoreHost& host, uint64_t seed) : host_(host), rng_(seed, 0) {}
  ~Machine() {
    for (Modelled& packet : packets_) consume_skb(packet.skb);
  }

  void Step() {
    if (packets_.empty() || (packets_.size() < 6 && rng_.Below(8) == 0)) {
      Make();
    } else {
      Modelled& packet = packets_[rng_.Below(static_cast<uint32_t>(packets_.size()))];
      (this->*kOperations[rng_.Below(std::size(kOperations))])(packet);
    }
    CheckAll();
  }

  // Lets one of the next allocations fail.
  void Fault() {
    const uint64_t nth = 1 + rng_.Below(4);
    switch (rng_.Below(3)) {
      case 0:
        host_.n.skbuff_cache.FailNth(nth);
        break;
      case 1:
        host_.n.page_cache.cache().FailNth(nth);
        break;
      default:
        host_.world.packets().cache(static_cast<int>(rng_.Below(3))).FailNth(nth);
        break;
    }
  }

 private:
  using Operation = void (Machine::*)(Modelled& packet);

  uint32_t UpTo(size_t limit) { return rng_.Below(static_cast<uint32_t>(limit) + 1); }
  Bytes RandomBytes(size_t count) {
    Bytes bytes(count);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(rng_.Next32());
    return bytes;
  }

  // A packet of a random shape: linear part, fragments, frag_list of packets that have fragments
  // themselves.
  sk_buff* NewPacket(Bytes* bytes, bool with_list) {
    *bytes = RandomBytes(UpTo(100));
    const uint32_t headroom = UpTo(64);
    sk_buff* const skb =
        alloc_skb(host_.n, headroom + static_cast<uint32_t>(bytes->size()) + UpTo(64));
    if (skb == nullptr) return nullptr;
    skb_reserve(skb, headroom);
    skb_put_data(skb, bytes->data(), static_cast<uint32_t>(bytes->size()));
    for (uint32_t frags = rng_.Below(4); frags > 0; --frags) {
      const Bytes piece = RandomBytes(1 + UpTo(80));
      page* const p = alloc_page(host_.n, 512);
      if (p == nullptr) break;
      std::memcpy(page_address(p) + 7, piece.data(), piece.size());
      skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, p, 7, static_cast<uint32_t>(piece.size()),
                      512);
      bytes->insert(bytes->end(), piece.begin(), piece.end());
    }
    for (uint32_t parts = with_list ? rng_.Below(3) : 0; parts > 0; --parts) {
      Bytes piece;
      sk_buff* const part = NewPacket(&piece, false);
      if (part == nullptr) break;
      if (part->len == 0) {
        consume_skb(part);
        continue;
      }
      AddToFragList(skb, part);
      bytes->insert(bytes->end(), piece.begin(), piece.end());
    }
    return skb;
  }

  void Make() {
    Modelled packet{};
    packet.skb = NewPacket(&packet.bytes, true);
    if (packet.skb != nullptr) packets_.push_back(packet);
  }
  void Adopt(sk_buff* skb, const Modelled& from) {
    if (skb == nullptr) return;
    if (packets_.size() < 12) {
      packets_.push_back({skb, from.bytes});
    } else {
      consume_skb(skb);
    }
  }

  void Free(Modelled& packet) {
    consume_skb(packet.skb);
    packets_.erase(packets_.begin() + (&packet - packets_.data()));
  }
  void Clone(Modelled& packet) { Adopt(skb_clone(packet.skb), Modelled(packet)); }
  void Copy(Modelled& packet) {
    sk_buff* const copy = skb_copy(packet.skb);
    if (copy != nullptr) {
      EXPECT_FALSE(skb_is_nonlinear(copy));
    }
    Adopt(copy, Modelled(packet));
  }
  void HeadCopy(Modelled& packet) { Adopt(pskb_copy(packet.skb), Modelled(packet)); }
  void CopyExpand(Modelled& packet) {
    const uint32_t headroom = UpTo(200);
    sk_buff* const copy = skb_copy_expand(packet.skb, headroom, UpTo(100));
    if (copy != nullptr) {
      EXPECT_EQ(skb_headroom(copy), headroom);
    }
    Adopt(copy, Modelled(packet));
  }
  void Pull(Modelled& packet) {
    const uint32_t bytes = UpTo(packet.bytes.size());
    if (!pskb_may_pull(packet.skb, bytes)) return;
    EXPECT_GE(skb_headlen(packet.skb), bytes);
    __skb_pull(packet.skb, bytes);
    packet.bytes.erase(packet.bytes.begin(), packet.bytes.begin() + bytes);
  }
  void MayPull(Modelled& packet) {
    const uint32_t bytes = UpTo(packet.bytes.size() + 2);
    const bool pulled = pskb_may_pull(packet.skb, bytes);
    if (bytes > packet.bytes.size()) {
      EXPECT_FALSE(pulled);
    }
  }
  void Push(Modelled& packet) {
    const Bytes header = RandomBytes(UpTo(40));
    const auto bytes = static_cast<uint32_t>(header.size());
    if (skb_cow_head(packet.skb, bytes) != 0) return;
    if (bytes > 0) std::memcpy(skb_push(packet.skb, bytes), header.data(), bytes);
    packet.bytes.insert(packet.bytes.begin(), header.begin(), header.end());
  }
  void Put(Modelled& packet) {
    sk_buff* const skb = packet.skb;
    const Bytes tail = RandomBytes(UpTo(60));
    const auto bytes = static_cast<uint32_t>(tail.size());
    if (skb_linearize(skb) != 0) return;
    const bool ready = !skb_cloned(skb) && skb_tailroom(skb) >= bytes;
    if (!ready && pskb_expand_head(skb, 0, bytes) != 0) return;
    skb_put_data(skb, tail.data(), bytes);
    packet.bytes.insert(packet.bytes.end(), tail.begin(), tail.end());
  }
  void Trim(Modelled& packet) {
    const uint32_t len = UpTo(packet.bytes.size());
    if (pskb_trim(packet.skb, len) != 0) {
      // A trim that failed half way may have cut whole parts: what is left is forgotten with the
      // packet.
      Free(packet);
      return;
    }
    packet.bytes.resize(len);
  }
  void Linearize(Modelled& packet) {
    if (skb_linearize(packet.skb) == 0) {
      EXPECT_FALSE(skb_is_nonlinear(packet.skb));
    }
  }
  void Expand(Modelled& packet) {
    const uint32_t headroom = skb_headroom(packet.skb);
    const uint32_t nhead = UpTo(300);
    if (pskb_expand_head(packet.skb, nhead, UpTo(300)) != 0) return;
    EXPECT_EQ(skb_headroom(packet.skb), headroom + nhead);
    EXPECT_FALSE(skb_cloned(packet.skb));
  }
  void Unshare(Modelled& packet) {
    const bool failed = (packet.skb = skb_unshare(packet.skb)) == nullptr;
    if (failed) {
      packets_.erase(packets_.begin() + (&packet - packets_.data()));
      return;
    }
    EXPECT_FALSE(skb_cloned(packet.skb));
  }
  // Overwrites a piece, after making all of the packet private.
  void Write(Modelled& packet) {
    if (packet.bytes.empty()) return;
    sk_buff* const skb = packet.skb;
    if (skb_ensure_writable(skb, skb->len) != 0) return;
    const uint32_t offset = UpTo(packet.bytes.size() - 1);
    const Bytes piece = RandomBytes(1 + UpTo(packet.bytes.size() - offset - 1));
    ASSERT_EQ(skb_store_bits(skb, offset, piece.data(), static_cast<uint32_t>(piece.size())), 0);
    std::copy(piece.begin(), piece.end(), packet.bytes.begin() + offset);
  }
  void Sum(Modelled& packet) {
    const uint32_t offset = UpTo(packet.bytes.size());
    const uint32_t len = UpTo(packet.bytes.size() - offset);
    const std::span<const uint8_t> range(packet.bytes.data() + offset, len);
    EXPECT_EQ(skb_checksum(packet.skb, offset, len, 0), csum_partial_scalar(range, 0));
    Bytes copied(len);
    EXPECT_EQ(skb_copy_and_csum_bits(packet.skb, offset, copied.data(), len, 0),
              csum_partial_scalar(range, 0));
    EXPECT_TRUE(std::equal(copied.begin(), copied.end(), range.begin()));
  }
  // Keeps CHECKSUM_COMPLETE right over a pull, a push and a trim.
  void CompleteSum(Modelled& packet) {
    sk_buff* const skb = packet.skb;
    if (skb_linearize(skb) != 0 || packet.bytes.empty()) return;
    skb->ip_summed = CHECKSUM_COMPLETE;
    skb->csum = csum_partial_scalar(packet.bytes, 0);
    const uint32_t pulled = UpTo(packet.bytes.size());
    const Bytes head(packet.bytes.begin(), packet.bytes.begin() + pulled);
    skb_pull_rcsum(skb, pulled);
    ExpectSum(skb, {packet.bytes.data() + pulled, packet.bytes.size() - pulled});
    __skb_push(skb, pulled);
    skb_postpush_rcsum(skb, head.data(), pulled);
    ExpectSum(skb, packet.bytes);
    const uint32_t len = UpTo(packet.bytes.size());
    EXPECT_EQ(pskb_trim_rcsum(skb, len), 0);
    packet.bytes.resize(len);
    ExpectSum(skb, packet.bytes);
    skb->ip_summed = CHECKSUM_NONE;
  }
  static void ExpectSum(const sk_buff* skb, std::span<const uint8_t> bytes) {
    // Both zeros of one's complement are the same sum.
    EXPECT_EQ(csum_fold(csum_sub(skb->csum, csum_partial_scalar(bytes, 0))), 0);
  }

  void CheckAll() {
    for (const Modelled& packet : packets_) {
      ASSERT_EQ(packet.skb->len, packet.bytes.size());
      ASSERT_EQ(BytesOf(packet.skb), packet.bytes);
      ASSERT_LE(skb_headroom(packet.skb) + skb_headlen(packet.skb), packet.skb->end);
      ASSERT_EQ(packet.skb->tail, skb_headroom(packet.skb) + skb_headlen(packet.skb));
    }
  }

  static constexpr Operation kOperations[] = {
      &Machine::Free,       &Machine::Clone, &Machine::Copy,      &Machine::HeadCopy,
      &Machine::CopyExpand, &Machine::Pull,  &Machine::MayPull,   &Machine::Push,
      &Machine::Put,        &Machine::Trim,  &Machine::Linearize, &Machine::Expand,
      &Machine::Unshare,    &Machine::Write, &Machine::Sum,       &Machine::CompleteSum,
  };

  CoreHost& host_;
  Prng rng_;
  std::vector<Modelled> packets_;
};

TEST(SkbuffProperty, EverySequenceAgreesWithTheModel) {
  CoreHost host;
  for (uint64_t seed = 1; seed <= 600 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    {
      Machine machine(host, seed);
      for (int step = 0; step < 150 && !testing::Test::HasFailure(); ++step) machine.Step();
    }
    ASSERT_EQ(host.LivePackets(), 0U);
  }
}

TEST(SkbuffProperty, FailedAllocationsLoseNothingAndLeakNothing) {
  CoreHost host;
  for (uint64_t seed = 1; seed <= 600 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    {
      Machine machine(host, seed);
      for (int step = 0; step < 150 && !testing::Test::HasFailure(); ++step) {
        if (step % 3 == 0) machine.Fault();
        machine.Step();
      }
    }
    ASSERT_EQ(host.LivePackets(), 0U);
  }
}

}  // namespace
}  // namespace tapedeck
