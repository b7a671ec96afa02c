// Reassembly and cutting.
#include <algorithm>
#include <functional>

#include "fragment_ranges.h"
#include "ipv4_host.h"
#include "stack/base/prng.h"
#include "stack/ipv4/ip_fragment.h"

namespace tapedeck {
namespace {

constexpr uint8_t kProtocol = 99;

class FragmentTest : public Ipv4Test {
 protected:
  void SetUp() override {
    datagrams.clear();
    static constexpr net_protocol kTaker = {.handler = [](sk_buff* skb) {
      EXPECT_FALSE(ip_hdr(skb)->is_fragment());
      EXPECT_TRUE(wire::Ipv4ChecksumOk(ip_hdr(skb)));
      EXPECT_EQ(ip_hdr(skb)->tot_len.host(), skb->len + ip_hdrlen(skb));
      last_tos = ip_hdr(skb)->tos;
      last_frag_max_size = IPCB(skb)->frag_max_size;
      datagrams.push_back(BytesOf(skb));
      consume_skb(skb);
      return 0;
    }};
    ASSERT_EQ(inet_add_protocol(host.n, &kTaker, kProtocol), 0);
  }

  struct Piece {
    uint32_t offset;
    uint32_t bytes;
    bool more;
    uint8_t tos = 0;
    uint16_t id = 7;
    bool df = false;
    Ipv4Address saddr = kPeer;
  };
  // Receives bytes [offset, offset + bytes) of Whole().
  void ReceivePiece(const Piece& piece) {
    wire::Ipv4Header header;
    header.tos = piece.tos;
    header.id = piece.id;
    header.frag_off =
        static_cast<uint16_t>(piece.offset / 8 | (piece.more ? wire::kIpv4MoreFragments : 0) |
                              (piece.df ? wire::kIpv4DontFragment : 0));
    header.ttl = 64;
    header.protocol = kProtocol;
    header.saddr = piece.saddr;
    header.daddr = kUs;
    Receive(NewFrame()
                .Ipv4(header, {}, wire::kKeepProtocol)
                .Payload(std::span<const uint8_t>(kWhole).subspan(piece.offset, piece.bytes))
                .Build());
  }
  static Bytes Whole(size_t bytes) {
    return Bytes(kWhole.begin(), kWhole.begin() + static_cast<std::ptrdiff_t>(bytes));
  }
  static inline const Bytes kWhole = Pattern(70000);

  static inline std::vector<Bytes> datagrams;
  static inline uint8_t last_tos = 0;
  static inline uint16_t last_frag_max_size = 0;
};

TEST_F(FragmentTest, InOrder) {
  ReceivePiece({0, 800, true});
  ReceivePiece({800, 800, true});
  EXPECT_EQ(ipv4_objects(ns).frag_queues, 1U);
  ReceivePiece({1600, 399, false});
  ASSERT_EQ(datagrams.size(), 1U);
  EXPECT_EQ(datagrams[0], Whole(1999));
  EXPECT_EQ(ipv4_objects(ns).frag_queues, 0U);
  EXPECT_EQ(ns.frags.mem, 0U);
  EXPECT_EQ(Ip(IpMib::kReasmReqds), 3U);
  EXPECT_EQ(Ip(IpMib::kReasmOKs), 1U);
  EXPECT_EQ(Ip(IpMib::kReasmFails), 0U);
  EXPECT_EQ(Ip(IpMib::kInDelivers), 1U);
  EXPECT_EQ(last_frag_max_size, 820);
  // The frames that became part of the first are accounted for; the first is its protocol's to end.
  EXPECT_EQ(Delivered(), 2U);
}

// Any order, any duplicates, garbage of other datagrams between: the same bytes.
TEST_F(FragmentTest, AnyOrderWithDuplicates) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Prng prng(seed, 0);
    const uint32_t total = 1 + prng.Below(20000);
    const std::vector<FragmentRange> ranges = CutAtRandom(prng, total);
    if (ranges.size() == 1) continue;
    datagrams.clear();
    for (const FragmentRange& range : Disordered(prng, ranges)) {
      ReceivePiece({range.offset, range.bytes, range.more, 0, static_cast<uint16_t>(seed)});
      ReceivePiece({8 * prng.Below(100), 8, true, 0, static_cast<uint16_t>(1000 + seed)});
    }
    ASSERT_EQ(datagrams.size(), 1U) << seed;
    EXPECT_EQ(datagrams[0], Whole(total)) << seed;
  }
}

TEST_F(FragmentTest, DuplicatesAreDroppedAlone) {
  ReceivePiece({0, 800, true});
  ReceivePiece({0, 800, true});
  ReceivePiece({80, 80, true});  // inside what is there
  EXPECT_EQ(Drops(SKB_DROP_REASON_DUP_FRAG), 2U);
  ReceivePiece({800, 8, false});
  EXPECT_EQ(datagrams.size(), 1U);
}

