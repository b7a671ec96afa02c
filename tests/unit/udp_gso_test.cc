// Sends of several datagrams (UDP_SEGMENT, UDP_GRO), and tunnels on a socket.
#include <gtest/gtest.h>

#include <set>

#include "socket_host.h"  // beside this file
#include "stack/udp/udp_offload.h"

namespace tapedeck {
namespace {

class UdpGsoTest : public ::testing::Test {
 protected:
  // Two sockets of this host: what `sender` sends comes in on port 7000 by the loopback device.
  int64_t SendOverLoopback(int sender, const Bytes& payload) {
    const int64_t result = host.Sendto(sender, payload, At(kIpv4Loopback, 7000));
    host.RunFor(Duration::Milliseconds(1));
    return result;
  }

  SocketHost host;
};

TEST_F(UdpGsoTest, TheDatagramsOfASendAreOfOneSizeButTheLast) {
  const int fd = host.ConnectedUdp(7000, 9);
  ASSERT_EQ(host.SetInt(fd, kSolUdp, kUdpSegment, 400), 0);
  const Bytes payload = Pattern(1000);
  ASSERT_EQ(host.Send(fd, payload), 1000);
  const std::vector<Bytes> sent = host.TakeSent();
  ASSERT_EQ(sent.size(), 3U);
  Bytes together;
  for (const Bytes& frame : sent) {
    const wire::Ipv4View ip = SocketHost::IpOf(frame);
    const auto udp = wire::ParseUdp(ip.payload);
    ASSERT_TRUE(udp.ok());
    const wsum pseudo = csum_tcpudp_nofold(ip.header->saddr.wire(), ip.header->daddr.wire(),
                                           static_cast<uint32_t>(ip.payload.size()), 17, 0);
    EXPECT_EQ(csum_fold(csum_partial(ip.payload, pseudo)), 0);
    together.insert(together.end(), udp->payload.begin(), udp->payload.end());
  }
  EXPECT_EQ(together, payload);
  EXPECT_EQ(host.Udp(UdpMib::kOutDatagrams), 1U);
}

TEST_F(UdpGsoTest, AControlMessageHasTheSizeForOneSend) {
  const int fd = host.ConnectedUdp(7000, 9);
  uint8_t control[24] = {};
  const cmsghdr head{CmsgLen(sizeof(uint16_t)), kSolUdp, kUdpSegment};
  const uint16_t size = 100;
  std::memcpy(control, &head, sizeof(head));
  std::memcpy(control + sizeof(head), &size, sizeof(size));
  Bytes data = Pattern(250);
  const iovec piece{data.data(), data.size()};
  user_msghdr msg{.msg_iov = {&piece, 1}, .msg_control = control, .msg_controllen = 24};
  EXPECT_EQ(host.sys().Sendmsg(*host.thread, fd, &msg, 0).RunNow(), 250);
  EXPECT_EQ(host.TakeSent().size(), 3U);
  EXPECT_EQ(host.Send(fd, data), 250);
  EXPECT_EQ(host.TakeSent().size(), 1U);
  // Of any other length, or of another type, there is none.
  control[0] = static_cast<uint8_t>(CmsgLen(sizeof(int)));
  EXPECT_EQ(host.sys().Sendmsg(*host.thread, fd, &msg, 0).RunNow(), -EINVAL);
}

TEST_F(UdpGsoTest, LoopbackHandsThePacketOnToWhoAskedForIt) {
  const int receiver = host.BoundUdp(7000);
  const int sender = host.Socket();
  ASSERT_EQ(host.SetInt(sender, kSolUdp, kUdpSegment, 300), 0);
  ASSERT_EQ(host.SetInt(receiver, kSolUdp, kUdpGro, 1), 0);
  const Bytes payload = Pattern(1000);
  ASSERT_EQ(SendOverLoopback(sender, payload), 1000);
  Bytes buffer(2000);
  int gso_size = 0;
  ASSERT_EQ(host.RecvGro(receiver, &buffer, &gso_size), 1000);
  EXPECT_EQ(gso_size, 300);
  buffer.resize(1000);
  EXPECT_EQ(buffer, payload);
  EXPECT_EQ(host.Udp(UdpMib::kInDatagrams), 1U);
}

TEST_F(UdpGsoTest, LoopbackCutsItForWhoDidNot) {
  const int receiver = host.BoundUdp(7000);
  const int sender = host.Socket();
  ASSERT_EQ(host.SetInt(sender, kSolUdp, kUdpSegment, 300), 0);
  const Bytes payload = Pattern(700);
  ASSERT_EQ(SendOverLoopback(sender, payload), 700);
  Bytes together;
  for (const int64_t size : {300, 300, 100}) {
    Bytes buffer(2000);
    int gso_size = 0;
    ASSERT_EQ(host.RecvGro(receiver, &buffer, &gso_size), size);
    EXPECT_EQ(gso_size, 0);
    together.insert(together.end(), buffer.begin(), buffer.begin() + size);
  }
  EXPECT_EQ(together, payload);
  EXPECT_EQ(host.Udp(UdpMib::kInDatagrams), 3U);
  EXPECT_EQ(host.AllDrops(), 0U);
}

// UDP_GRO where nothing was merged: a datagram is one, and says nothing about sizes.
TEST_F(UdpGsoTest, ASingleDatagramSaysNothingOfSizes) {
  const int receiver = host.BoundUdp(7000);
  ASSERT_EQ(host.SetInt(receiver, kSolUdp, kUdpGro, 1), 0);
  host.ReceiveUdp(9, 7000, "hello");
  Bytes buffer(100);
  int gso_size = 0;
  EXPECT_EQ(host.RecvGro(receiver, &buffer, &gso_size), 5);
  EXPECT_EQ(gso_size, 0);
}

// --- Tunnels. ---

// What the tunnel of a test has seen.
struct Tunnel {
  int packets = 0;
  int errors = 0;
  int verdict = 0;  // of the next packet
  bool destroyed = false;
};
Tunnel& TunnelOf(sock* sk) { return *static_cast<Tunnel*>(sk->sk_user_data); }

int TunnelReceives(sock* sk, sk_buff* skb) {
  Tunnel& tunnel = TunnelOf(sk);
  ++tunnel.packets;
  if (tunnel.verdict == 0) consume_skb(skb);
  return tunnel.verdict;
}
void TunnelHearsOfError(sock* sk, sk_buff*, int err, be16 port, uint32_t, uint32_t) {
  EXPECT_EQ(err, ECONNREFUSED);
  EXPECT_EQ(port, uint16_t{9});
  ++TunnelOf(sk).errors;
}
void TunnelEnds(sock* sk) { TunnelOf(sk).destroyed = true; }

class UdpTunnelTest : public ::testing::Test {
 protected:
  UdpTunnelTest() : fd(host.ConnectedUdp(7000, 9)) {
    setup_udp_tunnel_sock(sk(), {.sk_user_data = &tunnel,
                                 .encap_type = 1,
                                 .encap_rcv = TunnelReceives,
                                 .encap_err_lookup = nullptr,
                                 .encap_err_rcv = TunnelHearsOfError,
                                 .encap_destroy = TunnelEnds});
  }
  sock* sk() { return sock_from_file(host.sys().files().fcheck(fd))->sk; }

