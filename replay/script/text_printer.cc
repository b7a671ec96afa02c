// The way back: what text.h promises of PrintScript() and its parts.
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/script/code_text.h"
#include "replay/script/fault_text.h"
#include "replay/script/frame_text.h"
#include "replay/script/packet_text.h"
#include "replay/script/segment_text.h"
#include "replay/script/syscall_text.h"
#include "replay/script/text.h"
#include "replay/script/text_parser.h"
#include "stack/wire/describe.h"

namespace tapedeck {
namespace {

// "+0.1", "0.1", "*", "+0.1~+0.2", "+0...0.2"
void PrintTimes(std::string& out, const Step& step) {
  if (step.base == TimeBase::kAny) {
    out += '*';
    return;
  }
  const char* const sign = step.base == TimeBase::kStart ? "" : "+";
  absl::StrAppend(&out, sign, TimeText(step.delay));
  if (step.range.has_value()) {
    absl::StrAppend(&out, "~", sign, TimeText(step.delay + *step.range));
  }
  const auto* const call = std::get_if<SyscallStep>(&step.what);
  if (call != nullptr && call->returns_after.has_value()) {
    absl::StrAppend(&out, "...", TimeText(step.delay + *call->returns_after));
  }
}

void PrintCommand(std::string& out, const CommandStep& command) {
  absl::StrAppend(&out, "`", command.text, "`");
}

void PrintWhat(std::string& out, const PauseStep&) { out += "pause"; }
void PrintWhat(std::string& out, const FrameStep& frame) { PrintFrame(out, frame); }
void PrintWhat(std::string& out, const SegmentStep& segment) { PrintSegment(out, segment); }
void PrintWhat(std::string& out, const PacketStep& packet) { PrintPacket(out, packet); }
void PrintWhat(std::string& out, const SyscallStep& call) { PrintSyscall(out, call); }
void PrintWhat(std::string& out, const CommandStep& command) { PrintCommand(out, command); }
void PrintWhat(std::string& out, const CodeStep& code) { PrintCode(out, code); }
// All others: faults and settings.
template <typename What>
void PrintWhat(std::string& out, const What& fault) {
  PrintFault(out, fault);
}

}  // namespace

std::string PrintStep(const Step& step) {
  std::string out;
  PrintTimes(out, step);
  out += ' ';
  if (step.host != 0 || step.nic != 0) {
    absl::StrAppend(&out, "host ", static_cast<int>(step.host));
    if (step.nic != 0) absl::StrAppend(&out, " nic ", static_cast<int>(step.nic));
    out += ": ";
  }
  std::visit([&out](const auto& what) { PrintWhat(out, what); }, step.what);
  return out;
}

std::string PrintPacket(const PacketStep& packet) {
  std::string out;
  PrintPacket(out, packet);
  return out;
}

std::string PrintScript(const Script& script, const PrintOptions& options) {
  std::string out = PrintOptionLines(script.options);
  if (script.init.has_value()) {
    PrintCommand(out, *script.init);
    out += '\n';
  }
  for (const Step& step : script.steps) {
    const FrameStep* const frame = std::get_if<FrameStep>(&step.what);
    if (options.describe_frames && frame != nullptr) {
      absl::StrAppend(&out, "// ", wire::DescribeFrame(frame->bytes), "\n");
    }
    absl::StrAppend(&out, PrintStep(step), "\n");
  }
  if (script.cleanup.has_value()) {
    PrintCommand(out, *script.cleanup);
    out += '\n';
  }
  return out;
}

}  // namespace tapedeck
