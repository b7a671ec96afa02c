#include "replay/recording/live_settings.h"

#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "stack/kernel/cost_preset.h"

namespace tapedeck {

namespace {

absl::Status Expected(absl::string_view name, absl::string_view value, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(name, " ", value, ": expected ", what));
}

bool InRange(absl::string_view text, uint32_t min, uint32_t max, uint32_t* value) {
  uint32_t parsed = 0;
  if (!absl::SimpleAtoi(text, &parsed) || parsed < min || parsed > max) return false;
  *value = parsed;
  return true;
}

// "ADDRESS/LENGTH", or an address alone.
bool ParseWithPrefix(absl::string_view text, std::optional<IpAddress>* address,
                     std::optional<uint32_t>* prefix_bits) {
  const size_t slash = text.find('/');
  *address = IpAddress::Parse(std::string(text.substr(0, slash)));
  if (!address->has_value()) return false;
  if (slash == absl::string_view::npos) return true;
  uint32_t bits = 0;
  if (!InRange(text.substr(slash + 1), 1, (*address)->is_v4() ? 32 : 128, &bits)) return false;
  *prefix_bits = bits;
  return true;
}

absl::Status SetSeed(absl::string_view value, LiveSettings* settings) {
  uint64_t seed = 0;
  if (!absl::SimpleHexAtoi(value, &seed)) {
    return Expected("seed", value, "up to 16 hexadecimal digits");
  }
  settings->seed = seed;
  return absl::OkStatus();
}

absl::Status SetCosts(absl::string_view value, LiveSettings* settings) {
  if (!CostPresetNamed({value.data(), value.size()}).has_value()) {
    return Expected("costs", value, absl::StrCat("one of ", CostPresetNames()));
  }
  settings->costs = std::string(value);
  return absl::OkStatus();
}

absl::Status SetHz(absl::string_view value, LiveSettings* settings) {
  if (value != "100" && value != "250" && value != "1000") {
    return Expected("hz", value, "100, 250 or 1000");
  }
  (void)absl::SimpleAtoi(value, &settings->hz);
  return absl::OkStatus();
}

absl::Status SetEitr(absl::string_view value, LiveSettings* settings) {
  uint32_t eitr = 0;
  if (!absl::SimpleHexAtoi(value, &eitr) || eitr > 0xfff) {
    return Expected("eitr", value, "a hexadecimal number up to fff");
  }
  settings->eitr = eitr;
  return absl::OkStatus();
}

absl::Status SetRing(absl::string_view name, absl::string_view value, uint16_t* entries) {
  uint32_t parsed = 0;
  if (!InRange(value, 64, 4096, &parsed) || parsed % 8 != 0) {
    return Expected(name, value, "a multiple of 8 from 64 to 4096");
  }
  *entries = static_cast<uint16_t>(parsed);
  return absl::OkStatus();
}

absl::Status SetRxRing(absl::string_view value, LiveSettings* settings) {
  return SetRing("rx_ring", value, &settings->rx_ring);
}

absl::Status SetTxRing(absl::string_view value, LiveSettings* settings) {
  return SetRing("tx_ring", value, &settings->tx_ring);
}

absl::Status SetMac(absl::string_view value, LiveSettings* settings) {
  const std::optional<MacAddress> mac = MacAddress::Parse(std::string(value));
  if (!mac.has_value() || !mac->IsValidStation()) {
    return Expected("mac", value, "the address of a station, such as 02:00:00:00:00:02");
  }
  settings->mac = *mac;
  return absl::OkStatus();
}

absl::Status SetAddress(absl::string_view value, LiveSettings* settings) {
  std::optional<IpAddress> address;
  std::optional<uint32_t> bits = 24;
  if (value == "-") {
    settings->address = kIpv4Any;
    return absl::OkStatus();
  }
  if (!ParseWithPrefix(value, &address, &bits) || !address->is_v4() || address->IsAny() ||
      address->IsMulticast() || address->IsLoopback()) {
    return Expected("address", value, "an IPv4 address with its prefix's length, or -");
  }
  settings->address = address->v4();
  settings->prefix_bits = static_cast<uint8_t>(*bits);
  return absl::OkStatus();
}

absl::Status SetAddress6(absl::string_view value, LiveSettings* settings) {
  std::optional<IpAddress> address;
  std::optional<uint32_t> bits = 64;
  if (value == "-") {
    settings->address6 = std::nullopt;
    return absl::OkStatus();
  }
  if (!ParseWithPrefix(value, &address, &bits) || !address->is_v6() || address->IsAny() ||
      address->IsMulticast() || address->IsLoopback()) {
    return Expected("address6", value, "an IPv6 address with its prefix's length, or -");
  }
  settings->address6 = address->v6();
  settings->prefix6_bits = static_cast<uint8_t>(*bits);
  return absl::OkStatus();
}

absl::Status SetGateway(absl::string_view value, LiveSettings* settings) {
  settings->gateway = std::nullopt;
  if (value == "-") return absl::OkStatus();
  const std::optional<IpAddress> address = IpAddress::Parse(std::string(value));
  if (!address.has_value() || !address->is_v4()) {
    return Expected("gateway", value, "an IPv4 address, or -");
  }
  settings->gateway = address->v4();
  return absl::OkStatus();
}

absl::Status SetGateway6(absl::string_view value, LiveSettings* settings) {
  settings->gateway6 = std::nullopt;
  if (value == "-") return absl::OkStatus();
  const std::optional<IpAddress> address = IpAddress::Parse(std::string(value));
  if (!address.has_value() || !address->is_v6()) {
    return Expected("gateway6", value, "an IPv6 address, or -");
  }
  settings->gateway6 = address->v6();
  return absl::OkStatus();
}

absl::Status SetServices(absl::string_view value, LiveSettings* settings) {
  absl::StatusOr<std::vector<Service>> services = ParseServices(value);
  if (!services.ok()) return services.status();
  settings->services = *std::move(services);
  return absl::OkStatus();
}

struct SettingEntry {
  const char* name;
  absl::Status (*set)(absl::string_view value, LiveSettings* settings);
};

constexpr SettingEntry kSettingEntries[] = {
    {"seed", &SetSeed},       {"costs", &SetCosts},       {"hz", &SetHz},
    {"eitr", &SetEitr},       {"rx_ring", &SetRxRing},    {"tx_ring", &SetTxRing},
    {"mac", &SetMac},         {"address", &SetAddress},   {"address6", &SetAddress6},
    {"gateway", &SetGateway}, {"gateway6", &SetGateway6}, {"serve", &SetServices},
};

}  // namespace

