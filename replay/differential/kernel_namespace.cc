#include "replay/differential/kernel_namespace.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "replay/outside/interface_request.h"
#include "stack/base/check.h"

namespace tapedeck::differential {

namespace {

constexpr size_t kCounterFileBytes = 32768;
constexpr useconds_t kSettlingMicroseconds = 40'000;

// <linux/ipv6.h> and <linux/ipv6_route.h> clash with <net/route.h>.
struct in6_ifreq {
  struct in6_addr ifr6_addr;
  uint32_t ifr6_prefixlen;
  int ifr6_ifindex;
};

absl::Status ErrnoStatus(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", strerror(errno)));
}

struct in6_addr In6AddrOf(const Ipv6Address& address) {
  struct in6_addr in6 = {};
  std::memcpy(&in6, address.bytes().data(), sizeof(in6));
  return in6;
}

}  // namespace

absl::Status WriteSetting(const Setting& setting) {
  const std::string path = absl::StrCat("/proc/sys/", setting.path);
  const OwnFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.get() < 0) return ErrnoStatus(path);
  if (write(file.get(), setting.value.data(), setting.value.size()) < 0) return ErrnoStatus(path);
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadSetting(const std::string& path) {
  const std::string full = absl::StrCat("/proc/sys/", path);
  const OwnFd file(open(full.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return ErrnoStatus(full);
  char text[512];
  const ssize_t bytes = read(file.get(), text, sizeof(text));
  if (bytes < 0) return ErrnoStatus(full);
  return std::string(absl::StripSuffix(absl::string_view(text, static_cast<size_t>(bytes)), "\n"));
}

absl::StatusOr<std::unique_ptr<KernelNamespace>> KernelNamespace::Create(AddressFamily family) {
  if (unshare(CLONE_NEWNET) != 0) {
    return absl::PermissionDeniedError(
        absl::StrCat("a network namespace of its own: ", strerror(errno)));
  }
  std::unique_ptr<KernelNamespace> made(new KernelNamespace(family));
  const absl::Status status = made->SetUp();
  if (!status.ok()) return status;
  return made;
}

absl::Status KernelNamespace::SetUp() {
  self_ = OwnFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (self_.get() < 0) return ErrnoStatus("/proc/thread-self/ns/net");
  control_ = OwnFd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (control_.get() < 0) return ErrnoStatus("socket");
  absl::Status status;
  for (const char* const scope : {"all", "default"}) {
    // Absent where the kernel has no IPv6.
    (void)WriteSetting(
        {absl::StrCat("net/ipv6/conf/", scope, "/disable_ipv6"), speaks_ipv6_ ? "0" : "1"});
  }
  for (const SettingPlan& setting : kSettingPlans) {
    status.Update(WriteSetting({setting.path, setting.value}));
  }
  if (speaks_ipv6_) {
    for (const SettingPlan& setting : kSetting6Plans) {
      status.Update(WriteSetting({setting.path, setting.value}));
    }
    for (const SettingPlan& setting : kDeviceSetting6Plans) {
      status.Update(
          WriteSetting({absl::StrCat("net/ipv6/conf/default/", setting.path), setting.value}));
    }
  }
  status.Update(SetFlags("lo", IFF_UP));
  for (int port = 0; port < kPorts; ++port) status.Update(OpenTap(port));
  if (!status.ok()) return status;
  for (const RoutePlan& route : kRoutePlans) status.Update(AddRoute(route));
  if (speaks_ipv6_) status.Update(SetUpIpv6());
  status.Update(OpenCounterFiles());
  return status;
}

absl::Status KernelNamespace::OpenCounterFiles() {
  std::vector<const char*> names = {"snmp", "netstat"};
  if (speaks_ipv6_) names.push_back("snmp6");
  for (const char* const name : names) {
    const std::string path = absl::StrCat("/proc/thread-self/net/", name);
    counter_files_.emplace_back(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (counter_files_.back().get() < 0) return ErrnoStatus(path);
  }
  return absl::OkStatus();
}

void KernelNamespace::Enter() const { CHECK_EQ(setns(self_.get(), CLONE_NEWNET), 0); }

void KernelNamespace::AwaitAddresses() {
  constexpr unsigned kTentative = 0x40;  // IFA_F_TENTATIVE
  constexpr int kTriesMax = 500;
  constexpr useconds_t kTryMicroseconds = 2'000;
  bool waiting = true;
  for (int i = 0; i < kTriesMax && waiting; ++i) {
    waiting = false;
    std::ifstream addresses("/proc/thread-self/net/if_inet6");
    for (std::string line; std::getline(addresses, line);) {
      unsigned flags = 0;
      // Address, interface, prefix length, scope, flags, name.
      if (std::sscanf(line.c_str(), "%*s %*s %*s %*s %x", &flags) != 1) continue;
      waiting = waiting || (flags & kTentative) != 0;
    }
    if (waiting) usleep(kTryMicroseconds);
  }
}

void KernelNamespace::ReadCounterFiles(std::string* text) const {
  for (const OwnFd& file : counter_files_) {
    const size_t before = text->size();
    text->resize(before + kCounterFileBytes);
    const ssize_t bytes = pread(file.get(), text->data() + before, kCounterFileBytes, 0);
    CHECK(bytes > 0);
    text->resize(before + static_cast<size_t>(bytes));
  }
}

absl::Status KernelNamespace::SetInterface(const char* name, unsigned long request,
                                           const void* value, const char* what) {
  struct ifreq ifr = InterfaceRequest(name);
  std::memcpy(&ifr.ifr_ifru, value, sizeof(ifr.ifr_ifru));
  if (ioctl(control_.get(), request, &ifr) != 0) return ErrnoStatus(absl::StrCat(name, " ", what));
  return absl::OkStatus();
}

absl::Status KernelNamespace::SetFlags(const char* name, int flags) {
  struct ifreq ifr = InterfaceRequest(name);
  ifr.ifr_flags = static_cast<short>(flags);
  return SetInterface(name, SIOCSIFFLAGS, &ifr.ifr_ifru, "flags");
}

absl::Status KernelNamespace::OpenTap(int port) {
  const PortPlan& plan = kPortPlans[port];
  taps_[port] = OwnFd(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (taps_[port].get() < 0) return ErrnoStatus("/dev/net/tun");
  struct ifreq ifr = InterfaceRequest(plan.name);
  ifr.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (ioctl(taps_[port].get(), TUNSETIFF, &ifr) != 0) return ErrnoStatus("TUNSETIFF");

  absl::Status status;
  ifr = InterfaceRequest(plan.name);
  ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  std::memcpy(ifr.ifr_hwaddr.sa_data, plan.mac.bytes().data(), plan.mac.bytes().size());
  status.Update(SetInterface(plan.name, SIOCSIFHWADDR, &ifr.ifr_ifru, "address"));
  ifr = InterfaceRequest(plan.name);
  ifr.ifr_mtu = static_cast<int>(plan.mtu_bytes);
  status.Update(SetInterface(plan.name, SIOCSIFMTU, &ifr.ifr_ifru, "MTU"));
  ifr.ifr_addr = SockaddrOf(plan.address);
  status.Update(SetInterface(plan.name, SIOCSIFADDR, &ifr.ifr_ifru, "IPv4 address"));
  ifr.ifr_addr = SockaddrOf(Ipv4Address(inet_make_mask(plan.prefix_bits)));
  status.Update(SetInterface(plan.name, SIOCSIFNETMASK, &ifr.ifr_ifru, "netmask"));
  ifr.ifr_addr = SockaddrOf(Ipv4Address(plan.address.host() | ~inet_make_mask(plan.prefix_bits)));
  status.Update(SetInterface(plan.name, SIOCSIFBRDADDR, &ifr.ifr_ifru, "broadcast address"));
  for (const SettingPlan& setting : kDeviceSettingPlans) {
    status.Update(WriteSetting(
        {absl::StrCat("net/ipv4/conf/", plan.name, "/", setting.path), setting.value}));
  }
  flags_[port] = IFF_UP | IFF_BROADCAST | IFF_MULTICAST;
  status.Update(SetFlags(plan.name, flags_[port]));
  return status;
}

absl::Status KernelNamespace::AddRoute(const RoutePlan& route) {
  struct rtentry entry = {};
  entry.rt_dst = SockaddrOf(route.network);
  entry.rt_genmask = SockaddrOf(Ipv4Address(inet_make_mask(route.prefix_bits)));
  entry.rt_gateway = SockaddrOf(route.gateway);
  entry.rt_flags = RTF_UP | RTF_GATEWAY;
  if (ioctl(control_.get(), SIOCADDRT, &entry) != 0) return ErrnoStatus("SIOCADDRT");
  return absl::OkStatus();
}

absl::Status KernelNamespace::SetUpIpv6() {
  const OwnFd control6(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (control6.get() < 0) return ErrnoStatus("socket(AF_INET6)");
  absl::Status status = netlink_.Open();
  for (int port = 0; port < kPorts; ++port) {
    status.Update(AddAddress6(control6.get(), port, kPortPlans[port].address6));
  }
  for (const Route6Plan& route : kRoute6Plans) status.Update(AddRoute6(control6.get(), route));
  // Addresses come into use, and groups are reported, a moment later.
  usleep(kSettlingMicroseconds);
  AwaitAddresses();
  netlink_.RememberRoutes();
  return status;
}

absl::Status KernelNamespace::AddAddress6(int control6, int port, const Ipv6Address& address) {
  struct in6_ifreq request = {};
  request.ifr6_addr = In6AddrOf(address);
  request.ifr6_prefixlen = kPrefixBits6;
  request.ifr6_ifindex = kFirstIfindex + port;
  if (ioctl(control6, SIOCSIFADDR, &request) != 0) return ErrnoStatus("IPv6 address");
  return absl::OkStatus();
}

absl::Status KernelNamespace::AddAddresses(const std::vector<IpAddress>& addresses) {
  constexpr uint32_t kMask4 = 0xffffff00;
  const OwnFd control6(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  absl::Status status;
  for (const IpAddress& address : addresses) {
    if (address.is_v6()) {
      status.Update(AddAddress6(control6.get(), 0, address.v6()));
      continue;
    }
    const std::string alias = absl::StrCat(kPortPlans[0].name, ":1");
    struct ifreq ifr = {};
    ifr.ifr_addr = SockaddrOf(address.v4());
    status.Update(SetInterface(alias.c_str(), SIOCSIFADDR, &ifr.ifr_ifru, "second address"));
    ifr.ifr_addr = SockaddrOf(Ipv4Address(kMask4));
    status.Update(SetInterface(alias.c_str(), SIOCSIFNETMASK, &ifr.ifr_ifru, "its netmask"));
  }
  usleep(kSettlingMicroseconds);
  return status;
}

absl::Status KernelNamespace::AddRoute6(int control6, const Route6Plan& route) {
  struct in6_rtmsg entry = {};
  entry.rtmsg_dst = In6AddrOf(route.network);
  entry.rtmsg_dst_len = kPrefixBits6;
  entry.rtmsg_gateway = In6AddrOf(route.gateway);
  entry.rtmsg_ifindex = kFirstIfindex + route.port;
  entry.rtmsg_metric = 1024;
  entry.rtmsg_flags = RTF_UP | RTF_GATEWAY;
  if (ioctl(control6, SIOCADDRT, &entry) != 0) return ErrnoStatus("SIOCADDRT of IPv6");
  return absl::OkStatus();
}

void KernelNamespace::Forget(bool routes) {
  if (speaks_ipv6_) {
    netlink_.ForgetNeighbours();
    if (routes) netlink_.ForgetRoutes();
    return;
  }
  // A device that begins or ends to do without ARP loses all it knows (arp_netdev_event), and the
  // change makes the routes' caches void (fib_netdev_event). Of IPv6 it would report all groups
  // again.
  for (int port = 0; port < kPorts; ++port) {
    (void)SetFlags(kPortPlans[port].name, flags_[port] | IFF_NOARP);
    (void)SetFlags(kPortPlans[port].name, flags_[port]);
  }
}

}  // namespace tapedeck::differential
