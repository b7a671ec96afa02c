// Scripts in packetdrill's manner as inputs of the target `stack`.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_PACKET_SEEDS_H_
#define TAPEDECK_FUZZ_CAMPAIGN_PACKET_SEEDS_H_

#include "replay/script/script.h"

namespace tapedeck::fuzz {

// A target plays no packets with numbers of a conversation that is known beforehand. Those that
// reach the stack become segments relative to what the stack has said: what the script expects of
// it tells how far both sides are. Commands become settings; expectations and code are left out,
// and so are packets that are not TCP's. Before the first step, the target's sockets of the kinds
// that the script opens are closed: they have its ports. With `ipv6`, what the script leaves open
// is IPv6's.
Script WithRelativeSegments(const Script& script, bool ipv6 = false);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_PACKET_SEEDS_H_
