// Reads classic pcap: microseconds or nanoseconds, either byte order, and Kuznetzov's longer record
// header. Source: draft-ietf-opsawg-pcap. Left out: the time zone field of the
// file header (no writer fills it), the variants of Navtel, IXIA and Endace.
#ifndef TAPEDECK_REPLAY_CAPTURE_PCAP_READER_H_
#define TAPEDECK_REPLAY_CAPTURE_PCAP_READER_H_

#include <cstdint>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "replay/capture/feed_cursor.h"
#include "replay/capture/file_order.h"
#include "replay/capture/findings.h"
#include "replay/capture/format.h"
#include "replay/capture/record.h"

namespace tapedeck::capture {

class PcapReader {
 public:
  // True where `bytes` begin with a magic number of this format.
  static bool Recognises(std::span<const uint8_t> bytes);

  // Checks the file header, where `cursor` stands. What it goes over, and `findings`, must outlive
  // the reader. REQUIRES: Recognises what is there, and so much of the first record's header is as
  // there will be.
  static absl::StatusOr<PcapReader> Open(const FeedCursor& cursor, Findings& findings);
  // What `cursor` should have got before Open.
  static constexpr size_t kBeginningBytes = kPcapFileHeaderBytes + 4;

  // Reads the next record; see CaptureReader::Next().
  ReadResult Next(Record& record);

  uint64_t offset_bytes() const { return cursor_.offset_bytes(); }
  const CaptureInterface& interface() const { return interface_; }

 private:
  PcapReader(const FeedCursor& cursor, Findings& findings)
      : cursor_(cursor), findings_(&findings) {}

  // For a record of which fewer than `bytes_min` are there: reads it once more have come, else says
  // why it cannot be had.
  ReadResult NextOfMore(size_t bytes_min, uint32_t captured_bytes, Record& record);
  // The ends of a file, proper and improper. All leave the reader at the end.
  ReadResult EndWithin(size_t left_bytes);
  ReadResult BadLength(uint32_t captured_bytes, size_t left_bytes);

  // What seldom happens: fields of the next header that contradict each other, and seconds that
  // wrapped in 2106. Returns the original length to use.
  uint32_t ExamineOddHeader(uint32_t seconds, uint32_t fraction, uint32_t captured_bytes,
                            uint32_t original_bytes);

  FeedCursor cursor_;  // at the header of the next record
  FileOrder order_;
  bool has_packet_type_ = false;         // Kuznetzov's header
  bool lengths_may_be_swapped_ = false;  // before version 2.4 of the format
  uint8_t header_bytes_ = kPcapRecordHeaderBytes;
  uint32_t ns_per_fraction_ = 1000;
  uint32_t fractions_per_second_ = 1'000'000;
  uint32_t snaplen_bytes_ = 0;       // where captured lengths become odd
  uint32_t captured_bytes_max_ = 0;  // where they become absurd
  uint32_t last_seconds_ = 0;
  int64_t era_ns_ = 0;  // 0, or 2^32 seconds once the seconds have wrapped
  uint64_t index_ = 0;
  CaptureInterface interface_;
  Findings* findings_;
};

[[gnu::always_inline]] inline ReadResult PcapReader::Next(Record& record) {
  const size_t left_bytes = cursor_.left_bytes();
  if (left_bytes < header_bytes_) [[unlikely]] {
    return NextOfMore(header_bytes_, 0, record);
  }
  const uint8_t* const header = cursor_.next();
  const uint32_t seconds = order_.U32(header);
  const uint32_t fraction = order_.U32(header + 4);
  uint32_t captured_bytes = order_.U32(header + 8);
  uint32_t original_bytes = order_.U32(header + 12);
  if (lengths_may_be_swapped_ && captured_bytes > original_bytes) [[unlikely]] {
    std::swap(captured_bytes, original_bytes);
  }
  if (captured_bytes > left_bytes - header_bytes_ || captured_bytes > captured_bytes_max_)
      [[unlikely]] {
    return NextOfMore(size_t{header_bytes_} + captured_bytes, captured_bytes, record);
  }
  const bool odd = ((seconds ^ last_seconds_) >> 31) != 0 || fraction >= fractions_per_second_ ||
                   original_bytes < captured_bytes || captured_bytes > snaplen_bytes_;
  if (odd) [[unlikely]] {
    original_bytes = ExamineOddHeader(seconds, fraction, captured_bytes, original_bytes);
  }
  last_seconds_ = seconds;
  record.data = {header + header_bytes_, captured_bytes};
  record.options = {};
  record.time_ns =
      era_ns_ + int64_t{seconds} * 1'000'000'000 + int64_t{fraction} * ns_per_fraction_;
  record.index = ++index_;
  record.offset_bytes = cursor_.OffsetOf(header);
  record.original_length_bytes = original_bytes;
  record.interface_index = 0;
  record.link_type = interface_.link_type;
  record.order = order_;
  constexpr size_t kPacketTypeOffset = 22;
  record.direction =
      has_packet_type_ ? DirectionFromPacketType(header[kPacketTypeOffset]) : Direction::kUnknown;
  record.fcs_bytes = interface_.fcs_bytes;
  const uint8_t* const next = header + header_bytes_ + captured_bytes;
  cursor_.MoveTo(next);
  PrefetchAhead(next, header_bytes_ + captured_bytes);
  return ReadResult::kRecord;
}

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_PCAP_READER_H_
