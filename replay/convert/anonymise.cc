#include "replay/convert/anonymise.h"

#include <algorithm>

#include "replay/capture/link_layer.h"
#include "replay/convert/packet_rewriter.h"
#include "replay/normalise/checksums.h"
#include "replay/normalise/fragments.h"
#include "replay/normalise/layout.h"
#include "stack/base/byteorder.h"
#include "stack/base/checksum.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"

namespace tapedeck {
namespace {

using normalise::ChecksumFinding;
using normalise::ChecksumState;
using normalise::Frame;
using normalise::FrameKind;

// Offset of the transport checksum in its header, or nothing for a protocol without one.
std::optional<size_t> ChecksumOffset(uint8_t protocol) {
  switch (protocol) {
    case wire::kIpProtoTcp:
      return 16;
    case wire::kIpProtoUdp:
      return 6;
    case wire::kIpProtoIcmp:
    case wire::kIpProtoIgmp:
    case wire::kIpProtoIcmpv6:
      return 2;
    default:
      return std::nullopt;
  }
}

bool HasPseudoHeader(uint8_t protocol) {
  return protocol == wire::kIpProtoTcp || protocol == wire::kIpProtoUdp ||
         protocol == wire::kIpProtoIcmpv6;
}

std::span<const uint8_t> AddressesOf(const Frame& frame) {
  return frame.kind == FrameKind::kIpv4 ? frame.network().subspan(12, 8)
                                        : frame.network().subspan(8, 32);
}

// Gives `data` the sum that it had, by its last whole word, so that a checksum over all fragments
// of a packet holds as it did. What is shorter than a word cannot hide anything either.
void RestoreSum(wsum sum_before, std::span<uint8_t> data) {
  if (data.size() < 2) return;
  const size_t at = (data.size() - 2) & ~size_t{1};
  StoreBe16(data.data() + at, 0);
  const wsum missing = csum_sub(sum_before, csum_partial(data, 0));
  StoreBe16(data.data() + at, csum_from64to16(missing));
}

// The part of a fragment that may change: behind the transport header in the first.
std::span<uint8_t> ChangeablePart(const Frame& frame, std::span<uint8_t> bytes) {
  size_t begin = RangeOf(frame).frame_offset;
  if (frame.has_transport()) {
    const std::span<const uint8_t> segment = frame.transport();
    size_t header_bytes =
        frame.protocol == wire::kIpProtoTcp ? size_t{4} * (segment[12] >> 4) : size_t{8};
    header_bytes = (std::max<size_t>(header_bytes, 8) + 1) & ~size_t{1};
    begin = frame.transport_offset + std::min(header_bytes, segment.size());
  }
  return bytes.subspan(std::min(begin, bytes.size()));
}

class FrameRewriter {
 public:
  FrameRewriter(const PacketRewriter& packets, const AddressMap& addresses,
                std::span<uint8_t> bytes, size_t wire_bytes)
      : packets_(packets), addresses_(addresses), bytes_(bytes) {
    frame_.bytes = bytes;
    // A header that is cut is no reason to stop: what is there is made anonymous.
    normalise::Layout layout;
    FindLayout(wire_bytes, frame_, layout);
    frame_.filler_bytes = static_cast<uint32_t>(layout.frame_bytes - frame_.bytes.size());
  }

  void Rewrite() {
    MapMac(0);
    MapMac(6);
    const std::span<uint8_t> padding = bytes_.subspan(frame_.bytes.size());
    std::ranges::fill(padding, uint8_t{0});
    const std::span<uint8_t> packet =
        bytes_.first(frame_.bytes.size()).subspan(frame_.network_offset);
    switch (frame_.kind) {
      case FrameKind::kArp:
        return packets_.RewriteArp(packet);
      case FrameKind::kOther:
        return packets_.RewriteOther(packet);
      case FrameKind::kIpv4:
      case FrameKind::kIpv6:
        break;
    }
    const size_t header_bytes =
        frame_.kind == FrameKind::kIpv4 ? wire::kIpv4HeaderBytes : wire::kIpv6HeaderBytes;
    if (packet.size() < header_bytes) return packets_.RewriteOther(packet);
    if (frame_.is_fragment) return RewriteFragment(packet);
    const ChecksumFinding finding = ExamineTransportChecksum(frame_);
    const uint16_t field = ChecksumField();
    RewriteIp(packet);
    RestoreChecksum(finding, field);
  }

