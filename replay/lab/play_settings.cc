#include "replay/lab/play_settings.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "stack/core/uapi.h"

namespace tapedeck {

namespace {

constexpr Duration kKernelTolerance = Duration::Milliseconds(4);
constexpr double kKernelTolerancePercent = 12.5;
// packetdrill spins on its clock for the last 20 us before each event (MAX_SPIN_USECS).
constexpr Duration kKernelStepTime = Duration::Microseconds(20);

constexpr Ipv4Address kLocalIpv4{192, 168, 0, 1};
constexpr Ipv4Address kRemoteIpv4{192, 0, 2, 1};
constexpr Ipv4Address kGatewayIpv4{192, 168, 0, 1};
constexpr Ipv6Address kLocalIpv6{std::array<uint16_t, 8>{0xfd3d, 0x0a0b, 0x17d6, 0, 0, 0, 0, 1}};
constexpr Ipv6Address kRemoteIpv6{std::array<uint16_t, 8>{0xfd3d, 0xfa7b, 0xd17d, 0, 0, 0, 0, 1}};
constexpr Ipv6Address kGatewayIpv6{
    std::array<uint16_t, 8>{0xfd3d, 0x0a0b, 0x17d6, 0x8888, 0, 0, 0, 0}};
constexpr uint8_t kPrefixBitsIpv6 = 48;

absl::Status TakeAddress(const char* option, const std::optional<IpAddress>& given, bool v6,
                         IpAddress* address) {
  if (!given.has_value()) return absl::OkStatus();
  if (given->is_v6() != v6) {
    return absl::InvalidArgumentError(
        absl::StrCat(option, " ", given->ToString(), ": expected an IPv", v6 ? 6 : 4, " address"));
  }
  *address = *given;
  return absl::OkStatus();
}

}  // namespace

int PlaySettings::domain() const { return ip_version == IpVersion::kIpv4 ? kAfInet : kAfInet6; }

Endpoint PlaySettings::SocketEndpoint(const IpAddress& address, uint16_t port) const {
  if (ip_version != IpVersion::kIpv4MappedIpv6) return {address, be16(port)};
  return {Ipv6Address::Mapped(address.v4()), be16(port)};
}

Duration PlaySettings::ToleranceFor(Duration gap) const {
  const double share_ps = tolerance_percent / 100.0 * static_cast<double>(gap.ps);
  return std::max(tolerance, Duration::Picoseconds(static_cast<uint64_t>(share_ps)));
}

absl::StatusOr<PlaySettings> MakePlaySettings(const ScriptOptions& options,
                                              TolerancePolicy policy) {
  PlaySettings settings;
  settings.ip_version = options.ip_version.value_or(IpVersion::kIpv4);
  const bool v6 = settings.ip_version == IpVersion::kIpv6;
  settings.local = v6 ? IpAddress(kLocalIpv6) : IpAddress(kLocalIpv4);
  settings.remote = v6 ? IpAddress(kRemoteIpv6) : IpAddress(kRemoteIpv4);
  settings.gateway = v6 ? IpAddress(kGatewayIpv6) : IpAddress(kGatewayIpv4);
  if (v6) settings.local_prefix_bits = settings.remote_prefix_bits = kPrefixBitsIpv6;
  absl::Status status = TakeAddress("--local_ip", options.local_ip, v6, &settings.local);
  status.Update(TakeAddress("--remote_ip", options.remote_ip, v6, &settings.remote));
  status.Update(TakeAddress("--gateway_ip", options.gateway_ip, v6, &settings.gateway));
  if (!status.ok()) return status;
  if (options.netmask_ip.has_value() && options.netmask_ip->is_v4()) {
    settings.local_prefix_bits =
        static_cast<uint8_t>(std::countl_one(options.netmask_ip->v4().host()));
  }
  settings.bind_port = options.bind_port.value_or(settings.bind_port);
  settings.connect_port = options.connect_port.value_or(settings.connect_port);
  settings.mtu_bytes = options.mtu_bytes.value_or(settings.mtu_bytes);
  settings.mss_bytes = static_cast<uint16_t>(options.mss.value_or(0));
  const bool kernel = policy == TolerancePolicy::kKernel;
  if (kernel) settings.step_time = kKernelStepTime;
  settings.tolerance = options.tolerance.value_or(kernel ? kKernelTolerance : Duration());
  settings.tolerance_percent =
      options.tolerance_percent.value_or(kernel ? kKernelTolerancePercent : 0.0);
  settings.tcp_ts_tick = options.tcp_ts_tick;
  settings.tcp_ts_ecr_scaled = options.tcp_ts_ecr_scaled;
  settings.strict_segments = options.strict_segments;
  settings.non_fatal_packet = options.non_fatal_packet;
  return settings;
}

}  // namespace tapedeck
