// The tables of a network namespace, over a netlink socket: what is in them that was not there in
// the beginning is taken out, so that one namespace serves many cases (rtnetlink(7)).
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_KERNEL_NETLINK_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_KERNEL_NETLINK_H_

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "replay/outside/own_fd.h"

namespace tapedeck::differential {

class KernelNetlink {
 public:
  // Of the namespace that the process is in. Unavailable: why not.
  absl::Status Open();

  // Takes note of all IPv6 addresses and routes.
  void RememberRoutes();
  // Takes out addresses and routes that were not noted.
  void ForgetRoutes();
  // Takes out all neighbours, of both families.
  void ForgetNeighbours();

 private:
  struct Row;  // of a table, as the kernel tells and takes it

  // All rows of a table: `type` is RTM_GETNEIGH and its like.
  std::vector<Row> Dump(uint16_t type, uint8_t family);
  // Takes out the rows of `rows` that are not in `keep`, by a message of type `type`.
  void Delete(uint16_t type, const std::vector<Row>& rows, const std::set<std::string>& keep);
  // Gives what came in, message by message; false where there is an error, or nothing.
  bool Receive(const std::function<bool(std::span<const uint8_t>)>& take);

  OwnFd socket_;
  uint32_t sequence_ = 0;
  std::vector<uint8_t> buffer_;
  std::set<std::string> addresses_;
  std::set<std::string> routes_;
};

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_KERNEL_NETLINK_H_
