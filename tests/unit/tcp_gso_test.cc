// A TCP packet of several segments, cut by the device layer: every frame is a complete segment of
// its own.
#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "ipv4_host.h"
#include "stack/core/gso.h"
#include "stack/ipv4/protocol.h"
#include "stack/tcp/tcp_offload.h"
#include "stack/wire/tcp.h"
#include "stack/wire/tcp_options.h"

namespace tapedeck {
namespace {

constexpr uint32_t kSeq = 0xfffffff0;  // wraps within the packet
constexpr uint16_t kIpId = 0xfffe;     // so does the ID
constexpr uint16_t kMss = 1200;

class TcpGsoTest : public Ipv4Test {
 protected:
  TcpGsoTest() {
    protocol.gso_segment = tcp4_gso_segment;
    EXPECT_EQ(inet_add_protocol(host.n, &protocol, wire::kIpProtoTcp), 0);
  }
  void TearDown() override {
    eth.FreeSent();
    EXPECT_EQ(inet_del_protocol(host.n, &protocol, wire::kIpProtoTcp), 0);
    Ipv4Test::TearDown();
  }

  // An Ethernet frame with timestamps and `payload` in fragments of 1000 bytes, as TCP makes it.
  sk_buff* MakeGsoPacket(const Bytes& payload, uint16_t flags, uint32_t gso_type) {
    wire::TcpOptionWriter options;
    options.Nop();
    options.Nop();
    options.Timestamps({5, 6});
    wire::TcpHeader th;
    th.source = uint16_t{40000};
    th.dest = uint16_t{80};
    th.seq = kSeq;
    th.set_flags(flags);
    const std::span<uint8_t> frame = wire::FrameBuilder(buffer)
                                         .Ethernet(kPeerMac, kUsMac)
                                         .Ipv4({.id = kIpId,
                                                .frag_off = wire::kIpv4DontFragment,
                                                .ttl = 64,
                                                .saddr = kUs,
                                                .daddr = kPeer})
                                         .Tcp(th, options.bytes())
                                         .Build();
    sk_buff* const skb = MakePacket(host.n, Bytes(frame.begin(), frame.end()));
    skb_reset_mac_header(skb);
    skb_set_network_header(skb, 14);
    skb_set_transport_header(skb, 34);
    skb->protocol = wire::kEtherTypeIpv4;
    skb->dev = eth.dev();
    for (size_t at = 0; at < payload.size(); at += 1000) {
      const size_t n = std::min<size_t>(1000, payload.size() - at);
      AddFrag(skb, Bytes(payload.begin() + static_cast<ptrdiff_t>(at),
                         payload.begin() + static_cast<ptrdiff_t>(at + n)));
    }
    auto* const header = reinterpret_cast<wire::TcpHeader*>(skb->data + 34);
    const uint32_t bytes = skb->len - 34;
    header->check = static_cast<uint16_t>(
        csum_tcpudp_nofold(kUs.wire(), kPeer.wire(), bytes, wire::kIpProtoTcp, 0));
    skb->ip_summed = CHECKSUM_PARTIAL;
    skb->csum_start = skb->transport_header;
    skb->csum_offset = offsetof(wire::TcpHeader, check);
    skb_shinfo(skb)->gso_size = kMss;
    skb_shinfo(skb)->gso_segs = static_cast<uint16_t>((payload.size() + kMss - 1) / kMss);
    skb_shinfo(skb)->gso_type = gso_type;
    return skb;
  }
  void Send(sk_buff* skb) {
    OnCpu([&] { EXPECT_EQ(dev_queue_xmit(skb), 0); });
  }

  struct Segment {
    wire::Ipv4Header ip;
    wire::TcpHeader tcp;
    Bytes options;
    Bytes payload;
  };
  // What was sent, with right checksums and lengths.
  std::vector<Segment> TakeSegments() {
    std::vector<Segment> segments;
    for (sk_buff* skb : eth.sent) {
      EXPECT_TRUE(frame_ids.insert(skb->frame_id).second) << "each frame has its own id";
      const Bytes bytes = BytesOf(skb);
      const auto ip = wire::ParseIpv4(std::span<const uint8_t>(bytes).subspan(14));
      EXPECT_TRUE(ip.ok());
      EXPECT_EQ(ip->header->tot_len.host(), bytes.size() - 14);
      EXPECT_EQ(ip_fast_csum(bytes.data() + 14, 5), 0);
      EXPECT_TRUE(wire::TcpChecksumOk(wire::PseudoHeader(kUs, kPeer), ip->payload));
      const auto tcp = wire::ParseTcp(ip->payload);
      EXPECT_TRUE(tcp.ok());
      segments.push_back({*ip->header, *tcp->header,
                          Bytes(tcp->options.begin(), tcp->options.end()),
                          Bytes(tcp->payload.begin(), tcp->payload.end())});
    }
    eth.FreeSent();
    return segments;
  }

