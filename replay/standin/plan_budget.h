// How much of a capture is stood in for, so that a replay stays within four times the file and 64
// MiB however the capture is made: a flow costs a Lab some kibibytes as long as it is open, which a
// capture of nothing but beginnings has not paid for.
#ifndef TAPEDECK_REPLAY_STANDIN_PLAN_BUDGET_H_
#define TAPEDECK_REPLAY_STANDIN_PLAN_BUDGET_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <set>
#include <vector>

#include "replay/standin/captured_packets.h"
#include "stack/base/ip_address.h"

namespace tapedeck::standin {

struct TcpFlow;
struct UdpFlow;

class PlanBudget {
 public:
  explicit PlanBudget(const CapturedPackets& packets);

  // Whether one more flow, or neighbour, fits in. Flows come in the order of their first packets,
  // connections before datagrams.
  bool Take(const TcpFlow& flow);
  bool Take(const UdpFlow& flow);
  bool TakeNeighbour();

 private:
  bool Fits(int64_t bytes) const { return used_bytes_ + bytes <= bytes_max_; }

  int64_t bytes_max_ = 0;
  int64_t used_bytes_ = 0;  // by what is taken and still open
  size_t flows_ = 0;
  // When those end that are open, the next one first.
  std::priority_queue<int64_t, std::vector<int64_t>, std::greater<>> ends_ns_;
  std::set<Endpoint> ports_;  // of L, that have a UDP socket
};

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_PLAN_BUDGET_H_
