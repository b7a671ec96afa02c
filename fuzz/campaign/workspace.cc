#include "fuzz/campaign/workspace.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <string_view>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "fuzz/campaign/files.h"
#include "replay/outside/child_process.h"
#include "replay/script/script_targets.h"
#include "stack/base/byteorder.h"

namespace tapedeck::fuzz {

namespace {

namespace fs = std::filesystem;

constexpr char kTargetsFile[] = "fuzz/targets.txt";
// A whole build with sanitizers on a slow machine.
constexpr int kBuildSeconds = 7200;

// The magic numbers of pcap, in either byte order, and of pcapng.
bool BeginsLikeCapture(std::span<const uint8_t> input) {
  constexpr uint32_t kMagics[] = {0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1, 0x0a0d0d0a};
  return input.size() >= sizeof(uint32_t) && std::find(std::begin(kMagics), std::end(kMagics),
                                                       LoadLe32(input.data())) != std::end(kMagics);
}

// The first folder from `start` upwards that has the list of targets, or "".
std::string RootAbove(fs::path start) {
  std::error_code error;
  start = fs::absolute(start, error);
  for (; !start.empty(); start = start.parent_path()) {
    if (fs::exists(start / kTargetsFile, error)) return start.string();
    if (start == start.parent_path()) break;
  }
  return "";
}

// A shell's line that makes `program`, with its output in `log`.
std::string BuildLine(const std::string& root, const std::string& preset,
                      const std::string& program, const std::string& log) {
  const auto quoted = [](const std::string& word) { return ShellLine({word}); };
  return absl::StrCat("cd ", quoted(root), " && mkdir -p build/logs && { cmake --preset ", preset,
                      " -DTAPEDECK_TESTS=OFF && cmake --build build/", preset, " --target ",
                      program, "; } >", quoted(log), " 2>&1 </dev/null");
}

std::string LastLines(const std::string& path, size_t lines) {
  const absl::StatusOr<std::string> text = ReadText(path);
  if (!text.ok()) return "";
  size_t at = text->size();
  while (at > 0 && lines > 0) {
    at = text->rfind('\n', at - 1);
    if (at == std::string::npos) return *text;
    --lines;
  }
  return text->substr(at);
}

}  // namespace

absl::StatusOr<Workspace> Workspace::Find(const std::string& root) {
  Workspace workspace;
  workspace.root_ = root;
  std::error_code error;
  if (root.empty()) workspace.root_ = RootAbove(fs::current_path(error));
  if (workspace.root_.empty()) workspace.root_ = RootAbove(fs::path(OwnProgram()).parent_path());
  const absl::StatusOr<std::string> list =
      ReadText(absl::StrCat(workspace.root_, "/", kTargetsFile));
  if (workspace.root_.empty() || !list.ok()) {
    return absl::NotFoundError(absl::StrCat(
        root.empty() ? "here" : root, ": no sources of Tapedeck (", kTargetsFile, "); see --root"));
  }
  std::istringstream lines(*list);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) workspace.targets_.push_back(line);
  }
  return workspace;
}

absl::Status Workspace::CheckTarget(const std::string& target) const {
  if (std::find(targets_.begin(), targets_.end(), target) != targets_.end()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(target, ": no such target; there are ", absl::StrJoin(targets_, ", ")));
}

InputKind Workspace::KindOf(const std::string& target, std::span<const uint8_t> input) {
  if (PlaysScripts(target)) return InputKind::kScript;
  return BeginsLikeCapture(input) ? InputKind::kCapture : InputKind::kText;
}

std::string Workspace::ProgramPath(const std::string& preset, const std::string& program) const {
  return absl::StrCat(root_, "/build/", preset, "/bin/", program);
}

absl::StatusOr<std::string> Workspace::Build(const std::string& preset, const std::string& program,
                                             bool renew) const {
  return BuildFile(preset, "bin/" + program, program, renew);
}

absl::StatusOr<std::string> Workspace::BuildFile(const std::string& preset, const std::string& file,
                                                 const std::string& program, bool renew) const {
  std::string path = absl::StrCat(root_, "/build/", preset, "/", file);
  std::error_code error;
  if (!renew && fs::exists(path, error)) return path;
  const std::string log = absl::StrCat(root_, "/build/logs/fuzz-", preset, ".log");
  const absl::StatusOr<ChildResult> built =
      RunChild({"sh", "-c", BuildLine(root_, preset, program, log)}, {}, kBuildSeconds);
  if (!built.ok()) return built.status();
  if (built->exit_code == 0 && fs::exists(path, error)) return path;
  return absl::UnavailableError(absl::StrCat(
      "build/", preset, "/", file, " cannot be built: `cmake --preset ", preset,
      " && cmake --build build/", preset, " --target ", program, "`:", LastLines(log, 15)));
}

absl::StatusOr<std::string> Workspace::Replayer(const std::string& target,
                                                const std::string& preset) const {
  if (absl::Status status = CheckTarget(target); !status.ok()) return status;
  const std::string program = absl::StrCat(target, "_replayer");
  if (!preset.empty()) return Build(preset, program);
  const fs::path beside = fs::path(OwnProgram()).parent_path() / program;
  std::error_code error;
  if (fs::exists(beside, error)) return beside.string();
  return Build(kReplayPreset, program);
}

absl::StatusOr<std::string> Workspace::LibFuzzerProgram(const std::string& target,
                                                        bool plain) const {
  if (absl::Status status = CheckTarget(target); !status.ok()) return status;
  const std::string program = target + "_fuzzer";
  if (plain) return Build(kLibFuzzerPlainPreset, program);
  std::error_code error;
  if (!fs::exists(ProgramPath(kLibFuzzerPreset, program), error)) {
    std::string sanitized = ProgramPath(kSanitizedPreset, program);
    if (fs::exists(sanitized, error)) return sanitized;
  }
  return Build(kLibFuzzerPreset, program);
}

absl::StatusOr<std::string> Workspace::AflProgram(const std::string& target) const {
  if (absl::Status status = CheckTarget(target); !status.ok()) return status;
  return Build(kAflPreset, target + "_fuzzer");
}

absl::StatusOr<std::string> Workspace::AflMutator(const std::string& target) const {
  if (!PlaysScripts(target)) return "";
  return BuildFile(kReplayPreset, "lib/libtapedeck_mutator.so", "tapedeck_mutator",
                   /*renew=*/false);
}

std::vector<std::string> Workspace::CorpusFolders(const std::string& target) const {
  std::vector<std::string> folders;
  std::error_code error;
  for (const char* kind : {"fuzz", "regress"}) {
    std::string folder = absl::StrCat(root_, "/corpus/", kind, "/", target);
    if (fs::is_directory(folder, error)) folders.push_back(std::move(folder));
  }
  return folders;
}

std::vector<std::string> Workspace::SeedFolders(const std::string& target) const {
  std::vector<std::string> folders = CorpusFolders(target);
  std::string richest = absl::StrCat(root_, "/corpus/fuzz/stack");
  std::error_code error;
  if (PlaysScripts(target) && target != "stack" && fs::is_directory(richest, error)) {
    folders.push_back(std::move(richest));
  }
  return folders;
}

std::string Workspace::Dictionary(const std::string& target) const {
  std::string path = absl::StrCat(root_, "/fuzz/dictionaries/", target, ".dict");
  std::error_code error;
  return fs::exists(path, error) ? path : "";
}

std::string BuildIdOf(const std::string& program) {
  const absl::StatusOr<std::vector<uint8_t>> bytes = ReadBytes(program);
  return bytes.ok() ? InputName(*bytes) : "unknown";
}

}  // namespace tapedeck::fuzz
