// What comes with a datagram or in its place: ICMP errors, control messages, and looking before
// taking.
#include <gtest/gtest.h>

#include <set>

#include "socket_host.h"  // beside this file

namespace tapedeck {
namespace {

class UdpMessagesTest : public ::testing::Test {
 protected:
  SocketHost host;
};

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

TEST_F(UdpMessagesTest, PortUnreachableReachesAConnectedSocketOnce) {
  const int fd = host.ConnectedUdp(7000, 9);
  EXPECT_EQ(host.Send(fd, BytesFrom("x")), 1);
  AnswerWithIcmp(host, wire::kIcmpDestUnreachable, wire::kIcmpPortUnreachable);
  EXPECT_EQ(host.PollNow(fd), EPOLLERR | EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
  Bytes buffer(10);
  EXPECT_EQ(host.Recv(fd, &buffer), -ECONNREFUSED);
  EXPECT_EQ(host.Recv(fd, &buffer), -EAGAIN);
}

TEST_F(UdpMessagesTest, AnUnconnectedSocketHearsOfErrorsOnlyWithRecverr) {
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
TEST_F(UdpMessagesTest, ASoftErrorLeavesAConnectedSocketAlone) {
  const int fd = host.ConnectedUdp(7000, 9);
  EXPECT_EQ(host.Send(fd, BytesFrom("x")), 1);
  AnswerWithIcmp(host, wire::kIcmpDestUnreachable, wire::kIcmpHostUnreachable);
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoError), 0);
}

// What the error queue holds, byte for byte as the kernel fills it (6.18, asked).
TEST_F(UdpMessagesTest, TheErrorQueueTellsWhatFailedAndWhoSaidSo) {
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

TEST_F(UdpMessagesTest, FragmentationNeededLowersThePathMtu) {
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

TEST_F(UdpMessagesTest, ControlMessagesTellWhereAndHowADatagramCame) {
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

TEST_F(UdpMessagesTest, AControlMessageSetsTtlAndTosOfOneDatagram) {
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

TEST_F(UdpMessagesTest, PeekAndTruncWorkAsInLinux) {
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

TEST_F(UdpMessagesTest, PeekOffWalksThroughTheQueue) {
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

TEST_F(UdpMessagesTest, AnEmptyDatagramIsPeekedAtAgainAndAgain) {
  const int fd = host.BoundUdp(7000);
  host.ReceiveUdp(9, 7000, "");
  Bytes buffer(3);
  EXPECT_EQ(host.Recv(fd, &buffer, MSG_PEEK), 0);
  EXPECT_EQ(host.Recv(fd, &buffer, MSG_PEEK), 0);
  EXPECT_EQ(host.Recv(fd, &buffer), 0);
  EXPECT_EQ(host.Recv(fd, &buffer), -EAGAIN);
}

TEST_F(UdpMessagesTest, AFaultingBufferIsEfaultAndLosesTheDatagram) {
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
