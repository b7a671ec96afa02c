// The peers' side of TCP connections, as far as a script's segments need it: what each host has
// last said, and the bytes of a segment that answers it.
#ifndef TAPEDECK_REPLAY_LAB_PEER_FLOWS_H_
#define TAPEDECK_REPLAY_LAB_PEER_FLOWS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "replay/lab/cable.h"
#include "replay/script/addresses.h"
#include "replay/script/segment_step.h"
#include "stack/base/seqnum.h"
#include "stack/base/time.h"

namespace tapedeck {

// Byte `position` of what a peer sends on any connection: from a wide hash, so that a receiver's
// bytes tell where they belong, whatever shift or cut they come through.
uint8_t PeerStreamByte(uint32_t position);

// Copyable: a state of it goes with a state of the Lab.
class PeerFlows {
 public:
  // Of hosts 0 to `hosts` - 1.
  explicit PeerFlows(int hosts);

  // `frame` left host `host`.
  void Observe(uint8_t host, std::span<const uint8_t> frame);
  // The frame that `segment` stands for at `now`, to host `host`. A SYN begins a new stream.
  std::vector<uint8_t> Build(const SegmentStep& segment, uint8_t host, SimTime now);
  // The number before the peer's first byte on the connection between these; nullopt where that is
  // none of a script's segments, or another one by now.
  std::optional<SeqNum> PeerIsn(uint8_t host, const IpAddress& peer, uint16_t peer_port,
                                uint16_t host_port) const;

 private:
  struct Flow {
    uint16_t host_port = kScriptPort;
    SeqNum expected;      // what the host expects next, as it last said
    SeqNum sent_end;      // behind all that the host has sent
    SeqNum peer_isn;      // of the peer's last SYN
    uint32_t ts_val = 0;  // the host's last
    bool heard = false;   // the host has acknowledged something
    // SYNs of the peer; with more than one nobody can tell which of them made the connection.
    uint32_t syns = 0;
  };
  static size_t IndexOf(uint8_t host, bool ipv6, uint8_t flow) {
    return (size_t{host} * 2 + (ipv6 ? 1 : 0)) * kSegmentFlowsMax + flow;
  }

  std::vector<Flow> flows_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_PEER_FLOWS_H_
