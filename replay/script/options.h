// How a script wants to be run: packetdrill's --name=value lines at its top, and what a command
// line says over it.
#ifndef TAPEDECK_REPLAY_SCRIPT_OPTIONS_H_
#define TAPEDECK_REPLAY_SCRIPT_OPTIONS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "stack/base/ip_address.h"
#include "stack/base/time.h"

namespace tapedeck {

// What "..." means as a socket's domain, and what is on the wire.
enum class IpVersion : uint8_t {
  kIpv4,
  kIpv4MappedIpv6,  // AF_INET6 sockets with ::ffff:a.b.c.d, IPv4 on the wire
  kIpv6,
};

std::string_view IpVersionName(IpVersion version);  // "ipv4-mapped-ipv6"

// Absent: not said; the player has its defaults.
struct ScriptOptions {
  std::optional<IpVersion> ip_version;
  std::optional<IpAddress> local_ip;   // of the host under test
  std::optional<IpAddress> remote_ip;  // of its peer; a prefix length behind it is dropped
  std::optional<IpAddress> gateway_ip;
  std::optional<IpAddress> netmask_ip;
  std::optional<uint16_t> bind_port;     // of the default address for bind
  std::optional<uint16_t> connect_port;  // of the default address for connect and sendto
  // Inbound TCP packets with more payload than this reach the stack as GRO would have merged them
  // from segments of this size (gso_size).
  std::optional<uint32_t> mss;
  std::optional<uint32_t> mtu_bytes;
  std::optional<uint32_t> speed_mbps;
  // An event may be off by the larger of the two: a time, and a share of the time that the script
  // has between it and the event before.
  std::optional<Duration> tolerance;
  std::optional<double> tolerance_percent;
  // How much time a tick of a timestamp is; outbound timestamps are compared where it is given.
  std::optional<Duration> tcp_ts_tick;
  bool tcp_ts_ecr_scaled = false;
  // Outbound packets match one by one; else several may make up one that is expected.
  bool strict_segments = false;
  // Send buffers are not freed after the call: for zero-copy. Ours never are too early.
  bool send_omit_free = false;
  bool is_anyip = false;
  bool non_fatal_packet = false;
  bool non_fatal_syscall = false;
  // --define=NAME=value: a word that is NAME reads as if `value` stood there. Of a script that has
  // been read they are gone.
  std::map<std::string, std::string, std::less<>> defines;

  // Takes one option, `value` being none where there is no "=". InvalidArgument for a name that is
  // unknown and a value that is out of range: "--mss: expected a number in 1..65535, found 'x'".
  absl::Status Set(std::string_view name, std::optional<std::string_view> value);

  // Where `over` says something, that is taken.
  void Override(const ScriptOptions& over);

  friend bool operator==(const ScriptOptions&, const ScriptOptions&) = default;
};

// "--mss=1000\n--strict_segments\n": a line for each option that is said.
std::string PrintOptionLines(const ScriptOptions& options);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_OPTIONS_H_
