// ip(8) in scripts: routes, links, and what is known of TCP peers.
#ifndef TAPEDECK_REPLAY_SCRIPT_IP_STATEMENT_H_
#define TAPEDECK_REPLAY_SCRIPT_IP_STATEMENT_H_

#include "absl/status/statusor.h"
#include "replay/script/command.h"
#include "replay/script/shell_words.h"

namespace tapedeck {

//   ip tcp_metrics flush [all]
//   ip [-4|-6] route add|change|replace|delete PREFIX [via ADDRESS] [dev NAME] [metrics]
//   ip link set [dev] NAME [mtu N] [up|down]
absl::StatusOr<CommandAction> ParseIp(ShellWords words);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_IP_STATEMENT_H_
