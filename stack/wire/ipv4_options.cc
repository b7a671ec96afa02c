#include "stack/wire/ipv4_options.h"

#include <cstring>

#include "stack/wire/text.h"

namespace tapedeck::wire {
namespace {

bool IsRoute(uint8_t type) {
  return type == kIpv4OptRecordRoute || type == kIpv4OptLooseSourceRoute ||
         type == kIpv4OptStrictSourceRoute;
}

std::string TypeName(uint8_t type) {
  switch (type) {
    case kIpv4OptEnd:
      return "EOL";
    case kIpv4OptNop:
      return "NOP";
    case kIpv4OptRecordRoute:
      return "RR";
    case kIpv4OptTimestamp:
      return "TS";
    case kIpv4OptSecurity:
      return "SECURITY";
    case kIpv4OptLooseSourceRoute:
      return "LSRR";
    case kIpv4OptStrictSourceRoute:
      return "SSRR";
    case kIpv4OptRouterAlert:
      return "RA";
    default:
      return "option " + std::to_string(type);
  }
}

std::string OptionToString(const Ipv4Option& option) {
  std::string out = TypeName(option.type);
  if (const auto route = option.AsRoute()) {
    for (size_t i = 0; i < route->count(); ++i) {
      out += " " + route->address(i).ToString();
      if (route->pointer == 4 * (i + 1)) out += "^";
    }
  } else if (const auto stamps = option.AsTimestamp()) {
    out += " flag " + std::to_string(stamps->flag) + " ptr " + std::to_string(stamps->pointer) +
           " overflow " + std::to_string(stamps->overflow) + " " + HexBytes(stamps->entries);
  } else if (const auto alert = option.AsRouterAlert()) {
    out += " " + std::to_string(*alert);
  } else if (!option.data().empty()) {
    out += " " + HexBytes(option.data());
  }
  return out;
}

}  // namespace

std::optional<Ipv4RouteOption> Ipv4Option::AsRoute() const {
  if (!IsRoute(type) || bytes.size() < 3) return std::nullopt;
  return Ipv4RouteOption{bytes[2], bytes.subspan(3, (bytes.size() - 3) & ~size_t{3})};
}

std::optional<Ipv4TimestampOption> Ipv4Option::AsTimestamp() const {
  if (type != kIpv4OptTimestamp || bytes.size() < 4) return std::nullopt;
  return Ipv4TimestampOption{bytes[2], static_cast<uint8_t>(bytes[3] >> 4),
                             static_cast<uint8_t>(bytes[3] & 0xf), bytes.subspan(4)};
}

std::optional<uint16_t> Ipv4Option::AsRouterAlert() const {
  if (type != kIpv4OptRouterAlert || bytes.size() != 4) return std::nullopt;
  return LoadBe16(&bytes[2]);
}

std::optional<Ipv4Option> Ipv4OptionCursor::Next() {
  if (malformed_ || offset_ >= options_.size()) return std::nullopt;
  const std::span<const uint8_t> rest = options_.subspan(offset_);
  const uint8_t type = rest[0];
  if (type == kIpv4OptEnd) return std::nullopt;
  size_t size = 1;
  if (type != kIpv4OptNop) {
    if (rest.size() < 2 || rest[1] < 2 || rest[1] > rest.size()) {
      malformed_ = true;
      return std::nullopt;
    }
    size = rest[1];
  }
  const Ipv4Option option{type, offset_, rest.first(size)};
  offset_ += size;
  return option;
}

uint8_t* Ipv4OptionWriter::Begin(uint8_t type, size_t size) {
  if (bytes_.size() - size_ < size) return nullptr;
  uint8_t* option = bytes_.data() + size_;
  std::memset(option, 0, size);
  option[0] = type;
  if (size > 1) option[1] = static_cast<uint8_t>(size);
  size_ += size;
  return option;
}

bool Ipv4OptionWriter::Nop() { return Begin(kIpv4OptNop, 1) != nullptr; }
bool Ipv4OptionWriter::End() { return Begin(kIpv4OptEnd, 1) != nullptr; }

bool Ipv4OptionWriter::RecordRoute(size_t slots) {
  uint8_t* option = Begin(kIpv4OptRecordRoute, 3 + 4 * slots);
  if (option == nullptr) return false;
  option[2] = 4;
  return true;
}

bool Ipv4OptionWriter::SourceRoute(bool strict, std::span<const Ipv4Address> hops) {
  const uint8_t type = strict ? kIpv4OptStrictSourceRoute : kIpv4OptLooseSourceRoute;
  uint8_t* option = Begin(type, 3 + 4 * hops.size());
  if (option == nullptr) return false;
  option[2] = 4;
  for (size_t i = 0; i < hops.size(); ++i) StoreBe32(option + 3 + 4 * i, hops[i].host());
  return true;
}

bool Ipv4OptionWriter::Timestamp(uint8_t flag, size_t slots) {
  const size_t slot_bytes = flag == kIpv4TimestampOnly ? 4 : 8;
  uint8_t* option = Begin(kIpv4OptTimestamp, 4 + slot_bytes * slots);
  if (option == nullptr) return false;
  option[2] = 5;
  option[3] = flag & 0xf;
  return true;
}

bool Ipv4OptionWriter::RouterAlert(uint16_t value) {
  uint8_t* option = Begin(kIpv4OptRouterAlert, 4);
  if (option == nullptr) return false;
  StoreBe16(option + 2, value);
  return true;
}

bool Ipv4OptionWriter::Raw(uint8_t type, std::span<const uint8_t> data) {
  uint8_t* option = Begin(type, 2 + data.size());
  if (option == nullptr) return false;
  if (!data.empty()) std::memcpy(option + 2, data.data(), data.size());
  return true;
}

std::string Ipv4OptionsToString(std::span<const uint8_t> options) {
  std::string out;
  const auto add = [&out](const std::string& text) {
    if (!out.empty()) out += ",";
    out += text;
  };
  Ipv4OptionCursor cursor(options);
  while (const auto option = cursor.Next()) add(OptionToString(*option));
  if (cursor.malformed()) {
    add("[malformed at " + std::to_string(cursor.offset()) + "]");
  } else if (cursor.offset() < options.size()) {
    add("EOL");
  }
  return out;
}

}  // namespace tapedeck::wire
