// UDP between a device and a socket: delivery, its checks, sharing, limits, errors, and what goes
// out.
#include <gtest/gtest.h>

#include <set>

#include "socket_host.h"  // beside this file

namespace tapedeck {
namespace {

class UdpTest : public ::testing::Test {
 protected:
  SocketHost host;
};

// --- Receiving. ---

TEST_F(UdpTest, ADatagramReachesItsSocketWithItsSender) {
  const int fd = host.BoundUdp(7000);
  host.ReceiveUdp(9, 7000, "hello");
  Bytes buffer(10);
  SockAddr from;
  EXPECT_EQ(host.Recv(fd, &buffer, 0, &from), 5);
  EXPECT_EQ(TextOf({buffer.data(), 5}), "hello");
  EXPECT_EQ(from.ToEndpoint(), At(kPeer, 9));
  EXPECT_EQ(host.Udp(UdpMib::kInDatagrams), 1U);
  EXPECT_EQ(host.AllDrops(), 0U);
}

TEST_F(UdpTest, DeliveryIsTraced) {
  host.BoundUdp(7000);
  host.ReceiveUdp(9, 7000, "hello");
  const auto events = host.sink.Of(TraceKind::kDeliver);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_NE(events[0].args[0], 0U);
  EXPECT_EQ(events[0].args[1], 5U);
  EXPECT_EQ(events[0].args[2], 17U);
  EXPECT_EQ(events[0].args[3], 7000U);
}

TEST_F(UdpTest, AnEmptyDatagramIsOneTooAndPaddingIsNone) {
  const int fd = host.BoundUdp(7000);
  Bytes frame = SocketHost::UdpFrame(At(kPeer, 9), At(kUs, 7000), {});
  frame.resize(60);
  host.Receive(frame);
  Bytes buffer(10);
  EXPECT_EQ(host.Recv(fd, &buffer), 0);
  EXPECT_EQ(host.Recv(fd, &buffer), -EAGAIN);
}

// RFC 768: a UDP length shorter than IP's payload says where the datagram ends.
TEST_F(UdpTest, BytesBehindTheUdpLengthAreNotDelivered) {
  const int fd = host.BoundUdp(7000);
  wire::Ipv4Header ip;
  ip.saddr = kPeer;
  ip.daddr = kUs;
  const wire::UdpHeader udp{
      .source = uint16_t{9}, .dest = uint16_t{7000}, .len = uint16_t{8 + 3}, .check = uint16_t{0}};
  host.Receive(SocketHost::Frame(ip, [&](wire::FrameBuilder& b) {
    b.Udp(udp, wire::kKeepLength | wire::kKeepChecksum).Payload(BytesFrom("abcdef"));
  }));
  EXPECT_EQ(host.RecvText(fd), "abc");
}

TEST_F(UdpTest, AWrongLengthIsDroppedAndCounted) {
  host.BoundUdp(7000);
  for (const uint16_t len : {uint16_t{7}, uint16_t{8 + 4}, uint16_t{0}}) {
    wire::Ipv4Header ip;
    ip.saddr = kPeer;
    ip.daddr = kUs;
    const wire::UdpHeader udp{
        .source = uint16_t{9}, .dest = uint16_t{7000}, .len = len, .check = uint16_t{0}};
    host.Receive(SocketHost::Frame(ip, [&](wire::FrameBuilder& b) {
      b.Udp(udp, wire::kKeepLength | wire::kKeepChecksum).Payload(BytesFrom("abc"));
    }));
  }
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_UDP_LENGTH), 3U);
  EXPECT_EQ(host.Udp(UdpMib::kInErrors), 3U);
}

TEST_F(UdpTest, AHeaderThatIsCutShortIsDroppedAndCounted) {
  wire::Ipv4Header ip;
  ip.saddr = kPeer;
  ip.daddr = kUs;
  ip.protocol = 17;
  host.Receive(SocketHost::Frame(ip, [](wire::FrameBuilder& b) { b.CountingPayload(7); }));
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_PKT_TOO_SMALL), 1U);
  EXPECT_EQ(host.Udp(UdpMib::kInErrors), 1U);
}

TEST_F(UdpTest, AZeroChecksumMeansNone) {
  const int fd = host.BoundUdp(7000);
  wire::Ipv4Header ip;
  ip.saddr = kPeer;
  ip.daddr = kUs;
  const wire::UdpHeader udp{.source = uint16_t{9}, .dest = uint16_t{7000}};
  host.Receive(SocketHost::Frame(ip, [&](wire::FrameBuilder& b) {
    b.Udp(udp, wire::kKeepChecksum).Payload(BytesFrom("abc"));
  }));
  EXPECT_EQ(host.RecvText(fd), "abc");
}

