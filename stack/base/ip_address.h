// Addresses as values: IPv4, IPv6, either of them, Ethernet, address with port, IPv4 prefix. All
// hold their bytes as the wire does, have alignment 1 and no padding, order as their bytes do, and
// read and print without a locale. Predicates keep the kernel's names (include/linux/in.h,
// include/net/ipv6.h).
#ifndef TAPEDECK_STACK_BASE_IP_ADDRESS_H_
#define TAPEDECK_STACK_BASE_IP_ADDRESS_H_

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "stack/base/byteorder.h"

namespace tapedeck {

class Ipv4Address {
 public:
  constexpr Ipv4Address() = default;  // 0.0.0.0
  constexpr explicit Ipv4Address(uint32_t host_order) : value_(host_order) {}
  constexpr explicit Ipv4Address(be32 wire) : value_(wire) {}
  constexpr Ipv4Address(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
      : value_(uint32_t{a} << 24 | uint32_t{b} << 16 | uint32_t{c} << 8 | d) {}

  // 10.0.0.1 is 0x0a000001 here.
  constexpr uint32_t host() const { return value_.host(); }
  constexpr be32 wire() const { return value_; }
  constexpr const std::array<uint8_t, 4>& bytes() const { return value_.bytes(); }

  // Dotted quad: four decimal numbers 0..255 without leading zeros, as inet_pton(3). Nullopt for
  // anything else.
  static std::optional<Ipv4Address> Parse(std::string_view text);
  std::string ToString() const;

  friend constexpr bool operator==(const Ipv4Address&, const Ipv4Address&) = default;
  friend constexpr std::strong_ordering operator<=>(const Ipv4Address& a, const Ipv4Address& b) {
    return a.host() <=> b.host();
  }

 private:
  be32 value_;
};

inline constexpr Ipv4Address kIpv4Any{0, 0, 0, 0};
inline constexpr Ipv4Address kIpv4Loopback{127, 0, 0, 1};
inline constexpr Ipv4Address kIpv4Broadcast{255, 255, 255, 255};
inline constexpr Ipv4Address kIpv4AllHosts{224, 0, 0, 1};

constexpr bool ipv4_is_loopback(Ipv4Address a) { return a.host() >> 24 == 127; }
constexpr bool ipv4_is_multicast(Ipv4Address a) { return a.host() >> 28 == 0xe; }
constexpr bool ipv4_is_local_multicast(Ipv4Address a) { return a.host() >> 8 == 0xe00000; }
constexpr bool ipv4_is_lbcast(Ipv4Address a) {
  return a.host() == 0xffffffff;
}  // limited broadcast
// The kernel's name says "net"; since 5.3 it means 0.0.0.0 alone, 0.0.0.0/8 being usable.
constexpr bool ipv4_is_zeronet(Ipv4Address a) { return a.host() == 0; }
constexpr bool ipv4_is_private_10(Ipv4Address a) { return a.host() >> 24 == 10; }
constexpr bool ipv4_is_private_172(Ipv4Address a) { return a.host() >> 20 == 0xac1; }
constexpr bool ipv4_is_private_192(Ipv4Address a) { return a.host() >> 16 == 0xc0a8; }
constexpr bool ipv4_is_linklocal_169(Ipv4Address a) { return a.host() >> 16 == 0xa9fe; }

class Ipv6Address {
 public:
  constexpr Ipv6Address() = default;  // ::
  constexpr explicit Ipv6Address(std::span<const uint8_t, 16> bytes) {
    for (size_t i = 0; i < 16; ++i) bytes_[i] = bytes[i];
  }
  // Eight groups as they are written: {0x2001, 0xdb8, 0, 0, 0, 0, 0, 1}.
  constexpr explicit Ipv6Address(const std::array<uint16_t, 8>& groups) {
    for (size_t i = 0; i < 8; ++i) StoreBe16(&bytes_[2 * i], groups[i]);
  }
  // ::ffff:a.b.c.d
  static constexpr Ipv6Address Mapped(Ipv4Address v4) {
    Ipv6Address address;
    StoreBe64(&address.bytes_[8], uint64_t{0xffff} << 32 | v4.host());
    return address;
  }