  net_protocol protocol;
  std::set<uint32_t> frame_ids;
};

TEST_F(TcpGsoTest, EachSegmentIsComplete) {
  const Bytes payload = Pattern(3000);
  Send(MakeGsoPacket(payload, wire::kTcpAck | wire::kTcpPsh | wire::kTcpFin, SKB_GSO_TCPV4));
  const std::vector<Segment> segments = TakeSegments();
  ASSERT_EQ(segments.size(), 3U);
  Bytes received;
  uint32_t seq = kSeq;
  uint16_t id = kIpId;
  for (size_t i = 0; i < 3; ++i) {
    const Segment& segment = segments[i];
    EXPECT_EQ(segment.tcp.seq.host(), seq);
    EXPECT_EQ(segment.ip.id.host(), id++);
    EXPECT_TRUE(segment.ip.dont_fragment());
    EXPECT_EQ(segment.tcp.flags(),
              i == 2 ? wire::kTcpAck | wire::kTcpPsh | wire::kTcpFin : +wire::kTcpAck);
    EXPECT_EQ(segment.options, segments[0].options);
    EXPECT_EQ(segment.payload.size(), i == 2 ? 600U : kMss);
    received.insert(received.end(), segment.payload.begin(), segment.payload.end());
    seq += kMss;
  }
  EXPECT_EQ(received, payload);
}

TEST_F(TcpGsoTest, CwrIsSaidOnceUnlessItCounts) {
  constexpr uint16_t kFlags = wire::kTcpAck | wire::kTcpCwr;
  Send(MakeGsoPacket(Pattern(2500), kFlags, SKB_GSO_TCPV4 | SKB_GSO_TCP_ECN));
  std::vector<Segment> segments = TakeSegments();
  ASSERT_EQ(segments.size(), 3U);
  EXPECT_TRUE(segments[0].tcp.cwr());
  EXPECT_FALSE(segments[1].tcp.cwr() || segments[2].tcp.cwr());
  Send(MakeGsoPacket(Pattern(2500), kFlags, SKB_GSO_TCPV4 | SKB_GSO_TCP_ACCECN));
  segments = TakeSegments();
  ASSERT_EQ(segments.size(), 3U);
  EXPECT_TRUE(segments[0].tcp.cwr() && segments[1].tcp.cwr() && segments[2].tcp.cwr());
}

// With scatter/gather and checksums the payload is not copied; the frames are the same.
TEST_F(TcpGsoTest, FragmentsAreShared) {
  eth->features |= NETIF_F_SG | NETIF_F_HW_CSUM;
  const Bytes payload = Pattern(2400);
  sk_buff* const skb = MakeGsoPacket(payload, wire::kTcpAck, SKB_GSO_TCPV4);
  const page* const first = skb_shinfo(skb)->frags[0].page;
  Send(skb);
  ASSERT_EQ(eth.sent.size(), 2U);
  EXPECT_EQ(skb_shinfo(eth.sent[0])->nr_frags, 2U);
  EXPECT_EQ(skb_shinfo(eth.sent[0])->frags[0].page, first);
  EXPECT_EQ(skb_shinfo(eth.sent[1])->nr_frags, 2U);
  Bytes received;
  for (sk_buff* segment : eth.sent) {
    ASSERT_EQ(segment->ip_summed, CHECKSUM_PARTIAL);
    ASSERT_EQ(skb_checksum_help(segment), 0);
  }
  for (const Segment& segment : TakeSegments()) {
    received.insert(received.end(), segment.payload.begin(), segment.payload.end());
  }
  EXPECT_EQ(received, payload);
}

TEST_F(TcpGsoTest, ADeviceThatCutsGetsThePacketWhole) {
  eth->features |= NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_TSO;
  Send(MakeGsoPacket(Pattern(3000), wire::kTcpAck, SKB_GSO_TCPV4));
  ASSERT_EQ(eth.sent.size(), 1U);
  EXPECT_EQ(skb_shinfo(eth.sent[0])->gso_segs, 3U);
  // Not where it is larger than the device takes.
  eth.FreeSent();
  eth->gso_max_segs = 2;
  Send(MakeGsoPacket(Pattern(3000), wire::kTcpAck, SKB_GSO_TCPV4));
  EXPECT_EQ(eth.sent.size(), 3U);
}

// What a stranger says about a packet is checked before a device cuts it.
TEST_F(TcpGsoTest, AStrangersPacketIsCounted) {
  eth->features |= NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_TSO;
  sk_buff* const skb = MakeGsoPacket(Pattern(3000), wire::kTcpAck, SKB_GSO_TCPV4 | SKB_GSO_DODGY);
  skb_shinfo(skb)->gso_segs = 0;
  Send(skb);
  ASSERT_EQ(eth.sent.size(), 1U);
  EXPECT_EQ(skb_shinfo(eth.sent[0])->gso_segs, 3U);
}

TEST_F(TcpGsoTest, WhatCannotBeCutIsDropped) {
  sk_buff* skb = MakeGsoPacket(Pattern(3000), wire::kTcpAck, SKB_GSO_TCPV4);
  reinterpret_cast<wire::TcpHeader*>(skb->data + 34)->set_doff(4);
  OnCpu([&] { dev_queue_xmit(skb); });
  skb = MakeGsoPacket(Pattern(kMss), wire::kTcpAck, SKB_GSO_TCPV4);
  OnCpu([&] { dev_queue_xmit(skb); });
  EXPECT_TRUE(eth.sent.empty());
  EXPECT_EQ(Drops(SKB_DROP_REASON_SKB_GSO_SEG), 2U);
}

}  // namespace
}  // namespace tapedeck
