#include "replay/normalise/layout.h"

#include <algorithm>

#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

namespace tapedeck::normalise {
namespace {

using Unused = std::optional<UnusedReason>;

// How much of a header of `protocol` must be there to know what it says; `segment` is what was
// captured from it on.
size_t TransportHeaderBytes(uint8_t protocol, std::span<const uint8_t> segment) {
  constexpr size_t kIcmpHeaderBytes = 8;
  switch (protocol) {
    case wire::kIpProtoTcp: {
      const auto* const tcp = wire::Overlay<wire::TcpHeader>(segment);
      return tcp == nullptr ? size_t{wire::kTcpHeaderBytes}
                            : std::max<size_t>(wire::kTcpHeaderBytes, tcp->header_bytes());
    }
    case wire::kIpProtoUdp:
      return wire::kUdpHeaderBytes;
    case wire::kIpProtoIcmp:
    case wire::kIpProtoIcmpv6:
      return kIcmpHeaderBytes;
    default:
      return 0;
  }
}

// Takes down the header at `offset`, if all of it is there.
Unused FindTransport(size_t offset, const Layout& layout, Frame& frame) {
  const std::span<const uint8_t> segment =
      frame.bytes.subspan(std::min(offset, frame.bytes.size()));
  if (segment.size() >= TransportHeaderBytes(frame.protocol, segment) && !segment.empty() &&
      offset <= UINT16_MAX) {
    frame.transport_offset = static_cast<uint16_t>(offset);
    return std::nullopt;
  }
  // Without a cut it is the packet itself that is shorter, as a first fragment may be.
  return frame.bytes.size() < layout.frame_bytes ? Unused(UnusedReason::kTransportHeaderCut)
                                                 : std::nullopt;
}

// The frame ends where its IP length says, if that much was on the wire.
void ApplyLength(size_t ip_bytes, size_t wire_bytes, Frame& frame, Layout& layout) {
  const size_t end = frame.network_offset + ip_bytes;
  frame.length_lies = end > wire_bytes;
  layout.frame_bytes = std::min(end, wire_bytes);
  frame.bytes = frame.bytes.first(std::min(frame.bytes.size(), layout.frame_bytes));
}

Unused FindIpv4(size_t wire_bytes, bool is_cut, Frame& frame, Layout& layout) {
  const auto* const ip = wire::Overlay<wire::Ipv4Header>(frame.network());
  const bool damaged = ip != nullptr && (ip->version() != 4 || ip->ihl() < 5);
  if (ip == nullptr || (!damaged && ip->header_bytes() > frame.network().size())) {
    return is_cut ? Unused(UnusedReason::kNetworkHeaderCut) : std::nullopt;
  }
  if (damaged) return std::nullopt;
  size_t ip_bytes = ip->tot_len.host();
  if (ip_bytes == 0 && wire_bytes - frame.network_offset > kUsualMtuBytes) {
    ip_bytes = wire_bytes - frame.network_offset;
    layout.length_filled = true;
  }
  if (ip_bytes < ip->header_bytes()) return std::nullopt;
  ApplyLength(ip_bytes, wire_bytes, frame, layout);
  frame.protocol = ip->protocol;
  frame.is_fragment = ip->is_fragment();
  frame.is_later_fragment = ip->offset_bytes() != 0;
  if (frame.is_later_fragment) return std::nullopt;
  return FindTransport(frame.network_offset + ip->header_bytes(), layout, frame);
}

// The length that a jumbo payload option gives (RFC 2675), or 0.
uint32_t JumboBytes(const wire::Ipv6Extension& extension) {
  if (extension.type != wire::kIpProtoHopByHop) return 0;
  wire::Ipv6OptionCursor options(extension);
  while (const auto option = options.Next()) {
    if (option->type == wire::kIpv6OptJumbo && option->data.size() == 4) {
      return LoadBe32(option->data.data());
    }
  }
  return 0;
}

// Bytes behind the IPv6 header, of which the captured ones are `payload`.
size_t Ipv6PayloadBytes(const wire::Ipv6Header& ip, size_t wire_payload_bytes,
                        std::span<const uint8_t> payload, Layout& layout) {
  constexpr size_t kPayloadLengthMax = 0xffff;
  if (ip.payload_len.host() != 0) return ip.payload_len.host();
  wire::Ipv6ExtensionCursor cursor(ip.nexthdr, payload);
  if (const auto first = cursor.Next()) {
    if (const uint32_t jumbo_bytes = JumboBytes(*first); jumbo_bytes != 0) {
      layout.length_filled = true;
      return jumbo_bytes;
    }
  }
  if (wire_payload_bytes <= kPayloadLengthMax) return 0;
  layout.length_filled = true;
  return wire_payload_bytes;
}

Unused FindIpv6(size_t wire_bytes, bool is_cut, Frame& frame, Layout& layout) {
  const auto* const ip = wire::Overlay<wire::Ipv6Header>(frame.network());
  if (ip == nullptr) return is_cut ? Unused(UnusedReason::kNetworkHeaderCut) : std::nullopt;
  if (ip->version() != 6) return std::nullopt;
  const size_t payload_bytes =
      Ipv6PayloadBytes(*ip, wire_bytes - frame.network_offset - wire::kIpv6HeaderBytes,
                       frame.network().subspan(wire::kIpv6HeaderBytes), layout);
  ApplyLength(wire::kIpv6HeaderBytes + payload_bytes, wire_bytes, frame, layout);
  wire::Ipv6ExtensionCursor cursor(ip->nexthdr, frame.network().subspan(wire::kIpv6HeaderBytes));
  while (const auto extension = cursor.Next()) {
    const wire::Ipv6FragmentHeader* const fragment = extension->AsFragment();
    if (fragment == nullptr) continue;
    frame.is_later_fragment = fragment->offset_bytes() != 0;
    frame.is_fragment = frame.is_later_fragment || fragment->more_fragments();
  }
  if (cursor.malformed()) {
    return frame.bytes.size() < layout.frame_bytes ? Unused(UnusedReason::kNetworkHeaderCut)
                                                   : std::nullopt;
  }
  frame.protocol = cursor.nexthdr();
  if (frame.is_later_fragment) return std::nullopt;
  return FindTransport(frame.network_offset + wire::kIpv6HeaderBytes + cursor.offset(), layout,
                       frame);
}

}  // namespace

std::optional<UnusedReason> FindLayout(size_t wire_bytes, Frame& frame, Layout& layout) {
  const bool is_cut = frame.bytes.size() < wire_bytes;
  layout.frame_bytes = wire_bytes;
  const wire::Parsed<wire::EthernetView> ethernet = wire::ParseEthernet(frame.bytes);
  if (!ethernet) return is_cut ? Unused(UnusedReason::kNetworkHeaderCut) : std::nullopt;
  frame.network_offset = static_cast<uint16_t>(ethernet->payload.data() - frame.bytes.data());
  switch (ethernet->proto) {
    case wire::kEtherTypeIpv4:
      frame.kind = FrameKind::kIpv4;
      return FindIpv4(wire_bytes, is_cut, frame, layout);
    case wire::kEtherTypeIpv6:
      frame.kind = FrameKind::kIpv6;
      return FindIpv6(wire_bytes, is_cut, frame, layout);
    case wire::kEtherTypeArp:
      frame.kind = FrameKind::kArp;
      if (is_cut && frame.network().size() < sizeof(wire::ArpPacket)) {
        return UnusedReason::kNetworkHeaderCut;
      }
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

wire::PseudoHeader PseudoHeaderOf(const Frame& frame) {
  const std::span<const uint8_t> packet = frame.network();
  if (frame.kind == FrameKind::kIpv4) {
    const auto* const ip = wire::Overlay<wire::Ipv4Header>(packet);
    return {ip->saddr, ip->daddr};
  }
  const auto* const ip = wire::Overlay<wire::Ipv6Header>(packet);
  const Ipv6Address* destination = &ip->daddr;
  wire::Ipv6ExtensionCursor cursor(ip->nexthdr, packet.subspan(wire::kIpv6HeaderBytes));
  while (const auto extension = cursor.Next()) {
    if (extension->FinalDestination() != nullptr) destination = extension->FinalDestination();
  }
  return {ip->saddr, *destination};
}

}  // namespace tapedeck::normalise
