// Numbers that wrap inside a connection: sequence numbers of either side, timestamps, jiffies.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ipv4.h"
#include "tcp_lab.h"

namespace tapedeck {
namespace {

constexpr uint16_t kClientPort = 40'000;

struct Ends {
  IpAddress address[2] = {IpAddress(kTcpLabAddress[0]), IpAddress(kTcpLabAddress[1])};
  be16 port[2] = {be16(kClientPort), be16(kTcpLabPort)};
};

// What host `i` would start the connection between the two ports with, now.
tcp_seq_and_ts_off Start(TcpLab& lab, int i) {
  const Ends ends;
  return secure_tcp_seq_and_ts_off(lab.network(i), ends.address[i], ends.address[1 - i],
                                   ends.port[i], ends.port[1 - i]);
}

// Gives host `i` the first secret with which `wanted` holds of what it starts with.
template <typename Wanted>
void ChooseSecret(TcpLab& lab, int i, Wanted wanted) {
  SipHashKey& secret = net_tcp(lab.network(i)).net_secret;
  for (secret.k1 = 0;; ++secret.k1) {
    if (wanted(Start(lab, i))) return;
  }
}

class TcpWrap : public ::testing::Test {
 protected:
  TcpWrap() {
    // The client has no other port to choose.
    lab_.Set(0, "net/ipv4/ip_local_port_range", "40000 40000");
    lab_.Serve(1);
  }
  void AskAndCheck(const AppPlan& plan) {
    lab_.Ask(0, plan, 1);
    ASSERT_TRUE(lab_.RunClients());
    EXPECT_TRUE(lab_.AllIsRight());
    EXPECT_TRUE(lab_.Shutdown());
  }
  static LinkOptions Path() {
    return {.delay = Duration::Milliseconds(1),
            .rate_bits_per_second = 100'000'000,
            .queue_frames = 50,
            .loss_ppm = 20'000,
            .reorder_ppm = 20'000,
            .reorder_delay = Duration::Milliseconds(2)};
  }

  TcpLab lab_{TcpLabOptions(Path())};
};

// Both sides' sequence numbers wrap within their first 300 KB, among losses and reordering.
TEST_F(TcpWrap, SequenceNumbersOfBothSides) {
  constexpr uint32_t kBefore = 300'000;
  for (int i = 0; i < 2; ++i) {
    ChooseSecret(lab_, i, [](const tcp_seq_and_ts_off& start) {
      // Until the SYN is sent the clock of ISNs, 64 ns a step, moves on by at most 5 ms.
      return start.seq > UINT32_MAX - kBefore && start.seq < UINT32_MAX - kBefore / 2;
    });
  }
  lab_.Ask(0, {.request_bytes = 600'000, .response_bytes = 600'000}, 1);
  lab_.RunFor(Duration::Milliseconds(6));
  const auto* const sk = static_cast<const tcp_sock*>(
      static_cast<socket*>(lab_.lab().host(0).syscalls().files().fcheck(3)->private_data)->sk);
  EXPECT_GT(sk->snd_una.value(), uint32_t{1} << 31);  // not yet
  EXPECT_GT(sk->rcv_nxt.value(), uint32_t{1} << 31);
  ASSERT_TRUE(lab_.RunClients());
  EXPECT_TRUE(lab_.AllIsRight());
  EXPECT_TRUE(lab_.Shutdown());
}

// The client's timestamps wrap within its first half to four and a half seconds; the connection
// lives for longer.
TEST_F(TcpWrap, TimestampsDoNotFailPaws) {
  lab_.Set(0, "net/ipv4/tcp_timestamps", "1");
  const auto now_ms = static_cast<uint32_t>(lab_.now().ps / 1'000'000'000);
  ChooseSecret(lab_, 0, [now_ms](const tcp_seq_and_ts_off& start) {
    return start.ts_off + now_ms > UINT32_MAX - 4500 && start.ts_off + now_ms < UINT32_MAX - 500;
  });
  AskAndCheck({.requests_per_connection = 600, .request_bytes = 3000, .response_bytes = 3000});
  EXPECT_GT(lab_.now().ps, Duration::Seconds(5).ps);
  EXPECT_EQ(lab_.network(1).tcp_ext_mib.Get(TcpExtMib::kPAWSEstab), 0U);
}

// Jiffies start five minutes before their low 32 bits wrap. A connection that works before, at and
// after that, with its timers.
TEST_F(TcpWrap, JiffiesUnderARunningConnection) {
  Kernel& kernel = lab_.lab().host(0).kernel();
  const uint64_t wrap = uint64_t{1} << 32;
  ASSERT_LT(kernel.jiffies(), wrap);
  const Duration before = kernel.TimeOfJiffy(wrap) - lab_.now() - Duration::Seconds(2);
  lab_.RunFor(before);
  AskAndCheck({.requests_per_connection = 600, .request_bytes = 3000, .response_bytes = 3000});
  EXPECT_GT(kernel.jiffies(), wrap);
}

}  // namespace
}  // namespace tapedeck
