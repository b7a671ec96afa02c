#include "replay/script/ip_statement.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace tapedeck {
namespace {

using Action = absl::StatusOr<CommandAction>;

absl::Status TakeInto(ShellWords& words, std::optional<uint32_t>& out) {
  absl::StatusOr<uint32_t> number = words.TakeNumber();
  if (!number.ok()) return number.status();
  out = *number;
  return absl::OkStatus();
}

// "192.0.2.0/24", "192.0.2.1", "default"
absl::Status ParsePrefix(ShellWords& words, AddressFamily family, ChangeRoute& route) {
  const std::string word = words.Take();
  if (word == "default") {
    route.dest =
        family == AddressFamily::kIpv6 ? IpAddress(Ipv6Address()) : IpAddress(Ipv4Address());
    return absl::OkStatus();
  }
  const size_t slash = std::min(word.find('/'), word.size());
  const std::optional<IpAddress> address =
      IpAddress::Parse(std::string_view(word).substr(0, slash));
  if (!address.has_value()) {
    return words.Error(absl::StrCat("expected a prefix, found '", word, "'"));
  }
  const uint32_t bits_max = address->is_v4() ? 32 : 128;
  uint32_t bits = bits_max;
  if (slash != word.size() &&
      (!absl::SimpleAtoi(word.substr(slash + 1), &bits) || bits > bits_max)) {
    return words.Error(absl::StrCat("expected a prefix, found '", word, "'"));
  }
  route.dest = *address;
  route.prefix_bits = static_cast<uint8_t>(bits);
  return absl::OkStatus();
}

absl::Status ParseGateway(ShellWords& words, ChangeRoute& route) {
  const std::string word = words.Take();
  route.gateway = IpAddress::Parse(word);
  if (route.gateway.has_value()) return absl::OkStatus();
  return words.Error(absl::StrCat("expected an address, found '", word, "'"));
}

// "200ms", "200" (ms), "1s"
absl::Status ParseRtoMin(ShellWords& words, ChangeRoute& route) {
  const std::string word = words.Take();
  const size_t digits = std::min(word.find_first_not_of("0123456789"), word.size());
  const std::string_view unit = std::string_view(word).substr(digits);
  uint32_t number = 0;
  const bool holds = absl::SimpleAtoi(word.substr(0, digits), &number) && number <= 1'000'000 &&
                     (unit.empty() || unit == "ms" || unit == "s");
  if (!holds) return words.Error(absl::StrCat("expected a time, found '", word, "'"));
  route.rto_min_ms = unit == "s" ? number * 1000 : number;
  return absl::OkStatus();
}

// One attribute of a route, which is `name`.
absl::Status ParseRouteAttribute(ShellWords& words, const std::string& name, ChangeRoute& route) {
  if (name == "via") return ParseGateway(words, route);
  if (name == "dev") {
    route.device = words.Take();
    return absl::OkStatus();
  }
  if (name == "advmss") return TakeInto(words, route.advmss);
  if (name == "mtu") {
    route.mtu_locked = words.TakeIf("lock");
    return TakeInto(words, route.mtu);
  }
  if (name == "initcwnd") return TakeInto(words, route.initcwnd);
  if (name == "initrwnd") return TakeInto(words, route.initrwnd);
  if (name == "rto_min") return ParseRtoMin(words, route);
  if (name == "congctl") {
    route.congestion_control_locked = words.TakeIf("lock");
    route.congestion_control = words.Take();
    return absl::OkStatus();
  }
  if (name == "features") {
    route.ecn = true;
    return words.Expect("ecn");
  }
  return words.Error(absl::StrCat("no '", name, "' of a route here"));
}

Action ParseRoute(ShellWords words, AddressFamily family) {
  ChangeRoute out;
  const std::string action = words.Take();
  if (action == "add") {
    out.action = ChangeRoute::Action::kAdd;
  } else if (action == "replace") {
    out.action = ChangeRoute::Action::kReplace;
  } else if (action == "delete" || action == "del") {
    out.action = ChangeRoute::Action::kDelete;
  } else if (action != "change") {
    return words.Error(
        absl::StrCat("expected add, change, replace or delete, found '", action, "'"));
  }
  if (absl::Status status = ParsePrefix(words, family, out); !status.ok()) return status;
  while (!words.at_end()) {
    const std::string name = words.Take();
    if (absl::Status status = ParseRouteAttribute(words, name, out); !status.ok()) return status;
  }
  return out;
}

Action ParseLink(ShellWords words) {
  ChangeLink out;
  if (absl::Status status = words.Expect("set"); !status.ok()) return status;
  words.TakeIf("dev");
  out.device = words.Take();
  while (!words.at_end()) {
    if (words.TakeIf("up")) {
      out.up = true;
    } else if (words.TakeIf("down")) {
      out.up = false;
    } else {
      if (absl::Status status = words.Expect("mtu"); !status.ok()) return status;
      if (absl::Status status = TakeInto(words, out.mtu_bytes); !status.ok()) return status;
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<CommandAction> ParseIp(ShellWords words) {
  const bool is_v6 = words.TakeIf("-6");
  if (!is_v6) words.TakeIf("-4");
  const std::string object = words.Take();
  if (object == "route" || object == "r") {
    return ParseRoute(words, is_v6 ? AddressFamily::kIpv6 : AddressFamily::kIpv4);
  }
  if (object == "link" || object == "l") return ParseLink(words);
  if (object == "tcp_metrics" || object == "tcpmetrics") {
    if (absl::Status status = words.Expect("flush"); !status.ok()) return status;
    words.TakeIf("all");
    if (absl::Status status = words.ExpectEnd(); !status.ok()) return status;
    return FlushTcpMetrics();
  }
  return words.Error(absl::StrCat("expected route, link or tcp_metrics, found '", object, "'"));
}

}  // namespace tapedeck
