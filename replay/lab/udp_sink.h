// Applications that read every datagram that comes to a port and do nothing with it: what a
// capture's UDP traffic reaches.
#ifndef TAPEDECK_REPLAY_LAB_UDP_SINK_H_
#define TAPEDECK_REPLAY_LAB_UDP_SINK_H_

#include <cstdint>
#include <span>

#include "stack/host.h"

namespace tapedeck {

class UdpSinks {
 public:
  // One thread and one socket a port, bound to every address of `host`; they run until the host is
  // shut down.
  // `any` says of which family their sockets are: those of :: take IPv4 as well.
  UdpSinks(Host& host, std::span<const uint16_t> ports, const IpAddress& any = kIpv4Any);

  uint64_t datagrams() const { return counts_->datagrams; }

 private:
  // In the arena, so that a snapshot takes them along.
  struct Counts {
    uint64_t datagrams = 0;
    uint64_t bytes = 0;
  };
  static Task<> ReadAll(Thread& thread, Host& host, Endpoint end, Counts* counts);

  Counts* counts_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_UDP_SINK_H_
