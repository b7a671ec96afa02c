// Frames that a few operands describe: what the bytes spelling builds, and finds again in a frame.
// All of them are frames that a stack takes for good, save for what a variation makes wrong.
//
// Each template has Build(), and Match() that returns the operands of a frame that may have been
// built so; only Build() tells whether it was.
#ifndef TAPEDECK_REPLAY_SCRIPT_FRAME_TEMPLATE_H_
#define TAPEDECK_REPLAY_SCRIPT_FRAME_TEMPLATE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "stack/base/ip_address.h"

namespace tapedeck {

// Bits of the variation of an IPv4 template. Others mean nothing.
inline constexpr uint8_t kVaryBadIpChecksum = 0x01;
inline constexpr uint8_t kVaryBadChecksum = 0x02;  // of what IPv4 carries
inline constexpr uint8_t kVaryNoChecksum = 0x04;   // UDP without one
inline constexpr uint8_t kVaryDontFragment = 0x08;
inline constexpr uint8_t kVaryLastHop = 0x10;  // a TTL of 1 instead of 64
// Of the ARP template.
inline constexpr uint8_t kVaryUnicast = 0x01;  // a request to the host alone, not to everyone

// Any IPv4 packet without options: an Ethernet header with the MAC addresses of addresses.h, and
// padding up to 60 bytes.
struct Ipv4Template {
  Ipv4Address saddr;
  Ipv4Address daddr;
  uint8_t protocol = 0;
  uint8_t variation = 0;  // kVaryBadIpChecksum, kVaryDontFragment, kVaryLastHop
  std::vector<uint8_t> payload;

  std::vector<uint8_t> Build(uint8_t host) const;
  static std::optional<Ipv4Template> Match(std::span<const uint8_t> frame, uint8_t host);
};

// A UDP datagram whose payload counts up from `first`.
struct UdpTemplate {
  Ipv4Address saddr;
  Ipv4Address daddr;
  uint16_t source = 0;
  uint16_t dest = 0;
  uint32_t payload_bytes = 0;
  uint8_t first = 0;
  uint8_t variation = 0;

  std::vector<uint8_t> Build(uint8_t host) const;
  static std::optional<UdpTemplate> Match(std::span<const uint8_t> frame, uint8_t host);
};

// An ICMP message of eight bytes, and data that count up from `first`: echo and its like.
struct IcmpTemplate {
  Ipv4Address saddr;
  Ipv4Address daddr;
  uint8_t type = 0;
  uint8_t code = 0;
  uint16_t id = 0;
  uint16_t sequence = 0;
  uint32_t payload_bytes = 0;
  uint8_t first = 0;
  uint8_t variation = 0;

  std::vector<uint8_t> Build(uint8_t host) const;
  static std::optional<IcmpTemplate> Match(std::span<const uint8_t> frame, uint8_t host);
};

// An ARP packet; the MAC addresses are those of addresses.h. A reply goes to the host alone.
struct ArpTemplate {
  uint16_t operation = 0;
  Ipv4Address sender;
  Ipv4Address target;
  uint8_t variation = 0;

  std::vector<uint8_t> Build(uint8_t host) const;
  static std::optional<ArpTemplate> Match(std::span<const uint8_t> frame, uint8_t host);
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_FRAME_TEMPLATE_H_
