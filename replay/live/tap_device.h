// A TAP device of this machine's kernel: an Ethernet card whose cable ends in this process.
#ifndef TAPEDECK_REPLAY_LIVE_TAP_DEVICE_H_
#define TAPEDECK_REPLAY_LIVE_TAP_DEVICE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/outside/own_fd.h"
#include "stack/base/ip_address.h"

namespace tapedeck {

class TapDevice {
 public:
  // Attaches to the device `name`. With `create` it is made where there is none, and is gone with
  // this object. The error is one line that says what to do.
  static absl::StatusOr<TapDevice> Open(const std::string& name, bool create);

  const std::string& name() const { return name_; }
  // Readable when a frame has come.
  int fd() const { return fd_.get(); }

  // The next frame that the kernel has sent: its length, 0 where there is none. An error: the
  // device is gone.
  absl::StatusOr<size_t> Read(std::span<uint8_t> buffer);
  // Gives the kernel a frame: 0, or an errno (EIO: the device is down).
  int Write(std::span<const uint8_t> frame);

  // Frames that the kernel had for us and dropped, since nobody took them (tx_dropped). Nullopt
  // where it does not say.
  std::optional<uint64_t> KernelDrops() const;

  // What --create sets up: the device comes up with the kernel's addresses on it. Each may be
  // missing.
  struct KernelSide {
    std::optional<Ipv4Address> address;
    uint8_t prefix_bits = 0;
    std::optional<Ipv6Address> address6;
    uint8_t prefix6_bits = 0;
  };
  absl::Status Configure(const KernelSide& side);

 private:
  TapDevice(std::string name, OwnFd fd) : name_(std::move(name)), fd_(std::move(fd)) {}

  std::string name_;
  OwnFd fd_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LIVE_TAP_DEVICE_H_
