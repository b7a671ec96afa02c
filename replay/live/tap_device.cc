#include "replay/live/tap_device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/ipv6.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "replay/outside/interface_request.h"

namespace tapedeck {

namespace {

constexpr char kTunDevice[] = "/dev/net/tun";
// Frames that the kernel keeps for us while we do not run: 48 ms of full-sized ones at 1 Gb/s.
constexpr int kQueueFrames = 4096;

absl::Status OpenError(int error) {
  switch (error) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return absl::UnavailableError(
          absl::StrCat(kTunDevice, ": this kernel has no TAP devices (try `modprobe tun`)"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(
          absl::StrCat(kTunDevice,
                       ": no permission; run as root, or let an administrator open it "
                       "to your group"));
    default:
      return absl::UnavailableError(absl::StrCat(kTunDevice, ": ", strerror(error)));
  }
}

absl::Status AttachError(const std::string& name, int error) {
  switch (error) {
    case EPERM:
      return absl::PermissionDeniedError(
          absl::StrCat(name,
                       ": not yours; run as root (CAP_NET_ADMIN), or have it made for you: "
                       "`ip tuntap add ",
                       name, " mode tap user $USER`"));
    case EBUSY:
      return absl::UnavailableError(
          absl::StrCat(name, ": busy, another program is attached to it"));
    case EINVAL:
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": there is a device of that name, and it is no plain TAP device"));
    default:
      return absl::UnavailableError(absl::StrCat(name, ": ", strerror(error)));
  }
}

bool DeviceExists(int socket_fd, const std::string& name) {
  struct ifreq request = InterfaceRequest(name);
  return ioctl(socket_fd, SIOCGIFINDEX, &request) == 0;
}

absl::Status CheckName(const std::string& name) {
  const bool good = !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
                    name.find_first_of("/ \t\n:%") == std::string::npos;
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("\"", name,
                   "\": a device's name has 1 to 15 characters, and none of / : % or a "
                   "space"));
}

// One ioctl on an interface.
absl::Status Set(int socket_fd, const std::string& name, unsigned long request, void* argument,
                 const char* what) {
  if (ioctl(socket_fd, request, argument) == 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(name, ": cannot set its ", what, ": ", strerror(errno)));
}

absl::Status SetIpv4(int socket_fd, const std::string& name, Ipv4Address address,
                     uint8_t prefix_bits) {
  struct ifreq request = InterfaceRequest(name);
  request.ifr_addr = SockaddrOf(address);
  absl::Status status = Set(socket_fd, name, SIOCSIFADDR, &request, "IPv4 address");
  request = InterfaceRequest(name);
  request.ifr_netmask = SockaddrOf(Ipv4Address(inet_make_mask(prefix_bits)));
  if (status.ok()) status = Set(socket_fd, name, SIOCSIFNETMASK, &request, "netmask");
  return status;
}

absl::Status SetIpv6(const std::string& name, int index, const Ipv6Address& address,
                     uint8_t prefix_bits) {
  const OwnFd six(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (six.get() < 0) return absl::UnavailableError("this kernel has no IPv6 (--address6 -)");
  struct in6_ifreq request = {};
  std::memcpy(&request.ifr6_addr, address.bytes().data(), address.bytes().size());
  request.ifr6_prefixlen = prefix_bits;
  request.ifr6_ifindex = index;
  return Set(six.get(), name, SIOCSIFADDR, &request, "IPv6 address");
}

// Nobody else is on this cable, so nobody needs to be asked whether an address is free; best
// effort.
void SwitchDadOff(const std::string& name) {
  std::ofstream file(absl::StrCat("/proc/sys/net/ipv6/conf/", name, "/accept_dad"));
  file << "0\n";
}

}  // namespace

absl::StatusOr<TapDevice> TapDevice::Open(const std::string& name, bool create) {
  if (absl::Status good = CheckName(name); !good.ok()) return good;
  const OwnFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!create && !DeviceExists(control.get(), name)) {
    return absl::NotFoundError(absl::StrCat(
        name, ": no such device; --create makes it, or `ip tuntap add ", name, " mode tap`"));
  }
  OwnFd fd(open(kTunDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (fd.get() < 0) return OpenError(errno);
  struct ifreq request = InterfaceRequest(name);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (ioctl(fd.get(), TUNSETIFF, &request) != 0) return AttachError(name, errno);
  return TapDevice(name, std::move(fd));
}

absl::StatusOr<size_t> TapDevice::Read(std::span<uint8_t> buffer) {
  while (true) {
    const ssize_t bytes = read(fd_.get(), buffer.data(), buffer.size());
    if (bytes >= 0) return static_cast<size_t>(bytes);
    if (errno == EAGAIN) return size_t{0};
    if (errno != EINTR) {
      return absl::UnavailableError(absl::StrCat(name_, ": the device is gone: ", strerror(errno)));
    }
  }
}

int TapDevice::Write(std::span<const uint8_t> frame) {
  while (true) {
    if (write(fd_.get(), frame.data(), frame.size()) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

std::optional<uint64_t> TapDevice::KernelDrops() const {
  // "tap0: rx_bytes packets errs drop fifo frame compressed multicast tx_bytes packets errs drop"
  std::ifstream file("/proc/thread-self/net/dev");
  std::string line;
  while (std::getline(file, line)) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos ||
        line.substr(line.find_first_not_of(' '), colon - line.find_first_not_of(' ')) != name_) {
      continue;
    }
    std::istringstream words(line.substr(colon + 1));
    uint64_t values[12] = {};
    for (uint64_t& value : values) words >> value;
    if (words) return values[11];
  }
  return std::nullopt;
}

absl::Status TapDevice::Configure(const KernelSide& side) {
  const OwnFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  struct ifreq request = InterfaceRequest(name_);
  if (ioctl(control.get(), SIOCGIFINDEX, &request) != 0) {
    return absl::UnavailableError(absl::StrCat(name_, ": ", strerror(errno)));
  }
  const int index = request.ifr_ifindex;
  SwitchDadOff(name_);
  request.ifr_qlen = kQueueFrames;
  absl::Status queue = Set(control.get(), name_, SIOCSIFTXQLEN, &request, "queue length");
  if (!queue.ok()) return queue;
  if (side.address.has_value()) {
    absl::Status status = SetIpv4(control.get(), name_, *side.address, side.prefix_bits);
    if (!status.ok()) return status;
  }
  request = InterfaceRequest(name_);
  request.ifr_flags = IFF_UP | IFF_BROADCAST | IFF_MULTICAST;
  absl::Status up = Set(control.get(), name_, SIOCSIFFLAGS, &request, "flags");
  if (!up.ok() || !side.address6.has_value()) return up;
  return SetIpv6(name_, index, *side.address6, side.prefix6_bits);
}

}  // namespace tapedeck
