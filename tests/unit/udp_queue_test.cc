// What UDP sockets pay for what they have received, and when they get it back; what ICMP says of
// paths.
#include "stack/udp/udp_queue.h"

#include <gtest/gtest.h>

#include "socket_host.h"  // beside this file

namespace tapedeck {
namespace {

class UdpQueueTest : public ::testing::Test {
 protected:
  static constexpr size_t kPayloadBytes = 100;

  sock* SockOf(int fd) { return sock_from_file(host.sys().files().fcheck(fd))->sk; }
  void ReceiveOne() { host.ReceiveUdp(9, 7000, std::string(kPayloadBytes, 'x')); }
  int64_t Read(int fd, uint32_t flags = 0) {
    Bytes buffer(200);
    return host.Recv(fd, &buffer, flags);
  }
  // A socket whose buffer holds exactly `packets`, and is full.
  int FullSocket(uint32_t packets) {
    const int fd = host.BoundUdp(7000);
    ReceiveOne();
    truesize = SockOf(fd)->sk_rmem_alloc;
    EXPECT_EQ(Read(fd), int64_t{kPayloadBytes});
    SockOf(fd)->sk_rcvbuf = truesize * packets;
    for (uint32_t i = 0; i < packets; ++i) ReceiveOne();
    EXPECT_EQ(SockOf(fd)->sk_rmem_alloc, truesize * packets);
    return fd;
  }

  SocketHost host;
  uint32_t truesize = 0;  // of one packet
};

// udp_rmem_release(): a quarter of the buffer at a time.
TEST_F(UdpQueueTest, WhatIsReadIsGivenBackInQuarters) {
  const int fd = FullSocket(8);
  EXPECT_EQ(Read(fd), int64_t{kPayloadBytes});
  EXPECT_EQ(SockOf(fd)->sk_rmem_alloc, truesize * 8);
  EXPECT_EQ(udp_rqueue_get(SockOf(fd)), truesize * 7);
  ReceiveOne();
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_SOCKET_RCVBUFF), 1U) << "one does not make a quarter";
  EXPECT_EQ(Read(fd), int64_t{kPayloadBytes});
  EXPECT_EQ(SockOf(fd)->sk_rmem_alloc, truesize * 6);
  ReceiveOne();
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_SOCKET_RCVBUFF), 1U);
}

TEST_F(UdpQueueTest, WhoHasReadAllGetsAllBack) {
  const int fd = FullSocket(3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Read(fd), int64_t{kPayloadBytes});
  EXPECT_EQ(SockOf(fd)->sk_rmem_alloc, 0U);
  EXPECT_EQ(Read(fd), -EAGAIN);
}

TEST_F(UdpQueueTest, PeekingCostsNothingAndTakesNothing) {
  const int fd = FullSocket(2);
  EXPECT_EQ(Read(fd, MSG_PEEK), int64_t{kPayloadBytes});
  EXPECT_EQ(SockOf(fd)->sk_rmem_alloc, truesize * 2);
  // What has been peeked at lies in the reader's queue: poll sees it there.
  EXPECT_NE(host.PollNow(fd, EPOLLIN), 0);
  EXPECT_EQ(Read(fd), int64_t{kPayloadBytes});
  EXPECT_EQ(Read(fd), int64_t{kPayloadBytes});
}

TEST_F(UdpQueueTest, ADamagedDatagramThatIsPeekedAtLeavesTheQueue) {
  const int fd = host.BoundUdp(7000);
  Bytes frame = SocketHost::UdpFrame(At(kPeer, 9), At(kUs, 7000), Pattern(400));
  frame.back() ^= 0x01;
  host.Receive(frame);
  host.ReceiveUdp(9, 7000, "good");
  EXPECT_EQ(host.RecvText(fd, MSG_PEEK), "good");
  EXPECT_EQ(host.RecvText(fd), "good");
  EXPECT_EQ(SockOf(fd)->sk_rmem_alloc, 0U);
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_UDP_CSUM), 1U);
}

TEST_F(UdpQueueTest, TheLeastThatASocketMayHoldIsASetting) {
  std::string text;
  for (const char* const path : {"net/ipv4/udp_rmem_min", "net/ipv4/udp_wmem_min"}) {
    EXPECT_EQ(host.kernel.sysctl().Read(path, &text), 0);
    EXPECT_EQ(text, "4096\n");
    EXPECT_EQ(host.kernel.sysctl().Write(path, "0"), -EINVAL);
  }
}

// SO_PEEK_OFF: what is skipped does not count as cut off where there is room for the rest.
TEST_F(UdpQueueTest, APeekBehindAnOffsetIsTruncatedOnlyWhereTheRestIs) {
  const int fd = host.BoundUdp(7000);
  host.ReceiveUdp(9, 7000, "0123456789");
  ASSERT_EQ(host.SetInt(fd, kSolSocket, kSoPeekOff, 4), 0);
  Bytes buffer(20);
  const iovec piece{buffer.data(), buffer.size()};
  user_msghdr msg{.msg_iov = {&piece, 1}};
  EXPECT_EQ(host.sys().Recvmsg(*host.thread, fd, &msg, MSG_PEEK).RunNow(), 6);
  EXPECT_EQ(msg.msg_flags & MSG_TRUNC, 0U);
}

// What an ICMP error says of a path holds although its socket has gone (udp_err_update_exception).
TEST_F(UdpQueueTest, APathsMtuIsLearnedWithoutASocket) {
  const int gone = host.ConnectedUdp(7000, 9);
  ASSERT_EQ(host.Send(gone, Pattern(1000)), 1000);
  const Bytes sent = host.TakeSent().at(0);
  ASSERT_EQ(host.Close(gone), 0);
  wire::IcmpHeader icmp;
  icmp.type = wire::kIcmpDestUnreachable;
  icmp.code = wire::kIcmpFragmentationNeeded;
  icmp.set_next_hop_mtu(600);
  wire::Ipv4Header ip;
  ip.saddr = kPeer;
  ip.daddr = kUs;
  const Bytes quote(sent.begin() + 14, sent.begin() + 14 + 28);
  host.Receive(SocketHost::Frame(ip, [&](wire::FrameBuilder& b) { b.Icmp(icmp).Payload(quote); }));
  const int fd = host.ConnectedUdp(7001, 9);
  EXPECT_EQ(host.GetInt(fd, kSolIp, kIpMtu), 600);
}

}  // namespace
}  // namespace tapedeck