std::string LiveSettingsText(const LiveSettings& s) {
  const std::string address =
      s.address == kIpv4Any ? "-" : absl::StrCat(s.address.ToString(), "/", s.prefix_bits);
  const std::string address6 =
      s.address6.has_value() ? absl::StrCat(s.address6->ToString(), "/", s.prefix6_bits) : "-";
  return absl::StrFormat(
      "seed %x  costs %s  hz %d  eitr %x  rx_ring %d  tx_ring %d  mac %s  address %s  address6 %s  "
      "gateway %s  gateway6 %s  serve %s",
      s.seed, s.costs, s.hz, s.eitr, s.rx_ring, s.tx_ring, s.mac.ToString(), address, address6,
      s.gateway.has_value() ? s.gateway->ToString() : "-",
      s.gateway6.has_value() ? s.gateway6->ToString() : "-", ServicesText(s.services));
}

absl::StatusOr<LiveSettings> ParseLiveSettings(absl::string_view text) {
  LiveSettings settings;
  const std::vector<std::string> words = absl::StrSplit(text, ' ', absl::SkipEmpty());
  for (size_t i = 0; i < words.size(); i += 2) {
    if (i + 1 == words.size()) {
      return absl::InvalidArgumentError(absl::StrCat("setting ", words[i], " has no value"));
    }
    if (absl::Status set = SetLiveSetting(words[i], words[i + 1], &settings); !set.ok()) return set;
  }
  return settings;
}

absl::Status SetLiveSetting(absl::string_view name, absl::string_view value,
                            LiveSettings* settings) {
  for (const SettingEntry& entry : kSettingEntries) {
    if (name == entry.name) return entry.set(value, settings);
  }
  return absl::InvalidArgumentError(absl::StrCat("there is no setting ", name));
}

}  // namespace tapedeck
