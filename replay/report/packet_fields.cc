#include "replay/report/packet_fields.h"

#include <algorithm>

#include "stack/wire/ethernet.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

namespace tapedeck::report {

namespace {

TcpFields FieldsOf(const wire::TcpView& tcp) {
  TcpFields fields;
  fields.seq = tcp.header->sequence();
  fields.ack = tcp.header->acknowledgment();
  fields.flags = tcp.header->flags();
  fields.window = tcp.header->window.host();
  fields.payload_bytes = static_cast<uint32_t>(tcp.payload.size());
  fields.options = wire::TcpOptionsToString(tcp.options);
  wire::TcpOptionCursor cursor(tcp.options);
  while (const std::optional<wire::TcpOption> option = cursor.Next()) {
    if (const std::optional<wire::TcpSackBlocks> sack = option->AsSack()) fields.sack = *sack;
    if (const std::optional<uint8_t> shift = option->AsWindowScale()) {
      fields.window_shift = std::min(*shift, wire::kTcpWindowScaleMax);
    }
  }
  return fields;
}

void AddUpperLayer(std::span<const uint8_t> segment, PacketFields* fields) {
  if (fields->protocol == wire::kIpProtoTcp) {
    const wire::Parsed<wire::TcpView> tcp = wire::ParseTcp(segment);
    if (!tcp) return;
    fields->source.port = tcp->header->source;
    fields->destination.port = tcp->header->dest;
    fields->tcp = FieldsOf(*tcp);
  } else if (fields->protocol == wire::kIpProtoUdp) {
    const wire::Parsed<wire::UdpView> udp = wire::ParseUdp(segment);
    if (!udp) return;
    fields->source.port = udp->header->source;
    fields->destination.port = udp->header->dest;
  }
}

std::optional<PacketFields> OfIpv4(std::span<const uint8_t> packet) {
  const wire::Parsed<wire::Ipv4View> ip = wire::ParseIpv4(packet);
  if (!ip) return std::nullopt;
  PacketFields fields;
  fields.protocol = ip->header->protocol;
  fields.source.address = ip->header->saddr;
  fields.destination.address = ip->header->daddr;
  if (!ip->header->is_fragment()) AddUpperLayer(ip->payload, &fields);
  return fields;
}

std::optional<PacketFields> OfIpv6(std::span<const uint8_t> packet) {
  const wire::Parsed<wire::Ipv6View> ip = wire::ParseIpv6(packet);
  if (!ip) return std::nullopt;
  const wire::Parsed<wire::Ipv6UpperLayer> upper = wire::FindUpperLayer(*ip);
  if (!upper) return std::nullopt;
  PacketFields fields;
  fields.protocol = upper->protocol;
  fields.source.address = ip->header->saddr;
  fields.destination.address = ip->header->daddr;
  const wire::Ipv6FragmentHeader* const fragment = upper->fragment;
  const bool whole =
      fragment == nullptr || (fragment->offset_bytes() == 0 && !fragment->more_fragments());
  if (whole) AddUpperLayer(upper->payload, &fields);
  return fields;
}

}  // namespace

std::string EndpointText(const Endpoint& endpoint) {
  return endpoint.port == 0 ? endpoint.address.ToString() : endpoint.ToString();
}

SeqNum TcpFields::end() const {
  return seq + payload_bytes + ((flags & wire::kTcpSyn) != 0 ? 1U : 0U) +
         ((flags & wire::kTcpFin) != 0 ? 1U : 0U);
}

std::optional<PacketFields> ParsePacketFields(std::span<const uint8_t> bytes, bool bare_ip) {
  if (bare_ip) {
    if (bytes.empty()) return std::nullopt;
    return bytes[0] >> 4 == 6 ? OfIpv6(bytes) : OfIpv4(bytes);
  }
  const wire::Parsed<wire::EthernetView> ethernet = wire::ParseEthernet(bytes);
  if (!ethernet) return std::nullopt;
  if (ethernet->proto == wire::kEtherTypeIpv4) return OfIpv4(ethernet->payload);
  if (ethernet->proto == wire::kEtherTypeIpv6) return OfIpv6(ethernet->payload);
  return std::nullopt;
}

}  // namespace tapedeck::report
