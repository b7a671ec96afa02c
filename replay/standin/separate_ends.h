// Connections of a host with itself: both ends have the same address, or addresses of the loopback
// network, and no wire carries such packets. Their ends get addresses of networks for benchmarks
// instead (RFC 2544, RFC 5180): the end that was connected to is L, the other one P.
#ifndef TAPEDECK_REPLAY_STANDIN_SEPARATE_ENDS_H_
#define TAPEDECK_REPLAY_STANDIN_SEPARATE_ENDS_H_

#include "replay/standin/captured_packets.h"

namespace tapedeck::standin {

void SeparateEnds(CapturedPackets* packets);

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_SEPARATE_ENDS_H_
