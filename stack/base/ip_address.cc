#include "stack/base/ip_address.h"

namespace tapedeck {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

// The value of a hexadecimal digit of either case, or -1.
int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Takes a decimal number 0..`max` without leading zeros from the front of `text`.
std::optional<uint32_t> TakeDecimal(std::string_view& text, uint32_t max) {
  size_t digits = 0;
  uint32_t value = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    value = value * 10 + static_cast<uint32_t>(text[digits] - '0');
    if (value > max) return std::nullopt;
    ++digits;
  }
  if (digits == 0 || (digits > 1 && text[0] == '0')) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

std::optional<uint32_t> ParseDecimal(std::string_view text, uint32_t max) {
  const std::optional<uint32_t> value = TakeDecimal(text, max);
  return text.empty() ? value : std::nullopt;
}

bool TakeChar(std::string_view& text, char c) {
  if (text.empty() || text[0] != c) return false;
  text.remove_prefix(1);
  return true;
}

// Takes one to four hexadecimal digits.
std::optional<uint16_t> TakeGroup(std::string_view& text) {
  size_t digits = 0;
  uint32_t value = 0;
  while (digits < text.size() && HexValue(text[digits]) >= 0) {
    if (++digits > 4) return std::nullopt;
    value = value << 4 | static_cast<uint32_t>(HexValue(text[digits - 1]));
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return static_cast<uint16_t>(value);
}

// The groups on one side of "::".
struct Groups {
  std::array<uint16_t, 8> value{};
  size_t count = 0;

  bool Push(uint16_t group) {
    if (count == value.size()) return false;
    value[count++] = group;
    return true;
  }
};

// Groups joined by ':', the last two perhaps as a dotted quad where `allow_quad`. Empty text gives
// no groups.
std::optional<Groups> ParseGroups(std::string_view text, bool allow_quad) {
  Groups groups;
  if (text.empty()) return groups;
  for (;;) {
    const bool last = text.find(':') == std::string_view::npos;
    if (last && allow_quad && text.find('.') != std::string_view::npos) {
      const std::optional<Ipv4Address> quad = Ipv4Address::Parse(text);
      if (!quad || !groups.Push(static_cast<uint16_t>(quad->host() >> 16)) ||
          !groups.Push(static_cast<uint16_t>(quad->host() & 0xffff))) {
        return std::nullopt;
      }
      return groups;
    }
    const std::optional<uint16_t> group = TakeGroup(text);
    if (!group || !groups.Push(*group)) return std::nullopt;
    if (text.empty()) return groups;
    if (!TakeChar(text, ':')) return std::nullopt;
  }
}

void AppendHexGroup(std::string& out, uint16_t group) {
  int shift = 12;
  while (shift > 0 && group >> shift == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) out += kHexDigits[group >> shift & 0xf];
}

// The first longest run of zero groups, [begin, end); empty when no run has two groups (RFC
// 5952 4.2).
struct Run {
  size_t begin = 0;
  size_t end = 0;
};

Run LongestZeroRun(const Ipv6Address& address) {
  Run best;
  for (size_t i = 0; i < 8;) {
    size_t end = i;
    while (end < 8 && address.group(end) == 0) ++end;
    if (end - i >= 2 && end - i > best.end - best.begin) best = {i, end};
    i = end + 1;
  }
  return best;
}

}  // namespace

std::optional<Ipv4Address> Ipv4Address::Parse(std::string_view text) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    if (i > 0 && !TakeChar(text, '.')) return std::nullopt;
    const std::optional<uint32_t> part = TakeDecimal(text, 255);
    if (!part) return std::nullopt;
    value = value << 8 | *part;
  }
  if (!text.empty()) return std::nullopt;
  return Ipv4Address(value);
}

std::string Ipv4Address::ToString() const {
  std::string out;
  for (const uint8_t byte : bytes()) {
    if (!out.empty()) out += '.';
    out += std::to_string(byte);
  }
  return out;
}

