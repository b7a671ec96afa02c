// What became of P's segments between the capture and L (replay.md 4.3, step 6).
#ifndef TAPEDECK_REPLAY_STANDIN_DELIVERY_H_
#define TAPEDECK_REPLAY_STANDIN_DELIVERY_H_

#include <cstdint>
#include <vector>

#include "replay/standin/flows.h"

namespace tapedeck::standin {

// By index into TcpFlow::segments.
struct Delivery {
  // P's segment was lost behind the capture: L's ACKs show nothing of it, and P sent it again.
  std::vector<bool> lost;
  // Its checksum is wrong in the file and was right at L, which acknowledged it before any other
  // copy came: somebody changed the file (made addresses anonymous, say).
  std::vector<bool> sum_was_right;
};

// `distance_ns`: from the capture to L, one way; 0: captured at L.
Delivery FindDelivery(const TcpFlow& flow, int64_t distance_ns);

// Sets FlowSegment::refused: of a segment whose timestamp is behind that of what L had
// acknowledged, and whose bytes L did not acknowledge before they came again.
void MarkRefused(TcpFlow* flow);

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_DELIVERY_H_
