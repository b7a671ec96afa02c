// Pipelines that look at the stack's counters and sockets: nstat(8) and /proc/net/tcp through
// grep(1).
#ifndef TAPEDECK_REPLAY_SCRIPT_COUNTER_STATEMENT_H_
#define TAPEDECK_REPLAY_SCRIPT_COUNTER_STATEMENT_H_

#include "absl/status/statusor.h"
#include "replay/script/command.h"
#include "replay/script/shell.h"

namespace tapedeck {

//   nstat [-n]
//   nstat [-s] | grep NAME [| grep [-q] " VALUE "]
//   grep " 0A " /proc/net/tcp [/proc/net/tcp6] | grep ":1F90"
absl::StatusOr<CommandAction> ParseCounters(const ShellPipeline& pipeline);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_COUNTER_STATEMENT_H_
