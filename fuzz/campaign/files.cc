#include "fuzz/campaign/files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/capture/output_file.h"
#include "stack/base/byteorder.h"
#include "stack/base/sha1.h"

namespace tapedeck::fuzz {

namespace fs = std::filesystem;

std::string InputName(std::span<const uint8_t> bytes) {
  // RFC 3174 4: a one bit, zeros, and the length in bits.
  constexpr size_t kBlockBytes = 64;
  std::vector<uint8_t> padded(bytes.begin(), bytes.end());
  padded.push_back(0x80);
  while (padded.size() % kBlockBytes != kBlockBytes - 8) padded.push_back(0);
  padded.resize(padded.size() + 8);
  StoreBe64(padded.data() + padded.size() - 8, uint64_t{8} * bytes.size());
  Sha1State state = kSha1Initial;
  for (size_t at = 0; at < padded.size(); at += kBlockBytes) {
    state = Sha1Compress(state, std::span<const uint8_t, 64>(padded.data() + at, kBlockBytes));
  }
  std::string name;
  for (const uint32_t word : state) absl::StrAppendFormat(&name, "%08x", word);
  return name;
}

absl::StatusOr<std::vector<uint8_t>> ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file),
                             std::istreambuf_iterator<char>()};
  std::error_code error;
  if (!file || fs::is_directory(path, error)) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  }
  return bytes;
}

absl::StatusOr<std::string> ReadText(const std::string& path) {
  absl::StatusOr<std::vector<uint8_t>> bytes = ReadBytes(path);
  if (!bytes.ok()) return bytes.status();
  return std::string(bytes->begin(), bytes->end());
}

absl::Status MakeFolder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(path, ": cannot be made: ", error.message()));
}

absl::Status WriteBytes(const std::string& path, std::span<const uint8_t> bytes) {
  const fs::path parent = fs::path(path).parent_path();
  if (!parent.empty()) {
    if (absl::Status made = MakeFolder(parent.string()); !made.ok()) return made;
  }
  absl::StatusOr<capture::OutputFile> file = capture::OutputFile::Create(path);
  if (!file.ok()) return file.status();
  const absl::Status written = file->Append(bytes);
  return written.ok() ? file->Close() : written;
}

absl::Status WriteText(const std::string& path, std::string_view text) {
  return WriteBytes(path, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

std::vector<std::string> ListInputs(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string extension = entry.path().extension().string();
    const std::string name = entry.path().filename().string();
    const bool is_text = extension == ".txt" || extension == ".md" || extension == ".toml";
    if (entry.is_regular_file(error) && !is_text && name[0] != '.') {
      files.push_back(entry.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

absl::StatusOr<std::vector<std::string>> ListAllInputs(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (fs::is_directory(path, error)) {
      const std::vector<std::string> more = ListInputs(path);
      files.insert(files.end(), more.begin(), more.end());
    } else if (fs::is_regular_file(path, error)) {
      files.push_back(path);
    } else {
      return absl::NotFoundError(absl::StrCat(path, ": no such file or folder"));
    }
  }
  return files;
}

std::string BaseName(const std::string& path) { return fs::path(path).filename().string(); }

}  // namespace tapedeck::fuzz
