// What all codecs share: why bytes are no header, the result of a checked parse, and headers laid
// over bytes.
//
// Every protocol file has the same shape. A struct of wire-order fields with alignment 1 is the
// header; it may be laid over packet bytes with Overlay(), which checks nothing but the room.
// Parse...() checks whatever can be checked without state and returns a view; after it, no accessor
// of the view can leave the bytes. Emit...() writes a header and what can be derived from its
// arguments. ToString() prints one line in tcpdump's notation, for traces and messages only. Views
// point into the parsed bytes and live no longer than they do.
#ifndef TAPEDECK_STACK_WIRE_PARSE_H_
#define TAPEDECK_STACK_WIRE_PARSE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace tapedeck::wire {

enum class ParseError : uint8_t {
  kNone,
  kTruncated,         // fewer bytes than the fixed header
  kVersion,           // the version field is not this protocol's
  kHeaderLength,      // the header length field is below the minimum
  kHeaderBeyondData,  // the header length field reaches past the bytes
  kLength,            // the total length field is smaller than the header
  kLengthBeyondData,  // the total length field reaches past the bytes
  kHardwareType,      // ARP: not Ethernet
  kProtocolType,      // ARP: not IPv4
  kAddressLength,     // ARP: address lengths are not 6 and 4
  kExtensionHeader,   // IPv6: an extension header reaches past the bytes
  kRecordBeyondData,  // IGMP: sources or records reach past the bytes
};

// "truncated", "bad version", ...
std::string_view ToString(ParseError error);

// A T, or the reason why there is none. REQUIRES for * and ->: ok().
template <typename T>
class [[nodiscard]] Parsed {
 public:
  // Implicit both: `return view;` and `return ParseError::kVersion;` are how a parse ends.
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr Parsed(const T& value) : value_(value) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr Parsed(ParseError error) : error_(error) {}

  constexpr bool ok() const { return error_ == ParseError::kNone; }
  constexpr explicit operator bool() const { return ok(); }
  constexpr ParseError error() const { return error_; }
  constexpr const T& operator*() const { return value_; }
  constexpr const T* operator->() const { return &value_; }

 private:
  T value_{};
  ParseError error_ = ParseError::kNone;
};

// `bytes` seen as a Header, or nullptr where they are too few. Legal under -fno-strict-aliasing, as
// in the kernel.
template <typename Header>
const Header* Overlay(std::span<const uint8_t> bytes) {
  static_assert(alignof(Header) == 1 && std::is_trivially_copyable_v<Header>);
  return bytes.size() < sizeof(Header) ? nullptr : reinterpret_cast<const Header*>(bytes.data());
}
template <typename Header>
Header* OverlayMutable(std::span<uint8_t> bytes) {
  static_assert(alignof(Header) == 1 && std::is_trivially_copyable_v<Header>);
  return bytes.size() < sizeof(Header) ? nullptr : reinterpret_cast<Header*>(bytes.data());
}

// Writes `header` at the start of `out`. Returns its size, or 0 and writes nothing where there is
// no room.
template <typename Header>
size_t EmitHeader(std::span<uint8_t> out, const Header& header) {
  static_assert(alignof(Header) == 1 && std::is_trivially_copyable_v<Header>);
  if (out.size() < sizeof(Header)) return 0;
  std::memcpy(out.data(), &header, sizeof(Header));
  return sizeof(Header);
}

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_PARSE_H_
