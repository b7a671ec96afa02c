// Who L is: the captured host that the stack stands in for (replay.md 4.3, step 3).
#ifndef TAPEDECK_REPLAY_STANDIN_ROLES_H_
#define TAPEDECK_REPLAY_STANDIN_ROLES_H_

#include <optional>
#include <string>
#include <vector>

#include "replay/standin/captured_packets.h"
#include "stack/base/ip_address.h"

namespace tapedeck::standin {

// How near to the capture an address looks, and how much it has to do with TCP and UDP.
struct HostCandidate {
  IpAddress address;
  MacAddress mac;                // that its packets came from
  uint64_t told_local = 0;       // packets that the capture itself says it sent or received
  uint64_t near_handshakes = 0;  // handshakes in which it answered faster than the other side
  uint64_t far_handshakes = 0;
  uint64_t packets_received = 0;  // of TCP and UDP, from somebody else
  uint64_t packets_sent = 0;
};

// All addresses that sent and received TCP or UDP, the likeliest L first.
std::vector<HostCandidate> RankHosts(const CapturedPackets& packets);

struct RoleChoice {
  std::vector<IpAddress> addresses;  // of L, the chosen one first; empty: there is no candidate
  MacAddress mac;
  std::string reason;  // for the summary of guesses
};
// `wanted`: the user's choice, taken even where it is no candidate.
RoleChoice ChooseRole(const CapturedPackets& packets, const std::optional<IpAddress>& wanted);

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_ROLES_H_