// Where nobody has verified a checksum before, the reader's copy does: a wrong one is as if nothing
// had come.
TEST_F(UdpTest, AWrongChecksumIsFoundAtTheLatestByTheReader) {
  const int fd = host.BoundUdp(7000);
  for (const size_t payload_bytes : {size_t{3}, size_t{400}}) {
    Bytes frame = SocketHost::UdpFrame(At(kPeer, 9), At(kUs, 7000), Pattern(payload_bytes));
    frame.back() ^= 0x01;
    host.Receive(frame);
  }
  Bytes buffer(500);
  EXPECT_EQ(host.Recv(fd, &buffer), -EAGAIN);
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_UDP_CSUM), 2U);
  EXPECT_EQ(host.Udp(UdpMib::kInCsumErrors), 2U);
  EXPECT_EQ(host.Udp(UdpMib::kInErrors), 2U);
  EXPECT_EQ(host.Udp(UdpMib::kInDatagrams), 0U);
}

TEST_F(UdpTest, PollSeesNoDatagramWhoseChecksumIsWrong) {
  const int fd = host.BoundUdp(7000);
  Bytes frame = SocketHost::UdpFrame(At(kPeer, 9), At(kUs, 7000), Pattern(400));
  frame.back() ^= 0x01;
  host.Receive(frame);
  EXPECT_EQ(host.PollNow(fd, EPOLLIN), 0);
  EXPECT_EQ(host.Udp(UdpMib::kInCsumErrors), 1U);
}

// --- Nobody there. ---

TEST_F(UdpTest, APortWithoutSocketIsAnsweredWithPortUnreachable) {
  host.ReceiveUdp(9, 7000, "hello");
  const std::vector<Bytes> sent = host.TakeSent();
  ASSERT_EQ(sent.size(), 1U);
  const wire::Ipv4View ip = SocketHost::IpOf(sent[0]);
  EXPECT_EQ(ip.header->daddr, kPeer);
  const auto icmp = wire::ParseIcmp(ip.payload);
  ASSERT_TRUE(icmp.ok());
  EXPECT_EQ(icmp->header->type, wire::kIcmpDestUnreachable);
  EXPECT_EQ(icmp->header->code, wire::kIcmpPortUnreachable);
  EXPECT_EQ(host.Udp(UdpMib::kNoPorts), 1U);
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_NO_SOCKET), 1U);
}

TEST_F(UdpTest, APortWithoutSocketAndAWrongChecksumIsNotAnswered) {
  Bytes frame = SocketHost::UdpFrame(At(kPeer, 9), At(kUs, 7000), Pattern(400));
  frame.back() ^= 0x01;
  host.Receive(frame);
  EXPECT_TRUE(host.TakeSent().empty());
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_UDP_CSUM), 1U);
  EXPECT_EQ(host.Udp(UdpMib::kNoPorts), 0U);
}

// --- Which socket. ---

TEST_F(UdpTest, TheMoreSpecificSocketWins) {
  const int any = host.Socket();
  const int bound = host.Socket();
  const int connected = host.Socket();
  for (const int fd : {any, bound, connected}) {
    EXPECT_EQ(host.SetInt(fd, kSolSocket, kSoReuseaddr, 1), 0);
  }
  EXPECT_EQ(host.Bind(any, At(kIpv4Any, 7000)), 0);
  EXPECT_EQ(host.Bind(bound, At(kUs, 7000)), 0);
  EXPECT_EQ(host.Bind(connected, At(kUs, 7000)), 0);
  EXPECT_EQ(host.Connect(connected, At(kPeer, 9)), 0);
  host.ReceiveUdp(9, 7000, "from the peer");
  host.ReceiveUdp(10, 7000, "from another port");
  EXPECT_EQ(host.RecvText(connected), "from the peer");
  EXPECT_EQ(host.RecvText(bound), "from another port");
  EXPECT_EQ(host.RecvText(any), "");
}

TEST_F(UdpTest, AConnectedSocketHearsItsPeerOnly) {
  const int fd = host.ConnectedUdp(7000, 9);
  host.ReceiveUdp(10, 7000, "wrong port");
  host.ReceiveUdp(9, 7000, "wrong address", kUs, Ipv4Address(10, 0, 0, 3));
  EXPECT_EQ(host.Udp(UdpMib::kNoPorts), 2U);
  host.ReceiveUdp(9, 7000, "first");
  host.ReceiveUdp(9, 7000, "second, by early demux with the first one's route");
  EXPECT_EQ(host.RecvText(fd), "first");
  EXPECT_EQ(host.RecvText(fd), "second, by early demux with the first one's route");
}

TEST_F(UdpTest, WithoutEarlyDemuxTheSameArrives) {
  host.Sysctl("net/ipv4/udp_early_demux", "0");
  const int fd = host.ConnectedUdp(7000, 9);
  host.ReceiveUdp(9, 7000, "first");
  host.ReceiveUdp(9, 7000, "second");
  EXPECT_EQ(host.RecvText(fd), "first");
  EXPECT_EQ(host.RecvText(fd), "second");
}

TEST_F(UdpTest, ASocketBoundToADeviceHearsThatDeviceOnly) {
  const int fd = host.BoundUdp(7000);
  const int lo = host.n.loopback_dev->ifindex;
  EXPECT_EQ(host.SetInt(fd, kSolSocket, kSoBindtoifindex, lo), 0);
  host.ReceiveUdp(9, 7000, "from eth0");
  EXPECT_EQ(host.Udp(UdpMib::kNoPorts), 1U);
  EXPECT_EQ(host.SetInt(fd, kSolSocket, kSoBindtoifindex, host.eth()->ifindex), 0);
  host.ReceiveUdp(9, 7000, "from eth0");
  EXPECT_EQ(host.RecvText(fd), "from eth0");
}

