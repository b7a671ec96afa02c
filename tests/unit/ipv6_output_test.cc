// IPv6 datagrams of sockets: corked, uncorked, cut, looped back; flow labels, hop limits, options;
// segments.
#include <cerrno>

#include "ipv6_host.h"
#include "stack/base/prng.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/ip6_internal.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/mcast.h"

namespace tapedeck {
namespace {

constexpr uint8_t kProtocol = 99;
constexpr size_t kIpAt = 14;

class OutputTest : public Ipv6Test {
 protected:
  void SetUp() override {
    received.clear();
    sk = inet6_ctl_sock_create(host.n, kProtocol);
    sk->sk_type = SOCK_DGRAM;
    static constexpr inet6_protocol kTaker = {.handler =
                                                  [](sk_buff* skb) {
                                                    received.push_back(BytesOf(skb));
                                                    consume_skb(skb);
                                                    return 0;
                                                  },
                                              .flags = INET6_PROTO_NOPOLICY | INET6_PROTO_FINAL};
    ASSERT_EQ(inet6_add_protocol(host.n, &kTaker, kProtocol), 0);
    cookie.hlimit = 64;
    cookie.tclass = 0;
    cookie.dontfrag = 0;
  }
  void TearDown() override {
    eth.FreeSent();
    inet6_ctl_sock_destroy(sk);
    Ipv6Test::TearDown();
  }

  static int Getfrag(void* from, uint8_t* to, uint32_t offset, uint32_t len, uint32_t odd,
                     sk_buff* skb) {
    const wsum sum = csum_and_copy(to, static_cast<const Bytes*>(from)->data() + offset, len);
    skb->csum = csum_block_add(skb->csum, sum, odd);
    return 0;
  }
  // The route of `flow`, which becomes complete.
  dst_entry* RouteTo(const Ipv6Address& daddr, flowi6* flow) {
    flow->daddr = daddr;
    flow->proto = kProtocol;
    int err = 0;
    dst_entry* const dst = ip6_dst_lookup_flow(host.n, sk, flow, nullptr, &err);
    EXPECT_NE(dst, nullptr) << err;
    return dst;
  }
  // One datagram at once. 0 or -errno.
  int Send(const Ipv6Address& daddr, const Bytes& data, flowi6 flow = {}) {
    int result = 0;
    OnCpu([&] {
      dst_entry* const dst = RouteTo(daddr, &flow);
      if (dst == nullptr) return;
      inet_cork_full cork;
      cork.fl.ip6 = flow;
      sk_buff* const skb =
          ip6_make_skb(sk, Getfrag, const_cast<Bytes*>(&data), static_cast<uint32_t>(data.size()),
                       0, &cookie, dst_rt6_info(dst), 0, &cork, &result);
      dst_release(dst);
      if (skb != nullptr) result = ip6_send_skb(skb);
    });
    return result;
  }
  // Appends to the socket's cork.
  int Append(const Ipv6Address& daddr, const Bytes& data, uint32_t flags = MSG_MORE) {
    int result = 0;
    OnCpu([&] {
      flowi6 flow;
      dst_entry* const dst = RouteTo(daddr, &flow);
      if (dst == nullptr) return;
      result = ip6_append_data(sk, Getfrag, const_cast<Bytes*>(&data),
                               static_cast<uint32_t>(data.size()), 0, &cookie, &flow,
                               dst_rt6_info(dst), flags);
      dst_release(dst);
    });
    return result;
  }
  void Push() {
    OnCpu([&] { EXPECT_EQ(ip6_push_pending_frames(sk), 0); });
  }
  const wire::Ipv6Header& SentHeader() const {
    return *reinterpret_cast<const wire::Ipv6Header*>(&last_sent[kIpAt]);
  }
  // The payload of all fragments sent, joined; checks that they fit and follow one another.
  Bytes SentDatagram(uint32_t mtu = 1500) {
    Bytes whole;
    uint32_t id = 0;
    fragments = 0;
    for (;;) {
      if (NextSent().empty()) break;
      const wire::Ipv6Header& hdr = SentHeader();
      const size_t bytes = hdr.payload_len.host();
      EXPECT_EQ(bytes + 40, last_sent.size() - kIpAt);
      EXPECT_LE(bytes + 40, mtu);
      size_t at = kIpAt + 40;
      bool follows = false;
      if (hdr.nexthdr == wire::kIpProtoFragment) {
        const auto& fh = *reinterpret_cast<const wire::Ipv6FragmentHeader*>(&last_sent[at]);
        EXPECT_EQ(fh.offset_bytes(), whole.size());
        EXPECT_EQ(fh.nexthdr, kProtocol);
        EXPECT_TRUE(fragments == 0 || fh.identification.host() == id);
        id = fh.identification.host();
        EXPECT_NE(id, 0U);
        follows = fh.more_fragments();
        at += 8;
        ++fragments;
      }
      whole.insert(whole.end(), last_sent.begin() + static_cast<std::ptrdiff_t>(at),
                   last_sent.end());
      if (!follows) break;
    }
    return whole;
  }

