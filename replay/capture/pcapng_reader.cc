#include "replay/capture/pcapng_reader.h"

#include <algorithm>
#include <limits>
#include <string>

#include "absl/strings/str_format.h"
#include "replay/capture/format.h"
#include "replay/capture/options.h"

namespace tapedeck::capture {
namespace {

// Fixed parts of the block bodies, in bytes, options and frames not counted.
constexpr size_t kSectionHeaderBytes = 16;
constexpr size_t kInterfaceHeaderBytes = 8;
constexpr size_t kObsoletePacketHeaderBytes = 20;
constexpr size_t kSimplePacketHeaderBytes = 4;
constexpr size_t kStatisticsHeaderBytes = 12;

constexpr size_t kSectionBytesMin = kBlockBytesMin + kSectionHeaderBytes;
constexpr uint16_t kDropCountUnknown = 0xffff;  // in obsolete packet blocks

// if_fcslen is in bits by the draft and in octets by Wireshark. No frame check sequence is 1 octet
// or 16 octets long, so the value tells which of the two its writer meant.
uint8_t FcsBytes(uint8_t if_fcslen) {
  return static_cast<uint8_t>(if_fcslen >= 16 ? if_fcslen / 8 : if_fcslen);
}

uint64_t Ticks(FileOrder order, const uint8_t* high_low) {
  return (uint64_t{order.U32(high_low)} << 32) | order.U32(high_low + 4);
}

}  // namespace

bool PcapngReader::Recognises(std::span<const uint8_t> bytes) {
  return bytes.size() >= 4 && LoadLe32(bytes.data()) == kBlockSectionHeader;
}

absl::StatusOr<PcapngReader> PcapngReader::Open(const FeedCursor& cursor, bool keep_other_blocks,
                                                Findings& findings) {
  PcapngReader reader(cursor, keep_other_blocks, findings);
  Block block;
  if (reader.NextBlock(block) != ReadResult::kRecord ||
      reader.StartSection(block) != ReadResult::kRecord) {
    return findings.damage();
  }
  return reader;
}

ReadResult PcapngReader::ReadAnyPacket(Record& record) {
  for (;;) {
    Block block;
    ReadResult result = NextBlock(block);
    if (result != ReadResult::kRecord) return result;
    switch (block.type) {
      case kBlockEnhancedPacket:
        return ReadEnhancedPacket(block, record);
      case kBlockObsoletePacket:
        return ReadObsoletePacket(block, record);
      case kBlockSimplePacket:
        return ReadSimplePacket(block, record);
      case kBlockSectionHeader:
        result = StartSection(block);
        break;
      case kBlockInterfaceDescription:
        result = AddInterface(block);
        break;
      default:
        result = ReadOtherBlock(block);
        break;
    }
    if (result != ReadResult::kRecord) return result;
  }
}

ReadResult PcapngReader::NextBlock(Block& block) {
  cursor_.Refill(kBlockBytesMin);
  const size_t left_bytes = cursor_.left_bytes();
  if (left_bytes == 0) {
    ReportLosses();
    return findings_->damage().ok() ? ReadResult::kEnd : ReadResult::kDamaged;
  }
  const uint64_t offset = offset_bytes();
  if (left_bytes < kBlockBytesMin) {
    return Stop(offset, absl::StrFormat("file is cut short: a block needs %d bytes, %d left",
                                        kBlockBytesMin, left_bytes));
  }
  const bool is_section = LoadLe32(cursor_.next()) == kBlockSectionHeader;
  if (is_section && !ReadSectionOrder()) return ReadResult::kDamaged;
  const uint32_t length_bytes = order_.U32(cursor_.next() + 4);
  if (CheckFraming(length_bytes) != ReadResult::kRecord) return ReadResult::kDamaged;
  const uint8_t* const start = cursor_.next();
  block.type = order_.U32(start);
  block.offset_bytes = offset;
  const size_t padded_bytes = PaddedTo4(length_bytes);
  block.body = {start + kBlockHeaderBytes, padded_bytes - kBlockBytesMin};
  cursor_.MoveTo(start + padded_bytes);
  return ReadResult::kRecord;
}

bool PcapngReader::ReadSectionOrder() {
  const uint64_t offset = offset_bytes();
  cursor_.Refill(kSectionBytesMin);
  const size_t left_bytes = cursor_.left_bytes();
  if (left_bytes < kSectionBytesMin) {
    Stop(offset, absl::StrFormat("file is cut short: a section header needs %d bytes, %d left",
                                 kSectionBytesMin, left_bytes));
    return false;
  }
  const uint8_t* const magic = cursor_.next() + kBlockHeaderBytes;
  if (LoadLe32(magic) == kByteOrderMagic) {
    order_ = FileOrder(std::endian::little);
  } else if (LoadBe32(magic) == kByteOrderMagic) {
    order_ = FileOrder(std::endian::big);
  } else {
    Stop(offset + kBlockHeaderBytes,
         absl::StrFormat("byte-order magic of the section header is 0x%08x, expected 0x%08x in "
                         "either order",
                         LoadLe32(magic), kByteOrderMagic));
    return false;
  }
  return true;
}

ReadResult PcapngReader::CheckFraming(uint32_t length_bytes) {
  const uint64_t offset = offset_bytes();
  const uint32_t type = order_.U32(cursor_.next());
  if (length_bytes < kBlockBytesMin) [[unlikely]] {
    return Stop(offset, absl::StrFormat("block of type 0x%x has length %d, the least is %d", type,
                                        length_bytes, kBlockBytesMin));
  }
  const size_t padded_bytes = PaddedTo4(length_bytes);
  if (cursor_.IsBeyondWindow(padded_bytes)) [[unlikely]] {
    return Stop(offset, absl::StrFormat("block of type 0x%x has length %d, in a stream the most is "
                                        "%d; save it to a file first",
                                        type, length_bytes, ByteFeed::kWindowBytesMax));
  }
  cursor_.Refill(padded_bytes);
  const size_t left_bytes = cursor_.left_bytes();
  if (padded_bytes > left_bytes) [[unlikely]] {
    return Stop(offset, absl::StrFormat("file is cut short: block of type 0x%x needs %d bytes, "
                                        "%d left",
                                        type, length_bytes, left_bytes));
  }
  const uint32_t trailer = order_.U32(cursor_.next() + padded_bytes - kBlockTrailerBytes);
  if (trailer != length_bytes) [[unlikely]] {
    return Stop(offset, absl::StrFormat("block of type 0x%x says length %d before its body and %d "
                                        "after it",
                                        type, length_bytes, trailer));
  }
  if (padded_bytes != length_bytes) [[unlikely]] {
    findings_->WarnOnce(Oddity::kBlockLengthUnaligned, offset,
                        absl::StrFormat("length %d of a block of type 0x%x is no multiple of 4; "
                                        "taken as padded to %d",
                                        length_bytes, type, padded_bytes));
  }
  return ReadResult::kRecord;
}

ReadResult PcapngReader::StartSection(const Block& block) {
  ReportLosses();
  if (block.body.size() < kSectionHeaderBytes) {
    return Stop(block.offset_bytes, "section header block is shorter than its fixed part");
  }
  const uint16_t major = order_.U16(block.body.data() + 4);
  const uint16_t minor = order_.U16(block.body.data() + 6);
  // 1.2 is what some writers put for the format of 1.0; no other version exists.
  if (major != kPcapngVersionMajor || (minor != 0 && minor != 2)) {
    return Stop(block.offset_bytes + kBlockHeaderBytes + 4,
                absl::StrFormat("pcapng version %d.%d, expected 1.0", major, minor));
  }
  CaptureSection section;
  section.offset_bytes = block.offset_bytes;
  section.order = order_;
  OptionReader options(block.body.subspan(kSectionHeaderBytes), order_);
  Option option;
  while (options.Next(option)) {
    if (option.code == kOptionComment) section.comments.emplace_back(option.text());
    if (option.code == kSectionHardware) section.hardware = option.text();
    if (option.code == kSectionOs) section.operating_system = option.text();
    if (option.code == kSectionApplication) section.application = option.text();
  }
  if (options.overrun()) {
    return Stop(block.offset_bytes, "an option of the section header runs past its block");
  }
  sections_.push_back(std::move(section));
  section_interface_ = static_cast<uint32_t>(interfaces_.size());
  return ReadResult::kRecord;
}

ReadResult PcapngReader::AddInterface(const Block& block) {
  if (block.body.size() < kInterfaceHeaderBytes) {
    return Stop(block.offset_bytes, "interface description is shorter than its fixed part");
  }
  CaptureInterface interface;
  interface.link_type = static_cast<LinkType>(order_.U16(block.body.data()));
  interface.snaplen_bytes = order_.U32(block.body.data() + 4);
  uint8_t resolution = interface.time_scale.resolution();
  int64_t offset_s = 0;
  OptionReader options(block.body.subspan(kInterfaceHeaderBytes), order_);
  Option option;
  while (options.Next(option)) {
    const std::span<const uint8_t> value = option.value;
    if (option.code == kOptionComment) interface.comments.emplace_back(option.text());
    if (option.code == kInterfaceName) interface.name = option.text();
    if (option.code == kInterfaceDescription) interface.description = option.text();
    if (option.code == kInterfaceTimeResolution && value.size() == 1) resolution = value[0];
    if (option.code == kInterfaceFcsLength && value.size() == 1) {
      interface.fcs_bytes = FcsBytes(value[0]);
    }
    if (option.code == kInterfaceTimeOffset && value.size() == 8) {
      offset_s = static_cast<int64_t>(order_.U64(value.data()));
    }
  }
  // The option that is lost may be the time resolution: every time after it would be a guess.
  if (options.overrun()) {
    return Stop(block.offset_bytes, "an option of an interface description runs past its block");
  }
  interface.time_scale = TimeScale(resolution, offset_s);
  interfaces_.push_back(std::move(interface));
  return ReadResult::kRecord;
}

ReadResult PcapngReader::ReadOtherBlock(const Block& block) {
  if (block.type == kBlockInterfaceStatistics) ReadStatistics(block);
  if (block.type == kBlockCustomCopied || block.type == kBlockCustomNotCopied) ++custom_blocks_;
  if (keep_other_blocks_) {
    other_blocks_.push_back({block.type, order_, block.offset_bytes, block.body});
  }
  return ReadResult::kRecord;
}

ReadResult PcapngReader::ReadEnhancedPacket(const Block& block, Record& record) {
  if (block.body.size() < kEnhancedPacketHeaderBytes) [[unlikely]] {
    return Stop(block.offset_bytes, "enhanced packet block is shorter than its fixed part");
  }
  const uint8_t* const header = block.body.data();
  const CaptureInterface* const interface = FindInterface(order_.U32(header));
  if (interface != nullptr) [[likely]] {
    record.time_ns = interface->time_scale.ToNs(Ticks(order_, header + 4));
  }
  return FillRecord(block, order_.U32(header), kEnhancedPacketHeaderBytes, order_.U32(header + 12),
                    order_.U32(header + 16), record);
}

ReadResult PcapngReader::ReadObsoletePacket(const Block& block, Record& record) {
  if (block.body.size() < kObsoletePacketHeaderBytes) {
    return Stop(block.offset_bytes, "obsolete packet block is shorter than its fixed part");
  }
  const uint8_t* const header = block.body.data();
  const uint16_t drop_count = order_.U16(header + 2);
  CaptureInterface* const interface = FindInterface(order_.U16(header));
  if (interface != nullptr) {
    record.time_ns = interface->time_scale.ToNs(Ticks(order_, header + 4));
    if (drop_count != 0 && drop_count != kDropCountUnknown) {
      interface->dropped_in_records += drop_count;
      interface->statistics_offset_bytes = block.offset_bytes;
    }
  }
  return FillRecord(block, order_.U16(header), kObsoletePacketHeaderBytes, order_.U32(header + 12),
                    order_.U32(header + 16), record);
}

ReadResult PcapngReader::ReadSimplePacket(const Block& block, Record& record) {
  if (block.body.size() < kSimplePacketHeaderBytes) {
    return Stop(block.offset_bytes, "simple packet block is shorter than its fixed part");
  }
  const uint32_t original_bytes = order_.U32(block.body.data());
  // The block has no captured length: it is the original one, cut to the snapshot length of
  // interface 0. It has no options either; what is left is padding.
  uint32_t captured_bytes = original_bytes;
  const CaptureInterface* const interface = FindInterface(0);
  if (interface != nullptr && interface->snaplen_bytes != 0) {
    captured_bytes = std::min(captured_bytes, interface->snaplen_bytes);
  }
  // Nor a time: the frame came after the one before.
  record.time_ns =
      last_time_ns_ == std::numeric_limits<int64_t>::max() ? last_time_ns_ : last_time_ns_ + 1;
  const ReadResult result =
      FillRecord(block, 0, kSimplePacketHeaderBytes, captured_bytes, original_bytes, record);
  record.options = {};
  return result;
}

ReadResult PcapngReader::FillRecord(const Block& block, uint32_t interface_id, size_t header_bytes,
                                    uint32_t captured_bytes, uint32_t original_bytes,
                                    Record& record) {
  const CaptureInterface* const interface = FindInterface(interface_id);
  if (interface == nullptr) [[unlikely]] {
    return Stop(block.offset_bytes,
                absl::StrFormat("packet block names interface %d, its section has %d", interface_id,
                                interfaces_.size() - section_interface_));
  }
  const size_t room_bytes = block.body.size() - header_bytes;
  if (captured_bytes > room_bytes) [[unlikely]] {
    return Stop(block.offset_bytes,
                absl::StrFormat("packet block has room for %d bytes, its captured length is %d",
                                room_bytes, captured_bytes));
  }
  if (original_bytes < captured_bytes) [[unlikely]] {
    findings_->WarnOnce(Oddity::kOriginalBelowCaptured, block.offset_bytes,
                        absl::StrFormat("original length %d of record %d is below the captured "
                                        "length %d, which is used",
                                        original_bytes, index_ + 1, captured_bytes));
    original_bytes = captured_bytes;
  }
  record.data = block.body.subspan(header_bytes, captured_bytes);
  record.options =
      block.body.subspan(header_bytes + std::min(PaddedTo4(captured_bytes), room_bytes));
  record.index = ++index_;
  record.offset_bytes = block.offset_bytes;
  record.original_length_bytes = original_bytes;
  record.interface_index = static_cast<uint32_t>(section_interface_ + interface_id);
  record.link_type = interface->link_type;
  record.order = order_;
  record.direction = Direction::kUnknown;
  record.fcs_bytes = interface->fcs_bytes;
  last_time_ns_ = record.time_ns;
  if (record.time_ns < 0 || record.time_ns == std::numeric_limits<int64_t>::max()) [[unlikely]] {
    findings_->WarnOnce(Oddity::kTimeOutOfRange, block.offset_bytes,
                        absl::StrFormat("time of record %d lies before 1970 or after 2262; taken "
                                        "as %d ns",
                                        index_, record.time_ns));
  }
  if (!record.options.empty() && block.type != kBlockSimplePacket) ReadPacketOptions(block, record);
  return ReadResult::kRecord;
}

void PcapngReader::ReadPacketOptions(const Block& block, Record& record) {
  OptionReader options(record.options, order_);
  Option option;
  while (options.Next(option)) {
    if (option.code == kPacketFlags && option.value.size() == 4) {
      const uint32_t flags = order_.U32(option.value.data());
      const uint32_t direction = flags & kFlagsDirectionMask;
      if (direction == kFlagsInbound) record.direction = Direction::kInbound;
      if (direction == kFlagsOutbound) record.direction = Direction::kOutbound;
      const uint32_t fcs_bytes = (flags >> kFlagsFcsShift) & kFlagsFcsMask;
      if (fcs_bytes != 0) record.fcs_bytes = static_cast<uint8_t>(fcs_bytes);
    }
    // The same code means something else in an obsolete block, which counts drops in its header.
    if (option.code == kPacketDropCount && option.value.size() == 8 &&
        block.type == kBlockEnhancedPacket) {
      CaptureInterface& interface = interfaces_[record.interface_index];
      interface.dropped_in_records += order_.U64(option.value.data());
      interface.statistics_offset_bytes = block.offset_bytes;
    }
  }
  if (options.overrun()) {
    findings_->WarnOnce(Oddity::kPacketOptions, block.offset_bytes,
                        absl::StrFormat("an option of record %d runs past its block; the frame is "
                                        "used, the option is not",
                                        index_));
  }
}

void PcapngReader::ReadStatistics(const Block& block) {
  CaptureInterface* const interface = block.body.size() < kStatisticsHeaderBytes
                                          ? nullptr
                                          : FindInterface(order_.U32(block.body.data()));
  if (interface == nullptr) {
    findings_->WarnOnce(Oddity::kStatistics, block.offset_bytes,
                        "interface statistics name no interface of their section; left out");
    return;
  }
  // The counters run on from block to block: the last one holds.
  uint64_t dropped = 0;
  OptionReader options(block.body.subspan(kStatisticsHeaderBytes), order_);
  Option option;
  while (options.Next(option)) {
    if (option.value.size() != 8) continue;
    const uint64_t value = order_.U64(option.value.data());
    if (option.code == kStatisticsReceived) interface->received = value;
    if (option.code == kStatisticsInterfaceDropped || option.code == kStatisticsOsDropped) {
      dropped += value;
    }
  }
  if (options.overrun()) {
    findings_->WarnOnce(Oddity::kStatistics, block.offset_bytes,
                        "an option of interface statistics runs past its block");
  }
  interface->dropped = dropped;
  if (dropped != 0) interface->statistics_offset_bytes = block.offset_bytes;
}

CaptureInterface* PcapngReader::FindInterface(uint32_t id) {
  const size_t count = interfaces_.size() - section_interface_;
  return id < count ? &interfaces_[section_interface_ + id] : nullptr;
}

void PcapngReader::ReportLosses() {
  for (size_t i = section_interface_; i < interfaces_.size(); ++i) {
    const CaptureInterface& interface = interfaces_[i];
    const uint64_t lost = std::max(interface.dropped, interface.dropped_in_records);
    if (lost == 0) continue;
    const std::string name = interface.name.empty() ? "" : " (" + interface.name + ")";
    findings_->Warn(interface.statistics_offset_bytes,
                    absl::StrFormat("the capture lost %d frames on interface %d%s", lost,
                                    i - section_interface_, name));
  }
  section_interface_ = static_cast<uint32_t>(interfaces_.size());
}

ReadResult PcapngReader::Stop(uint64_t offset_bytes, std::string_view text) {
  ReportLosses();
  cursor_.GoToEnd();
  return findings_->Damage(offset_bytes, text);
}

}  // namespace tapedeck::capture
