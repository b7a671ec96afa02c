#include "fuzz/mutate/frame_edit.h"

#include <algorithm>

#include "replay/script/script.h"
#include "stack/base/check.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

namespace tapedeck::fuzz {

namespace {

template <typename Header>
Header* HeaderAt(std::vector<uint8_t>& frame, size_t at) {
  return wire::OverlayMutable<Header>(std::span(frame).subspan(at));
}

// The packet whose length field says `bytes` lies whole in what follows `network`.
bool Fits(std::span<const uint8_t> frame, size_t network, size_t bytes, size_t header_bytes) {
  return bytes >= header_bytes && network + bytes <= frame.size();
}

std::optional<IpFrame> FindIpv4(std::span<const uint8_t> frame, size_t network) {
  const auto* const ip = wire::Overlay<wire::Ipv4Header>(frame.subspan(network));
  if (ip == nullptr || ip->version() != 4 || ip->header_bytes() < sizeof(wire::Ipv4Header)) {
    return std::nullopt;
  }
  const size_t bytes = ip->tot_len.host();
  if (!Fits(frame, network, bytes, ip->header_bytes())) return std::nullopt;
  return IpFrame{network, true, network + ip->header_bytes(), ip->protocol, network + bytes};
}

std::optional<IpFrame> FindIpv6(std::span<const uint8_t> frame, size_t network) {
  const auto* const ip = wire::Overlay<wire::Ipv6Header>(frame.subspan(network));
  if (ip == nullptr || ip->version() != 6) return std::nullopt;
  const size_t bytes = sizeof(wire::Ipv6Header) + ip->payload_len.host();
  if (!Fits(frame, network, bytes, sizeof(wire::Ipv6Header))) return std::nullopt;
  return IpFrame{network, false, network + sizeof(wire::Ipv6Header), ip->nexthdr, network + bytes};
}

// IP's length fields say what `frame` is from `network` on, UDP's what is behind `transport`.
void FixLengths(std::vector<uint8_t>& frame, const IpFrame& ip, size_t transport) {
  const size_t bytes = frame.size() - ip.network;
  if (ip.v4) {
    HeaderAt<wire::Ipv4Header>(frame, ip.network)->tot_len = be16(static_cast<uint16_t>(bytes));
  } else {
    HeaderAt<wire::Ipv6Header>(frame, ip.network)->payload_len =
        be16(static_cast<uint16_t>(bytes - sizeof(wire::Ipv6Header)));
  }
  if (ip.protocol != wire::kIpProtoUdp) return;
  if (auto* const udp = HeaderAt<wire::UdpHeader>(frame, transport)) {
    udp->len = be16(static_cast<uint16_t>(frame.size() - transport));
  }
}

std::vector<uint8_t> Padded(std::vector<uint8_t> options) {
  options.resize((options.size() + 3) / 4 * 4);
  CHECK_LE(options.size(), wire::kTcpOptionsMax);
  return options;
}

}  // namespace

std::optional<IpFrame> FindIp(std::span<const uint8_t> frame) {
  const auto ethernet = wire::ParseEthernet(frame);
  if (!ethernet) return std::nullopt;
  const size_t network = frame.size() - ethernet->payload.size();
  if (ethernet->proto == wire::kEtherTypeIpv4) return FindIpv4(frame, network);
  if (ethernet->proto == wire::kEtherTypeIpv6) return FindIpv6(frame, network);
  return std::nullopt;
}

size_t PayloadOf(std::span<const uint8_t> frame, const IpFrame& ip) {
  size_t header_bytes = 0;
  if (ip.protocol == wire::kIpProtoUdp) header_bytes = sizeof(wire::UdpHeader);
  if (ip.protocol == wire::kIpProtoTcp) {
    const auto* const tcp = wire::Overlay<wire::TcpHeader>(frame.subspan(ip.transport));
    if (tcp != nullptr) header_bytes = tcp->header_bytes();
  }
  return std::min(ip.transport + header_bytes, ip.end);
}

bool ReplaceInIp(std::vector<uint8_t>& frame, const IpFrame& ip, size_t at, size_t erased,
                 std::span<const uint8_t> bytes) {
  CHECK_LE(at + erased, ip.end);
  const size_t size = ip.end - erased + bytes.size();
  if (size > kFrameBytesMax || size - ip.network > UINT16_MAX) return false;
  frame.resize(ip.end);
  const auto begin = frame.begin() + static_cast<std::ptrdiff_t>(at);
  const auto place = frame.erase(begin, begin + static_cast<std::ptrdiff_t>(erased));
  frame.insert(place, bytes.begin(), bytes.end());
  const bool before_transport = at + erased <= ip.transport;
  FixLengths(frame, ip, before_transport ? ip.transport + bytes.size() - erased : ip.transport);
  return true;
}

bool SetIpv4Options(std::vector<uint8_t>& frame, const IpFrame& ip, std::vector<uint8_t> options) {
  options = Padded(std::move(options));
  const size_t at = ip.network + sizeof(wire::Ipv4Header);
  if (!ReplaceInIp(frame, ip, at, ip.transport - at, options)) return false;
  HeaderAt<wire::Ipv4Header>(frame, ip.network)
      ->set_ihl(static_cast<uint8_t>((sizeof(wire::Ipv4Header) + options.size()) / 4));
  return true;
}

bool InsertExtHeader(std::vector<uint8_t>& frame, const IpFrame& ip, uint8_t kind,
                     std::vector<uint8_t> bytes) {
  CHECK(!ip.v4);
  bytes.insert(bytes.begin(), {ip.protocol, 0});
  bytes.resize((bytes.size() + 7) / 8 * 8);
  bytes[1] = static_cast<uint8_t>(bytes.size() / 8 - 1);
  if (!ReplaceInIp(frame, ip, ip.transport, 0, bytes)) return false;
  HeaderAt<wire::Ipv6Header>(frame, ip.network)->nexthdr = kind;
  return true;
}

std::vector<uint8_t> TcpOptionsOf(std::span<const uint8_t> frame, const IpFrame& ip) {
  const auto* const tcp = wire::Overlay<wire::TcpHeader>(frame.subspan(ip.transport));
  const size_t at = ip.transport + sizeof(wire::TcpHeader);
  if (tcp == nullptr || tcp->header_bytes() < sizeof(wire::TcpHeader) ||
      ip.transport + tcp->header_bytes() > ip.end) {
    return {};
  }
  return {frame.begin() + static_cast<std::ptrdiff_t>(at),
          frame.begin() + static_cast<std::ptrdiff_t>(ip.transport + tcp->header_bytes())};
}

bool SetTcpOptions(std::vector<uint8_t>& frame, const IpFrame& ip, std::vector<uint8_t> options) {
  options = Padded(std::move(options));
  const size_t at = ip.transport + sizeof(wire::TcpHeader);
  if (at > ip.end) return false;
  const size_t erased = TcpOptionsOf(frame, ip).size();
  if (!ReplaceInIp(frame, ip, at, erased, options)) return false;
  HeaderAt<wire::TcpHeader>(frame, ip.transport)
      ->set_doff(static_cast<uint8_t>((sizeof(wire::TcpHeader) + options.size()) / 4));
  return true;
}

std::pair<std::vector<uint8_t>, std::vector<uint8_t>> FragmentIpv4(std::span<const uint8_t> frame,
                                                                   const IpFrame& ip, size_t bytes,
                                                                   size_t overlap) {
  const auto part = [&](size_t from, size_t count, bool more) {
    std::vector<uint8_t> out(frame.begin(),
                             frame.begin() + static_cast<std::ptrdiff_t>(ip.transport));
    const auto carried = frame.subspan(ip.transport + from, count);
    out.insert(out.end(), carried.begin(), carried.end());
    auto* const header = HeaderAt<wire::Ipv4Header>(out, ip.network);
    const auto offset = static_cast<uint16_t>(header->frag_off.host() + from / 8);
    header->frag_off = be16(static_cast<uint16_t>((offset & ~wire::kIpv4DontFragment) |
                                                  (more ? wire::kIpv4MoreFragments : 0)));
    header->tot_len = be16(static_cast<uint16_t>(out.size() - ip.network));
    return out;
  };
  const size_t carried = ip.end - ip.transport;
  CHECK_LT(overlap, bytes);
  CHECK_LT(bytes, carried);
  return {part(0, bytes, true), part(bytes - overlap, carried - (bytes - overlap), false)};
}

}  // namespace tapedeck::fuzz
