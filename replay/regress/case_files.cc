#include "replay/regress/case_files.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/regress/text_hash.h"
#include "replay/script/script_targets.h"

namespace tapedeck::regress {

namespace {

namespace fs = std::filesystem;

constexpr size_t kSha1Digits = 40;

bool HasFuzzersName(const std::string& name) {
  for (const std::string_view start :
       {"crash-", "leak-", "oom-", "timeout-", "slow-unit-", "id:"}) {
    if (name.starts_with(start)) return true;
  }
  return name.size() == kSha1Digits && std::all_of(name.begin(), name.end(), [](char c) {
           return std::isxdigit(static_cast<unsigned char>(c)) != 0;
         });
}

// TARGET of a folder of inputs, fuzz/TARGET or regress/TARGET or below; "" of fuzz or regress
// itself.
std::optional<std::string> TargetOf(const fs::path& folder) {
  std::optional<std::string> target;
  for (auto part = folder.begin(); part != folder.end(); ++part) {
    if (*part != "fuzz" && *part != "regress") continue;
    target = std::next(part) == folder.end() ? "" : std::next(part)->string();
  }
  return target;
}

bool IsInput(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::optional<std::string> target = TargetOf(fs::absolute(path).parent_path());
  if (!target.has_value()) return HasFuzzersName(name);
  return PlaysScripts(*target) && (HasFuzzersName(name) || name.find('.') == std::string::npos);
}

std::optional<CaseFile::Kind> KindOfFile(const fs::path& path) {
  fs::path stem = path.filename();
  if (stem.extension() == ".gz" || stem.extension() == ".zst") stem = stem.stem();
  const fs::path extension = stem.extension();
  if (extension == ".pcap" || extension == ".pcapng" || extension == ".cap") {
    return CaseFile::Kind::kCapture;
  }
  if (path.extension() == ".pkt") return CaseFile::Kind::kScript;
  if (path.extension() == ".plan") return CaseFile::Kind::kPlan;
  if (IsInput(path)) return CaseFile::Kind::kInput;
  return std::nullopt;
}

// The golden of `path` in the nearest folder of goldens; empty where there is none.
fs::path InGoldensFolder(const fs::path& path) {
  const fs::path whole = fs::absolute(path).lexically_normal();
  std::error_code ignored;
  fs::path relative = whole.filename();
  for (fs::path folder = whole.parent_path();; folder = folder.parent_path()) {
    if (fs::is_directory(folder / "goldens", ignored)) {
      // Said as the caller says it: relative where the case is.
      fs::path shown = path.parent_path();
      for (auto part = relative.begin(); std::next(part) != relative.end(); ++part) shown /= "..";
      return (shown / "goldens" / relative).lexically_normal();
    }
    if (!folder.has_relative_path()) return {};
    relative = folder.filename() / relative;
  }
}

std::string GoldenOf(const fs::path& path, const std::string& name,
                     const std::string& goldens_folder) {
  if (!goldens_folder.empty())
    return absl::StrCat((fs::path(goldens_folder) / name).string(), ".golden");
  const std::string beside = absl::StrCat(path.string(), ".golden");
  std::error_code ignored;
  if (fs::exists(beside, ignored)) return beside;
  const fs::path kept = InGoldensFolder(path);
  return kept.empty() ? beside : absl::StrCat(kept.string(), ".golden");
}

absl::Status AddFolder(const std::string& folder, const std::string& goldens_folder,
                       std::vector<CaseFile>* cases) {
  std::error_code error;
  const size_t before = cases->size();
  for (auto entry = fs::recursive_directory_iterator(folder, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    const fs::path& path = entry->path();
    if (path.filename().string().starts_with('.')) {
      if (entry->is_directory(error)) entry.disable_recursion_pending();
      continue;
    }
    if (!entry->is_regular_file(error)) continue;
    const std::optional<CaseFile::Kind> kind = KindOfFile(path);
    if (!kind.has_value()) continue;
    const std::string name = path.lexically_relative(folder).generic_string();
    const fs::path shown = path.lexically_normal();
    cases->push_back({*kind, shown.string(), name, GoldenOf(shown, name, goldens_folder)});
  }
  if (error) return absl::NotFoundError(absl::StrCat(folder, ": ", error.message()));
  if (cases->size() == before) {
    return absl::NotFoundError(
        absl::StrCat(folder, ": no capture, script or fuzz input in this folder"));
  }
  std::sort(cases->begin() + static_cast<ptrdiff_t>(before), cases->end(),
            [](const CaseFile& a, const CaseFile& b) { return a.path < b.path; });
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<CaseFile>> FindCases(const std::vector<std::string>& arguments,
                                                const std::string& goldens_folder) {
  std::vector<CaseFile> cases;
  for (const std::string& argument : arguments) {
    std::error_code error;
    if (fs::is_directory(argument, error)) {
      if (absl::Status status = AddFolder(argument, goldens_folder, &cases); !status.ok()) {
        return status;
      }
      continue;
    }
    if (!fs::exists(argument, error)) {
      return absl::NotFoundError(absl::StrCat(argument, ": no such file or folder"));
    }
    const std::optional<CaseFile::Kind> kind = KindOfFile(argument);
    if (!kind.has_value()) {
      return absl::NotFoundError(
          absl::StrCat(argument, ": its name is not that of a capture, script or fuzz input"));
    }
    const std::string name = fs::path(argument).filename().string();
    cases.push_back({*kind, argument, name, GoldenOf(argument, name, goldens_folder)});
  }
  return cases;
}

bool InShard(const CaseFile& one, unsigned index, unsigned count) {
  return ChainHash(0, one.name) % count == index - 1;
}

}  // namespace tapedeck::regress
