// ARP for IPv4 over Ethernet (RFC 826; RFC 5227 for probes). Field names as in the kernel's struct
// arphdr.
#ifndef TAPEDECK_STACK_WIRE_ARP_H_
#define TAPEDECK_STACK_WIRE_ARP_H_

#include <cstdint>
#include <span>
#include <string>

#include "stack/base/byteorder.h"
#include "stack/base/ip_address.h"
#include "stack/wire/parse.h"

namespace tapedeck::wire {

inline constexpr uint16_t kArpHardwareEthernet = 1;
inline constexpr uint16_t kArpRequest = 1;
inline constexpr uint16_t kArpReply = 2;

struct ArpPacket {
  be16 ar_hrd = kArpHardwareEthernet;
  be16 ar_pro = uint16_t{0x0800};
  uint8_t ar_hln = 6;
  uint8_t ar_pln = 4;
  be16 ar_op{};
  MacAddress ar_sha{};  // sender
  Ipv4Address ar_sip{};
  MacAddress ar_tha{};  // target
  Ipv4Address ar_tip{};

  // Announces the sender's own address (RFC 5227 2.3; kernel: is_garp without the operation).
  constexpr bool IsGratuitous() const { return ar_sip == ar_tip; }
  // Asks whether anybody has the address, without claiming one (RFC 5227 1.1).
  constexpr bool IsProbe() const { return ar_op == kArpRequest && ar_sip == kIpv4Any; }
};
static_assert(sizeof(ArpPacket) == 28 && alignof(ArpPacket) == 1);

// The packet at the start of `bytes`; what follows it is padding.
// Errors: kTruncated, kHardwareType, kProtocolType, kAddressLength. Any operation is accepted.
Parsed<const ArpPacket*> ParseArp(std::span<const uint8_t> bytes);

// Returns 28, or 0 where there is no room.
size_t EmitArp(std::span<uint8_t> out, const ArpPacket& packet);

// "ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28", "ARP, Reply 10.0.0.1 is-at
// 02:00:00:00:00:01, length 28"
std::string ToString(const ArpPacket& packet);

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_ARP_H_
