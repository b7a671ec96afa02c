// What a live run is made of: the host, its NIC, its applications, the seed. A recording holds them
// as a line of text, from which the same run can be made again.
#ifndef TAPEDECK_REPLAY_RECORDING_LIVE_SETTINGS_H_
#define TAPEDECK_REPLAY_RECORDING_LIVE_SETTINGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "replay/apps/services.h"
#include "stack/base/ip_address.h"
#include "stack/drivers/ixgbe.h"

namespace tapedeck {

struct LiveSettings {
  uint64_t seed = 0x5eed0001;
  std::string costs = "free";  // the name of a preset
  uint32_t hz = 1000;          // 100, 250 or 1000
  uint32_t eitr = ixgbe::IxgbeOptions{}.eitr;
  uint16_t rx_ring = ixgbe::IxgbeOptions{}.rx_ring_entries;
  uint16_t tx_ring = ixgbe::IxgbeOptions{}.tx_ring_entries;
  MacAddress mac{0x02, 0x00, 0x00, 0x99, 0x00, 0x02};
  Ipv4Address address{10, 99, 0, 2};  // kIpv4Any: none
  uint8_t prefix_bits = 24;
  std::optional<Ipv6Address> address6 =
      Ipv6Address(std::array<uint16_t, 8>{0xfd00, 0x99, 0, 0, 0, 0, 0, 2});
  uint8_t prefix6_bits = 64;
  std::optional<Ipv4Address> gateway;
  std::optional<Ipv6Address> gateway6;
  std::vector<Service> services;

  friend bool operator==(const LiveSettings&, const LiveSettings&) = default;
};

// "seed 5eed0001  costs free  hz 1000  ...": names and values, in this order, "-" for what there is
// not.
std::string LiveSettingsText(const LiveSettings& settings);
// The same back. Names may be missing and come in any order. The error names what cannot be read.
absl::StatusOr<LiveSettings> ParseLiveSettings(absl::string_view text);
// Sets one of them by its name there. The error says what is expected.
absl::Status SetLiveSetting(absl::string_view name, absl::string_view value,
                            LiveSettings* settings);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_RECORDING_LIVE_SETTINGS_H_