  static inline std::vector<Bytes> received;
  inet_sock* sk = nullptr;
  ipcm6_cookie cookie;
  int fragments = 0;  // of the last SentDatagram; 0: whole
};

TEST_F(OutputTest, OneDatagram) {
  cookie.hlimit = 7;
  cookie.tclass = 0x20;
  flowi6 flow;
  flow.flowlabel = 0x12345;
  const uint64_t sent_before = Ip6Count(Ip6Mib::kOutTransmits);
  ASSERT_EQ(Send(kPeer6, Pattern(100), flow), 0);
  EXPECT_EQ(SentDatagram(), Pattern(100));
  const wire::Ipv6Header& hdr = SentHeader();
  EXPECT_EQ(hdr.version(), 6);
  EXPECT_EQ(hdr.traffic_class(), 0x20);
  EXPECT_EQ(hdr.flow_label(), 0x12345U);
  EXPECT_EQ(hdr.hop_limit, 7);
  EXPECT_EQ(hdr.nexthdr, kProtocol);
  EXPECT_EQ(hdr.saddr, kUs6);
  EXPECT_EQ(hdr.daddr, kPeer6);
  EXPECT_EQ(fragments, 0);
  EXPECT_EQ(Ip6Count(Ip6Mib::kOutTransmits), sent_before + 1);
}

// Every size around the borders of fragments, with devices that gather and that do not.
TEST_F(OutputTest, AllSizes) {
  for (const netdev_features_t features : {netdev_features_t{0}, netdev_features_t{NETIF_F_SG}}) {
    eth->features = features;
    for (const uint32_t size : {0U, 1U, 7U, 1448U, 1452U, 1459U, 1460U, 1461U, 1468U, 2896U, 2897U,
                                2904U, 5000U, 20000U, 65535U - 40U}) {
      ASSERT_EQ(Send(kPeer6, Pattern(size)), 0) << size;
      EXPECT_EQ(SentDatagram(), Pattern(size)) << size;
      EXPECT_EQ(fragments == 0, size <= 1460) << size;
      EXPECT_EQ(NextSent(), "") << size;
    }
  }
  EXPECT_EQ(Ip6Count(Ip6Mib::kFragFails), 0U);
}

// However the bytes are given, the datagram is the same.
TEST_F(OutputTest, CorkedInPieces) {
  for (const netdev_features_t features : {netdev_features_t{0}, netdev_features_t{NETIF_F_SG}}) {
    eth->features = features;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      Prng prng(seed, 0);
      const Bytes whole = Pattern(1 + prng.Below(9000));
      for (size_t at = 0; at < whole.size();) {
        const size_t bytes = std::min<size_t>(1 + prng.Below(2000), whole.size() - at);
        const auto from = whole.begin() + static_cast<std::ptrdiff_t>(at);
        ASSERT_EQ(Append(kPeer6, Bytes(from, from + static_cast<std::ptrdiff_t>(bytes))), 0);
        at += bytes;
      }
      EXPECT_EQ(NextSent(), "");
      Push();
      EXPECT_EQ(SentDatagram(), whole) << seed;
      EXPECT_EQ(NextSent(), "") << seed;
    }
  }
}

TEST_F(OutputTest, FlushForgets) {
  ASSERT_EQ(Append(kPeer6, Pattern(3000)), 0);
  OnCpu([&] { ip6_flush_pending_frames(sk); });
  Push();
  EXPECT_EQ(NextSent(), "");
  EXPECT_EQ(sk->cork.base.dst, nullptr);
}

// One byte more than a datagram can have; and IPV6_MTU_DISCOVER's DO, which lets nothing be cut.
TEST_F(OutputTest, TooLong) {
  EXPECT_EQ(Send(kPeer6, Pattern(65536)), -EMSGSIZE);
  inet6_sk(sk)->pmtudisc = kIpPmtudiscDo;
  EXPECT_EQ(Send(kPeer6, Pattern(1461)), -EMSGSIZE);
  EXPECT_EQ(Send(kPeer6, Pattern(1460)), 0);
  EXPECT_EQ(SentDatagram(), Pattern(1460));
  EXPECT_EQ(NextSent(), "");
}

// IPV6_DONTFRAG: the call fails, and the user is told what would have fitted.
TEST_F(OutputTest, DontFrag) {
  sk->sk_protocol = wire::kIpProtoUdp;
  cookie.dontfrag = 1;
  inet6_sk(sk)->rxopt.rxpmtu = true;
  EXPECT_EQ(Send(kPeer6, Pattern(1461)), -EMSGSIZE);
  EXPECT_NE(inet6_sk(sk)->rxpmtu, nullptr);
  EXPECT_EQ(Send(kPeer6, Pattern(1460)), 0);
  EXPECT_EQ(NextSent().empty(), false);
}

// IPV6_MTU: fragments as the socket wants them.
TEST_F(OutputTest, FragmentSizeOfTheSocket) {
  inet6_sk(sk)->frag_size = 1280;
  ASSERT_EQ(Send(kPeer6, Pattern(2000)), 0);
  EXPECT_EQ(SentDatagram(1280), Pattern(2000));
  EXPECT_EQ(fragments, 2);
}

// A packet that cannot go out in ready pieces is copied: here somebody else looks at it.
TEST_F(OutputTest, SharedPacketIsCopiedIntoFragments) {
  OnCpu([&] {
    flowi6 flow;
    dst_entry* const dst = RouteTo(kPeer6, &flow);
    ASSERT_NE(dst, nullptr);
    Bytes packet(40);
    wire::Ipv6Header header;
    header.set_class_and_flow(0, 0);
    header.nexthdr = kProtocol;
    header.hop_limit = 64;
    header.saddr = kUs6;
    header.daddr = kPeer6;
    std::memcpy(packet.data(), &header, sizeof(header));
    const Bytes payload = Pattern(4000);
    packet.insert(packet.end(), payload.begin(), payload.end());
    sk_buff* const skb = MakePacket(host.n, packet, 128);
    skb_reset_network_header(skb);
    skb_set_transport_header(skb, 40);
    skb_dst_set(skb, dst);
    skb->ignore_df = true;
    sk_buff* const other = skb_clone(skb);
    skb->dev = dst->dev;
    EXPECT_EQ(ip6_output(host.n, nullptr, skb), 0);
    consume_skb(other);
  });
  EXPECT_EQ(SentDatagram(), Pattern(4000));
  EXPECT_EQ(fragments, 3);
  EXPECT_EQ(Ip6Count(Ip6Mib::kFragOKs), 1U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kFragCreates), 3U);
}