// SO_REUSEPORT spreads flows: each goes to one member, always the same, and all members get some.
TEST_F(UdpTest, AReuseportGroupSharesFlowsByTheirHash) {
  std::vector<int> group;
  for (int i = 0; i < 4; ++i) {
    group.push_back(host.Socket());
    EXPECT_EQ(host.SetInt(group.back(), kSolSocket, kSoReuseport, 1), 0);
    EXPECT_EQ(host.Bind(group.back(), At(kIpv4Any, 7000)), 0);
  }
  std::set<int> used;
  for (uint16_t port = 1000; port < 1064; ++port) {
    host.ReceiveUdp(port, 7000, "a");
    host.ReceiveUdp(port, 7000, "b");
    int takers = 0;
    for (const int fd : group) {
      const std::string first = host.RecvText(fd);
      if (first.empty()) continue;
      EXPECT_EQ(host.RecvText(fd), "b");
      used.insert(fd);
      ++takers;
    }
    EXPECT_EQ(takers, 1) << port;
  }
  EXPECT_EQ(used.size(), 4U);
}

// --- Groups and broadcasts. ---

TEST_F(UdpTest, AMulticastReachesEverySocketOfItsPortWithTheSameBytes) {
  const Ipv4Address group(224, 1, 1, 1);
  const int joined = host.Socket();
  const int other = host.Socket();
  const int elsewhere = host.Socket();
  for (const int fd : {joined, other, elsewhere}) {
    EXPECT_EQ(host.SetInt(fd, kSolSocket, kSoReuseaddr, 1), 0);
  }
  EXPECT_EQ(host.Bind(joined, At(group, 7000)), 0);
  EXPECT_EQ(host.Bind(other, At(kIpv4Any, 7000)), 0);
  EXPECT_EQ(host.Bind(elsewhere, At(kUs, 7000)), 0);
  uint8_t mreq[8];
  std::memcpy(mreq, group.bytes().data(), 4);
  std::memcpy(mreq + 4, kUs.bytes().data(), 4);
  EXPECT_EQ(host.sys().Setsockopt(*host.thread, joined, kSolIp, kIpAddMembership, mreq, 8).RunNow(),
            0);
  host.Receive(SocketHost::UdpFrame(At(kPeer, 9), At(group, 7000), BytesFrom("to all"),
                                    MacAddress::ForMulticast(group)));
  EXPECT_EQ(host.RecvText(joined), "to all");
  EXPECT_EQ(host.RecvText(other), "to all") << "IP_MULTICAST_ALL is on";
  EXPECT_EQ(host.RecvText(elsewhere), "");
  EXPECT_EQ(host.SetInt(other, kSolIp, kIpMulticastAll, 0), 0);
  host.Receive(SocketHost::UdpFrame(At(kPeer, 9), At(group, 7000), BytesFrom("again"),
                                    MacAddress::ForMulticast(group)));
  EXPECT_EQ(host.RecvText(joined), "again");
  EXPECT_EQ(host.RecvText(other), "");
}

TEST_F(UdpTest, ABroadcastReachesEverySocketOfItsPort) {
  const int first = host.Socket();
  const int second = host.Socket();
  for (const int fd : {first, second}) {
    EXPECT_EQ(host.SetInt(fd, kSolSocket, kSoReuseaddr, 1), 0);
    EXPECT_EQ(host.Bind(fd, At(kIpv4Any, 7000)), 0);
  }
  for (const Ipv4Address to : {kIpv4Broadcast, Ipv4Address(10, 0, 0, 255)}) {
    host.Receive(SocketHost::UdpFrame(At(kPeer, 9), At(to, 7000), BytesFrom("all"), kMacBroadcast));
    EXPECT_EQ(host.RecvText(first), "all");
    EXPECT_EQ(host.RecvText(second), "all");
  }
}

// RFC 1122 3.2.2: a broadcast is never answered with an ICMP error.
TEST_F(UdpTest, ABroadcastThatNobodyWantsIsIgnored) {
  host.Receive(SocketHost::UdpFrame(At(kPeer, 9), At(kIpv4Broadcast, 7000), BytesFrom("all"),
                                    kMacBroadcast));
  EXPECT_TRUE(host.TakeSent().empty());
  EXPECT_EQ(host.Udp(UdpMib::kIgnoredMulti), 1U);
  EXPECT_EQ(host.Udp(UdpMib::kNoPorts), 0U);
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_NO_SOCKET), 1U);
}

// --- Limits. ---

