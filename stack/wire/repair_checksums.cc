#include "stack/wire/repair_checksums.h"

#include "stack/wire/ethernet.h"
#include "stack/wire/icmp.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/igmp.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/pseudo_header.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

namespace tapedeck::wire {
namespace {

// IP headers followed into one another; more than any receiver here unwraps.
constexpr int kNestedPacketsMax = 4;

// The writable bytes of `whole` that `part` shows. REQUIRES: `part` lies in `whole`.
std::span<uint8_t> Writable(std::span<uint8_t> whole, std::span<const uint8_t> part) {
  return whole.subspan(static_cast<size_t>(part.data() - whole.data()), part.size());
}

void RepairUdp(const PseudoHeader& pseudo, std::span<uint8_t> segment) {
  const Parsed<UdpView> udp = ParseUdp(segment);
  if (!udp || (udp->header->check == 0 && !pseudo.is_v6())) return;
  FillUdpChecksum(pseudo, Writable(segment, udp->datagram));
}

void RepairUpperLayer(const PseudoHeader& pseudo, uint8_t protocol, std::span<uint8_t> segment) {
  switch (protocol) {
    case kIpProtoIcmp:
      if (segment.size() >= sizeof(IcmpHeader)) FillIcmpChecksum(segment);
      return;
    case kIpProtoIgmp:
      if (segment.size() >= sizeof(IgmpHeader)) FillIgmpChecksum(segment);
      return;
    case kIpProtoUdp:
      RepairUdp(pseudo, segment);
      return;
    case kIpProtoTcp:
      if (ParseTcp(segment)) FillTcpChecksum(pseudo, segment);
      return;
    case kIpProtoIcmpv6:
      if (segment.size() >= sizeof(Icmpv6Header)) FillIcmpv6Checksum(pseudo, segment);
      return;
    default:
      return;
  }
}

// What an IP header carries, once that is known to be whole.
struct Carried {
  uint8_t protocol = kIpProtoNoNext;
  std::span<uint8_t> bytes;
};

Carried RepairIpv4(std::span<uint8_t> packet) {
  auto* header = OverlayMutable<Ipv4Header>(packet);
  if (header == nullptr || header->ihl() < 5 || header->header_bytes() > packet.size()) return {};
  // Before the lengths are looked at, for so does ip_rcv().
  FillIpv4Checksum(header);
  const Parsed<Ipv4View> ip = ParseIpv4(packet);
  if (!ip || header->is_fragment()) return {};
  const std::span<uint8_t> payload = Writable(packet, ip->payload);
  RepairUpperLayer({header->saddr, header->daddr}, header->protocol, payload);
  return {header->protocol, payload};
}

Carried RepairIpv6(std::span<uint8_t> packet) {
  const Parsed<Ipv6View> ip = ParseIpv6(packet);
  if (!ip) return {};
  const Parsed<Ipv6UpperLayer> upper = FindUpperLayer(*ip);
  if (!upper) return {};
  const Ipv6FragmentHeader* fragment = upper->fragment;
  if (fragment != nullptr && (fragment->offset_bytes() != 0 || fragment->more_fragments())) {
    return {};
  }
  const std::span<uint8_t> payload = Writable(packet, upper->payload);
  RepairUpperLayer({ip->header->saddr, *upper->final_daddr}, upper->protocol, payload);
  return {upper->protocol, payload};
}

}  // namespace

void RepairPacketChecksums(std::span<uint8_t> packet) {
  for (int depth = 0; depth < kNestedPacketsMax && !packet.empty(); ++depth) {
    const int version = packet[0] >> 4;
    Carried carried;
    if (version == 4) carried = RepairIpv4(packet);
    if (version == 6) carried = RepairIpv6(packet);
    if (carried.protocol != kIpProtoIpip && carried.protocol != kIpProtoIpv6) return;
    packet = carried.bytes;
  }
}

void RepairChecksums(std::span<uint8_t> frame) {
  const Parsed<EthernetView> ethernet = ParseEthernet(frame);
  if (!ethernet) return;
  if (ethernet->proto == kEtherTypeIpv4 || ethernet->proto == kEtherTypeIpv6) {
    RepairPacketChecksums(Writable(frame, ethernet->payload));
  }
}

}  // namespace tapedeck::wire