// Every fragment repeats hop-by-hop options, and destination options where no routing header comes
// before them, as Linux cuts.
TEST_F(OutputTest, OptionsAndFragments) {
  const uint8_t hop[8] = {0, 0, 0x1e, 4, 9, 9, 9, 9};
  const uint8_t dst1[8] = {0, 0, 0x1e, 4, 8, 8, 8, 8};
  cookie.opt = ipv6_build_options(host.n, {.hopopt = hop, .dst1opt = dst1});
  ASSERT_EQ(Send(kPeer6, Pattern(2000)), 0);
  Bytes whole;
  for (int i = 0; i < 2; ++i) {
    ASSERT_NE(NextSent(), "");
    EXPECT_LE(last_sent.size() - kIpAt, 1500U);
    EXPECT_EQ(SentHeader().nexthdr, wire::kIpProtoHopByHop);
    EXPECT_EQ(last_sent[kIpAt + 40], wire::kIpProtoDestOptions);
    EXPECT_EQ(last_sent[kIpAt + 44], 9);
    EXPECT_EQ(last_sent[kIpAt + 48], wire::kIpProtoFragment);
    EXPECT_EQ(last_sent[kIpAt + 52], 8);
    const auto& fh = *reinterpret_cast<const wire::Ipv6FragmentHeader*>(&last_sent[kIpAt + 56]);
    EXPECT_EQ(fh.nexthdr, kProtocol);
    EXPECT_EQ(fh.offset_bytes(), whole.size());
    EXPECT_EQ(fh.more_fragments(), i == 0);
    whole.insert(whole.end(), last_sent.begin() + kIpAt + 64, last_sent.end());
  }
  EXPECT_EQ(NextSent(), "");
  EXPECT_EQ(whole, Pattern(2000));
  txopt_put(host.n, cookie.opt);
}