TEST_F(UdpTest, AFullReceiveBufferDropsAndCounts) {
  const int fd = host.BoundUdp(7000);
  EXPECT_EQ(host.SetInt(fd, kSolSocket, kSoRcvbuf, 1), 0);  // the least: 2304
  EXPECT_EQ(host.SetInt(fd, kSolSocket, kSoRxqOvfl, 1), 0);
  for (int i = 0; i < 5; ++i) host.ReceiveUdp(9, 7000, std::string(1, static_cast<char>('a' + i)));
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_SOCKET_RCVBUFF), 4U);
  EXPECT_EQ(host.Udp(UdpMib::kRcvbufErrors), 4U);
  EXPECT_EQ(host.Udp(UdpMib::kInErrors), 4U);
  EXPECT_EQ(host.RecvText(fd), "a") << "one is taken whatever its size";
  host.ReceiveUdp(9, 7000, "f");
  // The next one tells how many did not fit.
  uint8_t control[64];
  Bytes buffer(10);
  const iovec piece{buffer.data(), buffer.size()};
  user_msghdr msg{.msg_iov = {&piece, 1}, .msg_control = control, .msg_controllen = 64};
  EXPECT_EQ(host.sys().Recvmsg(*host.thread, fd, &msg, 0).RunNow(), 1);
  ASSERT_EQ(msg.msg_controllen, CmsgSpace(4));
  cmsghdr head;
  std::memcpy(&head, control, sizeof(head));
  uint32_t dropped = 0;
  std::memcpy(&dropped, control + sizeof(head), sizeof(dropped));
  EXPECT_EQ(head.cmsg_type, kSoRxqOvfl);
  EXPECT_EQ(dropped, 4U);
}

TEST_F(UdpTest, TheProtocolsMemoryLimitDropsAndCounts) {
  host.BoundUdp(7000);
  host.Sysctl("net/ipv4/udp_mem", "0 0 0");
  host.ReceiveUdp(9, 7000, "a");
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_PROTO_MEM), 1U);
  EXPECT_EQ(host.Udp(UdpMib::kMemErrors), 1U);
  EXPECT_EQ(host.Udp(UdpMib::kInErrors), 1U);
}

TEST_F(UdpTest, AClosedSocketLeavesNothingBehindWhateverItsQueueHolds) {
  const int fd = host.BoundUdp(7000);
  for (int i = 0; i < 5; ++i) host.ReceiveUdp(9, 7000, "unread");
  EXPECT_EQ(host.Close(fd), 0);
  EXPECT_EQ(host.LivePackets(), 0U);
  EXPECT_EQ(host.AllDrops(), 0U) << "what was delivered is not dropped";
}

// --- Sending. ---

TEST_F(UdpTest, WhatIsSentHasTheRightHeadersAndChecksum) {
  const int fd = host.BoundUdp(7000);
  EXPECT_EQ(host.Sendto(fd, BytesFrom("hello"), At(kPeer, 9)), 5);
  const std::vector<Bytes> sent = host.TakeSent();
  ASSERT_EQ(sent.size(), 1U);
  const wire::Ipv4View ip = SocketHost::IpOf(sent[0]);
  EXPECT_EQ(ip.header->saddr, kUs);
  EXPECT_EQ(ip.header->daddr, kPeer);
  EXPECT_EQ(ip.header->ttl, 64);
  const wire::UdpView udp = SocketHost::UdpOf(sent[0]);
  EXPECT_EQ(udp.header->source.host(), 7000);
  EXPECT_EQ(udp.header->dest.host(), 9);
  EXPECT_EQ(TextOf(udp.payload), "hello");
  EXPECT_NE(udp.header->check.host(), 0);
  EXPECT_TRUE(wire::UdpChecksumOk(wire::PseudoHeader(kUs, kPeer), udp));
  EXPECT_EQ(host.Udp(UdpMib::kOutDatagrams), 1U);
}

// The whole size range across fragment boundaries, with and without a device that computes
// checksums.
TEST_F(UdpTest, DatagramsOfAllSizesArriveWholeThroughLoopbackAndFragments) {
  const int receiver = host.BoundUdp(7000);
  const int sender = host.Socket();
  for (const netdev_features_t features :
       {netdev_features_t{0}, netdev_features_t{NETIF_F_HW_CSUM | NETIF_F_SG}}) {
    host.n.loopback_dev->features = features;
    host.n.loopback_dev->mtu = 1500;
    for (const size_t size : std::initializer_list<size_t>{0, 1, 7, 8, 100, 1471, 1472, 1473, 1479,
                                                           1480, 1481, 2952, 2953, 9000, 65507}) {
      const Bytes payload = Pattern(size, static_cast<uint8_t>(size));
      ASSERT_EQ(host.Sendto(sender, payload, At(kIpv4Loopback, 7000)), static_cast<int64_t>(size));
      host.RunFor(Duration::Milliseconds(1));
      Bytes buffer(65536);
      ASSERT_EQ(host.Recv(receiver, &buffer), static_cast<int64_t>(size)) << size;
      buffer.resize(size);
      EXPECT_EQ(buffer, payload) << size;
    }
  }
  EXPECT_EQ(host.AllDrops(), 0U);
}

