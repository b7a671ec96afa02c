#include "replay/capture/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace tapedeck::capture {

bool IsReadOnce(const std::string& path) {
  std::error_code unknown;
  return path == "-" || (std::filesystem::exists(path, unknown) &&
                         !std::filesystem::is_regular_file(path, unknown));
}

absl::StatusOr<InputFile> InputFile::Open(const std::string& path) {
  const bool is_stdin = path == "-";
  std::string name = is_stdin ? "(standard input)" : path;
  InputFile file(is_stdin ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC),
                 std::move(name));
  if (file.fd_ < 0) return absl::ErrnoToStatus(errno, absl::StrCat(file.name_, ": cannot open"));
  struct stat info = {};
  if (fstat(file.fd_, &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(file.name_, ": cannot read"));
  }
  if (S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.name_, ": is a directory, expected a capture file"));
  }
  // Standard input may stand anywhere in its file, and the files of /proc claim to be empty.
  if (S_ISREG(info.st_mode) && !is_stdin) {
    file.mappable_bytes_ = static_cast<uint64_t>(info.st_size);
  }
  return file;
}

ssize_t InputFile::Read(std::span<uint8_t> out, const std::function<bool()>& stop) const {
  while (true) {
    if (stop && stop()) return 0;
    const ssize_t n = read(fd_, out.data(), out.size());
    if (n >= 0 || errno != EINTR) return n;
  }
}

}  // namespace tapedeck::capture
