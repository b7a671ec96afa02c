// This machine's kernel as a peer: a frame is written to a TAP device in a network namespace of its
// own, and an application reads the datagram, in one thread. Without root there are no cases.
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "replay/live/net_namespace.h"
#include "replay/live/tap_device.h"
#include "replay/outside/own_fd.h"
#include "stack/base/check.h"
#include "tests/bench/suite.h"
#include "tests/bench/traffic.h"

namespace tapedeck::bench {

namespace {

constexpr char kDevice[] = "bench0";
constexpr uint8_t kPrefixBits = 24;

// A device that is up and has the host's address; its kernel answers for it.
absl::StatusOr<TapDevice> OpenKernel() {
  absl::StatusOr<TapDevice> tap = TapDevice::Open(kDevice, /*create=*/true);
  if (!tap.ok()) return tap.status();
  TapDevice::KernelSide side;
  side.address = kHostAddress;
  side.prefix_bits = kPrefixBits;
  const absl::Status up = tap->Configure(side);
  if (!up.ok()) return up;
  return tap;
}

class KernelReceive : public Case {
 public:
  explicit KernelReceive(size_t frame_bytes)
      : tap_(OpenKernel().value()),
        socket_(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)),
        frame_(UdpFrame(frame_bytes, kSinkPort)) {
    sockaddr_in here = {};
    here.sin_family = AF_INET;
    here.sin_port = htons(kSinkPort);
    CHECK_EQ(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&here), sizeof(here)), 0);
    // The frame goes to whatever MAC address the device was given.
    ifreq request = {};
    std::strncpy(request.ifr_name, kDevice, IFNAMSIZ - 1);
    CHECK_EQ(ioctl(socket_.get(), SIOCGIFHWADDR, &request), 0);
    std::copy_n(request.ifr_hwaddr.sa_data, 6, frame_.begin());
    Run();
  }

  // Counts datagrams that were read.
  uint64_t Run() override {
    constexpr int kBatches = 500;
    constexpr uint64_t kBatch = 32;  // a poll's worth, which fits any receive buffer
    for (int i = 0; i < kBatches; ++i) {
      for (uint64_t j = 0; j < kBatch; ++j) CHECK_EQ(tap_.Write(frame_), 0);
      CHECK_EQ(Drain(), kBatch);
    }
    return kBatches * kBatch;
  }

 private:
  uint64_t Drain() {
    uint64_t datagrams = 0;
    uint8_t buffer[2048];
    while (recv(socket_.get(), buffer, sizeof(buffer), 0) >= 0) ++datagrams;
    return datagrams;
  }

  TapDevice tap_;
  OwnFd socket_;
  std::vector<uint8_t> frame_;
};

}  // namespace

}  // namespace tapedeck::bench

int main(int argc, char** argv) {
  using namespace tapedeck::bench;
  Suite suite;
  const auto inside = tapedeck::NetNamespace::Enter("tapedeck-bench-" + std::to_string(getpid()),
                                                    /*create=*/true);
  const absl::Status usable = inside.ok() ? OpenKernel().status() : inside.status();
  if (usable.ok()) {
    suite.Add("kernel/udp_receive_60", "datagrams",
              [] { return std::make_unique<KernelReceive>(kSmallFrameBytes); });
    suite.Add("kernel/udp_receive_1514", "datagrams",
              [] { return std::make_unique<KernelReceive>(kLargeFrameBytes); });
  } else {
    std::fprintf(stderr, "kernel_bench: %s\n", std::string(usable.message()).c_str());
  }
  return suite.Main(argc, argv);
}
