#include "replay/script/options.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/script/absl_view.h"

namespace tapedeck {
namespace {

using Value = std::optional<std::string_view>;

absl::Status Expected(std::string_view name, std::string_view what, const Value& value) {
  return absl::InvalidArgumentError(
      absl::StrCat("--", Absl(name), ": expected ", Absl(what), ", found ",
                   value.has_value() ? absl::StrCat("'", Absl(*value), "'") : "nothing"));
}

// --- What the values of options are ---

template <typename Number>
absl::Status SetNumber(std::string_view name, const Value& value, uint64_t min, uint64_t max,
                       std::optional<Number>& out) {
  uint64_t number = 0;
  if (!value.has_value() || !absl::SimpleAtoi(Absl(*value), &number) || number < min ||
      number > max) {
    return Expected(name, absl::StrCat("a number in ", min, "..", max), value);
  }
  out = static_cast<Number>(number);
  return absl::OkStatus();
}

absl::Status SetMicroseconds(std::string_view name, const Value& value, uint64_t min, uint64_t max,
                             std::optional<Duration>& out) {
  std::optional<uint64_t> us;
  absl::Status status = SetNumber(name, value, min, max, us);
  if (us.has_value()) out = Duration::Microseconds(*us);
  return status;
}

absl::Status SetAddress(std::string_view name, const Value& value, std::optional<IpAddress>& out) {
  // "192.0.2.1/24": packetdrill routes the whole prefix to itself; a wire of ours has one peer.
  const std::string_view text =
      value.has_value() ? value->substr(0, value->find('/')) : std::string_view();
  out = IpAddress::Parse(text);
  return out.has_value() ? absl::OkStatus() : Expected(name, "an IP address", value);
}

absl::Status SetFlag(std::string_view name, const Value& value, bool& out) {
  out = true;
  return value.has_value() ? Expected(name, "no value", value) : absl::OkStatus();
}

absl::Status SetIpVersion(std::string_view name, const Value& value,
                          std::optional<IpVersion>& out) {
  for (const IpVersion version : {IpVersion::kIpv4, IpVersion::kIpv4MappedIpv6, IpVersion::kIpv6}) {
    if (value != IpVersionName(version)) continue;
    out = version;
    return absl::OkStatus();
  }
  return Expected(name, "ipv4, ipv4-mapped-ipv6 or ipv6", value);
}

absl::Status SetPercent(std::string_view name, const Value& value, std::optional<double>& out) {
  double percent = 0;
  if (!value.has_value() || !absl::SimpleAtod(Absl(*value), &percent) ||
      !(percent >= 0 && percent <= 100)) {
    return Expected(name, "a number in 0..100", value);
  }
  out = percent;
  return absl::OkStatus();
}

absl::Status SetNonFatal(std::string_view name, const Value& value, ScriptOptions& options) {
  std::string_view rest = value.value_or(std::string_view());
  do {
    const size_t comma = rest.find(',');
    const std::string_view kind = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    if (kind == "packet") {
      options.non_fatal_packet = true;
    } else if (kind == "syscall") {
      options.non_fatal_syscall = true;
    } else {
      return Expected(name, "packet, syscall or both", value);
    }
  } while (!rest.empty());
  return absl::OkStatus();
}

absl::Status SetDefine(std::string_view name, const Value& value, ScriptOptions& options) {
  const size_t equals = value.has_value() ? value->find('=') : std::string_view::npos;
  if (equals == std::string_view::npos || equals == 0) return Expected(name, "NAME=value", value);
  options.defines.insert_or_assign(std::string(value->substr(0, equals)),
                                   std::string(value->substr(equals + 1)));
  return absl::OkStatus();
}

// --- What belongs together ---

absl::Status SetAddressOption(std::string_view name, const Value& value, ScriptOptions& options) {
  if (name == "local_ip") return SetAddress(name, value, options.local_ip);
  if (name == "remote_ip") return SetAddress(name, value, options.remote_ip);
  if (name == "gateway_ip") return SetAddress(name, value, options.gateway_ip);
  if (name == "netmask_ip") return SetAddress(name, value, options.netmask_ip);
  if (name == "ip_version") return SetIpVersion(name, value, options.ip_version);
  if (name == "bind_port") return SetNumber(name, value, 1, UINT16_MAX, options.bind_port);
  if (name == "connect_port") return SetNumber(name, value, 1, UINT16_MAX, options.connect_port);
  return absl::NotFoundError(absl::StrCat("no option '--", Absl(name), "'"));
}

absl::Status SetFlagOption(std::string_view name, const Value& value, ScriptOptions& options) {
  if (name == "tcp_ts_ecr_scaled") return SetFlag(name, value, options.tcp_ts_ecr_scaled);
  if (name == "strict_segments") return SetFlag(name, value, options.strict_segments);
  if (name == "send_omit_free") return SetFlag(name, value, options.send_omit_free);
  if (name == "is_anyip") return SetFlag(name, value, options.is_anyip);
  return SetAddressOption(name, value, options);
}

template <typename Number>
void Take(const std::optional<Number>& over, std::optional<Number>& value) {
  if (over.has_value()) value = over;
}

// A line of an option that is said.
void PrintLine(std::string& out, std::string_view name, std::string_view value) {
  absl::StrAppend(&out, "--", Absl(name), value.empty() ? "" : "=", Absl(value), "\n");
}
// With as many digits as it takes to read the same number again.
void PrintLine(std::string& out, std::string_view name, const std::optional<double>& value) {
  if (!value.has_value()) return;
  double again = 0;
  std::string text = absl::StrCat(*value);
  if (!absl::SimpleAtod(text, &again) || again < *value || again > *value) {
    text = absl::StrFormat("%.17g", *value);
  }
  PrintLine(out, name, text);
}
template <typename Number>
void PrintLine(std::string& out, std::string_view name, const std::optional<Number>& value) {
  if (value.has_value()) PrintLine(out, name, absl::StrCat(*value));
}
void PrintLine(std::string& out, std::string_view name, const std::optional<IpAddress>& value) {
  if (value.has_value()) PrintLine(out, name, value->ToString());
}
void PrintLine(std::string& out, std::string_view name, const std::optional<Duration>& value) {
  if (value.has_value()) PrintLine(out, name, absl::StrCat(value->us()));
}
void PrintLine(std::string& out, std::string_view name, bool value) {
  if (value) PrintLine(out, name, std::string_view());
}

}  // namespace

std::string_view IpVersionName(IpVersion version) {
  switch (version) {
    case IpVersion::kIpv4:
      return "ipv4";
    case IpVersion::kIpv4MappedIpv6:
      return "ipv4-mapped-ipv6";
    case IpVersion::kIpv6:
      break;
  }
  return "ipv6";
}

absl::Status ScriptOptions::Set(std::string_view name, Value value) {
  if (value.has_value() && value->size() >= 2 && value->front() == '"' && value->back() == '"') {
    value = value->substr(1, value->size() - 2);
  }
  constexpr uint64_t kToleranceUsMax = 3'600'000'000;  // an hour: above all timers
  constexpr uint64_t kTickUsMax = 1'000'000;           // RFC 7323 5.4: at most a second
  if (name == "mss") return SetNumber(name, value, 1, UINT16_MAX, mss);
  if (name == "mtu") return SetNumber(name, value, 68, UINT16_MAX, mtu_bytes);
  if (name == "speed") return SetNumber(name, value, 0, UINT32_MAX, speed_mbps);
  if (name == "tolerance_usecs") return SetMicroseconds(name, value, 0, kToleranceUsMax, tolerance);
  if (name == "tolerance_percent") return SetPercent(name, value, tolerance_percent);
  if (name == "tcp_ts_tick_usecs") return SetMicroseconds(name, value, 0, kTickUsMax, tcp_ts_tick);
  if (name == "non_fatal") return SetNonFatal(name, value, *this);
  if (name == "define") return SetDefine(name, value, *this);
  return SetFlagOption(name, value, *this);
}

std::string PrintOptionLines(const ScriptOptions& options) {
  std::string out;
  if (options.ip_version.has_value()) {
    PrintLine(out, "ip_version", IpVersionName(*options.ip_version));
  }
  PrintLine(out, "local_ip", options.local_ip);
  PrintLine(out, "remote_ip", options.remote_ip);
  PrintLine(out, "gateway_ip", options.gateway_ip);
  PrintLine(out, "netmask_ip", options.netmask_ip);
  PrintLine(out, "bind_port", options.bind_port);
  PrintLine(out, "connect_port", options.connect_port);
  PrintLine(out, "mss", options.mss);
  PrintLine(out, "mtu", options.mtu_bytes);
  PrintLine(out, "speed", options.speed_mbps);
  PrintLine(out, "tolerance_usecs", options.tolerance);
  PrintLine(out, "tolerance_percent", options.tolerance_percent);
  PrintLine(out, "tcp_ts_tick_usecs", options.tcp_ts_tick);
  PrintLine(out, "tcp_ts_ecr_scaled", options.tcp_ts_ecr_scaled);
  PrintLine(out, "strict_segments", options.strict_segments);
  PrintLine(out, "send_omit_free", options.send_omit_free);
  PrintLine(out, "is_anyip", options.is_anyip);
  if (options.non_fatal_packet) PrintLine(out, "non_fatal", std::string_view("packet"));
  if (options.non_fatal_syscall) PrintLine(out, "non_fatal", std::string_view("syscall"));
  return out;
}

void ScriptOptions::Override(const ScriptOptions& over) {
  Take(over.ip_version, ip_version);
  Take(over.local_ip, local_ip);
  Take(over.remote_ip, remote_ip);
  Take(over.gateway_ip, gateway_ip);
  Take(over.netmask_ip, netmask_ip);
  Take(over.bind_port, bind_port);
  Take(over.connect_port, connect_port);
  Take(over.mss, mss);
  Take(over.mtu_bytes, mtu_bytes);
  Take(over.speed_mbps, speed_mbps);
  Take(over.tolerance, tolerance);
  Take(over.tolerance_percent, tolerance_percent);
  Take(over.tcp_ts_tick, tcp_ts_tick);
  tcp_ts_ecr_scaled |= over.tcp_ts_ecr_scaled;
  strict_segments |= over.strict_segments;
  send_omit_free |= over.send_omit_free;
  is_anyip |= over.is_anyip;
  non_fatal_packet |= over.non_fatal_packet;
  non_fatal_syscall |= over.non_fatal_syscall;
  for (const auto& [name, value] : over.defines) defines.insert_or_assign(name, value);
}

}  // namespace tapedeck
