// UDP from a device to a socket: delivery, its checks, sharing and limits.
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

}  // namespace
}  // namespace tapedeck