  constexpr const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  constexpr uint16_t group(size_t index) const { return LoadBe16(&bytes_[2 * index]); }
  constexpr uint32_t word(size_t index) const { return LoadBe32(&bytes_[4 * index]); }

  // RFC 4291 2.2: groups, "::" once, a dotted quad at the end. No zone. Nullopt for anything else.
  static std::optional<Ipv6Address> Parse(std::string_view text);
  // RFC 5952: lower case, the first longest run of two or more zero groups as "::", mapped
  // addresses with a dotted quad.
  std::string ToString() const;

  // ipv6_addr_equal: two words, where the compiler's own makes a call.
  friend constexpr bool operator==(const Ipv6Address& a, const Ipv6Address& b) {
    return ((a.half(0) ^ b.half(0)) | (a.half(1) ^ b.half(1))) == 0;
  }
  friend constexpr auto operator<=>(const Ipv6Address&, const Ipv6Address&) = default;

 private:
  // Eight of the bytes, in the machine's order.
  constexpr uint64_t half(size_t index) const {
    return LoadInteger<uint64_t, std::endian::native>(&bytes_[8 * index]);
  }

  std::array<uint8_t, 16> bytes_{};
};

inline constexpr Ipv6Address kIpv6Any;
inline constexpr Ipv6Address kIpv6Loopback{std::array<uint16_t, 8>{0, 0, 0, 0, 0, 0, 0, 1}};
inline constexpr Ipv6Address kIpv6AllNodes{std::array<uint16_t, 8>{0xff02, 0, 0, 0, 0, 0, 0, 1}};
inline constexpr Ipv6Address kIpv6AllRouters{std::array<uint16_t, 8>{0xff02, 0, 0, 0, 0, 0, 0, 2}};

// Bits of ipv6_addr_type(), with the kernel's values.
inline constexpr uint32_t IPV6_ADDR_ANY = 0x0000;
inline constexpr uint32_t IPV6_ADDR_UNICAST = 0x0001;
inline constexpr uint32_t IPV6_ADDR_MULTICAST = 0x0002;
inline constexpr uint32_t IPV6_ADDR_LOOPBACK = 0x0010;
inline constexpr uint32_t IPV6_ADDR_LINKLOCAL = 0x0020;
inline constexpr uint32_t IPV6_ADDR_SITELOCAL = 0x0040;
inline constexpr uint32_t IPV6_ADDR_COMPATv4 = 0x0080;
inline constexpr uint32_t IPV6_ADDR_MAPPED = 0x1000;

// What kind of address this is: a union of the bits above. A multicast address carries the bit of
// its scope.
constexpr uint32_t ipv6_addr_type(const Ipv6Address& a) {
  const uint32_t top = a.word(0);
  if (top >> 24 == 0xff) {
    switch (top >> 16 & 0xf) {
      case 0x1:
        return IPV6_ADDR_MULTICAST | IPV6_ADDR_LOOPBACK;
      case 0x2:
        return IPV6_ADDR_MULTICAST | IPV6_ADDR_LINKLOCAL;
      case 0x5:
        return IPV6_ADDR_MULTICAST | IPV6_ADDR_SITELOCAL;
      default:
        return IPV6_ADDR_MULTICAST;
    }
  }
  if (top >> 22 == 0xfe80 >> 6) return IPV6_ADDR_UNICAST | IPV6_ADDR_LINKLOCAL;
  if (top >> 22 == 0xfec0 >> 6) return IPV6_ADDR_UNICAST | IPV6_ADDR_SITELOCAL;
  if (top == 0 && a.word(1) == 0) {
    if (a.word(2) == 0xffff) return IPV6_ADDR_MAPPED;
    if (a.word(2) == 0) {
      if (a.word(3) == 0) return IPV6_ADDR_ANY;
      if (a.word(3) == 1) return IPV6_ADDR_UNICAST | IPV6_ADDR_LOOPBACK;
      return IPV6_ADDR_UNICAST | IPV6_ADDR_COMPATv4;
    }
  }
  return IPV6_ADDR_UNICAST;
}

constexpr bool ipv6_addr_any(const Ipv6Address& a) { return a == kIpv6Any; }
constexpr bool ipv6_addr_loopback(const Ipv6Address& a) { return a == kIpv6Loopback; }
constexpr bool ipv6_addr_is_multicast(const Ipv6Address& a) { return a.bytes()[0] == 0xff; }
constexpr bool ipv6_addr_v4mapped(const Ipv6Address& a) {
  return (ipv6_addr_type(a) & IPV6_ADDR_MAPPED) != 0;
}

// The group a neighbour solicitation for `target` goes to: ff02::1:ffXX:XXXX (RFC 4291 2.7.1).
constexpr Ipv6Address addrconf_addr_solict_mult(const Ipv6Address& target) {
  const uint32_t low = target.word(3);
  return Ipv6Address(std::array<uint16_t, 8>{0xff02, 0, 0, 0, 0, 1,
                                             static_cast<uint16_t>(0xff00 | (low >> 16 & 0xff)),
                                             static_cast<uint16_t>(low & 0xffff)});
}

enum class AddressFamily : uint8_t { kNone, kIpv4, kIpv6 };

// An address of either family. An IPv4 address lies in its mapped form, so that code for both
// families can compare and hash 16 bytes; it is still not equal to the IPv6 address ::ffff:a.b.c.d.
class IpAddress {
 public:
  constexpr IpAddress() = default;  // no family, equal only to another such
  // Implicit both: an address of one family is an address.
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr IpAddress(Ipv4Address v4)
      : family_(AddressFamily::kIpv4), bytes_(Ipv6Address::Mapped(v4)) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr IpAddress(const Ipv6Address& v6) : family_(AddressFamily::kIpv6), bytes_(v6) {}

