// Ping sockets: echo requests out, replies and errors in. Answers to bad calls are the kernel's
// (6.18, asked by hand).
#include <gtest/gtest.h>

#include "socket_host.h"  // beside this file

namespace tapedeck {
namespace {

class PingSocketTest : public ::testing::Test {
 protected:
  PingSocketTest() { host.Sysctl("net/ipv4/ping_group_range", "0 2147483647"); }

  int Ping() { return host.Socket(SOCK_DGRAM, 1); }

  // An echo message with `text`.
  static Bytes Echo(uint8_t type, uint16_t id, uint16_t sequence, std::string_view text) {
    wire::IcmpHeader header;
    header.type = type;
    header.set_id(id);
    header.set_sequence(sequence);
    Bytes message(sizeof(header));
    std::memcpy(message.data(), &header, sizeof(header));
    message.insert(message.end(), text.begin(), text.end());
    return message;
  }
  void ReceiveIcmp(wire::IcmpHeader icmp, std::span<const uint8_t> body, Ipv4Address to = kUs) {
    wire::Ipv4Header ip;
    ip.saddr = kPeer;
    ip.daddr = to;
    host.Receive(SocketHost::Frame(ip, [&](wire::FrameBuilder& b) { b.Icmp(icmp).Payload(body); }));
  }
  void ReceiveReply(uint16_t id, uint16_t sequence, std::string_view text) {
    wire::IcmpHeader icmp;
    icmp.type = wire::kIcmpEchoReply;
    icmp.set_id(id);
    icmp.set_sequence(sequence);
    ReceiveIcmp(icmp, BytesFrom(text));
  }

  SocketHost host;
};

TEST_F(PingSocketTest, ARequestGoesOutWithTheSocketsIdAndARightChecksum) {
  const int fd = Ping();
  EXPECT_EQ(host.Sendto(fd, Echo(wire::kIcmpEcho, 0xdead, 7, "abc"), At(kPeer, 0)), 11);
  const Endpoint name = host.NameOf(fd);
  const std::vector<Bytes> sent = host.TakeSent();
  ASSERT_EQ(sent.size(), 1U);
  const wire::Ipv4View ip = SocketHost::IpOf(sent[0]);
  EXPECT_TRUE(wire::IcmpChecksumOk(ip.payload));
  const auto icmp = wire::ParseIcmp(ip.payload);
  ASSERT_TRUE(icmp.ok());
  EXPECT_EQ(icmp->header->type, wire::kIcmpEcho);
  EXPECT_EQ(icmp->header->id(), name.port.host());
  EXPECT_EQ(icmp->header->sequence(), 7);
  EXPECT_EQ(TextOf(icmp->body), "abc");
  EXPECT_EQ(host.n.icmp_mib.Get(IcmpMib::kOutEchos), 1U);
}

TEST_F(PingSocketTest, ALargeRequestIsFragmentedWithARightChecksum) {
  const int fd = Ping();
  EXPECT_EQ(host.Sendto(fd, Echo(wire::kIcmpEcho, 0, 7, std::string(4001, 'x')), At(kPeer, 0)),
            4009);
  Bytes whole;
  for (const Bytes& frame : host.TakeSent()) {
    const wire::Ipv4View ip = SocketHost::IpOf(frame);
    whole.resize(std::max(whole.size(), ip.header->offset_bytes() + ip.payload.size()));
    std::copy(ip.payload.begin(), ip.payload.end(), whole.begin() + ip.header->offset_bytes());
  }
  EXPECT_EQ(whole.size(), 4009U);
  EXPECT_TRUE(wire::IcmpChecksumOk(whole));
}

TEST_F(PingSocketTest, AReplyReachesTheSocketOfItsId) {
  const int one = Ping();
  const int other = Ping();
  EXPECT_EQ(host.Bind(one, At(kIpv4Any, 100)), 0);
  EXPECT_EQ(host.Bind(other, At(kIpv4Any, 101)), 0);
  ReceiveReply(101, 5, "pong");
  Bytes buffer(100);
  SockAddr from;
  EXPECT_EQ(host.Recv(one, &buffer), -EAGAIN);
  ASSERT_EQ(host.Recv(other, &buffer, 0, &from), 12);
  EXPECT_EQ(from.ToEndpoint(), At(kPeer, 0));
  EXPECT_EQ(buffer[0], wire::kIcmpEchoReply);
  EXPECT_EQ(TextOf({buffer.data() + 8, 4}), "pong");
  EXPECT_EQ(host.AllDrops(), 0U);
  const auto delivered = host.sink.Of(TraceKind::kDeliver);
  ASSERT_FALSE(delivered.empty());
  EXPECT_EQ(delivered.back().args[2], 1U);
  EXPECT_EQ(delivered.back().args[3], 101U);
}

TEST_F(PingSocketTest, AReplyThatNobodyWaitsForIsDropped) {
  ReceiveReply(99, 1, "pong");
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_PING_NO_SOCKET), 1U);
}

