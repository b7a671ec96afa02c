#include "replay/script/bytes.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "replay/script/byte_record.h"
#include "replay/script/call_bytes.h"
#include "replay/script/frame_bytes.h"
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
static_assert(kFrameOpBase + std::variant_size_v<FramePlan> <= kCallOpBase);
static_assert(kCallOpBase + std::variant_size_v<decltype(CallStep::call)> <= kOpMask);

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

// False if the record means nothing.
bool ReadStep(RecordReader& reader, Step& step) {
  const uint8_t first = reader.U8();
  const uint8_t op = first & kOpMask;
  step.host = (first & kOpHasHost) != 0 ? reader.U8() % kHostsMax : uint8_t{0};
  step.delay = reader.Delay();
  if (op == kOpPause) return true;
  if (op < kCallOpBase) {
    return ReadFrame(reader, op, step.host, step.what.emplace<FrameStep>());
  }
  return ReadCall(reader, op, step.host, step.what.emplace<CallStep>());
}

size_t FrameBytes(const Step& step) {
  const auto* const frame = std::get_if<FrameStep>(&step.what);
  return frame == nullptr ? 0 : frame->bytes.size();
}

// --- Encoding ---

// What precedes the operands of every record.
void WriteHead(RecordWriter& writer, uint8_t op, const Step& step) {
  writer.U8(op | (step.host != 0 ? kOpHasHost : uint8_t{0}));
  if (step.host != 0) writer.U8(step.host);
  writer.Delay(step.delay);
}

void WriteStep(RecordWriter& writer, const Step& step, const PauseStep&) {
  WriteHead(writer, kOpPause, step);
  writer.EndRecord();
}

void WriteStep(RecordWriter& writer, const Step& step, const FrameStep& frame) {
  const FramePlan plan = PlanFrame(frame.bytes, step.host);
  WriteHead(writer, static_cast<uint8_t>(kFrameOpBase + plan.index()), step);
  writer.U8((frame.bad_fcs ? kFrameBadFcs : uint8_t{0}) |
            (frame.repair_checksums ? kFrameRepair : uint8_t{0}));
  WriteFramePlan(writer, step.host, plan);
}

void WriteStep(RecordWriter& writer, const Step& step, const CallStep& call) {
  WriteHead(writer, OpOf(call), step);
  WriteCall(writer, step.host, call);
  writer.EndRecord();
}

// Steps that have no bytes yet.
template <typename What>
void WriteStep(RecordWriter& writer, const Step& step, const What&) {
  WriteStep(writer, step, PauseStep());
}

}  // namespace

Script DecodeScript(std::span<const uint8_t> bytes) {
  Script script;
  RecordReader reader(bytes);
  Duration duration_left = kScriptDurationMax;
  size_t frame_bytes_left = kDecodedFrameBytesMax;
  while (script.steps.size() < kDecodedStepsMax && reader.NextRecord()) {
    Step step;
    if (!ReadStep(reader, step) || FrameBytes(step) > frame_bytes_left) continue;
    step.delay = std::min(step.delay, duration_left);
    duration_left = duration_left - step.delay;
    frame_bytes_left -= FrameBytes(step);
    script.steps.push_back(std::move(step));
  }
  return script;
}

absl::StatusOr<std::vector<uint8_t>> EncodeScript(const Script& script) {
  CHECK(ValidateScript(script).ok());
  if (script.steps.size() > kDecodedStepsMax) {
    return absl::ResourceExhaustedError(absl::StrCat(
        script.steps.size(), " steps; the bytes spelling has at most ", kDecodedStepsMax));
  }
  RecordWriter writer;
  size_t frame_bytes = 0;
  for (const Step& step : script.steps) {
    frame_bytes += FrameBytes(step);
    std::visit([&](const auto& what) { WriteStep(writer, step, what); }, step.what);
  }
  if (frame_bytes > kDecodedFrameBytesMax) {
    return absl::ResourceExhaustedError(absl::StrCat(frame_bytes,
                                                     " bytes of frames; the bytes spelling has "
                                                     "at most ",
                                                     kDecodedFrameBytesMax));
  }
  return writer.Take();
}

}  // namespace tapedeck