TEST_F(UdpTest, CheckSumsOfFragmentedDatagramsAreRightOnTheWire) {
  const int fd = host.BoundUdp(7000);
  ASSERT_EQ(host.Sendto(fd, Pattern(3001), At(kPeer, 9)), 3001);
  Bytes whole;
  for (const Bytes& frame : host.TakeSent()) {
    const wire::Ipv4View ip = SocketHost::IpOf(frame);
    whole.resize(std::max(whole.size(), ip.header->offset_bytes() + ip.payload.size()));
    std::copy(ip.payload.begin(), ip.payload.end(), whole.begin() + ip.header->offset_bytes());
  }
  const auto udp = wire::ParseUdp(whole);
  ASSERT_TRUE(udp.ok());
  EXPECT_EQ(udp->payload.size(), 3001U);
  EXPECT_TRUE(wire::UdpChecksumOk(wire::PseudoHeader(kUs, kPeer), *udp));
}

TEST_F(UdpTest, SoNoCheckSendsNoChecksum) {
  const int fd = host.BoundUdp(7000);
  EXPECT_EQ(host.SetInt(fd, kSolSocket, kSoNoCheck, 1), 0);
  EXPECT_EQ(host.Sendto(fd, BytesFrom("hello"), At(kPeer, 9)), 5);
  EXPECT_EQ(SocketHost::UdpOf(host.TakeSent().at(0)).header->check.host(), 0);
}

TEST_F(UdpTest, MsgMoreGathersOneDatagram) {
  const int fd = host.ConnectedUdp(7000, 9);
  EXPECT_EQ(host.Send(fd, BytesFrom("one "), MSG_MORE), 4);
  EXPECT_EQ(host.Send(fd, BytesFrom("two "), MSG_MORE), 4);
  EXPECT_TRUE(host.TakeSent().empty());
  EXPECT_EQ(host.Send(fd, BytesFrom("three")), 5);
  const std::vector<Bytes> sent = host.TakeSent();
  ASSERT_EQ(sent.size(), 1U);
  const wire::UdpView udp = SocketHost::UdpOf(sent[0]);
  EXPECT_EQ(TextOf(udp.payload), "one two three");
  EXPECT_TRUE(wire::UdpChecksumOk(wire::PseudoHeader(kUs, kPeer), udp));
}

// A quirk that programs can see (6.18, asked): after a corked datagram to somebody else a connected
// socket goes on sending there, for its cork and its connection share one flow.
TEST_F(UdpTest, ACorkedDatagramToAnotherMovesAConnectedSocket) {
  const int fd = host.ConnectedUdp(7000, 9);
  EXPECT_EQ(host.Sendto(fd, BytesFrom("1"), At(kPeer, 10), MSG_MORE), 1);
  EXPECT_EQ(host.Send(fd, BytesFrom("2")), 1);
  EXPECT_EQ(host.Send(fd, BytesFrom("x")), 1);
  const std::vector<Bytes> sent = host.TakeSent();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(TextOf(SocketHost::UdpOf(sent[0]).payload), "12");
  EXPECT_EQ(SocketHost::UdpOf(sent[0]).header->dest.host(), 10);
  EXPECT_EQ(SocketHost::UdpOf(sent[1]).header->dest.host(), 10);
}

TEST_F(UdpTest, UdpCorkHoldsBackUntilItIsTakenOff) {
  const int fd = host.ConnectedUdp(7000, 9);
  EXPECT_EQ(host.SetInt(fd, kSolUdp, kUdpCork, 1), 0);
  EXPECT_EQ(host.Send(fd, Pattern(1000)), 1000);
  EXPECT_EQ(host.Send(fd, Pattern(1000)), 1000);
  EXPECT_TRUE(host.TakeSent().empty());
  EXPECT_EQ(host.SetInt(fd, kSolUdp, kUdpCork, 0), 0);
  EXPECT_EQ(host.TakeSent().size(), 2U) << "two fragments";
}

TEST_F(UdpTest, WhatIsCorkedEndsWithItsSocket) {
  const int fd = host.ConnectedUdp(7000, 9);
  EXPECT_EQ(host.Send(fd, Pattern(1000), MSG_MORE), 1000);
  EXPECT_EQ(host.Close(fd), 0);
  EXPECT_TRUE(host.TakeSent().empty());
  EXPECT_EQ(host.LivePackets(), 0U);
}

// A packet on its way out keeps the memory of its closed socket until it has gone.
TEST_F(UdpTest, ASocketOutlivesItsLastPacketOnly) {
  const uint64_t before = host.n.live_socks;
  const int fd = host.BoundUdp(7000);
  EXPECT_EQ(host.Sendto(fd, BytesFrom("hello"), At(kPeer, 9)), 5);
  EXPECT_EQ(host.Close(fd), 0);
  EXPECT_EQ(host.n.live_socks, before + 1);
  host.TakeSent();
  EXPECT_EQ(host.n.live_socks, before);
}

// --- Ports. ---

