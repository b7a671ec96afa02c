// Runs the commands of a script on its host: what sysctl, ip, tc, ethtool and nstat would do there.
#ifndef TAPEDECK_REPLAY_LAB_COMMAND_RUNNER_H_
#define TAPEDECK_REPLAY_LAB_COMMAND_RUNNER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "replay/script/command.h"
#include "stack/host.h"

namespace tapedeck {

class CommandRunner {
 public:
  // `host`, whose address is `local`, must outlive it.
  CommandRunner(Host& host, const IpAddress& local) : host_(host), local_(local) {}

  // Runs `step`, letting the Lab's time pass where it sleeps. FailedPrecondition where it fails:
  // "`sysctl -q net.ipv4.x=1`: net/ipv4/x: no such setting".
  absl::Status Run(const CommandStep& step);

 private:
  absl::Status Do(const NoOperation&) { return absl::OkStatus(); }
  absl::Status Do(const SetSysctls& command);
  absl::Status Do(const SaveAndSetSysctls& command);
  absl::Status Do(const RestoreSysctls& command);
  absl::Status Do(const SetModuleParameter& command);
  absl::Status Do(const FlushTcpMetrics& command);
  absl::Status Do(const ChangeQdisc& command);
  absl::Status Do(const ChangeRoute& command);
  absl::Status Do(const ChangeLink& command);
  absl::Status Do(const ChangeOffloads& command);
  absl::Status Do(const Sleep& command);
  absl::Status Do(const NoteCounters& command);
  absl::Status Do(const ExpectCounter& command);
  absl::Status Do(const ExpectListener& command);
  absl::Status Do(const CreateFile& command);
  absl::Status Do(const RemoveFile& command);

  absl::Status WriteSysctl(const SysctlSetting& setting);
  absl::Status WriteAll(const std::vector<SysctlSetting>& settings, bool ignore_unknown);

  Host& host_;
  IpAddress local_;
  std::vector<SysctlSetting> saved_;
  // Counters as nstat would name them, when they were last noted.
  std::map<std::string, uint64_t, std::less<>> noted_;
};

// All MIB counters of a host by their names in nstat: "TcpExtTCPRcvQDrop".
std::map<std::string, uint64_t, std::less<>> CountersOf(const net& network);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_COMMAND_RUNNER_H_
