#include "replay/convert/address_map.h"

#include <algorithm>
#include <array>

#include "stack/base/byteorder.h"
#include "stack/base/prng.h"

namespace tapedeck {
namespace {

enum Kind : uint64_t { kKindIpv4 = 4, kKindIpv6 = 6, kKind24 = 24 };

// Networks whose addresses stay in them (RFC 6890 and those it names). The bits that lead to one
// never turn, so that no other address comes into it either.
struct Ipv4Network {
  uint32_t address;
  unsigned length_bits;
  bool is_fixed;  // the addresses stay as they are
};
constexpr Ipv4Network kIpv4Networks[] = {
    {0x00000000, 8, true},    // "this" network
    {0x7f000000, 8, true},    // loopback
    {0xe0000000, 4, true},    // multicast
    {0xf0000000, 4, true},    // reserved, and the broadcast address
    {0x0a000000, 8, false},   // private
    {0xac100000, 12, false},  // private
    {0xc0a80000, 16, false},  // private
    {0x64400000, 10, false},  // shared by carriers
    {0xa9fe0000, 16, false},  // link-local
};

struct Ipv6Network {
  uint16_t group;  // the first 16 bits
  unsigned length_bits;
  bool is_fixed;
};
constexpr Ipv6Network kIpv6Networks[] = {
    {0x0000, 8, true},    // unspecified, loopback, mapped and other embedded forms
    {0xff00, 8, true},    // multicast
    {0xfe80, 10, false},  // link-local
    {0xfc00, 7, false},   // unique local
    {0x2000, 3, false},   // global unicast
};

// Both begin with the same `n` bits of `total`.
constexpr bool SharePrefix(uint32_t a, uint32_t b, unsigned n, unsigned total) {
  return n == 0 || ((a ^ b) >> (total - n)) == 0;
}

bool LeadsToSpecialIpv4(uint32_t address, unsigned length_bits) {
  return std::ranges::any_of(kIpv4Networks, [&](const Ipv4Network& network) {
    return length_bits < network.length_bits &&
           SharePrefix(address, network.address, length_bits, 32);
  });
}

// All of a link-local address in front of its identifier says nothing (RFC 4291 2.5.6).
constexpr unsigned kIdentifierBits = 64;
bool IsLinkLocal(uint16_t group) { return (group & 0xffc0) == 0xfe80; }

bool LeadsToSpecialIpv6(uint16_t group, unsigned length_bits) {
  if (IsLinkLocal(group)) return length_bits < kIdentifierBits;
  return std::ranges::any_of(kIpv6Networks, [&](const Ipv6Network& network) {
    return length_bits < network.length_bits && SharePrefix(group, network.group, length_bits, 16);
  });
}

constexpr uint32_t kLow24 = 0xffffff;

bool IsSolicitedNode(const Ipv6Address& address) {
  return address == addrconf_addr_solict_mult(address);
}

Ipv6Address WithLow24(const Ipv6Address& address, uint32_t low) {
  std::array<uint8_t, 16> bytes = address.bytes();
  StoreBe32(bytes.data() + 12, (address.word(3) & ~kLow24) | low);
  return Ipv6Address(bytes);
}

// An interface identifier of a MAC address: ff:fe in the middle, and the bit for local ones turned.
bool HasMacInside(const Ipv6Address& address) {
  return address.bytes()[11] == 0xff && address.bytes()[12] == 0xfe;
}

MacAddress MacInside(const Ipv6Address& address) {
  const auto& b = address.bytes();
  return {static_cast<uint8_t>(b[8] ^ 2), b[9], b[10], b[13], b[14], b[15]};
}

Ipv6Address WithMac(const Ipv6Address& address, const MacAddress& mac) {
  std::array<uint8_t, 16> bytes = address.bytes();
  const auto& m = mac.bytes();
  const std::array<uint8_t, 8> identifier = {
      static_cast<uint8_t>(m[0] ^ 2), m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};
  std::copy(identifier.begin(), identifier.end(), bytes.begin() + 8);
  return Ipv6Address(bytes);
}

}  // namespace

AddressMap::AddressMap(uint64_t seed) {
  uint64_t state = seed;
  std::array<uint8_t, 16> bytes;
  StoreLe64(bytes.data(), SplitMix64(state));
  StoreLe64(bytes.data() + 8, SplitMix64(state));
  key_ = SipHashKey::FromBytes(bytes);
}

bool AddressMap::Turns(uint64_t kind, uint64_t prefix_high, uint64_t prefix_low,
                       unsigned length_bits) const {
  std::array<uint8_t, 25> message;
  StoreLe64(message.data(), kind);
  StoreBe64(message.data() + 8, prefix_high);
  StoreBe64(message.data() + 16, prefix_low);
  message[24] = static_cast<uint8_t>(length_bits);
  return (SipHash24(message, key_) & 1) != 0;
}

Ipv4Address AddressMap::Map(Ipv4Address address) const {
  const uint32_t from = address.host();
  for (const Ipv4Network& network : kIpv4Networks) {
    if (network.is_fixed && SharePrefix(from, network.address, network.length_bits, 32)) {
      return address;
    }
  }
  uint32_t to = from;
  for (unsigned i = 0; i < 32; ++i) {
    if (LeadsToSpecialIpv4(from, i)) continue;
    const uint32_t prefix = from & inet_make_mask(i);
    if (Turns(kKindIpv4, prefix, 0, i)) to ^= uint32_t{1} << (31 - i);
  }
  return Ipv4Address(to);
}

uint32_t AddressMap::Map24(uint32_t bits, uint32_t kept) const {
  uint32_t to = bits;
  for (unsigned i = 0; i < 24; ++i) {
    const uint32_t bit = uint32_t{1} << (23 - i);
    const uint32_t prefix = bits & (inet_make_mask(i) >> 8);
    if ((kept & bit) == 0 && Turns(kKind24 + kept, prefix, 0, i)) to ^= bit;
  }
  return to;
}

Ipv6Address AddressMap::Map(const Ipv6Address& address) const {
  if (ipv6_addr_v4mapped(address)) return Ipv6Address::Mapped(Map(Ipv4Address(address.word(3))));
  if (IsSolicitedNode(address)) return WithLow24(address, MapLow24(address.word(3) & kLow24));
  for (const Ipv6Network& network : kIpv6Networks) {
    if (network.is_fixed && SharePrefix(address.group(0), network.group, network.length_bits, 16)) {
      return address;
    }
  }
  std::array<uint8_t, 16> to = address.bytes();
  uint64_t high = 0;  // the first `i` bits of the address
  uint64_t low = 0;
  for (unsigned i = 0; i < 104; ++i) {
    const unsigned bit = (address.bytes()[i / 8] >> (7 - i % 8)) & 1;
    if (!LeadsToSpecialIpv6(address.group(0), i) && Turns(kKindIpv6, high, low, i)) {
      to[i / 8] ^= static_cast<uint8_t>(0x80 >> (i % 8));
    }
    uint64_t& word = i < 64 ? high : low;
    word |= uint64_t{bit} << (63 - i % 64);
  }
  const Ipv6Address mapped = WithLow24(Ipv6Address(to), MapLow24(address.word(3) & kLow24));
  return HasMacInside(address) ? WithMac(mapped, Map(MacInside(address))) : mapped;
}

MacAddress AddressMap::Map(MacAddress address) const {
  std::array<uint8_t, 6> bytes = address.bytes();
  constexpr uint8_t kSolicitedNode[] = {0x33, 0x33, 0xff};
  const bool is_solicited = std::ranges::equal(std::span(bytes).first(3), kSolicitedNode);
  if (!is_solicited && !address.IsValidStation()) return address;
  // A group or none, and administered locally or not, stays.
  constexpr uint32_t kFlags = 0x030000;
  const uint32_t maker = LoadBe32(bytes.data()) >> 8;
  const uint32_t low = MapLow24(LoadBe32(bytes.data() + 2) & kLow24);
  const uint32_t high = is_solicited ? maker : Map24(maker, kFlags);
  StoreBe32(bytes.data(), high << 8 | low >> 16);
  StoreBe16(bytes.data() + 4, static_cast<uint16_t>(low));
  return MacAddress(bytes);
}

}  // namespace tapedeck
