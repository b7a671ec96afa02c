// Applications that accept every connection to a port, read all that comes and close when their
// peer has: what a capture's TCP traffic reaches.
#ifndef TAPEDECK_REPLAY_LAB_TCP_SINK_H_
#define TAPEDECK_REPLAY_LAB_TCP_SINK_H_

#include <cstdint>
#include <span>

#include "stack/host.h"

namespace tapedeck {

class TcpSinks {
 public:
  // One listener a port, bound to every address of `host`; they run until the host is shut down.
  // `any` says of which family their sockets are: those of :: take IPv4 as well.
  TcpSinks(Host& host, std::span<const uint16_t> ports, const IpAddress& any = kIpv4Any);

  uint64_t connections() const { return counts_->connections; }
  uint64_t bytes() const { return counts_->bytes; }

 private:
  // In the arena, so that a snapshot takes them along.
  struct Counts {
    uint64_t connections = 0;
    uint64_t bytes = 0;
  };
  static Task<> AcceptAll(Thread& thread, Host& host, Endpoint end, Counts* counts);
  static Task<> ReadAll(Thread& thread, Host& host, int fd, Counts* counts);

  Counts* counts_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_TCP_SINK_H_
