#include "replay/script/shell_statement.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "replay/script/counter_statement.h"
#include "replay/script/ip_statement.h"
#include "replay/script/shell_words.h"

namespace tapedeck {
namespace {

using Action = absl::StatusOr<CommandAction>;

constexpr std::string_view kSysctlFolder = "/proc/sys/";
constexpr std::string_view kModuleFolder = "/sys/module/";
constexpr std::string_view kRestoreScript = "/tmp/sysctl_restore_";

// "net.ipv4.tcp_ecn" and "/proc/sys/net/ipv4/tcp_ecn" are net/ipv4/tcp_ecn. sysctl(8): where a
// slash comes first, dots are just dots.
std::string SysctlPath(std::string_view name) {
  if (name.substr(0, kSysctlFolder.size()) == kSysctlFolder) {
    name.remove_prefix(kSysctlFolder.size());
  }
  std::string path(name);
  const size_t separator = path.find_first_of("./");
  if (separator == std::string::npos || path[separator] == '/') return path;
  for (char& c : path) {
    if (c == '.' || c == '/') c = c == '.' ? '/' : '.';
  }
  return path;
}

absl::StatusOr<SysctlSetting> ParseSetting(const ShellWords& words, std::string_view word) {
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return words.Error(absl::StrCat("expected name=value, found '", std::string(word), "'"));
  }
  return SysctlSetting{SysctlPath(word.substr(0, equals)), std::string(word.substr(equals + 1))};
}

// sysctl [-q] [-w] [-e] name=value ...
Action ParseSysctl(ShellWords words) {
  SetSysctls out;
  for (; !words.at_end(); words.Take()) {
    const std::string_view word = words.Peek();
    if (word == "-q" || word == "-w") continue;
    if (word == "-e") {
      out.ignore_unknown = true;
      continue;
    }
    absl::StatusOr<SysctlSetting> setting = ParseSetting(words, word);
    if (!setting.ok()) return setting.status();
    out.settings.push_back(*std::move(setting));
  }
  if (out.settings.empty()) return words.Error("expected name=value");
  return out;
}

// set_sysctls.py /proc/sys/path=value ...
Action ParseSetSysctls(ShellWords words) {
  SaveAndSetSysctls out;
  for (; !words.at_end(); words.Take()) {
    absl::StatusOr<SysctlSetting> setting = ParseSetting(words, words.Peek());
    if (!setting.ok()) return setting.status();
    out.settings.push_back(*std::move(setting));
  }
  return out;
}

// echo words > path
Action ParseEcho(ShellWords words, std::string_view path) {
  std::string value;
  while (!words.at_end()) absl::StrAppend(&value, value.empty() ? "" : " ", words.Take());
  if (path.empty()) return NoOperation();
  if (path.substr(0, kSysctlFolder.size()) == kSysctlFolder) {
    return SetSysctls{{{SysctlPath(path), value}}, false};
  }
  constexpr std::string_view kParameters = "/parameters/";
  const size_t parameters = path.find(kParameters);
  if (path.substr(0, kModuleFolder.size()) == kModuleFolder &&
      parameters != std::string_view::npos) {
    return SetModuleParameter{
        std::string(path.substr(kModuleFolder.size(), parameters - kModuleFolder.size())),
        std::string(path.substr(parameters + kParameters.size())), value};
  }
  return words.Error(absl::StrCat("cannot write to '", std::string(path),
                                  "': only to /proc/sys/ and /sys/module/"));
}

// tc qdisc add|replace|change|delete dev NAME root [KIND [limit N]]
Action ParseTc(ShellWords words) {
  ChangeQdisc out;
  if (absl::Status status = words.Expect("qdisc"); !status.ok()) return status;
  const std::string action = words.Take();
  if (action == "add") {
    out.action = ChangeQdisc::Action::kAdd;
  } else if (action == "delete" || action == "del") {
    out.action = ChangeQdisc::Action::kDelete;
  } else if (action != "replace" && action != "change") {
    return words.Error(
        absl::StrCat("expected add, replace, change or delete, found '", action, "'"));
  }
  if (absl::Status status = words.Expect("dev"); !status.ok()) return status;
  out.device = words.Take();
  if (absl::Status status = words.Expect("root"); !status.ok()) return status;
  if (!words.at_end()) out.kind = words.Take();
  if (!words.at_end()) {
    if (absl::Status status = words.Expect("limit"); !status.ok()) return status;
    absl::StatusOr<uint32_t> limit = words.TakeNumber();
    if (!limit.ok()) return limit.status();
    out.limit = *limit;
  }
  if (out.kind.empty() && out.action != ChangeQdisc::Action::kDelete) {
    return words.Error("expected a kind of queue");
  }
  if (absl::Status status = words.ExpectEnd(); !status.ok()) return status;
  return out;
}

std::optional<bool>* FindOffload(ChangeOffloads& offloads, std::string_view name) {
  if (name == "tso" || name == "tcp-segmentation-offload") return &offloads.tso;
  if (name == "gso" || name == "generic-segmentation-offload") return &offloads.gso;
  if (name == "gro" || name == "generic-receive-offload") return &offloads.gro;
  if (name == "rx-udp-gro-forwarding") return &offloads.udp_gro_forwarding;
  if (name == "tx" || name == "tx-checksumming") return &offloads.tx_checksum;
  if (name == "rx" || name == "rx-checksumming") return &offloads.rx_checksum;
  return nullptr;
}

// ethtool -K NAME tso off gso on ...
Action ParseEthtool(ShellWords words) {
  ChangeOffloads out;
  if (absl::Status status = words.Expect("-K"); !status.ok()) return status;
  out.device = words.Take();
  while (!words.at_end()) {
    const std::string name = words.Take();
    std::optional<bool>* const offload = FindOffload(out, name);
    const std::string value = words.Take();
    if (offload == nullptr) return words.Error(absl::StrCat("no offload '", name, "' here"));
    if (value != "on" && value != "off") {
      return words.Error(absl::StrCat("expected on or off, found '", value, "'"));
    }
    *offload = value == "on";
  }
  return out;
}

// sleep SECONDS, to the microsecond
Action ParseSleep(ShellWords words) {
  const std::string word = words.Take();
  const size_t point = std::min(word.find('.'), word.size());
  std::string fraction = word.substr(std::min(point + 1, word.size()));
  fraction.resize(6, '0');
  uint32_t seconds = 0;
  uint32_t us = 0;
  const std::string whole = point == 0 ? "0" : word.substr(0, point);
  if (word.empty() || !absl::SimpleAtoi(whole, &seconds) || seconds > 86'400 ||
      !absl::SimpleAtoi(fraction, &us)) {
    return words.Error(absl::StrCat("expected seconds up to a day, found '", word, "'"));
  }
  return Sleep{Duration::Seconds(seconds) + Duration::Microseconds(us)};
}

// rm -f PATH
Action ParseRm(ShellWords words) {
  if (words.Peek() == "-f") words.Take();
  RemoveFile out{words.Take()};
  if (out.path.empty()) return words.Error("expected a path");
  if (absl::Status status = words.ExpectEnd(); !status.ok()) return status;
  return out;
}

// dd if=/dev/zero of=PATH bs=N count=N [status=...]
Action ParseDd(ShellWords words) {
  CreateFile out;
  std::optional<uint64_t> block;
  std::optional<uint64_t> count;
  bool has_zeros = false;
  while (!words.at_end()) {
    const std::string word = words.Take();
    const size_t equals = std::min(word.find('='), word.size() - 1);
    const std::string_view name = std::string_view(word).substr(0, equals);
    const std::string value = word.substr(equals + 1);
    uint64_t number = 0;
    const bool is_number = absl::SimpleAtoi(value, &number) && number <= UINT32_MAX;
    if (name == "if" && value == "/dev/zero") {
      has_zeros = true;
    } else if (name == "of") {
      out.path = value;
    } else if (name == "bs" && is_number) {
      block = number;
    } else if (name == "count" && is_number) {
      count = number;
    } else if (name != "status") {
      return words.Error(absl::StrCat("no '", word, "' here"));
    }
  }
  if (!has_zeros || out.path.empty() || !block.has_value() || !count.has_value()) {
    return words.Error("expected if=/dev/zero, of=, bs= and count=");
  }
  out.bytes = *block * *count;
  return out;
}

Action ParseOne(const ShellCommand& command) {
  ShellWords words(command.words);
  const std::string_view name = words.name();
  if (!command.output_path.empty() && name != "echo") {
    return words.Error(absl::StrCat("cannot write to '", command.output_path, "'"));
  }
  if (name == "sysctl") return ParseSysctl(words);
  if (name == "set_sysctls.py") return ParseSetSysctls(words);
  if (command.words[0].substr(0, kRestoreScript.size()) == kRestoreScript) return RestoreSysctls();
  if (name == "echo") return ParseEcho(words, command.output_path);
  if (name == "ip") return ParseIp(words);
  if (name == "tc") return ParseTc(words);
  if (name == "ethtool") return ParseEthtool(words);
  if (name == "sleep") return ParseSleep(words);
  if (name == "rm") return ParseRm(words);
  if (name == "dd") return ParseDd(words);
  if (name == "true" || name == ":") return NoOperation();
  return words.Error("no such command here");
}

}  // namespace

absl::StatusOr<CommandAction> ParseStatement(const ShellPipeline& pipeline) {
  const std::string_view name = ShellWords(pipeline.commands[0].words).name();
  if (name == "nstat" || name == "grep") return ParseCounters(pipeline);
  if (pipeline.commands.size() > 1) {
    return ShellWords(pipeline.commands[1].words).Error("no such pipeline here");
  }
  return ParseOne(pipeline.commands[0]);
}

}  // namespace tapedeck
