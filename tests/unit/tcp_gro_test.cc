// Segments that one poll finds go up as one packet where they say the same, and as they came where
// they do not (net/core/gro.c, net/ipv4/tcp_offload.c).
#include "stack/tcp/tcp_gro.h"

#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gro_queue.h"
#include "ipv4_host.h"
#include "ipv6_host.h"
#include "stack/core/gro.h"
#include "stack/core/gso.h"
#include "stack/ipv4/protocol.h"
#include "stack/ipv6/protocol.h"
#include "stack/tcp/tcp_offload.h"
#include "stack/wire/tcp.h"
#include "stack/wire/tcp_options.h"

namespace tapedeck {
namespace {

constexpr uint32_t kSeq = 0xffffff00;  // the stream crosses zero
constexpr uint16_t kMss = 1000;

// A segment in the plain form of which tests change a thing.
struct Segment {
  uint32_t at = 0;  // of the stream, bytes
  uint32_t len = kMss;
  uint16_t flags = wire::kTcpAck;
  uint16_t source = 40'000;
  uint32_t ack = 77;
  uint16_t window = 500;
  uint32_t tsval = 5;
  uint8_t tos = 0;
  uint8_t ttl = 64;
  uint16_t id = 0;  // beside kFirstId
  uint16_t frag_off = wire::kIpv4DontFragment;
  size_t pad_to = 0;
  bool broken = false;  // a byte is wrong
  uint16_t vlan_tci = 0;
  bool v6 = false;
};
constexpr uint16_t kFirstId = 0xffff;  // IDs cross zero

uint8_t StreamByte(uint32_t at) { return static_cast<uint8_t>(at * 7 + at / 251); }
Bytes Stream(uint32_t from, uint32_t len) {
  Bytes bytes(len);
  for (uint32_t i = 0; i < len; ++i) bytes[i] = StreamByte(from + i);
  return bytes;
}

class TcpGroTest : public Ipv6Test {
 protected:
  // A packet that went up.
  struct Seen {
    uint32_t seq;
    uint16_t source;
    uint16_t flags;
    uint16_t gso_segs;
    uint16_t gso_size;
    uint32_t gso_type;
    Bytes payload;
  };

  TcpGroTest() {
    const auto take = [](sk_buff* skb) {
      consume_skb(skb);
      return 0;
    };
    v4_ = {.handler = take,
           .gso_segment = tcp4_gso_segment,
           .gro_receive = tcp4_gro_receive,
           .gro_complete = tcp4_gro_complete};
    v6_ = {.handler = take,
           .flags = INET6_PROTO_NOPOLICY | INET6_PROTO_FINAL,
           .gso_segment = tcp6_gso_segment,
           .gro_receive = tcp6_gro_receive,
           .gro_complete = tcp6_gro_complete};
    EXPECT_EQ(inet_add_address(eth.dev(), {.local = kUs, .prefixlen = 24}), 0);
    EXPECT_EQ(inet_add_protocol(host.n, &v4_, wire::kIpProtoTcp), 0);
    EXPECT_EQ(inet6_add_protocol(host.n, &v6_, wire::kIpProtoTcp), 0);
    tap_.test = this;
    tap_.type = kProtocolAll;
    tap_.func = [](sk_buff* skb, net_device*, packet_type* pt, net_device*) {
      static_cast<Tap*>(pt)->test->See(skb);
      consume_skb(skb);
      return 0;
    };
    dev_add_pack(host.n, &tap_);
    queue_.emplace(eth.dev());
  }
  void TearDown() override {
    dev_remove_pack(&tap_);
    queue_.reset();
    EXPECT_EQ(inet_del_protocol(host.n, &v4_, wire::kIpProtoTcp), 0);
    EXPECT_EQ(inet6_del_protocol(host.n, &v6_, wire::kIpProtoTcp), 0);
    Ipv6Test::TearDown();
  }

  Bytes Frame(const Segment& segment) {
    wire::TcpOptionWriter options;
    options.Nop();
    options.Nop();
    options.Timestamps({segment.tsval, 6});
    wire::TcpHeader th;
    th.source = segment.source;
    th.dest = uint16_t{80};
    th.seq = kSeq + segment.at;
    th.ack_seq = segment.ack;
    th.window = segment.window;
    th.set_flags(segment.flags);
    wire::FrameBuilder frame = NewFrame();
    if (segment.v6) {
      wire::Ipv6Header hdr;
      hdr.set_class_and_flow(segment.tos, 0x12345);
      hdr.hop_limit = segment.ttl;
      hdr.saddr = kPeer6;
      hdr.daddr = kUs6;
      frame.Ipv6(hdr);
    } else {
      frame.Ipv4({.tos = segment.tos,
                  .id = static_cast<uint16_t>(kFirstId + segment.id),
                  .frag_off = segment.frag_off,
                  .ttl = segment.ttl,
                  .saddr = kPeer,
                  .daddr = kUs});
    }
    frame.Tcp(th, options.bytes()).Payload(Stream(segment.at, segment.len));
    if (segment.pad_to != 0) frame.PadTo(segment.pad_to);
    const std::span<uint8_t> built = frame.Build();
    if (segment.broken) built.back() ^= 1;
    return Bytes(built.begin(), built.end());
  }

