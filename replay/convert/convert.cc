#include "replay/convert/convert.h"

#include <array>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/capture/capture_reader.h"
#include "replay/capture/output_file.h"
#include "replay/convert/capture_sink.h"
#include "replay/script/bytes.h"
#include "replay/script/capture_script.h"
#include "replay/script/text.h"

namespace tapedeck {
namespace {

struct SpellingEnding {
  std::string_view ending;
  Spelling spelling;
};
constexpr SpellingEnding kSpellingEndings[] = {
    {".pcap", Spelling::kPcap},    {".cap", Spelling::kPcap}, {".pcapng", Spelling::kPcapng},
    {".ntar", Spelling::kPcapng},  {".pkt", Spelling::kText}, {".bytes", Spelling::kBytes},
    {".script", Spelling::kBytes},
};

bool IsCapture(Spelling spelling) {
  return spelling == Spelling::kPcap || spelling == Spelling::kPcapng;
}

CaptureFormat FormatOf(Spelling spelling) {
  return spelling == Spelling::kPcap ? CaptureFormat::kPcap : CaptureFormat::kPcapng;
}

void Append(std::vector<std::string> lines, std::vector<std::string>& to) {
  for (std::string& line : lines) to.push_back(std::move(line));
}

void AddReaderWarnings(const capture::CaptureReader& reader, ConvertReport& report) {
  Append(reader.warnings(), report.warnings);
  if (!reader.damage().ok()) report.warnings.emplace_back(reader.damage().message());
}

// All of a file that is no capture.
absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  std::ifstream file;
  if (path != "-") {
    file.open(path, std::ios::binary);
    if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot open"));
  }
  std::istream& from = path == "-" ? std::cin : file;
  return std::string(std::istreambuf_iterator<char>(from), {});
}

std::span<const uint8_t> BytesOfText(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

absl::Status WriteWhole(const std::string& path, std::span<const uint8_t> bytes) {
  absl::StatusOr<capture::OutputFile> file = capture::OutputFile::Create(path);
  if (!file.ok()) return file.status();
  if (absl::Status status = file->Append(bytes); !status.ok()) return status;
  return file->Close();
}

// What a capture could not carry of a script.
std::vector<std::string> LinesOf(const LeftOut& left_out) {
  std::vector<std::string> lines;
  const auto add = [&](size_t count, const char* what) {
    if (count != 0) lines.push_back(absl::StrCat(count, " ", what));
  };
  add(left_out.calls, "steps that are no frames: calls, packets in short, commands, assertions");
  add(left_out.bad_fcs, "frames whose frame check sequence was to be wrong");
  add(left_out.repairs, "frames whose checksums were to be made right, written as they are");
  add(left_out.empty_frames, "empty frames");
  return lines;
}

// One conversion.
class Converter {
 public:
  Converter(const std::string& in, const std::string& out, const ConvertOptions& options)
      : in_(in), out_(out), options_(options) {}

  absl::StatusOr<ConvertReport> Run() {
    const std::optional<Spelling> to = options_.to.has_value() ? options_.to : SpellingByPath(out_);
    if (!to.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          out_, ": the name tells no format; say --to-format pcap, pcapng, text or bytes"));
    }
    report_.to = *to;
    if (absl::Status status = RunFrom(); !status.ok()) return status;
    return std::move(report_);
  }

