// Captures: the readers, the survey, normalising and the way into scripts.
//
// Input: a capture file, whole. Property: whatever it holds, every record becomes frames or has a
// reason, frames are in order and whole within their bytes, memory stays within its bound,
// fragments that are complete have all their bytes, and what the writer writes the reader reads.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "fuzz/target.h"
#include "replay/capture/capture_reader.h"
#include "replay/capture/options.h"
#include "replay/capture/pcapng_writer.h"
#include "replay/normalise/fragments.h"
#include "replay/normalise/normalise.h"
#include "replay/script/capture_script.h"
#include "replay/script/capture_summary.h"
#include "stack/base/check.h"
#include "stack/base/hash.h"
#include "stack/wire/repair_checksums.h"

namespace tapedeck::fuzz {
namespace {

using capture::CaptureReader;
using capture::ReadResult;
using capture::Record;
using normalise::Frame;
using normalise::NormalisedCapture;

// Longer inputs only repeat what shorter ones do; a packed one may unpack to a little more.
constexpr size_t kInputBytesMax = size_t{1} << 16;
constexpr uint64_t kUnpackedBytesMax = uint64_t{1} << 20;
// What NormaliseOptions promises, by its own count, for a file of `bytes`.
constexpr uint64_t MemoryMax(uint64_t bytes) { return 3 * bytes + (uint64_t{64} << 20); }

// What tells two runs apart.
class RunHash {
 public:
  void Add(uint64_t value) {
    std::array<uint8_t, 16> bytes;
    StoreLe64(bytes.data(), hash_);
    StoreLe64(bytes.data() + 8, value);
    hash_ = SipHash24(bytes, {});
  }
  void Add(std::span<const uint8_t> bytes) { Add(SipHash24(bytes, {})); }
  uint64_t value() const { return hash_; }

 private:
  uint64_t hash_ = 0;
};

std::optional<CaptureReader> OpenInput(std::span<const uint8_t> input) {
  capture::CaptureReaderOptions options;
  options.unpacked_bytes_max = kUnpackedBytesMax;
  absl::StatusOr<CaptureReader> reader = CaptureReader::FromBytes(input, "input", options);
  if (!reader.ok()) return std::nullopt;
  return *std::move(reader);
}

void CheckFrame(const Frame& frame, uint64_t* last_record, int64_t* last_ns) {
  CHECK_GE(frame.time_ns, *last_ns);
  CHECK(frame.time_ns != *last_ns || frame.record >= *last_record);
  CHECK_LE(size_t{frame.network_offset}, frame.bytes.size());
  CHECK_LE(size_t{frame.transport_offset}, frame.bytes.size());
  CHECK_LE(frame.piece, frame.pieces);
  *last_record = frame.record;
  *last_ns = frame.time_ns;
  // What was set right must hold, filler counted.
  if (frame.checksum == normalise::ChecksumState::kRepaired && frame.filler_bytes == 0) {
    std::vector<uint8_t> whole = frame.Whole();
    const std::vector<uint8_t> before = whole;
    const bool is_tunnel = frame.protocol == 4 || frame.protocol == 41;
    wire::RepairChecksums(whole);
    CHECK(is_tunnel || whole == before);
  }
}

void CheckNormalised(const NormalisedCapture& capture, uint64_t file_bytes, RunHash* hash) {
  uint64_t last_record = 0;
  int64_t last_ns = std::numeric_limits<int64_t>::min();
  std::vector<uint64_t> records;
  for (const Frame& frame : capture.frames) {
    CheckFrame(frame, &last_record, &last_ns);
    if (frame.piece <= 1) records.push_back(frame.record);
    hash->Add(frame.bytes);
    hash->Add(frame.filler_bytes);
    hash->Add(static_cast<uint64_t>(frame.checksum));
  }
  for (const normalise::UnusedRecord& unused : capture.unused) records.push_back(unused.record);
  std::sort(records.begin(), records.end());
  CHECK_EQ(records.size(), capture.counts.records);
  for (size_t i = 0; i < records.size(); ++i) CHECK_EQ(records[i], i + 1);
  CHECK_LE(capture.pool.allocated_bytes() + capture.frames.size() * sizeof(Frame),
           MemoryMax(file_bytes));
  for (const auto& packet : normalise::FindFragmentedPackets(capture.frames)) {
    CHECK(!packet.is_complete || !packet.has_overlaps);
    if (packet.is_complete) hash->Add(normalise::WholePacket(capture.frames, packet));
  }
}

// All records into pcapng, and back.
void CheckWriter(std::span<const uint8_t> input) {
  std::optional<CaptureReader> reader = OpenInput(input);
  std::vector<uint8_t> file;
  auto writer = capture::PcapngWriter::Create(capture::OutputFile::InMemory(file), {});
  CHECK(writer.ok());
  CHECK(writer->AddInterface({}).ok());
  uint64_t written = 0;
  Record record;
  while (reader->Next(record) == ReadResult::kRecord) {
    const capture::PacketMetadata metadata = MetadataOf(record);
    capture::OutputPacket packet;
    packet.time_ns = record.time_ns;
    packet.data = record.data;
    packet.original_length_bytes = record.original_length_bytes;
    packet.comments = metadata.comments;
    written += writer->Write(packet).ok();  // a time before 1970 is refused
  }
  CHECK(writer->Close().ok());
  auto again = CaptureReader::FromBytes(file, "written");
  CHECK(again.ok());
  uint64_t read = 0;
  while (again->Next(record) == ReadResult::kRecord) ++read;
  CHECK(again->damage().ok());
  CHECK_EQ(read, written);
}

}  // namespace

RunResult RunInput(std::span<const uint8_t> input) {
  if (input.size() > kInputBytesMax) return {};
  std::optional<CaptureReader> reader = OpenInput(input);
  if (!reader.has_value()) return RunResult::Whole(0);
  RunHash hash;
  const NormalisedCapture normalised = normalise::Normalise(*reader);
  CheckNormalised(normalised, reader->size_bytes(), &hash);
  std::optional<CaptureReader> survey = OpenInput(input);
  hash.Add(ScanCapture(*survey).frames);
  std::optional<CaptureReader> script = OpenInput(input);
  const CapturedScript captured = ScriptFromCapture(*script);
  CHECK(ValidateScript(captured.script).ok());
  hash.Add(captured.script.steps.size());
  CheckWriter(input);
  return RunResult::Whole(hash.value());
}

}  // namespace tapedeck::fuzz
