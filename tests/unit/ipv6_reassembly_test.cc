// Reassembly of IPv6 datagrams: order, duplicates, overlaps, atomic fragments, time and memory.
#include <algorithm>
#include <cerrno>

#include "fragment_ranges.h"
#include "ipv6_host.h"
#include "stack/base/prng.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/reassembly.h"

namespace tapedeck {
namespace {

constexpr uint8_t kProtocol = 99;
constexpr size_t kQuotedAt = 14 + 40 + 8;  // of the quote in a frame with an ICMPv6 error

class ReassemblyTest : public Ipv6Test {
 protected:
  void SetUp() override {
    datagrams.clear();
    static constexpr inet6_protocol kTaker = {
        .handler =
            [](sk_buff* skb) {
              const wire::Ipv6Header& hdr = *ipv6_hdr(skb);
              EXPECT_EQ(hdr.payload_len.host(), skb->len + skb_network_header_len(skb) - 40);
              EXPECT_EQ(skb_network_header(skb)[IP6CB(skb)->nhoff], kProtocol);
              last_class = hdr.traffic_class();
              last_frag_max_size = IP6CB(skb)->frag_max_size;
              last_is_one_buffer = !skb_has_frag_list(skb);
              datagrams.push_back(BytesOf(skb));
              consume_skb(skb);
              return 0;
            },
        .flags = INET6_PROTO_NOPOLICY | INET6_PROTO_FINAL};
    ASSERT_EQ(inet6_add_protocol(host.n, &kTaker, kProtocol), 0);
  }
  void TearDown() override {
    host.RunFor(Duration::Seconds(70));  // past reassembly timers
    EXPECT_EQ(ns.frags->mem, 0U);
    Ipv6Test::TearDown();
  }

  struct Piece {
    uint32_t offset;
    uint32_t bytes;
    bool more;
    uint32_t id = 7;
    uint8_t ecn = 0;
    uint8_t nexthdr = kProtocol;
    Ipv6Address saddr = kPeer6;
    Ipv6Address daddr = kUs6;
  };
  // A frame with bytes [offset, offset + bytes) of Whole().
  std::span<uint8_t> Frame(const Piece& piece, std::span<const uint8_t> hop_options = {}) {
    wire::Ipv6Header header;
    header.set_class_and_flow(piece.ecn, 0);
    header.hop_limit = 64;
    header.saddr = piece.saddr;
    header.daddr = piece.daddr;
    wire::Ipv6FragmentHeader fh;
    fh.nexthdr = piece.nexthdr;
    fh.frag_off = static_cast<uint16_t>(piece.offset | (piece.more ? 1 : 0));
    fh.identification = piece.id;
    wire::FrameBuilder frame = NewFrame();
    frame.Ipv6(header);
    if (!hop_options.empty()) frame.Ipv6Extension(wire::kIpProtoHopByHop, hop_options);
    return frame
        .Ipv6Extension(wire::kIpProtoFragment,
                       std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(&fh), sizeof(fh)),
                       wire::kKeepProtocol)
        .Payload(std::span<const uint8_t>(kWhole).subspan(piece.offset, piece.bytes))
        .Build();
  }
  void ReceivePiece(const Piece& piece) { Receive(Frame(piece)); }
  void ReceivePiece(TestDevice& device, const Piece& piece) {
    const std::span<uint8_t> frame = Frame(piece);
    std::copy(device->dev_addr.bytes().begin(), device->dev_addr.bytes().end(), frame.begin());
    Receive(device, frame);
  }
  uint64_t Queues() const { return ns.frags->cache.cache().live_objects(); }
  static Bytes Whole(size_t bytes) {
    return Bytes(kWhole.begin(), kWhole.begin() + static_cast<std::ptrdiff_t>(bytes));
  }
  static inline const Bytes kWhole = Pattern(70000);

