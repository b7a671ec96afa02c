// What must hold of every TCP socket whenever nothing is running (RFC 9293 3.3, 3.4; the kernel's
// own WARN_ONs): sequence space, queues, counts of what is in flight, memory charged, timers; and
// that what it has received is what its peer has sent.
#ifndef TAPEDECK_FUZZ_TCP_ORACLE_H_
#define TAPEDECK_FUZZ_TCP_ORACLE_H_

#include "replay/lab/lab.h"
#include "replay/lab/peer_flows.h"

namespace tapedeck::fuzz {

// INV:<rule>:tcp_sock, RES:charged:tcp_sock, LIVE:timer:tcp_sock, of every TCP socket of every
// host.
void CheckTcpSockets(Lab& lab);

// STREAM:bytes:tcp_sock. What lies in receive queues of connections with the script's peers are the
// bytes of PeerStreamByte(). Only where all segments of those peers come from `flows`.
void CheckTcpStreams(Lab& lab, const PeerFlows& flows);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_TCP_ORACLE_H_