TEST_F(UdpTest, AutobindFindsEveryFreePortOfTheRangeOnce) {
  host.Sysctl("net/ipv4/ip_local_port_range", "40000 40009");
  std::set<uint16_t> ports;
  for (int i = 0; i < 10; ++i) {
    const int fd = host.Socket();
    ASSERT_EQ(host.Bind(fd, At(kIpv4Any, 0)), 0);
    ports.insert(host.NameOf(fd).port.host());
  }
  EXPECT_EQ(ports.size(), 10U);
  EXPECT_EQ(*ports.begin(), 40000);
  EXPECT_EQ(*ports.rbegin(), 40009);
  EXPECT_EQ(host.Bind(host.Socket(), At(kIpv4Any, 0)), -EADDRINUSE);
  // A send that finds no port says so at once.
  EXPECT_EQ(host.Sendto(host.Socket(), BytesFrom("x"), At(kPeer, 9)), -EAGAIN);
}

// As the kernel answers (6.18, asked): which second bind to one port succeeds.
TEST_F(UdpTest, PortsAreSharedByTheRulesOfReuse) {
  struct Case {
    bool reuseaddr[2];
    bool reuseport[2];
    Ipv4Address address[2];
    int expected;
  };
  const Ipv4Address lo2(127, 0, 0, 2);
  const Case cases[] = {
      {{false, false}, {false, false}, {kIpv4Any, kIpv4Any}, -EADDRINUSE},
      {{true, true}, {false, false}, {kIpv4Any, kIpv4Any}, 0},
      {{true, false}, {false, false}, {kIpv4Any, kIpv4Any}, -EADDRINUSE},
      {{false, false}, {true, true}, {kIpv4Any, kIpv4Any}, 0},
      {{false, false}, {true, false}, {kIpv4Any, kIpv4Any}, -EADDRINUSE},
      {{true, false}, {false, true}, {kIpv4Any, kIpv4Any}, -EADDRINUSE},
      {{false, false}, {false, false}, {kIpv4Loopback, lo2}, 0},
      {{false, false}, {false, false}, {kIpv4Loopback, kIpv4Any}, -EADDRINUSE},
      {{false, false}, {false, false}, {kIpv4Any, kIpv4Loopback}, -EADDRINUSE},
  };
  for (const Case& c : cases) {
    int fds[2];
    for (int i = 0; i < 2; ++i) {
      fds[i] = host.Socket();
      host.SetInt(fds[i], kSolSocket, kSoReuseaddr, c.reuseaddr[i]);
      host.SetInt(fds[i], kSolSocket, kSoReuseport, c.reuseport[i]);
    }
    EXPECT_EQ(host.Bind(fds[0], At(c.address[0], 7000)), 0);
    EXPECT_EQ(host.Bind(fds[1], At(c.address[1], 7000)), c.expected);
    for (const int fd : fds) host.Close(fd);
  }
}

// --- ICMP errors. ---

// An error from `code` about a datagram that `fd` sent: it is sent here and comes back quoted.
void AnswerWithIcmp(SocketHost& host, uint8_t type, uint8_t code, uint16_t mtu = 0) {
  const std::vector<Bytes> sent = host.TakeSent();
  ASSERT_FALSE(sent.empty());
  const Bytes quote(sent[0].begin() + 14, sent[0].end());
  wire::IcmpHeader icmp;
  icmp.type = type;
  icmp.code = code;
  icmp.set_next_hop_mtu(mtu);
  wire::Ipv4Header ip;
  ip.saddr = kPeer;
  ip.daddr = kUs;
  host.Receive(SocketHost::Frame(ip, [&](wire::FrameBuilder& b) { b.Icmp(icmp).Payload(quote); }));
}

TEST_F(UdpTest, PortUnreachableReachesAConnectedSocketOnce) {
  const int fd = host.ConnectedUdp(7000, 9);
  EXPECT_EQ(host.Send(fd, BytesFrom("x")), 1);
  AnswerWithIcmp(host, wire::kIcmpDestUnreachable, wire::kIcmpPortUnreachable);
  EXPECT_EQ(host.PollNow(fd), EPOLLERR | EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
  Bytes buffer(10);
  EXPECT_EQ(host.Recv(fd, &buffer), -ECONNREFUSED);
  EXPECT_EQ(host.Recv(fd, &buffer), -EAGAIN);
}

TEST_F(UdpTest, AnUnconnectedSocketHearsOfErrorsOnlyWithRecverr) {
  const int fd = host.BoundUdp(7000);
  Bytes buffer(10);
  EXPECT_EQ(host.Sendto(fd, BytesFrom("x"), At(kPeer, 9)), 1);
  AnswerWithIcmp(host, wire::kIcmpDestUnreachable, wire::kIcmpPortUnreachable);
  EXPECT_EQ(host.Recv(fd, &buffer), -EAGAIN);
  EXPECT_EQ(host.SetInt(fd, kSolIp, kIpRecverr, 1), 0);
  EXPECT_EQ(host.Sendto(fd, BytesFrom("x"), At(kPeer, 9)), 1);
  AnswerWithIcmp(host, wire::kIcmpDestUnreachable, wire::kIcmpPortUnreachable);
  EXPECT_EQ(host.Recv(fd, &buffer), -ECONNREFUSED);
}

// A soft error (here: no route to host, for now) is for those who asked.
TEST_F(UdpTest, ASoftErrorLeavesAConnectedSocketAlone) {
  const int fd = host.ConnectedUdp(7000, 9);
  EXPECT_EQ(host.Send(fd, BytesFrom("x")), 1);
  AnswerWithIcmp(host, wire::kIcmpDestUnreachable, wire::kIcmpHostUnreachable);
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoError), 0);
}