  SocketHost host;
  Tunnel tunnel;
  int fd;
};

TEST_F(UdpTunnelTest, ItsPacketsAreNotTheUsers) {
  host.ReceiveUdp(9, 7000, "inner");
  EXPECT_EQ(tunnel.packets, 1);
  EXPECT_EQ(host.RecvText(fd), "");
  EXPECT_EQ(host.Udp(UdpMib::kInDatagrams), 1U);
}

TEST_F(UdpTunnelTest, WhatItDoesNotKnowIsTheUsers) {
  tunnel.verdict = 1;
  host.ReceiveUdp(9, 7000, "control");
  EXPECT_EQ(tunnel.packets, 1);
  EXPECT_EQ(host.RecvText(fd), "control");
}

TEST_F(UdpTunnelTest, ItSeesNothingThatIsDamaged) {
  Bytes frame = SocketHost::UdpFrame(At(kPeer, 9), At(kUs, 7000), Pattern(40));
  frame.back() ^= 0x01;
  host.Receive(frame);
  EXPECT_EQ(tunnel.packets, 0);
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_UDP_CSUM), 1U);
  EXPECT_EQ(host.Udp(UdpMib::kInCsumErrors), 1U);
}

TEST_F(UdpTunnelTest, ErrorsAreToldToItAndToNoUser) {
  ASSERT_EQ(host.Send(fd, BytesFrom("x")), 1);
  const Bytes sent = host.TakeSent().at(0);
  wire::IcmpHeader icmp;
  icmp.type = wire::kIcmpDestUnreachable;
  icmp.code = wire::kIcmpPortUnreachable;
  wire::Ipv4Header ip;
  ip.saddr = kPeer;
  ip.daddr = kUs;
  const Bytes quote(sent.begin() + 14, sent.end());
  host.Receive(SocketHost::Frame(ip, [&](wire::FrameBuilder& b) { b.Icmp(icmp).Payload(quote); }));
  EXPECT_EQ(tunnel.errors, 1);
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoError), 0);
}

