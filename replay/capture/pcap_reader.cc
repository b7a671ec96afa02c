#include "replay/capture/pcap_reader.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_format.h"

namespace tapedeck::capture {
namespace {

// A longer record is damage, not a frame: the largest super-frame Linux makes is 512 KiB
// (GSO_MAX_SIZE), and libpcap itself stops at 256 KiB. A file whose header announces more (USB
// captures do) is believed, up to libpcap's own maximum for any link type.
constexpr uint32_t kCapturedBytesMax = 1 << 20;
constexpr uint32_t kSnaplenBytesMax = 128 << 20;

constexpr int64_t kEraNs = (int64_t{1} << 32) * 1'000'000'000;
// Seconds wrap between two records when one lies in the last quarter of an era and the other in the
// first of the next; anything else is a clock that was set.
constexpr uint32_t kQuarterEra = 1u << 30;
constexpr bool InFirstQuarter(uint32_t seconds) { return seconds < kQuarterEra; }
constexpr bool InLastQuarter(uint32_t seconds) { return seconds >= 3 * kQuarterEra; }

struct Magic {
  uint32_t magic = 0;
  FileOrder order;
};

bool IsPcapMagic(uint32_t magic) {
  return magic == kPcapMagicMicroseconds || magic == kPcapMagicNanoseconds ||
         magic == kPcapMagicKuznetzov;
}

// The magic number at the start of `bytes`, in the order in which it is one. REQUIRES: 4 bytes.
Magic ReadMagic(std::span<const uint8_t> bytes) {
  const FileOrder big(std::endian::big);
  const FileOrder little(std::endian::little);
  const FileOrder order = IsPcapMagic(big.U32(bytes.data())) ? big : little;
  return {order.U32(bytes.data()), order};
}

}  // namespace

bool PcapReader::Recognises(std::span<const uint8_t> bytes) {
  return bytes.size() >= 4 && IsPcapMagic(ReadMagic(bytes).magic);
}

absl::StatusOr<PcapReader> PcapReader::Open(const FeedCursor& cursor, Findings& findings) {
  const std::span<const uint8_t> bytes(cursor.next(), cursor.left_bytes());
  if (bytes.size() < kPcapFileHeaderBytes) {
    return absl::DataLossError(
        findings.At(bytes.size(), absl::StrFormat("pcap file header cut short: %d of %d bytes",
                                                  bytes.size(), kPcapFileHeaderBytes)));
  }
  PcapReader reader(cursor, findings);
  const Magic magic = ReadMagic(bytes);
  const FileOrder order = magic.order;
  const uint16_t major = order.U16(bytes.data() + 4);
  const uint16_t minor = order.U16(bytes.data() + 6);
  if (major != kPcapVersionMajor || minor > kPcapVersionMinor) {
    return absl::InvalidArgumentError(
        findings.At(4, absl::StrFormat("pcap version %d.%d, expected %d.0 to %d.%d", major, minor,
                                       kPcapVersionMajor, kPcapVersionMajor, kPcapVersionMinor)));
  }
  const uint32_t link = order.U32(bytes.data() + 20);
  if ((link & kPcapLinkReservedMask) != 0) {
    return absl::InvalidArgumentError(findings.At(
        20, absl::StrFormat("link type word 0x%08x has reserved bits set, expected none", link)));
  }
  const uint32_t snaplen_bytes = order.U32(bytes.data() + 16);
  reader.order_ = order;
  // Writers of 2.3 and before disagreed on which length comes first (libpcap, sf-pcap.c). The
  // captured one is never the longer.
  reader.lengths_may_be_swapped_ = minor < kPcapVersionMinor;
  reader.cursor_.MoveTo(bytes.data() + kPcapFileHeaderBytes);
  reader.interface_.link_type = static_cast<LinkType>(link & kPcapLinkTypeMask);
  reader.interface_.snaplen_bytes = snaplen_bytes;
  if ((link & kPcapFcsPresent) != 0) {
    reader.interface_.fcs_bytes = static_cast<uint8_t>((link >> kPcapFcsShift) * 2);
  }
  reader.snaplen_bytes_ = snaplen_bytes == 0 ? std::numeric_limits<uint32_t>::max() : snaplen_bytes;
  reader.captured_bytes_max_ = std::clamp(snaplen_bytes, kCapturedBytesMax, kSnaplenBytesMax);
  if (magic.magic == kPcapMagicNanoseconds) {
    reader.ns_per_fraction_ = 1;
    reader.fractions_per_second_ = 1'000'000'000;
    reader.interface_.time_scale = TimeScale(9, 0);
  }
  if (magic.magic == kPcapMagicKuznetzov) {
    reader.header_bytes_ = kPcapKuznetzovRecordHeaderBytes;
    reader.has_packet_type_ = true;
  }
  if (bytes.size() >= kPcapFileHeaderBytes + 4) {
    reader.last_seconds_ = order.U32(bytes.data() + kPcapFileHeaderBytes);
  }
  return reader;
}

ReadResult PcapReader::NextOfMore(size_t bytes_min, uint32_t captured_bytes, Record& record) {
  if (captured_bytes > captured_bytes_max_) {
    return BadLength(captured_bytes, cursor_.left_bytes());
  }
  if (cursor_.Refill(bytes_min)) return Next(record);
  const size_t left_bytes = cursor_.left_bytes();
  return left_bytes < header_bytes_ ? EndWithin(left_bytes) : BadLength(captured_bytes, left_bytes);
}

ReadResult PcapReader::EndWithin(size_t left_bytes) {
  if (left_bytes == 0) return findings_->damage().ok() ? ReadResult::kEnd : ReadResult::kDamaged;
  const uint64_t offset = offset_bytes();
  cursor_.GoToEnd();
  return findings_->Damage(
      offset, absl::StrFormat("file is cut short: the header of record %d needs %d bytes, %d left",
                              index_ + 1, header_bytes_, left_bytes));
}

ReadResult PcapReader::BadLength(uint32_t captured_bytes, size_t left_bytes) {
  const uint64_t offset = offset_bytes();
  cursor_.GoToEnd();
  if (captured_bytes > captured_bytes_max_) {
    return findings_->Damage(
        offset, absl::StrFormat("captured length 0x%x of record %d exceeds the largest sensible "
                                "one of %d bytes",
                                captured_bytes, index_ + 1, captured_bytes_max_));
  }
  return findings_->Damage(
      offset, absl::StrFormat("file is cut short: record %d needs %d bytes of data, %d left",
                              index_ + 1, captured_bytes, left_bytes - header_bytes_));
}

uint32_t PcapReader::ExamineOddHeader(uint32_t seconds, uint32_t fraction, uint32_t captured_bytes,
                                      uint32_t original_bytes) {
  const uint64_t offset = offset_bytes();
  if (InLastQuarter(last_seconds_) && InFirstQuarter(seconds)) era_ns_ = kEraNs;
  if (InFirstQuarter(last_seconds_) && InLastQuarter(seconds)) era_ns_ = 0;
  if (fraction >= fractions_per_second_) {
    findings_->WarnOnce(Oddity::kFractionTooLarge, offset,
                        absl::StrFormat("time of record %d has %d parts of a second of 1/%d; the "
                                        "excess is added as it is",
                                        index_ + 1, fraction, fractions_per_second_));
  }
  if (captured_bytes > snaplen_bytes_) {
    findings_->WarnOnce(Oddity::kCapturedAboveSnaplen, offset,
                        absl::StrFormat("captured length %d of record %d exceeds the snapshot "
                                        "length %d",
                                        captured_bytes, index_ + 1, snaplen_bytes_));
  }
  if (original_bytes >= captured_bytes) return original_bytes;
  findings_->WarnOnce(Oddity::kOriginalBelowCaptured, offset,
                      absl::StrFormat("original length %d of record %d is below the captured "
                                      "length %d, which is used",
                                      original_bytes, index_ + 1, captured_bytes));
  return captured_bytes;
}

}  // namespace tapedeck::capture
