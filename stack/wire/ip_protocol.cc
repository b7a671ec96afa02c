#include "stack/wire/ip_protocol.h"

namespace tapedeck::wire {

std::string IpProtocolName(uint8_t protocol) {
  switch (protocol) {
    case kIpProtoHopByHop:
      return "HBH";
    case kIpProtoIcmp:
      return "ICMP";
    case kIpProtoIgmp:
      return "IGMP";
    case kIpProtoIpip:
      return "IPIP";
    case kIpProtoTcp:
      return "TCP";
    case kIpProtoUdp:
      return "UDP";
    case kIpProtoIpv6:
      return "IPv6";
    case kIpProtoRouting:
      return "RT6";
    case kIpProtoFragment:
      return "frag";
    case kIpProtoGre:
      return "GRE";
    case kIpProtoEsp:
      return "ESP";
    case kIpProtoAh:
      return "AH";
    case kIpProtoIcmpv6:
      return "ICMP6";
    case kIpProtoNoNext:
      return "no next header";
    case kIpProtoDestOptions:
      return "DSTOPT";
    case kIpProtoSctp:
      return "SCTP";
    case kIpProtoMobility:
      return "mobility";
    case kIpProtoUdplite:
      return "UDPLite";
    default:
      return "proto " + std::to_string(protocol);
  }
}

}  // namespace tapedeck::wire
