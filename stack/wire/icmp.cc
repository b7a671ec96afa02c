#include "stack/wire/icmp.h"

#include "stack/base/checksum.h"
#include "stack/wire/text.h"

namespace tapedeck::wire {
namespace {

// What the quoted datagram was sent to, as far as the code makes it matter.
std::string UnreachableText(const IcmpView& view) {
  const Parsed<Ipv4View> quote = ParseIcmpQuote(view);
  const std::string host = quote ? quote->header->daddr.ToString() : "[bad quote]";
  const auto ports = quote ? PortsOf(*quote) : std::nullopt;
  switch (view.header->code) {
    case kIcmpNetUnreachable:
      return "net " + host + " unreachable";
    case kIcmpHostUnreachable:
      return "host " + host + " unreachable";
    case kIcmpProtocolUnreachable:
      return host + " protocol " + (quote ? std::to_string(quote->header->protocol) : "?") +
             " unreachable";
    case kIcmpPortUnreachable:
      return host + " " + (quote ? IpProtocolName(quote->header->protocol) : "?") + " port " +
             (ports ? std::to_string(ports->dest.host()) : "?") + " unreachable";
    case kIcmpFragmentationNeeded:
      return host + " unreachable - need to frag (mtu " +
             std::to_string(view.header->next_hop_mtu()) + ")";
    case kIcmpSourceRouteFailed:
      return host + " unreachable - source route failed";
    case kIcmpNetAdminProhibited:
    case kIcmpHostAdminProhibited:
    case kIcmpPacketFiltered:
      return host + " unreachable - admin prohibited";
    default:
      return host + " unreachable - code " + std::to_string(view.header->code);
  }
}

std::string RedirectText(const IcmpView& view) {
  const Parsed<Ipv4View> quote = ParseIcmpQuote(view);
  return "redirect " + (quote ? quote->header->daddr.ToString() : "[bad quote]") + " code " +
         std::to_string(view.header->code) + " to " + view.header->gateway().ToString();
}

std::string TimeExceededText(const IcmpHeader& header) {
  if (header.code == kIcmpTtlExceeded) return "time exceeded in-transit";
  if (header.code == kIcmpReassemblyTimeExceeded) return "ip reassembly time exceeded";
  return "time exceeded code " + std::to_string(header.code);
}

std::string IdAndSequence(const IcmpHeader& header) {
  return ", id " + std::to_string(header.id()) + ", seq " + std::to_string(header.sequence());
}

std::string TimestampText(const IcmpView& view) {
  const IcmpTimestamps* times = view.timestamps();
  if (times == nullptr) return "";
  return ", org " + std::to_string(times->originate_ms.host()) + ", recv " +
         std::to_string(times->receive_ms.host()) + ", xmit " +
         std::to_string(times->transmit_ms.host());
}

std::string MaskText(const IcmpView& view) {
  const auto mask = view.address_mask();
  return mask ? " is " + mask->ToString() : "";
}

std::string MessageText(const IcmpView& view) {
  const IcmpHeader& h = *view.header;
  switch (h.type) {
    case kIcmpEchoReply:
      return "echo reply" + IdAndSequence(h);
    case kIcmpDestUnreachable:
      return UnreachableText(view);
    case kIcmpSourceQuench:
      return "source quench";
    case kIcmpRedirect:
      return RedirectText(view);
    case kIcmpEcho:
      return "echo request" + IdAndSequence(h);
    case kIcmpRouterAdvertisement:
      return "router advertisement";
    case kIcmpRouterSolicitation:
      return "router solicitation";
    case kIcmpTimeExceeded:
      return TimeExceededText(h);
    case kIcmpParameterProblem:
      return "parameter problem - octet " + std::to_string(h.pointer());
    case kIcmpTimestamp:
      return "time stamp query" + IdAndSequence(h);
    case kIcmpTimestampReply:
      return "time stamp reply" + IdAndSequence(h) + TimestampText(view);
    case kIcmpInfoRequest:
      return "information request" + IdAndSequence(h);
    case kIcmpInfoReply:
      return "information reply" + IdAndSequence(h);
    case kIcmpAddressMask:
      return "address mask request" + IdAndSequence(h);
    case kIcmpAddressMaskReply:
      return "address mask" + MaskText(view) + IdAndSequence(h);
    default:
      return "type " + std::to_string(h.type) + ", code " + std::to_string(h.code);
  }
}

}  // namespace

const IcmpTimestamps* IcmpView::timestamps() const {
  if (header->type != kIcmpTimestamp && header->type != kIcmpTimestampReply) return nullptr;
  return Overlay<IcmpTimestamps>(body);
}

std::optional<Ipv4Address> IcmpView::address_mask() const {
  const bool has_mask = header->type == kIcmpAddressMask || header->type == kIcmpAddressMaskReply;
  if (!has_mask || body.size() < 4) return std::nullopt;
  return Ipv4Address(LoadBe32(body.data()));
}

Parsed<IcmpView> ParseIcmp(std::span<const uint8_t> message) {
  const auto* header = Overlay<IcmpHeader>(message);
  if (header == nullptr) return ParseError::kTruncated;
  return IcmpView{header, message.subspan(sizeof(IcmpHeader))};
}

Parsed<Ipv4View> ParseIcmpQuote(const IcmpView& view) { return ParseQuotedIpv4(view.body); }

std::optional<QuotedPorts> PortsOf(const Ipv4View& quote) {
  switch (quote.header->protocol) {
    case kIpProtoTcp:
    case kIpProtoUdp:
    case kIpProtoUdplite:
    case kIpProtoSctp:
      break;
    default:
      return std::nullopt;
  }
  if (quote.header->offset_bytes() != 0) return std::nullopt;
  const auto* ports = Overlay<QuotedPorts>(quote.payload);
  if (ports == nullptr) return std::nullopt;
  return *ports;
}

bool IcmpChecksumOk(std::span<const uint8_t> message) { return ip_compute_csum(message) == 0; }

void FillIcmpChecksum(std::span<uint8_t> message) {
  auto* header = OverlayMutable<IcmpHeader>(message);
  header->checksum = 0;
  header->checksum = ip_compute_csum(message);
}

size_t EmitIcmp(std::span<uint8_t> out, const IcmpHeader& header) {
  return EmitHeader(out, header);
}

std::string ToString(const IcmpView& view) {
  return "ICMP " + MessageText(view) + ", length " +
         std::to_string(sizeof(IcmpHeader) + view.body.size());
}

}  // namespace tapedeck::wire
