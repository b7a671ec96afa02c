#include "replay/recording/recording_replay.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/capture/format.h"
#include "replay/capture/options.h"

namespace tapedeck {

namespace {

using capture::CaptureReader;
using capture::ReadResult;

// Interface and time, before the options of interface statistics.
constexpr size_t kStatisticsFixedBytes = 12;

const std::string* FindHeader(const CaptureReader& reader) {
  for (const capture::CaptureSection& section : reader.sections()) {
    for (const std::string& comment : section.comments) {
      if (IsRecordingHeader(comment)) return &comment;
    }
  }
  return nullptr;
}

// The mark in a block without frames, where it is one.
std::optional<RecordingMark> MarkIn(const capture::OtherBlock& block) {
  if (block.type != capture::kBlockInterfaceStatistics ||
      block.body.size() < kStatisticsFixedBytes) {
    return std::nullopt;
  }
  capture::OptionReader options(block.body.subspan(kStatisticsFixedBytes), block.order);
  capture::Option option;
  while (options.Next(option)) {
    if (option.code != capture::kOptionComment) continue;
    const std::string text(option.text());
    if (std::optional<RecordingMark> mark = ParseRecordingMark(text)) return mark;
  }
  return std::nullopt;
}

// Reads a recording's blocks into a tape, in their order.
class TapeReader {
 public:
  TapeReader(CaptureReader& reader, RecordingTape& tape) : reader_(reader), tape_(tape) {}

  absl::Status Read() {
    capture::Record record;
    while (true) {
      const ReadResult result = reader_.Next(record);
      TakeMarks();
      if (result != ReadResult::kRecord) break;
      if (absl::Status taken = TakeFrame(record); !taken.ok()) return taken;
    }
    for (const std::string& warning : reader_.warnings()) tape_.warnings.push_back(warning);
    if (!reader_.damage().ok()) tape_.warnings.emplace_back(reader_.damage().message());
    return absl::OkStatus();
  }

 private:
  // Marks that the reader has stepped over on its way to the record it gave last.
  void TakeMarks() {
    const std::span<const capture::OtherBlock> blocks = reader_.other_blocks();
    for (; blocks_seen_ < blocks.size(); ++blocks_seen_) {
      const std::optional<RecordingMark> mark = MarkIn(blocks[blocks_seen_]);
      if (!mark.has_value()) continue;
      tape_.marks.push_back(*mark);
      RecordingTape::Item item;
      item.time = SimTime::At(Duration::Nanoseconds(mark->time_ns));
      item.mark = static_cast<uint32_t>(tape_.marks.size());
      tape_.items.push_back(item);
    }
  }

  absl::Status TakeFrame(const capture::Record& record) {
    if (record.truncated() || record.time_ns < tape_.header.epoch_ns) {
      return absl::InvalidArgumentError(
          absl::StrCat(reader_.name(), ":", record.offset_bytes,
                       record.truncated() ? ": a frame was cut, and a recording needs all of it"
                                          : ": a frame from before the recording's epoch"));
    }
    RecordingTape::Item item;
    item.time = SimTime::At(
        Duration::Nanoseconds(static_cast<uint64_t>(record.time_ns - tape_.header.epoch_ns)));
    item.frame = record.data;
    item.record = record.index;
    (record.direction == capture::Direction::kOutbound ? tape_.outputs : tape_.items)
        .push_back(item);
    return absl::OkStatus();
  }

  CaptureReader& reader_;
  RecordingTape& tape_;
  size_t blocks_seen_ = 0;
};

std::string TimeWords(SimTime time) {
  return absl::StrFormat("%d.%09d s", time.ns() / 1'000'000'000, time.ns() % 1'000'000'000);
}

// Where two frames differ first, in words; "" where they do not.
std::string FrameDifference(const RecordingTape::Item& expected, const TraceEvent& sent) {
  const size_t common = std::min(expected.frame.size(), sent.bytes.size());
  const auto at = static_cast<size_t>(
      std::mismatch(expected.frame.begin(), expected.frame.begin() + static_cast<ptrdiff_t>(common),
                    sent.bytes.begin())
          .first -
      expected.frame.begin());
  if (at < common) {
    return absl::StrFormat("byte %d is 0x%02x, recorded 0x%02x", at, sent.bytes[at],
                           expected.frame[at]);
  }
  if (expected.frame.size() != sent.bytes.size()) {
    return absl::StrFormat("it has %d bytes, recorded %d", sent.bytes.size(),
                           expected.frame.size());
  }
  if (expected.time.ns() != sent.time.ns()) {
    return absl::StrFormat("it is sent at %s, recorded %s", TimeWords(sent.time),
                           TimeWords(expected.time));
  }
  return "";
}

}  // namespace

bool IsRecording(const std::string& path) {
  if (capture::IsReadOnce(path)) return false;
  auto feed = capture::OpenByteFeed(path);
  if (!feed.ok()) return false;
  const absl::StatusOr<CaptureReader> reader = CaptureReader::FromFeed(*std::move(feed), path);
  return reader.ok() && FindHeader(*reader) != nullptr;
}

absl::StatusOr<std::unique_ptr<RecordingReplay>> RecordingReplay::Open(
    const std::string& path, const LiveRunOptions& options, Arena* arena) {
  absl::StatusOr<CaptureReader> reader = CaptureReader::Open(path, {.keep_other_blocks = true});
  if (!reader.ok()) return reader.status();
  const std::string* const comment = FindHeader(*reader);
  if (comment == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": no recording of tapedeck live"));
  }
  RecordingTape tape;
  absl::StatusOr<RecordingHeader> header = ParseRecordingHeader(*comment);
  if (!header.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", header.status().message()));
  }
  tape.header = *std::move(header);
  if (absl::Status read = TapeReader(*reader, tape).Read(); !read.ok()) return read;
  return std::unique_ptr<RecordingReplay>(
      new RecordingReplay(*std::move(reader), std::move(tape), options, arena));
}

