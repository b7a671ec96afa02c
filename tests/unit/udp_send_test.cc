// UDP from a socket to a device, and the ports that sockets take.
#include <gtest/gtest.h>

#include <set>

#include "socket_host.h"  // beside this file

namespace tapedeck {
namespace {

class UdpSendTest : public ::testing::Test {
 protected:
  SocketHost host;
};

// --- Sending. ---

TEST_F(UdpSendTest, WhatIsSentHasTheRightHeadersAndChecksum) {
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
TEST_F(UdpSendTest, DatagramsOfAllSizesArriveWholeThroughLoopbackAndFragments) {
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

TEST_F(UdpSendTest, CheckSumsOfFragmentedDatagramsAreRightOnTheWire) {
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

TEST_F(UdpSendTest, SoNoCheckSendsNoChecksum) {
  const int fd = host.BoundUdp(7000);
  EXPECT_EQ(host.SetInt(fd, kSolSocket, kSoNoCheck, 1), 0);
  EXPECT_EQ(host.Sendto(fd, BytesFrom("hello"), At(kPeer, 9)), 5);
  EXPECT_EQ(SocketHost::UdpOf(host.TakeSent().at(0)).header->check.host(), 0);
}

TEST_F(UdpSendTest, MsgMoreGathersOneDatagram) {
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
TEST_F(UdpSendTest, ACorkedDatagramToAnotherMovesAConnectedSocket) {
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

TEST_F(UdpSendTest, UdpCorkHoldsBackUntilItIsTakenOff) {
  const int fd = host.ConnectedUdp(7000, 9);
  EXPECT_EQ(host.SetInt(fd, kSolUdp, kUdpCork, 1), 0);
  EXPECT_EQ(host.Send(fd, Pattern(1000)), 1000);
  EXPECT_EQ(host.Send(fd, Pattern(1000)), 1000);
  EXPECT_TRUE(host.TakeSent().empty());
  EXPECT_EQ(host.SetInt(fd, kSolUdp, kUdpCork, 0), 0);
  EXPECT_EQ(host.TakeSent().size(), 2U) << "two fragments";
}

TEST_F(UdpSendTest, WhatIsCorkedEndsWithItsSocket) {
  const int fd = host.ConnectedUdp(7000, 9);
  EXPECT_EQ(host.Send(fd, Pattern(1000), MSG_MORE), 1000);
  EXPECT_EQ(host.Close(fd), 0);
  EXPECT_TRUE(host.TakeSent().empty());
  EXPECT_EQ(host.LivePackets(), 0U);
}

// A packet on its way out keeps the memory of its closed socket until it has gone.
TEST_F(UdpSendTest, ASocketOutlivesItsLastPacketOnly) {
  const uint64_t before = host.n.live_socks;
  const int fd = host.BoundUdp(7000);
  EXPECT_EQ(host.Sendto(fd, BytesFrom("hello"), At(kPeer, 9)), 5);
  EXPECT_EQ(host.Close(fd), 0);
  EXPECT_EQ(host.n.live_socks, before + 1);
  host.TakeSent();
  EXPECT_EQ(host.n.live_socks, before);
}

// --- Ports. ---

TEST_F(UdpSendTest, AutobindFindsEveryFreePortOfTheRangeOnce) {
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
TEST_F(UdpSendTest, PortsAreSharedByTheRulesOfReuse) {
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

}  // namespace
}  // namespace tapedeck