// A run is what came in order; a piece across two runs overlaps, though each byte is there already.
TEST_F(FragmentTest, OverlapKillsTheQueue) {
  struct Case {
    const char* name;
    std::vector<Piece> pieces;
  };
  const Case cases[] = {
      {"behind", {{0, 80, true}, {72, 80, true}}},
      {"before", {{80, 80, true}, {0, 88, true}}},
      {"around", {{80, 80, true}, {0, 240, true}}},
      {"into a gap too large", {{0, 80, true}, {160, 80, true}, {72, 80, true}}},
      {"over the next of a gap", {{0, 80, true}, {160, 80, true}, {80, 88, true}}},
      {"across two runs", {{160, 80, true}, {0, 80, true}, {80, 80, true}, {72, 80, true}}},
  };
  uint64_t overlaps = 0;
  uint16_t id = 100;
  for (const Case& c : cases) {
    ++id;
    for (Piece piece : c.pieces) {
      piece.id = id;
      ReceivePiece(piece);
    }
    EXPECT_EQ(IpExt(IpExtMib::kReasmOverlaps), ++overlaps) << c.name;
    EXPECT_EQ(ipv4_objects(ns).frag_queues, 0U) << c.name;
    EXPECT_EQ(ns.frags.mem, 0U) << c.name;
  }
  EXPECT_EQ(Drops(SKB_DROP_REASON_FRAG_OVERLAP), overlaps);
  EXPECT_EQ(Ip(IpMib::kReasmFails), overlaps);
  EXPECT_TRUE(datagrams.empty());
}

TEST_F(FragmentTest, ContradictoryEndsKillTheQueue) {
  const std::vector<Piece> cases[] = {
      {{800, 80, false}, {880, 80, true}},   // beyond the end
      {{800, 80, false}, {960, 80, false}},  // another end
      {{800, 80, true}, {80, 80, false}},    // an end before what is there
      {{80, 0, true}},                       // nothing in it
  };
  uint64_t fails = 0;
  uint16_t id = 200;
  for (const auto& pieces : cases) {
    ++id;
    for (Piece piece : pieces) {
      piece.id = id;
      ReceivePiece(piece);
    }
    EXPECT_EQ(Ip(IpMib::kReasmFails), ++fails);
    EXPECT_EQ(ipv4_objects(ns).frag_queues, 0U);
  }
}

// Only the last may be no multiple of eight: others are cut to one.
TEST_F(FragmentTest, OddLengthInTheMiddleIsCut) {
  ReceivePiece({0, 85, true});
  ReceivePiece({80, 20, false});
  ASSERT_EQ(datagrams.size(), 1U);
  EXPECT_EQ(datagrams[0], Whole(100));
}

TEST_F(FragmentTest, LargerThanADatagramMayBe) {
  for (uint32_t at = 0; at < 65528; at += 1400) {
    ReceivePiece({at, std::min(1400U, 65528 - at), true});
  }
  ReceivePiece({65528, 8, false});
  EXPECT_TRUE(datagrams.empty());
  EXPECT_EQ(Ip(IpMib::kReasmFails), 1U);
  EXPECT_EQ(ipv4_objects(ns).frag_queues, 0U);
}

TEST_F(FragmentTest, LargestDatagram) {
  const uint32_t total = 65535 - 20;
  for (uint32_t at = 0; at < total; at += 1400) {
    ReceivePiece({at, std::min(1400U, total - at), at + 1400 < total});
  }
  ASSERT_EQ(datagrams.size(), 1U);
  EXPECT_EQ(datagrams[0], Whole(total));
}

// RFC 3168 5.3: one fragment that saw congestion is enough; not-ECT among others is a forgery.
TEST_F(FragmentTest, EcnOfTheWhole) {
  ReceivePiece({0, 80, true, wire::kEcnEct0});
  ReceivePiece({80, 80, false, wire::kEcnCe});
  ASSERT_EQ(datagrams.size(), 1U);
  EXPECT_EQ(last_tos & wire::kEcnMask, wire::kEcnCe);
  ReceivePiece({0, 80, true, wire::kEcnNotEct, 8});
  ReceivePiece({80, 80, false, wire::kEcnCe, 8});
  EXPECT_EQ(datagrams.size(), 1U);
  EXPECT_EQ(Ip(IpMib::kReasmFails), 1U);
}

TEST_F(FragmentTest, KeysAreKeptApart) {
  ReceivePiece({0, 80, true, 0, 1});
  ReceivePiece({80, 80, false, 0, 2});
  ReceivePiece({80, 80, false, 0, 1, false, Ipv4Address(10, 0, 0, 3)});
  EXPECT_TRUE(datagrams.empty());
  EXPECT_EQ(ipv4_objects(ns).frag_queues, 3U);
}

