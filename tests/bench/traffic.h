// The frames and capture files that all benchmarks, ours and the peers', are fed with.
#ifndef TAPEDECK_TESTS_BENCH_TRAFFIC_H_
#define TAPEDECK_TESTS_BENCH_TRAFFIC_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "stack/base/ip_address.h"

namespace tapedeck::bench {

inline constexpr MacAddress kHostMac{std::array<uint8_t, 6>{0x02, 0, 0, 0, 0, 1}};
inline constexpr MacAddress kPeerMac{std::array<uint8_t, 6>{0x02, 0, 0, 0, 0, 2}};
inline constexpr Ipv4Address kHostAddress{10, 0, 0, 1};
inline constexpr Ipv4Address kPeerAddress{10, 0, 0, 2};
inline constexpr uint16_t kPeerPort = 4000;
// An application reads what comes to this port, and one sends back what comes to that.
inline constexpr uint16_t kSinkPort = 5000;
inline constexpr uint16_t kEchoPort = 7;

// Frame sizes without FCS: "64 B" and the largest untagged frame.
inline constexpr size_t kSmallFrameBytes = 60;
inline constexpr size_t kLargeFrameBytes = 1514;

// A UDP datagram from the peer to `port` of the host, or of `daddr` behind it, in an Ethernet frame
// of `frame_bytes`.
std::vector<uint8_t> UdpFrame(size_t frame_bytes, uint16_t port, Ipv4Address daddr = kHostAddress);
// The peer asks for the host's MAC address, and so tells its own.
std::vector<uint8_t> ArpRequest();

// A capture of UDP datagrams to kSinkPort, one each microsecond (1514 B: each two), that is removed
// at the end.
class CaptureFile {
 public:
  enum class Format : uint8_t { kPcap, kPcapng };
  CaptureFile(size_t frame_bytes, uint64_t frames, Format format = Format::kPcap);
  CaptureFile(const CaptureFile&) = delete;
  CaptureFile& operator=(const CaptureFile&) = delete;
  ~CaptureFile();

  const std::string& path() const { return path_; }
  uint64_t frames() const { return frames_; }

 private:
  std::string path_;
  uint64_t frames_;
};

// How many frames the captures have with which both sides of a ratio are measured.
constexpr uint64_t CaptureFrames(size_t frame_bytes) {
  return frame_bytes > 1000 ? 20'000 : 200'000;
}

}  // namespace tapedeck::bench

#endif  // TAPEDECK_TESTS_BENCH_TRAFFIC_H_
