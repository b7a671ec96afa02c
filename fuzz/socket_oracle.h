// What must hold of UDP sockets and neighbours whenever nothing is running.
#ifndef TAPEDECK_FUZZ_SOCKET_ORACLE_H_
#define TAPEDECK_FUZZ_SOCKET_ORACLE_H_

#include "replay/lab/lab.h"
#include "stack/core/sock.h"

namespace tapedeck::fuzz {

// RES:charged_is_held:udp_sock: what a socket pays for is what lies in its queues.
// DGRAM:length:udp_sock: a datagram in a queue is as long as its header says.
// `sk` is a UDP socket.
void CheckUdpSocket(const sock* sk);

// LIVE:told:epoll_item: who watches a socket for data has been told that there is some. `sk` is a
// UDP socket.
void CheckWatchers(const sock* sk);

// RES:arp_queue_of_failed:neighbour: nothing waits for an address that nobody has.
// `timely`: no CPU was kept from its work, and their timers are looked at, too (time_oracle.h).
void CheckNeighbours(Lab& lab, bool timely);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_SOCKET_ORACLE_H_
