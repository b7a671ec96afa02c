#include "fuzz/segment_view.h"

#include <algorithm>
#include <cstddef>

#include "fuzz/frame_words.h"

namespace tapedeck::fuzz {

namespace {

constexpr size_t kIpv6Bytes = 40;
constexpr size_t kTcpBytes = 20;

// RFC 9293 3.2; ends at what is malformed.
void ReadOptions(FrameBytes options, SegmentView* segment) {
  for (size_t i = 0; i < options.size();) {
    if (options[i] == 0) return;
    if (options[i] == 1) {
      ++i;
      continue;
    }
    if (i + 1 >= options.size() || options[i + 1] < 2 || i + options[i + 1] > options.size())
      return;
    if (options[i] == 3 && options[i + 1] == 3) {
      segment->shift = std::min<uint8_t>(options[i + 2], 14);
    }
    if (options[i] == 5) segment->has_sack = true;
    i += options[i + 1];
  }
}

Carries ReadTcp(FrameBytes tcp, SegmentView* segment) {
  if (tcp.size() < kTcpBytes) return Carries::kHidden;
  const size_t header_bytes = size_t{tcp[12]} / 16 * 4;
  if (header_bytes < kTcpBytes || header_bytes > tcp.size()) return Carries::kHidden;
  segment->source_port = static_cast<uint16_t>(Word16(tcp, 0));
  segment->destination_port = static_cast<uint16_t>(Word16(tcp, 2));
  segment->seq = Word32(tcp, 4);
  segment->ack = Word32(tcp, 8);
  segment->flags = tcp[13];
  segment->window = static_cast<uint16_t>(Word16(tcp, 14));
  ReadOptions(tcp.subspan(kTcpBytes, header_bytes - kTcpBytes), segment);
  segment->data = tcp.subspan(header_bytes);
  return Carries::kSegment;
}

Carries ReadIpv4(FrameBytes ip, SegmentView* segment) {
  if (ip.size() < kIpv4Bytes || ip[0] >> 4 != 4) return Carries::kHidden;
  const size_t header_bytes = size_t{ip[0]} % 16 * 4;
  const size_t total = Word16(ip, 2);
  if (header_bytes < kIpv4Bytes || total < header_bytes || total > ip.size() || IsFragment(ip)) {
    return Carries::kHidden;
  }
  if (ip[9] != kProtocolTcp) return Carries::kOther;
  segment->source = ip.subspan(12, 4);
  segment->destination = ip.subspan(16, 4);
  return ReadTcp(ip.subspan(header_bytes, total - header_bytes), segment);
}

Carries ReadIpv6(FrameBytes ip, SegmentView* segment) {
  if (ip.size() < kIpv6Bytes || ip[0] >> 4 != 6) return Carries::kHidden;
  if (ip[6] == kProtocolUdp || ip[6] == kProtocolIcmpv6) return Carries::kOther;
  const size_t payload = Word16(ip, 4);
  if (ip[6] != kProtocolTcp || kIpv6Bytes + payload > ip.size()) return Carries::kHidden;
  segment->v6 = true;
  segment->source = ip.subspan(8, 16);
  segment->destination = ip.subspan(24, 16);
  return ReadTcp(ip.subspan(kIpv6Bytes, payload), segment);
}

}  // namespace

Carries FindSegment(FrameBytes frame, SegmentView* segment) {
  if (frame.size() < kEthernetBytes) return Carries::kOther;
  const uint32_t type = Word16(frame, 12);
  *segment = SegmentView{};
  if (type == kTypeIpv4) return ReadIpv4(frame.subspan(kEthernetBytes), segment);
  if (type == 0x86dd) return ReadIpv6(frame.subspan(kEthernetBytes), segment);
  return type == 0x8100 || type == 0x88a8 ? Carries::kHidden : Carries::kOther;
}

}  // namespace tapedeck::fuzz
