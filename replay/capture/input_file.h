// A file that is opened for reading.
#ifndef TAPEDECK_REPLAY_CAPTURE_INPUT_FILE_H_
#define TAPEDECK_REPLAY_CAPTURE_INPUT_FILE_H_

#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace tapedeck::capture {

// Standard input ("-"), a pipe, a device: what is read from it is gone from it.
bool IsReadOnce(const std::string& path);

// Closes the descriptor that it owns; standard input it leaves open.
class InputFile {
 public:
  // Opens `path`; "-" is standard input. Errors are one line that begins with the path.
  static absl::StatusOr<InputFile> Open(const std::string& path);

  InputFile(InputFile&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        mappable_bytes_(other.mappable_bytes_),
        name_(std::move(other.name_)) {}
  InputFile& operator=(InputFile&&) = delete;
  ~InputFile() {
    if (fd_ > STDIN_FILENO) close(fd_);
  }

  int fd() const { return fd_; }
  // How many bytes of it can be mapped; 0: it has to be read.
  uint64_t mappable_bytes() const { return mappable_bytes_; }
  // What messages call it.
  const std::string& name() const { return name_; }

  // Fills the beginning of `out`, which is not empty; waits for a byte at least. 0 at the end, and
  // where `stop`, which is asked before each wait and after a signal, says so; -1 with errno.
  ssize_t Read(std::span<uint8_t> out, const std::function<bool()>& stop = {}) const;

 private:
  InputFile(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  int fd_;
  uint64_t mappable_bytes_ = 0;
  std::string name_;
};

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_INPUT_FILE_H_