TEST_F(PingSocketTest, ASocketBoundToAnotherAddressDoesNotHearIt) {
  const int fd = Ping();
  EXPECT_EQ(host.Bind(fd, At(kIpv4Loopback, 100)), 0);
  ReceiveReply(100, 1, "pong");
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_PING_NO_SOCKET), 1U);
}

TEST_F(PingSocketTest, PingToOurselvesThroughLoopback) {
  const int fd = Ping();
  EXPECT_EQ(host.Sendto(fd, Echo(wire::kIcmpEcho, 0, 1, "abc"), At(kIpv4Loopback, 0)), 11);
  host.RunFor(Duration::Milliseconds(1));
  Bytes buffer(100);
  EXPECT_EQ(host.Recv(fd, &buffer), 11);
  EXPECT_EQ(buffer[0], wire::kIcmpEchoReply);
  EXPECT_EQ(LoadBe16(buffer.data() + 4), host.NameOf(fd).port.host());
}

TEST_F(PingSocketTest, BadRequestsAreRefused) {
  const int fd = Ping();
  const Bytes good = Echo(wire::kIcmpEcho, 0, 0, "");
  EXPECT_EQ(host.Sendto(fd, Bytes(7), At(kPeer, 0)), -EINVAL);
  EXPECT_EQ(host.Sendto(fd, Echo(wire::kIcmpEchoReply, 0, 0, ""), At(kPeer, 0)), -EINVAL);
  EXPECT_EQ(host.Sendto(fd, Echo(wire::kIcmpTimestamp, 0, 0, ""), At(kPeer, 0)), -EINVAL);
  Bytes wrong_code = good;
  wrong_code[1] = 1;
  EXPECT_EQ(host.Sendto(fd, wrong_code, At(kPeer, 0)), -EINVAL);
  EXPECT_EQ(host.Sendto(fd, Bytes(65536), At(kPeer, 0)), -EMSGSIZE);
  EXPECT_EQ(host.Sendto(fd, good, At(kPeer, 0), MSG_OOB), -EOPNOTSUPP);
  EXPECT_EQ(host.Send(fd, good), -EDESTADDRREQ);
  EXPECT_EQ(host.Sendto(fd, good, SockAddr::Unspec()), -EAFNOSUPPORT);
  EXPECT_EQ(host.Sendto(fd, good, At(Ipv4Address(192, 0, 2, 1), 0)), -ENETUNREACH);
  EXPECT_EQ(host.Sendto(fd, good, At(Ipv4Address(10, 0, 0, 255), 0)), -EACCES);
  EXPECT_TRUE(host.TakeSent().empty());
}