  // One poll that finds these frames, and is the last (`complete`) or not.
  std::vector<Seen> Receive(const std::vector<Segment>& segments, bool complete = true) {
    std::vector<GroQueue::Frame> frames;
    for (const Segment& segment : segments) frames.push_back({Frame(segment), segment.vlan_tci});
    queue_->Lay(std::move(frames), complete);
    seen_.clear();
    OnCpu([this] { napi_schedule(host.kernel.cpu(0), &*queue_); });
    EXPECT_TRUE(queue_->empty());
    return seen_;
  }
  // How many packets two segments become.
  size_t PacketsOf(const Segment& first, const Segment& second) {
    return Receive({first, second}).size();
  }

  // Lengths and checksums say what is there; of several segments the checksum is the
  // pseudo-header's.
  void See(const sk_buff* skb) {
    const Bytes bytes = BytesOf(skb);
    std::span<const uint8_t> segment;
    wire::PseudoHeader pseudo(kPeer, kUs);
    if (skb->protocol == wire::kEtherTypeIpv4) {
      const auto ip = wire::ParseIpv4(bytes);
      ASSERT_TRUE(ip.ok());
      EXPECT_EQ(ip_fast_csum(bytes.data(), 5), 0);
      segment = ip->payload;
    } else {
      const auto ip = wire::ParseIpv6(bytes);
      ASSERT_TRUE(ip.ok());
      segment = ip->payload;
      pseudo = wire::PseudoHeader(kPeer6, kUs6);
    }
    const auto tcp = wire::ParseTcp(segment);
    ASSERT_TRUE(tcp.ok());
    const skb_shared_info* const info = skb_shinfo(skb);
    if (info->gso_segs > 1) {
      EXPECT_EQ(segment.data() + segment.size(), bytes.data() + bytes.size());
      EXPECT_EQ(skb->ip_summed, CHECKSUM_PARTIAL);
      EXPECT_EQ(tcp->header->check.host(),
                pseudo.PartialChecksum(wire::kIpProtoTcp, static_cast<uint32_t>(segment.size())));
    }
    if (keep_ != nullptr) *keep_ = skb_get(const_cast<sk_buff*>(skb));
    seen_.push_back({.seq = tcp->header->seq.host(),
                     .source = tcp->header->source.host(),
                     .flags = tcp->header->flags(),
                     .gso_segs = info->gso_segs,
                     .gso_size = info->gso_size,
                     .gso_type = info->gso_type,
                     .payload = Bytes(tcp->payload.begin(), tcp->payload.end())});
  }

  struct Tap : packet_type {
    TcpGroTest* test;
  };
  net_protocol v4_;
  inet6_protocol v6_;
  Tap tap_;
  std::optional<GroQueue> queue_;
  std::vector<Seen> seen_;
  sk_buff** keep_ = nullptr;  // where the test wants a use of what it sees
};

std::vector<Segment> Row(uint32_t count, bool v6 = false) {
  std::vector<Segment> segments;
  for (uint32_t i = 0; i < count; ++i) {
    segments.push_back({.at = i * kMss, .id = static_cast<uint16_t>(i), .v6 = v6});
  }
  return segments;
}

class TcpGroOfBothVersions : public TcpGroTest, public ::testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(Ip, TcpGroOfBothVersions, ::testing::Bool(),
                         [](const auto& v6) { return std::string(v6.param ? "6" : "4"); });

TEST_P(TcpGroOfBothVersions, SegmentsOfOnePollGoUpAsOnePacket) {
  for (const uint32_t count : {2U, 17U, 18U, 19U, 40U, 60U}) {
    const std::vector<Seen> seen = Receive(Row(count, GetParam()));
    ASSERT_EQ(seen.size(), 1U) << count;
    EXPECT_EQ(seen[0].seq, kSeq);
    EXPECT_EQ(seen[0].gso_segs, count);
    EXPECT_EQ(seen[0].gso_size, kMss);
    EXPECT_EQ(seen[0].gso_type, GetParam() ? SKB_GSO_TCPV6 : SKB_GSO_TCPV4);
    EXPECT_EQ(seen[0].payload, Stream(0, count * kMss));
  }
  EXPECT_EQ(host.AllDrops(), 0U);
}

TEST_P(TcpGroOfBothVersions, AloneIsAsItWas) {
  const std::vector<Seen> seen = Receive({Segment{.v6 = GetParam()}});
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].gso_size, 0U);
  EXPECT_EQ(seen[0].gso_segs, 0U);
  EXPECT_EQ(seen[0].payload, Stream(0, kMss));
}

