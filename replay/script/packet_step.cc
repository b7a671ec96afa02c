#include "replay/script/packet_step.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "replay/script/absl_view.h"
#include "stack/base/check.h"

namespace tapedeck {
namespace {

struct CodeName {
  std::string_view name;
  uint8_t number;
};

struct TypeName {
  std::string_view name;
  uint8_t number;
  std::span<const CodeName> codes;
};

// include/uapi/linux/icmp.h; RFC 792, RFC 1812 5.2.7.1.
constexpr CodeName kUnreachable4[] = {
    {"net_unreachable", 0},
    {"host_unreachable", 1},
    {"protocol_unreachable", 2},
    {"port_unreachable", 3},
    {"frag_needed", 4},
    {"source_route_failed", 5},
    {"net_unknown", 6},
    {"host_unknown", 7},
    {"source_host_isolated", 8},
    {"net_prohibited", 9},
    {"host_prohibited", 10},
    {"net_unreachable_for_tos", 11},
    {"host_unreachable_for_tos", 12},
    {"packet_filtered", 13},
    {"precedence_violation", 14},
    {"precedence_cutoff", 15},
};
constexpr TypeName kTypes4[] = {
    {"echo_reply", 0, {}},          {"unreachable", 3, kUnreachable4},
    {"source_quench", 4, {}},       {"redirect", 5, {}},
    {"echo_request", 8, {}},        {"time_exceeded", 11, {}},
    {"parameter_problem", 12, {}},  {"timestamp_request", 13, {}},
    {"timestamp_reply", 14, {}},    {"information_request", 15, {}},
    {"information_reply", 16, {}},  {"address_mask_request", 17, {}},
    {"address_mask_reply", 18, {}},
};

// include/uapi/linux/icmpv6.h; RFC 4443.
constexpr CodeName kUnreachable6[] = {
    {"net_unreachable", 0},     {"no_route", 0},
    {"admin_prohibited", 1},    {"not_neighbour", 2},
    {"address_unreachable", 3}, {"port_unreachable", 4},
};
constexpr CodeName kTimeExceeded6[] = {{"exceeded_hop_limit", 0}, {"exceeded_frag_time", 1}};
constexpr CodeName kParameterProblem6[] = {
    {"header_field", 0}, {"unknown_next_header", 1}, {"unknown_option", 2}};
constexpr TypeName kTypes6[] = {
    {"unreachable", 1, kUnreachable6},
    {"packet_too_big", 2, {}},
    {"time_exceeded", 3, kTimeExceeded6},
    {"parameter_problem", 4, kParameterProblem6},
    {"echo_request", 128, {}},
    {"echo_reply", 129, {}},
};

// "type_3" with the prefix "type_" is 3.
std::optional<uint8_t> NumberBehind(std::string_view prefix, std::string_view text) {
  if (text.substr(0, prefix.size()) != prefix) return std::nullopt;
  text.remove_prefix(prefix.size());
  uint32_t number = 0;
  if (!absl::SimpleAtoi(Absl(text), &number)) return std::nullopt;
  return number <= UINT8_MAX ? std::optional(static_cast<uint8_t>(number)) : std::nullopt;
}

std::optional<IcmpNumbers> FindNumbers(const IcmpPacket& icmp, std::span<const TypeName> types) {
  IcmpNumbers numbers;
  std::span<const CodeName> codes;
  const auto type = std::find_if(types.begin(), types.end(),
                                 [&](const TypeName& entry) { return entry.name == icmp.type; });
  if (type != types.end()) {
    numbers.type = type->number;
    codes = type->codes;
  } else if (const auto number = NumberBehind("type_", icmp.type); number.has_value()) {
    numbers.type = *number;
  } else {
    return std::nullopt;
  }
  if (icmp.code.empty()) return numbers;
  const auto code = std::find_if(codes.begin(), codes.end(),
                                 [&](const CodeName& entry) { return entry.name == icmp.code; });
  if (code != codes.end()) {
    numbers.code = code->number;
  } else if (const auto number = NumberBehind("code_", icmp.code); number.has_value()) {
    numbers.code = *number;
  } else {
    return std::nullopt;
  }
  return numbers;
}

}  // namespace

absl::StatusOr<IcmpNumbers> ResolveIcmp(const IcmpPacket& icmp, AddressFamily family) {
  constexpr uint8_t kUnreachable = 3;   // ICMP
  constexpr uint8_t kFragNeeded = 4;    // its code
  constexpr uint8_t kPacketTooBig = 2;  // ICMPv6
  const bool is_v6 = family == AddressFamily::kIpv6;
  const std::optional<IcmpNumbers> numbers =
      is_v6 ? FindNumbers(icmp, kTypes6) : FindNumbers(icmp, kTypes4);
  const std::string_view protocol = is_v6 ? "ICMPv6" : "ICMP";
  if (!numbers.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("'", icmp.type, icmp.code.empty() ? "" : " ",
                                                   icmp.code, "' is no message of ",
                                                   std::string(protocol)));
  }
  const bool has_mtu = is_v6 ? numbers->type == kPacketTooBig
                             : numbers->type == kUnreachable && numbers->code == kFragNeeded;
  if (icmp.mtu.has_value() && !has_mtu) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an MTU belongs to ", is_v6 ? "'packet_too_big' only" : "'unreachable frag_needed' only"));
  }
  if (icmp.mtu.has_value() && !is_v6 && *icmp.mtu > UINT16_MAX) {
    return absl::InvalidArgumentError(absl::StrCat("an MTU of ", *icmp.mtu, " in 16 bits"));
  }
  return *numbers;
}

uint32_t TcpOption::U32(size_t offset) const {
  CHECK(offset + 4 <= data.size());
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | data[offset + i];
  return value;
}

bool TcpOption::IsFastOpenExperimental() const {
  return kind == kTcpOptionExperimental && data.size() >= 2 &&
         (data[0] << 8 | data[1]) == kTcpFastOpenMagic;
}

std::vector<uint8_t> TcpOptionBytes(const std::vector<TcpOption>& options) {
  std::vector<uint8_t> out;
  for (const TcpOption& option : options) {
    out.push_back(option.kind);
    if (option.kind <= kTcpOptionNop) continue;
    out.push_back(static_cast<uint8_t>(option.bytes()));
    out.insert(out.end(), option.data.begin(), option.data.end());
  }
  return out;
}

std::vector<TcpOption> ParseTcpOptions(const uint8_t* bytes, size_t size) {
  std::vector<TcpOption> out;
  for (size_t i = 0; i < size;) {
    TcpOption& option = out.emplace_back();
    option.kind = bytes[i];
    if (option.kind <= kTcpOptionNop) {
      ++i;
      continue;
    }
    const size_t length = i + 1 < size ? bytes[i + 1] : size_t{0};
    const bool holds = length >= 2 && length <= size - i;
    const size_t end = holds ? i + length : size;
    option.data.assign(bytes + i + (holds ? 2 : 1), bytes + end);
    i = end;
  }
  return out;
}

}  // namespace tapedeck
