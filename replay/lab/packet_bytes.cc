#include "replay/lab/packet_bytes.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "stack/base/byteorder.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/icmp.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/pseudo_header.h"
#include "stack/wire/repair_checksums.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

namespace tapedeck {

namespace {

constexpr uint8_t kDefaultTtl = 255;
constexpr size_t kPacketBytesMax = 65535;
constexpr size_t kGreHeaderBytes = 4;
constexpr uint16_t kGreChecksumPresent = 0x8000;
constexpr uint16_t kGreKeyPresent = 0x2000;
constexpr uint16_t kGreSequencePresent = 0x1000;
constexpr uint16_t kEtherTypeMpls = 0x8847;
constexpr uint8_t kIpProtoMpls = 137;  // RFC 4023
// What an ICMP error quotes behind the IP header.
constexpr size_t kQuotedBytes = 8;

// What a header announces as the protocol behind it: in IP's numbers, and as an EtherType.
struct NextProtocol {
  uint8_t ip;
  uint16_t ether_type;
};

// A packet is built from the inside out: each header is put before what is there already.
using Bytes = std::vector<uint8_t>;

template <typename Header>
void Prepend(Bytes& bytes, const Header& header) {
  const auto* const first = reinterpret_cast<const uint8_t*>(&header);
  bytes.insert(bytes.begin(), first, first + sizeof(header));
}

void PrependIp(Bytes& bytes, const IpFields& fields, uint8_t protocol, const IpAddress& source,
               const IpAddress& dest) {
  if (source.is_v4()) {
    wire::Ipv4Header ip;
    ip.set_ihl(sizeof(ip) / 4);
    ip.tos = fields.tos;
    ip.tot_len = static_cast<uint16_t>(std::min(sizeof(ip) + bytes.size(), kPacketBytesMax));
    ip.ttl = fields.ttl.value_or(kDefaultTtl);
    ip.protocol = protocol;
    ip.saddr = source.v4();
    ip.daddr = dest.v4();
    wire::FillIpv4Checksum(&ip);
    Prepend(bytes, ip);
    return;
  }
  wire::Ipv6Header ip;
  ip.set_class_and_flow(fields.tos, fields.flow_label.value_or(0));
  ip.payload_len = static_cast<uint16_t>(std::min(bytes.size(), kPacketBytesMax));
  ip.nexthdr = protocol;
  ip.hop_limit = fields.ttl.value_or(kDefaultTtl);
  ip.saddr = source.v6();
  ip.daddr = dest.v6();
  Prepend(bytes, ip);
}

uint8_t EncodeTcp(const TcpPacket& tcp, const PacketEnds& ends, Bytes& bytes) {
  bytes.assign(tcp.payload_bytes, 0);
  const Bytes options = tcp.options.has_value() ? TcpOptionBytes(*tcp.options) : Bytes();
  bytes.insert(bytes.begin(), options.begin(), options.end());
  wire::TcpHeader header;
  header.source = tcp.source_port.value_or(ends.source.port.host());
  header.dest = tcp.dest_port.value_or(ends.dest.port.host());
  header.seq = tcp.sequence;
  header.ack_seq = tcp.ack;
  header.set_flags(tcp.flags);
  header.set_doff(static_cast<uint8_t>((sizeof(header) + options.size()) / 4));
  header.window = tcp.window.value_or(0);
  header.urg_ptr = tcp.urgent;
  Prepend(bytes, header);
  return wire::kIpProtoTcp;
}

uint8_t EncodeUdp(const UdpPacket& udp, const PacketEnds& ends, Bytes& bytes) {
  bytes.assign(udp.payload_bytes, 0);
  wire::UdpHeader header;
  header.source = udp.source_port.value_or(ends.source.port.host());
  header.dest = udp.dest_port.value_or(ends.dest.port.host());
  header.len = static_cast<uint16_t>(sizeof(header) + udp.payload_bytes);
  header.check = uint16_t{1};  // there is one; zero would mean none
  Prepend(bytes, header);
  return wire::kIpProtoUdp;
}

// The head of the packet that an error is about: it went from `ends.dest` to `ends.source`.
Bytes EncodeQuote(const IcmpQuote& quote, const PacketEnds& ends) {
  const bool tcp = quote.protocol == IcmpQuote::Protocol::kTcp;
  Bytes bytes(kQuotedBytes);
  StoreBe16(bytes.data(), ends.dest.port.host());
  StoreBe16(bytes.data() + 2, ends.source.port.host());
  if (tcp) StoreBe32(bytes.data() + 4, quote.sequence);
  // The lengths are those of the whole packet.
  const size_t whole =
      (tcp ? sizeof(wire::TcpHeader) : sizeof(wire::UdpHeader)) + quote.payload_bytes;
  bytes.resize(std::max(whole, kQuotedBytes));
  PrependIp(bytes, {}, tcp ? wire::kIpProtoTcp : wire::kIpProtoUdp, ends.dest.address,
            ends.source.address);
  const size_t ip_bytes =
      ends.dest.address.is_v4() ? sizeof(wire::Ipv4Header) : sizeof(wire::Ipv6Header);
  bytes.resize(ip_bytes + kQuotedBytes);
  return bytes;
}

absl::StatusOr<uint8_t> EncodeIcmp(const IcmpPacket& icmp, const PacketEnds& ends, Bytes& bytes) {
  const bool v4 = ends.source.address.is_v4();
  const absl::StatusOr<IcmpNumbers> numbers =
      ResolveIcmp(icmp, v4 ? AddressFamily::kIpv4 : AddressFamily::kIpv6);
  if (!numbers.ok()) return numbers.status();
  const IcmpQuote quote = icmp.quote.value_or(IcmpQuote());
  wire::IcmpHeader header;  // ICMPv6's is the same but for what the last four bytes mean
  header.type = numbers->type;
  header.code = numbers->code;
  if (icmp.mtu.has_value() && v4) header.set_next_hop_mtu(static_cast<uint16_t>(*icmp.mtu));
  if (icmp.mtu.has_value() && !v4) StoreBe32(header.rest.data(), *icmp.mtu);
  if (icmp.echo_id.has_value()) header.set_id(*icmp.echo_id);
  if (quote.protocol == IcmpQuote::Protocol::kRaw) {
    // The length is that of the whole message.
    bytes.assign(quote.payload_bytes - std::min<size_t>(quote.payload_bytes, sizeof(header)), 0);
  } else {
    bytes = EncodeQuote(quote, ends);
  }
  Prepend(bytes, header);
  return v4 ? wire::kIpProtoIcmp : wire::kIpProtoIcmpv6;
}

// --- Headers around the packet. `next` is what they carry, and becomes what they are. ---

void PrependOuter(const OuterIp& outer, NextProtocol& next, Bytes& bytes) {
  PrependIp(bytes, outer.fields, next.ip, outer.source, outer.dest);
  next = outer.source.is_v4() ? NextProtocol{wire::kIpProtoIpip, wire::kEtherTypeIpv4}
                              : NextProtocol{wire::kIpProtoIpv6, wire::kEtherTypeIpv6};
}

void PrependOuter(const OuterGre& outer, NextProtocol& next, Bytes& bytes) {
  Bytes header(kGreHeaderBytes);
  StoreBe16(header.data(), outer.flags);
  StoreBe16(header.data() + 2, next.ether_type);
  const auto append = [&header](uint32_t word) {
    header.resize(header.size() + 4);
    StoreBe32(header.data() + header.size() - 4, word);
  };
  if ((outer.flags & kGreChecksumPresent) != 0) {
    append(uint32_t{outer.checksum} << 16 | outer.offset);
  }
  if ((outer.flags & kGreKeyPresent) != 0) append(outer.key);
  if ((outer.flags & kGreSequencePresent) != 0) append(outer.sequence);
  bytes.insert(bytes.begin(), header.begin(), header.end());
  next = {wire::kIpProtoGre, 0};
}

void PrependOuter(const OuterMpls& outer, NextProtocol& next, Bytes& bytes) {
  for (auto entry = outer.entries.rbegin(); entry != outer.entries.rend(); ++entry) {
    Prepend(bytes, be32(entry->label << 12 | uint32_t{entry->traffic_class} << 9 |
                        uint32_t{entry->bottom} << 8 | entry->ttl));
  }
  next = {kIpProtoMpls, kEtherTypeMpls};
}

}  // namespace

absl::StatusOr<std::vector<uint8_t>> EncodePacket(const PacketStep& packet,
                                                  const PacketEnds& ends) {
  Bytes bytes;
  uint8_t protocol = 0;
  if (const auto* const tcp = std::get_if<TcpPacket>(&packet.what)) {
    protocol = EncodeTcp(*tcp, ends, bytes);
  } else if (const auto* const udp = std::get_if<UdpPacket>(&packet.what)) {
    protocol = EncodeUdp(*udp, ends, bytes);
  } else {
    const absl::StatusOr<uint8_t> icmp = EncodeIcmp(std::get<IcmpPacket>(packet.what), ends, bytes);
    if (!icmp.ok()) return icmp.status();
    protocol = *icmp;
  }
  PrependIp(bytes, packet.ip, protocol, ends.source.address, ends.dest.address);
  NextProtocol next = ends.source.address.is_v4()
                          ? NextProtocol{wire::kIpProtoIpip, wire::kEtherTypeIpv4}
                          : NextProtocol{wire::kIpProtoIpv6, wire::kEtherTypeIpv6};
  for (auto outer = packet.outer.rbegin(); outer != packet.outer.rend(); ++outer) {
    std::visit([&](const auto& header) { PrependOuter(header, next, bytes); }, *outer);
  }
  if (bytes.size() > kPacketBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the packet is ", bytes.size(), " bytes long, IP carries 65535"));
  }
  wire::RepairPacketChecksums(bytes);
  return bytes;
}

namespace {

void DecodeTcp(std::span<const uint8_t> segment, LivePacket* live) {
  const auto view = wire::ParseTcp(segment);
  const wire::TcpHeader& header = *view->header;
  TcpPacket tcp;
  tcp.source_port = header.source.host();
  tcp.dest_port = header.dest.host();
  constexpr uint16_t kKnownFlags = wire::kTcpFlagsMask & ~wire::kTcpReservedMask;
  tcp.flags = header.flags() & kKnownFlags;
  live->reserved_bits = static_cast<uint8_t>((header.flags() & wire::kTcpReservedMask) >> 9);
  tcp.sequence = header.seq.host();
  tcp.payload_bytes = static_cast<uint16_t>(view->payload.size());
  tcp.has_ack = header.ack();
  tcp.ack = header.ack_seq.host();
  tcp.window = header.window.host();
  tcp.urgent = header.urg_ptr.host();
  tcp.options = ParseTcpOptions(view->options.data(), view->options.size());
  live->ends.source.port = header.source;
  live->ends.dest.port = header.dest;
  live->payload_bytes = tcp.payload_bytes;
  live->payload_zero = std::all_of(view->payload.begin(), view->payload.end(),
                                   [](uint8_t byte) { return byte == 0; });
  live->packet.what = std::move(tcp);
}

void DecodeUdp(std::span<const uint8_t> segment, LivePacket* live) {
  const auto view = wire::ParseUdp(segment);
  UdpPacket udp;
  udp.source_port = view->header->source.host();
  udp.dest_port = view->header->dest.host();
  udp.payload_bytes = static_cast<uint16_t>(view->payload.size());
  live->ends.source.port = view->header->source;
  live->ends.dest.port = view->header->dest;
  live->payload_bytes = udp.payload_bytes;
  live->payload_zero = std::all_of(view->payload.begin(), view->payload.end(),
                                   [](uint8_t byte) { return byte == 0; });
  live->packet.what = udp;
}

void DecodeIcmp(std::span<const uint8_t> message, LivePacket* live) {
  const auto view = wire::ParseIcmp(message);
  const wire::IcmpHeader& header = *view->header;
  IcmpPacket icmp;
  icmp.type = absl::StrCat("type_", header.type);
  icmp.code = absl::StrCat("code_", header.code);
  const bool v4 = live->ends.source.address.is_v4();
  const bool echo =
      v4 ? header.type == wire::kIcmpEcho || header.type == wire::kIcmpEchoReply
         : header.type == wire::kIcmpv6EchoRequest || header.type == wire::kIcmpv6EchoReply;
  if (echo) icmp.echo_id = header.id();
  IcmpQuote body;
  body.protocol = IcmpQuote::Protocol::kRaw;
  body.payload_bytes = static_cast<uint16_t>(message.size());
  icmp.quote = body;
  live->payload_bytes = static_cast<uint16_t>(view->body.size());
  live->packet.what = std::move(icmp);
}

// What stands behind the IP header of `protocol`; false where scripts cannot speak of it.
bool DecodeTransport(uint8_t protocol, std::span<const uint8_t> payload,
                     const wire::PseudoHeader& pseudo, LivePacket* live) {
  const bool v4 = live->ends.source.address.is_v4();
  if (protocol == wire::kIpProtoTcp && wire::ParseTcp(payload)) {
    live->checksums_ok &= wire::TcpChecksumOk(pseudo, payload);
    DecodeTcp(payload, live);
    return true;
  }
  if (protocol == wire::kIpProtoUdp && wire::ParseUdp(payload)) {
    live->checksums_ok &= wire::UdpChecksumOk(pseudo, *wire::ParseUdp(payload));
    DecodeUdp(payload, live);
    return true;
  }
  if (protocol == (v4 ? wire::kIpProtoIcmp : wire::kIpProtoIcmpv6) && wire::ParseIcmp(payload)) {
    if (v4) live->checksums_ok &= wire::IcmpChecksumOk(payload);
    DecodeIcmp(payload, live);
    return true;
  }
  return false;
}

std::optional<LivePacket> DecodeIpv4(std::span<const uint8_t> bytes) {
  const auto ip = wire::ParseIpv4(bytes);
  if (!ip || ip->header->is_fragment()) return std::nullopt;
  LivePacket live;
  live.ends.source.address = ip->header->saddr;
  live.ends.dest.address = ip->header->daddr;
  live.checksums_ok = wire::Ipv4ChecksumOk(ip->header);
  live.packet.ip.tos_check = IpFields::TosCheck::kTos;
  live.packet.ip.tos = ip->header->tos;
  live.packet.ip.ttl = ip->header->ttl;
  const wire::PseudoHeader pseudo(ip->header->saddr, ip->header->daddr);
  if (!DecodeTransport(ip->header->protocol, ip->payload, pseudo, &live)) return std::nullopt;
  return live;
}

std::optional<LivePacket> DecodeIpv6(std::span<const uint8_t> bytes) {
  const auto ip = wire::ParseIpv6(bytes);
  if (!ip) return std::nullopt;
  LivePacket live;
  live.ends.source.address = ip->header->saddr;
  live.ends.dest.address = ip->header->daddr;
  live.packet.ip.tos_check = IpFields::TosCheck::kTos;
  live.packet.ip.tos = ip->header->traffic_class();
  live.packet.ip.ttl = ip->header->hop_limit;
  live.packet.ip.flow_label = ip->header->flow_label();
  const wire::PseudoHeader pseudo(ip->header->saddr, ip->header->daddr);
  if (!DecodeTransport(ip->header->nexthdr, ip->payload, pseudo, &live)) return std::nullopt;
  return live;
}

}  // namespace

std::optional<LivePacket> DecodePacket(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return std::nullopt;
  std::optional<LivePacket> live = bytes[0] >> 4 == 4 ? DecodeIpv4(bytes) : DecodeIpv6(bytes);
  if (live.has_value()) live->packet.direction = PacketStep::Direction::kOutbound;
  return live;
}

}  // namespace tapedeck
