// Who is who where a Script names no addresses: its hosts, and the peers that exist only as frames.
// All lie on one documentation network (RFC 5737, RFC 3849). A Lab made for such a Script gives its
// hosts these addresses.
#ifndef TAPEDECK_REPLAY_SCRIPT_ADDRESSES_H_
#define TAPEDECK_REPLAY_SCRIPT_ADDRESSES_H_

#include <array>
#include <cstdint>

#include "stack/base/ip_address.h"

namespace tapedeck {

inline constexpr Ipv4Prefix kScriptNetwork{Ipv4Address(192, 0, 2, 0), 24};
// What a default address ("...") has as its port, as in packetdrill.
inline constexpr uint16_t kScriptPort = 8080;

// `host` and `peer` count from 0 and are below 100.
constexpr Ipv4Address HostIpv4(uint8_t host) {
  return Ipv4Address(192, 0, 2, static_cast<uint8_t>(1 + host));
}
constexpr Ipv4Address PeerIpv4(uint8_t peer) {
  return Ipv4Address(192, 0, 2, static_cast<uint8_t>(101 + peer));
}
constexpr Ipv6Address HostIpv6(uint8_t host) {
  return Ipv6Address(
      std::array<uint16_t, 8>{0x2001, 0xdb8, 0, 0, 0, 0, 0, static_cast<uint16_t>(1 + host)});
}
constexpr Ipv6Address PeerIpv6(uint8_t peer) {
  return Ipv6Address(
      std::array<uint16_t, 8>{0x2001, 0xdb8, 0, 0, 0, 0, 0, static_cast<uint16_t>(101 + peer)});
}
constexpr MacAddress HostMac(uint8_t host) {
  return {0x02, 0, 0, 0, 0, static_cast<uint8_t>(1 + host)};
}
constexpr MacAddress PeerMac(uint8_t peer) {
  return {0x02, 0, 0, 0, 1, static_cast<uint8_t>(1 + peer)};
}

// A second network, of hosts with a second NIC, and its peers.
constexpr Ipv4Address SecondHostIpv4(uint8_t host) {
  return Ipv4Address(198, 51, 100, static_cast<uint8_t>(1 + host));
}
constexpr Ipv4Address SecondPeerIpv4(uint8_t peer) {
  return Ipv4Address(198, 51, 100, static_cast<uint8_t>(101 + peer));
}
constexpr Ipv6Address SecondHostIpv6(uint8_t host) {
  return Ipv6Address(
      std::array<uint16_t, 8>{0x2001, 0xdb8, 0, 1, 0, 0, 0, static_cast<uint16_t>(1 + host)});
}
constexpr Ipv6Address SecondPeerIpv6(uint8_t peer) {
  return Ipv6Address(
      std::array<uint16_t, 8>{0x2001, 0xdb8, 0, 1, 0, 0, 0, static_cast<uint16_t>(101 + peer)});
}
constexpr MacAddress SecondMac(uint8_t host) {
  return {0x02, 0, 0, 0, 2, static_cast<uint8_t>(1 + host)};
}

// The MAC address that a frame from `address` bears: a host's or peer's own; of any other address
// peer 0's, as if that were a router.
constexpr MacAddress SourceMacOf(Ipv4Address address) {
  const uint8_t last = address.bytes()[3];
  if (!kScriptNetwork.Contains(address)) return PeerMac(0);
  if (last >= 101 && last < 201) return PeerMac(static_cast<uint8_t>(last - 101));
  return last >= 1 && last < 101 ? HostMac(static_cast<uint8_t>(last - 1)) : PeerMac(0);
}

// The MAC address of a frame to `address` that reaches `host`: everyone's, the group's, or the
// host's own, whoever's the IP address is.
constexpr MacAddress DestMacOf(Ipv4Address address, uint8_t host) {
  if (ipv4_is_lbcast(address) || address == kScriptNetwork.last()) return kMacBroadcast;
  return ipv4_is_multicast(address) ? MacAddress::ForMulticast(address) : HostMac(host);
}

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_ADDRESSES_H_
