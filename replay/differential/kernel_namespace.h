// A network namespace of this machine's kernel, set up as topology.h says, and the files by which
// it is played with. Needs root and /dev/net/tun.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_KERNEL_NAMESPACE_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_KERNEL_NAMESPACE_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "replay/differential/case.h"
#include "replay/differential/topology.h"

namespace tapedeck::differential {

// Owns a descriptor of this process.
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

class KernelNamespace {
 public:
  // Makes one, and moves the calling process, which must have a single thread, into it for good.
  // PermissionDenied, Unavailable: what was refused, and by which error.
  static absl::StatusOr<std::unique_ptr<KernelNamespace>> Create();

  // Written to, the device receives a frame; read from, it has sent one. Never blocks.
  int tap(int port) const { return taps_[port].get(); }
  // /proc/net/snmp and /proc/net/netstat.
  int snmp() const { return snmp_.get(); }
  int netstat() const { return netstat_.get(); }

  // Forgets all neighbours and cached routes.
  void FlushNeighbours();

 private:
  KernelNamespace() = default;
  absl::Status SetUp();
  absl::Status OpenTap(int port);
  absl::Status SetInterface(const char* name, unsigned long request, const void* value,
                            const char* what);
  absl::Status AddRoute(const RoutePlan& route);
  absl::Status SetFlags(const char* name, int flags);

  OwnFd control_;  // a socket, for ioctls
  OwnFd taps_[kPorts];
  OwnFd snmp_;
  OwnFd netstat_;
  int flags_[kPorts] = {};
};

// Files below /proc/sys, of the namespace that the process is in.
absl::Status WriteSetting(const Setting& setting);
absl::StatusOr<std::string> ReadSetting(const std::string& path);

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_KERNEL_NAMESPACE_H_
