// UDP over IPv6 and over dual-stack sockets, from system call to frame and back.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "socket_host.h"  // beside this file
#include "stack/ipv6/in6.h"

namespace tapedeck {
namespace {

constexpr uint16_t kPort = 7000;
constexpr Ipv6Address kMapped127 = Ipv6Address::Mapped(kIpv4Loopback);

struct Udp6Test : ::testing::Test {
  int Bound(const Ipv6Address& address, uint16_t port = kPort) {
    const int fd = host.Socket6();
    EXPECT_EQ(host.Bind(fd, At(address, port)), 0);
    return fd;
  }
  Endpoint SourceOfNext(int fd, std::string_view expected) {
    Bytes data(100);
    SockAddr from;
    const int64_t got = host.Recv(fd, &data, 0, &from);
    EXPECT_EQ(got, static_cast<int64_t>(expected.size()));
    data.resize(got > 0 ? static_cast<size_t>(got) : 0);
    EXPECT_EQ(TextOf(data), expected);
    return from.ToEndpoint().value_or(Endpoint{});
  }
  void Settle() { host.RunFor(Duration::Milliseconds(1)); }

  // A UDP datagram from the peer.
  Bytes FrameFromPeer(const Ipv6Address& to, uint16_t sport, uint16_t dport,
                      std::string_view text) {
    Bytes buffer(2000);
    wire::FrameBuilder builder(buffer);
    wire::Ipv6Header ip;
    ip.hop_limit = 64;
    ip.saddr = kPeer6;
    ip.daddr = to;
    builder.Ethernet(kOurMac, kPeerMac).Ipv6(ip);
    const wire::UdpHeader udp{.source = be16(sport), .dest = be16(dport)};
    builder.Udp(udp).Payload(BytesFrom(text));
    const std::span<uint8_t> frame = builder.Build();
    return {frame.begin(), frame.end()};
  }

