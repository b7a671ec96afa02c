#include "stack/wire/ipv6.h"

#include <algorithm>

#include "stack/wire/text.h"

namespace tapedeck::wire {
namespace {

// Size in bytes of the extension header `type` whose second byte is `length`.
size_t ExtensionBytes(uint8_t type, uint8_t length) {
  if (type == kIpProtoFragment) return sizeof(Ipv6FragmentHeader);  // the byte is reserved
  if (type == kIpProtoAh) return (size_t{length} + 2) * 4;          // RFC 4302 2.2
  return (size_t{length} + 1) * 8;
}

ParseError CheckHeader(const Ipv6Header* header) {
  if (header == nullptr) return ParseError::kTruncated;
  return header->version() == 6 ? ParseError::kNone : ParseError::kVersion;
}

}  // namespace

Parsed<Ipv6View> ParseIpv6(std::span<const uint8_t> packet) {
  const auto* header = Overlay<Ipv6Header>(packet);
  if (const ParseError error = CheckHeader(header); error != ParseError::kNone) return error;
  const std::span<const uint8_t> rest = packet.subspan(sizeof(Ipv6Header));
  const size_t payload_bytes = header->payload_len.host();
  if (payload_bytes > rest.size()) return ParseError::kLengthBeyondData;
  return Ipv6View{header, rest.first(payload_bytes)};
}

Parsed<Ipv6View> ParseQuotedIpv6(std::span<const uint8_t> quote) {
  const auto* header = Overlay<Ipv6Header>(quote);
  if (const ParseError error = CheckHeader(header); error != ParseError::kNone) return error;
  const std::span<const uint8_t> rest = quote.subspan(sizeof(Ipv6Header));
  return Ipv6View{header, rest.first(std::min<size_t>(header->payload_len.host(), rest.size()))};
}

size_t EmitIpv6(std::span<uint8_t> out, Ipv6Header header) {
  header.set_class_and_flow(header.traffic_class(), header.flow_label());
  return EmitHeader(out, header);
}

const Ipv6FragmentHeader* Ipv6Extension::AsFragment() const {
  return type == kIpProtoFragment ? Overlay<Ipv6FragmentHeader>(bytes) : nullptr;
}

const Ipv6RoutingHeader* Ipv6Extension::AsRouting() const {
  return type == kIpProtoRouting ? Overlay<Ipv6RoutingHeader>(bytes) : nullptr;
}

const Ipv6Address* Ipv6Extension::FinalDestination() const {
  const Ipv6RoutingHeader* routing = AsRouting();
  if (routing == nullptr || routing->segments_left == 0) return nullptr;
  constexpr size_t kAddressesAt = 8;
  if (bytes.size() < kAddressesAt) return nullptr;
  const size_t addresses = (bytes.size() - kAddressesAt) / sizeof(Ipv6Address);
  if (addresses == 0) return nullptr;
  switch (routing->type) {
    case kIpv6RoutingSource:
    case kIpv6RoutingMobility:
      return Overlay<Ipv6Address>(
          bytes.subspan(kAddressesAt + (addresses - 1) * sizeof(Ipv6Address)));
    case kIpv6RoutingSegments:  // listed from the last to the first
      return Overlay<Ipv6Address>(bytes.subspan(kAddressesAt));
    default:
      return nullptr;
  }
}

std::optional<Ipv6Extension> Ipv6ExtensionCursor::Next() {
  if (malformed_ || in_later_fragment_ || !IsIpv6ExtensionHeader(nexthdr_)) return std::nullopt;
  const std::span<const uint8_t> rest = payload_.subspan(offset_);
  const size_t bytes = rest.size() < 2 ? 0 : ExtensionBytes(nexthdr_, rest[1]);
  if (bytes == 0 || bytes > rest.size()) {
    malformed_ = true;
    return std::nullopt;
  }
  const Ipv6Extension extension{nexthdr_, offset_, rest.first(bytes), rest[0]};
  const Ipv6FragmentHeader* fragment = extension.AsFragment();
  in_later_fragment_ = fragment != nullptr && fragment->offset_bytes() != 0;
  offset_ += bytes;
  nexthdr_ = extension.nexthdr;
  return extension;
}

Parsed<Ipv6UpperLayer> FindUpperLayer(const Ipv6View& view) {
  Ipv6ExtensionCursor cursor(view);
  const Ipv6FragmentHeader* fragment = nullptr;
  const Ipv6Address* final_daddr = &view.header->daddr;
  while (const auto extension = cursor.Next()) {
    if (extension->AsFragment() != nullptr) fragment = extension->AsFragment();
    if (extension->FinalDestination() != nullptr) final_daddr = extension->FinalDestination();
  }
  if (cursor.malformed()) return ParseError::kExtensionHeader;
  return Ipv6UpperLayer{cursor.nexthdr(), cursor.offset(), fragment,
                        view.payload.subspan(cursor.offset()), final_daddr};
}

std::optional<Ipv6Option> Ipv6OptionCursor::Next() {
  if (malformed_ || offset_ >= bytes_.size()) return std::nullopt;
  const std::span<const uint8_t> rest = bytes_.subspan(offset_);
  const size_t offset = offset_;
  if (rest[0] == kIpv6OptPad1) {
    ++offset_;
    return Ipv6Option{rest[0], offset, {}};
  }
  if (rest.size() < 2 || size_t{rest[1]} + 2 > rest.size()) {
    malformed_ = true;
    return std::nullopt;
  }
  offset_ += size_t{rest[1]} + 2;
  return Ipv6Option{rest[0], offset, rest.subspan(2, rest[1])};
}

std::string ToString(const Ipv6View& view) {
  const Ipv6Header& h = *view.header;
  return "IP6 (class " + Hex(h.traffic_class()) + ", flowlabel " + Hex(h.flow_label()) + ", hlim " +
         std::to_string(h.hop_limit) + ", next-header " + IpProtocolName(h.nexthdr) + " (" +
         std::to_string(h.nexthdr) + "), payload length: " + std::to_string(h.payload_len.host()) +
         ") " + h.saddr.ToString() + " > " + h.daddr.ToString();
}

}  // namespace tapedeck::wire