// A routing header takes the packet to its first hop.
TEST_F(OutputTest, RoutingHeaderGoesFirst) {
  Bytes srcrt(24);
  srcrt[1] = 2;
  srcrt[2] = wire::kIpv6RoutingMobility;
  srcrt[3] = 1;
  std::copy(kPeer6.bytes().begin(), kPeer6.bytes().end(), srcrt.begin() + 8);
  cookie.opt = ipv6_build_options(host.n, {.srcrt = srcrt.data()});
  ASSERT_EQ(Send(Ip6("2001:db8::77"), Pattern(10)), 0);
  NextSent();
  // The route was asked for without regard to the header here: only what is sent matters.
  ASSERT_GE(last_sent.size(), kIpAt + 64);
  EXPECT_EQ(SentHeader().daddr, kPeer6);
  EXPECT_EQ(last_sent[kIpAt + 40 + 23], 0x77);
  txopt_put(host.n, cookie.opt);
}

// Members of a group on this host hear what it sends, unless the socket does not want that.
TEST_F(OutputTest, GroupsLoopBack) {
  const Ipv6Address group = Ip6("ff02::1234");
  OnCpu([&] { EXPECT_EQ(ipv6_dev_mc_inc(eth.dev(), group), 0); });
  Settle();
  flowi6 flow;
  flow.oif = eth->ifindex;
  ASSERT_EQ(Send(group, Pattern(20), flow), 0);
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0], Pattern(20));
  EXPECT_EQ(SentDatagram(), Pattern(20));
  EXPECT_EQ(last_sent[0], 0x33);
  inet_sk(sk)->mc6_loop = false;
  ASSERT_EQ(Send(group, Pattern(20), flow), 0);
  EXPECT_EQ(received.size(), 1U);
  EXPECT_EQ(SentDatagram(), Pattern(20));
  // Hop limit 0 stays on the host.
  inet_sk(sk)->mc6_loop = true;
  cookie.hlimit = 0;
  ASSERT_EQ(Send(group, Pattern(20), flow), 0);
  EXPECT_EQ(received.size(), 2U);
  EXPECT_EQ(NextSent(), "");
  OnCpu([&] { EXPECT_EQ(ipv6_dev_mc_dec(eth.dev(), group), 0); });
}

