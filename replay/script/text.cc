#include "replay/script/text.h"

#include <fstream>
#include <iterator>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "replay/script/code_text.h"
#include "replay/script/command_text.h"
#include "replay/script/fault_text.h"
#include "replay/script/frame_text.h"
#include "replay/script/packet_text.h"
#include "replay/script/segment_text.h"
#include "replay/script/syscall_text.h"
#include "replay/script/text_parser.h"

namespace tapedeck {
namespace {

// Parses step after step. Keeps the time, which absolute times need.
class ScriptParser {
 public:
  ScriptParser(std::string_view text, std::string_view name, const ParseOptions& options)
      : parser_(text, name),
        options_(options),
        files_{name, options.read_file},
        clock_(options.is_part ? StepClock::InTheMiddle() : StepClock()) {}

  absl::StatusOr<Script> Parse();

 private:
  // When a step happens, and when the call it makes returns.
  struct Times {
    TimeBase base = TimeBase::kStepBefore;
    Duration begin;                   // from `base`
    std::optional<Duration> latest;   // of a range, likewise
    std::optional<Duration> returns;  // likewise
    TextPlace place;
  };

  // The lines at the top: "--name=value".
  void ParseOptionLines();
  void ParseOptionLine();
  // A command line without a time: the first or the last statement.
  void ParseUntimedCommand();
  void ParseStep(Step& step);
  Times ParseTimes();
  // What `times` are for the step, counted from the step before if that is known.
  void SetTimes(const Times& times, Step& step);
  void ParseWhat(Step& step, const Times& times);
  void CheckStep(const Step& step, TextPlace place);

