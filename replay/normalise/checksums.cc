#include "replay/normalise/checksums.h"

#include <algorithm>
#include <optional>

#include "replay/normalise/layout.h"
#include "stack/base/byteorder.h"
#include "stack/base/checksum.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

namespace tapedeck::normalise {
namespace {

// What a transport checksum covers and where it stands.
struct Coverage {
  std::span<const uint8_t> segment;  // captured bytes from the transport header on
  size_t filler_bytes = 0;           // that follow and are covered too
  size_t field_offset = 0;           // of the checksum in the frame
  bool has_pseudo_header = false;
  bool zero_means_none = false;

  size_t bytes() const { return segment.size() + filler_bytes; }
};

// Sum of `n` filler bytes that begin `offset_bytes` into what is summed.
wsum FillerSum(size_t n, size_t offset_bytes) {
  const uint64_t words = n / 2;
  uint64_t sum = words * ((uint64_t{kFillerByte} << 8) | kFillerByte);
  if (n % 2 != 0) sum += uint64_t{kFillerByte} << 8;
  return csum_shift(csum_from64to16(sum), offset_bytes);
}

// A UDP datagram may be shorter than what IP carries. Nothing where its length makes no sense.
std::optional<Coverage> CoverUdp(Coverage covered) {
  const auto* const udp = wire::Overlay<wire::UdpHeader>(covered.segment);
  if (udp == nullptr) return std::nullopt;
  const size_t length = udp->len.host();
  if (length < wire::kUdpHeaderBytes || length > covered.bytes()) return std::nullopt;
  covered.segment = covered.segment.first(std::min(length, covered.segment.size()));
  covered.filler_bytes = length - covered.segment.size();
  return covered;
}

std::optional<Coverage> Cover(const Frame& frame) {
  if (!frame.has_transport() || frame.is_fragment || frame.length_lies) return std::nullopt;
  Coverage covered;
  covered.segment = frame.transport();
  covered.filler_bytes = frame.filler_bytes;
  const auto at = [&](size_t offset) {
    covered.field_offset = frame.transport_offset + offset;
    return covered.segment.size() >= offset + 2;
  };
  switch (frame.protocol) {
    case wire::kIpProtoTcp:
      covered.has_pseudo_header = true;
      return at(16) ? std::optional(covered) : std::nullopt;
    case wire::kIpProtoUdp:
      covered.has_pseudo_header = true;
      covered.zero_means_none = frame.kind == FrameKind::kIpv4;
      return at(6) ? CoverUdp(covered) : std::nullopt;
    case wire::kIpProtoIcmp:
    case wire::kIpProtoIgmp:
      return at(2) ? std::optional(covered) : std::nullopt;
    case wire::kIpProtoIcmpv6:
      covered.has_pseudo_header = true;
      return at(2) ? std::optional(covered) : std::nullopt;
    default:
      return std::nullopt;
  }
}

uint16_t PartialSum(const Frame& frame, const Coverage& covered, size_t bytes) {
  if (!covered.has_pseudo_header) return 0;
  return PseudoHeaderOf(frame).PartialChecksum(frame.protocol, static_cast<uint32_t>(bytes));
}

// 0 over a right checksum; with the field zeroed, the checksum.
uint16_t FoldCovered(const Frame& frame, const Coverage& covered) {
  const wsum sum = csum_partial(covered.segment, PartialSum(frame, covered, covered.bytes()));
  return csum_fold(csum_add(sum, FillerSum(covered.filler_bytes, covered.segment.size())));
}

// What senders leave in the field for their NIC: drivers of some systems clear the length too.
bool HasOffloadShape(const Frame& frame, const Coverage& covered, uint16_t field) {
  if (field == 0) return true;
  return covered.has_pseudo_header && (field == PartialSum(frame, covered, covered.bytes()) ||
                                       field == PartialSum(frame, covered, 0));
}

const wire::Ipv4Header* WholeIpv4Header(const Frame& frame) {
  if (frame.kind != FrameKind::kIpv4) return nullptr;
  const auto* const ip = wire::Overlay<wire::Ipv4Header>(frame.network());
  if (ip == nullptr || ip->version() != 4 || ip->ihl() < 5) return nullptr;
  return ip->header_bytes() <= frame.network().size() ? ip : nullptr;
}

}  // namespace

ChecksumFinding ExamineTransportChecksum(const Frame& frame) {
  if (frame.is_fragment) return {ChecksumState::kElsewhere, false};
  const std::optional<Coverage> covered = Cover(frame);
  if (!covered.has_value()) return {};
  const uint16_t field = LoadBe16(frame.bytes.data() + covered->field_offset);
  if (field == 0 && covered->zero_means_none) return {};
  if (covered->filler_bytes != 0) return {ChecksumState::kUnknowable, false};
  if (FoldCovered(frame, *covered) == 0) return {ChecksumState::kRight, false};
  return {ChecksumState::kWrong, HasOffloadShape(frame, *covered, field)};
}

ChecksumFinding ExamineChecksums(const Frame& frame) {
  ChecksumFinding finding = ExamineTransportChecksum(frame);
  const wire::Ipv4Header* const ip = WholeIpv4Header(frame);
  if (ip == nullptr) return finding;
  if (wire::Ipv4ChecksumOk(ip)) {
    finding.state = std::max(finding.state, ChecksumState::kRight);
    return finding;
  }
  const bool other_is_bad = finding.state == ChecksumState::kWrong && !finding.looks_offloaded;
  return {ChecksumState::kWrong, ip->check.host() == 0 && !other_is_bad};
}

void RepairChecksums(const Frame& frame, std::span<uint8_t> bytes) {
  if (WholeIpv4Header(frame) != nullptr) {
    wire::FillIpv4Checksum(
        wire::OverlayMutable<wire::Ipv4Header>(bytes.subspan(frame.network_offset)));
  }
  std::optional<Coverage> covered = Cover(frame);
  if (!covered.has_value()) return;
  uint8_t* const field = bytes.data() + covered->field_offset;
  if (LoadBe16(field) == 0 && covered->zero_means_none) return;
  StoreBe16(field, 0);
  covered->segment = bytes.subspan(frame.transport_offset, covered->segment.size());
  const uint16_t sum = FoldCovered(frame, *covered);
  const bool is_udp = frame.protocol == wire::kIpProtoUdp;
  StoreBe16(field, sum == 0 && is_udp ? kCsumMangled0 : sum);
}

}  // namespace tapedeck::normalise
