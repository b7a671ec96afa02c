#include "replay/script/counter_statement.h"

#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "replay/script/shell_words.h"

namespace tapedeck {
namespace {

using Action = absl::StatusOr<CommandAction>;

// The pattern of "grep [-q] PATTERN" that reads from a pipe.
absl::StatusOr<std::string> ParseGrep(const ShellCommand& command) {
  ShellWords words(command.words);
  if (words.name() != "grep") return words.Error("expected grep behind the pipe");
  words.TakeIf("-q");
  std::string pattern = words.Take();
  if (pattern.empty()) return words.Error("expected a pattern");
  if (absl::Status status = words.ExpectEnd(); !status.ok()) return status;
  return pattern;
}

// The value that " 2 " stands for in a line of nstat.
absl::StatusOr<uint64_t> ParseValue(const ShellCommand& command) {
  const absl::StatusOr<std::string> pattern = ParseGrep(command);
  if (!pattern.ok()) return pattern.status();
  uint64_t value = 0;
  if (pattern->front() == ' ' && pattern->back() == ' ' && absl::SimpleAtoi(*pattern, &value)) {
    return value;
  }
  return ShellWords(command.words)
      .Error(absl::StrCat("expected a number between spaces, found '", *pattern, "'"));
}

Action ParseNstat(const ShellPipeline& pipeline) {
  ShellWords words(pipeline.commands[0].words);
  const bool keeps = words.TakeIf("-s");
  const bool is_silent = words.TakeIf("-n");
  if (absl::Status status = words.ExpectEnd(); !status.ok()) return status;
  if (pipeline.commands.size() == 1) {
    if (keeps && !is_silent) return NoOperation();
    return NoteCounters();
  }
  if (is_silent || pipeline.commands.size() > 3) return words.Error("no such pipeline here");
  const absl::StatusOr<std::string> name = ParseGrep(pipeline.commands[1]);
  if (!name.ok()) return name.status();
  ExpectCounter out{*name, std::nullopt, !keeps};
  if (pipeline.commands.size() == 3) {
    const absl::StatusOr<uint64_t> value = ParseValue(pipeline.commands[2]);
    if (!value.ok()) return value.status();
    out.value = *value;
  }
  return out;
}

// The state column of a listening socket is 0A; its port is in hexadecimal.
Action ParseListener(const ShellPipeline& pipeline) {
  ShellWords words(pipeline.commands[0].words);
  if (absl::Status status = words.Expect(" 0A "); !status.ok()) return status;
  if (absl::Status status = words.Expect("/proc/net/tcp"); !status.ok()) return status;
  words.TakeIf("/proc/net/tcp6");
  if (absl::Status status = words.ExpectEnd(); !status.ok()) return status;
  if (pipeline.commands.size() != 2) return words.Error("expected a pipe to one grep \":PORT\"");
  const absl::StatusOr<std::string> pattern = ParseGrep(pipeline.commands[1]);
  if (!pattern.ok()) return pattern.status();
  uint16_t port = 0;
  const char* const end = pattern->data() + pattern->size();
  const auto [parsed_to, error] = std::from_chars(pattern->data() + 1, end, port, 16);
  if (pattern->front() != ':' || pattern->size() != 5 || error != std::errc() || parsed_to != end) {
    return words.Error(absl::StrCat("expected ':' and a port of 4 digits, found '", *pattern, "'"));
  }
  return ExpectListener{port};
}

}  // namespace

absl::StatusOr<CommandAction> ParseCounters(const ShellPipeline& pipeline) {
  const std::string_view name = ShellWords(pipeline.commands[0].words).name();
  return name == "nstat" ? ParseNstat(pipeline) : ParseListener(pipeline);
}

}  // namespace tapedeck
