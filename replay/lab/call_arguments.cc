#include "replay/lab/call_arguments.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "stack/base/byteorder.h"
#include "stack/core/uapi.h"

namespace tapedeck {

namespace {

void AppendInt(std::vector<uint8_t>& bytes, int64_t value) {
  const auto number = static_cast<uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) {
    bytes.push_back(static_cast<uint8_t>(number >> shift));
  }
}

// In network order, as kernel structures have them.
void AppendAddress(std::vector<uint8_t>& bytes, const IpAddress& address) {
  const auto append = [&](const auto& raw) { bytes.insert(bytes.end(), raw.begin(), raw.end()); };
  if (address.is_v4()) {
    append(address.v4().bytes());
  } else {
    append(address.v6().bytes());
  }
}

// Of inet_addr("10.0.0.1"), inet6_addr("::1") and the like.
std::optional<IpAddress> ToAddress(const Expression* value) {
  if (value == nullptr || value->kind != Expression::Kind::kFunction || value->items.empty() ||
      value->items.back().kind != Expression::Kind::kString) {
    return std::nullopt;
  }
  return IpAddress::Parse(value->items.back().text);
}

std::optional<uint16_t> ToPort(const Expression* value) {
  if (value == nullptr) return std::nullopt;
  if (value->is_integer()) return static_cast<uint16_t>(value->value);
  if (value->kind != Expression::Kind::kFunction || value->items.size() != 1 ||
      !value->items[0].is_integer()) {
    return std::nullopt;
  }
  return static_cast<uint16_t>(value->items[0].value);
}

SockAddr FamilyOnly(int64_t family) {
  SockAddr address;
  const auto value = static_cast<uint16_t>(family);
  std::memcpy(address.bytes, &value, sizeof(value));
  address.length = sizeof(sockaddr_in);
  return address;
}

}  // namespace

const Expression& ArgumentReader::at(size_t index) const {
  static const Expression kNone = Expression::Ellipsis();
  return index < step_.arguments.size() ? step_.arguments[index] : kNone;
}

void ArgumentReader::Expected(size_t index, const char* what) {
  status_.Update(absl::InvalidArgumentError(absl::StrCat(
      "argument ", index + 1, " of ", std::string(NameOf(step_.name)), ": expected ", what)));
}

int64_t ArgumentReader::Number(size_t index) {
  const Expression& argument = at(index);
  if (!argument.is_integer()) Expected(index, "a number");
  return argument.value;
}

int64_t ArgumentReader::Pointee(size_t index) {
  const Expression& argument = at(index);
  if (argument.is_list() && argument.items.size() == 1 && argument.items[0].is_integer()) {
    return argument.items[0].value;
  }
  Expected(index, "a number in brackets");
  return 0;
}

std::optional<int64_t> ArgumentReader::NumberOrEllipsis(size_t index) {
  if (at(index).is_ellipsis()) return std::nullopt;
  return Number(index);
}

bool ArgumentReader::IsNullBuffer(size_t index) {
  const Expression& argument = at(index);
  if (argument.is_null()) return true;
  if (!argument.is_ellipsis() && argument.kind != Expression::Kind::kString) {
    Expected(index, "... or NULL for a buffer");
  }
  return false;
}

SockAddr ArgumentReader::Address(size_t index, const Endpoint& by_default) {
  const Expression& argument = at(index);
  SockAddr address = by_default;
  if (argument.is_null() && argument.text != "AF_UNSPEC") {
    address.length = 0;
  } else if (argument.is_integer()) {
    address = FamilyOnly(argument.value);
  } else if (argument.is_struct()) {
    const std::optional<Endpoint> endpoint = ToEndpoint(argument);
    if (!endpoint.has_value()) Expected(index, "a sockaddr_in or sockaddr_in6");
    address = endpoint.value_or(by_default);
  } else if (!argument.is_ellipsis()) {
    Expected(index, "..., NULL, a family or a socket address");
  }
  const std::optional<int64_t> length = NumberOrEllipsis(index + 1);
  if (length.has_value()) address.length = static_cast<uint32_t>(*length);
  return address;
}

