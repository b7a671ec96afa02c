// Reads pcapng: any number of sections, each with its own byte order and interfaces.
// Source: draft-ietf-opsawg-pcapng; Wireshark's wiretap/pcapng.c for what real files do. Name
// resolution, decryption secrets, journal, custom and unknown blocks carry no frames: they are
// stepped over, or kept for a rewriter on request.
//
// Invariant: next_ is always at a block boundary or at the end, and every step moves it forward by
// at least 12 bytes, so no file makes the reader hang.
#ifndef TAPEDECK_REPLAY_CAPTURE_PCAPNG_READER_H_
#define TAPEDECK_REPLAY_CAPTURE_PCAPNG_READER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/capture/file_order.h"
#include "replay/capture/findings.h"
#include "replay/capture/record.h"

namespace tapedeck::capture {

class PcapngReader {
 public:
  // True where `bytes` begin with the type of a section header block.
  static bool Recognises(std::span<const uint8_t> bytes);

  // Reads the first section header. `bytes` and `findings` must outlive the reader. REQUIRES:
  // Recognises(bytes).
  static absl::StatusOr<PcapngReader> Open(std::span<const uint8_t> bytes, bool keep_other_blocks,
                                           Findings& findings);

  // Reads up to and including the next packet block; see CaptureReader::Next().
  ReadResult Next(Record& record);

  uint64_t offset_bytes() const { return static_cast<uint64_t>(next_ - begin_); }
  const std::vector<CaptureInterface>& interfaces() const { return interfaces_; }
  const std::vector<CaptureSection>& sections() const { return sections_; }
  const std::vector<OtherBlock>& other_blocks() const { return other_blocks_; }

 private:
  struct Block {
    uint32_t type = 0;
    uint64_t offset_bytes = 0;
    std::span<const uint8_t> body;
  };

  PcapngReader(std::span<const uint8_t> bytes, bool keep_other_blocks, Findings& findings)
      : begin_(bytes.data()),
        next_(begin_),
        end_(begin_ + bytes.size()),
        keep_other_blocks_(keep_other_blocks),
        findings_(&findings) {}

  // Frames the next block and steps over it. kRecord means that there is one.
  ReadResult NextBlock(Block& block);
  // Sets order_ from the byte-order magic of the section header block at next_. False if there is
  // none.
  bool ReadSectionOrder(size_t left_bytes);
  // Whether a block of `length_bytes` begins at next_ whose two lengths agree; if not, says what is
  // wrong.
  ReadResult CheckFraming(uint32_t length_bytes, size_t left_bytes);

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

  const uint8_t* begin_;
  const uint8_t* next_;  // the next block
  const uint8_t* end_;
  FileOrder order_;
  uint64_t index_ = 0;
  int64_t last_time_ns_ = -1;  // of the record before; -1 puts a first record without a time at 0
  size_t section_interface_ = 0;  // index of the section's interface 0 in interfaces_
  std::vector<CaptureInterface> interfaces_;
  std::vector<CaptureSection> sections_;
  std::vector<OtherBlock> other_blocks_;
  bool keep_other_blocks_;
  Findings* findings_;
};

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_PCAPNG_READER_H_
