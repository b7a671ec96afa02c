// Datagrams of sockets: corked, uncorked, cut, looped back; IDs, TTL, DF; replies of control
// sockets.
#include <cerrno>

#include "ipv4_host.h"
#include "stack/base/prng.h"

namespace tapedeck {
namespace {

constexpr uint8_t kProtocol = 99;
constexpr Ipv4Address kStranger{10, 0, 0, 33};

class OutputTest : public Ipv4Test {
 protected:
  void SetUp() override {
    received.clear();
    sk = inet_ctl_sock_create(host.n, kProtocol);
    sk->sk_type = SOCK_DGRAM;
    static constexpr net_protocol kTaker = {.handler = [](sk_buff* skb) {
      received.push_back(BytesOf(skb));
      consume_skb(skb);
      return 0;
    }};
    ASSERT_EQ(inet_add_protocol(host.n, &kTaker, kProtocol), 0);
  }
  void TearDown() override {
    eth.FreeSent();
    inet_ctl_sock_destroy(sk);
    Ipv4Test::TearDown();
  }

  static int Getfrag(void* from, uint8_t* to, uint32_t offset, uint32_t len, uint32_t odd,
                     sk_buff* skb) {
    const wsum sum = csum_and_copy(to, static_cast<const Bytes*>(from)->data() + offset, len);
    skb->csum = csum_block_add(skb->csum, sum, odd);
    return 0;
  }
  // One datagram at once. 0 or -errno.
  int Send(Ipv4Address daddr, const Bytes& data, ipcm_cookie ipc = {}, flowi4 flow = {}) {
    int result = 0;
    OnCpu([&] {
      flow.daddr = daddr;
      int err = 0;
      rtable* rt = ip_route_output_flow(host.n, &flow, sk, &err);
      if (rt == nullptr) {
        result = err;
        return;
      }
      inet_cork cork;
      sk_buff* const skb =
          ip_make_skb(sk, &flow, Getfrag, const_cast<Bytes*>(&data),
                      static_cast<uint32_t>(data.size()), 0, &ipc, &rt, &cork, 0, &err);
      dst_release(rt);
      result = skb == nullptr ? err : ip_send_skb(host.n, skb);
    });
    return result;
  }
  // Appends to the socket's cork.
  int Append(Ipv4Address daddr, const Bytes& data, uint32_t flags = MSG_MORE) {
    int result = 0;
    OnCpu([&] {
      flowi4& flow = sk->cork.fl.ip4;
      flow.daddr = daddr;
      rtable* rt = nullptr;
      ipcm_cookie ipc;
      if (skb_queue_empty(&sk->sk_write_queue)) {
        rt = ip_route_output_flow(host.n, &flow, sk, &result);
      }
      result = ip_append_data(sk, &flow, Getfrag, const_cast<Bytes*>(&data),
                              static_cast<uint32_t>(data.size()), 0, &ipc, &rt, flags);
      dst_release(rt);
    });
    return result;
  }
  void Push() {
    OnCpu([&] { EXPECT_EQ(ip_push_pending_frames(sk, &sk->cork.fl.ip4), 0); });
  }
  // The payload of all fragments sent, joined; checks that they fit and follow one another.
  Bytes SentDatagram(uint32_t mtu = 1500) {
    Bytes whole;
    bool follows = true;
    uint16_t id = 0;
    for (bool first = true; follows && !eth.sent.empty(); first = false) {
      NextSent();
      const auto ip = LastSentIp();
      EXPECT_TRUE(wire::Ipv4ChecksumOk(ip.header));
      EXPECT_LE(ip.header->tot_len.host(), mtu);
      EXPECT_EQ(ip.header->offset_bytes(), whole.size());
      EXPECT_TRUE(first || ip.header->id.host() == id);
      id = ip.header->id.host();
      follows = ip.header->more_fragments();
      whole.insert(whole.end(), ip.payload.begin(), ip.payload.end());
    }
    EXPECT_FALSE(follows);
    return whole;
  }

