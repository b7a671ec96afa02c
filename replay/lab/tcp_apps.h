// TCP applications for Labs, as coroutines: a server that does what its clients ask for, and
// clients that send, fetch, ask and answer, over one connection or many. Every byte depends on its
// connection and place, and the reader checks it.
//
// The protocol: a request is kAppHeaderBytes of header (struct AppHeader) and `request_bytes`; the
// answer is `response_bytes`. Either side of a connection may close it after an answer.
#ifndef TAPEDECK_REPLAY_LAB_TCP_APPS_H_
#define TAPEDECK_REPLAY_LAB_TCP_APPS_H_

#include <cstdint>
#include <span>

#include "stack/base/ip_address.h"
#include "stack/host.h"

namespace tapedeck {

// What applications have done. In the arena, so that a snapshot takes it along.
struct AppCounts {
  uint64_t connections = 0;  // that were opened or accepted
  uint64_t requests = 0;     // that were answered in full
  uint64_t bytes_sent = 0;   // payload, without headers
  uint64_t bytes_received = 0;
  uint64_t wrong_bytes = 0;   // that were not what was sent
  uint64_t failed_calls = 0;  // that returned an error, or an end too early
  int64_t first_error = 0;    // of them: -errno, or 0 for an end
  uint64_t running = 0;       // clients that are not through
  SimTime last_byte_at;
};

// What a client does on each of its connections.
struct AppPlan {
  uint32_t connections = 1;              // one after another
  uint32_t requests_per_connection = 1;  // one after another
  uint64_t request_bytes = 0;
  uint64_t response_bytes = 0;
  uint32_t write_bytes = 16'384;  // in one call, at most
  uint32_t read_bytes = 16'384;
  // Of its sockets; 0: as they come.
  uint32_t send_buffer_bytes = 0;
  uint32_t receive_buffer_bytes = 0;
  char congestion_control[16] = {};
};

// Serves `port` of `host` until the host is shut down. Sockets get `receive_buffer_bytes` unless 0.
// Over IPv4; with kBoth, over IPv6 and IPv4 (mapped addresses).
enum class AppFamilies : uint8_t { kIpv4, kBoth };
void StartTcpServer(Host& host, uint16_t port, AppCounts* counts, uint32_t receive_buffer_bytes = 0,
                    AppFamilies families = AppFamilies::kIpv4);
// A client on `host` that works off `plan` with the server at `server` and ends. `seed` makes its
// bytes.
void StartTcpClient(Host& host, const Endpoint& server, const AppPlan& plan, uint64_t seed,
                    AppCounts* counts);

// Byte `position` of stream `stream`.
uint8_t AppByte(uint64_t stream, uint64_t position);
// Those of a stream from `position` on.
void FillAppBytes(uint64_t stream, uint64_t position, std::span<uint8_t> bytes);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_TCP_APPS_H_
