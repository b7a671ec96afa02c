// Makes the checksums of arbitrary bytes right, so that a fuzzer's changes reach the code behind
// the checks while the checks stay compiled in.
#ifndef TAPEDECK_STACK_WIRE_REPAIR_CHECKSUMS_H_
#define TAPEDECK_STACK_WIRE_REPAIR_CHECKSUMS_H_

#include <cstdint>
#include <span>

namespace tapedeck::wire {

// Finds the layers of an Ethernet frame as a receiver would (VLAN tags, IPv4, IPv6 with extension
// headers, IP in IP) and sets the checksums of IPv4, ICMP, IGMP, UDP, TCP and ICMPv6. Total: any
// bytes are accepted, only checksum fields change, and a second call changes nothing.
//
// Left alone: a UDP checksum of zero over IPv4, which means none; the upper layer of a fragment,
// whose checksum covers bytes that are not here; a layer whose lengths make a receiver drop it
// before it looks at the checksum; what an ICMP error quotes.
void RepairChecksums(std::span<uint8_t> frame);

// The same for a packet that begins with an IPv4 or IPv6 header.
void RepairPacketChecksums(std::span<uint8_t> packet);

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_REPAIR_CHECKSUMS_H_
