// The echo service (RFC 862), over TCP and UDP: what comes goes back.
#ifndef TAPEDECK_REPLAY_APPS_ECHO_H_
#define TAPEDECK_REPLAY_APPS_ECHO_H_

#include "replay/apps/app_io.h"

namespace tapedeck {

// Serves `end` until the host is shut down; `counts` is in the arena.
void StartEchoServer(Host& host, const Endpoint& end, ServiceCounts* counts);
// The discard service (RFC 863), over TCP and UDP: what comes is read and forgotten.
void StartDiscardServer(Host& host, const Endpoint& end, ServiceCounts* counts);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_APPS_ECHO_H_