// To one of our own addresses.
TEST_F(OutputTest, ToOurselves) {
  ASSERT_EQ(Send(kUs6, Pattern(3000)), 0);
  host.RunFor(Duration::Milliseconds(1));
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0], Pattern(3000));
}

// net/ipv6/auto_flowlabels: 0 off, 1 unless the socket says no, 2 if it says so, 3 always.
TEST_F(OutputTest, AutomaticFlowLabels) {
  const auto label = [&] {
    EXPECT_EQ(Send(kPeer6, Pattern(8)), 0);
    SentDatagram();
    return SentHeader().flow_label();
  };
  const uint32_t automatic = label();
  EXPECT_NE(automatic, 0U);
  EXPECT_EQ(label(), automatic);  // of the flow
  inet6_sk(sk)->autoflowlabel_set = true;
  inet6_sk(sk)->autoflowlabel = false;
  EXPECT_EQ(label(), 0U);
  ASSERT_EQ(Sysctl("net/ipv6/auto_flowlabels", 3), 0);
  EXPECT_EQ(label(), automatic);
  ASSERT_EQ(Sysctl("net/ipv6/flowlabel_state_ranges", 1), 0);
  EXPECT_EQ(label(), automatic | 0x80000);
  ASSERT_EQ(Sysctl("net/ipv6/auto_flowlabels", 2), 0);
  EXPECT_EQ(label(), 0U);
  inet6_sk(sk)->autoflowlabel = true;
  EXPECT_NE(label(), 0U);
  ASSERT_EQ(Sysctl("net/ipv6/auto_flowlabels", 0), 0);
  EXPECT_EQ(label(), 0U);
}

// A transport's segment: header, hop limit of the socket, room made where it lacks.
TEST_F(OutputTest, XmitOfASegment) {
  inet6_sk(sk)->hop_limit = 33;
  const auto xmit = [&](uint32_t bytes, uint32_t headroom) {
    int result = 0;
    OnCpu([&] {
      flowi6 flow;
      dst_entry* const dst = RouteTo(kPeer6, &flow);
      sk_buff* const skb = MakePacket(host.n, Pattern(bytes), headroom);
      skb_reset_transport_header(skb);
      skb_dst_set(skb, dst);
      result = ip6_xmit(sk, skb, &flow, /*mark=*/0, nullptr, /*tclass=*/0x28, /*priority=*/0);
    });
    return result;
  };
  ASSERT_EQ(xmit(60, 128), 0);
  EXPECT_EQ(SentDatagram(), Pattern(60));
  EXPECT_EQ(SentHeader().hop_limit, 33);
  EXPECT_EQ(SentHeader().traffic_class(), 0x28);
  ASSERT_EQ(xmit(60, 0), 0);
  EXPECT_EQ(SentDatagram(), Pattern(60));
  EXPECT_EQ(xmit(1461, 128), -EMSGSIZE);
  EXPECT_EQ(Drops(SKB_DROP_REASON_PKT_TOO_BIG), 1U);
  EXPECT_EQ(NextSent(), "");
}

