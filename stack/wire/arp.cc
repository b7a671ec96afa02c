#include "stack/wire/arp.h"

#include "stack/wire/ethernet.h"

namespace tapedeck::wire {

Parsed<const ArpPacket*> ParseArp(std::span<const uint8_t> bytes) {
  const auto* packet = Overlay<ArpPacket>(bytes);
  if (packet == nullptr) return ParseError::kTruncated;
  if (packet->ar_hrd != kArpHardwareEthernet) return ParseError::kHardwareType;
  if (packet->ar_pro != kEtherTypeIpv4) return ParseError::kProtocolType;
  if (packet->ar_hln != 6 || packet->ar_pln != 4) return ParseError::kAddressLength;
  return packet;
}

size_t EmitArp(std::span<uint8_t> out, const ArpPacket& packet) { return EmitHeader(out, packet); }

std::string ToString(const ArpPacket& packet) {
  std::string out = "ARP, ";
  if (packet.ar_op == kArpRequest) {
    out += "Request who-has " + packet.ar_tip.ToString();
    if (!packet.ar_tha.IsZero()) out += " (" + packet.ar_tha.ToString() + ")";
    out += " tell " + packet.ar_sip.ToString();
  } else if (packet.ar_op == kArpReply) {
    out += "Reply " + packet.ar_sip.ToString() + " is-at " + packet.ar_sha.ToString();
  } else {
    out += "op " + std::to_string(packet.ar_op.host());
  }
  return out + ", length " + std::to_string(sizeof packet);
}

}  // namespace tapedeck::wire