struct RecordingReplay::Seam final : Playback::State {
  size_t bytes() const override { return lab.memory.bytes(); }
  Lab::Checkpoint lab;
  Position position;
};

RecordingReplay::RecordingReplay(CaptureReader reader, RecordingTape tape,
                                 const LiveRunOptions& options, Arena* arena)
    : reader_(std::move(reader)),
      tape_(std::move(tape)),
      run_(std::make_unique<LiveRun>(tape_.header.settings, options, arena)),
      comparison_(*this) {
  run_->lab().recorder().AddObserver(&comparison_);
}

bool RecordingReplay::Advance() {
  if (position_.item == tape_.items.size()) return false;
  const RecordingTape::Item& item = tape_.items[position_.item];
  if (run_->Step(item.time)) return true;
  ++position_.item;
  if (item.mark == 0) {
    run_->Receive(item.frame);
  } else {
    CheckMark(tape_.marks[item.mark - 1]);
  }
  return true;
}

std::unique_ptr<Playback::State> RecordingReplay::Take() {
  auto seam = std::make_unique<Seam>();
  run_->lab().Take(&seam->lab);
  seam->position = position_;
  return seam;
}

void RecordingReplay::Restore(const State& state) {
  const auto& seam = static_cast<const Seam&>(state);
  run_->lab().Restore(seam.lab);
  position_ = seam.position;
}

void RecordingReplay::Differ(std::string what) {
  if (!position_.difference.has_value()) position_.difference = std::move(what);
}

void RecordingReplay::Comparison::Observe(uint64_t, const TraceEvent& event, const FrameLedger&) {
  if (event.kind == TraceKind::kWireTx) replay_.CompareOutput(event);
}

void RecordingReplay::CompareOutput(const TraceEvent& event) {
  const size_t index = position_.output++;
  if (index >= tape_.outputs.size()) {
    if (tape_.complete()) {
      Differ(absl::StrFormat("the host sends a frame at %s that is not recorded",
                             TimeWords(event.time)));
    }
    return;
  }
  const RecordingTape::Item& expected = tape_.outputs[index];
  const std::string difference = FrameDifference(expected, event);
  if (difference.empty()) return;
  Differ(absl::StrFormat("the frame sent at %s differs from packet %d of the recording: %s",
                         TimeWords(event.time), expected.record, difference));
}

void RecordingReplay::CheckMark(const RecordingMark& mark) {
  const Digest& digest = run_->lab().recorder().digest();
  if (digest.events() == mark.events && digest.ToString() == mark.digest) return;
  std::string what =
      absl::StrFormat("at %s the run has %d events and digest %s, recorded %d and %s",
                      TimeWords(SimTime::At(Duration::Nanoseconds(mark.time_ns))), digest.events(),
                      digest.ToString(), mark.events, mark.digest);
  const std::string build = BuildName();
  if (build != tape_.header.build) {
    absl::StrAppend(&what, " (by build ", tape_.header.build, "; this is ", build, ")");
  }
  Differ(std::move(what));
}

PlaybackResult RecordingReplay::Finish() {
  const bool was_played = position_.item == tape_.items.size();  // and not interrupted
  if (was_played && tape_.complete() && position_.output < tape_.outputs.size()) {
    Differ(absl::StrFormat("the host never sends packet %d of the recording",
                           tape_.outputs[position_.output].record));
  }
  report_ = run_->Finish();
  if (position_.difference.has_value()) {
    report_.violations.insert(report_.violations.begin(), *position_.difference);
  }
  using Outcome = PlaybackResult::Outcome;
  PlaybackResult result;
  result.outcome = report_.violations.empty() ? Outcome::kHeld : Outcome::kFailed;
  result.digest = report_.digest;
  result.events = report_.events;
  result.problems = report_.violations;
  result.warnings = tape_.warnings;
  for (const LiveReport::ServiceReport& service : report_.services) {
    result.summary.push_back(ServiceReportText(service));
  }
  return result;
}

}  // namespace tapedeck
