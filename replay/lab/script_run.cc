#include "replay/lab/script_run.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "replay/lab/lab.h"
#include "replay/lab/script_hosts.h"
#include "replay/lab/script_player.h"
#include "replay/lab/tun_lab.h"
#include "replay/lab/tun_player.h"
#include "replay/script/text.h"

namespace tapedeck {

namespace {

using Outcome = ScriptRunResult::Outcome;

// Frames and hosts are what the packetdrill language does not know: such a script is for hosts with
// NICs.
bool IsRaw(const Script& script) {
  return std::any_of(script.steps.begin(), script.steps.end(), [](const Step& step) {
    return step.host != 0 || std::holds_alternative<FrameStep>(step.what);
  });
}

void Judge(const std::string& path, const Verdict& verdict, ScriptRunResult* result) {
  if (verdict.held()) return;
  result->outcome = Outcome::kFailed;
  result->message = verdict.line == 0
                        ? absl::StrCat(path, ": ", verdict.difference)
                        : absl::StrCat(path, ":", verdict.line, ": ", verdict.difference);
}

void JudgeLeftovers(const std::string& path, const std::vector<std::string>& leftovers,
                    ScriptRunResult* result) {
  if (leftovers.empty() || result->outcome != Outcome::kPassed) return;
  result->outcome = Outcome::kFailed;
  result->message =
      absl::StrCat(path, ": after its end the host still holds ", absl::StrJoin(leftovers, ", "));
}

absl::Status PlayOnTun(const std::string& path, const Script& script,
                       const ScriptRunOptions& options, Arena* arena, ScriptRunResult* result) {
  const absl::StatusOr<PlaySettings> settings = MakePlaySettings(script.options, options.tolerance);
  if (!settings.ok()) {
    result->outcome = Outcome::kFailed;
    result->message = absl::StrCat(path, ": ", settings.status().message());
    return absl::OkStatus();
  }
  if (settings->ip_version != options.script.ip_version.value_or(settings->ip_version)) {
    result->outcome = Outcome::kSkipped;
    result->message =
        absl::StrCat(path, ": is for ", std::string(IpVersionName(settings->ip_version)), " only");
    return absl::OkStatus();
  }
  TunLabOptions lab_options;
  lab_options.seed = options.seed;
  lab_options.trace = options.observe != nullptr;
  TunLab lab(*settings, lab_options, arena);
  if (options.observe != nullptr) {
    const absl::Status status = options.observe(lab.recorder(), TunLab::kScriptStart);
    if (!status.ok()) return status;
  }
  if (options.host_made) options.host_made(lab.host());
  {
    TunPlayer player(lab, script, *settings);
    Judge(path, player.Play(), result);
    result->output = absl::StrCat(player.warnings(), player.output());
    if (options.ended) options.ended(lab.host());
  }
  if (options.check_leftovers) {
    lab.Shutdown();
    JudgeLeftovers(path, lab.Leftovers(), result);
  }
  if (lab_options.trace) result->digest = lab.recorder().digest().ToString();
  return absl::OkStatus();
}

absl::Status PlayOnNics(const std::string& path, const Script& script,
                        const ScriptRunOptions& options, Arena* arena, ScriptRunResult* result) {
  uint8_t hosts = 1;
  for (const Step& step : script.steps) {
    hosts = std::max(hosts, static_cast<uint8_t>(step.host + 1));
  }
  LabOptions lab_options;
  lab_options.seed = options.seed;
  lab_options.trace = options.observe != nullptr;
  for (uint8_t host = 0; host < hosts; ++host) lab_options.hosts.push_back(ScriptHostOptions(host));
  const ScriptPeers peers;
  Lab lab(lab_options, arena);
  for (int host = 0; host < lab.hosts(); ++host) {
    lab.port(host).AnswerArp(&peers, Duration::Microseconds(50));
  }
  if (options.observe != nullptr) {
    const absl::Status status = options.observe(lab.recorder(), lab.world().now());
    if (!status.ok()) return status;
  }
  for (int host = 0; host < lab.hosts(); ++host) {
    if (options.host_made) options.host_made(lab.host(host));
  }
  {
    ScriptPlayer player(lab, script);
    player.Play();
    Judge(path, player.verdict(), result);
    for (int host = 0; host < lab.hosts(); ++host) {
      if (options.ended) options.ended(lab.host(host));
    }
  }
  if (options.check_leftovers) {
    lab.Shutdown();
    JudgeLeftovers(path, lab.Leftovers(), result);
  }
  if (lab_options.trace) result->digest = lab.recorder().digest().ToString();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ScriptRunResult> RunScriptFile(const std::string& path,
                                              const ScriptRunOptions& options, Arena* arena) {
  const absl::StatusOr<std::string> text = ReadScriptFile(path);
  if (!text.ok()) return text.status();
  ScriptRunResult result;
  ParseOptions parse;
  parse.options = options.script;
  parse.read_file = ReadScriptFile;
  const absl::StatusOr<Script> script = ParseScript(*text, path, parse);
  if (!script.ok()) {
    result.outcome = Outcome::kFailed;
    result.message = std::string(script.status().message());
    return result;
  }
  result.steps = script->steps.size();
  absl::Status status = IsRaw(*script) ? PlayOnNics(path, *script, options, arena, &result)
                                       : PlayOnTun(path, *script, options, arena, &result);
  if (!status.ok()) return status;
  return result;
}

absl::StatusOr<std::vector<std::string>> FindScripts(const std::vector<std::string>& arguments) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  for (const std::string& argument : arguments) {
    std::error_code error;
    if (!fs::is_directory(argument, error)) {
      if (!fs::exists(argument, error)) {
        return absl::NotFoundError(absl::StrCat(argument, ": no such file or folder"));
      }
      files.push_back(argument);
      continue;
    }
    const size_t first = files.size();
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(argument, error)) {
      if (entry.path().extension() == ".pkt") files.push_back(entry.path().string());
    }
    if (error) return absl::NotFoundError(absl::StrCat(argument, ": ", error.message()));
    if (files.size() == first) {
      return absl::NotFoundError(absl::StrCat(argument, ": no *.pkt in this folder"));
    }
    std::sort(files.begin() + static_cast<ptrdiff_t>(first), files.end());
  }
  return files;
}

}  // namespace tapedeck
