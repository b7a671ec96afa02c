// What the programs that scripts run mean, as statements on the Lab.
#ifndef TAPEDECK_REPLAY_SCRIPT_SHELL_STATEMENT_H_
#define TAPEDECK_REPLAY_SCRIPT_SHELL_STATEMENT_H_

#include "absl/status/statusor.h"
#include "replay/script/command.h"
#include "replay/script/shell.h"

namespace tapedeck {

// The statement that a pipeline stands for. An error names the command and what is wrong with it:
// "iptables: no such command here", "tc: expected 'root', found 'parent'".
absl::StatusOr<CommandAction> ParseStatement(const ShellPipeline& pipeline);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_SHELL_STATEMENT_H_
