#include "stack/wire/ethernet.h"

#include "stack/wire/text.h"

namespace tapedeck::wire {
namespace {

std::string EtherTypeName(uint16_t proto) {
  switch (proto) {
    case kEtherTypeIpv4:
      return "IPv4 (0x0800)";
    case kEtherTypeArp:
      return "ARP (0x0806)";
    case kEtherTypeIpv6:
      return "IPv6 (0x86dd)";
    case kEtherTypeVlan:
      return "802.1Q (0x8100)";
    case kEtherTypeServiceVlan:
      return "802.1Q-QinQ (0x88a8)";
    default:
      return "Unknown (" + Hex(proto) + ")";
  }
}

}  // namespace

Parsed<EthernetView> ParseEthernet(std::span<const uint8_t> frame) {
  const auto* header = Overlay<EthernetHeader>(frame);
  if (header == nullptr) return ParseError::kTruncated;
  std::span<const uint8_t> rest = frame.subspan(sizeof(EthernetHeader));
  uint16_t proto = header->proto.host();
  const auto* first_tag = reinterpret_cast<const VlanTag*>(rest.data());
  size_t tags = 0;
  while (IsVlanType(proto) && tags < kVlanTagsMax) {
    const auto* tag = Overlay<VlanTag>(rest);
    if (tag == nullptr) return ParseError::kTruncated;
    proto = tag->proto.host();
    rest = rest.subspan(sizeof(VlanTag));
    ++tags;
  }
  return EthernetView{header, {first_tag, tags}, proto, rest};
}

size_t EmitEthernet(std::span<uint8_t> out, const EthernetHeader& header,
                    std::span<const VlanTag> tags) {
  const size_t bytes = sizeof header + tags.size_bytes();
  if (out.size() < bytes) return 0;
  size_t at = EmitHeader(out, header);
  for (const VlanTag& tag : tags) at += EmitHeader(out.subspan(at), tag);
  return at;
}

std::string ToString(const EthernetView& view) {
  std::string out = view.header->source.ToString() + " > " + view.header->dest.ToString();
  for (const VlanTag& tag : view.tags) {
    out += ", vlan " + std::to_string(tag.id()) + " p " + std::to_string(tag.priority());
    if (tag.drop_eligible()) out += " DEI";
  }
  out += view.has_length() ? ", 802.3 length " + std::to_string(view.proto)
                           : ", ethertype " + EtherTypeName(view.proto);
  const size_t bytes = sizeof(EthernetHeader) + view.tags.size_bytes() + view.payload.size();
  return out + ", length " + std::to_string(bytes);
}

}  // namespace tapedeck::wire
