#include "replay/script/command_text.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "replay/script/shell.h"
#include "replay/script/shell_statement.h"
#include "replay/script/shell_words.h"

namespace tapedeck {
namespace {

constexpr size_t kFileDepthMax = 8;

// A place in a script that lies `offset` bytes behind `place` in `text`.
TextPlace PlaceBehind(TextPlace place, std::string_view text, size_t offset) {
  for (const char c : text.substr(0, offset)) {
    place.column = c == '\n' ? 1 : place.column + 1;
    place.line += c == '\n';
  }
  return place;
}

// The path of a script that the command runs: "./defaults.sh", "bash x.sh", ". x.sh"; or nothing.
std::string ScriptPath(const ShellPipeline& pipeline) {
  ShellWords words(pipeline.commands[0].words);
  std::string path = pipeline.commands[0].words[0];
  const std::string_view name = words.name();
  if (name == "bash" || name == "sh" || name == "." || name == "source") path = words.Take();
  const bool is_script = path.size() > 3 && path.substr(path.size() - 3) == ".sh" &&
                         path.find("$PPID") == std::string::npos;
  return is_script && words.at_end() && pipeline.commands.size() == 1 ? path : std::string();
}

// Makes the commands of one command line, and of the files that it runs.
class CommandParser {
 public:
  CommandParser(TextParser& errors, const Token& token, const CommandFiles& files,
                std::vector<Command>& commands)
      : errors_(errors), files_(files), commands_(commands), text_(token.text) {
    begin_ = token.place;
    ++begin_.column;  // behind the backtick
  }

  void Parse() { ParseText(text_, std::string()); }

 private:
  // The commands of `text`: of the command line, or of the file `path`.
  void ParseText(std::string_view text, const std::string& path);
  void ParsePipeline(const ShellPipeline& pipeline, std::string_view text, const std::string& path);
  void ParseFile(const ShellPipeline& pipeline, const std::string& path,
                 std::string_view outer_text, const std::string& outer_path);
  void Fail(std::string_view text, const std::string& path, size_t offset,
            std::string_view message);

  TextParser& errors_;
  const CommandFiles& files_;
  std::vector<Command>& commands_;
  std::string_view text_;
  TextPlace begin_;
  size_t outer_offset_ = 0;  // of the command that runs the outermost file
  size_t depth_ = 0;
};

void CommandParser::Fail(std::string_view text, const std::string& path, size_t offset,
                         std::string_view message) {
  if (path.empty()) {
    errors_.FailAt(PlaceBehind(begin_, text, offset), message);
    return;
  }
  const TextPlace place = PlaceBehind(TextPlace(), text, offset);
  errors_.FailAt(
      PlaceBehind(begin_, text_, outer_offset_),
      absl::StrCat(path, ":", place.line, ":", place.column, ": ", std::string(message)));
}

void CommandParser::ParseText(std::string_view text, const std::string& path) {
  std::vector<ShellPipeline> pipelines;
  if (const auto error = ParseShell(text, pipelines); error.has_value()) {
    Fail(text, path, error->offset, error->message);
    return;
  }
  for (const ShellPipeline& pipeline : pipelines) {
    if (!errors_.ok()) return;
    ParsePipeline(pipeline, text, path);
  }
}

void CommandParser::ParsePipeline(const ShellPipeline& pipeline, std::string_view text,
                                  const std::string& path) {
  if (path.empty()) outer_offset_ = pipeline.offset;
  if (const std::string script = ScriptPath(pipeline); !script.empty()) {
    ParseFile(pipeline, script, text, path);
    return;
  }
  absl::StatusOr<CommandAction> action = ParseStatement(pipeline);
  if (action.ok()) {
    commands_.push_back({pipeline.condition, *std::move(action), std::string(pipeline.text)});
  } else {
    Fail(text, path, pipeline.offset, std::string(action.status().message()));
  }
}

void CommandParser::ParseFile(const ShellPipeline& pipeline, const std::string& path,
                              std::string_view outer_text, const std::string& outer_path) {
  const auto fail = [&](std::string_view message) {
    Fail(outer_text, outer_path, pipeline.offset, message);
  };
  if (!files_.read) return fail(absl::StrCat(path, ": no files are read here"));
  // Its commands always run; were it skipped, they would have to be skipped together.
  if (pipeline.condition != Command::Condition::kAlways) {
    return fail(absl::StrCat(path, ": a script behind && or || is not known here"));
  }
  if (++depth_ > kFileDepthMax)
    return fail(absl::StrCat(path, ": scripts run each other too deep"));
  const size_t slash = files_.script_name.rfind('/');
  const std::string folder(slash == std::string_view::npos
                               ? std::string_view()
                               : files_.script_name.substr(0, slash + 1));
  const absl::StatusOr<std::string> content =
      files_.read(path[0] == '/' ? path : absl::StrCat(folder, path));
  if (!content.ok()) return fail(std::string(content.status().message()));
  ParseText(*content, path);
  --depth_;
}

}  // namespace

void ParseCommand(TextParser& parser, const Token& token, const CommandFiles& files,
                  CommandStep& command) {
  if (!parser.ok()) return;
  command.text = std::string(token.text);
  CommandParser(parser, token, files, command.commands).Parse();
}

}  // namespace tapedeck