std::optional<Ipv6Address> Ipv6Address::Parse(std::string_view text) {
  const size_t gap = text.find("::");
  if (gap == std::string_view::npos) {
    const std::optional<Groups> all = ParseGroups(text, /*allow_quad=*/true);
    if (!all || all->count != 8) return std::nullopt;
    return Ipv6Address(all->value);
  }
  const std::optional<Groups> head = ParseGroups(text.substr(0, gap), /*allow_quad=*/false);
  const std::optional<Groups> tail = ParseGroups(text.substr(gap + 2), /*allow_quad=*/true);
  // "::" stands for at least one group.
  if (!head || !tail || head->count + tail->count > 7) return std::nullopt;
  std::array<uint16_t, 8> groups = head->value;
  for (size_t i = 0; i < tail->count; ++i) groups[8 - tail->count + i] = tail->value[i];
  return Ipv6Address(groups);
}

std::string Ipv6Address::ToString() const {
  if (ipv6_addr_v4mapped(*this)) return "::ffff:" + Ipv4Address(word(3)).ToString();
  const Run zeros = LongestZeroRun(*this);
  std::string out;
  for (size_t i = 0; i < 8; ++i) {
    if (i == zeros.begin && zeros.end != 0) {
      out += "::";
      i = zeros.end - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    AppendHexGroup(out, group(i));
  }
  return out;
}

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  if (const auto v4 = Ipv4Address::Parse(text)) return IpAddress(*v4);
  if (const auto v6 = Ipv6Address::Parse(text)) return IpAddress(*v6);
  return std::nullopt;
}

std::string IpAddress::ToString() const {
  switch (family_) {
    case AddressFamily::kNone:
      return "none";
    case AddressFamily::kIpv4:
      return v4().ToString();
    case AddressFamily::kIpv6:
      return bytes_.ToString();
  }
  return "none";
}

std::optional<MacAddress> MacAddress::Parse(std::string_view text) {
  if (text.size() != 17 || (text[2] != ':' && text[2] != '-')) return std::nullopt;
  MacAddress address;
  for (size_t i = 0; i < 6; ++i) {
    const int high = HexValue(text[3 * i]);
    const int low = HexValue(text[3 * i + 1]);
    if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != text[2])) return std::nullopt;
    address.bytes_[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return address;
}

std::string MacAddress::ToString() const {
  std::string out;
  for (const uint8_t byte : bytes_) {
    if (!out.empty()) out += ':';
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 0xf];
  }
  return out;
}

std::optional<Endpoint> Endpoint::Parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::optional<uint32_t> port = ParseDecimal(text.substr(colon + 1), 65535);
  if (!port) return std::nullopt;
  const be16 wire_port(static_cast<uint16_t>(*port));
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    const auto v6 = Ipv6Address::Parse(host.substr(1, host.size() - 2));
    if (!v6) return std::nullopt;
    return Endpoint{*v6, wire_port};
  }
  const auto v4 = Ipv4Address::Parse(host);
  if (!v4) return std::nullopt;
  return Endpoint{*v4, wire_port};
}

std::string Endpoint::ToString() const {
  const std::string host = address.ToString();
  const std::string port_text = std::to_string(port.host());
  return address.is_v6() ? "[" + host + "]:" + port_text : host + ":" + port_text;
}

std::optional<Ipv4Prefix> Ipv4Prefix::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = Ipv4Address::Parse(text.substr(0, slash));
  const auto length = ParseDecimal(text.substr(slash + 1), 32);
  if (!address || !length) return std::nullopt;
  const Ipv4Prefix prefix(*address, *length);
  if (prefix.network() != *address) return std::nullopt;
  return prefix;
}

std::string Ipv4Prefix::ToString() const {
  return network_.ToString() + "/" + std::to_string(length_);
}

}  // namespace tapedeck
