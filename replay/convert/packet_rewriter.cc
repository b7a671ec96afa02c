#include "replay/convert/packet_rewriter.h"

#include <algorithm>
#include <array>
#include <vector>

#include "stack/base/byteorder.h"
#include "stack/base/checksum.h"
#include "stack/wire/arp.h"
#include "stack/wire/icmp.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv4_options.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/tcp.h"
#include "stack/wire/tcp_options.h"
#include "stack/wire/udp.h"

namespace tapedeck {
namespace {

// Packets quoted in packets: an error never quotes an error (RFC 1122 3.2.2), but a file may.
constexpr int kDepthMax = 4;
constexpr size_t kIcmpHeaderBytes = 8;

std::span<uint8_t> From(std::span<uint8_t> bytes, size_t offset) {
  return bytes.subspan(std::min(offset, bytes.size()));
}

// The options of a header that begin `offset` bytes into `bytes` and end at `end`.
std::span<uint8_t> Between(std::span<uint8_t> bytes, size_t offset, size_t end) {
  return From(bytes.first(std::min(end, bytes.size())), offset);
}

// Addresses and protocol of an IP header, as the identity of a flow.
uint64_t FlowOf(const PayloadCipher& cipher, std::span<const uint8_t> addresses, uint8_t protocol) {
  std::vector<uint8_t> identity(addresses.begin(), addresses.end());
  identity.push_back(protocol);
  return cipher.Flow(identity);
}

// `flow` and some bytes of a header.
uint64_t FlowWith(const PayloadCipher& cipher, uint64_t flow, std::span<const uint8_t> bytes) {
  std::vector<uint8_t> identity(8);
  StoreLe64(identity.data(), flow);
  identity.insert(identity.end(), bytes.begin(), bytes.end());
  return cipher.Flow(identity);
}

// Keeps a checksum as right or wrong as it was; a zero stays, it means that there is none.
void UpdateChecksum(std::span<uint8_t> bytes, size_t offset, wsum diff) {
  if (bytes.size() < offset + 2) return;
  be16 checksum(LoadBe16(bytes.data() + offset));
  if (checksum.host() == 0) return;
  csum_replace_by_diff(checksum, diff);
  StoreBe16(bytes.data() + offset, checksum.host());
}

}  // namespace

void PacketRewriter::MapIpv4At(std::span<uint8_t> bytes, size_t offset) const {
  if (bytes.size() < offset + 4) return;
  const Ipv4Address from(LoadBe32(bytes.data() + offset));
  StoreBe32(bytes.data() + offset, addresses_.Map(from).host());
}

void PacketRewriter::MapIpv6At(std::span<uint8_t> bytes, size_t offset) const {
  if (bytes.size() < offset + 16) return;
  const std::span<uint8_t> field = bytes.subspan(offset, 16);
  const Ipv6Address from{std::span<const uint8_t, 16>(field)};
  const Ipv6Address to = addresses_.Map(from);
  std::copy(to.bytes().begin(), to.bytes().end(), field.begin());
}

void PacketRewriter::MapMacAt(std::span<uint8_t> bytes, size_t offset) const {
  if (bytes.size() < offset + 6) return;
  const std::span<uint8_t> field = bytes.subspan(offset, 6);
  const MacAddress to = addresses_.Map(MacAddress{std::span<const uint8_t, 6>(field)});
  std::copy(to.bytes().begin(), to.bytes().end(), field.begin());
}

void PacketRewriter::MapPrefixAt(std::span<uint8_t> bytes, size_t offset,
                                 unsigned length_bits) const {
  std::array<uint8_t, 16> prefix = {};
  if (bytes.size() <= offset) return;
  const std::span<uint8_t> field =
      bytes.subspan(offset, std::min<size_t>(16, bytes.size() - offset));
  std::copy(field.begin(), field.end(), prefix.begin());
  MapIpv6At(prefix, 0);
  for (unsigned i = length_bits; i < 128; ++i) {
    prefix[i / 8] &= static_cast<uint8_t>(~(0x80 >> (i % 8)));
  }
  std::copy_n(prefix.begin(), field.size(), field.begin());
}

void PacketRewriter::RewriteOther(std::span<uint8_t> bytes) const { cipher_.Fill(0, 0, bytes); }

void PacketRewriter::RewriteArp(std::span<uint8_t> arp) const {
  const auto* const header = wire::Overlay<wire::ArpPacket>(arp);
  const bool is_ethernet_ipv4 = header != nullptr && header->ar_hln == 6 && header->ar_pln == 4;
  if (!is_ethernet_ipv4) {
    RewriteOther(From(arp, 8));
    return;
  }
  MapMacAt(arp, 8);
  MapIpv4At(arp, 14);
  MapMacAt(arp, 18);
  MapIpv4At(arp, 24);
  const std::span<uint8_t> padding = From(arp, sizeof(wire::ArpPacket));
  std::ranges::fill(padding, uint8_t{0});
}

void PacketRewriter::RewriteIpv4Options(std::span<uint8_t> options) const {
  wire::Ipv4OptionCursor cursor{std::span<const uint8_t>(options)};
  while (const auto option = cursor.Next()) {
    const std::span<uint8_t> bytes = options.subspan(option->offset, option->bytes.size());
    switch (option->type) {
      case wire::kIpv4OptRecordRoute:
      case wire::kIpv4OptLooseSourceRoute:
      case wire::kIpv4OptStrictSourceRoute:
        for (size_t at = 3; at + 4 <= bytes.size(); at += 4) MapIpv4At(bytes, at);
        break;
      case wire::kIpv4OptTimestamp:
        if (bytes.size() < 4 || (bytes[3] & 0xf) == wire::kIpv4TimestampOnly) break;
        for (size_t at = 4; at + 8 <= bytes.size(); at += 8) MapIpv4At(bytes, at);
        break;
      default:
        break;
    }
  }
}

void PacketRewriter::RewriteIpv4(std::span<uint8_t> packet, int depth) const {
  const auto* const ip = wire::Overlay<wire::Ipv4Header>(packet);
  if (ip == nullptr || ip->version() != 4 || ip->ihl() < 5) return RewriteOther(packet);
  const std::span<uint8_t> header = packet.first(std::min(ip->header_bytes(), packet.size()));
  const uint8_t protocol = ip->protocol;
  const uint32_t offset = ip->offset_bytes();
  const uint64_t flow = FlowOf(cipher_, header.subspan(12, 8), protocol);
  const wsum addresses_before = csum_partial(header.subspan(12, 8), 0);
  const wsum before = csum_partial(header.subspan(12), 0);
  MapIpv4At(packet, 12);
  MapIpv4At(packet, 16);
  RewriteIpv4Options(From(header, wire::kIpv4HeaderBytes));
  UpdateChecksum(packet, 10, csum_sub(csum_partial(header.subspan(12), 0), before));
  const std::span<uint8_t> segment = From(packet, header.size());
  RewriteTransport(protocol, flow, offset, segment, depth);
  // A receiver of the quote looks for the connection, never at this; its addresses count all the
  // same.
  if (depth == 0 || offset != 0) return;
  const wsum diff = csum_sub(csum_partial(header.subspan(12, 8), 0), addresses_before);
  if (protocol == wire::kIpProtoTcp) UpdateChecksum(segment, 16, diff);
  if (protocol == wire::kIpProtoUdp) UpdateChecksum(segment, 6, diff);
}

void PacketRewriter::RewriteIpv6(std::span<uint8_t> packet, int depth) const {
  const auto* const ip = wire::Overlay<wire::Ipv6Header>(packet);
  if (ip == nullptr || ip->version() != 6) return RewriteOther(packet);
  const std::span<uint8_t> payload = packet.subspan(wire::kIpv6HeaderBytes);
  wire::Ipv6ExtensionCursor cursor(ip->nexthdr, payload);
  uint32_t offset = 0;
  while (const auto extension = cursor.Next()) {
    if (extension->AsFragment() != nullptr) offset = extension->AsFragment()->offset_bytes();
    if (const wire::Ipv6RoutingHeader* const routing = extension->AsRouting()) {
      const std::span<uint8_t> bytes = payload.subspan(extension->offset, extension->bytes.size());
      const bool has_addresses = routing->type == wire::kIpv6RoutingSource ||
                                 routing->type == wire::kIpv6RoutingMobility ||
                                 routing->type == wire::kIpv6RoutingSegments;
      if (!has_addresses) RewriteOther(From(bytes, 4));
      for (size_t at = 8; has_addresses && at + 16 <= bytes.size(); at += 16) MapIpv6At(bytes, at);
    }
  }
  const uint64_t flow = FlowOf(cipher_, packet.subspan(8, 32), cursor.nexthdr());
  const wsum before = csum_partial(packet.subspan(8, 32), 0);
  MapIpv6At(packet, 8);
  MapIpv6At(packet, 24);
  const std::span<uint8_t> segment = From(payload, cursor.offset());
  if (cursor.malformed()) return RewriteOther(segment);
  RewriteTransport(cursor.nexthdr(), flow, offset, segment, depth);
  if (depth == 0 || offset != 0) return;
  const wsum diff = csum_sub(csum_partial(packet.subspan(8, 32), 0), before);
  if (cursor.nexthdr() == wire::kIpProtoTcp) UpdateChecksum(segment, 16, diff);
  if (cursor.nexthdr() == wire::kIpProtoUdp) UpdateChecksum(segment, 6, diff);
  if (cursor.nexthdr() == wire::kIpProtoIcmpv6) UpdateChecksum(segment, 2, diff);
}

void PacketRewriter::RewriteTransport(uint8_t protocol, uint64_t flow, uint32_t offset,
                                      std::span<uint8_t> segment, int depth) const {
  if (offset != 0) {
    // A cut may go through the TCP header.
    const bool in_header = protocol == wire::kIpProtoTcp && offset < wire::kTcpHeaderBytes;
    const uint32_t skipped = in_header ? wire::kTcpHeaderBytes - offset : 0;
    return cipher_.Fill(flow, offset + skipped, From(segment, skipped));
  }
  switch (protocol) {
    case wire::kIpProtoTcp:
      return RewriteTcp(flow, segment);
    case wire::kIpProtoUdp: {
      if (segment.size() < 4) return;
      const uint64_t with_ports = FlowWith(cipher_, flow, segment.first(4));
      return cipher_.Fill(with_ports, 0, From(segment, wire::kUdpHeaderBytes));
    }
    case wire::kIpProtoIcmp:
      return RewriteIcmp(flow, segment, depth);
    case wire::kIpProtoIcmpv6:
      return RewriteIcmpv6(flow, segment, depth);
    case wire::kIpProtoIgmp:
      return RewriteIgmp(segment);
    default:
      return cipher_.Fill(flow, 0, segment);
  }
}

void PacketRewriter::RewriteTcp(uint64_t flow, std::span<uint8_t> segment) const {
  if (segment.size() < 4) return;
  const uint64_t with_ports = FlowWith(cipher_, flow, segment.first(4));
  const auto* const tcp = wire::Overlay<wire::TcpHeader>(segment);
  if (tcp == nullptr) return;  // what an ICMP error quotes may end behind the sequence number
  const size_t header_bytes = std::max<size_t>(tcp->header_bytes(), wire::kTcpHeaderBytes);
  RewriteTcpOptions(Between(segment, wire::kTcpHeaderBytes, header_bytes));
  const uint32_t first = tcp->seq.host() + (tcp->syn() ? 1 : 0);
  cipher_.Fill(with_ports, first, From(segment, header_bytes));
}

void PacketRewriter::RewriteTcpOptions(std::span<uint8_t> options) const {
  constexpr uint8_t kAddAddress = 3;  // subtype of MPTCP, RFC 8684 3.4.1
  wire::TcpOptionCursor cursor{std::span<const uint8_t>(options)};
  while (const auto option = cursor.Next()) {
    if (option->kind != wire::kTcpOptMptcp || option->data.size() < 6) continue;
    if (option->data[0] >> 4 != kAddAddress) continue;
    const auto at = static_cast<size_t>(option->data.data() - options.data());
    const std::span<uint8_t> data = options.subspan(at, option->data.size());
    // Flags, address id, then an address of either family, told apart by the length.
    if (data.size() >= 18) {
      MapIpv6At(data, 2);
    } else {
      MapIpv4At(data, 2);
    }
  }
}

void PacketRewriter::RewriteQuote(bool is_v6, std::span<uint8_t> quote, int depth) const {
  if (quote.empty()) return;
  if (depth >= kDepthMax) return RewriteOther(quote);
  if (is_v6) return RewriteIpv6(quote, depth + 1);
  RewriteIpv4(quote, depth + 1);
}

void PacketRewriter::RewriteIcmp(uint64_t flow, std::span<uint8_t> message, int depth) const {
  if (message.size() < kIcmpHeaderBytes) return;
  const std::span<uint8_t> rest = message.subspan(kIcmpHeaderBytes);
  switch (message[0]) {
    case wire::kIcmpRedirect:
      MapIpv4At(message, 4);
      return RewriteQuote(false, rest, depth);
    case wire::kIcmpDestUnreachable:
    case wire::kIcmpSourceQuench:
    case wire::kIcmpTimeExceeded:
    case wire::kIcmpParameterProblem:
      return RewriteQuote(false, rest, depth);
    case wire::kIcmpRouterAdvertisement:
      for (size_t at = kIcmpHeaderBytes; at + 8 <= message.size(); at += 8) MapIpv4At(message, at);
      return;
    case wire::kIcmpEcho:
    case wire::kIcmpEchoReply:
      // The same both ways: without addresses.
      return cipher_.Fill(FlowWith(cipher_, 1, message.subspan(4, 4)), 0, rest);
    case wire::kIcmpTimestamp:
    case wire::kIcmpTimestampReply:
    case wire::kIcmpAddressMask:
    case wire::kIcmpAddressMaskReply:
      return;
    default:
      return cipher_.Fill(flow, 0, rest);
  }
}

void PacketRewriter::RewriteIgmp(std::span<uint8_t> message) const {
  constexpr uint8_t kQuery = 0x11;
  constexpr uint8_t kReport3 = 0x22;
  if (message.size() < 8) return;
  if (message[0] == kQuery) {
    for (size_t at = 12; at + 4 <= message.size(); at += 4) MapIpv4At(message, at);
  }
  if (message[0] != kReport3) return;
  for (size_t at = 8; at + 8 <= message.size();) {
    const size_t sources = LoadBe16(message.data() + at + 2);
    const size_t auxiliary_bytes = size_t{4} * message[at + 1];
    for (size_t i = 0; i < sources; ++i) MapIpv4At(message, at + 8 + 4 * i);
    at += 8 + 4 * sources + auxiliary_bytes;
  }
}

}  // namespace tapedeck