// RFC 1122 3.3.2: after 30 s it is given up; the sender hears of it where the first fragment came.
TEST_F(FragmentTest, Timeout) {
  ReceivePiece({0, 800, true});
  ReceivePiece({80 * 20, 80, true});
  ReceivePiece({800, 80, true, 0, 8});  // another one, without its first fragment
  host.RunFor(Duration::Milliseconds(29'900));
  EXPECT_EQ(ipv4_objects(ns).frag_queues, 2U);
  host.RunFor(Duration::Seconds(3));
  EXPECT_EQ(ipv4_objects(ns).frag_queues, 0U);
  EXPECT_EQ(Ip(IpMib::kReasmTimeout), 2U);
  EXPECT_EQ(Ip(IpMib::kReasmFails), 2U);
  EXPECT_EQ(Drops(SKB_DROP_REASON_FRAG_REASM_TIMEOUT), 3U);
  ASSERT_NE(NextSent().find("ICMP ip reassembly time exceeded"), std::string::npos)
      << wire::DescribeFrame(last_sent);
  EXPECT_EQ(LastSentIp().payload.size(), 8U + 548);
  EXPECT_EQ(NextSent(), "");
}

// A flood of first fragments: the limit of truesize holds, the rest is dropped, and the host lives.
TEST_F(FragmentTest, FloodIsLimited) {
  EXPECT_EQ(Sysctl("net/ipv4/ipfrag_high_thresh", 100'000), -EINVAL);  // below the lower mark
  ASSERT_EQ(Sysctl("net/ipv4/ipfrag_low_thresh", 100'000), 0);
  ASSERT_EQ(Sysctl("net/ipv4/ipfrag_high_thresh", 100'000), 0);
  ASSERT_EQ(Sysctl("net/ipv4/ipfrag_max_dist", 0), 0);
  for (uint32_t id = 0; id < 2000; ++id) ReceivePiece({0, 80, true, 0, static_cast<uint16_t>(id)});
  EXPECT_LE(ns.frags.mem, 100'000U + 4096);
  EXPECT_GT(Drops(SKB_DROP_REASON_IP_FRAGMENT), 1900U);
  EXPECT_EQ(Ip(IpMib::kReasmFails), Drops(SKB_DROP_REASON_IP_FRAGMENT));
}

// More than ipfrag_max_dist fragments of others between two of a queue: IDs may have wrapped, it
// begins anew.
TEST_F(FragmentTest, TooFarApart) {
  ReceivePiece({0, 80, true, 0, 1});
  for (uint16_t id = 100; id < 200; ++id) ReceivePiece({0, 80, true, 0, id});
  ReceivePiece({80, 80, false, 0, 1});
  EXPECT_TRUE(datagrams.empty());
  EXPECT_EQ(Drops(SKB_DROP_REASON_FRAG_TOO_FAR), 1U);
  EXPECT_EQ(Ip(IpMib::kReasmFails), 1U);
}

// The search for a place stays short however the pieces come.
TEST_F(FragmentTest, ManyRuns) {
  ASSERT_EQ(Sysctl("net/ipv4/ipfrag_high_thresh", 100'000'000), 0);
  for (int32_t at = 40'000 - 16; at >= 0; at -= 16) {
    ReceivePiece({static_cast<uint32_t>(at), 8, true});
  }
  for (uint32_t at = 8; at < 40'000; at += 16) {
    ReceivePiece({at, 8, at + 8 < 40'000});
  }
  ASSERT_EQ(datagrams.size(), 1U);
  EXPECT_EQ(datagrams[0], Whole(40'000));
}

// What was cut on the way in is cut no larger on the way out, and keeps DF where all pieces had it.
TEST_F(FragmentTest, ForwardedFragmentsPassUnchanged) {
  TestDevice& eth1 = AddDevice("eth1", Ipv4Address(10, 1, 0, 1), 24);
  ASSERT_EQ(Sysctl("net/ipv4/ip_forward", 1), 0);
  wire::Ipv4Header header;
  header.ttl = 9;
  header.protocol = kProtocol;
  header.saddr = kPeer;
  header.daddr = Ipv4Address(10, 1, 0, 2);
  header.frag_off = static_cast<uint16_t>(wire::kIpv4MoreFragments | 10);
  Receive(NewFrame().Ipv4(header, {}, wire::kKeepProtocol).CountingPayload(96).Build());
  ASSERT_NE(NextSent(eth1), "");
  EXPECT_EQ(LastSentIp().header->frag_off, header.frag_off);
  EXPECT_EQ(LastSentIp().payload.size(), 96U);
  // A later fragment that is cut keeps its place and the flag behind.
  ASSERT_EQ(dev_set_mtu(eth1.dev(), 68), 0);
  Receive(NewFrame().Ipv4(header, {}, wire::kKeepProtocol).CountingPayload(96).Build());
  ASSERT_EQ(eth1.sent.size(), 2U);
  NextSent(eth1);
  EXPECT_EQ(LastSentIp().header->offset_bytes(), 80U);
  EXPECT_EQ(LastSentIp().payload.size(), 48U);
  NextSent(eth1);
  EXPECT_EQ(LastSentIp().header->offset_bytes(), 128U);
  EXPECT_TRUE(LastSentIp().header->more_fragments());
}

}  // namespace
}  // namespace tapedeck
