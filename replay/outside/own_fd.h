// A descriptor of this process that is closed with its owner.
#ifndef TAPEDECK_REPLAY_OUTSIDE_OWN_FD_H_
#define TAPEDECK_REPLAY_OUTSIDE_OWN_FD_H_

#include <utility>

namespace tapedeck {

class OwnFd {
 public:
  OwnFd() = default;
  explicit OwnFd(int fd) : fd_(fd) {}
  OwnFd(OwnFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnFd& operator=(OwnFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  OwnFd(const OwnFd&) = delete;
  OwnFd& operator=(const OwnFd&) = delete;
  ~OwnFd();
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_OUTSIDE_OWN_FD_H_
