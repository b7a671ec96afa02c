#include "replay/capture/pcapng_writer.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/capture/format.h"
#include "stack/base/byteorder.h"
#include "stack/base/check.h"

namespace tapedeck::capture {
namespace {

constexpr uint8_t kNanoseconds = 9;  // if_tsresol: 10^-9
constexpr uint64_t kSectionLengthUnknown = std::numeric_limits<uint64_t>::max();

uint32_t DirectionFlag(Direction direction) {
  switch (direction) {
    case Direction::kUnknown:
      return 0;
    case Direction::kInbound:
      return kFlagsInbound;
    case Direction::kOutbound:
      return kFlagsOutbound;
  }
  return 0;
}

absl::Status CheckTime(int64_t time_ns) {
  if (time_ns >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("time ", time_ns, " ns lies before the epoch"));
}

}  // namespace

absl::StatusOr<PcapngWriter> PcapngWriter::Create(OutputFile file, const SectionHeader& section) {
  PcapngWriter writer(std::move(file));
  writer.Begin(kBlockSectionHeader);
  writer.PutU32(kByteOrderMagic);
  writer.PutU16(kPcapngVersionMajor);
  writer.PutU16(0);
  writer.PutU32(static_cast<uint32_t>(kSectionLengthUnknown));
  writer.PutU32(static_cast<uint32_t>(kSectionLengthUnknown >> 32));
  writer.options_start_ = writer.block_.size();
  for (const std::string& comment : section.comments) writer.PutOption(kOptionComment, comment);
  if (!section.hardware.empty()) writer.PutOption(kSectionHardware, section.hardware);
  if (!section.operating_system.empty()) writer.PutOption(kSectionOs, section.operating_system);
  if (!section.application.empty()) writer.PutOption(kSectionApplication, section.application);
  if (absl::Status status = writer.End(); !status.ok()) return status;
  return writer;
}

absl::StatusOr<uint32_t> PcapngWriter::AddInterface(const InterfaceHeader& interface) {
  Begin(kBlockInterfaceDescription);
  PutU16(static_cast<uint16_t>(interface.link_type));
  PutU16(0);
  PutU32(interface.snaplen_bytes);
  options_start_ = block_.size();
  if (!interface.name.empty()) PutOption(kInterfaceName, interface.name);
  if (!interface.description.empty()) PutOption(kInterfaceDescription, interface.description);
  PutOption(kInterfaceTimeResolution, std::span<const uint8_t>(&kNanoseconds, 1));
  if (absl::Status status = End(); !status.ok()) return status;
  return interface_count_++;
}

absl::Status PcapngWriter::Write(const OutputPacket& packet) {
  CHECK_LT(packet.interface_index, interface_count_);
  CHECK_GE(packet.original_length_bytes, packet.data.size());
  if (absl::Status status = CheckTime(packet.time_ns); !status.ok()) return status;
  Begin(kBlockEnhancedPacket);
  PutU32(packet.interface_index);
  PutTime(packet.time_ns);
  PutU32(static_cast<uint32_t>(packet.data.size()));
  PutU32(packet.original_length_bytes);
  PutPadded(packet.data);
  options_start_ = block_.size();
  PutPacketOptions(packet);
  return End();
}

void PcapngWriter::PutPacketOptions(const OutputPacket& packet) {
  for (const std::string_view comment : packet.comments) PutOption(kOptionComment, comment);
  const uint32_t flags =
      DirectionFlag(packet.direction) | (uint32_t{packet.link_errors} << kFlagsErrorsShift);
  if (flags != 0) PutOption32(kPacketFlags, flags);
  if (packet.drop_count) PutOption64(kPacketDropCount, *packet.drop_count);
  if (packet.packet_id) PutOption64(kPacketId, *packet.packet_id);
  if (packet.queue) PutOption32(kPacketQueue, *packet.queue);
  if (packet.xdp_verdict) {
    std::array<uint8_t, 9> verdict = {kVerdictXdp};
    StoreLe64(verdict.data() + 1, *packet.xdp_verdict);
    PutOption(kPacketVerdict, verdict);
  }
  for (const CustomValue& value : packet.custom) {
    const size_t length = sizeof(kCustomPen) + value.bytes.size();
    too_long_ |= length > std::numeric_limits<uint16_t>::max();
    PutU16(value.is_text ? kOptionCustomText : kOptionCustomBytes);
    PutU16(static_cast<uint16_t>(length));
    PutU32(kCustomPen);
    PutPadded(value.bytes);
  }
}

absl::Status PcapngWriter::Write(const InterfaceStatistics& statistics) {
  CHECK_LT(statistics.interface_index, interface_count_);
  if (absl::Status status = CheckTime(statistics.time_ns); !status.ok()) return status;
  Begin(kBlockInterfaceStatistics);
  PutU32(statistics.interface_index);
  PutTime(statistics.time_ns);
  options_start_ = block_.size();
  for (const std::string_view comment : statistics.comments) PutOption(kOptionComment, comment);
  PutOption64(kStatisticsReceived, statistics.received);
  PutOption64(kStatisticsInterfaceDropped, statistics.dropped);
  return End();
}

absl::StatusOr<bool> PcapngWriter::Write(const OtherBlock& block) {
  if (block.order.order() != std::endian::little) return false;
  Begin(block.type);
  PutPadded(block.body);
  options_start_ = block_.size();  // its options, if any, are part of the body
  if (absl::Status status = End(); !status.ok()) return status;
  return true;
}

void PcapngWriter::Begin(uint32_t type) {
  block_.clear();
  too_long_ = false;
  PutU32(type);
  PutU32(0);  // the length, known at the end
}

void PcapngWriter::PutU16(uint16_t value) {
  block_.resize(block_.size() + sizeof(value));
  StoreLe16(block_.data() + block_.size() - sizeof(value), value);
}

void PcapngWriter::PutU32(uint32_t value) {
  block_.resize(block_.size() + sizeof(value));
  StoreLe32(block_.data() + block_.size() - sizeof(value), value);
}

void PcapngWriter::PutTime(int64_t time_ns) {
  const auto ticks = static_cast<uint64_t>(time_ns);
  PutU32(static_cast<uint32_t>(ticks >> 32));
  PutU32(static_cast<uint32_t>(ticks));
}

void PcapngWriter::PutPadded(std::span<const uint8_t> bytes) {
  block_.insert(block_.end(), bytes.begin(), bytes.end());
  block_.resize(PaddedTo4(block_.size()));
}

void PcapngWriter::PutOption(uint16_t code, std::span<const uint8_t> value) {
  too_long_ |= value.size() > std::numeric_limits<uint16_t>::max();
  PutU16(code);
  PutU16(static_cast<uint16_t>(value.size()));
  PutPadded(value);
}

void PcapngWriter::PutOption(uint16_t code, std::string_view text) {
  PutOption(code, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

void PcapngWriter::PutOption32(uint16_t code, uint32_t value) {
  PutOption(code, le32(value).bytes());
}

void PcapngWriter::PutOption64(uint16_t code, uint64_t value) {
  PutOption(code, le64(value).bytes());
}

absl::Status PcapngWriter::End() {
  if (too_long_) {
    return absl::InvalidArgumentError(
        "a comment or option is longer than the 65535 bytes that a "
        "pcapng file can hold");
  }
  if (block_.size() > options_start_) PutU32(kOptionEnd);
  const size_t length = block_.size() + kBlockTrailerBytes;
  CHECK_LE(length, std::numeric_limits<uint32_t>::max());
  PutU32(static_cast<uint32_t>(length));
  StoreLe32(block_.data() + 4, static_cast<uint32_t>(length));
  return file_.Append(block_);
}

}  // namespace tapedeck::capture