// What the error queue holds, byte for byte as the kernel fills it (6.18, asked).
TEST_F(UdpTest, TheErrorQueueTellsWhatFailedAndWhoSaidSo) {
  const int fd = host.BoundUdp(7000);
  EXPECT_EQ(host.SetInt(fd, kSolIp, kIpRecverr, 1), 0);
  EXPECT_EQ(host.Sendto(fd, BytesFrom("hello"), At(kPeer, 9)), 5);
  AnswerWithIcmp(host, wire::kIcmpDestUnreachable, wire::kIcmpPortUnreachable);
  Bytes buffer(100);
  uint8_t control[100];
  const iovec piece{buffer.data(), buffer.size()};
  SockAddr name;
  user_msghdr msg{.msg_name = &name,
                  .msg_iov = {&piece, 1},
                  .msg_control = control,
                  .msg_controllen = sizeof(control)};
  ASSERT_EQ(host.sys().Recvmsg(*host.thread, fd, &msg, MSG_ERRQUEUE).RunNow(), 5);
  EXPECT_EQ(TextOf({buffer.data(), 5}), "hello");
  EXPECT_EQ(name.ToEndpoint(), At(kPeer, 9));
  EXPECT_EQ(msg.msg_flags, uint32_t{MSG_ERRQUEUE});
  ASSERT_EQ(msg.msg_controllen, CmsgSpace(32));
  const uint8_t expected[] = {111, 0, 0, 0, 2,  3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                              2,   0, 0, 0, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(std::memcmp(control + sizeof(cmsghdr), expected, sizeof(expected)), 0);
  EXPECT_EQ(host.sys().Recvmsg(*host.thread, fd, &msg, MSG_ERRQUEUE).RunNow(), -EAGAIN);
}

TEST_F(UdpTest, FragmentationNeededLowersThePathMtu) {
  const int fd = host.ConnectedUdp(7000, 9);
  EXPECT_EQ(host.SetInt(fd, kSolIp, kIpMtuDiscover, kIpPmtudiscDo), 0);
  EXPECT_EQ(host.GetInt(fd, kSolIp, kIpMtu), 1500);
  EXPECT_EQ(host.Send(fd, Pattern(1400)), 1400);
  AnswerWithIcmp(host, wire::kIcmpDestUnreachable, wire::kIcmpFragmentationNeeded, 1000);
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoError), EMSGSIZE);
  EXPECT_EQ(host.GetInt(fd, kSolIp, kIpMtu), 1000);
  EXPECT_EQ(host.Send(fd, Pattern(1400)), -EMSGSIZE);
}

// --- Control messages. ---

TEST_F(UdpTest, ControlMessagesTellWhereAndHowADatagramCame) {
  const int fd = host.BoundUdp(7000);
  for (const int option : {kIpPktinfo, kIpRecvttl, kIpRecvtos}) {
    EXPECT_EQ(host.SetInt(fd, kSolIp, option, 1), 0);
  }
  EXPECT_EQ(host.SetInt(fd, kSolSocket, kSoTimestampns, 1), 0);
  wire::Ipv4Header ip;
  ip.saddr = kPeer;
  ip.daddr = kUs;
  ip.tos = 0x10;
  const wire::UdpHeader udp{.source = uint16_t{9}, .dest = uint16_t{7000}};
  host.Receive(
      SocketHost::Frame(ip, [&](wire::FrameBuilder& b) { b.Udp(udp).CountingPayload(1); }));

  uint8_t control[256];
  Bytes buffer(10);
  const iovec piece{buffer.data(), buffer.size()};
  user_msghdr user{.msg_iov = {&piece, 1}, .msg_control = control, .msg_controllen = 256};
  ASSERT_EQ(host.sys().Recvmsg(*host.thread, fd, &user, 0).RunNow(), 1);
  std::set<std::pair<int, int>> found;
  msghdr msg;
  msg.msg_control = control;
  msg.msg_controllen = user.msg_controllen;
  for (const cmsghdr* c = cmsg_firsthdr(&msg); c != nullptr; c = cmsg_nxthdr(&msg, c)) {
    found.insert({c->cmsg_level, c->cmsg_type});
    if (c->cmsg_level != kSolIp) continue;
    if (c->cmsg_type == kIpTtl) {
      EXPECT_EQ(cmsg_data(c)[0], 64);
    } else if (c->cmsg_type == kIpTos) {
      EXPECT_EQ(cmsg_data(c)[0], 0x10);
    } else if (c->cmsg_type == kIpPktinfo) {
      in_pktinfo info;
      std::memcpy(&info, cmsg_data(c), sizeof(info));
      EXPECT_EQ(info.ipi_ifindex, host.eth()->ifindex);
      EXPECT_EQ(info.ipi_spec_dst, kUs);
      EXPECT_EQ(info.ipi_addr, kUs);
    }
  }
  const std::set<std::pair<int, int>> expected = {
      {kSolIp, kIpPktinfo}, {kSolIp, kIpTtl}, {kSolIp, kIpTos}, {kSolSocket, kScmTimestampns}};
  EXPECT_EQ(found, expected);
}

