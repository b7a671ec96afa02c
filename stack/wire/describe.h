// One line of tcpdump-like text for a whole frame or packet, whatever its bytes.
#ifndef TAPEDECK_STACK_WIRE_DESCRIBE_H_
#define TAPEDECK_STACK_WIRE_DESCRIBE_H_

#include <cstdint>
#include <span>
#include <string>

namespace tapedeck::wire {

// "IP 10.0.0.1.1234 > 10.0.0.2.53: UDP, length 20", "ARP, Request who-has ...", "vlan 5, IP6 ...".
// What cannot be parsed ends the line with its layer and the reason: "IP [truncated]".
std::string DescribeFrame(std::span<const uint8_t> frame);

// The same for a packet that begins with an IPv4 or IPv6 header.
std::string DescribePacket(std::span<const uint8_t> packet);

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_DESCRIBE_H_