// A packet stays below 64 KiB.
TEST_P(TcpGroOfBothVersions, WhatIsTooLongForOnePacketIsTwo) {
  const std::vector<Seen> seen = Receive(Row(70, GetParam()));
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(uint32_t{seen[0].gso_segs} + seen[1].gso_segs, 70U);
  EXPECT_LT(seen[0].payload.size() + 72, GRO_LEGACY_MAX_SIZE);
  EXPECT_GT(seen[0].payload.size() + 72 + kMss, GRO_LEGACY_MAX_SIZE);
  Bytes all = seen[0].payload;
  all.insert(all.end(), seen[1].payload.begin(), seen[1].payload.end());
  EXPECT_EQ(all, Stream(0, 70 * kMss));
}

TEST_P(TcpGroOfBothVersions, ForwardedItIsCutIntoWhatItWas) {
  std::vector<Segment> row = Row(20, GetParam());
  row.back().flags |= wire::kTcpPsh;
  std::vector<Bytes> frames;
  for (const Segment& segment : row) frames.push_back(Frame(segment));
  sk_buff* merged = nullptr;
  keep_ = &merged;
  ASSERT_EQ(Receive(row).size(), 1U);
  keep_ = nullptr;
  ASSERT_NE(merged, nullptr);
  ASSERT_NE(skb_unshare(merged), nullptr);
  __skb_push(merged, kEthHeaderBytes);
  const GsoResult cut = skb_gso_segment(merged, NETIF_F_HW_CSUM | NETIF_F_SG);
  ASSERT_EQ(cut.error, 0);
  size_t i = 0;
  for (sk_buff* seg = cut.segs; seg != nullptr; ++i) {
    sk_buff* const next = std::exchange(seg->next, nullptr);
    ASSERT_LT(i, frames.size());
    EXPECT_EQ(skb_checksum_help(seg), 0);
    EXPECT_EQ(BytesOf(seg), frames[i]) << i;
    consume_skb(seg);
    seg = next;
  }
  EXPECT_EQ(i, frames.size());
  consume_skb(merged);
}

TEST_P(TcpGroOfBothVersions, WhatSaysSomethingElseGoesUpAlone) {
  const Segment first{.v6 = GetParam()};
  const Segment second{.at = kMss, .id = 1, .v6 = GetParam()};
  ASSERT_EQ(PacketsOf(first, second), 1U);
  struct Case {
    const char* name;
    std::function<void(Segment&)> change;
  };
  for (const Case& each : std::initializer_list<Case>{
           {"a gap", [](Segment& s) { s.at += 1; }},
           {"bytes again", [](Segment& s) { s.at -= 1; }},
           {"another connection", [](Segment& s) { ++s.source; }},
           {"another acknowledgement", [](Segment& s) { ++s.ack; }},
           {"another window", [](Segment& s) { ++s.window; }},
           {"another time stamp", [](Segment& s) { ++s.tsval; }},
           {"a CE mark", [](Segment& s) { s.tos |= wire::kEcnCe; }},
           {"another DSCP", [](Segment& s) { s.tos = 0x20; }},
           {"another TTL", [](Segment& s) { --s.ttl; }},
           {"ECE", [](Segment& s) { s.flags |= wire::kTcpEce; }},
           {"CWR", [](Segment& s) { s.flags |= wire::kTcpCwr; }},
           {"a longer one", [](Segment& s) { ++s.len; }},
           {"no data", [](Segment& s) { s.len = 0; }},
           {"a reset", [](Segment& s) { s.flags |= wire::kTcpRst; }},
           {"a wrong checksum", [](Segment& s) { s.broken = true; }},
           {"padding behind it", [](Segment& s) { s.len = 10, s.pad_to = 120; }},
           {"a VLAN", [](Segment& s) { s.vlan_tci = 7; }},
       }) {
    Segment changed = second;
    each.change(changed);
    EXPECT_EQ(PacketsOf(first, changed), 2U) << each.name;
  }
}

