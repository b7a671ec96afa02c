// The link types (LINKTYPE_ values) that capture files name. Any 16-bit value may occur in a file;
// those listed here are the ones the project knows by name. Source:
// https://www.tcpdump.org/linktypes.html.
#ifndef TAPEDECK_REPLAY_CAPTURE_LINK_TYPE_H_
#define TAPEDECK_REPLAY_CAPTURE_LINK_TYPE_H_

#include <cstdint>
#include <string>

namespace tapedeck::capture {

enum class LinkType : uint16_t {
  kNull = 0,      // BSD loopback: 4 bytes of address family in the writer's byte order
  kEthernet = 1,  // EN10MB
  kPpp = 9,
  kRaw12 = 12,     // raw IP as most systems number DLT_RAW
  kRaw14 = 14,     // raw IP as OpenBSD numbers it
  kPppHdlc = 50,   // PPP in HDLC-like framing
  kPppEther = 51,  // PPPoE session without its Ethernet header
  kRaw = 101,      // raw IP, version from the first nibble
  kIeee80211 = 105,
  kLoop = 108,  // OpenBSD loopback: as kNull, in network byte order
  kLinuxSll = 113,
  kIeee80211Radiotap = 127,
  kPppPppd = 166,  // PPP behind Linux's pppd: the first address byte tells the direction
  kIpv4 = 228,
  kIpv6 = 229,
  kNflog = 239,
  kIpoib = 242,
  kUpperPdu = 252,
  kLinuxSll2 = 276,
};

// "EN10MB", "LINUX_SLL2", ... as tcpdump names them, or "LINKTYPE_4711" for what has no name here.
std::string LinkTypeName(LinkType link_type);

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_LINK_TYPE_H_