  static inline std::vector<Bytes> datagrams;
  static inline uint8_t last_class = 0;
  static inline uint16_t last_frag_max_size = 0;
  static inline bool last_is_one_buffer = false;
};

TEST_F(ReassemblyTest, InOrder) {
  ReceivePiece({0, 800, true});
  ReceivePiece({800, 800, true});
  EXPECT_EQ(Queues(), 1U);
  ReceivePiece({1600, 399, false});
  ASSERT_EQ(datagrams.size(), 1U);
  EXPECT_EQ(datagrams[0], Whole(1999));
  EXPECT_EQ(Queues(), 0U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kReasmReqds), 3U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kReasmOKs), 1U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kReasmFails), 0U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kInDelivers), 1U);
  EXPECT_EQ(last_frag_max_size, 40 + 8 + 800);
  // The others' buffers are pages of the first, or their bytes fit behind its own.
  EXPECT_TRUE(last_is_one_buffer);
}

// What stands before the fragment header is the first fragment's, without the fragment header.
TEST_F(ReassemblyTest, HeadersBeforeTheFragmentHeaderStay) {
  const uint8_t padding[8] = {0, 0, 1, 4, 0, 0, 0, 0};
  Receive(Frame({800, 8, false}, padding));
  Receive(Frame({0, 800, true}, padding));
  ASSERT_EQ(datagrams.size(), 1U);
  EXPECT_EQ(datagrams[0], Whole(808));
  EXPECT_EQ(last_frag_max_size, 40 + 8 + 8 + 800);
}

// Any order, any duplicates, garbage of other datagrams between: the same bytes.
TEST_F(ReassemblyTest, AnyOrderWithDuplicatesAndGarbage) {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    Prng prng(seed, 0);
    const uint32_t total = 9 + prng.Below(20000);
    const std::vector<FragmentRange> ranges = CutAtRandom(prng, total);
    if (ranges.size() == 1) continue;
    datagrams.clear();
    for (const FragmentRange& range : Disordered(prng, ranges)) {
      ReceivePiece({range.offset, range.bytes, range.more, seed});
      ReceivePiece({8 * prng.Below(100), 8, true, 1000 + seed});
    }
    ASSERT_EQ(datagrams.size(), 1U) << seed;
    EXPECT_EQ(datagrams[0], Whole(total)) << seed;
  }
}

TEST_F(ReassemblyTest, DuplicatesAreDroppedAlone) {
  ReceivePiece({0, 800, true});
  ReceivePiece({0, 800, true});
  ReceivePiece({80, 80, true});  // inside what is there
  EXPECT_EQ(Drops(SKB_DROP_REASON_DUP_FRAG), 2U);
  ReceivePiece({800, 8, false});
  EXPECT_EQ(datagrams.size(), 1U);
}

// RFC 5722: the whole datagram goes, and what comes later of it begins another.
TEST_F(ReassemblyTest, OverlapEndsTheDatagram) {
  struct Case {
    const char* name;
    std::vector<Piece> pieces;
  };
  const Case cases[] = {
      {"behind", {{0, 80, true}, {72, 80, true}}},
      {"before", {{80, 80, true}, {0, 88, true}}},
      {"around", {{80, 80, true}, {0, 240, true}}},
      {"into a gap too large", {{0, 80, true}, {160, 80, true}, {72, 80, true}}},
      {"across two runs", {{160, 80, true}, {0, 80, true}, {80, 80, true}, {72, 80, true}}},
  };
  uint32_t id = 1;
  for (const Case& c : cases) {
    const uint64_t overlaps = Drops(SKB_DROP_REASON_FRAG_OVERLAP);
    for (Piece piece : c.pieces) {
      piece.id = id;
      ReceivePiece(piece);
    }
    EXPECT_EQ(Drops(SKB_DROP_REASON_FRAG_OVERLAP), overlaps + 1) << c.name;
    EXPECT_EQ(Queues(), 0U) << c.name;
    EXPECT_EQ(ns.frags->mem, 0U) << c.name;
    ++id;
  }
  EXPECT_EQ(Ip6Count(Ip6Mib::kReasmFails), std::size(cases));
  EXPECT_TRUE(datagrams.empty());
}

