#include "replay/standin/latency.h"

#include <algorithm>
#include <array>

#include "replay/standin/neighbours.h"
#include "stack/core/uapi.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/udp.h"

namespace tapedeck::standin {
namespace {

constexpr size_t kDatagramHeaders =
    sizeof(wire::EthernetHeader) + wire::kIpv4HeaderBytes + wire::kUdpHeaderBytes;
// From the shortest frame to a full one: payloads of datagrams.
constexpr std::array<size_t, 4> kProbeBytes = {18, 200, 700, 1'472};
constexpr Duration kBetweenProbes = Duration::Milliseconds(5);
constexpr size_t kProbeArenaBytes = size_t{64} << 20;
// Network for benchmarks, RFC 2544.
constexpr Ipv4Address kProbeHost(198, 18, 0, 2);
constexpr Ipv4Address kProbePeer(198, 18, 0, 1);
const Endpoint kProbeEnd{kProbePeer, uint16_t{9}};

// When each probe was called for, and when it left.
struct ProbeTimes : FrameListener {
  void OnFrame(uint8_t, SimTime first_bit, std::span<const uint8_t> frame) override {
    for (size_t i = 0; i < kProbeBytes.size(); ++i) {
      if (frame.size() == kProbeBytes[i] + kDatagramHeaders) left[i] = first_bit;
    }
  }
  std::array<SimTime, kProbeBytes.size()> called;
  std::array<SimTime, kProbeBytes.size()> left;
};

Task<> SendProbes(Thread& thread, Host& host, ProbeTimes& times) {
  Syscalls& sys = host.syscalls();
  const auto fd = static_cast<int>(co_await sys.Socket(thread, kAfInet, SOCK_DGRAM, 0));
  const std::vector<uint8_t> bytes(kProbeBytes.back());
  // The first one warms up.
  co_await sys.Sendto(thread, fd, std::span(bytes).first(1), 0, kProbeEnd);
  for (size_t i = 0; i < kProbeBytes.size(); ++i) {
    if (!co_await SleepFor(thread, kBetweenProbes)) co_return;
    times.called[i] = host.kernel().now();
    co_await sys.Sendto(thread, fd, std::span(bytes).first(kProbeBytes[i]), 0, kProbeEnd);
  }
  co_await sys.Close(thread, fd);
}

}  // namespace

SendLatency SendLatency::Measure(const LabOptions& options) {
  LabOptions lab_options = options;
  lab_options.observer = nullptr;
  lab_options.edits = nullptr;
  // Beside the Lab of the run, which reserves more.
  lab_options.arena.hot_reserve_bytes = kProbeArenaBytes;
  lab_options.arena.pool_reserve_bytes = kProbeArenaBytes;
  LabHostOptions& host = lab_options.hosts[0];
  host.address = kProbeHost;
  host.prefix_length_bits = 32;
  host.everything_on_link = true;
  Lab lab(lab_options);
  AddNeighbour(lab, {kProbePeer, MacAddress{0x02, 0, 0, 0, 0, 0x01}});
  ProbeTimes times;
  lab.port(0).Listen(&times, 0);
  lab.host(0).kernel().Spawn(
      0, [&](Thread& thread) { return SendProbes(thread, lab.host(0), times); });
  lab.world().RunUntil(lab.world().now() + kBetweenProbes * (kProbeBytes.size() + 2));
  SendLatency latency;
  for (size_t i = 0; i < kProbeBytes.size(); ++i) {
    if (times.left[i] <= times.called[i]) continue;  // it did not get out
    latency.points_.push_back(
        {kProbeBytes[i] + kDatagramHeaders, times.left[i].ns() - times.called[i].ns()});
  }
  lab.Shutdown();
  return latency;
}

Duration SendLatency::Of(size_t frame_bytes) const {
  if (points_.empty()) return Duration();
  const auto next = std::find_if(points_.begin(), points_.end(), [&](const Point& point) {
    return point.frame_bytes >= frame_bytes;
  });
  if (next == points_.begin()) return Duration::Nanoseconds(next->ns);
  if (next == points_.end()) return Duration::Nanoseconds(points_.back().ns);
  const Point& a = *(next - 1);
  const Point& b = *next;
  const auto rise = static_cast<int64_t>(b.ns) - static_cast<int64_t>(a.ns);
  const auto share = static_cast<int64_t>(frame_bytes - a.frame_bytes);
  const int64_t ns = static_cast<int64_t>(a.ns) +
                     rise * share / static_cast<int64_t>(b.frame_bytes - a.frame_bytes);
  return Duration::Nanoseconds(static_cast<uint64_t>(ns));
}

}  // namespace tapedeck::standin