TEST_F(TcpGroTest, IpIdsCountOnOrAreTheSame) {
  const auto packets = [this](uint16_t a, uint16_t b, uint16_t c, uint16_t frag_off) {
    std::vector<Segment> row = Row(3);
    row[0].id = a, row[1].id = b, row[2].id = c;
    for (Segment& segment : row) segment.frag_off = frag_off;
    return Receive(row).size();
  };
  constexpr uint16_t kDf = wire::kIpv4DontFragment;
  EXPECT_EQ(packets(0, 1, 2, kDf), 1U);
  EXPECT_EQ(packets(0, 1, 2, 0), 1U);
  EXPECT_EQ(packets(7, 7, 7, kDf), 1U);
  EXPECT_EQ(seen_[0].gso_type, SKB_GSO_TCPV4 | SKB_GSO_TCP_FIXEDID);
  EXPECT_EQ(packets(7, 7, 7, 0), 3U);  // without DF an ID must not come twice
  EXPECT_EQ(packets(0, 1, 3, kDf), 2U);
  EXPECT_EQ(packets(0, 0, 1, kDf), 2U);
  EXPECT_EQ(packets(0, 2, 4, kDf), 3U);
  EXPECT_EQ(packets(0, 1, 2, kDf | wire::kIpv4ReservedBit), 3U);
}

TEST_F(TcpGroTest, AShorterSegmentOrPshIsTheLast) {
  std::vector<Segment> row = Row(4);
  row[1].len = 500;
  row[2].at = row[3].at = 1500;
  row[3].at += kMss;
  EXPECT_EQ(Receive(row).size(), 2U);
  EXPECT_EQ(seen_[0].payload, Stream(0, 1500));
  EXPECT_EQ(seen_[1].payload, Stream(1500, 2000));

  for (const uint16_t flag : {wire::kTcpPsh, wire::kTcpFin}) {
    row = Row(4);
    row[1].flags |= flag;
    EXPECT_EQ(Receive(row).size(), 2U);
    EXPECT_EQ(seen_[0].gso_segs, 2U);
    EXPECT_EQ(seen_[0].flags, wire::kTcpAck | flag);
    EXPECT_EQ(seen_[1].flags, +wire::kTcpAck);
  }
}

TEST_F(TcpGroTest, ConnectionsTakeTurns) {
  std::vector<Segment> row;
  for (uint32_t i = 0; i < 24; ++i) {
    row.push_back({.at = i / 8 * kMss,
                   .source = static_cast<uint16_t>(50'000 + i % 8),
                   .id = static_cast<uint16_t>(i / 8)});
  }
  EXPECT_EQ(Receive(row).size(), 8U);
  for (const Seen& seen : seen_) EXPECT_EQ(seen.gso_segs, 3U);
  // A ninth in the same bucket: the one that waits longest goes, and its next segment comes alone.
  row.insert(row.begin() + 16, Segment{.source = 60'000});
  row.resize(18);
  EXPECT_EQ(Receive(row).size(), 10U);
  EXPECT_EQ(seen_[0].source, 50'000U);
  EXPECT_EQ(seen_[0].gso_segs, 2U);
  EXPECT_EQ(seen_[1].source, 50'001U);
  EXPECT_EQ(queue_->gro_bitmask, 0U);
}

// A poll that has used its weight is not the last, and what came in this jiffy may wait; one jiffy
// is all. Nothing is held once the device has nothing more.
TEST_F(TcpGroTest, PacketsAreHeldUntilTheDeviceHasNoMore) {
  EXPECT_EQ(Receive(Row(3), /*complete=*/false).size(), 1U);
  EXPECT_EQ(seen_[0].gso_segs, 3U);
  EXPECT_EQ(queue_->gro_bitmask, 0U);
  EXPECT_EQ(skb_queue_len(&queue_->rx_list), 0U);
}

TEST_F(TcpGroTest, WithoutTheFeatureEachGoesUpAlone) {
  eth->features &= ~NETIF_F_GRO;
  EXPECT_EQ(Receive(Row(5)).size(), 5U);
  eth->features |= NETIF_F_GRO;
}

// Where memory for a page fails the segment goes up alone.
TEST_F(TcpGroTest, WithoutMemoryNothingIsLost) {
  for (uint32_t fails = 1; fails <= 3; ++fails) {
    host.n.page_cache.cache().FailNth(fails);
    Receive(Row(5));
    Bytes all;
    for (const Seen& seen : seen_) all.insert(all.end(), seen.payload.begin(), seen.payload.end());
    EXPECT_EQ(all, Stream(0, 5 * kMss));
    EXPECT_EQ(seen_.size(), 2U);
  }
}

}  // namespace
}  // namespace tapedeck