TEST_F(ReassemblyTest, ContradictingEndsEndTheDatagram) {
  ReceivePiece({800, 8, false});
  ReceivePiece({1600, 8, true});  // behind the end
  EXPECT_EQ(Queues(), 0U);
  ReceivePiece({800, 8, false, 8});
  ReceivePiece({1600, 8, false, 8});  // another end
  EXPECT_EQ(Queues(), 0U);
  ReceivePiece({0, 8, true, 9});
  ReceivePiece({8, 0, false, 9});  // empty
  EXPECT_EQ(Queues(), 0U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kReasmFails), 3U);
}

// RFC 6946: a fragment that is a whole datagram waits for nobody, even where another with its
// identification does.
TEST_F(ReassemblyTest, AtomicFragmentPassesThrough) {
  ReceivePiece({0, 800, true});
  ReceivePiece({0, 100, false});
  ASSERT_EQ(datagrams.size(), 1U);
  EXPECT_EQ(datagrams[0], Whole(100));
  EXPECT_EQ(last_frag_max_size, 40 + 8 + 100);
  EXPECT_EQ(Queues(), 1U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kReasmOKs), 1U);
}

TEST_F(ReassemblyTest, FragmentOfAFragmentIsRefused) {
  // An atomic fragment whose next header is a fragment header again.
  const uint8_t inner[16] = {kProtocol, 0, 0, 0, 0, 0, 0, 9};
  wire::FrameBuilder frame = NewFrame();
  wire::Ipv6Header header;
  header.hop_limit = 64;
  header.saddr = kPeer6;
  header.daddr = kUs6;
  const uint8_t outer[8] = {wire::kIpProtoFragment, 0, 0, 0, 0, 0, 0, 7};
  Receive(frame.Ipv6(header)
              .Ipv6Extension(wire::kIpProtoFragment, outer, wire::kKeepProtocol)
              .Payload(inner)
              .Build());
  EXPECT_TRUE(datagrams.empty());
  EXPECT_EQ(Ip6Count(Ip6Mib::kInHdrErrors), 1U);
  EXPECT_NE(NextSent().find("parameter problem"), std::string::npos)
      << wire::DescribeFrame(last_sent);
}

// Fragments other than the last have multiples of eight bytes; the sender is told.
TEST_F(ReassemblyTest, OddLengthIsAParameterProblem) {
  ReceivePiece({0, 81, true});
  EXPECT_EQ(Queues(), 0U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kInHdrErrors), 1U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kReasmFails), 1U);
  NextSent();
  ASSERT_GT(last_sent.size(), kQuotedAt);
  EXPECT_EQ(last_sent[kQuotedAt - 8], wire::kIcmpv6ParameterProblem);
  EXPECT_EQ(LoadBe32(&last_sent[kQuotedAt - 4]), 4U);  // payload_len
}

// A datagram cannot grow beyond 65535 bytes of payload.
TEST_F(ReassemblyTest, OversizeIsAParameterProblem) {
  ReceivePiece({65528, 16, false});
  EXPECT_EQ(Queues(), 0U);
  NextSent();
  ASSERT_GT(last_sent.size(), kQuotedAt);
  EXPECT_EQ(last_sent[kQuotedAt - 8], wire::kIcmpv6ParameterProblem);
  EXPECT_EQ(LoadBe32(&last_sent[kQuotedAt - 4]), 42U);  // the fragment header's offset
}

// RFC 7112: the first fragment has all headers.
TEST_F(ReassemblyTest, TruncatedHeaderChainIsRefused) {
  Piece piece{0, 16, true};
  piece.nexthdr = wire::kIpProtoTcp;  // its header has 20 bytes
  ReceivePiece(piece);
  EXPECT_EQ(Queues(), 0U);
  NextSent();
  ASSERT_GT(last_sent.size(), kQuotedAt);
  EXPECT_EQ(last_sent[kQuotedAt - 8], wire::kIcmpv6ParameterProblem);
  EXPECT_EQ(last_sent[kQuotedAt - 7], 3);  // incomplete header chain
}

