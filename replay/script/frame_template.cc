#include "replay/script/frame_template.h"

#include <algorithm>
#include <array>

#include "replay/script/addresses.h"
#include "replay/script/script.h"
#include "stack/base/check.h"
#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/frame_builder.h"
#include "stack/wire/icmp.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/pseudo_header.h"
#include "stack/wire/udp.h"

namespace tapedeck {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr uint8_t kTtl = 64;
constexpr size_t kIpv4Offset = sizeof(wire::EthernetHeader);
constexpr size_t kPayloadOffset = kIpv4Offset + sizeof(wire::Ipv4Header);
constexpr size_t kPayloadBytesMax = kFrameBytesMax - kPayloadOffset;

using Buffer = std::array<uint8_t, kFrameBytesMax>;

wire::FrameBuilder BeginIpv4(Buffer& buffer, Ipv4Address saddr, Ipv4Address daddr, uint8_t protocol,
                             uint8_t variation, uint8_t host) {
  wire::Ipv4Header header;
  header.ttl = (variation & kVaryLastHop) != 0 ? 1 : kTtl;
  header.protocol = protocol;
  if ((variation & kVaryDontFragment) != 0) header.frag_off = wire::kIpv4DontFragment;
  header.saddr = saddr;
  header.daddr = daddr;
  wire::FrameBuilder builder(buffer);
  builder.Ethernet(DestMacOf(daddr, host), SourceMacOf(saddr)).Ipv4(header);
  return builder;
}

// The frame, with the checksum at `checksum_offset` made wrong where `variation` says so.
std::vector<uint8_t> Finish(wire::FrameBuilder& builder, uint8_t variation,
                            size_t checksum_offset) {
  const std::span<uint8_t> frame = builder.PadTo().Build();
  CHECK(!frame.empty());
  if ((variation & kVaryBadIpChecksum) != 0) frame[kIpv4Offset + 10] ^= 0xff;
  if ((variation & kVaryBadChecksum) != 0) frame[checksum_offset] ^= 0xff;
  return {frame.begin(), frame.end()};
}

// An untagged IPv4 frame, and the variation that its IPv4 header shows.
struct MatchedIpv4 {
  wire::Ipv4View view;
  uint8_t variation = 0;

  wire::PseudoHeader pseudo() const { return {view.header->saddr, view.header->daddr}; }
};

std::optional<MatchedIpv4> MatchIpv4(Bytes frame) {
  const wire::Parsed<wire::EthernetView> ethernet = wire::ParseEthernet(frame);
  if (!ethernet || !ethernet->tags.empty() || ethernet->proto != wire::kEtherTypeIpv4) {
    return std::nullopt;
  }
  const wire::Parsed<wire::Ipv4View> ipv4 = wire::ParseIpv4(ethernet->payload);
  if (!ipv4) return std::nullopt;
  MatchedIpv4 match = {*ipv4, 0};
  if (!wire::Ipv4ChecksumOk(ipv4->header)) match.variation |= kVaryBadIpChecksum;
  if (ipv4->header->dont_fragment()) match.variation |= kVaryDontFragment;
  if (ipv4->header->ttl == 1) match.variation |= kVaryLastHop;
  return match;
}

uint8_t FirstOf(Bytes payload) { return payload.empty() ? uint8_t{0} : payload[0]; }

}  // namespace

std::vector<uint8_t> Ipv4Template::Build(uint8_t host) const {
  Buffer buffer;
  wire::FrameBuilder builder = BeginIpv4(buffer, saddr, daddr, protocol, variation, host);
  builder.Payload(Bytes(payload).first(std::min(payload.size(), kPayloadBytesMax)));
  const uint8_t header_only = variation & static_cast<uint8_t>(~kVaryBadChecksum);
  return Finish(builder, header_only, 0);
}

std::optional<Ipv4Template> Ipv4Template::Match(Bytes frame, uint8_t) {
  const std::optional<MatchedIpv4> match = MatchIpv4(frame);
  if (!match.has_value()) return std::nullopt;
  const wire::Ipv4View& view = match->view;
  return Ipv4Template{view.header->saddr, view.header->daddr, view.header->protocol,
                      match->variation, std::vector(view.payload.begin(), view.payload.end())};
}

std::vector<uint8_t> UdpTemplate::Build(uint8_t host) const {
  Buffer buffer;
  wire::FrameBuilder builder = BeginIpv4(buffer, saddr, daddr, wire::kIpProtoUdp, variation, host);
  const bool bare = (variation & kVaryNoChecksum) != 0;
  builder.Udp({.source = source, .dest = dest, .len = {}, .check = {}},
              bare ? wire::kKeepChecksum : wire::kKeepNothing);
  builder.CountingPayload(
      std::min<size_t>(payload_bytes, kPayloadBytesMax - sizeof(wire::UdpHeader)), first);
  return Finish(builder, variation, kPayloadOffset + 6);
}

