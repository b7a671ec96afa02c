#include "replay/capture/pcap_writer.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/capture/format.h"
#include "stack/base/byteorder.h"
#include "stack/base/check.h"

namespace tapedeck::capture {
namespace {

struct FileHeader {
  le32 magic;
  le16 version_major = kPcapVersionMajor;
  le16 version_minor = kPcapVersionMinor;
  le32 time_zone;           // always 0, as everyone writes it
  le32 time_stamp_figures;  // the same
  le32 snaplen;
  le32 link_type;
};
static_assert(sizeof(FileHeader) == kPcapFileHeaderBytes);

struct RecordHeader {
  le32 seconds;
  le32 fraction;
  le32 captured_length;
  le32 original_length;
};
static_assert(sizeof(RecordHeader) == kPcapRecordHeaderBytes);

template <typename Header>
std::span<const uint8_t> BytesOf(const Header& header) {
  return {reinterpret_cast<const uint8_t*>(&header), sizeof(header)};
}

}  // namespace

absl::StatusOr<PcapWriter> PcapWriter::Create(OutputFile file, const PcapFileOptions& options) {
  FileHeader header;
  header.magic = options.resolution == PcapResolution::kNanoseconds ? kPcapMagicNanoseconds
                                                                    : kPcapMagicMicroseconds;
  header.snaplen = options.snaplen_bytes;
  header.link_type = static_cast<uint32_t>(options.link_type);
  PcapWriter writer(std::move(file), options.resolution);
  if (absl::Status status = writer.file_.Append(BytesOf(header)); !status.ok()) return status;
  return writer;
}

absl::Status PcapWriter::Write(int64_t time_ns, std::span<const uint8_t> data,
                               uint32_t original_length_bytes) {
  CHECK_GE(original_length_bytes, data.size());
  constexpr int64_t kNsPerSecond = 1'000'000'000;
  const int64_t seconds = time_ns / kNsPerSecond;
  if (time_ns < 0 || seconds > std::numeric_limits<uint32_t>::max()) {
    return absl::OutOfRangeError(
        absl::StrCat("time ", time_ns, " ns does not fit into a pcap file; write pcapng instead"));
  }
  const int64_t ns = time_ns % kNsPerSecond;
  RecordHeader header;
  header.seconds = static_cast<uint32_t>(seconds);
  header.fraction =
      static_cast<uint32_t>(resolution_ == PcapResolution::kNanoseconds ? ns : ns / 1000);
  header.captured_length = static_cast<uint32_t>(data.size());
  header.original_length = original_length_bytes;
  if (absl::Status status = file_.Append(BytesOf(header)); !status.ok()) return status;
  return file_.Append(data);
}

}  // namespace tapedeck::capture