TEST_F(PingSocketTest, BindChecksAddressAndState) {
  const int fd = Ping();
  EXPECT_EQ(host.Bind(fd, At(Ipv4Address(224, 0, 0, 1), 0)), -EADDRNOTAVAIL);
  EXPECT_EQ(host.Bind(fd, At(Ipv4Address(192, 0, 2, 1), 0)), -EADDRNOTAVAIL);
  SockAddr unspec = At(kIpv4Loopback, 0);
  std::memset(unspec.bytes, 0, 2);
  EXPECT_EQ(host.Bind(fd, unspec), -EAFNOSUPPORT);
  EXPECT_EQ(host.Bind(fd, At(kUs, 100)), 0);
  EXPECT_EQ(host.Bind(fd, At(kUs, 101)), -EINVAL);
  EXPECT_EQ(host.Bind(Ping(), At(kUs, 100)), 0) << "ping sockets share by default";
  const int exclusive = Ping();
  EXPECT_EQ(host.SetInt(exclusive, kSolSocket, kSoReuseaddr, 0), 0);
  EXPECT_EQ(host.Bind(exclusive, At(kUs, 100)), -EADDRINUSE);
  EXPECT_EQ(host.NameOf(fd), At(kUs, 100));
}

TEST_F(PingSocketTest, WhatPingSocketsDoNotHave) {
  const int fd = Ping();
  int value = 0;
  EXPECT_EQ(host.SetInt(fd, kSolUdp, kUdpCork, 1), -ENOPROTOOPT);
  EXPECT_EQ(host.SetInt(fd, kSolSocket, kSoPeekOff, 1), -EOPNOTSUPP);
  EXPECT_EQ(host.sys().Ioctl(*host.thread, fd, kSiocinq, &value).RunNow(), -ENOTTY);
}

TEST_F(PingSocketTest, ConnectAndDisconnect) {
  const int fd = Ping();
  SockAddr peer;
  EXPECT_EQ(host.Bind(fd, At(kUs, 100)), 0);
  EXPECT_EQ(host.Connect(fd, At(kPeer, 0)), 0);
  EXPECT_EQ(host.Send(fd, Echo(wire::kIcmpEcho, 0, 0, "")), 8);
  EXPECT_EQ(host.sys().Getpeername(*host.thread, fd, &peer).RunNow(), -ENOTCONN) << "port 0";
  EXPECT_EQ(host.Connect(fd, SockAddr::Unspec()), 0);
  EXPECT_EQ(host.NameOf(fd), At(kUs, 100));
  EXPECT_EQ(host.Send(fd, Echo(wire::kIcmpEcho, 0, 0, "")), -EDESTADDRREQ);
}

TEST_F(PingSocketTest, AnErrorAboutARequestReachesItsSender) {
  const int fd = Ping();
  EXPECT_EQ(host.Connect(fd, At(kPeer, 0)), 0);
  EXPECT_EQ(host.Send(fd, Echo(wire::kIcmpEcho, 0, 1, "abc")), 11);
  const Bytes sent = host.TakeSent().at(0);
  const std::span<const uint8_t> quote = std::span(sent).subspan(14);
  wire::IcmpHeader icmp;
  icmp.type = wire::kIcmpDestUnreachable;
  icmp.code = wire::kIcmpProtocolUnreachable;
  ReceiveIcmp(icmp, quote);
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoError), ENOPROTOOPT);
  // Soft errors, for those who ask.
  icmp.code = wire::kIcmpHostUnreachable;
  ReceiveIcmp(icmp, quote);
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoError), 0);
  EXPECT_EQ(host.SetInt(fd, kSolIp, kIpRecverr, 1), 0);
  ReceiveIcmp(icmp, quote);
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoError), EHOSTUNREACH);
  Bytes buffer(100);
  EXPECT_EQ(host.Recv(fd, &buffer, MSG_ERRQUEUE), 11);
  EXPECT_EQ(buffer[0], wire::kIcmpEcho);
}

TEST_F(PingSocketTest, TheGroupRangeDecidesWhoMayHaveOne) {
  EXPECT_GE(Ping(), 3);
  host.Sysctl("net/ipv4/ping_group_range", "1 5");
  EXPECT_EQ(Ping(), -EACCES);
  host.Sysctl("net/ipv4/ping_group_range", "5 0");
  std::string text;
  EXPECT_EQ(host.kernel.sysctl().Read("net/ipv4/ping_group_range", &text), 0);
  EXPECT_EQ(text, "1\t0\n") << "a range that is none means nobody";
}

}  // namespace
}  // namespace tapedeck