 private:
  void MapMac(size_t offset) {
    const MacAddress to =
        addresses_.Map(MacAddress{std::span<const uint8_t, 6>(bytes_.subspan(offset, 6))});
    std::copy(to.bytes().begin(), to.bytes().end(),
              bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
  }

  void RewriteIp(std::span<uint8_t> packet) {
    if (frame_.kind == FrameKind::kIpv4) {
      packets_.RewriteIpv4(packet);
    } else {
      packets_.RewriteIpv6(packet);
    }
  }

  // Where the transport checksum stands, or the end of the frame.
  size_t FieldOffset() const {
    const std::optional<size_t> offset = ChecksumOffset(frame_.protocol);
    if (!frame_.has_transport() || !offset.has_value()) return frame_.bytes.size();
    return std::min(frame_.transport_offset + *offset, frame_.bytes.size());
  }
  bool HasField() const { return FieldOffset() + 2 <= frame_.bytes.size(); }
  uint16_t ChecksumField() const {
    return HasField() ? LoadBe16(bytes_.data() + FieldOffset()) : uint16_t{0};
  }

  void RewriteFragment(std::span<uint8_t> packet) {
    const wsum addresses_before = csum_partial(AddressesOf(frame_), 0);
    const std::span<uint8_t> part = ChangeablePart(frame_, bytes_.first(frame_.bytes.size()));
    const wsum sum_before = csum_partial(part, 0);
    const uint16_t field = ChecksumField();
    const std::vector<uint8_t> header = TransportHeaderBefore(part);
    RewriteIp(packet);
    // The header of a transport that is no TCP or UDP was taken for payload.
    std::copy(header.begin(), header.end(),
              bytes_.begin() + static_cast<std::ptrdiff_t>(frame_.transport_offset));
    RestoreSum(sum_before, part);
    if (!HasField() || field == 0 || !HasPseudoHeader(frame_.protocol)) return;
    be16 checksum(field);
    csum_replace_by_diff(checksum,
                         csum_sub(csum_partial(AddressesOf(frame_), 0), addresses_before));
    StoreBe16(bytes_.data() + FieldOffset(), checksum.host());
  }

  std::vector<uint8_t> TransportHeaderBefore(std::span<const uint8_t> part) const {
    if (!frame_.has_transport()) return {};
    const auto* const begin = bytes_.data() + frame_.transport_offset;
    return {begin, part.data()};
  }

  void RestoreChecksum(const ChecksumFinding& finding, uint16_t field_before) {
    const bool is_known =
        finding.state == ChecksumState::kRight || finding.state == ChecksumState::kWrong;
    if (!is_known || field_before == 0) return;
    // The checksum of the IP header was brought along; it stays while the other is computed.
    const std::vector<uint8_t> ip_header(bytes_.begin() + frame_.network_offset,
                                         bytes_.begin() + frame_.transport_offset);
    RepairChecksums(frame_, bytes_.first(frame_.bytes.size()));
    std::copy(ip_header.begin(), ip_header.end(), bytes_.begin() + frame_.network_offset);
    if (finding.state == ChecksumState::kRight) return;
    uint8_t* const field = bytes_.data() + FieldOffset();
    if (finding.looks_offloaded) {
      const auto segment_bytes = static_cast<uint32_t>(frame_.transport().size());
      return StoreBe16(field,
                       PseudoHeaderOf(frame_).PartialChecksum(frame_.protocol, segment_bytes));
    }
    constexpr uint16_t kSpoil = 0x5555;
    StoreBe16(field, static_cast<uint16_t>(LoadBe16(field) ^ kSpoil));
  }

  const PacketRewriter& packets_;
  const AddressMap& addresses_;
  std::span<uint8_t> bytes_;
  Frame frame_;
};

// Link-layer headers in front of an IP packet that hold something besides its type: the sender's
// address in a cooked one, whatever the kernel added to an NFLOG record.
void RewriteLinkHeader(capture::LinkType link_type, const AddressMap& addresses,
                       std::span<uint8_t> header) {
  constexpr size_t kNflogAttributes = 4;
  size_t mac_offset = 0;
  if (link_type == capture::LinkType::kLinuxSll) mac_offset = 6;
  if (link_type == capture::LinkType::kLinuxSll2) mac_offset = 12;
  if (mac_offset != 0 && header.size() >= mac_offset + 6) {
    const std::span<uint8_t> field = header.subspan(mac_offset, 6);
    const MacAddress to = addresses.Map(MacAddress{std::span<const uint8_t, 6>(field)});
    std::copy(to.bytes().begin(), to.bytes().end(), field.begin());
  }
  if (link_type != capture::LinkType::kNflog) return;
  // Attributes keep their headers, by which the packet is found, and lose their values.
  std::span<uint8_t> rest = header.subspan(std::min(kNflogAttributes, header.size()));
  while (rest.size() >= 4) {
    const uint16_t length = std::min(LoadLe16(rest.data()), LoadBe16(rest.data()));
    const size_t bytes =
        std::min<size_t>((std::max<size_t>(length, 4) + 3) & ~size_t{3}, rest.size());
    std::ranges::fill(rest.subspan(4, bytes - 4), uint8_t{0});
    rest = rest.subspan(bytes);
  }
}

}  // namespace

void Anonymiser::RewriteFrame(std::span<uint8_t> frame, size_t wire_bytes) const {
  if (frame.size() < capture::kEthernetHeaderBytes) {
    std::ranges::fill(frame, uint8_t{0});
    return;
  }
  const PacketRewriter packets(addresses_, cipher_);
  FrameRewriter(packets, addresses_, frame, wire_bytes).Rewrite();
}

std::vector<uint8_t> Anonymiser::Rewrite(const capture::Record& record) const {
  capture::EthernetFrame ethernet;
  if (capture::ToEthernet(record, ethernet) != capture::SkipReason::kNone) return {};
  std::vector<uint8_t> frame(ethernet.size_bytes());
  ethernet.CopyTo(frame);
  RewriteFrame(frame, std::max<size_t>(ethernet.original_length_bytes, frame.size()));
  std::vector<uint8_t> data(record.data.begin(), record.data.end());
  const auto begin = static_cast<size_t>(ethernet.payload.data() - record.data.data());
  const size_t made_up = frame.size() - ethernet.payload.size();
  std::copy(frame.begin() + static_cast<std::ptrdiff_t>(made_up), frame.end(),
            data.begin() + static_cast<std::ptrdiff_t>(begin));
  RewriteLinkHeader(record.link_type, addresses_, std::span(data).first(begin));
  // Whatever stands behind the packet: an FCS, attributes of NFLOG.
  std::ranges::fill(std::span(data).subspan(begin + ethernet.payload.size()), uint8_t{0});
  return data;
}

}  // namespace tapedeck
