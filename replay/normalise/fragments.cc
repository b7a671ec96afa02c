#include "replay/normalise/fragments.h"

#include <algorithm>
#include <compare>
#include <cstddef>
#include <iterator>
#include <map>
#include <optional>

#include "stack/base/check.h"
#include "stack/base/ip_address.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"

namespace tapedeck::normalise {
namespace {

// IP_FRAG_TIME and IPV6_FRAG_TIMEOUT, as Linux has them without a setting.
constexpr uint64_t kPatienceNs4 = uint64_t{30} * 1'000'000'000;
constexpr uint64_t kPatienceNs6 = uint64_t{60} * 1'000'000'000;
constexpr size_t kIpBytesMax = 65'535;

uint64_t Since(int64_t earlier_ns, int64_t later_ns) {
  return static_cast<uint64_t>(later_ns) - static_cast<uint64_t>(earlier_ns);
}

// What tells packets apart (RFC 791 3.2, RFC 8200 4.5; the latter leaves the protocol out).
struct PacketKey {
  IpAddress source;
  IpAddress destination;
  uint32_t identification = 0;
  uint8_t protocol = 0;
  friend auto operator<=>(const PacketKey&, const PacketKey&) = default;
};

// The fragment header of an IPv6 packet, its offset behind the IPv6 header, and where in the packet
// the header ahead of it names it.
struct FragmentHeaderAt {
  const wire::Ipv6FragmentHeader* header = nullptr;
  size_t offset = 0;
  size_t next_header_at = 0;
};

FragmentHeaderAt FindFragmentHeader(std::span<const uint8_t> packet) {
  const auto* const ip = wire::Overlay<wire::Ipv6Header>(packet);
  FragmentHeaderAt found;
  size_t named_at = offsetof(wire::Ipv6Header, nexthdr);
  wire::Ipv6ExtensionCursor cursor(ip->nexthdr, packet.subspan(wire::kIpv6HeaderBytes));
  while (const auto extension = cursor.Next()) {
    if (extension->AsFragment() != nullptr) {
      found = {extension->AsFragment(), extension->offset, named_at};
    }
    named_at = wire::kIpv6HeaderBytes + extension->offset;  // each begins with what follows it
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

// The headers ahead of the data of a packet of which `first` is the first fragment: without the
// fragment header, and with the length of all `data_bytes`. Empty where no length can say so much.
std::vector<uint8_t> UnfragmentedHeader(const Frame& first, size_t data_bytes) {
  const std::span<const uint8_t> packet = first.network();
  const size_t header_bytes = RangeOf(first).frame_offset - size_t{first.network_offset};
  std::vector<uint8_t> header(packet.begin(),
                              packet.begin() + static_cast<std::ptrdiff_t>(header_bytes));
  if (first.kind == FrameKind::kIpv4) {
    if (header_bytes + data_bytes > kIpBytesMax) return {};
    auto* const ip = wire::OverlayMutable<wire::Ipv4Header>(header);
    ip->tot_len = static_cast<uint16_t>(header_bytes + data_bytes);
    ip->frag_off = static_cast<uint16_t>(ip->frag_off.host() & wire::kIpv4DontFragment);
    wire::FillIpv4Checksum(ip);
    return header;
  }
  const FragmentHeaderAt fragment = FindFragmentHeader(packet);
  header[fragment.next_header_at] = fragment.header->nexthdr;
  header.resize(header_bytes - wire::kIpv6FragmentHeaderBytes);
  const size_t payload_bytes = header.size() - wire::kIpv6HeaderBytes + data_bytes;
  if (payload_bytes > kIpBytesMax) return {};
  wire::OverlayMutable<wire::Ipv6Header>(header)->payload_len =
      static_cast<uint16_t>(payload_bytes);
  return header;
}

// A packet that is being put together.
class OpenPacket {
 public:
  // REQUIRES: `frame` is a fragment of it. Says in `packet` what it made of it.
  void Add(const Frame& frame, FragmentedPacket* packet) {
    const FragmentRange range = RangeOf(frame);
    const uint64_t begin = range.offset_bytes;
    const uint64_t end = begin + range.data.size() + frame.filler_bytes;
    if (IsCopy(begin, end)) return;
    packet->has_overlaps = !Fits(begin, end, range.more);
    if (packet->has_overlaps) return;
    parts_[begin] = end;
    covered_bytes_ += end - begin;
    if (!range.more) total_bytes_ = end;
    packet->is_complete = total_bytes_ == covered_bytes_;
  }

 private:
  bool IsCopy(uint64_t begin, uint64_t end) const {
    const auto same = parts_.find(begin);
    return same != parts_.end() && same->second == end;
  }

  // Between what is there, and within what the last fragment says.
  bool Fits(uint64_t begin, uint64_t end, bool more) const {
    if (total_bytes_.has_value() && (end > *total_bytes_ || !more)) return false;
    const auto next = parts_.lower_bound(begin);
    if (next != parts_.end() && (next->first < end || !more)) return false;
    return next == parts_.begin() || std::prev(next)->second <= begin;
  }

  std::map<uint64_t, uint64_t> parts_;  // end by beginning
  uint64_t covered_bytes_ = 0;
  std::optional<uint64_t> total_bytes_;  // once the last fragment is there
};

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
    int64_t first_ns = 0;
    OpenPacket parts;
  };
  std::vector<FragmentedPacket> packets;
  std::map<PacketKey, Open> open;
  for (uint32_t i = 0; i < frames.size(); ++i) {
    const Frame& frame = frames[i];
    if (!frame.is_fragment || frame.length_lies) continue;
    const PacketKey key = FragmentKeyOf(frame);
    auto at = open.find(key);
    const uint64_t patience_ns = frame.kind == FrameKind::kIpv4 ? kPatienceNs4 : kPatienceNs6;
    if (at == open.end() || Since(at->second.first_ns, frame.time_ns) > patience_ns) {
      at = open.insert_or_assign(key, Open{packets.size(), frame.time_ns, {}}).first;
      packets.emplace_back();
    }
    FragmentedPacket& packet = packets[at->second.packet];
    packet.frames.push_back(i);
    at->second.parts.Add(frame, &packet);
    if (packet.is_complete || packet.has_overlaps) open.erase(at);
  }
  return packets;
}

std::vector<uint8_t> WholePacket(std::span<const Frame> frames, const FragmentedPacket& packet) {
  const Frame* first = nullptr;
  size_t data_bytes = 0;
  for (const uint32_t index : packet.frames) {
    const Frame& frame = frames[index];
    const FragmentRange range = RangeOf(frame);
    if (range.offset_bytes == 0) first = &frame;
    data_bytes = std::max(data_bytes, range.offset_bytes + range.data.size() + frame.filler_bytes);
  }
  CHECK(first != nullptr);
  std::vector<uint8_t> whole = UnfragmentedHeader(*first, data_bytes);
  if (whole.empty()) return whole;
  const size_t header_bytes = whole.size();
  whole.resize(header_bytes + data_bytes, kFillerByte);
  for (const uint32_t index : packet.frames) {
    const FragmentRange range = RangeOf(frames[index]);
    std::ranges::copy(
        range.data, whole.begin() + static_cast<std::ptrdiff_t>(header_bytes + range.offset_bytes));
  }
  return whole;
}

}  // namespace tapedeck::normalise