  constexpr AddressFamily family() const { return family_; }
  constexpr bool is_v4() const { return family_ == AddressFamily::kIpv4; }
  constexpr bool is_v6() const { return family_ == AddressFamily::kIpv6; }

  // REQUIRES: is_v4(), or an IPv6 address that is v4-mapped.
  constexpr Ipv4Address v4() const { return Ipv4Address(bytes_.word(3)); }
  // The IPv6 address, or the mapped form of the IPv4 one: what an AF_INET6 socket sees.
  constexpr const Ipv6Address& v6() const { return bytes_; }
  // Turns ::ffff:a.b.c.d into a.b.c.d; other addresses stay.
  constexpr IpAddress Unmapped() const {
    return ipv6_addr_v4mapped(bytes_) ? IpAddress(v4()) : *this;
  }

  constexpr bool IsAny() const { return is_v4() ? v4() == kIpv4Any : bytes_ == kIpv6Any; }
  constexpr bool IsMulticast() const {
    return is_v4() ? ipv4_is_multicast(v4()) : ipv6_addr_is_multicast(bytes_);
  }
  constexpr bool IsLoopback() const {
    return is_v4() ? ipv4_is_loopback(v4()) : ipv6_addr_loopback(bytes_);
  }

  static std::optional<IpAddress> Parse(std::string_view text);
  std::string ToString() const;  // "none" without a family

  friend constexpr bool operator==(const IpAddress&, const IpAddress&) = default;
  friend constexpr bool operator==(const IpAddress& a, Ipv4Address b) {
    return a.is_v4() && a.v4() == b;
  }
  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  AddressFamily family_ = AddressFamily::kNone;
  Ipv6Address bytes_;
};

// An Ethernet (EUI-48) address.
class MacAddress {
 public:
  constexpr MacAddress() = default;  // 00:00:00:00:00:00
  constexpr explicit MacAddress(std::span<const uint8_t, 6> bytes) {
    for (size_t i = 0; i < 6; ++i) bytes_[i] = bytes[i];
  }
  constexpr MacAddress(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint8_t e, uint8_t f)
      : bytes_{a, b, c, d, e, f} {}

  // Where frames to an IPv4 group go: the low 23 bits in 01:00:5e (RFC 1112 6.4; ip_eth_mc_map()).
  static constexpr MacAddress ForMulticast(Ipv4Address group) {
    const auto& b = group.bytes();
    return {0x01, 0x00, 0x5e, static_cast<uint8_t>(b[1] & 0x7f), b[2], b[3]};
  }
  // Where frames to an IPv6 group go: the low 32 bits in 33:33 (RFC 2464 7).
  static constexpr MacAddress ForMulticast(const Ipv6Address& group) {
    const auto& b = group.bytes();
    return {0x33, 0x33, b[12], b[13], b[14], b[15]};
  }

