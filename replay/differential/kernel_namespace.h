// A network namespace of this machine's kernel, set up as topology.h says, and the files by which
// it is played with. Needs root and /dev/net/tun.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_KERNEL_NAMESPACE_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_KERNEL_NAMESPACE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "replay/differential/case.h"
#include "replay/differential/kernel_netlink.h"
#include "replay/differential/topology.h"
#include "replay/outside/own_fd.h"

namespace tapedeck::differential {

class KernelNamespace {
 public:
  // Makes one, and moves the calling process, which must have a single thread, into it for good.
  // One for AddressFamily::kIpv6 speaks both families, one for kIpv4 that alone. PermissionDenied,
  // Unavailable: what was refused, and by which error.
  static absl::StatusOr<std::unique_ptr<KernelNamespace>> Create(AddressFamily family);

  // Gives the first port further addresses, for good.
  absl::Status AddAddresses(const std::vector<IpAddress>& addresses);

  // Moves the process into this one.
  void Enter() const;

  // Written to, the device receives a frame; read from, it has sent one. Never blocks.
  int tap(int port) const { return taps_[port].get(); }
  // Returns when no IPv6 address waits any longer to come into use, which a work queue sees to; or
  // after a second.
  static void AwaitAddresses();

  // Appends /proc/net/snmp, /proc/net/netstat and, for IPv6, /proc/net/snmp6.
  void ReadCounterFiles(std::string* text) const;

  // Forgets all neighbours and cached routes; with `routes` also addresses and routes that were
  // learnt.
  void Forget(bool routes);

 private:
  explicit KernelNamespace(AddressFamily family) : speaks_ipv6_(family == AddressFamily::kIpv6) {}
  absl::Status SetUp();
  absl::Status OpenCounterFiles();
  absl::Status SetUpIpv6();
  absl::Status AddAddress6(int control6, int port, const Ipv6Address& address);
  absl::Status AddRoute6(int control6, const Route6Plan& route);
  absl::Status OpenTap(int port);
  absl::Status SetInterface(const char* name, unsigned long request, const void* value,
                            const char* what);
  absl::Status AddRoute(const RoutePlan& route);
  absl::Status SetFlags(const char* name, int flags);

  bool speaks_ipv6_;
  OwnFd self_;     // the namespace
  OwnFd control_;  // a socket, for ioctls
  OwnFd taps_[kPorts];
  std::vector<OwnFd> counter_files_;
  KernelNetlink netlink_;
  int flags_[kPorts] = {};
};

// Files below /proc/sys, of the namespace that the process is in.
absl::Status WriteSetting(const Setting& setting);
absl::StatusOr<std::string> ReadSetting(const std::string& path);

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_KERNEL_NAMESPACE_H_
