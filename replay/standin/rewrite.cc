#include "replay/standin/rewrite.h"

#include "stack/base/byteorder.h"
#include "stack/base/checksum.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/repair_checksums.h"

namespace tapedeck::standin {
namespace {

constexpr size_t kTcpSequence = 4;
constexpr size_t kTcpAcknowledgement = 8;
constexpr size_t kTcpChecksum = 16;
constexpr size_t kTcpFixed = 20;
constexpr size_t kIcmpChecksum = 2;
constexpr size_t kSackEdgeBytes = 4;
constexpr size_t kTimestampEcho = 4;  // from the option's value

class SegmentMapper {
 public:
  SegmentMapper(std::span<uint8_t> packet, const TcpSegment& segment, const TcpMapping& mapping)
      : packet_(packet),
        segment_(segment),
        mapping_(mapping),
        tcp_(packet, segment.header_offset, segment.header_offset + kTcpChecksum) {}

  bool Map() {
    if (segment_.has_ack()) MapAcknowledgement();
    const size_t options = segment_.header_offset + kTcpFixed;
    const auto end = static_cast<size_t>(segment_.payload.data() - packet_.data());
    wire::TcpOptionCursor cursor(packet_.subspan(options, end - options));
    while (const auto option = cursor.Next()) MapOption(*option);
    return tcp_.changed();
  }

 private:
  void MapAcknowledgement() {
    const uint32_t ack = mapping_.acknowledge.value_or(segment_.ack + mapping_.local_difference);
    tcp_.Store(segment_.header_offset + kTcpAcknowledgement, ack);
  }

  void MapOption(const wire::TcpOption& option) {
    const auto at = static_cast<size_t>(option.data.data() - packet_.data());
    if (option.AsTimestamps().has_value() && mapping_.echo.has_value()) {
      tcp_.Store(at + kTimestampEcho, *mapping_.echo);
    }
    if (!option.AsSack().has_value()) return;
    for (size_t i = 0; i + kSackEdgeBytes <= option.data.size(); i += kSackEdgeBytes) {
      // Edges of nothing (both at what is acknowledged) are blocks that say nothing.
      const uint32_t edge = mapping_.acknowledge.value_or(LoadBe32(packet_.data() + at + i) +
                                                          mapping_.local_difference);
      tcp_.Store(at + i, edge);
    }
  }

  std::span<uint8_t> packet_;
  const TcpSegment& segment_;
  const TcpMapping& mapping_;
  SummedBytes tcp_;
};

}  // namespace

void SummedBytes::Store(size_t offset, uint32_t value) {
  uint8_t bytes[4];
  StoreBe32(bytes, value);
  uint8_t* const target = packet_.data() + offset;
  const uint32_t old_value = LoadBe32(target);
  if (old_value == value) return;
  uint8_t* const field = packet_.data() + checksum_;
  wsum sum = csum_unfold(LoadBe16(field));
  sum = csum_block_sub(sum, csum_partial({target, sizeof(bytes)}, 0), offset - start_);
  sum = csum_block_add(sum, csum_partial(bytes, 0), offset - start_);
  StoreBe16(field, csum_fold(sum));
  StoreBe32(target, value);
  changed_ = true;
}

bool MapSegment(std::span<uint8_t> packet, const TcpMapping& mapping) {
  const auto ip = ParseIpPacket(packet);
  if (!ip) return false;
  const auto segment = ParseTcpSegment(*ip);
  if (!segment) return false;
  return SegmentMapper(packet, *segment, mapping).Map();
}

bool MapQuotedSegment(std::span<uint8_t> packet, uint32_t local_difference) {
  const auto ip = ParseIpPacket(packet);
  if (!ip) return false;
  const auto quote = ParseIcmpError(*ip);
  if (!quote || quote->protocol != wire::kIpProtoTcp) return false;
  if (quote->upper_bytes < kTcpSequence + sizeof(uint32_t)) return false;
  const size_t at = quote->upper_offset + kTcpSequence;
  SummedBytes icmp(packet, ip->upper_offset, ip->upper_offset + kIcmpChecksum);
  icmp.Store(at, LoadBe32(packet.data() + at) + local_difference);
  return icmp.changed();
}

bool SetMss(std::span<uint8_t> packet, uint16_t mss_bytes) {
  const auto ip = ParseIpPacket(packet);
  if (!ip) return false;
  const auto segment = ParseTcpSegment(*ip);
  if (!segment) return false;
  const size_t options = segment->header_offset + kTcpFixed;
  const auto end = static_cast<size_t>(segment->payload.data() - packet.data());
  wire::TcpOptionCursor cursor(packet.subspan(options, end - options));
  while (const auto option = cursor.Next()) {
    if (!option->AsMss().has_value()) continue;
    StoreBe16(packet.data() + (option->data.data() - packet.data()), mss_bytes);
    wire::RepairPacketChecksums(packet);
    return true;
  }
  return false;
}

bool MakePureAck(std::vector<uint8_t>* packet) {
  const auto ip = ParseIpPacket(*packet);
  if (!ip) return false;
  const auto segment = ParseTcpSegment(*ip);
  if (!segment || segment->syn() || segment->rst() || !segment->has_ack()) return false;
  const size_t bytes = packet->size() - segment->payload.size();
  const size_t at = segment->header_offset;
  packet->resize(bytes);
  if (ip->source.is_v4()) {
    wire::OverlayMutable<wire::Ipv4Header>(*packet)->tot_len = static_cast<uint16_t>(bytes);
  } else {
    wire::OverlayMutable<wire::Ipv6Header>(*packet)->payload_len =
        static_cast<uint16_t>(bytes - sizeof(wire::Ipv6Header));
  }
  auto* const tcp = wire::OverlayMutable<wire::TcpHeader>(std::span(*packet).subspan(at));
  tcp->set_flags(wire::kTcpAck);
  wire::RepairPacketChecksums(*packet);
  return true;
}

}  // namespace tapedeck::standin
