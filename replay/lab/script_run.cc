#include "replay/lab/script_run.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/lab/playback.h"
#include "replay/lab/script_playback.h"
#include "replay/script/text.h"

namespace tapedeck {

namespace {

using Outcome = ScriptRunResult::Outcome;

ScriptPlaybackOptions MakePlaybackOptions(const std::string& path,
                                          const ScriptRunOptions& options) {
  ScriptPlaybackOptions playback;
  playback.name = path;
  playback.tolerance = options.tolerance;
  playback.ip_version = options.script.ip_version;
  playback.seed = options.seed;
  playback.check_leftovers = options.check_leftovers;
  playback.trace = options.observe != nullptr;
  return playback;
}

absl::Status PlayScript(Playback& run, const ScriptRunOptions& options, ScriptRunResult* result) {
  if (options.observe != nullptr) {
    const absl::Status status = options.observe(run.recorder(), run.world().now());
    if (!status.ok()) return status;
  }
  for (int host = 0; options.host_made && host < run.hosts(); ++host) {
    options.host_made(run.host(host));
  }
  while (run.Advance()) {
  }
  for (int host = 0; options.ended && host < run.hosts(); ++host) options.ended(run.host(host));
  PlaybackResult played = run.Finish();
  result->output = std::move(played.output);
  result->digest = std::move(played.digest);
  if (played.outcome == PlaybackResult::Outcome::kHeld) return absl::OkStatus();
  result->outcome = Outcome::kFailed;
  result->message = std::move(played.problems.front());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Script> ReadScript(const std::string& path, const ScriptOptions& options) {
  const absl::StatusOr<std::string> text = ReadScriptFile(path);
  if (!text.ok()) return absl::NotFoundError(text.status().message());
  ParseOptions parse;
  parse.options = options;
  parse.read_file = ReadScriptFile;
  absl::StatusOr<Script> script = ParseScript(*text, path, parse);
  if (!script.ok()) return absl::InvalidArgumentError(script.status().message());
  return script;
}

absl::StatusOr<ScriptRunResult> RunScriptFile(const std::string& path,
                                              const ScriptRunOptions& options, Arena* arena) {
  ScriptRunResult result;
  absl::StatusOr<Script> script = ReadScript(path, options.script);
  if (!script.ok()) {
    if (absl::IsNotFound(script.status())) return script.status();
    result.outcome = Outcome::kFailed;
    result.message = std::string(script.status().message());
    return result;
  }
  result.steps = script->steps.size();
  const absl::StatusOr<std::unique_ptr<Playback>> run =
      OpenScriptPlayback(*std::move(script), MakePlaybackOptions(path, options), arena);
  if (!run.ok()) {
    result.outcome =
        absl::IsFailedPrecondition(run.status()) ? Outcome::kSkipped : Outcome::kFailed;
    result.message = std::string(run.status().message());
    return result;
  }
  absl::Status played = PlayScript(**run, options, &result);
  if (!played.ok()) return played;
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
