// The state of an iperf3 server's test and its streams: iperf3_server.cc talks to the client,
// iperf3_streams.cc moves the data.
#ifndef TAPEDECK_REPLAY_APPS_IPERF3_TEST_H_
#define TAPEDECK_REPLAY_APPS_IPERF3_TEST_H_

#include <cstdint>

#include "replay/apps/app_io.h"
#include "replay/apps/iperf3_protocol.h"

namespace tapedeck {

struct Iperf3Stream {
  int id = 0;
  int fd = -1;  // TCP: its socket; UDP: -1
  bool sends = false;
  SockAddr peer;  // UDP
  uint64_t bytes = 0;
  int64_t retransmits = -1;
  // UDP, receiving: RFC 1889 A.8's jitter in integers, and what is missing.
  uint64_t packets = 0;  // the highest number seen
  uint64_t lost = 0;
  uint64_t jitter_ns = 0;
  int64_t transit_ns = 0;  // of the last one; clocks differ by any amount
};

// The server. In the arena.
struct Iperf3Server {
  enum class Phase : uint8_t {
    kIdle,
    kParameters,  // a client is there
    kStreams,     // its streams connect
    kRunning,
    kResults,
  };

  Iperf3Server(Host& host_in, const Endpoint& end_in, ServiceCounts* counts_in)
      : host(host_in), end(end_in), counts(counts_in) {}

  // The stream that connects next, or null where no more are wanted.
  Iperf3Stream* AddStream();
  bool AllConnected() const {
    return stream_count == parameters.receiving() + parameters.sending();
  }
  // The test that streams belong to is over.
  bool Over() const { return phase != Phase::kRunning; }

  Host& host;
  Endpoint end;
  ServiceCounts* counts;
  Phase phase = Phase::kIdle;
  char cookie[kIperf3CookieBytes] = {};
  Iperf3Parameters parameters;
  int udp_fd = -1;
  int stream_count = 0;
  int live_threads = 0;  // of the streams
  SimTime started;
  Iperf3Stream streams[kIperf3StreamsMax];
};

// The threads of a test's streams end when it is over, or at the end of their connections.
void StartIperf3Stream(Iperf3Server& server, Iperf3Stream& stream);
// Receives the datagrams of all tests, until the host is shut down.
Task<> ReceiveIperf3Datagrams(Thread& thread, Iperf3Server& server);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_APPS_IPERF3_TEST_H_