std::vector<uint8_t> ArgumentReader::OptionValue(size_t index) {
  const std::optional<std::vector<uint8_t>> bytes = ToOptionBytes(at(index));
  if (bytes.has_value()) return *bytes;
  Expected(index, "[numbers and addresses], a string, {onoff, linger} or an address");
  return {};
}

std::optional<Endpoint> ToEndpoint(const Expression& address) {
  if (!address.is_struct()) return std::nullopt;
  std::optional<IpAddress> ip = ToAddress(address.FindValue("sin_addr"));
  std::optional<uint16_t> port = ToPort(address.FindValue("sin_port"));
  if (!ip.has_value()) {
    ip = ToAddress(address.FindValue("sin6_addr"));
    // "inet_pton(AF_INET6, "::1", &sin6_addr)" stands without a name.
    for (const Expression& item : address.items) {
      if (!ip.has_value()) ip = ToAddress(&item);
      if (item.kind != Expression::Kind::kFunction) continue;
      for (const Expression& inner : item.items) {
        if (!ip.has_value() && inner.kind == Expression::Kind::kString) {
          ip = IpAddress::Parse(inner.text);
        }
      }
    }
    port = ToPort(address.FindValue("sin6_port"));
  }
  if (!ip.has_value() || !port.has_value()) return std::nullopt;
  return Endpoint{*ip, be16(*port)};
}

Expression FromEndpoint(const Endpoint& endpoint) {
  const bool v4 = endpoint.address.is_v4();
  const auto field = [](const char* name, Expression value) {
    return Expression::Field(name, std::move(value));
  };
  Expression port = Expression::Function("htons", {Expression::Integer(endpoint.port.host())});
  Expression ip = Expression::Function(v4 ? "inet_addr" : "inet_pton",
                                       {Expression::String(endpoint.address.ToString())});
  return Expression::Struct({field("sa_family", v4 ? Expression::Integer(kAfInet, "AF_INET")
                                                   : Expression::Integer(kAfInet6, "AF_INET6")),
                             field(v4 ? "sin_port" : "sin6_port", std::move(port)),
                             field(v4 ? "sin_addr" : "sin6_addr", std::move(ip))});
}

std::optional<std::vector<uint8_t>> ToOptionBytes(const Expression& value) {
  std::vector<uint8_t> bytes;
  if (value.kind == Expression::Kind::kString) {
    bytes.assign(value.text.begin(), value.text.end());
    return bytes;
  }
  if (value.is_list() && !value.items.empty()) {
    for (const Expression& item : value.items) {
      if (item.is_integer()) {
        AppendInt(bytes, item.value);
      } else if (const std::optional<IpAddress> address = ToAddress(&item); address.has_value()) {
        AppendAddress(bytes, *address);
      } else {
        return std::nullopt;
      }
    }
    return bytes;
  }
  if (value.is_struct()) {
    // struct linger: both fields in their order.
    for (const Expression& item : value.items) {
      const Expression& inner = item.kind == Expression::Kind::kField ? item.items[0] : item;
      if (!inner.is_integer()) return std::nullopt;
      AppendInt(bytes, inner.value);
    }
    return bytes;
  }
  const std::optional<IpAddress> address = ToAddress(&value);
  if (!address.has_value()) return std::nullopt;
  AppendAddress(bytes, *address);
  return bytes;
}

uint64_t EpollData(const Expression& event) {
  for (const char* const name : {"ptr", "fd", "u32", "u64"}) {
    const Expression* const value = event.is_struct() ? event.FindValue(name) : nullptr;
    if (value != nullptr && value->is_integer()) return static_cast<uint64_t>(value->value);
  }
  return 0;
}

}  // namespace tapedeck
