#include "replay/script/text.h"

#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/script/call_text.h"
#include "replay/script/frame_text.h"
#include "replay/script/text_parser.h"
#include "stack/wire/describe.h"

namespace tapedeck {
namespace {

// Parses step after step. Keeps the time, which absolute times need.
class ScriptParser {
 public:
  ScriptParser(std::string_view text, std::string_view name) : parser_(text, name) {}

  absl::StatusOr<Script> Parse();

 private:
  // When a step begins, and when the call it makes returns.
  struct Times {
    Duration begin;
    std::optional<Duration> end;
  };

  void ParseStep(Step& step);
  // Both times counted from the start of the script.
  Times ParseTimes();
  void ParseWhat(Step& step, const Times& times);
  void CheckStep(const Step& step, TextPlace place);

  TextParser parser_;
  Script script_;
  Duration now_;  // when the step before began, from the start of the script
};

absl::StatusOr<Script> ScriptParser::Parse() {
  while (parser_.ok() && parser_.Peek().kind != TokenKind::kEnd) {
    if (script_.steps.size() == kStepsMax) {
      parser_.FailAt(parser_.Peek().place, absl::StrCat("more than ", kStepsMax, " steps"));
      break;
    }
    ParseStep(script_.steps.emplace_back());
  }
  if (!parser_.ok()) return parser_.status();
  return std::move(script_);
}

void ScriptParser::ParseStep(Step& step) {
  const TextPlace place = parser_.Peek().place;
  step.line = place.line;
  const Times times = ParseTimes();
  step.delay = times.begin - now_;
  ParseWhat(step, times);
  CheckStep(step, place);
  now_ = times.begin;
}

ScriptParser::Times ScriptParser::ParseTimes() {
  const Token first = parser_.Peek();
  const Duration base = parser_.TakeIf("+") ? now_ : Duration();
  Times times = {base + parser_.Time(), std::nullopt};
  if (times.begin < now_) {
    parser_.FailAt(first.place, "a time before that of the step ahead");
  }
  if (times.begin > kScriptDurationMax) {
    parser_.FailAt(first.place,
                   absl::StrCat("a time beyond ", kScriptDurationMax.seconds() / 86'400, " days"));
  }
  if (parser_.Peek().kind == TokenKind::kEllipsis) {
    parser_.Take();
    times.end = base + parser_.Time();
    if (*times.end < times.begin) {
      parser_.FailAt(first.place, "a call that returns before it is made");
    }
  }
  return times;
}

void ScriptParser::ParseWhat(Step& step, const Times& times) {
  const bool names_host = parser_.TakeIf("host");
  if (names_host) {
    step.host = static_cast<uint8_t>(parser_.Integer(0, kHostsMax - 1, "a host"));
    parser_.Expect(":");
  }
  const Token& next = parser_.Peek();
  // A time alone is a pause: the next thing is another time, or nothing.
  const bool ends = next.kind == TokenKind::kNumber || next.kind == TokenKind::kEnd || next.Is("+");
  if (times.end.has_value() ||
      (next.kind == TokenKind::kWord && !next.Is("frame") && !next.Is("pause"))) {
    if (next.kind != TokenKind::kWord) parser_.FailAt(next, "a system call");
    CallStep& call = step.what.emplace<CallStep>();
    if (times.end.has_value()) call.returns_after = *times.end - times.begin;
    ParseCall(parser_, call);
  } else if (next.Is("frame")) {
    ParseFrame(parser_, step.what.emplace<FrameStep>());
  } else if (!parser_.TakeIf("pause") && (!ends || names_host)) {
    parser_.FailAt(next, "a system call, frame or pause");
  }
}

void ScriptParser::CheckStep(const Step& step, TextPlace place) {
  if (!parser_.ok()) return;
  const absl::Status status = ValidateStep(step);
  if (!status.ok()) parser_.FailAt(place, std::string(status.message()));
}

// Seconds, without zeros that say nothing.
std::string TimeText(Duration time) {
  std::string out = absl::StrCat(time.seconds());
  const uint64_t fraction_ps = time.ps % Duration::Seconds(1).ps;
  if (fraction_ps == 0) return out;
  absl::StrAppendFormat(&out, ".%012u", fraction_ps);
  while (out.back() == '0') out.pop_back();
  return out;
}

void PrintWhat(std::string& out, const PauseStep&) { out += "pause"; }
void PrintWhat(std::string& out, const FrameStep& frame) { PrintFrame(out, frame); }
void PrintWhat(std::string& out, const CallStep& call) { PrintCall(out, call); }
void PrintWhat(std::string& out, const PacketStep&) { out += "packet"; }
void PrintWhat(std::string& out, const SyscallStep& call) { out += NameOf(call.name); }
void PrintWhat(std::string& out, const CommandStep& command) { out += command.text; }
void PrintWhat(std::string& out, const CodeStep&) { out += "code"; }

}  // namespace

absl::StatusOr<Script> ParseScript(std::string_view text, std::string_view name,
                                   const ParseOptions&) {
  return ScriptParser(text, name).Parse();
}

std::string PrintStep(const Step& step) {
  std::string out = absl::StrCat("+", TimeText(step.delay));
  const CallStep* const call = std::get_if<CallStep>(&step.what);
  if (call != nullptr && call->returns_after.has_value()) {
    absl::StrAppend(&out, "...", TimeText(step.delay + *call->returns_after));
  }
  out += ' ';
  if (step.host != 0) absl::StrAppend(&out, "host ", static_cast<int>(step.host), ": ");
  std::visit([&out](const auto& what) { PrintWhat(out, what); }, step.what);
  return out;
}

std::string PrintScript(const Script& script, const PrintOptions& options) {
  std::string out;
  for (const Step& step : script.steps) {
    const FrameStep* const frame = std::get_if<FrameStep>(&step.what);
    if (options.describe_frames && frame != nullptr) {
      absl::StrAppend(&out, "// ", wire::DescribeFrame(frame->bytes), "\n");
    }
    absl::StrAppend(&out, PrintStep(step), "\n");
  }
  return out;
}

}  // namespace tapedeck