  SocketHost host{FreeCostTable(), true};
};

TEST_F(Udp6Test, EchoOverLoopback) {
  const int server = Bound(kIpv6Loopback);
  const int client = host.Socket6();
  EXPECT_EQ(host.Sendto(client, BytesFrom("ping"), At(kIpv6Loopback, kPort)), 4);
  Settle();
  const Endpoint from = SourceOfNext(server, "ping");
  EXPECT_EQ(from.address, IpAddress(kIpv6Loopback));
  EXPECT_EQ(host.Sendto(server, BytesFrom("pong"), from), 4);
  Settle();
  EXPECT_EQ(SourceOfNext(client, "pong"), At(kIpv6Loopback, kPort));
  EXPECT_EQ(host.n.udp6_mib.Get(UdpMib::kInDatagrams), 2U);
  EXPECT_EQ(host.n.udp6_mib.Get(UdpMib::kOutDatagrams), 2U);
  EXPECT_EQ(host.Udp(UdpMib::kInDatagrams), 0U);
}

TEST_F(Udp6Test, DualStackSocketHearsBothVersions) {
  const int server = Bound(kIpv6Any);
  const int four = host.Socket();
  const int six = host.Socket6();
  EXPECT_EQ(host.Sendto(four, BytesFrom("four"), At(kIpv4Loopback, kPort)), 4);
  EXPECT_EQ(host.Sendto(six, BytesFrom("six"), At(kIpv6Loopback, kPort)), 3);
  Settle();
  const Endpoint from_four = SourceOfNext(server, "four");
  EXPECT_EQ(from_four.address, IpAddress(kMapped127));
  EXPECT_EQ(SourceOfNext(server, "six").address, IpAddress(kIpv6Loopback));
  // The answer to the mapped address goes by IPv4.
  EXPECT_EQ(host.Sendto(server, BytesFrom("back"), from_four), 4);
  Settle();
  EXPECT_EQ(SourceOfNext(four, "back"), At(kIpv4Loopback, kPort));
}

TEST_F(Udp6Test, V6OnlySocketHearsNoIpv4) {
  const int server = host.Socket6();
  EXPECT_EQ(host.SetInt(server, kSolIpv6, kIpv6V6only, 1), 0);
  EXPECT_EQ(host.Bind(server, At(kIpv6Any, kPort)), 0);
  const int four = host.Socket();
  EXPECT_EQ(host.Bind(four, At(kIpv4Any, kPort)), 0);  // no conflict
  EXPECT_EQ(host.Sendto(four, BytesFrom("x"), At(kIpv4Loopback, kPort)), 1);
  Settle();
  EXPECT_EQ(host.RecvText(server), "");
  EXPECT_EQ(host.RecvText(four), "x");
  EXPECT_EQ(host.Sendto(server, BytesFrom("x"), At(kMapped127, kPort)), -ENETUNREACH);
}

TEST_F(Udp6Test, DualStackSocketConflictsWithIpv4) {
  Bound(kIpv6Any);
  const int four = host.Socket();
  EXPECT_EQ(host.Bind(four, At(kIpv4Any, kPort)), -EADDRINUSE);
  EXPECT_EQ(host.Bind(four, At(kIpv4Loopback, kPort)), -EADDRINUSE);
}

TEST_F(Udp6Test, BindChecksTheAddress) {
  const int fd = host.Socket6();
  const Ipv6Address link_local(std::array<uint16_t, 8>{0xfe80, 0, 0, 0, 0, 0, 0, 1});
  EXPECT_EQ(host.Bind(fd, At(kPeer6, 1)), -EADDRNOTAVAIL);
  EXPECT_EQ(host.Bind(fd, At(link_local, 1)), -EINVAL);     // on which device?
  EXPECT_EQ(host.Bind(fd, At(kIpv4Loopback, 1)), -EINVAL);  // too short
  EXPECT_EQ(host.Bind(fd, At(Ipv6Address::Mapped(kPeer), 1)), -EADDRNOTAVAIL);
  EXPECT_EQ(host.Bind(fd, At(kUs6, kPort)), 0);
  EXPECT_EQ(host.NameOf(fd), At(kUs6, kPort));
  EXPECT_EQ(host.Bind(fd, At(kUs6, kPort)), -EINVAL);
}

TEST_F(Udp6Test, ConnectedToMappedPeerIsShownMapped) {
  Bound(kIpv6Any);
  const int fd = host.Socket6();
  EXPECT_EQ(host.Connect(fd, At(kMapped127, kPort)), 0);
  EXPECT_EQ(host.NameOf(fd).address, IpAddress(kMapped127));
  SockAddr name;
  EXPECT_EQ(host.sys().Getpeername(*host.thread, fd, &name).RunNow(), 0);
  EXPECT_EQ(name.ToEndpoint(), At(kMapped127, kPort));
  EXPECT_EQ(host.Send(fd, BytesFrom("hi")), 2);
}

TEST_F(Udp6Test, AddrformMakesItAnIpv4Socket) {
  Bound(kIpv6Any);
  const int fd = host.Socket6();
  EXPECT_EQ(host.SetInt(fd, kSolIpv6, kIpv6Addrform, kAfInet), -ENOTCONN);
  EXPECT_EQ(host.Connect(fd, At(kIpv6Loopback, kPort)), 0);
  EXPECT_EQ(host.SetInt(fd, kSolIpv6, kIpv6Addrform, kAfInet), -EADDRNOTAVAIL);
  EXPECT_EQ(host.Connect(fd, SockAddr::Unspec()), 0);
  EXPECT_EQ(host.Connect(fd, At(kMapped127, kPort)), 0);
  EXPECT_EQ(host.GetInt(fd, kSolIpv6, kIpv6Addrform), kAfInet6);
  EXPECT_EQ(host.SetInt(fd, kSolIpv6, kIpv6Addrform, kAfInet), 0);
  EXPECT_EQ(host.NameOf(fd).address, IpAddress(kIpv4Loopback));
  EXPECT_EQ(host.Send(fd, BytesFrom("hi")), 2);
}

TEST_F(Udp6Test, PortUnreachableReachesTheConnectedSender) {
  const int fd = host.Socket6();
  EXPECT_EQ(host.Connect(fd, At(kIpv6Loopback, 9)), 0);
  EXPECT_EQ(host.Send(fd, BytesFrom("x")), 1);
  Settle();
  EXPECT_EQ(host.Send(fd, BytesFrom("x")), -ECONNREFUSED);
  EXPECT_EQ(host.n.udp6_mib.Get(UdpMib::kNoPorts), 1U);
}

TEST_F(Udp6Test, ZeroChecksumIsForSocketsThatAskForIt) {
  const int server = Bound(kIpv6Any);
  Bytes frame = FrameFromPeer(kUs6, 1000, kPort, "zero");
  frame[14 + 40 + 6] = frame[14 + 40 + 7] = 0;
  host.Receive(frame);
  EXPECT_EQ(host.RecvText(server), "");
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_UDP_CSUM), 1U);
  EXPECT_EQ(host.n.udp6_mib.Get(UdpMib::kInCsumErrors), 1U);
  EXPECT_EQ(host.SetInt(server, kSolUdp, kUdpNoCheck6Rx, 1), 0);
  host.Receive(frame);
  EXPECT_EQ(host.RecvText(server), "zero");
}

