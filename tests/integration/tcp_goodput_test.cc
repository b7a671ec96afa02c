// How fast one connection is, against formulas: a window a round trip, Mathis' square root of the
// loss, the rate of a bottleneck.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>

#include "tcp_lab.h"

namespace tapedeck {
namespace {

constexpr double kMssBytes = 1448;
// What a full segment takes on a wire: MSS, timestamps, headers, preamble, FCS and gap.
constexpr double kWireBytes = kMssBytes + 12 + 20 + 20 + 14 + 24;
constexpr int kClientFd = 3;  // the first that the client has

double Seconds(Duration duration) { return static_cast<double>(duration.ps) * 1e-12; }

LabOptions NoTrace(const LinkOptions& there, const LinkOptions& back) {
  LabOptions options = TcpLabOptions();
  options.links[0] = there;
  options.links[1] = back;
  options.trace = false;
  return options;
}

// A sender without end from host 0 to host 1.
struct Bulk {
  Bulk(const LabOptions& options, const char* congestion_control, uint32_t receive_buffer_bytes)
      : lab(options) {
    AppPlan plan;
    plan.request_bytes = uint64_t{1} << 40;
    std::snprintf(plan.congestion_control, sizeof(plan.congestion_control), "%s",
                  congestion_control);
    lab.Serve(1, receive_buffer_bytes);
    lab.Ask(0, plan, 1);
  }
  // Bytes a second that the receiver reads in `duration`, once `warm_up` is over.
  double Goodput(Duration warm_up, Duration duration) {
    lab.RunFor(warm_up);
    const uint64_t before = lab.server(1).bytes_received;
    lab.RunFor(duration);
    EXPECT_EQ(lab.server(1).wrong_bytes, 0U);
    return static_cast<double>(lab.server(1).bytes_received - before) / Seconds(duration);
  }
  // The largest window that the receiver offers; what it says varies with what is not read yet.
  uint32_t LargestWindow() {
    uint32_t window = 0;
    for (int i = 0; i < 50; ++i) {
      lab.RunFor(Duration::Microseconds(1700));
      window = std::max(window, lab.Info(0, kClientFd).tcpi_snd_wnd);
    }
    return window;
  }
  TcpLab lab;
};

void Report(const std::string& what, double found, double formula) {
  std::printf("%s: %.0f bytes/s, formula %.0f (%+.1f %%)\n", what.c_str(), found, formula,
              100 * (found / formula - 1));
}

// With a receive buffer that is small for the path, each round trip carries one window.
TEST(TcpGoodput, IsTheReceiveWindowOverTheRoundTrip) {
  for (const uint32_t buffer_bytes : {20'000U, 64'000U, 200'000U}) {
    for (const uint64_t delay_ms : {5U, 40U}) {
      const LinkOptions link{.delay = Duration::Milliseconds(delay_ms)};
      Bulk bulk(NoTrace(link, link), "cubic", buffer_bytes);
      const double goodput = bulk.Goodput(Duration::Seconds(2), Duration::Seconds(1));
      const uint32_t window = bulk.LargestWindow();
      // SO_RCVBUF is doubled for overhead; the window is what remains.
      EXPECT_GT(window, buffer_bytes / 2);
      EXPECT_LE(window, 2 * buffer_bytes);
      const double formula = window / Seconds(Duration::Milliseconds(2 * delay_ms));
      Report("window " + std::to_string(window) + " over " + std::to_string(2 * delay_ms) + " ms",
             goodput, formula);
      EXPECT_NEAR(goodput / formula, 1, 0.1);
      EXPECT_TRUE(bulk.lab.Shutdown());
    }
  }
}

// Mathis, Semke, Mahdavi, Ott 1997: MSS / RTT * sqrt(3 / (2 p)), where each segment is counted
// however many an ACK covers, as Linux does.
TEST(TcpGoodput, OfRenoIsMathisAtSmallLoss) {
  for (const uint32_t loss_ppm : {1000U, 4000U}) {
    const Duration delay = Duration::Milliseconds(10);
    const LinkOptions there{.delay = delay, .loss_ppm = loss_ppm};
    Bulk bulk(NoTrace(there, {.delay = delay}), "reno", 0);
    const double goodput = bulk.Goodput(Duration::Seconds(5), Duration::Seconds(100));
    const double formula = kMssBytes / Seconds(delay * 2) * std::sqrt(1.5 / (loss_ppm * 1e-6));
    Report("reno at " + std::to_string(loss_ppm) + " lost of a million", goodput, formula);
    EXPECT_NEAR(goodput / formula, 1, 0.2);
    EXPECT_TRUE(bulk.lab.Shutdown());
  }
}

// A queue of one round trip before the bottleneck: every congestion control fills it.
TEST(TcpGoodput, ReachesTheRateOfTheBottleneck) {
  for (const char* const name : {"cubic", "reno", "bbr", "dctcp"}) {
    for (const uint64_t rate : {2'000'000U, 20'000'000U}) {
      const Duration delay = Duration::Milliseconds(10);
      const double queue = static_cast<double>(rate) / 8 / kWireBytes * Seconds(delay * 2);
      const LinkOptions there{.delay = delay,
                              .rate_bits_per_second = rate,
                              .queue_frames = 10 + static_cast<uint32_t>(queue)};
      Bulk bulk(NoTrace(there, {.delay = delay}), name, 0);
      const double goodput = bulk.Goodput(Duration::Seconds(4), Duration::Seconds(6));
      const double formula = static_cast<double>(rate) / 8 * kMssBytes / kWireBytes;
      Report(std::string(name) + " at " + std::to_string(rate) + " bit/s", goodput, formula);
      EXPECT_NEAR(goodput / formula, 1, 0.1) << name;
      EXPECT_TRUE(bulk.lab.Shutdown());
    }
  }
}

}  // namespace
}  // namespace tapedeck
