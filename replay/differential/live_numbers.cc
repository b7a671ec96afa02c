#include "replay/differential/live_numbers.h"

#include <algorithm>

#include "stack/base/byteorder.h"
#include "stack/base/checksum.h"
#include "stack/core/eth.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/tcp_options.h"

namespace tapedeck::differential {

namespace {

constexpr size_t kTimestampsBytes = 10;

// The addresses and the place of what an IPv4 packet carries, where that is TCP.
std::optional<TcpPlace> InIpv4(std::span<const uint8_t> packet) {
  const wire::Parsed<wire::Ipv4View> ip = wire::ParseIpv4(packet);
  if (!ip.ok() || ip->header->protocol != wire::kIpProtoTcp) return std::nullopt;
  if (ip->header->offset_bytes() != 0) return std::nullopt;
  TcpPlace place;
  place.flow.local.address = ip->header->saddr;
  place.flow.peer.address = ip->header->daddr;
  place.offset = kEthHeaderBytes + ip->header->header_bytes();
  place.end = place.offset + ip->payload.size();
  return place;
}

std::optional<TcpPlace> InIpv6(std::span<const uint8_t> packet) {
  const wire::Parsed<wire::Ipv6View> ip = wire::ParseIpv6(packet);
  if (!ip.ok() || ip->header->nexthdr != wire::kIpProtoTcp) return std::nullopt;
  TcpPlace place;
  place.flow.local.address = ip->header->saddr;
  place.flow.peer.address = ip->header->daddr;
  place.offset = kEthHeaderBytes + sizeof(wire::Ipv6Header);
  place.end = place.offset + ip->payload.size();
  return place;
}

}  // namespace

std::optional<TcpPlace> FindTcp(std::span<const uint8_t> frame) {
  if (frame.size() < kEthHeaderBytes) return std::nullopt;
  const uint16_t proto = LoadBe16(frame.data() + 12);
  std::optional<TcpPlace> place;
  if (proto == wire::kEtherTypeIpv4) place = InIpv4(frame.subspan(kEthHeaderBytes));
  if (proto == wire::kEtherTypeIpv6) place = InIpv6(frame.subspan(kEthHeaderBytes));
  if (!place.has_value() || place->end < place->offset + sizeof(wire::TcpHeader)) {
    return std::nullopt;
  }
  place->flow.local.port = LoadBe16(frame.data() + place->offset);
  place->flow.peer.port = LoadBe16(frame.data() + place->offset + 2);
  return place;
}

size_t FindTsval(std::span<const uint8_t> header) {
  size_t at = sizeof(wire::TcpHeader);
  while (at + 1 < header.size() && header[at] != wire::kTcpOptEnd) {
    if (header[at] == wire::kTcpOptNop) {
      ++at;
      continue;
    }
    const size_t bytes = header[at + 1];
    if (bytes < 2 || at + bytes > header.size()) return 0;
    if (header[at] == wire::kTcpOptTimestamps && bytes == kTimestampsBytes) return at + 2;
    at += bytes;
  }
  return 0;
}

void LiveNumbers::See(std::span<const uint8_t> frame) {
  const std::optional<TcpPlace> place = FindTcp(frame);
  if (!place.has_value()) return;
  const auto* const tcp = reinterpret_cast<const wire::TcpHeader*>(frame.data() + place->offset);
  const size_t header_bytes = std::min(tcp->header_bytes(), place->end - place->offset);
  const size_t tsval = FindTsval(frame.subspan(place->offset, header_bytes));
  if (!tcp->syn() && tsval == 0) return;
  Numbers& numbers = numbers_[place->flow];
  if (tcp->syn()) numbers.isn = tcp->seq.host();
  if (tsval != 0) numbers.tsval = LoadBe32(frame.data() + place->offset + tsval);
}

void AddToField(std::span<uint8_t> frame, size_t offset, size_t checksum_at, uint32_t add) {
  if (offset + 4 > frame.size() || checksum_at + 2 > frame.size()) return;
  uint8_t* const at = frame.data() + offset;
  const std::span<const uint8_t> field(at, 4);
  const size_t parity = (offset - checksum_at) & 1U;
  const wsum before = csum_shift(csum_partial(field, 0), parity);
  StoreBe32(at, LoadBe32(at) + add);
  const wsum after = csum_shift(csum_partial(field, 0), parity);
  be16 checksum = LoadBe16(frame.data() + checksum_at);
  csum_replace_by_diff(checksum, csum_sub(after, before));
  StoreBe16(frame.data() + checksum_at, checksum.host());
}

void LiveNumbers::Apply(const LivePatch& patch, std::span<uint8_t> frame) const {
  const Numbers numbers = Of(patch.flow);
  const uint32_t add = patch.what == LivePatch::What::kIsn ? numbers.isn : numbers.tsval;
  AddToField(frame, patch.offset, patch.checksum_at, add);
}

LiveNumbers::Numbers LiveNumbers::Of(const Flow& flow) const {
  const auto found = numbers_.find(flow);
  return found == numbers_.end() ? Numbers{} : found->second;
}

}  // namespace tapedeck::differential
