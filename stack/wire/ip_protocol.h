// Protocol numbers of IPv4's `protocol` and IPv6's `nexthdr` (IANA). Named apart from
// <netinet/in.h>, whose macros a tool may have seen before us.
#ifndef TAPEDECK_STACK_WIRE_IP_PROTOCOL_H_
#define TAPEDECK_STACK_WIRE_IP_PROTOCOL_H_

#include <cstdint>
#include <string>

namespace tapedeck::wire {

inline constexpr uint8_t kIpProtoHopByHop = 0;  // IPv6 only
inline constexpr uint8_t kIpProtoIcmp = 1;
inline constexpr uint8_t kIpProtoIgmp = 2;
inline constexpr uint8_t kIpProtoIpip = 4;
inline constexpr uint8_t kIpProtoTcp = 6;
inline constexpr uint8_t kIpProtoUdp = 17;
inline constexpr uint8_t kIpProtoIpv6 = 41;
inline constexpr uint8_t kIpProtoRouting = 43;
inline constexpr uint8_t kIpProtoFragment = 44;
inline constexpr uint8_t kIpProtoGre = 47;
inline constexpr uint8_t kIpProtoEsp = 50;
inline constexpr uint8_t kIpProtoAh = 51;
inline constexpr uint8_t kIpProtoIcmpv6 = 58;
inline constexpr uint8_t kIpProtoNoNext = 59;
inline constexpr uint8_t kIpProtoDestOptions = 60;
inline constexpr uint8_t kIpProtoSctp = 132;
inline constexpr uint8_t kIpProtoMobility = 135;
inline constexpr uint8_t kIpProtoUdplite = 136;
inline constexpr uint8_t kIpProtoRaw = 255;

// "TCP", "UDP", ...; "proto 123" for one without a name here.
std::string IpProtocolName(uint8_t protocol);

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_IP_PROTOCOL_H_
