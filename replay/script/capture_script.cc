#include "replay/script/capture_script.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "replay/capture/pcapng_writer.h"
#include "stack/base/check.h"

namespace tapedeck {
namespace {

// How many interfaces the frames need: one more than the highest host they reach, none without any.
size_t InterfaceCount(const Script& script) {
  size_t count = 0;
  for (const Step& step : script.steps) {
    if (std::holds_alternative<FrameStep>(step.what))
      count = std::max(count, step.host + size_t{1});
  }
  return count;
}

// Writes a script's frames one after another and counts what has no place in a capture.
class FrameWriter {
 public:
  explicit FrameWriter(capture::PcapngWriter& writer) : writer_(writer) {}

  absl::Status Write(const Step& step) {
    now_ += step.delay;
    return std::visit([&](const auto& what) { return Write(step, what); }, step.what);
  }

  const LeftOut& left_out() const { return left_out_; }

 private:
  absl::Status Write(const Step&, const PauseStep&) {
    ++left_out_.pauses;
    return absl::OkStatus();
  }
  template <typename What>
  absl::Status Write(const Step&, const What&) {
    ++left_out_.calls;
    return absl::OkStatus();
  }
  absl::Status Write(const Step& step, const FrameStep& frame) {
    if (frame.bytes.empty()) {
      ++left_out_.empty_frames;
      return absl::OkStatus();
    }
    left_out_.bad_fcs += frame.bad_fcs;
    left_out_.repairs += frame.repair_checksums;
    capture::OutputPacket packet;
    packet.interface_index = step.host;
    packet.time_ns = static_cast<int64_t>(now_.ns());
    packet.data = frame.bytes;
    packet.original_length_bytes = static_cast<uint32_t>(frame.bytes.size());
    packet.direction = capture::Direction::kInbound;
    return writer_.Write(packet);
  }

  capture::PcapngWriter& writer_;
  Duration now_;
  LeftOut left_out_;
};

}  // namespace

std::vector<std::string> CapturedScript::Warnings() const {
  std::vector<std::string> lines = tapedeck::Warnings(counts);
  if (too_long != 0) {
    lines.push_back(absl::StrCat(too_long, " frames left out: longer than ", kFrameBytesMax,
                                 " bytes, which no wire carries"));
  }
  if (too_many != 0) {
    lines.push_back(
        absl::StrCat(too_many, " frames left out: a script has at most ", kStepsMax, " steps"));
  }
  return lines;
}

CapturedScript ScriptFromCapture(capture::CaptureReader& reader) {
  CapturedScript captured;
  std::vector<Step>& steps = captured.script.steps;
  CaptureSource source(reader);
  TimedFrame frame;
  SimTime last;
  while (source.Next(&frame)) {
    if (frame.bytes.size() > kFrameBytesMax) {
      ++captured.too_long;
      continue;
    }
    if (steps.size() == kStepsMax) {
      ++captured.too_many;
      continue;
    }
    Step& step = steps.emplace_back();
    step.delay = frame.time - last;
    step.line = static_cast<uint32_t>(std::min<uint64_t>(frame.file_index, UINT32_MAX));
    step.what.emplace<FrameStep>().bytes.assign(frame.bytes.begin(), frame.bytes.end());
    last = frame.time;
  }
  captured.counts = source.counts();
  return captured;
}

absl::StatusOr<LeftOut> CaptureFromScript(const Script& script, capture::OutputFile file) {
  CHECK(ValidateScript(script).ok());
  capture::SectionHeader section;
  section.application = "tapedeck";
  absl::StatusOr<capture::PcapngWriter> writer =
      capture::PcapngWriter::Create(std::move(file), section);
  if (!writer.ok()) return writer.status();
  const size_t interfaces = InterfaceCount(script);
  for (size_t host = 0; host < interfaces; ++host) {
    capture::InterfaceHeader header;
    header.name = absl::StrCat("host", host);
    if (auto added = writer->AddInterface(header); !added.ok()) return added.status();
  }
  FrameWriter frames(*writer);
  for (const Step& step : script.steps) {
    if (absl::Status status = frames.Write(step); !status.ok()) return status;
  }
  if (absl::Status status = writer->Close(); !status.ok()) return status;
  return frames.left_out();
}

}  // namespace tapedeck