  static inline std::vector<Bytes> received;
  inet_sock* sk = nullptr;
};

TEST_F(OutputTest, OneDatagram) {
  sk->tos = 0x10;
  ASSERT_EQ(Send(kPeer, Pattern(100)), 0);
  EXPECT_EQ(SentDatagram(), Pattern(100));
  const wire::Ipv4Header& iph = *LastSentIp().header;
  EXPECT_EQ(iph.tos, 0x10);
  EXPECT_EQ(iph.ttl, 64);
  EXPECT_EQ(iph.protocol, kProtocol);
  EXPECT_EQ(iph.saddr, kUs);
  EXPECT_TRUE(iph.dont_fragment());  // IP_PMTUDISC_WANT
  EXPECT_EQ(Ip(IpMib::kOutRequests), 1U);
  EXPECT_EQ(IpExt(IpExtMib::kOutTransmits), 1U);
  EXPECT_EQ(IpExt(IpExtMib::kOutOctets), 120U);
}

TEST_F(OutputTest, CookieOverridesSocket) {
  ipcm_cookie ipc;
  ipc.ttl = 7;
  ipc.tos = 0x20;
  ASSERT_EQ(Send(kPeer, Pattern(8), ipc), 0);
  SentDatagram();
  EXPECT_EQ(LastSentIp().header->ttl, 7);
  EXPECT_EQ(LastSentIp().header->tos, 0x20);
  sk->uc_ttl = 9;
  ASSERT_EQ(Send(kPeer, Pattern(8)), 0);
  SentDatagram();
  EXPECT_EQ(LastSentIp().header->ttl, 9);
}

// Every size around the borders of fragments, with devices that gather and that do not.
TEST_F(OutputTest, AllSizes) {
  for (const netdev_features_t features : {netdev_features_t{0}, netdev_features_t{NETIF_F_SG}}) {
    eth->features = features;
    for (const uint32_t size : {0U, 1U, 7U, 1479U, 1480U, 1481U, 1487U, 1488U, 2959U, 2960U, 2961U,
                                5000U, 20000U, 65515U}) {
      ASSERT_EQ(Send(kPeer, Pattern(size)), 0) << size;
      EXPECT_EQ(SentDatagram(), Pattern(size)) << size;
      EXPECT_EQ(NextSent(), "");
    }
    EXPECT_EQ(Send(kPeer, Pattern(65516)), -EMSGSIZE);
  }
  EXPECT_EQ(Ip(IpMib::kFragFails), 0U);
}

TEST_F(OutputTest, PiecesAreJoined) {
  Prng prng(3, 0);
  for (int round = 0; round < 60; ++round) {
    eth->features = (round & 1) != 0 ? netdev_features_t{NETIF_F_SG} : netdev_features_t{0};
    Bytes whole;
    const uint32_t pieces = 1 + prng.Below(6);
    for (uint32_t i = 0; i < pieces; ++i) {
      const Bytes piece = Pattern(prng.Below(2000), static_cast<uint8_t>(prng.Below(256)));
      ASSERT_EQ(Append(kPeer, piece, i + 1 < pieces ? uint32_t{MSG_MORE} : 0U), 0);
      whole.insert(whole.end(), piece.begin(), piece.end());
    }
    Push();
    EXPECT_EQ(SentDatagram(), whole) << round;
  }
  EXPECT_EQ(sk->sk_wmem_alloc, 1U);
}

TEST_F(OutputTest, FlushForgetsWhatWasCorked) {
  ASSERT_EQ(Append(kPeer, Pattern(3000)), 0);
  EXPECT_GT(sk->sk_wmem_alloc, 3000U);
  ip_flush_pending_frames(sk);
  EXPECT_EQ(sk->sk_wmem_alloc, 1U);
  EXPECT_EQ(NextSent(), "");
  EXPECT_EQ(host.AllDrops(), 0U);
}

TEST_F(OutputTest, DontFragment) {
  sk->pmtudisc = kIpPmtudiscDo;
  EXPECT_EQ(Send(kPeer, Pattern(1481)), -EMSGSIZE);
  ASSERT_EQ(Send(kPeer, Pattern(1480)), 0);
  SentDatagram();
  EXPECT_TRUE(LastSentIp().header->dont_fragment());
  sk->pmtudisc = kIpPmtudiscDont;
  ASSERT_EQ(Send(kPeer, Pattern(1480)), 0);
  SentDatagram();
  EXPECT_FALSE(LastSentIp().header->dont_fragment());
}

// RFC 6864, and no ID that tells how much we send to others.
TEST_F(OutputTest, Identification) {
  const auto id = [&] {
    SentDatagram();
    return LastSentIp().header->id.host();
  };
  sk->pmtudisc = kIpPmtudiscDo;
  ASSERT_EQ(Send(kPeer, Pattern(8)), 0);
  EXPECT_EQ(id(), 0);
  sk->pmtudisc = kIpPmtudiscDont;
  ASSERT_EQ(Send(kPeer, Pattern(8)), 0);
  const uint16_t first = id();
  ASSERT_EQ(Send(kPeer, Pattern(8)), 0);
  EXPECT_EQ(static_cast<uint16_t>(id() - first), 1);
  AddNeighbour(eth.dev(), kStranger, kPeerMac);
  ASSERT_EQ(Send(kStranger, Pattern(8)), 0);
  EXPECT_NE(static_cast<uint16_t>(id() - first), 2);
  // A connected socket counts by itself.
  sk->inet_daddr = kPeer;
  sk->inet_id = 500;
  ASSERT_EQ(Send(kPeer, Pattern(8)), 0);
  EXPECT_EQ(id(), 501);
}

TEST_F(OutputTest, ToOurselves) {
  ASSERT_EQ(Send(kUs, Pattern(3000)), 0);
  EXPECT_EQ(NextSent(), "");
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0], Pattern(3000));
  ASSERT_EQ(Send(kIpv4Any, Pattern(10)), 0);
  EXPECT_EQ(received.size(), 2U);
  EXPECT_EQ(Ip(IpMib::kInReceives), 2U);
}

