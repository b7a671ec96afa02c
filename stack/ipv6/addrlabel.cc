// The policy table's labels (RFC 6724 2.1, with Linux's additions for 6to4, site-local, 6bone and
// ORCHID): addresses of one label belong together.
#include <array>

#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/ip6_addr.h"

namespace tapedeck {

namespace {

struct Label {
  Ipv6Address prefix;
  uint8_t plen;
  uint32_t label;
};

constexpr Ipv6Address From(uint16_t a, uint16_t b) {
  return Ipv6Address(std::array<uint16_t, 8>{a, b, 0, 0, 0, 0, 0, 0});
}

// Longest first: the first that matches decides.
constexpr Label kLabels[] = {
    {kIpv6Loopback, 128, 0},
    {Ipv6Address::Mapped(Ipv4Address()), 96, 4},
    {kIpv6Any, 96, 3},               // IPv4-compatible
    {From(0x2001, 0x0000), 32, 6},   // Teredo
    {From(0x2001, 0x0010), 28, 7},   // ORCHID
    {From(0x3ffe, 0x0000), 16, 12},  // 6bone
    {From(0x2002, 0x0000), 16, 2},   // 6to4
    {From(0xfec0, 0x0000), 10, 11},  // site-local
    {From(0xfc00, 0x0000), 7, 5},    // unique local
    {kIpv6Any, 0, 1},
};

}  // namespace

uint32_t ipv6_addr_label(const Ipv6Address& addr, int /*ifindex*/) {
  for (const Label& l : kLabels) {
    if (ipv6_prefix_equal(addr, l.prefix, l.plen)) return l.label;
  }
  return UINT32_MAX;
}

}  // namespace tapedeck
