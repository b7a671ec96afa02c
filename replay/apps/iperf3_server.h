// An iperf3 server: one test at a time, TCP or UDP, either direction or both, any number of
// streams. A second client is told that the server is busy.
#ifndef TAPEDECK_REPLAY_APPS_IPERF3_SERVER_H_
#define TAPEDECK_REPLAY_APPS_IPERF3_SERVER_H_

#include "replay/apps/app_io.h"

namespace tapedeck {

// Serves `end` until the host is shut down; `counts` is in the arena: tests that were begun and
// ended, and the bytes of their streams.
void StartIperf3Server(Host& host, const Endpoint& end, ServiceCounts* counts);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_APPS_IPERF3_SERVER_H_
