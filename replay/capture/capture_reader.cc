#include "replay/capture/capture_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/capture/unpack.h"

namespace tapedeck::capture {
namespace {

// A format that people may well have in hand but that has to be converted first.
struct KnownFormat {
  std::string_view magic;
  std::string_view advice;
};

constexpr KnownFormat kKnownFormats[] = {
    {{"\x28\xb5\x2f\xfd", 4}, "a zstd stream inside another; unpack it with zstd -d"},
    {{"\xfd"
      "7zXZ",
      5},
     "an xz stream; unpack it with xz -d"},
    {{"BZh", 3}, "a bzip2 stream; unpack it with bzip2 -d"},
    {{"\x1f\x8b", 2}, "a gzip stream inside another; unpack it with gunzip"},
    {{"snoop\0", 6}, "a Solaris snoop capture; convert it with editcap -F pcapng"},
    {{"RTSS", 4}, "a Network Monitor capture; convert it with editcap -F pcapng"},
    {{"GMBU", 4}, "a Network Monitor capture; convert it with editcap -F pcapng"},
};

// What `bytes`, which are no capture we read, look like.
std::string Describe(std::span<const uint8_t> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const KnownFormat& format : kKnownFormats) {
    if (text.substr(0, format.magic.size()) == format.magic) {
      return absl::StrCat("this is ",
                          absl::string_view(format.advice.data(), format.advice.size()));
    }
  }
  std::string first;
  for (const uint8_t byte : bytes.first(std::min<size_t>(bytes.size(), 4))) {
    absl::StrAppendFormat(&first, " %02x", byte);
  }
  return absl::StrCat("begins with", first, ", which is neither pcap nor pcapng, gzip or zstd");
}

}  // namespace

absl::StatusOr<CaptureReader> CaptureReader::Open(const std::string& path,
                                                  const CaptureReaderOptions& options) {
  absl::StatusOr<ByteSource> source = ByteSource::Open(path, options.unpacked_bytes_max);
  if (!source.ok()) return source.status();
  return FromSource(*std::move(source), path == "-" ? "(standard input)" : path, options);
}

absl::StatusOr<CaptureReader> CaptureReader::FromBytes(std::span<const uint8_t> bytes,
                                                       std::string name,
                                                       const CaptureReaderOptions& options) {
  return FromSource(ByteSource::View(bytes), std::move(name), options);
}

absl::StatusOr<CaptureReader> CaptureReader::FromSource(ByteSource source, std::string name,
                                                        const CaptureReaderOptions& options) {
  absl::Status source_damage;
  if (PackingOf(source.bytes()) != Packing::kNone) {
    ByteSource unpacked = ByteSource::View({});
    source_damage = source.Unpack(options.unpacked_bytes_max, unpacked);
    source = std::move(unpacked);
    name += " (unpacked)";
  }
  return Make(std::make_unique<SourceFeed>(std::move(source)), std::move(name),
              std::move(source_damage), options);
}

absl::StatusOr<CaptureReader> CaptureReader::FromFeed(std::unique_ptr<ByteFeed> feed,
                                                      std::string name,
                                                      const CaptureReaderOptions& options) {
  return Make(std::move(feed), std::move(name), absl::OkStatus(), options);
}

absl::StatusOr<CaptureReader> CaptureReader::Make(std::unique_ptr<ByteFeed> feed, std::string name,
                                                  absl::Status source_damage,
                                                  const CaptureReaderOptions& options) {
  auto findings = std::make_unique<Findings>(std::move(name));
  const FeedCursor cursor(*feed, PcapReader::kBeginningBytes);
  const std::span<const uint8_t> bytes(cursor.next(), cursor.left_bytes());
  source_damage.Update(feed->damage());
  if (bytes.empty()) {
    return absl::InvalidArgumentError(
        source_damage.ok() ? findings->At(0, "empty file, expected a pcap or pcapng capture")
                           : findings->At(0, std::string(source_damage.message())));
  }
  if (PcapReader::Recognises(bytes)) {
    absl::StatusOr<PcapReader> reader = PcapReader::Open(cursor, *findings);
    if (!reader.ok()) return reader.status();
    return CaptureReader(std::move(feed), std::move(findings), std::move(source_damage),
                         *std::move(reader), options.filter);
  }
  if (PcapngReader::Recognises(bytes)) {
    absl::StatusOr<PcapngReader> reader =
        PcapngReader::Open(cursor, options.keep_other_blocks, *findings);
    if (!reader.ok()) return reader.status();
    return CaptureReader(std::move(feed), std::move(findings), std::move(source_damage),
                         *std::move(reader), options.filter);
  }
  return absl::InvalidArgumentError(findings->At(0, Describe(bytes)));
}

std::span<const CaptureInterface> CaptureReader::interfaces() const {
  if (const auto* const pcap = std::get_if<PcapReader>(&format_)) return {&pcap->interface(), 1};
  return std::get<PcapngReader>(format_).interfaces();
}

std::span<const CaptureSection> CaptureReader::sections() const {
  const auto* const pcapng = std::get_if<PcapngReader>(&format_);
  return pcapng == nullptr ? std::span<const CaptureSection>() : pcapng->sections();
}

std::span<const OtherBlock> CaptureReader::other_blocks() const {
  const auto* const pcapng = std::get_if<PcapngReader>(&format_);
  return pcapng == nullptr ? std::span<const OtherBlock>() : pcapng->other_blocks();
}

uint64_t CaptureReader::custom_blocks() const {
  const auto* const pcapng = std::get_if<PcapngReader>(&format_);
  return pcapng == nullptr ? 0 : pcapng->custom_blocks();
}

uint64_t CaptureReader::offset_bytes() const {
  return std::visit([](const auto& reader) { return reader.offset_bytes(); }, format_);
}

void CaptureReader::NoteDisorder(int64_t time_ns) {
  ++disorder_.count;
  // Both may lie anywhere in 64 bits, so their distance needs them all.
  const uint64_t back_ns = static_cast<uint64_t>(last_time_ns_) - static_cast<uint64_t>(time_ns);
  disorder_.max_ns = std::max(disorder_.max_ns, back_ns);
}

ReadResult CaptureReader::AtEnd(ReadResult result) {
  if (result == ReadResult::kEnd) source_damage_.Update(feed_->damage());
  if (result == ReadResult::kDamaged || source_damage_.ok()) return result;
  return findings_->Damage(offset_bytes(), std::string(source_damage_.message()));
}

}  // namespace tapedeck::capture
