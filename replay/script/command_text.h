// The text spelling of command lines: a shell's, as far as scripts use it.
#ifndef TAPEDECK_REPLAY_SCRIPT_COMMAND_TEXT_H_
#define TAPEDECK_REPLAY_SCRIPT_COMMAND_TEXT_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "replay/script/command.h"
#include "replay/script/text_parser.h"

namespace tapedeck {

// The files that command lines name.
struct CommandFiles {
  std::string_view script_name;  // paths count from the folder that it is in
  const std::function<absl::StatusOr<std::string>(const std::string& path)>& read;  // may be empty
};

// Parses the command line of `token`, a kCommand of `parser`; errors are the parser's.
void ParseCommand(TextParser& parser, const Token& token, const CommandFiles& files,
                  CommandStep& command);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_COMMAND_TEXT_H_
