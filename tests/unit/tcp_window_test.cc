// The first window, and how windows follow the receive buffer (tcp_select_initial_window,
// __tcp_select_window).
#include <gtest/gtest.h>

#include "socket_host.h"  // beside this file
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_output.h"

namespace tapedeck {
namespace {

class TcpWindowTest : public ::testing::Test {
 protected:
  TcpWindowTest() : sk(sk_alloc(host.n, kAfInet, &tcp_prot)) {
    settings().rmem[2] = 6291456;  // of a host with little memory, as in most captures
    tp()->window_clamp = 0;
  }
  ~TcpWindowTest() override { sock_put(sk); }
  tcp_sock* tp() { return tcp_sk(sk); }
  tcp_settings& settings() { return net_tcp(host.n).settings; }

  struct Initial {
    uint32_t rcv_wnd = 0;
    uint32_t clamp = 0;
    uint8_t wscale = 0;
    bool operator==(const Initial&) const = default;
  };
  Initial Select(int space, uint32_t mss, bool wscale_ok, uint32_t clamp = 0,
                 uint32_t init_rcv_wnd = 0) {
    Initial out{.clamp = clamp};
    tcp_select_initial_window(sk, space, mss, &out.rcv_wnd, &out.clamp, wscale_ok, &out.wscale,
                              init_rcv_wnd);
    return out;
  }

  SocketHost host;
  sock* sk;
};

// The 64240 that every capture of a Linux client begins with: 44 segments of 1460 bytes.
TEST_F(TcpWindowTest, DefaultsOfEthernet) {
  EXPECT_EQ(Select(65536, 1460, true), (Initial{64240, 65535U << 7, 7}));
  EXPECT_EQ(Select(65536, 1460, false), (Initial{64240, 65535, 0}));
}

TEST_F(TcpWindowTest, ScaleIsForTheLargestBuffer) {
  settings().rmem[2] = 33554432;
  EXPECT_EQ(Select(65536, 1460, true).wscale, 10);
  settings().rmem[2] = 65536;  // rmem_max decides: 4 MiB
  EXPECT_EQ(Select(65536, 1460, true).wscale, 7);
  settings().rmem[2] = INT32_MAX;  // RFC 7323: at most 14
  EXPECT_EQ(Select(65536, 1460, true).wscale, 14);
}

TEST_F(TcpWindowTest, ClampAndRouteLimitIt) {
  EXPECT_EQ(Select(65536, 1000, true, 10000), (Initial{10000, 10000, 0}));
  EXPECT_EQ(Select(65536, 1000, true, 0, 10).rcv_wnd, 10000U);
  EXPECT_EQ(Select(-1, 1460, true).rcv_wnd, 0U);
  EXPECT_EQ(Select(500, 1460, true).rcv_wnd, 500U) << "less than a segment stays";
}

TEST_F(TcpWindowTest, SignedWindows) {
  settings().workaround_signed_windows = 1;
  EXPECT_EQ(Select(65536, 1460, false).rcv_wnd, 32767U);
}

class TcpSelectWindowTest : public TcpWindowTest {
 protected:
  // A buffer of 65536 window bytes and segments of 1000.
  TcpSelectWindowTest() {
    sk->sk_rcvbuf = 131072;
    tp()->scaling_ratio = 128;
    tp()->window_clamp = 65535U << 7;
    tp()->rcv_ssthresh = 60000;
    tp()->icsk_ack.rcv_mss = 1000;
  }
  // `window_bytes` of the buffer are in use.
  void Use(uint32_t window_bytes) { sk->sk_rmem_alloc = window_bytes * 2; }
  ~TcpSelectWindowTest() override { sk->sk_rmem_alloc = 0; }
};

TEST_F(TcpSelectWindowTest, WithScalingItIsWhatIsFree) {
  tp()->rx_opt.rcv_wscale = 7;
  EXPECT_EQ(__tcp_select_window(sk), 60032U) << "ssthresh, rounded up to the unit";
  Use(40000);
  EXPECT_EQ(__tcp_select_window(sk), 25472U) << "65536 - 40000, rounded down, for it is scarce";
  Use(65536 - 4095);
  EXPECT_EQ(__tcp_select_window(sk), 0U) << "below a sixteenth";
}

TEST_F(TcpSelectWindowTest, WithoutScalingItMovesBySegments) {
  tp()->rcv_wnd = 50000;
  tp()->rcv_ssthresh = 50900;
  EXPECT_EQ(__tcp_select_window(sk), 50000U) << "within a segment of what it was";
  tp()->rcv_ssthresh = 51900;
  EXPECT_EQ(__tcp_select_window(sk), 51000U);
}

TEST_F(TcpSelectWindowTest, WhatWasOfferedStaysOffered) {
  tp()->rx_opt.rcv_wscale = 7;
  tp()->rcv_nxt = tp()->rcv_wup = SeqNum(1);
  tp()->rcv_wnd = 60032;
  Use(65536 - 4095);
  EXPECT_EQ(tcp_select_window(sk), 60032 >> 7);
  EXPECT_EQ(host.n.tcp_ext_mib.Get(TcpExtMib::kTCPWantZeroWindowAdv), 1U);
  settings().shrink_window = 1;
  EXPECT_EQ(tcp_select_window(sk), 0);
  EXPECT_EQ(host.n.tcp_ext_mib.Get(TcpExtMib::kTCPToZeroWindowAdv), 1U);
  Use(0);
  EXPECT_EQ(tcp_select_window(sk), 60032 >> 7);
  EXPECT_EQ(host.n.tcp_ext_mib.Get(TcpExtMib::kTCPFromZeroWindowAdv), 1U);
}

TEST_F(TcpSelectWindowTest, NoMemoryClosesIt) {
  tp()->rcv_wnd = 60000;
  tp()->icsk_ack.pending |= ICSK_ACK_NOMEM;
  EXPECT_EQ(tcp_select_window(sk), 0);
  EXPECT_EQ(tp()->rcv_wnd, 0U);
}

}  // namespace
}  // namespace tapedeck