std::optional<UdpTemplate> UdpTemplate::Match(Bytes frame, uint8_t) {
  const std::optional<MatchedIpv4> match = MatchIpv4(frame);
  if (!match.has_value() || match->view.header->protocol != wire::kIpProtoUdp) return std::nullopt;
  const wire::Parsed<wire::UdpView> udp = wire::ParseUdp(match->view.payload);
  if (!udp) return std::nullopt;
  uint8_t variation = match->variation;
  if (udp->header->check == 0) {
    variation |= kVaryNoChecksum;
  } else if (!wire::UdpChecksumOk(match->pseudo(), *udp)) {
    variation |= kVaryBadChecksum;
  }
  return UdpTemplate{match->view.header->saddr,
                     match->view.header->daddr,
                     udp->header->source.host(),
                     udp->header->dest.host(),
                     static_cast<uint32_t>(udp->payload.size()),
                     FirstOf(udp->payload),
                     variation};
}

std::vector<uint8_t> IcmpTemplate::Build(uint8_t host) const {
  Buffer buffer;
  wire::FrameBuilder builder = BeginIpv4(buffer, saddr, daddr, wire::kIpProtoIcmp, variation, host);
  wire::IcmpHeader header;
  header.type = type;
  header.code = code;
  header.set_id(id);
  header.set_sequence(sequence);
  builder.Icmp(header);
  builder.CountingPayload(
      std::min<size_t>(payload_bytes, kPayloadBytesMax - sizeof(wire::IcmpHeader)), first);
  return Finish(builder, variation, kPayloadOffset + 2);
}

std::optional<IcmpTemplate> IcmpTemplate::Match(Bytes frame, uint8_t) {
  const std::optional<MatchedIpv4> match = MatchIpv4(frame);
  if (!match.has_value() || match->view.header->protocol != wire::kIpProtoIcmp) return std::nullopt;
  const Bytes message = match->view.payload;
  const wire::Parsed<wire::IcmpView> icmp = wire::ParseIcmp(message);
  if (!icmp) return std::nullopt;
  uint8_t variation = match->variation;
  if (!wire::IcmpChecksumOk(message)) variation |= kVaryBadChecksum;
  return IcmpTemplate{match->view.header->saddr,
                      match->view.header->daddr,
                      icmp->header->type,
                      icmp->header->code,
                      icmp->header->id(),
                      icmp->header->sequence(),
                      static_cast<uint32_t>(icmp->body.size()),
                      FirstOf(icmp->body),
                      variation};
}

std::vector<uint8_t> ArpTemplate::Build(uint8_t host) const {
  const bool is_request = operation == wire::kArpRequest;
  const bool to_all = is_request && (variation & kVaryUnicast) == 0;
  wire::ArpPacket packet;
  packet.ar_op = operation;
  packet.ar_sha = SourceMacOf(sender);
  packet.ar_sip = sender;
  if (!is_request) packet.ar_tha = HostMac(host);
  packet.ar_tip = target;
  std::array<uint8_t, wire::kEthernetMinBytes> buffer;
  const std::span<uint8_t> frame =
      wire::FrameBuilder(buffer)
          .Ethernet(to_all ? kMacBroadcast : HostMac(host), SourceMacOf(sender))
          .Arp(packet)
          .PadTo()
          .Build();
  CHECK(!frame.empty());
  return {frame.begin(), frame.end()};
}

std::optional<ArpTemplate> ArpTemplate::Match(Bytes frame, uint8_t) {
  const wire::Parsed<wire::EthernetView> ethernet = wire::ParseEthernet(frame);
  if (!ethernet || !ethernet->tags.empty() || ethernet->proto != wire::kEtherTypeArp) {
    return std::nullopt;
  }
  const wire::Parsed<const wire::ArpPacket*> parsed = wire::ParseArp(ethernet->payload);
  if (!parsed) return std::nullopt;
  const wire::ArpPacket& packet = **parsed;
  const bool to_one_request =
      packet.ar_op == wire::kArpRequest && !ethernet->header->dest.IsBroadcast();
  return ArpTemplate{packet.ar_op.host(), packet.ar_sip, packet.ar_tip,
                     to_one_request ? kVaryUnicast : uint8_t{0}};
}

}  // namespace tapedeck
