#include "fuzz/campaign/crash_input.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "fuzz/campaign/archive.h"
#include "fuzz/campaign/files.h"
#include "replay/script/bytes.h"
#include "replay/script/text.h"

namespace tapedeck::fuzz {
namespace {

namespace fs = std::filesystem;

bool IsTarget(const Workspace& workspace, const std::string& name) {
  return workspace.CheckTarget(name).ok();
}

// What an archive's run.json calls its target, or "".
std::string TargetOfArchive(const fs::path& folder) {
  const absl::StatusOr<std::string> text = ReadText((folder / kArchiveRunFile).string());
  if (!text.ok()) return "";
  const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return "";
  const auto target = json.find("target");
  return target != json.end() && target->is_string() ? target->get<std::string>() : "";
}

std::string TargetByPath(const Workspace& workspace, const fs::path& path) {
  for (fs::path folder = fs::absolute(path).parent_path(); folder != folder.parent_path();
       folder = folder.parent_path()) {
    if (IsTarget(workspace, folder.filename().string())) return folder.filename().string();
  }
  const std::string name = path.filename().string();
  const std::string before_dash = name.substr(0, name.find('-'));
  return IsTarget(workspace, before_dash) ? before_dash : "";
}

absl::StatusOr<Bytes> ReadInput(const std::string& path) {
  if (!path.ends_with(".pkt")) return ReadBytes(path);
  const absl::StatusOr<std::string> text = ReadText(path);
  if (!text.ok()) return text.status();
  const absl::StatusOr<Script> script = ParseScript(*text, path);
  if (!script.ok()) return script.status();
  return EncodeScript(*script);
}

}  // namespace

absl::StatusOr<CrashInput> LoadCrashInput(const Workspace& workspace, const std::string& path,
                                          const std::string& target) {
  std::error_code error;
  CrashInput input;
  input.path = path;
  input.target = target;
  std::string file = path;
  if (fs::is_directory(path, error)) {
    file = (fs::path(path) / kArchiveInputFile).string();
    if (input.target.empty()) input.target = TargetOfArchive(path);
  }
  if (input.target.empty()) input.target = TargetByPath(workspace, path);
  if (input.target.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": of which target? --target takes ",
                                                   absl::StrJoin(workspace.targets(), ", ")));
  }
  if (absl::Status status = workspace.CheckTarget(input.target); !status.ok()) return status;
  absl::StatusOr<Bytes> bytes = ReadInput(file);
  if (!bytes.ok()) return bytes.status();
  input.bytes = *std::move(bytes);
  return input;
}

}  // namespace tapedeck::fuzz
