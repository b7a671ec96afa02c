// Network namespaces by name, as `ip netns` keeps them: a file in /run/netns.
#ifndef TAPEDECK_REPLAY_LIVE_NET_NAMESPACE_H_
#define TAPEDECK_REPLAY_LIVE_NET_NAMESPACE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tapedeck {

// Being in a namespace; it is left again, and removed where it was made, with this object.
class NetNamespace {
 public:
  // Moves this process, which must have a single thread, into the namespace `name`. With `create`
  // it is made where there is none, its lo up.
  static absl::StatusOr<NetNamespace> Enter(const std::string& name, bool create);

  NetNamespace(NetNamespace&& other) noexcept;
  NetNamespace& operator=(NetNamespace&&) = delete;
  ~NetNamespace();

 private:
  NetNamespace(int before, std::string made) : before_(before), made_(std::move(made)) {}

  int before_;        // the namespace it came from
  std::string made_;  // the file to remove at the end, or ""
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LIVE_NET_NAMESPACE_H_
