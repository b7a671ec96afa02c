#include "stack/wire/describe.h"

#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/icmp.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/igmp.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/tcp.h"
#include "stack/wire/text.h"
#include "stack/wire/udp.h"

namespace tapedeck::wire {
namespace {

std::string Bad(const std::string& layer, ParseError error) {
  return layer + " [" + std::string(ToString(error)) + "]";
}

// What stands before and after the colon: ends of the flow, and the upper layer.
struct Flow {
  IpAddress saddr;
  IpAddress daddr;
};

std::string WithoutPorts(const Flow& flow, const std::string& text) {
  return flow.saddr.ToString() + " > " + flow.daddr.ToString() + ": " + text;
}

std::string WithPorts(const Flow& flow, be16 source, be16 dest, const std::string& text) {
  return flow.saddr.ToString() + "." + std::to_string(source.host()) + " > " +
         flow.daddr.ToString() + "." + std::to_string(dest.host()) + ": " + text;
}

std::string DescribeUdp(const Flow& flow, std::span<const uint8_t> segment) {
  const Parsed<UdpView> udp = ParseUdp(segment);
  if (!udp) return WithoutPorts(flow, Bad("UDP", udp.error()));
  return WithPorts(flow, udp->header->source, udp->header->dest,
                   "UDP, length " + std::to_string(udp->payload.size()));
}

std::string DescribeTcp(const Flow& flow, std::span<const uint8_t> segment) {
  const Parsed<TcpView> tcp = ParseTcp(segment);
  if (!tcp) return WithoutPorts(flow, Bad("TCP", tcp.error()));
  return WithPorts(flow, tcp->header->source, tcp->header->dest, TextWithoutPorts(*tcp));
}

std::string DescribeUpperLayer(const Flow& flow, uint8_t protocol,
                               std::span<const uint8_t> segment) {
  switch (protocol) {
    case kIpProtoUdp:
      return DescribeUdp(flow, segment);
    case kIpProtoTcp:
      return DescribeTcp(flow, segment);
    case kIpProtoIcmp: {
      const Parsed<IcmpView> icmp = ParseIcmp(segment);
      return WithoutPorts(flow, icmp ? ToString(*icmp) : Bad("ICMP", icmp.error()));
    }
    case kIpProtoIgmp: {
      const Parsed<IgmpView> igmp = ParseIgmp(segment);
      return WithoutPorts(flow, igmp ? ToString(*igmp) : Bad("igmp", igmp.error()));
    }
    case kIpProtoIcmpv6: {
      const Parsed<Icmpv6View> icmp = ParseIcmpv6(segment);
      return WithoutPorts(flow, icmp ? ToString(*icmp) : Bad("ICMP6", icmp.error()));
    }
    default:
      return WithoutPorts(flow,
                          IpProtocolName(protocol) + ", length " + std::to_string(segment.size()));
  }
}

// A fragment other than a whole datagram: its upper layer is not here or not all here.
std::string DescribeFragment(const Flow& flow, uint8_t protocol, uint32_t id, uint32_t offset_bytes,
                             bool more, size_t payload_bytes) {
  return WithoutPorts(flow, IpProtocolName(protocol) + " fragment, id " + std::to_string(id) +
                                ", offset " + std::to_string(offset_bytes) +
                                (more ? ", more" : ", last") + ", length " +
                                std::to_string(payload_bytes));
}

std::string DescribeIpv4(std::span<const uint8_t> packet) {
  const Parsed<Ipv4View> ip = ParseIpv4(packet);
  if (!ip) return Bad("IP", ip.error());
  const Ipv4Header& h = *ip->header;
  const Flow flow{h.saddr, h.daddr};
  if (h.is_fragment()) {
    return "IP " + DescribeFragment(flow, h.protocol, h.id.host(), h.offset_bytes(),
                                    h.more_fragments(), ip->payload.size());
  }
  return "IP " + DescribeUpperLayer(flow, h.protocol, ip->payload);
}

std::string DescribeIpv6(std::span<const uint8_t> packet) {
  const Parsed<Ipv6View> ip = ParseIpv6(packet);
  if (!ip) return Bad("IP6", ip.error());
  const Flow flow{ip->header->saddr, ip->header->daddr};
  const Parsed<Ipv6UpperLayer> upper = FindUpperLayer(*ip);
  if (!upper) return "IP6 " + WithoutPorts(flow, Bad("extension header", upper.error()));
  const Ipv6FragmentHeader* fragment = upper->fragment;
  if (fragment != nullptr && (fragment->offset_bytes() != 0 || fragment->more_fragments())) {
    return "IP6 " + DescribeFragment(flow, upper->protocol, fragment->identification.host(),
                                     fragment->offset_bytes(), fragment->more_fragments(),
                                     upper->payload.size());
  }
  return "IP6 " + DescribeUpperLayer(flow, upper->protocol, upper->payload);
}

std::string DescribeArp(std::span<const uint8_t> bytes) {
  const auto arp = ParseArp(bytes);
  return arp ? ToString(**arp) : Bad("ARP", arp.error());
}

}  // namespace

std::string DescribePacket(std::span<const uint8_t> packet) {
  if (packet.empty()) return Bad("IP", ParseError::kTruncated);
  return packet[0] >> 4 == 6 ? DescribeIpv6(packet) : DescribeIpv4(packet);
}

std::string DescribeFrame(std::span<const uint8_t> frame) {
  const Parsed<EthernetView> ethernet = ParseEthernet(frame);
  if (!ethernet) return Bad("Ethernet", ethernet.error());
  std::string out;
  for (const VlanTag& tag : ethernet->tags) out += "vlan " + std::to_string(tag.id()) + ", ";
  switch (ethernet->proto) {
    case kEtherTypeIpv4:
      return out + DescribeIpv4(ethernet->payload);
    case kEtherTypeIpv6:
      return out + DescribeIpv6(ethernet->payload);
    case kEtherTypeArp:
      return out + DescribeArp(ethernet->payload);
    default:
      return out + (ethernet->has_length() ? "802.3" : "ethertype " + Hex(ethernet->proto)) +
             ", length " + std::to_string(ethernet->payload.size());
  }
}

}  // namespace tapedeck::wire
