#include "replay/script/bytes.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "replay/script/byte_record.h"
#include "replay/script/call_bytes.h"
#include "replay/script/fault_bytes.h"
#include "replay/script/frame_bytes.h"
#include "replay/script/segment_bytes.h"
#include "replay/script/text_bytes.h"
#include "stack/base/check.h"

namespace tapedeck {
namespace {

// The first byte of a record: its operation, and whether the host follows; without, it is host 0.
constexpr uint8_t kOpHasHost = 0x80;
constexpr uint8_t kOpMask = 0x7f;
constexpr uint8_t kOpPause = 0x00;

// The byte before the operands of a frame.
constexpr uint8_t kFrameBadFcs = 0x01;
constexpr uint8_t kFrameRepair = 0x02;

static_assert(kOpPause < kFrameOpBase);
static_assert(kFrameOpBase + std::variant_size_v<FramePlan> <= kSegmentOp);
static_assert(kSegmentOp < kFaultOpBase);
static_assert(kFaultOpBase + kFaultOps <= kOpText);
static_assert(kHostsMax * kNicsMax == 256);  // one byte
static_assert(kOpText < kCallOpBase);
static_assert(kCallOpBase + kSyscallNames <= kOpMask);

// --- Decoding ---

bool ReadFrame(RecordReader& reader, uint8_t op, uint8_t host, FrameStep& frame) {
  const uint8_t flags = reader.U8();
  FramePlan plan;
  if (!ReadFramePlan(reader, op, host, plan)) return false;
  frame.bad_fcs = (flags & kFrameBadFcs) != 0;
  frame.repair_checksums = (flags & kFrameRepair) != 0;
  frame.bytes = BuildFrame(plan, host);
  return true;
}

size_t FrameBytes(const Step& step) {
  if (const auto* const segment = std::get_if<SegmentStep>(&step.what)) {
    return segment->payload_bytes;
  }
  const auto* const frame = std::get_if<FrameStep>(&step.what);
  return frame == nullptr ? 0 : frame->bytes.size();
}

// What records of a script mean, one after another.
class Decoder {
 public:
  explicit Decoder(std::span<const uint8_t> bytes) : reader_(bytes) {}

  Script Decode();

 private:
  // A step whose operation is `op`. False if the record means nothing.
  bool ReadStep(uint8_t op, bool has_host, Step& step);
  void AddStep(Step step);