// RFC 3168 5.3.
TEST_F(ReassemblyTest, CongestionMarksAddUp) {
  ReceivePiece({0, 8, true, 1, wire::kEcnEct0});
  ReceivePiece({8, 8, false, 1, wire::kEcnCe});
  ASSERT_EQ(datagrams.size(), 1U);
  EXPECT_EQ(last_class & 3, wire::kEcnCe);
  ReceivePiece({0, 8, true, 2, wire::kEcnNotEct});
  ReceivePiece({8, 8, false, 2, wire::kEcnCe});
  EXPECT_EQ(datagrams.size(), 1U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kReasmFails), 1U);
}

// Different senders, destinations and identifications are different datagrams.
TEST_F(ReassemblyTest, KeyIsAddressesAndIdentification) {
  ReceivePiece({0, 8, true});
  Piece other{8, 8, false};
  other.saddr = Ip6("2001:db8::3");
  ReceivePiece(other);
  ReceivePiece({8, 8, false, 8});
  EXPECT_EQ(Queues(), 3U);
  ReceivePiece({8, 8, false});
  EXPECT_EQ(datagrams.size(), 1U);
}

// A link-local address is another one on each link; a global one is not.
TEST_F(ReassemblyTest, LinkLocalDatagramsBelongToTheirLink) {
  const Ipv6Address local = Ip6("fe80::1");
  EXPECT_EQ(AddAddress(eth.dev(), local, 64), 0);
  TestDevice& other = AddDevice("eth1", local, 64);
  Settle();
  Piece first{0, 8, true};
  Piece second{8, 8, false};
  first.saddr = second.saddr = Ip6("fe80::2");
  first.daddr = second.daddr = local;
  ReceivePiece(first);
  ReceivePiece(other, second);
  EXPECT_TRUE(datagrams.empty());
  EXPECT_EQ(Queues(), 2U);
  ReceivePiece(second);
  EXPECT_EQ(datagrams.size(), 1U);
  ReceivePiece({0, 8, true});
  ReceivePiece(other, {8, 8, false});
  EXPECT_EQ(datagrams.size(), 2U);
}

// After 60 s it is given up; the sender hears of it where the first fragment came.
TEST_F(ReassemblyTest, Timeout) {
  ReceivePiece({0, 800, true});
  ReceivePiece({1600, 80, true});
  ReceivePiece({800, 80, true, 8});  // another one, without its first fragment
  host.RunFor(Duration::Milliseconds(59'000));
  EXPECT_EQ(Queues(), 2U);
  host.RunFor(Duration::Seconds(6));
  EXPECT_EQ(Queues(), 0U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kReasmTimeout), 2U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kReasmFails), 2U);
  EXPECT_EQ(Drops(SKB_DROP_REASON_FRAG_REASM_TIMEOUT), 3U);
  NextSent();
  ASSERT_GT(last_sent.size(), kQuotedAt + 48);
  EXPECT_EQ(last_sent[kQuotedAt - 8], wire::kIcmpv6TimeExceeded);
  EXPECT_EQ(last_sent[kQuotedAt - 7], 1);
  // The quote is the first fragment as it came.
  EXPECT_EQ(last_sent[kQuotedAt + 6], wire::kIpProtoFragment);
  EXPECT_EQ(last_sent.size(), kQuotedAt + 48 + 800);
  EXPECT_EQ(NextSent(), "");
}

// A flood of first fragments: the limit of truesize holds, the rest is dropped, and the host lives.
TEST_F(ReassemblyTest, FloodIsLimited) {
  EXPECT_EQ(Sysctl("net/ipv6/ip6frag_high_thresh", 100'000), -EINVAL);  // below the lower mark
  ASSERT_EQ(Sysctl("net/ipv6/ip6frag_low_thresh", 100'000), 0);
  ASSERT_EQ(Sysctl("net/ipv6/ip6frag_high_thresh", 100'000), 0);
  for (uint32_t id = 0; id < 2000; ++id) ReceivePiece({0, 80, true, id});
  EXPECT_LE(ns.frags->mem, 100'000U + 4096);
  EXPECT_GT(Drops(SKB_DROP_REASON_IP_FRAGMENT), 1900U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kReasmFails), Drops(SKB_DROP_REASON_IP_FRAGMENT));
}

}  // namespace
}  // namespace tapedeck
