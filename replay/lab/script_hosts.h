// The Lab that a Script without addresses of its own is meant for: hosts and peers of
// replay/script/addresses.h.
#ifndef TAPEDECK_REPLAY_LAB_SCRIPT_HOSTS_H_
#define TAPEDECK_REPLAY_LAB_SCRIPT_HOSTS_H_

#include <cstdint>

#include "replay/lab/cable.h"
#include "replay/lab/lab.h"
#include "replay/script/addresses.h"

namespace tapedeck {

// Host `host` of a script: its addresses, on a network of 24 bits, and a NIC with all defaults.
inline LabHostOptions ScriptHostOptions(uint8_t host) {
  LabHostOptions options;
  options.mac = HostMac(host);
  options.address = HostIpv4(host);
  options.prefix_length_bits = static_cast<uint8_t>(kScriptNetwork.length_bits());
  return options;
}

// Peers exist only as frames, but they answer ARP and neighbour solicitations, so that a script
// need not. Nobody else on their network does.
class ScriptPeers : public Neighbours {
 public:
  bool Find(const IpAddress& address, MacAddress* mac) const override {
    if (address.is_v6()) {
      if (address.v6() >= SecondPeerIpv6(0) && address.v6() <= SecondPeerIpv6(99)) {
        *mac = PeerMac(static_cast<uint8_t>(address.v6().bytes()[15] - 101));
        return true;
      }
      if (address.v6() < PeerIpv6(0) || address.v6() > PeerIpv6(99)) return false;
      *mac = PeerMac(static_cast<uint8_t>(address.v6().bytes()[15] - 101));
      return true;
    }
    if (address.is_v4() && address.v4() >= SecondPeerIpv4(0) &&
        address.v4() <= SecondPeerIpv4(99)) {
      *mac = PeerMac(static_cast<uint8_t>(address.v4().bytes()[3] - 101));
      return true;
    }
    if (!address.is_v4() || address.v4() < PeerIpv4(0) || address.v4() > PeerIpv4(99)) return false;
    *mac = SourceMacOf(address.v4());
    return true;
  }
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_SCRIPT_HOSTS_H_
