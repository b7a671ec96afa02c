#include "replay/recording/recording_writer.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/lab/strace.h"

namespace tapedeck {

namespace {

// "0.000001234", seconds.
std::string SecondsText(SimTime time) {
  return absl::StrFormat("%d.%09d", time.ns() / 1'000'000'000, time.ns() % 1'000'000'000);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RecordingWriter>> RecordingWriter::Create(
    const std::string& path, const std::string& device, const RecordingHeader& header) {
  absl::StatusOr<capture::OutputFile> file = capture::OutputFile::CreatePartial(path);
  if (!file.ok()) return file.status();
  capture::SectionHeader section;
  section.application = "Tapedeck";
  section.comments = {RecordingHeaderText(header)};
  absl::StatusOr<capture::PcapngWriter> writer =
      capture::PcapngWriter::Create(*std::move(file), section);
  if (!writer.ok()) return writer.status();
  const absl::StatusOr<uint32_t> interface =
      writer->AddInterface({.link_type = capture::LinkType::kEthernet,
                            .name = device,
                            .description = "TAP, the wire of an 82599"});
  if (!interface.ok()) return interface.status();
  std::unique_ptr<RecordingWriter> made(new RecordingWriter(*std::move(writer), header.epoch_ns));
  if (absl::Status flushed = made->Flush(); !flushed.ok()) return flushed;
  return made;
}

void RecordingWriter::Input(SimTime at, std::span<const uint8_t> frame) {
  WriteFrame(at, frame, capture::Direction::kInbound);
}

void RecordingWriter::Observe(uint64_t, const TraceEvent& event, const FrameLedger&) {
  if (event.kind != TraceKind::kWireTx) return;
  WriteFrame(event.time, event.bytes, capture::Direction::kOutbound);
}

void RecordingWriter::WriteFrame(SimTime at, std::span<const uint8_t> frame,
                                 capture::Direction direction) {
  capture::OutputPacket packet;
  packet.time_ns = epoch_ns_ + static_cast<int64_t>(at.ns());
  packet.data = frame;
  packet.original_length_bytes = static_cast<uint32_t>(frame.size());
  packet.direction = direction;
  if (calls_left_out_ != 0) {
    calls_.push_front(absl::StrCat(calls_left_out_, " calls are not shown"));
    calls_left_out_ = 0;
  }
  const size_t shown = std::min(calls_.size(), kCallsPerFrame);
  std::string_view comments[kCallsPerFrame];
  for (size_t i = 0; i < shown; ++i) comments[i] = calls_[i];
  packet.comments = std::span<const std::string_view>(comments).first(shown);
  status_.Update(writer_.Write(packet));
  calls_.erase(calls_.begin(), calls_.begin() + static_cast<ptrdiff_t>(shown));
}

void RecordingWriter::Entered(const SystemCall& call, SimTime time) {
  entered_[call.thread().tid()] = time;
}

void RecordingWriter::Ended(const SystemCall& call, int64_t result, SimTime time) {
  const auto entered = entered_.find(call.thread().tid());
  const SimTime since = entered == entered_.end() ? time : entered->second;
  if (entered != entered_.end()) entered_.erase(entered);
  if (calls_.size() == kCallsWaitingMax) {
    ++calls_left_out_;
    return;
  }
  calls_.push_back(absl::StrCat("[", call.thread().tid(), "] ", SecondsText(since), " ",
                                StraceCallText(call.args(), result, kCallStringBytes), " = ",
                                StraceResultText(result)));
}

void RecordingWriter::WriteMark(LiveRun& run, uint64_t lost, bool end) {
  const Recorder& recorder = run.lab().recorder();
  RecordingMark mark;
  mark.end = end;
  mark.time_ns = run.now().ns();
  mark.events = recorder.digest().events();
  mark.digest = recorder.digest().ToString();
  const std::string text = RecordingMarkText(mark);
  const std::string_view comments[] = {text};
  capture::InterfaceStatistics statistics;
  statistics.time_ns = epoch_ns_ + static_cast<int64_t>(mark.time_ns);
  statistics.received = recorder.ledger().frames_in();
  statistics.dropped = lost;
  statistics.comments = comments;
  status_.Update(writer_.Write(statistics));
}

absl::Status RecordingWriter::Flush() {
  status_.Update(writer_.Flush());
  return status_;
}

absl::Status RecordingWriter::Close(LiveRun& run, uint64_t lost) {
  WriteMark(run, lost, /*end=*/true);
  if (!status_.ok()) return status_;
  return writer_.Close();
}

}  // namespace tapedeck