TEST_F(UdpTunnelTest, ItEndsWithItsSocket) {
  EXPECT_EQ(net_udp(host.n).encap_needed, 1U);
  host.Close(fd);
  EXPECT_TRUE(tunnel.destroyed);
  EXPECT_EQ(net_udp(host.n).encap_needed, 0U);
}

// --- Local ports. ---

TEST_F(UdpGsoTest, ReservedPortsAreNotChosen) {
  host.Sysctl("net/ipv4/ip_local_port_range", "40000 40003");
  host.Sysctl("net/ipv4/ip_local_reserved_ports", "40001,40003-40010");
  std::set<uint16_t> chosen;
  for (int i = 0; i < 2; ++i) chosen.insert(host.NameOf(host.BoundUdp(0)).port.host());
  EXPECT_EQ(chosen, (std::set<uint16_t>{40000, 40002}));
  EXPECT_EQ(host.Bind(host.Socket(), At(kIpv4Any, 0)), -EADDRINUSE);
  // By name they are had.
  EXPECT_EQ(host.Bind(host.Socket(), At(kIpv4Any, 40001)), 0);
}

TEST_F(UdpGsoTest, ReservedPortsReadAsRanges) {
  std::string text;
  host.Sysctl("net/ipv4/ip_local_reserved_ports", "5,7-9,8,10,");
  EXPECT_EQ(host.kernel.sysctl().Read("net/ipv4/ip_local_reserved_ports", &text), 0);
  EXPECT_EQ(text, "5,7-10\n");
  for (const char* const wrong : {"9-8", "x", "65536", "1,,2", "5 6", " 5"}) {
    EXPECT_EQ(host.kernel.sysctl().Write("net/ipv4/ip_local_reserved_ports", wrong), -EINVAL);
  }
}

TEST_F(UdpGsoTest, ASocketsOwnRangeNarrowsTheHosts) {
  constexpr int kFirst = 50000;
  constexpr int kLast = 50002;
  std::set<uint16_t> chosen;
  for (int i = 0; i < 3; ++i) {
    const int fd = host.Socket();
    ASSERT_EQ(host.SetInt(fd, kSolIp, kIpLocalPortRange, kLast << 16 | kFirst), 0);
    EXPECT_EQ(host.GetInt(fd, kSolIp, kIpLocalPortRange), int64_t{int32_t(kLast << 16 | kFirst)});
    ASSERT_EQ(host.Bind(fd, At(kIpv4Any, 0)), 0);
    chosen.insert(host.NameOf(fd).port.host());
  }
  EXPECT_EQ(chosen, (std::set<uint16_t>{50000, 50001, 50002}));
  EXPECT_EQ(host.SetInt(host.Socket(), kSolIp, kIpLocalPortRange, 10 << 16 | 11), -EINVAL);
}

}  // namespace
}  // namespace tapedeck