// A packet of several segments, which the device cannot cut: each gets a header of its own.
TEST_F(OutputTest, SegmentsAreCut) {
  static constexpr uint8_t kCutProtocol = 98;
  static constexpr inet6_protocol kCutter = {
      .flags = INET6_PROTO_NOPOLICY | INET6_PROTO_FINAL,
      .gso_segment = [](sk_buff* skb, netdev_features_t features) {
        __skb_pull(skb, 8);
        return skb_segment(skb, features);
      }};
  ASSERT_EQ(inet6_add_protocol(host.n, &kCutter, kCutProtocol), 0);
  const uint8_t hop[8] = {0, 0, 0x1e, 4, 9, 9, 9, 9};
  ipv6_txoptions* const opt = ipv6_build_options(host.n, {.hopopt = hop});
  const Bytes payload = Pattern(2500);
  OnCpu([&] {
    flowi6 flow;
    dst_entry* const dst = RouteTo(kPeer6, &flow);
    flow.proto = kCutProtocol;
    Bytes segment(8);
    segment.insert(segment.end(), payload.begin(), payload.end());
    sk_buff* const skb = MakePacket(host.n, segment, 128);
    skb_reset_transport_header(skb);
    skb_dst_set(skb, dst);
    skb->ip_summed = CHECKSUM_PARTIAL;
    skb->csum_start = skb->transport_header;
    skb->csum_offset = 6;
    skb_shinfo(skb)->gso_size = 1000;
    skb_shinfo(skb)->gso_segs = 3;
    skb_shinfo(skb)->gso_type = SKB_GSO_UDP_L4;
    EXPECT_EQ(ip6_xmit(sk, skb, &flow, 0, opt, 0, 0), 0);
  });
  Bytes whole;
  for (int i = 0; i < 3; ++i) {
    ASSERT_NE(NextSent(), "");
    EXPECT_EQ(SentHeader().payload_len.host(), last_sent.size() - kIpAt - 40);
    EXPECT_EQ(SentHeader().nexthdr, wire::kIpProtoHopByHop);
    EXPECT_EQ(last_sent[kIpAt + 40], kCutProtocol);
    whole.insert(whole.end(), last_sent.begin() + kIpAt + 56, last_sent.end());
  }
  EXPECT_EQ(NextSent(), "");
  EXPECT_EQ(whole, payload);
  txopt_put(host.n, opt);
}

TEST_F(OutputTest, DisabledDevice) {
  flowi6 flow;
  dst_entry* dst = nullptr;
  OnCpu([&] { dst = RouteTo(kPeer6, &flow); });
  ASSERT_NE(dst, nullptr);
  eth->ip6_ptr->cnf->disable_ipv6 = 1;
  OnCpu([&] {
    sk_buff* const skb = MakePacket(host.n, Pattern(60), 128);
    skb_reset_transport_header(skb);
    skb_dst_set(skb, dst);
    EXPECT_EQ(ip6_xmit(sk, skb, &flow, 0, nullptr, 0, 0), 0);
  });
  eth->ip6_ptr->cnf->disable_ipv6 = 0;
  EXPECT_EQ(Drops(SKB_DROP_REASON_IPV6_DISABLED), 1U);
  EXPECT_EQ(NextSent(), "");
}

TEST_F(OutputTest, WhereTheFragmentHeaderGoes) {
  const auto find = [&](const Bytes& headers, uint8_t first, uint32_t* at) {
    Bytes packet(40);
    packet[6] = first;
    packet.insert(packet.end(), headers.begin(), headers.end());
    sk_buff* const skb = MakePacket(host.n, packet);
    skb_reset_network_header(skb);
    const int offset = ip6_find_1stfragopt(skb, at);
    consume_skb(skb);
    return offset;
  };
  uint32_t at = 0;
  EXPECT_EQ(find({}, kProtocol, &at), 40);
  EXPECT_EQ(at, 6U);
  Bytes headers(32);
  headers[0] = wire::kIpProtoDestOptions;   // hop-by-hop,
  headers[8] = wire::kIpProtoRouting;       // destination options for each hop,
  headers[16] = wire::kIpProtoDestOptions;  // routing,
  headers[24] = kProtocol;                  // and for the end
  EXPECT_EQ(find(headers, wire::kIpProtoHopByHop, &at), 64);
  EXPECT_EQ(at, 56U);
  headers.resize(17);
  EXPECT_EQ(find(headers, wire::kIpProtoHopByHop, &at), -EINVAL);
}

}  // namespace
}  // namespace tapedeck
