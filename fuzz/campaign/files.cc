#include "fuzz/campaign/files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/capture/output_file.h"
#include "stack/base/byteorder.h"
#include "stack/base/sha1.h"

namespace tapedeck::fuzz {

namespace fs = std::filesystem;

std::string InputName(std::span<const uint8_t> bytes) {
  constexpr size_t kBlockBytes = 64;
  Sha1State state = kSha1Initial;
  const auto add = [&state](const uint8_t* block) {
    state = Sha1Compress(state, std::span<const uint8_t, kBlockBytes>(block, kBlockBytes));
  };
  const size_t whole = bytes.size() / kBlockBytes * kBlockBytes;
  for (size_t at = 0; at < whole; at += kBlockBytes) add(bytes.data() + at);
  // RFC 3174 4: a one bit, zeros, and the length in bits.
  std::vector<uint8_t> rest(bytes.begin() + static_cast<ptrdiff_t>(whole), bytes.end());
  rest.push_back(0x80);
  while (rest.size() % kBlockBytes != kBlockBytes - 8) rest.push_back(0);
  rest.resize(rest.size() + 8);
  StoreBe64(rest.data() + rest.size() - 8, uint64_t{8} * bytes.size());
  for (size_t at = 0; at < rest.size(); at += kBlockBytes) add(rest.data() + at);
  std::string name;
  for (const uint32_t word : state) absl::StrAppendFormat(&name, "%08x", word);
  return name;
}

absl::StatusOr<std::vector<uint8_t>> ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::error_code error;
  if (!file || fs::is_directory(path, error)) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  }
  // Programs of hundreds of megabytes are read here too.
  constexpr size_t kPieceBytes = size_t{1} << 20;
  std::vector<uint8_t> bytes;
  do {
    const size_t had = bytes.size();
    bytes.resize(had + kPieceBytes);
    file.read(reinterpret_cast<char*>(bytes.data() + had), kPieceBytes);
    bytes.resize(had + static_cast<size_t>(file.gcount()));
  } while (file);
  if (!file.eof()) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
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