TEST_F(Udp6Test, WrongChecksumIsDropped) {
  const int server = Bound(kIpv6Any);
  Bytes frame = FrameFromPeer(kUs6, 1000, kPort, "text");
  frame[14 + 40 + 6] ^= 0xff;
  host.Receive(frame);
  EXPECT_EQ(host.RecvText(server), "");
  EXPECT_EQ(host.n.udp6_mib.Get(UdpMib::kInErrors), 1U);
}

TEST_F(Udp6Test, CorkedDatagramIsSentWhole) {
  const int server = Bound(kIpv6Loopback);
  const int fd = host.Socket6();
  EXPECT_EQ(host.Sendto(fd, BytesFrom("one "), At(kIpv6Loopback, kPort), MSG_MORE), 4);
  EXPECT_EQ(host.Send(fd, BytesFrom("two"), 0), 3);
  Settle();
  EXPECT_EQ(host.RecvText(server), "one two");
}

TEST_F(Udp6Test, ConnectLeavesACorkedDatagramAlone) {
  const int server = Bound(kIpv6Loopback);
  const int fd = host.Socket6();
  EXPECT_EQ(host.Sendto(fd, BytesFrom("one "), At(kIpv6Loopback, kPort), MSG_MORE), 4);
  EXPECT_EQ(host.Connect(fd, At(kPeer6, 9)), 0);
  EXPECT_EQ(host.Send(fd, BytesFrom("two"), 0), 3);
  Settle();
  EXPECT_EQ(host.RecvText(server), "one two");
}

TEST_F(Udp6Test, ConnectOverIpv4EndsACorkedDatagramOverIpv6) {
  const int server = Bound(kIpv6Any);
  const int fd = host.Socket6();
  EXPECT_EQ(host.Sendto(fd, BytesFrom("one "), At(kIpv6Loopback, kPort), MSG_MORE), 4);
  EXPECT_EQ(host.Connect(fd, At(kIpv4Loopback, kPort)), 0);
  EXPECT_EQ(host.Send(fd, BytesFrom("two"), 0), 3);
  Settle();
  EXPECT_EQ(SourceOfNext(server, "two").address, IpAddress(kMapped127));
}

TEST_F(Udp6Test, PktinfoTellsWhereAnIpv4DatagramCameIn) {
  const int server = Bound(kIpv6Any);
  EXPECT_EQ(host.SetInt(server, kSolIpv6, kIpv6Recvpktinfo, 1), 0);
  const int four = host.Socket();
  EXPECT_EQ(host.Sendto(four, BytesFrom("x"), At(kIpv4Loopback, kPort)), 1);
  Settle();
  uint8_t byte = 0;
  const iovec piece{&byte, 1};
  alignas(8) uint8_t control[64] = {};
  user_msghdr msg{.msg_iov = {&piece, 1}, .msg_control = control, .msg_controllen = 64};
  ASSERT_EQ(host.sys().Recvmsg(*host.thread, server, &msg, 0).RunNow(), 1);
  ASSERT_EQ(msg.msg_controllen, CmsgSpace(sizeof(in6_pktinfo)));
  in6_pktinfo info;
  std::memcpy(&info, control + sizeof(cmsghdr), sizeof(info));
  EXPECT_EQ(info.ipi6_addr, kMapped127);
  EXPECT_EQ(info.ipi6_ifindex, static_cast<uint32_t>(host.n.loopback_dev->ifindex));
}