// What we send to a group or to all comes back to us where we listen.
TEST_F(OutputTest, MulticastLoop) {
  const Ipv4Address group(239, 1, 1, 1);
  ASSERT_EQ(AddRoute("224.0.0.0/4", eth.dev()), 0);
  ASSERT_EQ(Send(group, Pattern(10)), 0);
  EXPECT_EQ(SentDatagram(), Pattern(10));
  EXPECT_EQ(LastSentIp().header->ttl, 1);
  EXPECT_TRUE(received.empty());
  ASSERT_EQ(ip_mc_inc_group(eth->ip_ptr, group), 0);
  ASSERT_EQ(Send(group, Pattern(10)), 0);
  EXPECT_EQ(received.size(), 1U);
  EXPECT_EQ(SentDatagram(), Pattern(10));
  sk->mc_loop = false;
  ASSERT_EQ(Send(group, Pattern(10)), 0);
  EXPECT_EQ(received.size(), 1U);
  EXPECT_EQ(SentDatagram(), Pattern(10));
  sk->mc_loop = true;
  sk->mc_ttl = 0;  // this host only
  ASSERT_EQ(Send(group, Pattern(10)), 0);
  EXPECT_EQ(received.size(), 2U);
  EXPECT_EQ(NextSent(), "");
  EXPECT_EQ(IpExt(IpExtMib::kOutMcastPkts), 3U);
  ASSERT_EQ(ip_mc_dec_group(eth->ip_ptr, group), 0);
}

TEST_F(OutputTest, BroadcastLoop) {
  ASSERT_EQ(Send(Ipv4Address(10, 0, 0, 255), Pattern(10)), 0);
  EXPECT_EQ(received.size(), 1U);
  EXPECT_EQ(SentDatagram(), Pattern(10));
  EXPECT_EQ(IpExt(IpExtMib::kOutBcastPkts), 1U);
  flowi4 flow;
  flow.oif = eth->ifindex;
  ASSERT_EQ(Send(kIpv4Broadcast, Pattern(10), {}, flow), 0);
  EXPECT_EQ(SentDatagram(), Pattern(10));
  EXPECT_EQ(LastSentIp().header->saddr, kUs);
}

// The segments of a connected socket: its route is kept, and found anew when it went stale.
TEST_F(OutputTest, QueueXmit) {
  sk->inet_daddr = kPeer;
  sk->inet_saddr = kUs;
  const auto send = [&] {
    int result = 0;
    OnCpu([&] { result = ip_queue_xmit(sk, MakePacket(host.n, Pattern(20), 128), &sk->cork.fl); });
    return result;
  };
  ASSERT_EQ(send(), 0);
  EXPECT_EQ(SentDatagram(), Pattern(20));
  const dst_entry* const first = sk->sk_dst_cache;
  ASSERT_NE(first, nullptr);
  ASSERT_EQ(send(), 0);
  EXPECT_EQ(sk->sk_dst_cache, first);
  ASSERT_EQ(AddRoute("192.0.2.0/24", eth.dev(), kPeer), 0);
  ASSERT_EQ(send(), 0);
  EXPECT_NE(sk->sk_dst_cache, first);
  eth.FreeSent();
  dev_close(eth.dev());
  EXPECT_EQ(send(), -EHOSTUNREACH);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IP_OUTNOROUTES), 1U);
  EXPECT_EQ(Ip(IpMib::kOutNoRoutes), 1U);
}

