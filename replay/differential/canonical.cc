#include "replay/differential/canonical.h"

#include <algorithm>
#include <optional>

#include "stack/base/byteorder.h"
#include "stack/base/checksum.h"
#include "stack/core/eth.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/icmp.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv4_options.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/pseudo_header.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

namespace tapedeck::differential {

namespace {

constexpr uint32_t kFlowLabelMask = 0xfffff;
constexpr uint16_t kRight = 0;
constexpr uint16_t kWrong = 0xbad0;
constexpr uint16_t kEphemeral = 0xeeee;
constexpr size_t kTimestampReplyBytes = sizeof(wire::IcmpHeader) + sizeof(wire::IcmpTimestamps);

bool IsEphemeral(uint16_t port) { return port >= 32768 && port <= 60999; }

bool FollowsIsn(const FrameStep& frame) {
  return std::any_of(frame.patches.begin(), frame.patches.end(),
                     [](const LivePatch& patch) { return patch.what == LivePatch::What::kIsn; });
}

// Replaces the checksum at `at` by whether `sum`, over all that it covers, says that it is right.
void MarkChecksum(uint8_t* at, uint16_t sum) { StoreBe16(at, sum == 0 ? kRight : kWrong); }

void MarkUdp(const wire::PseudoHeader& pseudo, std::span<uint8_t> datagram) {
  if (datagram.size() < sizeof(wire::UdpHeader)) return;
  uint8_t* const check = datagram.data() + 6;
  // Zero means that there is none, and stays apart from one that is right.
  if (LoadBe16(check) != 0) {
    StoreBe16(check, pseudo.Checksum(wire::kIpProtoUdp, datagram) == 0 ? 1 : kWrong);
  }
  if (IsEphemeral(LoadBe16(datagram.data()))) StoreBe16(datagram.data(), kEphemeral);
}

// The checksum of a datagram of which this is the first piece cannot be checked, but follows its
// port.
void MarkFirstFragment(std::span<uint8_t> piece) {
  if (piece.size() < sizeof(wire::UdpHeader)) return;
  auto* const udp = reinterpret_cast<wire::UdpHeader*>(piece.data());
  if (!IsEphemeral(udp->source.host())) return;
  csum_replace2(udp->check, udp->source, kEphemeral);
  udp->source = kEphemeral;
}

}  // namespace

Canonical::Canonical(const Case& played) : fixed_acks_{0} {
  for (const Step& step : played.steps) {
    const auto* const frame = std::get_if<FrameStep>(&step);
    if (frame == nullptr) continue;
    if (frame->bytes.size() >= kEthHeaderBytes + sizeof(wire::Ipv6Header)) {
      given_labels_.insert(LoadBe32(frame->bytes.data() + kEthHeaderBytes) & kFlowLabelMask);
    }
    if (FollowsIsn(*frame)) continue;
    const std::optional<TcpPlace> place = FindTcp(frame->bytes);
    if (place.has_value()) fixed_acks_.insert(LoadBe32(frame->bytes.data() + place->offset + 8));
  }
}

std::vector<uint8_t> Canonical::Of(const Reply& reply) {
  live_.See(reply.bytes);
  std::vector<uint8_t> bytes = reply.bytes;
  if (bytes.size() < kEthHeaderBytes) return bytes;
  const std::optional<TcpPlace> tcp = FindTcp(bytes);
  if (tcp.has_value()) Tcp(bytes, *tcp);
  if (LoadBe16(bytes.data() + 12) == wire::kEtherTypeIpv4) {
    Ipv4(std::span<uint8_t>(bytes).subspan(kEthHeaderBytes));
  }
  if (LoadBe16(bytes.data() + 12) == wire::kEtherTypeIpv6) {
    Ipv6(std::span<uint8_t>(bytes).subspan(kEthHeaderBytes));
  }
  return bytes;
}

std::vector<uint8_t> Canonical::OfAddress(std::vector<uint8_t> address) {
  if (address.size() >= 4 && IsEphemeral(LoadBe16(address.data() + 2))) {
    StoreBe16(address.data() + 2, kEphemeral);
  }
  return address;
}

void Canonical::Ipv4(std::span<uint8_t> packet) {
  const wire::Parsed<wire::Ipv4View> view = wire::ParseIpv4(packet);
  if (!view.ok()) return;
  auto* const ip = reinterpret_cast<wire::Ipv4Header*>(packet.data());
  const std::span<uint8_t> payload = packet.subspan(ip->header_bytes(), view->payload.size());
  if (ip->is_fragment() && ip->offset_bytes() == 0 && ip->protocol == wire::kIpProtoUdp) {
    MarkFirstFragment(payload);
  }
  if (!ip->is_fragment()) {
    if (ip->protocol == wire::kIpProtoIcmp) Icmp(payload);
    if (ip->protocol == wire::kIpProtoUdp) MarkUdp({ip->saddr, ip->daddr}, payload);
  }
  const bool right = wire::Ipv4ChecksumOk(ip);
  OptionTimes(packet.first(ip->header_bytes()));
  ip->id = IdLabel(ip->id.host());
  ip->check = right ? kRight : kWrong;
}

void Canonical::Ipv6(std::span<uint8_t> packet) {
  const wire::Parsed<wire::Ipv6View> view = wire::ParseIpv6(packet);
  if (!view.ok()) return;
  const wire::Parsed<wire::Ipv6UpperLayer> upper = wire::FindUpperLayer(*view);
  auto* const ip = reinterpret_cast<wire::Ipv6Header*>(packet.data());
  if (upper.ok()) {
    const std::span<uint8_t> payload =
        packet.subspan(sizeof(wire::Ipv6Header) + upper->offset, upper->payload.size());
    const bool whole = upper->fragment == nullptr;
    if (whole && upper->protocol == wire::kIpProtoIcmpv6 &&
        payload.size() >= sizeof(wire::Icmpv6Header)) {
      const wire::PseudoHeader pseudo(ip->saddr, *upper->final_daddr);
      MarkChecksum(payload.data() + 2, pseudo.Checksum(wire::kIpProtoIcmpv6, payload));
    }
    if (whole && upper->protocol == wire::kIpProtoUdp) {
      MarkUdp({ip->saddr, *upper->final_daddr}, payload);
    }
    if (!whole) {
      const size_t id_at = static_cast<size_t>(
          reinterpret_cast<const uint8_t*>(&upper->fragment->identification) - packet.data());
      if (upper->fragment->offset_bytes() == 0 && upper->protocol == wire::kIpProtoUdp) {
        MarkFirstFragment(payload);
      }
      StoreBe32(packet.data() + id_at, Label(LoadBe32(packet.data() + id_at), &ids6_));
    }
  }
  const uint32_t first = ip->ver_tc_flow.host();
  if (given_labels_.contains(first & kFlowLabelMask)) return;
  ip->ver_tc_flow = (first & ~kFlowLabelMask) | Label(first & kFlowLabelMask, &flow_labels_);
}

uint32_t Canonical::Label(uint32_t value, std::map<uint32_t, uint32_t>* labels) {
  if (value == 0) return 0;
  return labels->try_emplace(value, static_cast<uint32_t>(labels->size() + 1)).first->second;
}

void Canonical::Icmp(std::span<uint8_t> message) {
  if (message.size() < sizeof(wire::IcmpHeader)) return;
  // Of a message of zeros both of one's complement's zeros are right: the kernel adds up from -0.
  const bool zeros = std::all_of(message.begin(), message.end(), [](uint8_t b) { return b == 0; });
  MarkChecksum(message.data() + 2, zeros ? uint16_t{0} : ip_compute_csum(message));
  if (wire::IcmpHeader{.type = message[0]}.is_error()) QuotedTimes(message.subspan(8));
  if (message[0] != wire::kIcmpTimestampReply || message.size() < kTimestampReplyBytes) return;
  uint8_t* const times = message.data() + sizeof(wire::IcmpHeader) + 4;
  const bool equal = LoadBe32(times) == LoadBe32(times + 4);
  StoreBe32(times, 0);
  StoreBe32(times + 4, equal ? 0 : 1);
}

void Canonical::QuotedTimes(std::span<uint8_t> quote) {
  const size_t header_bytes = quote.empty() ? 0 : (quote[0] & 15U) * size_t{4};
  if (header_bytes <= sizeof(wire::Ipv4Header) || header_bytes > quote.size()) return;
  OptionTimes(quote.first(header_bytes));
  // It covers the times.
  StoreBe16(quote.data() + 10, ip_compute_csum(quote.first(header_bytes)));
}

void Canonical::OptionTimes(std::span<uint8_t> header) {
  constexpr size_t kTimestampHead = 4;
  for (size_t at = sizeof(wire::Ipv4Header); at + kTimestampHead <= header.size();) {
    if (header[at] == wire::kIpv4OptEnd) return;
    if (header[at] == wire::kIpv4OptNop) {
      ++at;
      continue;
    }
    const size_t end = at + header[at + 1];
    if (header[at + 1] < 2 || end > header.size()) return;
    if (header[at] == wire::kIpv4OptTimestamp) {
      // Times are written where the pointer was, which has gone on by whole places since.
      const bool with_addresses = (header[at + 3] & 15) != 0;
      const size_t place_bytes = with_addresses ? 8 : 4;
      const size_t skew = (header[at + 2] + place_bytes - 5) % place_bytes;
      for (size_t time = at + kTimestampHead + skew + (with_addresses ? 4 : 0); time + 4 <= end;
           time += place_bytes) {
        const bool there = LoadBe32(header.data() + time) != 0;
        StoreBe32(header.data() + time, there ? 1 : 0);
      }
    }
    at = end;
  }
}

void Canonical::Tcp(std::span<uint8_t> frame, const TcpPlace& place) {
  const std::span<uint8_t> segment = frame.subspan(place.offset, place.end - place.offset);
  auto* const tcp = reinterpret_cast<wire::TcpHeader*>(segment.data());
  const wire::PseudoHeader pseudo =
      place.flow.local.address.is_v4()
          ? wire::PseudoHeader(place.flow.local.address.v4(), place.flow.peer.address.v4())
          : wire::PseudoHeader(place.flow.local.address.v6(), place.flow.peer.address.v6());
  MarkChecksum(segment.data() + 16, pseudo.Checksum(wire::kIpProtoTcp, segment));
  tcp->seq = Sequence(tcp->seq.host(), place.flow);
  const size_t header_bytes = std::min(tcp->header_bytes(), segment.size());
  const size_t tsval = FindTsval(segment.first(header_bytes));
  if (tsval != 0) StoreBe32(segment.data() + tsval, 0);
  if (IsEphemeral(tcp->source.host())) tcp->source = kEphemeral;
}

uint32_t Canonical::Sequence(uint32_t seq, const Flow& flow) const {
  return fixed_acks_.contains(seq) ? seq : seq - live_.Of(flow).isn;
}

uint16_t Canonical::IdLabel(uint16_t id) {
  if (id == 0) return 0;
  return ids_.try_emplace(id, static_cast<uint16_t>(ids_.size() + 1)).first->second;
}

}  // namespace tapedeck::differential
