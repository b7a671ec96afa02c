#include "replay/live/net_namespace.h"

#include <fcntl.h>
#include <linux/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/live/tap_device.h"

namespace tapedeck {

namespace {

constexpr char kNamespaceFolder[] = "/run/netns";
constexpr char kOwnNamespace[] = "/proc/thread-self/ns/net";

absl::Status NamespaceError(const std::string& name, const std::string& what, int error) {
  return absl::UnavailableError(
      absl::StrCat("namespace ", name, ": ", what, ": ", strerror(error),
                   error == EPERM || error == EACCES ? " (run as root)" : ""));
}

// Gives the namespace that the process is in a name, as `ip netns attach` does.
absl::Status NameNamespace(const std::string& name, const std::string& path) {
  mkdir(kNamespaceFolder, 0755);
  const OwnFd file(open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0));
  if (file.get() < 0) return NamespaceError(name, "cannot create " + path, errno);
  if (mount(kOwnNamespace, path.c_str(), "none", MS_BIND, nullptr) != 0) {
    const int error = errno;
    unlink(path.c_str());
    return NamespaceError(name, "cannot mount it at " + path, error);
  }
  return absl::OkStatus();
}

void BringLoopbackUp() {
  const OwnFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  struct ifreq request = {};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  ioctl(control.get(), SIOCSIFFLAGS, &request);
}

}  // namespace

absl::StatusOr<NetNamespace> NetNamespace::Enter(const std::string& name, bool create) {
  if (name.empty() || name.find('/') != std::string::npos || name == "." || name == "..") {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\": expected the name of a namespace, as `ip netns` lists them"));
  }
  const std::string path = absl::StrCat(kNamespaceFolder, "/", name);
  OwnFd before(open(kOwnNamespace, O_RDONLY | O_CLOEXEC));
  const OwnFd wanted(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (wanted.get() >= 0) {
    if (setns(wanted.get(), CLONE_NEWNET) != 0) {
      return NamespaceError(name, "cannot enter it", errno);
    }
    return NetNamespace(dup(before.get()), "");
  }
  if (!create) {
    return absl::NotFoundError(absl::StrCat(
        "namespace ", name, ": there is none; --create makes it, or `ip netns add ", name, "`"));
  }
  if (unshare(CLONE_NEWNET) != 0) return NamespaceError(name, "cannot make one", errno);
  NetNamespace entered(dup(before.get()), "");
  if (absl::Status named = NameNamespace(name, path); !named.ok()) return named;
  entered.made_ = path;
  BringLoopbackUp();
  return entered;
}

NetNamespace::NetNamespace(NetNamespace&& other) noexcept
    : before_(std::exchange(other.before_, -1)), made_(std::exchange(other.made_, {})) {}

NetNamespace::~NetNamespace() {
  if (before_ >= 0) {
    (void)setns(before_, CLONE_NEWNET);
    close(before_);
  }
  if (made_.empty()) return;
  umount2(made_.c_str(), MNT_DETACH);
  unlink(made_.c_str());
}

}  // namespace tapedeck
