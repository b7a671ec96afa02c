// How a script is played against a tun device: what its options and its caller leave open, filled
// in. Defaults are packetdrill's (packetdrill.h, config.c) as its test suites run it.
#ifndef TAPEDECK_REPLAY_LAB_PLAY_SETTINGS_H_
#define TAPEDECK_REPLAY_LAB_PLAY_SETTINGS_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "replay/script/options.h"
#include "stack/base/ip_address.h"
#include "stack/base/time.h"

namespace tapedeck {

// How far events may be off where a script does not say so itself.
enum class TolerancePolicy : uint8_t {
  kExact,   // not at all
  kKernel,  // as for a kernel in real time: the larger of 4 ms and 12.5 %
};

struct PlaySettings {
  IpVersion ip_version = IpVersion::kIpv4;
  IpAddress local;  // on the wire: of the host under test
  IpAddress remote;
  IpAddress gateway;
  uint8_t local_prefix_bits = 16;
  uint8_t remote_prefix_bits = 24;
  uint16_t bind_port = 8080;
  uint16_t connect_port = 8080;
  uint32_t mtu_bytes = 1500;
  uint16_t mss_bytes = 0;  // 0: inbound packets are no merged ones
  Duration tolerance;
  double tolerance_percent = 0;
  // What each step takes, as the tool's do: scripts written for its tolerance may need to be apart
  // what would be at one moment here (a write 1 ms behind an ACK, and a rule that asks for more
  // than 1 ms).
  Duration step_time;
  std::optional<Duration> tcp_ts_tick;
  bool tcp_ts_ecr_scaled = false;
  bool strict_segments = false;
  bool non_fatal_packet = false;

  // Of sockets: "..." as their domain, and the addresses that calls get.
  int domain() const;
  Endpoint bind_endpoint() const { return SocketEndpoint(local, bind_port); }
  Endpoint connect_endpoint() const { return SocketEndpoint(remote, connect_port); }

  // How far an event may be off that the script has `gap` behind the one before.
  Duration ToleranceFor(Duration gap) const;

 private:
  Endpoint SocketEndpoint(const IpAddress& address, uint16_t port) const;
};

// InvalidArgument where an address is of the wrong family.
absl::StatusOr<PlaySettings> MakePlaySettings(const ScriptOptions& options, TolerancePolicy policy);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_PLAY_SETTINGS_H_
