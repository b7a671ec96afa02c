#include "replay/standin/packet.h"

#include "stack/wire/icmp.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/udp.h"

namespace tapedeck::standin {
namespace {

using Bytes = std::span<const uint8_t>;

std::optional<IpPacket> ParseV4(Bytes packet) {
  const auto view = wire::ParseIpv4(packet);
  if (!view) return std::nullopt;
  IpPacket ip;
  ip.source = view->header->saddr;
  ip.dest = view->header->daddr;
  ip.protocol = view->header->protocol;
  ip.is_fragment = view->header->is_fragment();
  ip.is_later_fragment = view->header->offset_bytes() != 0;
  ip.upper_offset = view->header->header_bytes();
  ip.upper = view->payload;
  ip.total_bytes = ip.upper_offset + ip.upper.size();
  return ip;
}

std::optional<IpPacket> ParseV6(Bytes packet) {
  const auto view = wire::ParseIpv6(packet);
  if (!view) return std::nullopt;
  const auto upper = wire::FindUpperLayer(*view);
  if (!upper) return std::nullopt;
  IpPacket ip;
  ip.source = view->header->saddr;
  ip.dest = view->header->daddr;
  ip.protocol = upper->protocol;
  if (upper->fragment != nullptr) {
    ip.is_later_fragment = upper->fragment->offset_bytes() != 0;
    ip.is_fragment = ip.is_later_fragment || upper->fragment->more_fragments();
  }
  ip.upper_offset = sizeof(wire::Ipv6Header) + upper->offset;
  ip.upper = upper->payload;
  ip.total_bytes = sizeof(wire::Ipv6Header) + view->payload.size();
  return ip;
}

void ReadOption(const wire::TcpOption& option, TcpSegment* segment) {
  if (const auto mss = option.AsMss()) segment->mss = mss;
  if (const auto scale = option.AsWindowScale()) segment->window_scale = scale;
  if (option.IsSackPermitted()) segment->sack_permitted = true;
  if (const auto stamps = option.AsTimestamps()) segment->timestamps = stamps;
  if (const auto sacks = option.AsSack()) segment->sacks = *sacks;
  if (option.AsFastOpen().has_value()) segment->fast_open = true;
  if (option.kind == wire::kTcpOptMptcp) segment->multipath = true;
  if (option.kind == wire::kTcpOptMd5 || option.kind == wire::kTcpOptAo) {
    segment->signed_by_key = true;
  }
}

// The ports that begin TCP's and UDP's headers.
constexpr size_t kPortBytes = 4;

std::optional<QuotedPacket> QuoteOf(uint8_t protocol, const IpAddress& source,
                                    const IpAddress& dest, Bytes upper, Bytes packet) {
  if (protocol != wire::kIpProtoTcp && protocol != wire::kIpProtoUdp) return std::nullopt;
  if (upper.size() < kPortBytes) return std::nullopt;
  QuotedPacket quote;
  quote.protocol = protocol;
  quote.source = {source, be16(LoadBe16(upper.data()))};
  quote.dest = {dest, be16(LoadBe16(upper.data() + 2))};
  quote.upper_offset = static_cast<size_t>(upper.data() - packet.data());
  quote.upper_bytes = upper.size();
  return quote;
}

}  // namespace

std::optional<IpPacket> ParseIpPacket(Bytes packet) {
  if (packet.empty()) return std::nullopt;
  switch (packet[0] >> 4) {
    case 4:
      return ParseV4(packet);
    case 6:
      return ParseV6(packet);
    default:
      return std::nullopt;
  }
}

std::optional<TcpSegment> ParseTcpSegment(const IpPacket& packet) {
  if (packet.protocol != wire::kIpProtoTcp || packet.is_fragment) return std::nullopt;
  const auto view = wire::ParseTcp(packet.upper);
  if (!view) return std::nullopt;
  TcpSegment segment;
  segment.source = {packet.source, view->header->source};
  segment.dest = {packet.dest, view->header->dest};
  segment.seq = view->header->seq.host();
  segment.ack = view->header->ack_seq.host();
  segment.flags = view->header->flags();
  segment.window = view->header->window.host();
  segment.header_offset = packet.upper_offset;
  segment.payload = view->payload;
  wire::TcpOptionCursor cursor(view->options);
  while (const auto option = cursor.Next()) ReadOption(*option, &segment);
  segment.has_sacks = segment.sacks.count != 0;
  return segment;
}

std::optional<UdpDatagram> ParseUdpDatagram(const IpPacket& packet) {
  if (packet.protocol != wire::kIpProtoUdp || packet.is_fragment) return std::nullopt;
  const auto view = wire::ParseUdp(packet.upper);
  if (!view) return std::nullopt;
  return UdpDatagram{
      {packet.source, view->header->source}, {packet.dest, view->header->dest}, view->payload};
}

std::optional<UdpHeading> ParseUdpHeading(const IpPacket& packet) {
  if (packet.protocol != wire::kIpProtoUdp || packet.is_later_fragment) return std::nullopt;
  const auto* const header = wire::Overlay<wire::UdpHeader>(packet.upper);
  if (header == nullptr || header->len.host() < sizeof(wire::UdpHeader)) return std::nullopt;
  return UdpHeading{{packet.source, header->source},
                    {packet.dest, header->dest},
                    header->len.host() - uint32_t{sizeof(wire::UdpHeader)}};
}

std::optional<QuotedPacket> ParseIcmpError(const IpPacket& packet) {
  if (packet.is_fragment || packet.upper.size() < sizeof(wire::IcmpHeader)) return std::nullopt;
  const Bytes whole(packet.upper.data() - packet.upper_offset,
                    packet.upper_offset + packet.upper.size());
  const Bytes body = packet.upper.subspan(sizeof(wire::IcmpHeader));
  if (packet.protocol == wire::kIpProtoIcmp && packet.source.is_v4()) {
    const auto* const header = wire::Overlay<wire::IcmpHeader>(packet.upper);
    if (!header->is_error()) return std::nullopt;
    const auto quote = wire::ParseQuotedIpv4(body);
    if (!quote || quote->header->offset_bytes() != 0) return std::nullopt;
    return QuoteOf(quote->header->protocol, quote->header->saddr, quote->header->daddr,
                   quote->payload, whole);
  }
  constexpr uint8_t kFirstInformational = 128;  // RFC 4443 2.1: errors are below
  if (packet.protocol == wire::kIpProtoIcmpv6 && packet.upper[0] < kFirstInformational) {
    const auto quote = wire::ParseQuotedIpv6(body);
    if (!quote) return std::nullopt;
    const auto upper = wire::FindUpperLayer(*quote);
    if (!upper) return std::nullopt;
    return QuoteOf(upper->protocol, quote->header->saddr, quote->header->daddr, upper->payload,
                   whole);
  }
  return std::nullopt;
}

}  // namespace tapedeck::standin