  RecordReader reader_;
  Script script_;
  StepClock clock_;
  size_t frame_bytes_left_ = kDecodedFrameBytesMax;
};

bool Decoder::ReadStep(uint8_t op, bool has_host, Step& step) {
  const uint8_t place = has_host ? reader_.U8() : uint8_t{0};
  step.host = place % kHostsMax;
  step.nic = place / kHostsMax;
  step.delay = reader_.Delay();
  if (op == kOpPause) return true;
  if (op == kSegmentOp) {
    ReadSegment(reader_, step.what.emplace<SegmentStep>());
    return true;
  }
  if (op >= kFaultOpBase && op < kFaultOpBase + kFaultOps) {
    ReadFault(reader_, op, step);
    return true;
  }
  if (op < kCallOpBase) {
    return ReadFrame(reader_, op, step.host, step.what.emplace<FrameStep>());
  }
  return ReadCall(reader_, op, step.host, step.what.emplace<SyscallStep>());
}

void Decoder::AddStep(Step step) {
  if (FrameBytes(step) > frame_bytes_left_) return;
  if (step.base == TimeBase::kStepBefore) {
    step.delay = std::min(step.delay, kScriptDurationMax - clock_.now());
  }
  StepClock clock = clock_;
  if (!clock.Add(step).ok()) return;
  clock_ = clock;
  frame_bytes_left_ -= FrameBytes(step);
  script_.steps.push_back(std::move(step));
}

Script Decoder::Decode() {
  while (script_.steps.size() < kDecodedStepsMax && reader_.NextRecord()) {
    const uint8_t first = reader_.U8();
    if (first == kOpText) {
      if (std::optional<Step> step = ReadText(reader_, script_); step.has_value()) {
        AddStep(*std::move(step));
      }
      continue;
    }
    Step step;
    if (ReadStep(first & kOpMask, (first & kOpHasHost) != 0, step)) AddStep(std::move(step));
  }
  return std::move(script_);
}

// --- Encoding ---

// What precedes the operands of every record.
void WriteHead(RecordWriter& writer, uint8_t op, const Step& step) {
  const auto place = static_cast<uint8_t>(step.host | step.nic * kHostsMax);
  writer.U8(op | (place != 0 ? kOpHasHost : uint8_t{0}));
  if (place != 0) writer.U8(place);
  writer.Delay(step.delay);
}

absl::Status WriteWhat(RecordWriter& writer, const Step& step, const PauseStep&) {
  WriteHead(writer, kOpPause, step);
  writer.EndRecord();
  return absl::OkStatus();
}

absl::Status WriteWhat(RecordWriter& writer, const Step& step, const FrameStep& frame) {
  const FramePlan plan = PlanFrame(frame.bytes, step.host);
  WriteHead(writer, static_cast<uint8_t>(kFrameOpBase + plan.index()), step);
  writer.U8((frame.bad_fcs ? kFrameBadFcs : uint8_t{0}) |
            (frame.repair_checksums ? kFrameRepair : uint8_t{0}));
  WriteFramePlan(writer, step.host, plan);
  return absl::OkStatus();
}

absl::Status WriteWhat(RecordWriter& writer, const Step& step, const SegmentStep& segment) {
  WriteHead(writer, kSegmentOp, step);
  WriteSegment(writer, segment);
  return absl::OkStatus();
}

absl::Status WriteWhat(RecordWriter& writer, const Step& step, const SyscallStep& call) {
  WriteHead(writer, OpOf(call), step);
  if (WriteCall(writer, step.host, call)) {
    writer.EndRecord();
    return absl::OkStatus();
  }
  writer.DropRecord();
  return WriteTextStep(writer, step);
}

template <typename What>
absl::Status WriteWhat(RecordWriter& writer, const Step& step, const What&) {
  const std::optional<uint8_t> op = FaultOpOf(step);
  if (!op.has_value()) return WriteTextStep(writer, step);
  WriteHead(writer, *op, step);
  WriteFault(writer, step);
  writer.EndRecord();
  return absl::OkStatus();
}

absl::Status WriteStep(RecordWriter& writer, const Step& step) {
  if (step.base != TimeBase::kStepBefore || step.range.has_value()) {
    return WriteTextStep(writer, step);
  }
  return std::visit([&](const auto& what) { return WriteWhat(writer, step, what); }, step.what);
}

absl::Status CheckBounds(const Script& script) {
  if (script.steps.size() > kDecodedStepsMax) {
    return absl::ResourceExhaustedError(absl::StrCat(
        script.steps.size(), " steps; the bytes spelling has at most ", kDecodedStepsMax));
  }
  size_t frame_bytes = 0;
  for (const Step& step : script.steps) frame_bytes += FrameBytes(step);
  if (frame_bytes <= kDecodedFrameBytesMax) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      frame_bytes, " bytes of frames; the bytes spelling has at most ", kDecodedFrameBytesMax));
}

}  // namespace

Script DecodeScript(std::span<const uint8_t> bytes) { return Decoder(bytes).Decode(); }

absl::StatusOr<std::vector<uint8_t>> EncodeScript(const Script& script) {
  CHECK(ValidateScript(script).ok());
  if (absl::Status status = CheckBounds(script); !status.ok()) return status;
  RecordWriter writer;
  if (absl::Status status = WriteTextBeforeSteps(writer, script); !status.ok()) return status;
  for (size_t i = 0; i < script.steps.size(); ++i) {
    const absl::Status status = WriteStep(writer, script.steps[i]);
    if (!status.ok()) {
      return absl::Status(status.code(), absl::StrCat("step ", i + 1, ": ", status.message()));
    }
  }
  if (absl::Status status = WriteTextAfterSteps(writer, script); !status.ok()) return status;
  return writer.Take();
}

}  // namespace tapedeck