TEST_F(Udp6Test, ErrorQueueHasTheOffenderAndTheDestination) {
  const int fd = host.Socket6();
  EXPECT_EQ(host.SetInt(fd, kSolIpv6, kIpv6Recverr, 1), 0);
  EXPECT_EQ(host.Sendto(fd, BytesFrom("x"), At(kIpv6Loopback, 9)), 1);
  Settle();
  uint8_t byte = 0;
  const iovec piece{&byte, 1};
  alignas(8) uint8_t control[128] = {};
  SockAddr to;
  user_msghdr msg{.msg_name = &to,
                  .msg_iov = {&piece, 1},
                  .msg_control = control,
                  .msg_controllen = sizeof(control)};
  ASSERT_EQ(host.sys().Recvmsg(*host.thread, fd, &msg, MSG_ERRQUEUE).RunNow(), 1);
  EXPECT_EQ(byte, 'x');
  EXPECT_EQ(to.ToEndpoint(), At(kIpv6Loopback, 9));
  sock_extended_err ee;
  std::memcpy(&ee, control + sizeof(cmsghdr), sizeof(ee));
  EXPECT_EQ(ee.ee_errno, static_cast<uint32_t>(ECONNREFUSED));
  EXPECT_EQ(ee.ee_origin, kSoEeOriginIcmp6);
  EXPECT_EQ(ee.ee_type, wire::kIcmpv6DestUnreachable);
}

// Its address is one of IPv6 from then on (ipv6_rcv_saddr_equal).
TEST_F(Udp6Test, ASocketThatIsConnectedByIpv6LeavesItsPortToIpv4) {
  const int first = Bound(kIpv6Any);
  const int second = host.Socket6();
  EXPECT_EQ(host.Bind(second, At(Ipv6Address::Mapped(kUs), kPort)), -EADDRINUSE);
  EXPECT_EQ(host.Connect(first, At(kPeer6, kPort)), 0);
  EXPECT_EQ(host.Bind(second, At(Ipv6Address::Mapped(kUs), kPort)), 0);
}

// skb_set_owner_w: all that a connected socket sends has its hash.
TEST_F(Udp6Test, AConnectedSocketHasOneFlowLabelWhereverItSends) {
  const int fd = host.Socket6();
  EXPECT_EQ(host.Connect(fd, At(kPeer6, kPort)), 0);
  EXPECT_EQ(host.Send(fd, BytesFrom("a")), 1);
  EXPECT_EQ(host.Sendto(fd, BytesFrom("b"), At(kIpv6AllNodes, kPort)), 1);
  Settle();
  const std::vector<Bytes> sent = host.TakeSent();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(LoadBe32(&sent[0][14]), LoadBe32(&sent[1][14]));
  EXPECT_NE(LoadBe32(&sent[0][14]) & 0xfffff, 0U);
}

// --- Errors about what a tunnel sent. ---

// What the tunnel of a test has been told, and which quoted source port it knows (0: any).
struct Tunnel6 {
  int errors = 0;
  int err = 0;
  uint16_t port = 0;
  uint32_t info = 0;
  uint16_t known_source = 0;
};
Tunnel6& TunnelOf(sock* sk) { return *static_cast<Tunnel6*>(sk->sk_user_data); }

int TunnelKnows(sock* sk, sk_buff* skb) {
  const uint16_t known = TunnelOf(sk).known_source;
  EXPECT_EQ(ipv6_hdr(skb)->saddr, kUs6);
  return known == 0 || udp_hdr(skb)->source.host() == known ? 0 : -ENOENT;
}
void TunnelHears(sock* sk, sk_buff* skb, int err, be16 port, uint32_t info,
                 uint32_t payload_offset) {
  Tunnel6& tunnel = TunnelOf(sk);
  ++tunnel.errors;
  tunnel.err = err;
  tunnel.port = port.host();
  tunnel.info = info;
  EXPECT_EQ(skb->data[payload_offset], 'x');
}

class Udp6Tunnel : public Udp6Test {
 protected:
  // A tunnel on a new socket, bound to kPort; `lookup` may be null.
  int Tunnel(int (*lookup)(sock*, sk_buff*)) {
    const int fd = Bound(kIpv6Any);
    setup_udp_tunnel_sock(Sk(fd), {.sk_user_data = &tunnel,
                                   .encap_type = 1,
                                   .encap_rcv = nullptr,
                                   .encap_err_lookup = lookup,
                                   .encap_err_rcv = TunnelHears,
                                   .encap_destroy = nullptr});
    return fd;
  }
  sock* Sk(int fd) { return sock_from_file(host.sys().files().fcheck(fd))->sk; }

