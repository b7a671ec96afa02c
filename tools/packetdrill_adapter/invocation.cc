#include "tools/packetdrill_adapter/invocation.h"

#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "replay/script/options.h"

namespace tapedeck::adapter {
namespace {

// "--name=value" into `options`; what is no option of a script's is the program's own.
absl::Status TakeOption(std::string_view text, ScriptOptions* options) {
  text.remove_prefix(2);
  const size_t equals = text.find('=');
  std::optional<std::string_view> value;
  if (equals != std::string_view::npos) value = text.substr(equals + 1);
  constexpr std::string_view kKnown[] = {"ip_version", "local_ip",   "remote_ip",
                                         "gateway_ip", "netmask_ip", "bind_port",
                                         "mtu",        "mss",        "connect_port"};
  const std::string_view name = text.substr(0, equals);
  for (const std::string_view known : kKnown) {
    if (name == known) return options->Set(name, value);
  }
  return absl::OkStatus();
}

// The options at the head of a script: lines that start with "--", before anything but comments.
absl::Status ReadScriptHead(const std::string& path, ScriptOptions* options) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  std::string line;
  while (std::getline(file, line)) {
    const size_t start = line.find_first_not_of(" \t");
    if (start == std::string::npos || line.compare(start, 2, "//") == 0) continue;
    if (line.compare(start, 2, "--") != 0) break;
    const size_t end = line.find_first_of(" \t", start);
    const absl::Status status = TakeOption(line.substr(start, end - start), options);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> ProcessArguments() {
  std::ifstream file("/proc/self/cmdline");
  std::vector<std::string> arguments;
  std::string argument;
  while (std::getline(file, argument, '\0')) arguments.push_back(argument);
  if (!arguments.empty()) arguments.erase(arguments.begin());
  return arguments;
}

absl::StatusOr<PlaySettings> ReadInvocation(const std::vector<std::string>& arguments) {
  ScriptOptions command_line;
  std::string script;
  for (const std::string& argument : arguments) {
    if (argument.rfind("--", 0) != 0) {
      script = argument;
      continue;
    }
    const absl::Status status = TakeOption(argument, &command_line);
    if (!status.ok()) return status;
  }
  if (script.empty()) return absl::NotFoundError("the command line names no script");
  ScriptOptions options;
  const absl::Status status = ReadScriptHead(script, &options);
  if (!status.ok()) return status;
  options.Override(command_line);
  return MakePlaySettings(options, TolerancePolicy::kKernel);
}

}  // namespace tapedeck::adapter
