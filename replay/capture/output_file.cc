#include "replay/capture/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "stack/base/check.h"

namespace tapedeck::capture {
namespace {

constexpr size_t kBufferBytes = 1 << 18;
constexpr int kAttemptsMax = 100;

// `path` with its symbolic links resolved, so that a link stays one and its target is replaced.
std::string Resolved(const std::string& path) {
  const std::unique_ptr<char, decltype(&free)> real(realpath(path.c_str(), nullptr), &free);
  return real == nullptr ? path : std::string(real.get());
}

// With the slash at its end; empty for a path without one.
std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

// By which an open file can be named, as open(2) advises for O_TMPFILE.
std::string ProcName(int fd) { return absl::StrCat("/proc/self/fd/", fd); }

// A name in the directory of `path` that is unlikely to be taken.
std::string TemporaryName(const std::string& path, int attempt) {
  return absl::StrCat(DirectoryOf(path), ".tapedeck-", getpid(), "-", attempt, ".tmp");
}

}  // namespace

absl::StatusOr<OutputFile> OutputFile::Create(const std::string& path) {
  OutputFile file;
  if (path == "-") {
    file.path_ = "(standard output)";
    file.fd_ = STDOUT_FILENO;
    return file;
  }
  file.path_ = Resolved(path);
  struct stat info = {};
  const bool exists = stat(file.path_.c_str(), &info) == 0;
  if (exists && !S_ISREG(info.st_mode)) {
    file.fd_ = open(file.path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (file.fd_ < 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot write"));
    return file;
  }
  if (file.OpenUnnamed() || file.OpenTemporary()) return file;
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot create"));
}

bool OutputFile::OpenUnnamed() {
  const std::string directory = DirectoryOf(path_);
  const int fd =
      open(directory.empty() ? "." : directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  if (fd < 0) return false;
  // Without /proc it could not be named later.
  if (access(ProcName(fd).c_str(), F_OK) != 0) {
    close(fd);
    return false;
  }
  fd_ = fd;
  is_unnamed_ = true;
  return true;
}

bool OutputFile::OpenTemporary() {
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const std::string name = TemporaryName(path_, attempt);
    fd_ = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ >= 0) {
      temporary_path_ = name;
      return true;
    }
    if (errno != EEXIST) break;
  }
  return false;
}

// There is no system call that puts a nameless file in the place of another, hence the two steps.
absl::Status OutputFile::Name() {
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const std::string name = TemporaryName(path_, attempt);
    if (linkat(AT_FDCWD, ProcName(fd_).c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      temporary_path_ = name;
      is_unnamed_ = false;
      return absl::OkStatus();
    }
    if (errno != EEXIST) break;
  }
  return Fail("cannot name");
}

absl::StatusOr<OutputFile> OutputFile::CreatePartial(const std::string& path) {
  OutputFile file;
  file.path_ = Resolved(path);
  file.temporary_path_ = absl::StrCat(file.path_, ".part");
  file.keep_partial_ = true;
  file.fd_ = open(file.temporary_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file.fd_ >= 0) return file;
  const int error = errno;
  const std::string name = std::exchange(file.temporary_path_, {});
  return absl::ErrnoToStatus(error, absl::StrCat(name, ": cannot create"));
}

OutputFile OutputFile::InMemory(std::vector<uint8_t>& bytes) {
  OutputFile file;
  file.memory_ = &bytes;
  return file;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_path_(std::exchange(other.temporary_path_, {})),
      is_unnamed_(std::exchange(other.is_unnamed_, false)),
      keep_partial_(other.keep_partial_),
      fd_(std::exchange(other.fd_, -1)),
      buffer_(std::move(other.buffer_)),
      memory_(std::exchange(other.memory_, nullptr)),
      status_(std::move(other.status_)) {}

OutputFile::~OutputFile() {
  if (fd_ > STDERR_FILENO && keep_partial_) Flush().IgnoreError();
  if (fd_ > STDERR_FILENO) close(fd_);
  if (!temporary_path_.empty() && !keep_partial_) unlink(temporary_path_.c_str());
}

absl::Status OutputFile::Append(std::span<const uint8_t> bytes) {
  CHECK(fd_ >= 0 || memory_ != nullptr);
  if (memory_ != nullptr) {
    memory_->insert(memory_->end(), bytes.begin(), bytes.end());
    return absl::OkStatus();
  }
  if (buffer_.size() + bytes.size() > kBufferBytes) {
    if (absl::Status status = Flush(); !status.ok()) return status;
  }
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  return status_;
}

absl::Status OutputFile::Flush() {
  if (memory_ != nullptr) return absl::OkStatus();
  std::span<const uint8_t> rest = buffer_;
  while (status_.ok() && !rest.empty()) {
    const ssize_t n = write(fd_, rest.data(), rest.size());
    if (n >= 0) {
      rest = rest.subspan(static_cast<size_t>(n));
    } else if (errno != EINTR) {
      return Fail("cannot write");
    }
  }
  buffer_.clear();
  return status_;
}

absl::Status OutputFile::Close() {
  if (memory_ != nullptr) {
    memory_ = nullptr;
    return absl::OkStatus();
  }
  CHECK_GE(fd_, 0);
  Flush().IgnoreError();  // kept in status_
  if (is_unnamed_ && status_.ok()) Name().IgnoreError();
  const int fd = std::exchange(fd_, -1);
  // A network file system may tell of a full disk only here.
  if (fd > STDERR_FILENO && close(fd) != 0 && status_.ok()) return Fail("cannot write");
  if (!status_.ok() || temporary_path_.empty()) return status_;
  if (rename(temporary_path_.c_str(), path_.c_str()) != 0) return Fail("cannot rename to it");
  temporary_path_.clear();
  return absl::OkStatus();
}

absl::Status OutputFile::Fail(const char* what) {
  status_ = absl::ErrnoToStatus(errno, absl::StrCat(path_, ": ", what));
  buffer_.clear();
  return status_;
}

}  // namespace tapedeck::capture
