#include "replay/normalise/fragments.h"

#include <algorithm>
#include <compare>
#include <map>

#include "stack/base/ip_address.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"

namespace tapedeck::normalise {
namespace {

constexpr uint64_t kReassemblyNs = uint64_t{30} * 1'000'000'000;

// What tells packets apart (RFC 791 3.2, RFC 8200 4.5; the latter leaves the protocol out).
struct PacketKey {
  IpAddress source;
  IpAddress destination;
  uint32_t identification = 0;
  uint8_t protocol = 0;
  friend auto operator<=>(const PacketKey&, const PacketKey&) = default;
};

// The fragment header of an IPv6 packet and its offset behind the IPv6 header.
struct FragmentHeaderAt {
  const wire::Ipv6FragmentHeader* header = nullptr;
  size_t offset = 0;
};

FragmentHeaderAt FindFragmentHeader(std::span<const uint8_t> packet) {
  const auto* const ip = wire::Overlay<wire::Ipv6Header>(packet);
  FragmentHeaderAt found;
  wire::Ipv6ExtensionCursor cursor(ip->nexthdr, packet.subspan(wire::kIpv6HeaderBytes));
  while (const auto extension = cursor.Next()) {
    if (extension->AsFragment() != nullptr) found = {extension->AsFragment(), extension->offset};
  }
  return found;
}

PacketKey FragmentKeyOf(const Frame& frame) {
  if (frame.kind == FrameKind::kIpv4) {
    const auto* const ip = wire::Overlay<wire::Ipv4Header>(frame.network());
    return {ip->saddr, ip->daddr, ip->id.host(), ip->protocol};
  }
  const auto* const ip = wire::Overlay<wire::Ipv6Header>(frame.network());
  return {ip->saddr, ip->daddr, FindFragmentHeader(frame.network()).header->identification.host(),
          0};
}

struct Extent {
  uint64_t begin = 0;
  uint64_t end = 0;
  friend auto operator<=>(const Extent&, const Extent&) = default;
};

// Holes and overlaps, once all fragments are known.
void Conclude(std::span<const Frame> frames, FragmentedPacket& packet) {
  std::vector<Extent> extents;
  std::optional<uint64_t> total;
  for (const uint32_t index : packet.frames) {
    const FragmentRange range = RangeOf(frames[index]);
    const uint64_t end = range.offset_bytes + range.data.size() + frames[index].filler_bytes;
    extents.push_back({range.offset_bytes, end});
    if (!range.more) total = std::max(total.value_or(0), end);
  }
  std::sort(extents.begin(), extents.end());
  uint64_t reached = 0;
  bool has_hole = false;
  for (const Extent& extent : extents) {
    has_hole |= extent.begin > reached;
    packet.has_overlaps |= extent.begin < reached;
    reached = std::max(reached, extent.end);
  }
  packet.is_complete = total.has_value() && !has_hole && reached >= *total;
}

}  // namespace

FragmentRange RangeOf(const Frame& frame) {
  FragmentRange range;
  const std::span<const uint8_t> packet = frame.network();
  if (frame.kind == FrameKind::kIpv4) {
    const auto* const ip = wire::Overlay<wire::Ipv4Header>(packet);
    range.offset_bytes = ip->offset_bytes();
    range.more = ip->more_fragments();
    range.frame_offset = static_cast<uint32_t>(frame.network_offset + ip->header_bytes());
  } else {
    const FragmentHeaderAt fragment = FindFragmentHeader(packet);
    range.offset_bytes = fragment.header->offset_bytes();
    range.more = fragment.header->more_fragments();
    range.frame_offset = static_cast<uint32_t>(frame.network_offset + wire::kIpv6HeaderBytes +
                                               fragment.offset + wire::kIpv6FragmentHeaderBytes);
  }
  range.data = frame.bytes.subspan(range.frame_offset);
  return range;
}

std::vector<FragmentedPacket> FindFragmentedPackets(std::span<const Frame> frames) {
  struct Open {
    size_t packet = 0;
    int64_t last_ns = 0;
  };
  std::vector<FragmentedPacket> packets;
  std::map<PacketKey, Open> open;
  for (uint32_t i = 0; i < frames.size(); ++i) {
    if (!frames[i].is_fragment) continue;
    const auto [at, is_new] = open.try_emplace(FragmentKeyOf(frames[i]));
    const uint64_t waited_ns =
        static_cast<uint64_t>(frames[i].time_ns) - static_cast<uint64_t>(at->second.last_ns);
    if (is_new || waited_ns > kReassemblyNs) {
      at->second.packet = packets.size();
      packets.emplace_back();
    }
    at->second.last_ns = frames[i].time_ns;
    packets[at->second.packet].frames.push_back(i);
  }
  for (FragmentedPacket& packet : packets) Conclude(frames, packet);
  return packets;
}

std::optional<std::vector<uint8_t>> LeadingBytes(std::span<const Frame> frames,
                                                 const FragmentedPacket& packet, size_t n) {
  std::vector<uint8_t> bytes(n);
  std::vector<bool> is_known(n);
  for (const uint32_t index : packet.frames) {
    const FragmentRange range = RangeOf(frames[index]);
    for (size_t i = 0; i < range.data.size() && range.offset_bytes + i < n; ++i) {
      const size_t at = range.offset_bytes + i;
      if (!is_known[at]) bytes[at] = range.data[i];
      is_known[at] = true;
    }
  }
  if (std::ranges::find(is_known, false) != is_known.end()) return std::nullopt;
  return bytes;
}

std::vector<RewrittenFragment> RewriteLeadingBytes(std::span<const Frame> frames,
                                                   const FragmentedPacket& packet,
                                                   std::span<const uint8_t> header) {
  std::vector<RewrittenFragment> rewritten;
  for (const uint32_t index : packet.frames) {
    const Frame& frame = frames[index];
    const FragmentRange range = RangeOf(frame);
    if (range.offset_bytes >= header.size()) continue;
    const std::span<const uint8_t> part = header.subspan(range.offset_bytes);
    RewrittenFragment fragment{index, {frame.bytes.begin(), frame.bytes.end()}};
    std::copy_n(part.begin(), std::min(part.size(), range.data.size()),
                fragment.bytes.begin() + range.frame_offset);
    if (!std::ranges::equal(fragment.bytes, frame.bytes)) rewritten.push_back(std::move(fragment));
  }
  return rewritten;
}

}  // namespace tapedeck::normalise