  constexpr const std::array<uint8_t, 6>& bytes() const { return bytes_; }

  constexpr bool IsZero() const { return bytes_ == std::array<uint8_t, 6>{}; }
  constexpr bool IsMulticast() const { return (bytes_[0] & 0x01) != 0; }  // includes broadcast
  constexpr bool IsBroadcast() const {
    return bytes_ == std::array<uint8_t, 6>{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  }
  constexpr bool IsLocal() const { return (bytes_[0] & 0x02) != 0; }  // locally administered
  // May be the address of a station (is_valid_ether_addr()).
  constexpr bool IsValidStation() const { return !IsZero() && !IsMulticast(); }

  // Six groups of two hexadecimal digits, all joined by ':' or all by '-'. Nullopt for anything
  // else.
  static std::optional<MacAddress> Parse(std::string_view text);
  std::string ToString() const;  // 02:00:00:00:00:01

  friend constexpr bool operator==(const MacAddress&, const MacAddress&) = default;
  friend constexpr auto operator<=>(const MacAddress&, const MacAddress&) = default;

 private:
  std::array<uint8_t, 6> bytes_{};
};

inline constexpr MacAddress kMacBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

// A transport address. `port` is a host integer by host().
struct Endpoint {
  IpAddress address{};
  be16 port{};

  // "10.0.0.1:80", "[2001:db8::1]:80". The port is decimal, 0..65535, without leading zeros.
  static std::optional<Endpoint> Parse(std::string_view text);
  std::string ToString() const;

  friend constexpr bool operator==(const Endpoint&, const Endpoint&) = default;
  friend constexpr std::strong_ordering operator<=>(const Endpoint& a, const Endpoint& b) {
    if (const auto order = a.address <=> b.address; order != 0) return order;
    return a.port.host() <=> b.port.host();
  }
};

// The netmask of `length_bits` (0..32) leading ones, as inet_make_mask().
constexpr uint32_t inet_make_mask(unsigned length_bits) {
  return length_bits == 0 ? 0 : ~uint32_t{0} << (32 - std::min(length_bits, 32U));
}

// A network of IPv4 addresses. Host bits are always zero.
class Ipv4Prefix {
 public:
  constexpr Ipv4Prefix() = default;  // 0.0.0.0/0
  // The prefix of `length_bits` (0..32) that `address` lies in.
  constexpr Ipv4Prefix(Ipv4Address address, unsigned length_bits)
      : network_(address.host() & inet_make_mask(length_bits)),
        length_(static_cast<uint8_t>(std::min(length_bits, 32U))) {}

  constexpr Ipv4Address network() const { return network_; }
  constexpr unsigned length_bits() const { return length_; }
  constexpr uint32_t mask() const { return inet_make_mask(length_); }  // host order
  // The last address: the directed broadcast, save for /31 and /32, which have none (RFC 3021).
  constexpr Ipv4Address last() const { return Ipv4Address(network_.host() | ~mask()); }
  constexpr bool Contains(Ipv4Address address) const {
    return ((address.host() ^ network_.host()) & mask()) == 0;
  }

  // "10.0.0.0/8"; nullopt for anything else and for a prefix with host bits set, which `ip route`
  // refuses as well.
  static std::optional<Ipv4Prefix> Parse(std::string_view text);
  std::string ToString() const;

  friend constexpr bool operator==(const Ipv4Prefix&, const Ipv4Prefix&) = default;
  friend constexpr auto operator<=>(const Ipv4Prefix&, const Ipv4Prefix&) = default;

 private:
  Ipv4Address network_;
  uint8_t length_ = 0;
};

static_assert(sizeof(Ipv4Address) == 4 && sizeof(Ipv6Address) == 16 && sizeof(MacAddress) == 6);
static_assert(sizeof(IpAddress) == 17 && sizeof(Endpoint) == 19 && sizeof(Ipv4Prefix) == 5);
static_assert(alignof(Endpoint) == 1 && std::is_trivially_copyable_v<Endpoint>);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_BASE_IP_ADDRESS_H_
