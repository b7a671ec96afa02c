// UDP applications for Labs: a server that answers each datagram with one, and clients that ask,
// wait for the answer, and ask again where none comes. The protocol is that of tcp_apps.h, in
// datagrams.
#ifndef TAPEDECK_REPLAY_LAB_UDP_APPS_H_
#define TAPEDECK_REPLAY_LAB_UDP_APPS_H_

#include <cstdint>

#include "replay/lab/tcp_apps.h"
#include "stack/base/ip_address.h"
#include "stack/host.h"

namespace tapedeck {

// Of a request or an answer, at most: what a datagram of these applications carries behind its
// header. More than a frame holds travels in fragments.
inline constexpr uint64_t kUdpAppBytesMax = 16'000;

// Answers on `port` of `host` until the host is shut down.
void StartUdpServer(Host& host, uint16_t port, AppCounts* counts,
                    AppFamilies families = AppFamilies::kIpv4);
// A client on `host` that works off `plan` (a socket for each connection) with the server at
// `server` and ends. A request without an answer within a second is sent again, ten times in all;
// then the connection has failed. REQUIRES: requests and answers within kUdpAppBytesMax.
void StartUdpClient(Host& host, const Endpoint& server, const AppPlan& plan, uint64_t seed,
                    AppCounts* counts);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_UDP_APPS_H_
