// MergeFiles() of convert.h.
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/capture/capture_reader.h"
#include "replay/capture/output_file.h"
#include "replay/convert/capture_sink.h"
#include "replay/convert/convert.h"

namespace tapedeck {
namespace {

// One input, and the record of it that is next.
struct MergeInput {
  std::unique_ptr<capture::CaptureReader>
      reader;  // stays where it is: the sink knows it by address
  std::shared_ptr<capture::RecordFilter> filter;
  capture::Record next;
  bool has_next = false;

  void Advance() { has_next = reader->Next(next) == capture::ReadResult::kRecord; }
};

absl::StatusOr<MergeInput> OpenInput(const std::string& path, const Selection& selection) {
  MergeInput input;
  auto filter = MakeRecordFilter(selection);
  if (!filter.ok()) return filter.status();
  input.filter = *filter;
  capture::CaptureReaderOptions options;
  options.keep_other_blocks = true;
  options.filter = input.filter;
  absl::StatusOr<capture::CaptureReader> reader = capture::CaptureReader::Open(path, options);
  if (!reader.ok()) return reader.status();
  input.reader = std::make_unique<capture::CaptureReader>(*std::move(reader));
  input.Advance();
  return input;
}

// The input whose next record is the earliest, the first of equals. Null if there is none.
MergeInput* Earliest(std::vector<MergeInput>& inputs) {
  MergeInput* earliest = nullptr;
  for (MergeInput& input : inputs) {
    if (!input.has_next) continue;
    if (earliest == nullptr || input.next.time_ns < earliest->next.time_ns) earliest = &input;
  }
  return earliest;
}

}  // namespace

absl::StatusOr<ConvertReport> MergeFiles(const std::vector<std::string>& in, const std::string& out,
                                         const ConvertOptions& options) {
  ConvertReport report;
  report.to = options.to.value_or(SpellingByPath(out).value_or(Spelling::kPcapng));
  if (report.to != Spelling::kPcap && report.to != Spelling::kPcapng) {
    return absl::InvalidArgumentError(absl::StrCat(out, ": captures merge into pcap or pcapng"));
  }
  std::vector<MergeInput> inputs;
  for (const std::string& path : in) {
    absl::StatusOr<MergeInput> input = OpenInput(path, options.selection);
    if (!input.ok()) return input.status();
    inputs.push_back(*std::move(input));
  }
  absl::StatusOr<capture::OutputFile> file = capture::OutputFile::Create(out);
  if (!file.ok()) return file.status();
  const CaptureFormat format =
      report.to == Spelling::kPcap ? CaptureFormat::kPcap : CaptureFormat::kPcapng;
  CaptureSink sink(*std::move(file), {format, options.anonymise_seed});
  while (MergeInput* const input = Earliest(inputs)) {
    if (absl::Status status = sink.Write(*input->reader, input->next); !status.ok()) return status;
    input->Advance();
  }
  for (MergeInput& input : inputs) {
    if (absl::Status status = sink.Finish(*input.reader); !status.ok()) return status;
    if (input.filter != nullptr && !input.filter->status().ok()) return input.filter->status();
    for (const std::string& line : input.reader->warnings()) report.warnings.push_back(line);
    if (!input.reader->damage().ok()) {
      report.warnings.emplace_back(input.reader->damage().message());
    }
  }
  report.lost = sink.losses().Lines();
  report.items = sink.records();
  if (absl::Status status = sink.Close(); !status.ok()) return status;
  return report;
}

}  // namespace tapedeck
