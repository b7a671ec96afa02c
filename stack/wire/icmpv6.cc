#include "stack/wire/icmpv6.h"

namespace tapedeck::wire {
namespace {

std::string UnreachableText(uint8_t code) {
  switch (code) {
    case kIcmpv6NoRoute:
      return "unreachable route";
    case kIcmpv6AdminProhibited:
      return "unreachable prohibited";
    case kIcmpv6NotNeighbour:
      return "beyond scope";
    case kIcmpv6AddressUnreachable:
      return "unreachable address";
    case kIcmpv6PortUnreachable:
      return "unreachable port";
    default:
      return "unreachable code " + std::to_string(code);
  }
}

std::string IdAndSequence(const Icmpv6Header& header) {
  return ", id " + std::to_string(header.id()) + ", seq " + std::to_string(header.sequence());
}

std::string MessageText(const Icmpv6Header& h) {
  switch (h.type) {
    case kIcmpv6DestUnreachable:
      return "destination unreachable, " + UnreachableText(h.code);
    case kIcmpv6PacketTooBig:
      return "packet too big, mtu " + std::to_string(h.mtu());
    case kIcmpv6TimeExceeded:
      return h.code == 0 ? "time exceeded in-transit" : "time exceeded (reassembly)";
    case kIcmpv6ParameterProblem:
      return "parameter problem, code " + std::to_string(h.code) + ", octet " +
             std::to_string(h.pointer());
    case kIcmpv6EchoRequest:
      return "echo request" + IdAndSequence(h);
    case kIcmpv6EchoReply:
      return "echo reply" + IdAndSequence(h);
    case kIcmpv6ListenerQuery:
      return "multicast listener query";
    case kIcmpv6ListenerReport:
      return "multicast listener report";
    case kIcmpv6ListenerDone:
      return "multicast listener done";
    case kIcmpv6RouterSolicitation:
      return "router solicitation";
    case kIcmpv6RouterAdvertisement:
      return "router advertisement";
    case kIcmpv6NeighbourSolicitation:
      return "neighbor solicitation";
    case kIcmpv6NeighbourAdvertisement:
      return "neighbor advertisement";
    case kIcmpv6Redirect:
      return "redirect";
    case kIcmpv6ListenerReport2:
      return "multicast listener report v2";
    default:
      return "type " + std::to_string(h.type) + ", code " + std::to_string(h.code);
  }
}

}  // namespace

Parsed<Icmpv6View> ParseIcmpv6(std::span<const uint8_t> message) {
  const auto* header = Overlay<Icmpv6Header>(message);
  if (header == nullptr) return ParseError::kTruncated;
  return Icmpv6View{header, message.subspan(sizeof(Icmpv6Header))};
}

Parsed<Ipv6View> ParseIcmpv6Quote(const Icmpv6View& view) { return ParseQuotedIpv6(view.body); }

bool Icmpv6ChecksumOk(const PseudoHeader& pseudo, std::span<const uint8_t> message) {
  return pseudo.Checksum(kIpProtoIcmpv6, message) == 0;
}

void FillIcmpv6Checksum(const PseudoHeader& pseudo, std::span<uint8_t> message) {
  auto* header = OverlayMutable<Icmpv6Header>(message);
  header->checksum = 0;
  header->checksum = pseudo.Checksum(kIpProtoIcmpv6, message);
}

size_t EmitIcmpv6(std::span<uint8_t> out, const Icmpv6Header& header) {
  return EmitHeader(out, header);
}

std::string ToString(const Icmpv6View& view) {
  return "ICMP6, " + MessageText(*view.header) + ", length " +
         std::to_string(sizeof(Icmpv6Header) + view.body.size());
}

}  // namespace tapedeck::wire
