// IPv4 options: end of list, no operation, record route, timestamp, loose and strict source route
// (RFC 791 3.1), router alert (RFC 2113), security (RFC 1108) and any other by number.
#ifndef TAPEDECK_STACK_WIRE_IPV4_OPTIONS_H_
#define TAPEDECK_STACK_WIRE_IPV4_OPTIONS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "stack/base/ip_address.h"
#include "stack/wire/ipv4.h"

namespace tapedeck::wire {

inline constexpr uint8_t kIpv4OptEnd = 0;
inline constexpr uint8_t kIpv4OptNop = 1;
inline constexpr uint8_t kIpv4OptRecordRoute = 7;
inline constexpr uint8_t kIpv4OptTimestamp = 68;
inline constexpr uint8_t kIpv4OptSecurity = 130;
inline constexpr uint8_t kIpv4OptLooseSourceRoute = 131;
inline constexpr uint8_t kIpv4OptCipso = 134;
inline constexpr uint8_t kIpv4OptStreamId = 136;
inline constexpr uint8_t kIpv4OptStrictSourceRoute = 137;
inline constexpr uint8_t kIpv4OptRouterAlert = 148;
inline constexpr uint8_t kIpv4OptCopiedBit = 0x80;  // goes into every fragment

// What a timestamp option records.
inline constexpr uint8_t kIpv4TimestampOnly = 0;
inline constexpr uint8_t kIpv4TimestampAndAddress = 1;
inline constexpr uint8_t kIpv4TimestampPrespecified = 3;

// Record route, loose or strict source route: addresses of four bytes each. A pointer of 4 names
// the first; one beyond the option means full (or, for a source route, used up).
struct Ipv4RouteOption {
  uint8_t pointer = 4;
  std::span<const uint8_t> addresses{};  // whole addresses only

  constexpr size_t count() const { return addresses.size() / 4; }
  constexpr Ipv4Address address(size_t index) const {
    return Ipv4Address(LoadBe32(addresses.data() + 4 * index));
  }
};

struct Ipv4TimestampOption {
  uint8_t pointer = 5;
  uint8_t overflow = 0;  // hosts that found no room
  uint8_t flag = kIpv4TimestampOnly;
  std::span<const uint8_t> entries{};  // 4 bytes each, or 8 with addresses
};

// One option. `bytes` are all of its bytes: the type alone for end-of-list and no-operation.
struct Ipv4Option {
  uint8_t type = kIpv4OptEnd;
  size_t offset = 0;  // from the start of the options
  std::span<const uint8_t> bytes{};

  constexpr bool copied() const { return (type & kIpv4OptCopiedBit) != 0; }
  std::span<const uint8_t> data() const {
    return bytes.subspan(bytes.size() < 2 ? bytes.size() : 2);
  }

  // Nullopt where the type is another one or the option is too short to be one.
  std::optional<Ipv4RouteOption> AsRoute() const;
  std::optional<Ipv4TimestampOption> AsTimestamp() const;
  std::optional<uint16_t> AsRouterAlert() const;
};

// Walks options from first to last. Always ends: an option of length 0 or 1, or past the end, is
// malformed and the last.
class Ipv4OptionCursor {
 public:
  explicit Ipv4OptionCursor(std::span<const uint8_t> options) : options_(options) {}

  // The next option, no-operations included; nullopt at the end, at an end-of-list and at a
  // malformed option.
  std::optional<Ipv4Option> Next();

  bool malformed() const { return malformed_; }
  // Where the walk stands, from the start of the options: after the end, at what is malformed.
  size_t offset() const { return offset_; }

 private:
  std::span<const uint8_t> options_;
  size_t offset_ = 0;
  bool malformed_ = false;
};

// Builds options in place. A method returns false and writes nothing where the 40 bytes do not
// suffice.
class Ipv4OptionWriter {
 public:
  bool Nop();
  bool End();
  bool RecordRoute(size_t slots);
  // `hops` still to visit after the header's destination.
  bool SourceRoute(bool strict, std::span<const Ipv4Address> hops);
  // Empty slots of 4 bytes (kIpv4TimestampOnly) or 8 bytes.
  bool Timestamp(uint8_t flag, size_t slots);
  bool RouterAlert(uint16_t value = 0);
  bool Raw(uint8_t type, std::span<const uint8_t> data);

  std::span<const uint8_t> bytes() const { return {bytes_.data(), size_}; }

 private:
  // Room for an option of `size` bytes, zeroed, with type and length set; nullptr where there is
  // none.
  uint8_t* Begin(uint8_t type, size_t size);

  std::array<uint8_t, kIpv4OptionsMax> bytes_{};
  size_t size_ = 0;
};

// "NOP,RR 10.0.0.1^ 0.0.0.0,EOL": options joined by commas; ^ marks the pointer; "[malformed at 6]"
// where a walk stops.
std::string Ipv4OptionsToString(std::span<const uint8_t> options);

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_IPV4_OPTIONS_H_
