// Arithmetic on IPv6 addresses: prefixes, scopes, common bits (include/net/ipv6.h, addrconf.h).
#ifndef TAPEDECK_STACK_IPV6_IP6_ADDR_H_
#define TAPEDECK_STACK_IPV6_IP6_ADDR_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "stack/base/hash.h"
#include "stack/base/ip_address.h"

namespace tapedeck {

// The first `length_bits` (0..128) bits of `addr`, the others zero.
constexpr Ipv6Address ipv6_addr_prefix(const Ipv6Address& addr, unsigned length_bits) {
  std::array<uint8_t, 16> bytes = addr.bytes();
  for (unsigned i = 0; i < 16; ++i) {
    const unsigned kept = length_bits > 8 * i ? std::min(length_bits - 8 * i, 8U) : 0;
    bytes[i] = static_cast<uint8_t>(bytes[i] & (0xff00U >> kept));
  }
  return Ipv6Address(std::span<const uint8_t, 16>(bytes));
}
// How many leading bits two addresses share: 128 where they are equal.
constexpr unsigned ipv6_addr_diff(const Ipv6Address& a, const Ipv6Address& b) {
  for (unsigned i = 0; i < 4; ++i) {
    const uint32_t differs = a.word(i) ^ b.word(i);
    if (differs != 0) return 32 * i + static_cast<unsigned>(std::countl_zero(differs));
  }
  return 128;
}
constexpr bool ipv6_prefix_equal(const Ipv6Address& a, const Ipv6Address& b, unsigned length_bits) {
  return ipv6_addr_diff(a, b) >= length_bits;
}
// The first eight bytes of `prefix`, then the interface identifier `iid`.
constexpr Ipv6Address ipv6_addr_with_iid(const Ipv6Address& prefix,
                                         const std::array<uint8_t, 8>& iid) {
  std::array<uint8_t, 16> bytes = prefix.bytes();
  for (unsigned i = 0; i < 8; ++i) bytes[8 + i] = iid[i];
  return Ipv6Address(std::span<const uint8_t, 16>(bytes));
}

// Scopes as in the second byte of a multicast address (RFC 4291 2.7); unicast ones on the same
// scale.
inline constexpr int IPV6_ADDR_SCOPE_NODELOCAL = 0x01;
inline constexpr int IPV6_ADDR_SCOPE_LINKLOCAL = 0x02;
inline constexpr int IPV6_ADDR_SCOPE_SITELOCAL = 0x05;
inline constexpr int IPV6_ADDR_SCOPE_ORGLOCAL = 0x08;
inline constexpr int IPV6_ADDR_SCOPE_GLOBAL = 0x0e;
constexpr int ipv6_addr_src_scope(const Ipv6Address& addr) {
  if (ipv6_addr_is_multicast(addr)) return addr.bytes()[1] & 0xf;
  const uint32_t type = ipv6_addr_type(addr);
  if ((type & IPV6_ADDR_LOOPBACK) != 0) return IPV6_ADDR_SCOPE_NODELOCAL;
  if ((type & IPV6_ADDR_LINKLOCAL) != 0) return IPV6_ADDR_SCOPE_LINKLOCAL;
  if ((type & IPV6_ADDR_SITELOCAL) != 0) return IPV6_ADDR_SCOPE_SITELOCAL;
  return type == IPV6_ADDR_ANY ? -1 : IPV6_ADDR_SCOPE_GLOBAL;
}
inline constexpr uint32_t IPV6_ADDR_SCOPE_MASK =
    IPV6_ADDR_LOOPBACK | IPV6_ADDR_LINKLOCAL | IPV6_ADDR_SITELOCAL | IPV6_ADDR_COMPATv4;
// The scope bits of the type: inet6_ifaddr::scope.
constexpr uint16_t ipv6_addr_scope(const Ipv6Address& addr) {
  return static_cast<uint16_t>(ipv6_addr_type(addr) & IPV6_ADDR_SCOPE_MASK);
}

// Whether an address of this type says nothing without a device.
constexpr bool __ipv6_addr_needs_scope_id(uint32_t type) {
  if ((type & IPV6_ADDR_LINKLOCAL) != 0) return true;
  return (type & IPV6_ADDR_MULTICAST) != 0 && (type & IPV6_ADDR_LOOPBACK) != 0;
}
// sin6_scope_id of `addr` seen by device `ifindex`.
constexpr uint32_t ipv6_iface_scope_id(const Ipv6Address& addr, int ifindex) {
  return __ipv6_addr_needs_scope_id(ipv6_addr_type(addr)) ? static_cast<uint32_t>(ifindex) : 0;
}

constexpr bool ipv6_addr_is_ll_all_nodes(const Ipv6Address& a) { return a == kIpv6AllNodes; }
constexpr bool ipv6_addr_is_solict_mult(const Ipv6Address& a) {
  return a.word(0) == 0xff020000 && a.word(1) == 0 && a.word(2) == 1 && a.word(3) >> 24 == 0xff;
}
// 2001:10::/28 (RFC 4843).
constexpr bool ipv6_addr_orchid(const Ipv6Address& a) {
  return (a.word(0) & 0xfffffff0) == 0x20010010;
}

// Hash of an address for tables; `key` is the host's.
constexpr uint32_t ipv6_addr_jhash(const Ipv6Address& a, uint32_t key) {
  return jhash_2words(a.word(0) ^ a.word(1), jhash_2words(a.word(2), a.word(3), key), key);
}

inline constexpr Ipv6Address kIpv6InterfaceAllNodes{
    std::array<uint16_t, 8>{0xff01, 0, 0, 0, 0, 0, 0, 1}};
inline constexpr Ipv6Address kIpv6InterfaceAllRouters{
    std::array<uint16_t, 8>{0xff01, 0, 0, 0, 0, 0, 0, 2}};
inline constexpr Ipv6Address kIpv6SiteAllRouters{
    std::array<uint16_t, 8>{0xff05, 0, 0, 0, 0, 0, 0, 2}};
inline constexpr Ipv6Address kIpv6MldV2Routers{
    std::array<uint16_t, 8>{0xff02, 0, 0, 0, 0, 0, 0, 0x16}};
inline constexpr Ipv6Address kIpv6LinkLocalPrefix{
    std::array<uint16_t, 8>{0xfe80, 0, 0, 0, 0, 0, 0, 0}};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_IP6_ADDR_H_