 private:
  absl::Status RunFrom() {
    const std::optional<Spelling> named =
        options_.from.has_value() ? options_.from : SpellingByPath(in_);
    if (!named.has_value() || IsCapture(*named)) return FromCapture();
    report_.from = *named;
    if (!options_.selection.empty() || options_.anonymise_seed.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat(in_, ": records are chosen and made anonymous in captures only"));
    }
    return FromScript();
  }

  absl::Status FromCapture() {
    capture::CaptureReaderOptions reader_options;
    reader_options.keep_other_blocks = true;
    auto filter = MakeRecordFilter(options_.selection);
    if (!filter.ok()) return filter.status();
    reader_options.filter = filter_ = *filter;
    absl::StatusOr<capture::CaptureReader> reader =
        capture::CaptureReader::Open(in_, reader_options);
    if (!reader.ok()) return reader.status();
    report_.from = reader->sections().empty() ? Spelling::kPcap : Spelling::kPcapng;
    const absl::Status status =
        IsCapture(report_.to) ? CopyRecords(*reader) : CaptureToScript(*reader);
    AddReaderWarnings(*reader, report_);
    return status;
  }

  absl::Status FilterStatus() const {
    return filter_ == nullptr ? absl::OkStatus() : filter_->status();
  }

  absl::Status CopyRecords(capture::CaptureReader& reader) {
    absl::StatusOr<capture::OutputFile> file = capture::OutputFile::Create(out_);
    if (!file.ok()) return file.status();
    return CopyTo(reader, *std::move(file));
  }

  absl::Status CopyTo(capture::CaptureReader& reader, capture::OutputFile file) {
    CaptureSink sink(std::move(file), {FormatOf(report_.to), options_.anonymise_seed});
    capture::Record record;
    while (reader.Next(record) == capture::ReadResult::kRecord) {
      if (absl::Status status = sink.Write(reader, record); !status.ok()) return status;
    }
    if (absl::Status status = FilterStatus(); !status.ok()) return status;
    if (absl::Status status = sink.Finish(reader); !status.ok()) return status;
    Append(sink.losses().Lines(), report_.lost);
    report_.items = sink.records();
    return sink.Close();
  }

  absl::Status CaptureToScript(capture::CaptureReader& reader) {
    if (!options_.anonymise_seed.has_value()) {
      CapturedScript captured = ScriptFromCapture(reader);
      if (absl::Status status = FilterStatus(); !status.ok()) return status;
      Append(captured.Warnings(), report_.lost);
      return WriteScript(captured.script);
    }
    // Made anonymous as a capture first, in memory.
    std::vector<uint8_t> anonymous;
    const Spelling to = std::exchange(report_.to, Spelling::kPcapng);
    const absl::Status copied = CopyTo(reader, capture::OutputFile::InMemory(anonymous));
    report_.to = to;
    if (!copied.ok()) return copied;
    auto again = capture::CaptureReader::FromBytes(anonymous, reader.name());
    if (!again.ok()) return again.status();
    CapturedScript captured = ScriptFromCapture(*again);
    Append(captured.Warnings(), report_.lost);
    return WriteScript(captured.script);
  }

  absl::Status FromScript() {
    absl::StatusOr<std::string> bytes = ReadWhole(in_);
    if (!bytes.ok()) return bytes.status();
    if (report_.from == Spelling::kBytes) return ToAny(DecodeScript(BytesOfText(*bytes)));
    ParseOptions parse;
    const size_t slash = in_.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : in_.substr(0, slash + 1);
    parse.read_file = [folder](const std::string& path) { return ReadScriptFile(folder + path); };
    const absl::StatusOr<Script> script = ParseScript(*bytes, in_, parse);
    if (!script.ok()) return script.status();
    return ToAny(*script);
  }

  absl::Status ToAny(const Script& script) {
    return IsCapture(report_.to) ? ScriptToCapture(script) : WriteScript(script);
  }

  absl::Status ScriptToCapture(const Script& script) {
    std::vector<uint8_t> pcapng;
    const absl::StatusOr<LeftOut> left_out =
        CaptureFromScript(script, capture::OutputFile::InMemory(pcapng));
    if (!left_out.ok()) return left_out.status();
    Append(LinesOf(*left_out), report_.lost);
    auto reader = capture::CaptureReader::FromBytes(pcapng, in_);
    if (!reader.ok()) return reader.status();
    return CopyRecords(*reader);
  }

  absl::Status WriteScript(const Script& script) {
    report_.items = script.steps.size();
    if (report_.to == Spelling::kText) {
      PrintOptions print;
      print.describe_frames = true;
      return WriteWhole(out_, BytesOfText(PrintScript(script, print)));
    }
    const absl::StatusOr<std::vector<uint8_t>> bytes = EncodeScript(script);
    return bytes.ok() ? WriteWhole(out_, *bytes) : bytes.status();
  }

  const std::string& in_;
  const std::string& out_;
  const ConvertOptions& options_;
  std::shared_ptr<capture::RecordFilter> filter_;  // of a capture; null: all records
  ConvertReport report_;
};

}  // namespace

const char* SpellingName(Spelling spelling) {
  switch (spelling) {
    case Spelling::kPcap:
      return "pcap";
    case Spelling::kPcapng:
      return "pcapng";
    case Spelling::kText:
      return "text";
    case Spelling::kBytes:
      return "bytes";
  }
  return "unknown";
}

std::optional<Spelling> SpellingByName(std::string_view name) {
  for (const Spelling spelling :
       {Spelling::kPcap, Spelling::kPcapng, Spelling::kText, Spelling::kBytes}) {
    if (name == SpellingName(spelling)) return spelling;
  }
  return std::nullopt;
}

std::optional<Spelling> SpellingByPath(std::string_view path) {
  for (const std::string_view packed : {".gz", ".zst"}) {
    if (path.ends_with(packed)) path.remove_suffix(packed.size());
  }
  for (const SpellingEnding& known : kSpellingEndings) {
    if (path.ends_with(known.ending)) return known.spelling;
  }
  return std::nullopt;
}

absl::StatusOr<ConvertReport> ConvertFile(const std::string& in, const std::string& out,
                                          const ConvertOptions& options) {
  return Converter(in, out, options).Run();
}

}  // namespace tapedeck
