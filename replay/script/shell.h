// The words of a shell's command lines, as far as scripts use the shell: lists, pipelines,
// redirections, quotes, $((arithmetic)) and $PPID. Nothing is run here or anywhere.
#ifndef TAPEDECK_REPLAY_SCRIPT_SHELL_H_
#define TAPEDECK_REPLAY_SCRIPT_SHELL_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replay/script/command.h"

namespace tapedeck {

// One program with its arguments.
struct ShellCommand {
  std::vector<std::string> words;  // expanded, without quotes; $PPID stays as it is
  std::string output_path;         // "> path"; empty: nowhere that matters (/dev/null, 2>&1)
};

// Programs joined by |.
struct ShellPipeline {
  Command::Condition condition = Command::Condition::kAlways;
  std::vector<ShellCommand> commands;  // not empty
  std::string_view text;               // as it is written
  size_t offset = 0;                   // of it in the whole
};

// Where a text is wrong, and how: "expected what, found what".
struct ShellError {
  size_t offset = 0;
  std::string message;
};

// Appends the pipelines of `text`, which must outlive them. None: it is well.
std::optional<ShellError> ParseShell(std::string_view text, std::vector<ShellPipeline>& pipelines);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_SHELL_H_
