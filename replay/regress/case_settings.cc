#include "replay/regress/case_settings.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <system_error>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tapedeck::regress {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFeatures[] = {"captures", "inputs",   "ipv4", "ipv6", "raw",
                                          "scripts",  "stand-in", "tcp",  "udp"};

// Reads the keys of one file into settings.
class SettingsReader {
 public:
  SettingsReader(const std::string& file, CaseSettings* settings)
      : file_(file), settings_(*settings) {}

  absl::Status Read(const toml::table& table) {
    for (const auto& [key, value] : table) {
      absl::Status status = Set(std::string(key.str()), value);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Set(const std::string& key, const toml::node& value) {
    if (key == "skip") return Text(key, value, &settings_.skip);
    if (key == "mode") return Text(key, value, &settings_.mode);
    if (key == "golden") return Flag(key, value, &settings_.golden);
    if (key == "tolerance") return Flag(key, value, &settings_.tolerance);
    if (key == "frames") return Count(key, value, &settings_.frames_max);
    if (key == "settle") return Count(key, value, &settings_.settle_s);
    if (key == "requires") return Needs(value);
    if (key == "host") return Host(value);
    if (key == "seed") return Seed(value);
    if (key == "hz") return Hz(value);
    return Wrong(value, absl::StrCat("there is no key `", key,
                                     "`; there are skip, requires, golden, host, mode, seed, hz, "
                                     "frames, settle and tolerance"));
  }

  absl::Status Wrong(const toml::node& value, const std::string& what) const {
    return absl::InvalidArgumentError(
        absl::StrCat(file_, ":", value.source().begin.line, ": ", what));
  }

  absl::Status Text(const std::string& key, const toml::node& value, std::string* out) const {
    const auto text = value.value_exact<std::string>();
    if (!text.has_value() || text->empty()) {
      return Wrong(value, absl::StrCat("`", key, "` is a text in quotes, and not an empty one"));
    }
    *out = *text;
    return absl::OkStatus();
  }

  absl::Status Flag(const std::string& key, const toml::node& value, bool* out) const {
    const auto flag = value.value_exact<bool>();
    if (!flag.has_value()) return Wrong(value, absl::StrCat("`", key, "` is true or false"));
    *out = *flag;
    return absl::OkStatus();
  }

  absl::Status Count(const std::string& key, const toml::node& value, uint64_t* out) const {
    const auto count = value.value_exact<int64_t>();
    if (!count.has_value() || *count < 0) {
      return Wrong(value, absl::StrCat("`", key, "` is a number that is not negative"));
    }
    *out = static_cast<uint64_t>(*count);
    return absl::OkStatus();
  }

  absl::Status Needs(const toml::node& value) {
    const toml::array* const names = value.as_array();
    if (names == nullptr) return Wrong(value, "`requires` is a list of names");
    settings_.needs.clear();
    for (const toml::node& name : *names) {
      std::string text;
      if (absl::Status status = Text("requires", name, &text); !status.ok()) return status;
      settings_.needs.push_back(text);
    }
    return absl::OkStatus();
  }

  absl::Status Host(const toml::node& value) {
    std::string text;
    if (absl::Status status = Text("host", value, &text); !status.ok()) return status;
    settings_.host = IpAddress::Parse(text);
    if (settings_.host.has_value()) return absl::OkStatus();
    return Wrong(value, absl::StrCat("`", text, "` is no IPv4 or IPv6 address"));
  }

  absl::Status Seed(const toml::node& value) {
    std::string text;
    if (absl::Status status = Text("seed", value, &text); !status.ok()) return status;
    if (absl::SimpleHexAtoi(text, &settings_.seed)) return absl::OkStatus();
    return Wrong(value, absl::StrCat("`", text, "` is not up to 16 hexadecimal digits"));
  }

  absl::Status Hz(const toml::node& value) {
    const int64_t hz = value.value_exact<int64_t>().value_or(0);
    if (hz != 100 && hz != 250 && hz != 1000) return Wrong(value, "`hz` is 100, 250 or 1000");
    settings_.hz = static_cast<uint32_t>(hz);
    return absl::OkStatus();
  }

  const std::string& file_;
  CaseSettings& settings_;
};

absl::Status ReadFile(const fs::path& path, CaseSettings* settings) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path.string(), ": cannot be read"));
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return ParseSettings(text, path.string(), settings);
}

// The nearest regress.toml; empty where there is none.
fs::path FolderFile(const fs::path& path) {
  std::error_code ignored;
  const fs::path whole = fs::absolute(path).lexically_normal();
  for (fs::path folder = whole.parent_path();; folder = folder.parent_path()) {
    if (fs::exists(folder / "regress.toml", ignored)) {
      return (folder / "regress.toml").lexically_proximate(fs::current_path(ignored));
    }
    if (!folder.has_relative_path()) return {};
  }
}

}  // namespace

absl::Status ParseSettings(const std::string& text, const std::string& file,
                           CaseSettings* settings) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    return absl::InvalidArgumentError(absl::StrCat(file, ":", parsed.error().source().begin.line,
                                                   ": ",
                                                   std::string(parsed.error().description())));
  }
  return SettingsReader(file, settings).Read(parsed.table());
}

absl::StatusOr<CaseSettings> ReadSettings(const CaseFile& one) {
  CaseSettings settings;
  const fs::path folder_file = FolderFile(one.path);
  if (!folder_file.empty()) {
    if (absl::Status status = ReadFile(folder_file, &settings); !status.ok()) return status;
  }
  const fs::path own = one.path + ".toml";
  std::error_code ignored;
  if (fs::exists(own, ignored)) {
    if (absl::Status status = ReadFile(own, &settings); !status.ok()) return status;
  }
  return settings;
}

std::string ReasonToSkip(const CaseSettings& settings) {
  if (!settings.skip.empty()) return settings.skip;
  for (const std::string& need : settings.needs) {
    if (std::find(std::begin(kFeatures), std::end(kFeatures), need) == std::end(kFeatures)) {
      return absl::StrCat("requires ", need, ", which this build does not have");
    }
  }
  return "";
}

}  // namespace tapedeck::regress
