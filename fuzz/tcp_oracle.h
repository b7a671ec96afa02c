// What must hold of every TCP socket whenever nothing is running (RFC 9293 3.3, 3.4; the kernel's
// own WARN_ONs): sequence space, queues, counts of what is in flight, memory charged, timers; and
// that what it has received is what its peer has sent.
#ifndef TAPEDECK_FUZZ_TCP_ORACLE_H_
#define TAPEDECK_FUZZ_TCP_ORACLE_H_

#include <cstdint>

#include "replay/lab/peer_flows.h"
#include "stack/socket/sock_diag.h"

namespace tapedeck::fuzz {

// INV:<rule>:tcp_sock, RES:charged_is_held:tcp_sock, LIVE:retransmit_timer:tcp_sock,
// LIVE:probe_timer:tcp_sock, RFC:reset_for_unread:tcp_sock. `sk` is a TCP socket.
void CheckTcpSocket(const sock* sk);

// STREAM:bytes:tcp_sock. What lies in the receive queue of a connection with one of the script's
// peers are the bytes of PeerStreamByte(). Only where all segments of those peers come from
// `flows`. REQUIRES: entry.sk is a TCP socket of host `host`.
void CheckTcpStream(uint8_t host, const sock_diag_entry& entry, const PeerFlows& flows);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_TCP_ORACLE_H_
