// Reads pcapng: any number of sections, each with its own byte order and interfaces.
// Source: draft-ietf-opsawg-pcapng; Wireshark's wiretap/pcapng.c for what real files do. Name
// resolution, decryption secrets, journal, custom and unknown blocks carry no frames: they are
// stepped over, or kept for a rewriter on request.
//
// Invariant: the cursor is always at a block boundary or at the end, and every step moves it
// forward by at least 12 bytes, so no file makes the reader hang.
#ifndef TAPEDECK_REPLAY_CAPTURE_PCAPNG_READER_H_
#define TAPEDECK_REPLAY_CAPTURE_PCAPNG_READER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/capture/feed_cursor.h"
#include "replay/capture/file_order.h"
#include "replay/capture/findings.h"
#include "replay/capture/format.h"
#include "replay/capture/record.h"

namespace tapedeck::capture {

class PcapngReader {
 public:
  // True where `bytes` begin with the type of a section header block.
  static bool Recognises(std::span<const uint8_t> bytes);

  // Reads the first section header, where `cursor` stands. What it goes over, and `findings`, must
  // outlive the reader. REQUIRES: Recognises what is there.
  static absl::StatusOr<PcapngReader> Open(const FeedCursor& cursor, bool keep_other_blocks,
                                           Findings& findings);

  // Reads up to and including the next packet block; see CaptureReader::Next().
  ReadResult Next(Record& record) {
    return ReadPlainPacket(record) ? ReadResult::kRecord : ReadAnyPacket(record);
  }

  uint64_t offset_bytes() const { return cursor_.offset_bytes(); }
  const std::vector<CaptureInterface>& interfaces() const { return interfaces_; }
  const std::vector<CaptureSection>& sections() const { return sections_; }
  const std::vector<OtherBlock>& other_blocks() const { return other_blocks_; }
  uint64_t custom_blocks() const { return custom_blocks_; }

 private:
  struct Block {
    uint32_t type = 0;
    uint64_t offset_bytes = 0;
    std::span<const uint8_t> body;
  };

  PcapngReader(const FeedCursor& cursor, bool keep_other_blocks, Findings& findings)
      : cursor_(cursor), keep_other_blocks_(keep_other_blocks), findings_(&findings) {}

  // The short way for what most files are full of: an enhanced packet block without options of
  // which nothing is odd. False, with nothing changed, where the next block is anything else.
  bool ReadPlainPacket(Record& record);
  ReadResult ReadAnyPacket(Record& record);

  // Frames the next block and steps over it. kRecord means that there is one.
  ReadResult NextBlock(Block& block);
  // Sets order_ from the byte-order magic of the section header block that is next. False if there
  // is none.
  bool ReadSectionOrder();
  // Whether a block of `length_bytes` is next whose two lengths agree; if not, says what is wrong.
  ReadResult CheckFraming(uint32_t length_bytes);

  // One for each block type. kRecord from the first three means that the block was taken in, not
  // that it is a packet.
  ReadResult StartSection(const Block& block);
  ReadResult AddInterface(const Block& block);
  ReadResult ReadOtherBlock(const Block& block);
  ReadResult ReadEnhancedPacket(const Block& block, Record& record);
  ReadResult ReadObsoletePacket(const Block& block, Record& record);
  ReadResult ReadSimplePacket(const Block& block, Record& record);
  void ReadStatistics(const Block& block);

  // Fills `record` from a packet block whose captured bytes begin at `header_bytes` of the body.
  ReadResult FillRecord(const Block& block, uint32_t interface_id, size_t header_bytes,
                        uint32_t captured_bytes, uint32_t original_bytes, Record& record);
  // Direction and FCS length from the options, which are checked on the way.
  void ReadPacketOptions(const Block& block, Record& record);
  // The interface that `id` names in this section, or null.
  CaptureInterface* FindInterface(uint32_t id);
  // Says which interfaces of the section that ends here lost frames while capturing.
  void ReportLosses();

  // Stops the reading for good.
  ReadResult Stop(uint64_t offset_bytes, std::string_view text);

  FeedCursor cursor_;  // at the next block
  FileOrder order_;
  uint64_t index_ = 0;
  int64_t last_time_ns_ = -1;  // of the record before; -1 puts a first record without a time at 0
  uint32_t section_interface_ = 0;  // index of the section's interface 0 in interfaces_
  std::vector<CaptureInterface> interfaces_;
  std::vector<CaptureSection> sections_;
  std::vector<OtherBlock> other_blocks_;
  uint64_t custom_blocks_ = 0;
  bool keep_other_blocks_;
  Findings* findings_;
};

inline bool PcapngReader::ReadPlainPacket(Record& record) {
  const size_t left_bytes = cursor_.left_bytes();
  if (left_bytes < kEnhancedPacketBytesMin) [[unlikely]] {
    return false;
  }
  const uint8_t* const block = cursor_.next();
  const uint32_t length_bytes = order_.U32(block + 4);
  const uint32_t interface_index = section_interface_ + order_.U32(block + 8);
  const uint32_t captured_bytes = order_.U32(block + 20);
  const uint32_t original_bytes = order_.U32(block + 24);
  const bool plain = order_.U32(block) == kBlockEnhancedPacket && length_bytes <= left_bytes &&
                     length_bytes == kEnhancedPacketBytesMin + PaddedTo4(captured_bytes) &&
                     order_.U32(block + length_bytes - kBlockTrailerBytes) == length_bytes &&
                     interface_index >= section_interface_ &&
                     interface_index < interfaces_.size() && original_bytes >= captured_bytes;
  if (!plain) [[unlikely]] {
    return false;
  }
  const CaptureInterface& interface = interfaces_[interface_index];
  const uint64_t ticks = (uint64_t{order_.U32(block + 12)} << 32) | order_.U32(block + 16);
  const int64_t time_ns = interface.time_scale.ToNs(ticks);
  if (time_ns < 0 || time_ns == INT64_MAX) [[unlikely]] {
    return false;
  }
  record.data = {block + kEnhancedPacketDataOffset, captured_bytes};
  record.options = {};
  record.time_ns = time_ns;
  record.index = ++index_;
  record.offset_bytes = cursor_.OffsetOf(block);
  record.original_length_bytes = original_bytes;
  record.interface_index = interface_index;
  record.link_type = interface.link_type;
  record.order = order_;
  record.direction = Direction::kUnknown;
  record.fcs_bytes = interface.fcs_bytes;
  last_time_ns_ = time_ns;
  cursor_.MoveTo(block + length_bytes);
  PrefetchAhead(block + length_bytes, length_bytes);
  return true;
}

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_PCAPNG_READER_H_