// What answers a segment that nobody wants: from where it went to where it came from, with its
// options turned round.
TEST_F(OutputTest, UnicastReply) {
  static inet_sock* responder;
  responder = sk;
  static constexpr net_protocol kResponder = {.handler = [](sk_buff* skb) {
    static constexpr uint8_t kAnswer[8] = {0, 1, 2, 3, 0, 0, 6, 7};
    ip_reply_arg arg;
    arg.data = kAnswer;
    arg.len = sizeof(kAnswer);
    arg.csum = 5;
    arg.csumoffset = 4;
    ip_send_unicast_reply(responder, skb, IPCB(skb)->opt, ip_hdr(skb)->saddr, ip_hdr(skb)->daddr,
                          arg, sizeof(kAnswer));
    consume_skb(skb);
    return 0;
  }};
  ASSERT_EQ(inet_add_protocol(host.n, &kResponder, 77), 0);
  wire::Ipv4Header header;
  header.ttl = 3;
  header.protocol = 77;
  header.saddr = kPeer;
  header.daddr = kUs;
  const uint8_t record_route[] = {7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  Receive(NewFrame().Ipv4(header, record_route, wire::kKeepProtocol).CountingPayload(20).Build());
  ASSERT_NE(NextSent(), "");
  EXPECT_EQ(LastSentIp().header->daddr, kPeer);
  EXPECT_EQ(LastSentIp().header->protocol, 77);
  EXPECT_EQ(LastSentIp().options.size(), 12U);
  const auto payload = LastSentIp().payload;
  ASSERT_EQ(payload.size(), 8U);
  EXPECT_EQ(csum_fold(csum_partial(payload, 5)), 0);
}

// A device that will sum gets one packet's checksum left to it, a cut datagram never.
TEST_F(OutputTest, ChecksumOffload) {
  eth->features = NETIF_F_HW_CSUM;
  static int partial;
  static const Bytes* data;
  partial = 0;
  const auto getfrag = [](void*, uint8_t* to, uint32_t offset, uint32_t len, uint32_t,
                          sk_buff* skb) {
    if (skb->ip_summed == CHECKSUM_PARTIAL) ++partial;
    std::memcpy(to, data->data() + offset, len);
    return 0;
  };
  const auto make = [&](uint32_t len) {
    const Bytes bytes = Pattern(len);
    data = &bytes;
    OnCpu([&] {
      flowi4 flow;
      flow.daddr = kPeer;
      int err = 0;
      rtable* rt = ip_route_output_flow(host.n, &flow, sk, &err);
      ipcm_cookie ipc;
      inet_cork cork;
      consume_skb(ip_make_skb(sk, &flow, getfrag, nullptr, len + 8, 8, &ipc, &rt, &cork, 0, &err));
      EXPECT_EQ(err, 0);
    });
  };
  make(100);
  EXPECT_EQ(partial, 1);
  make(5000);
  EXPECT_EQ(partial, 1);
}

TEST_F(OutputTest, ControlMessages) {
  uint8_t control[128] = {};
  msghdr msg;
  const auto add = [&](int type, const void* value, size_t bytes) {
    auto* const cmsg = reinterpret_cast<cmsghdr*>(control + msg.msg_controllen);
    *cmsg = {CmsgLen(bytes), kSolIp, type};
    std::memcpy(cmsg + 1, value, bytes);
    msg.msg_control = control;
    msg.msg_controllen += CmsgSpace(bytes);
  };
  const int ttl = 5;
  const uint8_t tos = 0x10;
  const in_pktinfo info{eth->ifindex, kUs, kIpv4Any};
  add(kIpTtl, &ttl, sizeof(ttl));
  add(kIpTos, &tos, sizeof(tos));
  add(kIpPktinfo, &info, sizeof(info));
  ipcm_cookie ipc;
  ASSERT_EQ(ip_cmsg_send(sk, &msg, &ipc), 0);
  EXPECT_EQ(ipc.ttl, 5);
  EXPECT_EQ(ipc.tos, 0x10);
  EXPECT_EQ(ipc.oif, eth->ifindex);
  EXPECT_EQ(ipc.addr, kUs);
  msg.msg_controllen = 0;
  const int too_much = 256;
  add(kIpTtl, &too_much, sizeof(too_much));
  EXPECT_EQ(ip_cmsg_send(sk, &msg, &ipc), -EINVAL);
  msg.msg_controllen = 0;
  add(12345, &ttl, sizeof(ttl));
  EXPECT_EQ(ip_cmsg_send(sk, &msg, &ipc), -EINVAL);
}

}  // namespace
}  // namespace tapedeck
