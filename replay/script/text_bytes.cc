#include "replay/script/text_bytes.h"

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "replay/script/text.h"

namespace tapedeck {
namespace {

// The commands as they stand in one command line, those of files that it runs among them: bytes do
// not refer to files.
CommandStep Flat(const CommandStep& step) {
  CommandStep out = step;
  out.text.clear();
  for (const Command& command : step.commands) {
    switch (command.condition) {
      case Command::Condition::kAlways:
        if (!out.text.empty()) out.text += '\n';
        break;
      case Command::Condition::kIfHeld:
        out.text += " && ";
        break;
      case Command::Condition::kIfFailed:
        out.text += " || ";
        break;
    }
    out.text += command.text;
  }
  return out;
}

absl::StatusOr<Script> ParsePart(std::string_view text) {
  ParseOptions options;
  options.is_part = true;
  return ParseScript(text, "record", options);
}

// Writes `text` if it reads as `script`.
absl::Status WriteIfSame(RecordWriter& writer, std::string_view text, const Script& script) {
  if (text.size() > kTextBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a statement of ", text.size(), " bytes, at most ", kTextBytesMax));
  }
  const absl::StatusOr<Script> parsed = ParsePart(text);
  if (!parsed.ok() || !(*parsed == script)) {
    return absl::InvalidArgumentError(
        absl::StrCat("its text does not say what it is: ", std::string(text)));
  }
  writer.U8(kOpText);
  writer.Bytes({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  writer.EndRecordAsIs();
  return absl::OkStatus();
}

absl::Status WriteUntimedCommand(RecordWriter& writer, const CommandStep& command) {
  Script part;
  part.init = Flat(command);
  return WriteIfSame(writer, PrintScript(part), part);
}

}  // namespace

std::optional<Step> ReadText(RecordReader& reader, Script& script) {
  std::vector<uint8_t> bytes;
  reader.Rest(kTextBytesMax, bytes);
  absl::StatusOr<Script> part =
      ParsePart({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!part.ok() || part->cleanup.has_value()) return std::nullopt;
  if (part->steps.size() + part->init.has_value() > 1) return std::nullopt;
  script.options.Override(part->options);
  if (part->init.has_value()) {
    const bool is_first = script.steps.empty() && !script.init.has_value();
    std::optional<CommandStep>& command = is_first ? script.init : script.cleanup;
    if (!command.has_value()) command = std::move(part->init);
  }
  if (part->steps.empty()) return std::nullopt;
  part->steps[0].line = 0;
  return std::move(part->steps[0]);
}

absl::Status WriteTextBeforeSteps(RecordWriter& writer, const Script& script) {
  Script part;
  part.options = script.options;
  const std::string lines = PrintOptionLines(script.options);
  if (!lines.empty()) {
    if (absl::Status status = WriteIfSame(writer, lines, part); !status.ok()) return status;
  }
  return script.init.has_value() ? WriteUntimedCommand(writer, *script.init) : absl::OkStatus();
}

absl::Status WriteTextAfterSteps(RecordWriter& writer, const Script& script) {
  return script.cleanup.has_value() ? WriteUntimedCommand(writer, *script.cleanup)
                                    : absl::OkStatus();
}

absl::Status WriteTextStep(RecordWriter& writer, const Step& step) {
  Script part;
  part.steps.push_back(step);
  if (auto* const command = std::get_if<CommandStep>(&part.steps[0].what)) {
    *command = Flat(*command);
  }
  return WriteIfSame(writer, PrintStep(part.steps[0]), part);
}

}  // namespace tapedeck