TEST_F(UdpTest, AControlMessageSetsTtlAndTosOfOneDatagram) {
  const int fd = host.ConnectedUdp(7000, 9);
  uint8_t control[64] = {};
  const cmsghdr heads[] = {{CmsgLen(4), kSolIp, kIpTtl}, {CmsgLen(4), kSolIp, kIpTos}};
  const int values[] = {3, 0x10};
  for (int i = 0; i < 2; ++i) {
    std::memcpy(control + i * 24, &heads[i], sizeof(cmsghdr));
    std::memcpy(control + i * 24 + sizeof(cmsghdr), &values[i], sizeof(int));
  }
  Bytes data = BytesFrom("x");
  const iovec piece{data.data(), 1};
  user_msghdr msg{.msg_iov = {&piece, 1}, .msg_control = control, .msg_controllen = 48};
  EXPECT_EQ(host.sys().Sendmsg(*host.thread, fd, &msg, 0).RunNow(), 1);
  EXPECT_EQ(host.Send(fd, data), 1);
  const std::vector<Bytes> sent = host.TakeSent();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(SocketHost::IpOf(sent[0]).header->ttl, 3);
  EXPECT_EQ(SocketHost::IpOf(sent[0]).header->tos, 0x10);
  EXPECT_EQ(SocketHost::IpOf(sent[1]).header->ttl, 64);
  EXPECT_EQ(SocketHost::IpOf(sent[1]).header->tos, 0);
}

// --- Peeking and truncation. ---

TEST_F(UdpTest, PeekAndTruncWorkAsInLinux) {
  const int fd = host.BoundUdp(7000);
  host.ReceiveUdp(9, 7000, "hello");
  Bytes small(2);
  EXPECT_EQ(host.Recv(fd, &small, MSG_PEEK), 2);
  EXPECT_EQ(host.Recv(fd, &small, MSG_PEEK | MSG_TRUNC), 5);
  int waiting = 0;
  EXPECT_EQ(host.sys().Ioctl(*host.thread, fd, kSiocinq, &waiting).RunNow(), 0);
  EXPECT_EQ(waiting, 5);
  const iovec piece{small.data(), small.size()};
  user_msghdr msg{.msg_iov = {&piece, 1}};
  EXPECT_EQ(host.sys().Recvmsg(*host.thread, fd, &msg, 0).RunNow(), 2);
  EXPECT_EQ(msg.msg_flags & MSG_TRUNC, uint32_t{MSG_TRUNC});
  EXPECT_EQ(host.Recv(fd, &small), -EAGAIN) << "the rest is lost";
}

TEST_F(UdpTest, PeekOffWalksThroughTheQueue) {
  const int fd = host.BoundUdp(7000);
  EXPECT_EQ(host.SetInt(fd, kSolSocket, kSoPeekOff, 0), 0);
  host.ReceiveUdp(9, 7000, "abcd");
  host.ReceiveUdp(9, 7000, "efgh");
  Bytes three(3);
  EXPECT_EQ(host.Recv(fd, &three, MSG_PEEK), 3);
  EXPECT_EQ(host.RecvText(fd, MSG_PEEK), "d");
  EXPECT_EQ(host.RecvText(fd, MSG_PEEK), "efgh");
  EXPECT_EQ(host.RecvText(fd), "abcd");
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoPeekOff), 4);
}

TEST_F(UdpTest, AnEmptyDatagramIsPeekedAtAgainAndAgain) {
  const int fd = host.BoundUdp(7000);
  host.ReceiveUdp(9, 7000, "");
  Bytes buffer(3);
  EXPECT_EQ(host.Recv(fd, &buffer, MSG_PEEK), 0);
  EXPECT_EQ(host.Recv(fd, &buffer, MSG_PEEK), 0);
  EXPECT_EQ(host.Recv(fd, &buffer), 0);
  EXPECT_EQ(host.Recv(fd, &buffer), -EAGAIN);
}

TEST_F(UdpTest, AFaultingBufferIsEfaultAndLosesTheDatagram) {
  const int fd = host.BoundUdp(7000);
  host.ReceiveUdp(9, 7000, "hello");
  std::span<uint8_t> bad(static_cast<uint8_t*>(nullptr), 5);
  EXPECT_EQ(host.sys().Recvfrom(*host.thread, fd, bad, 0).RunNow(), -EFAULT);
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_SKB_UCOPY_FAULT), 1U);
  EXPECT_EQ(host.sys().Sendto(*host.thread, fd, bad, 0, At(kPeer, 9)).RunNow(), -EFAULT);
  EXPECT_TRUE(host.TakeSent().empty());
}

}  // namespace
}  // namespace tapedeck
