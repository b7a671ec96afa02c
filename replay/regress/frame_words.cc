#include "replay/regress/frame_words.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/regress/text_hash.h"
#include "stack/wire/arp.h"
#include "stack/wire/describe.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/icmp.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/pseudo_header.h"
#include "stack/wire/tcp_options.h"
#include "stack/wire/udp.h"

namespace tapedeck::regress {

namespace {

constexpr uint8_t kUsualTtl = 64;        // net.ipv4.ip_default_ttl
constexpr uint8_t kNdiscHopLimit = 255;  // RFC 4861 7.1
constexpr uint8_t kMldHopLimit = 1;      // RFC 2710 3

// Numbers farther than this from an origin belong to another one: chosen, it is beyond what a
// small capture transfers, and chance seldom comes as near.
constexpr uint32_t kFarthest = 1U << 24;

// The hash of payload that the host sends. What comes in is known by the hash of the input.
std::string PayloadHash(std::span<const uint8_t> payload, bool sent) {
  if (!sent || payload.empty()) return "";
  return absl::StrFormat(" #%08x", ShortHash(payload));
}

uint32_t Distance(uint32_t value, uint32_t origin) {
  const auto away = static_cast<int32_t>(value - origin);
  return away < 0 ? 0U - static_cast<uint32_t>(away) : static_cast<uint32_t>(away);
}

std::string SignedText(uint32_t value, uint32_t origin) {
  return absl::StrCat(static_cast<int32_t>(value - origin));
}

// The upper layer's checksum, of a whole packet; true where there is none.
bool UpperChecksumOk(uint8_t protocol, const wire::PseudoHeader& pseudo,
                     std::span<const uint8_t> segment) {
  if (protocol == wire::kIpProtoTcp) return wire::TcpChecksumOk(pseudo, segment);
  if (protocol == wire::kIpProtoIcmp) return wire::IcmpChecksumOk(segment);
  if (protocol == wire::kIpProtoIcmpv6) return wire::Icmpv6ChecksumOk(pseudo, segment);
  if (protocol != wire::kIpProtoUdp) return true;
  const auto udp = wire::ParseUdp(segment);
  return !udp || wire::UdpChecksumOk(pseudo, *udp);
}

// What the hash of a packet that is not TCP covers: its data, without checksums.
std::string DataHash(uint8_t protocol, std::span<const uint8_t> segment, bool sent) {
  constexpr size_t kIcmpFixedBytes = 4;  // type, code and checksum
  if (protocol == wire::kIpProtoIcmp || protocol == wire::kIpProtoIcmpv6) {
    if (segment.size() < kIcmpFixedBytes) return "";
    return PayloadHash(segment.subspan(kIcmpFixedBytes), sent);
  }
  if (protocol == wire::kIpProtoUdp) {
    const auto udp = wire::ParseUdp(segment);
    return udp ? PayloadHash(udp->payload, sent) : "";
  }
  return PayloadHash(segment, sent);
}

// Describe's text begins with the family, which the addresses tell as well.
std::string WithoutFamily(std::string text) {
  for (const std::string_view family : {std::string_view("IP "), std::string_view("IP6 ")}) {
    if (text.starts_with(family)) return text.substr(family.size());
  }
  return text;
}

std::string Ecn(uint8_t tos) { return tos == 0 ? "" : absl::StrFormat(" tos 0x%x", tos); }

}  // namespace

std::string FrameWords::Describe(std::span<const uint8_t> bytes, bool bare_ip, bool sent) {
  if (bare_ip) return Ip(bytes, sent);
  const auto ethernet = wire::ParseEthernet(bytes);
  if (!ethernet ||
      (ethernet->proto != wire::kEtherTypeIpv4 && ethernet->proto != wire::kEtherTypeIpv6)) {
    return wire::DescribeFrame(bytes);
  }
  std::string tags;
  for (const wire::VlanTag& tag : ethernet->tags) absl::StrAppend(&tags, "vlan ", tag.id(), ", ");
  return tags + Ip(ethernet->payload, sent);
}

std::string FrameWords::Ip(std::span<const uint8_t> packet, bool sent) {
  return !packet.empty() && packet[0] >> 4 == 6 ? Ipv6(packet, sent) : Ipv4(packet, sent);
}

std::string FrameWords::Ipv4(std::span<const uint8_t> packet, bool sent) {
  const auto ip = wire::ParseIpv4(packet);
  if (!ip) return wire::DescribePacket(packet);
  const wire::Ipv4Header& header = *ip->header;
  std::string text;
  if (header.protocol == wire::kIpProtoTcp && !header.is_fragment()) {
    text = Tcp(header.saddr, header.daddr, ip->payload, sent);
  } else {
    text =
        absl::StrCat(WithoutFamily(wire::DescribePacket(packet)),
                     DataHash(header.is_fragment() ? uint8_t{wire::kIpProtoRaw} : header.protocol,
                              ip->payload, sent));
  }
  absl::StrAppend(&text, Ecn(header.tos));
  if (!sent) return text;
  if (header.ttl != kUsualTtl) absl::StrAppend(&text, " ttl ", int{header.ttl});
  if (!header.dont_fragment() && !header.is_fragment()) absl::StrAppend(&text, " nodf");
  if (!ip->options.empty()) absl::StrAppend(&text, " ip options ", ip->options.size());
  const wire::PseudoHeader pseudo(header.saddr, header.daddr);
  const bool right =
      wire::Ipv4ChecksumOk(&header) &&
      (header.is_fragment() || UpperChecksumOk(header.protocol, pseudo, ip->payload));
  return right ? text : text + " bad checksum";
}

std::string FrameWords::Ipv6(std::span<const uint8_t> packet, bool sent) {
  const auto ip = wire::ParseIpv6(packet);
  if (!ip) return wire::DescribePacket(packet);
  const auto upper = wire::FindUpperLayer(*ip);
  if (!upper) return WithoutFamily(wire::DescribePacket(packet));
  const wire::Ipv6Header& header = *ip->header;
  const bool whole = upper->fragment == nullptr ||
                     (upper->fragment->offset_bytes() == 0 && !upper->fragment->more_fragments());
  std::string text;
  if (upper->protocol == wire::kIpProtoTcp && whole) {
    text = Tcp(header.saddr, header.daddr, upper->payload, sent);
  } else {
    text = absl::StrCat(
        WithoutFamily(wire::DescribePacket(packet)),
        DataHash(whole ? upper->protocol : uint8_t{wire::kIpProtoRaw}, upper->payload, sent));
  }
  absl::StrAppend(&text, Ecn(header.traffic_class()));
  if (!sent) return text;
  const uint8_t hops = header.hop_limit;
  if (hops != kUsualTtl && hops != kNdiscHopLimit && hops != kMldHopLimit) {
    absl::StrAppend(&text, " hop limit ", int{hops});
  }
  const wire::PseudoHeader pseudo(header.saddr, *upper->final_daddr);
  const bool right = !whole || UpperChecksumOk(upper->protocol, pseudo, upper->payload);
  return right ? text : text + " bad checksum";
}

FrameWords::Direction& FrameWords::DirectionOf(const Ends& ends) {
  return directions_[absl::StrCat(ends.source.ToString(), ".", ends.source_port, " ",
                                  ends.destination.ToString(), ".", ends.destination_port)];
}

std::string FrameWords::Number(uint32_t value, Origin& origin, bool sent, uint32_t first) {
  std::optional<uint32_t>& own = sent ? origin.sent : origin.came;
  const std::optional<uint32_t>& other = sent ? origin.came : origin.sent;
  const bool by_other = other.has_value() && Distance(value, *other) < kFarthest;
  if (!own.has_value() && !by_other) own = value - first;
  const bool by_own =
      own.has_value() && (!other.has_value() || Distance(value, *own) <= Distance(value, *other));
  // Numbers of the captured host are marked wherever the host under test has its own.
  const bool captured = sent ? !by_own : false;
  return absl::StrCat(captured ? "c" : "", SignedText(value, by_own ? *own : *other));
}

std::string FrameWords::Tcp(const IpAddress& source, const IpAddress& destination,
                            std::span<const uint8_t> segment, bool sent) {
  const auto tcp = wire::ParseTcp(segment);
  const std::string between = absl::StrCat(source.ToString(), " > ", destination.ToString());
  if (!tcp) return absl::StrCat(between, ": TCP [", std::string(ToString(tcp.error())), "]");
  const wire::TcpHeader& h = *tcp->header;
  const Ends ends{source, destination, h.source.host(), h.dest.host()};
  Direction& own = DirectionOf(ends);
  Direction& peer = DirectionOf({destination, source, ends.destination_port, ends.source_port});
  std::optional<uint32_t>& origin = sent ? own.sequence.sent : own.sequence.came;
  if (h.syn()) origin = h.seq.host();
  std::string text =
      absl::StrCat(source.ToString(), ".", ends.source_port, " > ", destination.ToString(), ".",
                   ends.destination_port, ": ", wire::TcpFlagsToString(h.flags()), " ");
  const auto bytes = static_cast<uint32_t>(tcp->payload.size());
  // A reset that answers a segment without ACK has the number 0 itself.
  if (h.rst() && h.seq.host() == 0) {
    absl::StrAppend(&text, "zero");
  } else {
    const std::string from = Number(h.seq.host(), own.sequence, sent, 1);
    absl::StrAppend(&text, from, ":", Number(h.seq.host() + bytes, own.sequence, sent, 1));
  }
  absl::StrAppend(&text, "(", bytes, ")");
  if (h.ack()) {
    // Numbers that acknowledge are the peer's, in either kind of frame.
    absl::StrAppend(&text, " ack ", Number(h.ack_seq.host(), peer.sequence, !sent, 1));
  }
  absl::StrAppend(&text, " win ", h.window.host());
  if (h.urg()) absl::StrAppend(&text, " urg ", h.urg_ptr.host());
  if (!tcp->options.empty()) {
    absl::StrAppend(&text, " <", TcpOptions(tcp->options, own, peer, sent), ">");
  }
  return text + PayloadHash(tcp->payload, sent);
}

std::string FrameWords::TcpOptions(std::span<const uint8_t> options, Direction& own,
                                   Direction& peer, bool sent) {
  wire::TcpOptionCursor cursor(options);
  std::string text;
  size_t begin = 0;
  while (const auto option = cursor.Next()) {
    if (!text.empty()) text += ",";
    if (const auto stamps = option->AsTimestamps()) {
      const std::string val = Number(stamps->val, own.clock, sent, 0);
      const std::string ecr = stamps->ecr == 0 ? "0" : Number(stamps->ecr, peer.clock, !sent, 0);
      absl::StrAppend(&text, "TS ", val, " ", ecr);
    } else if (const auto sack = option->AsSack()) {
      absl::StrAppend(&text, "sack");
      for (size_t i = 0; i < sack->count; ++i) {
        absl::StrAppend(&text, " ", Number(sack->block[i].left.value(), peer.sequence, !sent, 1),
                        ":", Number(sack->block[i].right.value(), peer.sequence, !sent, 1));
      }
    } else {
      text += wire::TcpOptionsToString(options.subspan(begin, cursor.offset() - begin));
    }
    begin = cursor.offset();
  }
  if (cursor.malformed()) absl::StrAppend(&text, "[malformed at ", begin, "]");
  return text;
}

}  // namespace tapedeck::regress
