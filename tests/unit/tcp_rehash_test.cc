// TCP over IPv6: another path where this one seems not to work, by another flow label.
#include <gtest/gtest.h>

#include "socket_host.h"  // beside this file

namespace tapedeck {
namespace {

// tcp_rcv_spurious_retrans: what was heard before comes again by another flow label: the peer seems
// not to hear us, and we take another path, which shows in our label.
TEST(TcpRehashTest, DataThatComesAgainByAnotherLabelChangesOurs) {
  SocketHost host(FreeCostTable(), true);
  const int listener = host.Socket6(SOCK_STREAM);
  ASSERT_EQ(host.Bind(listener, At(kUs6, 80)), 0);
  ASSERT_EQ(host.sys().Listen(*host.thread, listener, 1).RunNow(), 0);
  SeqNum isn;
  const auto receive = [&](uint32_t label, uint16_t flags, uint32_t seq, std::string_view data) {
    Bytes buffer(2000);
    wire::FrameBuilder builder(buffer);
    wire::Ipv6Header ip;
    ip.set_class_and_flow(0, label);
    ip.hop_limit = 64;
    ip.saddr = kPeer6;
    ip.daddr = kUs6;
    wire::TcpHeader th;
    th.source = uint16_t{40001};
    th.dest = uint16_t{80};
    th.seq = seq;
    th.ack_seq = isn.value() + 1;
    th.window = uint16_t{65535};
    th.set_flags(flags);
    builder.Ethernet(kOurMac, kPeerMac).Ipv6(ip);
    constexpr uint8_t kSackPermitted[] = {4, 2, 1, 1};
    const bool syn = (flags & wire::kTcpSyn) != 0;
    builder.Tcp(th, syn ? std::span<const uint8_t>(kSackPermitted) : std::span<const uint8_t>());
    builder.Payload(BytesFrom(data));
    const std::span<uint8_t> frame = builder.Build();
    host.Receive({frame.begin(), frame.end()});
    return host.TakeSent();
  };
  const std::vector<Bytes> syn_ack = receive(1, wire::kTcpSyn, 1000, "");
  ASSERT_EQ(syn_ack.size(), 1U);
  isn = SeqNum(LoadBe32(&syn_ack[0][14 + 40 + 4]));
  receive(1, wire::kTcpAck, 1001, "");
  const auto rehashed = [&] { return host.n.tcp_ext_mib.Get(TcpExtMib::kTcpDuplicateDataRehash); };
  receive(1, wire::kTcpAck, 1001, "data");
  const std::vector<Bytes> before = receive(1, wire::kTcpAck, 1001, "data");
  EXPECT_EQ(rehashed(), 0U);
  const std::vector<Bytes> after = receive(2, wire::kTcpAck, 1001, "data");
  EXPECT_EQ(rehashed(), 1U);
  ASSERT_FALSE(before.empty());
  ASSERT_FALSE(after.empty());
  EXPECT_NE(LoadBe32(&before.back()[14]), LoadBe32(&after.back()[14]));
}

}  // namespace
}  // namespace tapedeck
