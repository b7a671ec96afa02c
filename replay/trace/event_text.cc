#include "replay/trace/event_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "stack/base/drop_reason.h"
#include "stack/base/ip_address.h"
#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/icmp.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

namespace tapedeck {

namespace {

std::string Malformed(const char* layer, wire::ParseError error) {
  return absl::StrFormat("%s (%s)", layer, std::string(wire::ToString(error)));
}

// The transport layer between two addresses.
std::string TransportText(uint8_t protocol, const std::string& source, const std::string& dest,
                          std::span<const uint8_t> payload) {
  if (protocol == wire::kIpProtoTcp) {
    const auto tcp = wire::ParseTcp(payload);
    if (!tcp) return absl::StrCat(source, " > ", dest, ": ", Malformed("TCP", tcp.error()));
    return absl::StrFormat("%s.%d > %s.%d: %s", source, tcp->header->source.host(), dest,
                           tcp->header->dest.host(), wire::ToString(*tcp));
  }
  if (protocol == wire::kIpProtoUdp) {
    const auto udp = wire::ParseUdp(payload);
    if (!udp) return absl::StrCat(source, " > ", dest, ": ", Malformed("UDP", udp.error()));
    return absl::StrFormat("%s.%d > %s.%d: %s", source, udp->header->source.host(), dest,
                           udp->header->dest.host(), wire::ToString(*udp));
  }
  if (protocol == wire::kIpProtoIcmp) {
    const auto icmp = wire::ParseIcmp(payload);
    if (!icmp) return absl::StrCat(source, " > ", dest, ": ", Malformed("ICMP", icmp.error()));
    return absl::StrCat(source, " > ", dest, ": ", wire::ToString(*icmp));
  }
  return absl::StrFormat("%s > %s: %s, length %d", source, dest, wire::IpProtocolName(protocol),
                         payload.size());
}

std::string Ipv4Text(std::span<const uint8_t> packet) {
  const auto ip = wire::ParseIpv4(packet);
  if (!ip) return Malformed("IPv4", ip.error());
  const std::string source = Ipv4Address(ip->header->saddr).ToString();
  const std::string dest = Ipv4Address(ip->header->daddr).ToString();
  if (ip->header->offset_bytes() != 0) {
    return absl::StrFormat("%s > %s: %s fragment at %d, length %d", source, dest,
                           wire::IpProtocolName(ip->header->protocol),
                           ip->header->offset_bytes(), ip->payload.size());
  }
  return TransportText(ip->header->protocol, source, dest, ip->payload);
}

std::string Ipv6Text(std::span<const uint8_t> packet) {
  const auto ip = wire::ParseIpv6(packet);
  if (!ip) return Malformed("IPv6", ip.error());
  return wire::ToString(*ip);
}

}  // namespace

std::string FrameText(std::span<const uint8_t> ethernet_frame) {
  const auto ethernet = wire::ParseEthernet(ethernet_frame);
  if (!ethernet) return Malformed("Ethernet", ethernet.error());
  std::string text;
  if (!ethernet->tags.empty()) text = "vlan ";
  switch (ethernet->proto) {
    case wire::kEtherTypeIpv4: return text + Ipv4Text(ethernet->payload);
    case wire::kEtherTypeIpv6: return text + Ipv6Text(ethernet->payload);
    case wire::kEtherTypeArp: {
      const auto arp = wire::ParseArp(ethernet->payload);
      return text + (arp ? wire::ToString(**arp) : Malformed("ARP", arp.error()));
    }
    default: return text + wire::ToString(*ethernet);
  }
}

std::string EventText(const TraceEvent& event) {
  const TraceKindInfo& info = GetTraceKindInfo(event.kind);
  switch (event.kind) {
    case TraceKind::kWireRx: return absl::StrCat("< ", FrameText(event.bytes));
    case TraceKind::kWireTx: return absl::StrCat("> ", FrameText(event.bytes));
    case TraceKind::kDrop:
    case TraceKind::kNicDrop: {
      const auto reason = static_cast<DropReason>(event.args[1]);
      return absl::StrFormat("drop %s: %s (frame %d, %d B)", DropReasonName(reason),
                             DropReasonText(reason), event.args[0], event.args[2]);
    }
    case TraceKind::kNeighState:
      return absl::StrFormat("%s state %d -> %d",
                             Ipv4Address(static_cast<uint32_t>(event.args[0])).ToString(),
                             event.args[1], event.args[2]);
    default: break;
  }
  std::string text = info.what;
  for (int i = 0; i < 4; ++i) {
    if (info.arg_names[i][0] == '\0') continue;
    absl::StrAppendFormat(&text, " %s=%d", info.arg_names[i], event.args[i]);
  }
  return text;
}

std::string TimeText(SimTime time) {
  const uint64_t ns = time.ns();
  return absl::StrFormat("%6d.%09d", ns / 1'000'000'000, ns % 1'000'000'000);
}

}  // namespace tapedeck