  // The peer's error about a datagram of ours from `source` to `dest` of its.
  void ErrorFromPeer(uint8_t type, uint8_t code, uint32_t info, uint16_t source, uint16_t dest) {
    Bytes quoted(200);
    wire::FrameBuilder quote(quoted);
    wire::Ipv6Header ip;
    ip.hop_limit = 64;
    ip.saddr = kUs6;
    ip.daddr = kPeer6;
    const wire::UdpHeader udp{.source = be16(source), .dest = be16(dest)};
    quote.Ethernet(kPeerMac, kOurMac).Ipv6(ip).Udp(udp).Payload(BytesFrom("x"));
    const std::span<uint8_t> sent = quote.Build();
    Bytes buffer(400);
    wire::FrameBuilder builder(buffer);
    ip.saddr = kPeer6;
    ip.daddr = kUs6;
    wire::Icmpv6Header icmp;
    icmp.type = type;
    icmp.code = code;
    StoreBe32(icmp.rest.data(), info);
    builder.Ethernet(kOurMac, kPeerMac).Ipv6(ip).Icmpv6(icmp).Payload(sent.subspan(14));
    const std::span<uint8_t> frame = builder.Build();
    host.Receive({frame.begin(), frame.end()});
  }
  uint64_t InErrors() const { return host.n.icmp6_mib.Get(Icmp6Mib::kInErrors); }

  Tunnel6 tunnel;
};

TEST_F(Udp6Tunnel, ErrorsAreToldToItAndToNoUser) {
  const int fd = Tunnel(nullptr);
  ErrorFromPeer(wire::kIcmpv6DestUnreachable, wire::kIcmpv6PortUnreachable, 0, kPort, 9);
  EXPECT_EQ(tunnel.errors, 1);
  EXPECT_EQ(tunnel.err, ECONNREFUSED);
  EXPECT_EQ(tunnel.port, 9);
  ErrorFromPeer(wire::kIcmpv6PacketTooBig, 0, 1300, kPort, 9);
  EXPECT_EQ(tunnel.errors, 2);
  EXPECT_EQ(tunnel.info, 1300U);
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoError), 0);
  EXPECT_EQ(InErrors(), 0U);
}

TEST_F(Udp6Tunnel, WhatItDoesNotKnowIsNobodys) {
  Tunnel(TunnelKnows);
  tunnel.known_source = kPort + 1;
  ErrorFromPeer(wire::kIcmpv6DestUnreachable, wire::kIcmpv6PortUnreachable, 0, kPort, 9);
  EXPECT_EQ(tunnel.errors, 0);
  EXPECT_EQ(InErrors(), 1U);
}

// VXLAN sends from ports that nobody has: the port that is the same at both ends names the tunnel.
TEST_F(Udp6Tunnel, OneThatSendsFromAnyPortIsFoundByThePortOfItsPeer) {
  Tunnel(TunnelKnows);
  ErrorFromPeer(wire::kIcmpv6DestUnreachable, wire::kIcmpv6PortUnreachable, 0, 50'000, kPort);
  EXPECT_EQ(tunnel.errors, 1);
  EXPECT_EQ(tunnel.port, kPort);
}

TEST_F(Udp6Tunnel, ASocketWithoutAWayToTellKnowsNothingThatItMightHaveSent) {
  Tunnel(nullptr);
  ErrorFromPeer(wire::kIcmpv6DestUnreachable, wire::kIcmpv6PortUnreachable, 0, 50'000, kPort);
  EXPECT_EQ(tunnel.errors, 0);
  EXPECT_EQ(InErrors(), 1U);
}

TEST_F(Udp6Test, NobodyListensAndTheSenderIsTold) {
  host.Receive(FrameFromPeer(kUs6, 1000, kPort, "x"));
  const std::vector<Bytes> sent = host.TakeSent();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0][14 + 6], wire::kIpProtoIcmpv6);
  EXPECT_EQ(sent[0][14 + 40], wire::kIcmpv6DestUnreachable);
  EXPECT_EQ(sent[0][14 + 41], wire::kIcmpv6PortUnreachable);
}

}  // namespace
}  // namespace tapedeck