  TextParser parser_;
  const ParseOptions& options_;
  CommandFiles files_;
  TextParser::Defines defines_;
  Script script_;
  StepClock clock_;
};

absl::StatusOr<Script> ScriptParser::Parse() {
  ParseOptionLines();
  while (parser_.ok() && parser_.Peek().kind != TokenKind::kEnd) {
    if (script_.steps.size() == kStepsMax) {
      parser_.FailAt(parser_.Peek().place, absl::StrCat("more than ", kStepsMax, " steps"));
    } else if (parser_.Peek().kind == TokenKind::kCommand) {
      ParseUntimedCommand();
    } else {
      ParseStep(script_.steps.emplace_back());
    }
  }
  if (!parser_.ok()) return parser_.status();
  return std::move(script_);
}

void ScriptParser::ParseOptionLines() {
  while (parser_.ok() && parser_.Peek().Is("-")) ParseOptionLine();
  // A script that is written for one IP version stays with it: who asks for another sees that.
  const std::optional<IpVersion> own_version = script_.options.ip_version;
  script_.options.Override(options_.options);
  if (own_version.has_value()) script_.options.ip_version = own_version;
  // Once they have stood for what they mean, they are no part of the script.
  defines_ = std::exchange(script_.options.defines, {});
  parser_.set_defines(&defines_);
}

void ScriptParser::ParseOptionLine() {
  const Token token = parser_.TakeRaw();
  std::string_view text = token.text;
  if (text.substr(0, 2) != "--") {
    parser_.FailAt(token, "an option or a step");
    return;
  }
  text.remove_prefix(2);
  const size_t equals = text.find('=');
  const std::optional<std::string_view> value =
      equals == std::string_view::npos ? std::nullopt : std::optional(text.substr(equals + 1));
  const absl::Status status = script_.options.Set(text.substr(0, equals), value);
  if (!status.ok()) parser_.FailAt(token.place, std::string(status.message()));
}

void ScriptParser::ParseUntimedCommand() {
  const bool is_first = script_.steps.empty() && !script_.init.has_value();
  std::optional<CommandStep>& command = is_first ? script_.init : script_.cleanup;
  ParseCommand(parser_, parser_.Take(), files_, command.emplace());
  if (!is_first && parser_.Peek().kind != TokenKind::kEnd) {
    parser_.FailAt(parser_.Peek(), "the end: a command line without a time is the last one");
  }
}

void ScriptParser::ParseStep(Step& step) {
  const Times times = ParseTimes();
  step.line = times.place.line;
  SetTimes(times, step);
  ParseWhat(step, times);
  CheckStep(step, times.place);
}

ScriptParser::Times ScriptParser::ParseTimes() {
  Times times;
  times.place = parser_.Peek().place;
  if (parser_.TakeIf("*")) {
    times.base = TimeBase::kAny;
    return times;
  }
  const bool is_relative = parser_.TakeIf("+");
  if (!is_relative) times.base = TimeBase::kStart;
  times.begin = parser_.Time();
  if (parser_.TakeIf("~")) {
    if (is_relative) parser_.TakeIf("+");
    times.latest = parser_.Time();
  } else if (parser_.Peek().kind == TokenKind::kEllipsis) {
    parser_.Take();
    times.returns = parser_.Time();
  }
  if (times.latest.has_value() && *times.latest < times.begin) {
    parser_.FailAt(times.place, "a range that ends before it begins");
  }
  if (times.returns.has_value() && *times.returns < times.begin) {
    parser_.FailAt(times.place, "a call that returns before it is made");
  }
  return times;
}

void ScriptParser::SetTimes(const Times& times, Step& step) {
  if (times.latest.has_value()) step.range = *times.latest - times.begin;
  step.base = times.base;
  step.delay = times.begin;
  if (times.base == TimeBase::kAny) return;
  const bool is_absolute = times.base == TimeBase::kStart;
  const Duration base = is_absolute ? Duration() : clock_.now();
  if (base + times.begin > kScriptDurationMax) {
    parser_.FailAt(times.place,
                   absl::StrCat("a time beyond ", kScriptDurationMax.seconds() / 86'400, " days"));
  } else if (base + times.begin < clock_.now() && clock_.is_known()) {
    parser_.FailAt(times.place, "a time before that of the step ahead");
  } else if (is_absolute && clock_.is_exact()) {
    step.base = TimeBase::kStepBefore;
    step.delay = times.begin - clock_.now();
  }
}

void ScriptParser::ParseWhat(Step& step, const Times& times) {
  const bool names_host = parser_.TakeIf("host");
  if (names_host) {
    step.host = static_cast<uint8_t>(parser_.Integer(0, kHostsMax - 1, "a host"));
    if (parser_.TakeIf("nic")) {
      step.nic = static_cast<uint8_t>(parser_.Integer(0, kNicsMax - 1, "a NIC"));
    }
    parser_.Expect(":");
  }
  const Token next = parser_.Peek();
  // A time alone is a pause: the next thing is another time, or nothing.
  const bool ends = next.kind == TokenKind::kNumber || next.kind == TokenKind::kEnd ||
                    next.Is("+") || next.Is("*");
  const bool is_fault = next.kind == TokenKind::kWord && BeginsFaultStatement(next.text);
  const bool is_call = next.kind == TokenKind::kWord && !next.Is("frame") && !next.Is("segment") &&
                       !next.Is("pause") && !is_fault;
  if (times.returns.has_value() && !is_call) parser_.FailAt(next, "a system call");
  if (is_call) {
    SyscallStep& call = step.what.emplace<SyscallStep>();
    if (times.returns.has_value()) call.returns_after = *times.returns - times.begin;
    ParseSyscall(parser_, call);
  } else if (next.Is("<") || next.Is(">")) {
    ParsePacket(parser_, step.what.emplace<PacketStep>());
  } else if (next.kind == TokenKind::kCommand) {
    ParseCommand(parser_, parser_.Take(), files_, step.what.emplace<CommandStep>());
  } else if (next.kind == TokenKind::kCode) {
    ParseCode(parser_, parser_.Take(), step.what.emplace<CodeStep>());
  } else if (next.Is("frame")) {
    ParseFrame(parser_, step.what.emplace<FrameStep>());
  } else if (next.Is("segment")) {
    ParseSegment(parser_, step.what.emplace<SegmentStep>());
  } else if (is_fault) {
    ParseFaultStatement(parser_, step);
  } else if (!parser_.TakeIf("pause") && (!ends || names_host)) {
    parser_.FailAt(next,
                   "a packet, a system call, a command line, code, frame, segment, fault or pause");
  }
}

void ScriptParser::CheckStep(const Step& step, TextPlace place) {
  if (!parser_.ok()) return;
  absl::Status status = ValidateStep(step);
  if (status.ok()) status = clock_.Add(step);
  if (!status.ok()) parser_.FailAt(place, std::string(status.message()));
}

}  // namespace

absl::StatusOr<std::string> ReadScriptFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

absl::StatusOr<Script> ParseScript(std::string_view text, std::string_view name,
                                   const ParseOptions& options) {
  return ScriptParser(text, name, options).Parse();
}

}  // namespace tapedeck
