#include "replay/convert/capture_sink.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/capture/format.h"
#include "replay/capture/link_layer.h"
#include "replay/capture/options.h"
#include "stack/base/check.h"

namespace tapedeck {
namespace {

// A line of `count` things, where there are any.
void AddLoss(uint64_t count, const char* one, const char* many, std::vector<std::string>& lines) {
  if (count == 1) lines.push_back(absl::StrCat("1 ", one));
  if (count > 1) lines.push_back(absl::StrCat(count, " ", many));
}

// What a pcap file cannot say of a record.
bool HasMetadata(const capture::Record& record) {
  return !record.options.empty() || record.direction != capture::Direction::kUnknown;
}

}  // namespace

std::vector<std::string> CaptureLosses::Lines() const {
  std::vector<std::string> lines;
  AddLoss(metadata, "record without its comments and other metadata",
          "records without their comments and other metadata", lines);
  AddLoss(foreign_options, "custom option of others", "custom options of others", lines);
  AddLoss(interfaces, "interface without its name", "interfaces without their names", lines);
  AddLoss(other_blocks, "block without frames (names, secrets, ...)",
          "blocks without frames (names, secrets, ...)", lines);
  AddLoss(fcs, "record without its frame check sequence",
          "records without their frame check sequences", lines);
  AddLoss(made_ethernet, "record whose link-layer header became Ethernet",
          "records whose link-layer headers became Ethernet", lines);
  AddLoss(not_ethernet, "record left out: it has no way to Ethernet",
          "records left out: they have no way to Ethernet", lines);
  AddLoss(unknown_link, "record left out: nobody knows where its addresses are",
          "records left out: nobody knows where their addresses are", lines);
  return lines;
}

CaptureSink::CaptureSink(capture::OutputFile file, const CaptureSinkOptions& options)
    : options_(options), file_(std::move(file)) {
  if (options.anonymise_seed.has_value()) anonymiser_.emplace(*options.anonymise_seed);
}

absl::Status CaptureSink::Start(const capture::CaptureReader* reader,
                                const capture::Record* record) {
  if (!file_.has_value()) return absl::OkStatus();
  capture::OutputFile file = *std::move(file_);
  file_.reset();
  if (options_.format == CaptureFormat::kPcap) {
    if (record != nullptr) link_type_ = record->link_type;
    capture::PcapFileOptions header;
    header.link_type = link_type_;
    auto writer = capture::PcapWriter::Create(std::move(file), header);
    if (!writer.ok()) return writer.status();
    pcap_.emplace(*std::move(writer));
    return absl::OkStatus();
  }
  capture::SectionHeader section;
  section.application = "tapedeck";
  if (reader != nullptr && !reader->sections().empty() && !anonymiser_.has_value()) {
    const capture::CaptureSection& first = reader->sections()[0];
    section.hardware = first.hardware;
    section.operating_system = first.operating_system;
    section.comments = first.comments;
  }
  auto writer = capture::PcapngWriter::Create(std::move(file), section);
  if (!writer.ok()) return writer.status();
  pcapng_.emplace(*std::move(writer));
  return absl::OkStatus();
}

absl::Status CaptureSink::Write(const capture::CaptureReader& reader,
                                const capture::Record& record) {
  if (absl::Status status = Start(&reader, &record); !status.ok()) return status;
  std::span<const uint8_t> data = record.data;
  if (anonymiser_.has_value()) {
    frame_ = anonymiser_->Rewrite(record);
    if (frame_.empty()) {
      ++losses_.unknown_link;
      return absl::OkStatus();
    }
    data = frame_;
  }
  if (record.fcs_bytes != 0) {
    ++losses_.fcs;
    const uint32_t without = record.original_length_bytes -
                             std::min<uint32_t>(record.fcs_bytes, record.original_length_bytes);
    data = data.first(std::min<size_t>(data.size(), without));
  }
  ++records_;
  return pcap_.has_value() ? WritePcap(record, data) : WritePcapng(reader, record, data);
}

absl::Status CaptureSink::WritePcap(const capture::Record& record, std::span<const uint8_t> data) {
  losses_.metadata += HasMetadata(record);
  const uint32_t original = record.original_length_bytes -
                            std::min<uint32_t>(record.fcs_bytes, record.original_length_bytes);
  if (record.link_type == link_type_) return pcap_->Write(record.time_ns, data, original);
  if (link_type_ != capture::LinkType::kEthernet) {
    return absl::InvalidArgumentError(
        absl::StrCat("record ", record.index, " has link type ",
                     capture::LinkTypeName(record.link_type), " and a pcap file has but one, here ",
                     capture::LinkTypeName(link_type_), "; write pcapng, or choose records"));
  }
  capture::Record whole = record;
  whole.data = data;
  whole.original_length_bytes = original;
  whole.fcs_bytes = 0;
  capture::EthernetFrame ethernet;
  if (ToEthernet(whole, ethernet) != capture::SkipReason::kNone) {
    ++losses_.not_ethernet;
    --records_;
    return absl::OkStatus();
  }
  ++losses_.made_ethernet;
  std::vector<uint8_t> frame(ethernet.size_bytes());
  ethernet.CopyTo(frame);
  return pcap_->Write(
      record.time_ns, frame,
      std::max<uint32_t>(ethernet.original_length_bytes, static_cast<uint32_t>(frame.size())));
}

absl::StatusOr<uint32_t> CaptureSink::InterfaceOf(const capture::CaptureReader& reader,
                                                  const capture::Record& record) {
  for (const Interface& known : interfaces_) {
    if (known.reader == &reader && known.index == record.interface_index) return known.output;
  }
  const capture::CaptureInterface& input = reader.interfaces()[record.interface_index];
  capture::InterfaceHeader header;
  header.link_type = input.link_type;
  header.snaplen_bytes = input.snaplen_bytes;
  if (!anonymiser_.has_value()) {
    header.name = input.name;
    header.description = input.description;
  } else {
    losses_.interfaces += !input.name.empty() || !input.description.empty();
  }
  absl::StatusOr<uint32_t> output = pcapng_->AddInterface(header);
  if (output.ok()) interfaces_.push_back({&reader, record.interface_index, *output});
  return output;
}

absl::Status CaptureSink::WritePcapng(const capture::CaptureReader& reader,
                                      const capture::Record& record,
                                      std::span<const uint8_t> data) {
  if (absl::Status status = WriteOtherBlocks(reader); !status.ok()) return status;
  const absl::StatusOr<uint32_t> interface = InterfaceOf(reader, record);
  if (!interface.ok()) return interface.status();
  const capture::PacketMetadata metadata = MetadataOf(record);
  capture::OutputPacket packet;
  packet.interface_index = *interface;
  packet.time_ns = record.time_ns;
  packet.data = data;
  packet.original_length_bytes = record.original_length_bytes -
                                 std::min<uint32_t>(record.fcs_bytes, record.original_length_bytes);
  packet.direction = record.direction;
  packet.link_errors = static_cast<uint16_t>(metadata.link_errors);
  packet.drop_count = metadata.drop_count;
  packet.packet_id = metadata.packet_id;
  packet.queue = metadata.queue;
  packet.xdp_verdict = metadata.xdp_verdict;
  std::vector<capture::CustomValue> custom;
  if (anonymiser_.has_value()) {
    losses_.metadata += !metadata.comments.empty() || !metadata.custom.empty();
    return pcapng_->Write(packet);
  }
  packet.comments = metadata.comments;
  for (const capture::CustomOption& option : metadata.custom) {
    if (option.pen == capture::kCustomPen) {
      custom.push_back({option.is_text, option.value});
    } else {
      ++losses_.foreign_options;
    }
  }
  packet.custom = custom;
  return pcapng_->Write(packet);
}

absl::Status CaptureSink::WriteOtherBlocks(const capture::CaptureReader& reader) {
  auto written = std::ranges::find_if(blocks_written_,
                                      [&](const auto& entry) { return entry.first == &reader; });
  if (written == blocks_written_.end()) {
    written = blocks_written_.insert(blocks_written_.end(), {&reader, 0});
  }
  const std::span<const capture::OtherBlock> blocks = reader.other_blocks();
  for (; written->second < blocks.size(); ++written->second) {
    const capture::OtherBlock& block = blocks[written->second];
    // Statistics name interfaces by their old numbers; Finish() writes those that matter.
    if (block.type == capture::kBlockInterfaceStatistics) continue;
    if (!pcapng_.has_value() || anonymiser_.has_value()) {
      ++losses_.other_blocks;
      continue;
    }
    const absl::StatusOr<bool> kept = pcapng_->Write(block);
    if (!kept.ok()) return kept.status();
    losses_.other_blocks += !*kept;
  }
  return absl::OkStatus();
}

absl::Status CaptureSink::Finish(const capture::CaptureReader& reader) {
  if (absl::Status status = Start(&reader, nullptr); !status.ok()) return status;
  if (absl::Status status = WriteOtherBlocks(reader); !status.ok()) return status;
  if (!pcapng_.has_value()) {
    for (const capture::CaptureInterface& interface : reader.interfaces()) {
      losses_.interfaces += !interface.name.empty() || !interface.description.empty();
    }
    return absl::OkStatus();
  }
  for (const Interface& known : interfaces_) {
    if (known.reader != &reader) continue;
    const capture::CaptureInterface& input = reader.interfaces()[known.index];
    if (input.received == 0 && input.dropped == 0) continue;
    capture::InterfaceStatistics statistics;
    statistics.interface_index = known.output;
    statistics.received = input.received;
    statistics.dropped = input.dropped;
    if (absl::Status status = pcapng_->Write(statistics); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CaptureSink::Close() {
  if (absl::Status status = Start(nullptr, nullptr); !status.ok()) return status;
  return pcap_.has_value() ? pcap_->Close() : pcapng_->Close();
}

}  // namespace tapedeck
