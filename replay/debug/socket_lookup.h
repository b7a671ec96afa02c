// Where a host's sockets are, for reading: by descriptor, number and ends. Nothing is changed, and
// no reference taken.
#ifndef TAPEDECK_REPLAY_DEBUG_SOCKET_LOOKUP_H_
#define TAPEDECK_REPLAY_DEBUG_SOCKET_LOOKUP_H_

#include <cstdint>
#include <vector>

#include "replay/debug/fields.h"
#include "stack/base/ip_address.h"
#include "stack/core/sock.h"
#include "stack/host.h"

namespace tapedeck {

// Which table describes it.
ObjectKind KindOf(const sock* sk);

// The socket of a descriptor; nullptr where that is none.
sock* SockOfFd(Host& host, int fd);
// The TCP socket with these ends that is connected; nullptr where there is none.
sock* FindConnection(Host& host, const Endpoint& local, const Endpoint& remote);

struct FoundSock {
  sock* sk = nullptr;
  int fd = -1;  // -1: it has none
};
// Each once, by their numbers: those with descriptors and those in the tables of TCP and UDP.
std::vector<FoundSock> AllSocks(Host& host);

Endpoint LocalEnd(const sock* sk);
Endpoint RemoteEnd(const sock* sk);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_DEBUG_SOCKET_LOOKUP_H_
