// The connection that a script speaks of, and how its numbers become those on the wire and back: a
// script knows neither addresses nor ports, nor what initial sequence number and timestamps the
// stack will choose.
//
// A script has one connection under test at a time. It is the last socket that was made; once that
// listens, a segment from outside makes a new one, which accept() gives its descriptor. Source:
// packetdrill, socket.h and run_packet.c.
#ifndef TAPEDECK_REPLAY_LAB_SCRIPT_CONNECTION_H_
#define TAPEDECK_REPLAY_LAB_SCRIPT_CONNECTION_H_

#include <cstdint>
#include <map>
#include <optional>

#include "stack/base/ip_address.h"

namespace tapedeck {

struct ScriptConnection {
  enum class State : uint8_t {
    kNew,             // socket() has made it
    kListening,       // listen(); segments from outside make connections of their own
    kPacketReceived,  // made by a segment from outside
    kSynAckSent,
    kSynAckAcked,
    kConnecting,  // connect() or sendto() has named the remote side
    kSynSent,     // the script expects its SYN
    kSynAcked,
  };

  State state = State::kNew;
  uint8_t protocol = 0;  // IPPROTO_*
  int32_t fd = -1;       // its descriptor, as the stack has it; -1: not accepted yet

  // On the wire; without a family until known.
  Endpoint local;
  Endpoint remote;

  // Initial sequence numbers, of the host under test and of its peer: as SYNs have them in the
  // script, and on the wire.
  uint32_t script_local_isn = 0;
  uint32_t live_local_isn = 0;
  uint32_t script_remote_isn = 0;
  uint32_t live_remote_isn = 0;

  // What is added to the script's numbers to get those on the wire. Those of a SYN are absolute.
  uint32_t LocalOffset(bool syn) const {
    return syn ? live_local_isn - script_local_isn : live_local_isn;
  }
  uint32_t RemoteOffset(bool syn) const { return syn ? 0 : live_remote_isn; }

  // Timestamps that the host has sent: by the script's value the one on the wire.
  std::map<uint32_t, uint32_t> live_ts;
  struct FirstTs {
    uint32_t script = 0;
    uint32_t live = 0;
  };
  std::optional<FirstTs> first_ts;

  // Flow labels of IPv6 are only the same or different.
  struct FlowLabel {
    uint32_t script = 0;
    uint32_t live = 0;
  };
  std::optional<FlowLabel> flow_label;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_SCRIPT_CONNECTION_H_
