// Ethernet frames of IP packets, cut into fragments as a router or a sender would.
#ifndef TAPEDECK_TESTS_UNIT_FRAGMENT_FRAMES_H_
#define TAPEDECK_TESTS_UNIT_FRAGMENT_FRAMES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "stack/base/byteorder.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "traffic.h"  // beside this file

namespace tapedeck::traffic {

// Bytes `from` to `to` of what the packet in `whole` carries behind its IP header, which has
// neither options nor extensions. REQUIRES: `from` is a multiple of 8.
inline FrameBytes Fragment(const FrameBytes& whole, size_t from, size_t to, bool more) {
  constexpr size_t kEthernet = 14;
  constexpr uint32_t kIdentification = 0x1234;  // of IPv6; of IPv4 it is the packet's
  const bool v4 = whole[kEthernet] >> 4 == 4;
  const size_t headers = kEthernet + (v4 ? wire::kIpv4HeaderBytes : wire::kIpv6HeaderBytes);
  const auto at = [&](size_t offset) {
    return whole.begin() + static_cast<std::ptrdiff_t>(offset);
  };
  FrameBytes frame(whole.begin(), at(headers));
  if (!v4) {
    auto* const ip = wire::OverlayMutable<wire::Ipv6Header>(std::span(frame).subspan(kEthernet));
    wire::Ipv6FragmentHeader header{};
    header.nexthdr = ip->nexthdr;
    header.frag_off = static_cast<uint16_t>(from | (more ? 1 : 0));
    header.identification = kIdentification;
    ip->nexthdr = wire::kIpProtoFragment;
    ip->payload_len = static_cast<uint16_t>(sizeof(header) + to - from);
    const auto* const bytes = reinterpret_cast<const uint8_t*>(&header);
    frame.insert(frame.end(), bytes, bytes + sizeof(header));
  }
  frame.insert(frame.end(), at(headers + from), at(headers + to));
  if (v4) {
    auto* const ip = wire::OverlayMutable<wire::Ipv4Header>(std::span(frame).subspan(kEthernet));
    ip->tot_len = static_cast<uint16_t>(frame.size() - kEthernet);
    ip->frag_off = static_cast<uint16_t>(from / 8 | (more ? wire::kIpv4MoreFragments : 0));
    wire::FillIpv4Checksum(ip);
  }
  return frame;
}

// All of them, `bytes` of data in each but the last. REQUIRES: a multiple of 8.
inline std::vector<FrameBytes> Fragments(const FrameBytes& whole, size_t bytes) {
  const bool v4 = whole[14] >> 4 == 4;
  const size_t total = whole.size() - 14 - (v4 ? wire::kIpv4HeaderBytes : wire::kIpv6HeaderBytes);
  std::vector<FrameBytes> fragments;
  for (size_t from = 0; from < total; from += bytes) {
    const size_t to = std::min(total, from + bytes);
    fragments.push_back(Fragment(whole, from, to, to < total));
  }
  return fragments;
}

}  // namespace tapedeck::traffic

#endif  // TAPEDECK_TESTS_UNIT_FRAGMENT_FRAMES_H_
