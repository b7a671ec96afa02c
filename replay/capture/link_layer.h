// A captured record as the Ethernet frame that enters a NIC.
//
// Link types without an Ethernet header get a made-up one. Its addresses come from the IP
// addresses, so that each host has one MAC address throughout a capture and whoever reads it can
// tell which host it is (MacFromIpv4, MacFromIpv6). Linux's cooked captures do name the sender's
// address, but never the receiver's; mixing real and made-up ones would give every host two, so
// both are made up there too.
//
// Sources: https://www.tcpdump.org/linktypes.html, LINKTYPE_LINUX_SLL2.html, LINKTYPE_NFLOG.html,
// RFC 1112 6.4, RFC 1661 2, RFC 1662 3.1, RFC 2464 7, RFC 2516 4. Left out, with a reason: 802.11
// (what the air carries is encrypted, aggregated and acknowledged apart), InfiniBand and all other
// link types.
#ifndef TAPEDECK_REPLAY_CAPTURE_LINK_LAYER_H_
#define TAPEDECK_REPLAY_CAPTURE_LINK_LAYER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "replay/capture/record.h"

namespace tapedeck::capture {

inline constexpr size_t kEthernetHeaderBytes = 14;

using MacAddress = std::array<uint8_t, 6>;

// Why a record cannot enter a NIC.
enum class SkipReason : uint8_t {
  kNone,                 // it can
  kLinkTypeUnsupported,  // the interface's link type has no way to Ethernet here
  kEmpty,                // nothing was captured, or nothing behind the link-layer header
  kTruncatedLinkHeader,  // cut within the link-layer header
  kTruncatedIpHeader,    // cut before the addresses from which an Ethernet header would be made
  kNotIp,                // a link type for IP alone, and no IP version in the first nibble
  kNoEthertype,          // a cooked frame whose protocol field is no Ethernet type
  kWireless,             // 802.11, with or without radiotap
  kPppControl,           // PPP that carries no IP: LCP, IPCP, compressed, ...
  kNoPayload,            // NFLOG without the packet
  kCount,
};

// "link_type_unsupported", ...: the name of the reason in summaries and JSON.
const char* SkipReasonName(SkipReason reason);
// A sentence for people.
const char* SkipReasonText(SkipReason reason);

// A frame in at most two pieces: a header made up here and bytes of the capture, which are not
// copied. Lives as long as the record's bytes. FCS excluded.
struct EthernetFrame {
  std::array<uint8_t, kEthernetHeaderBytes> header = {};  // only if synthesised
  std::span<const uint8_t> payload;     // what follows `header`, or the whole frame
  uint32_t original_length_bytes = 0;   // of the whole frame on the wire
  uint32_t system_interface_index = 0;  // ifindex on the capturing system, from SLL2; 0: not told
  Direction direction = Direction::kUnknown;  // from the record, else from the cooked header
  uint8_t fcs_stripped_bytes = 0;
  bool synthesised = false;  // the Ethernet header is made up

  size_t size_bytes() const { return (synthesised ? kEthernetHeaderBytes : 0) + payload.size(); }
  // Part of the frame was not captured.
  bool truncated() const { return size_bytes() < original_length_bytes; }
  // Writes the frame to `destination`. REQUIRES: destination.size() >= size_bytes().
  void CopyTo(std::span<uint8_t> destination) const;
};

// Turns `record` into `frame` and returns kNone, or returns why that is impossible and leaves
// `frame` unspecified.
SkipReason ToEthernet(const Record& record, EthernetFrame& frame);

// The Ethernet type of what a PPP protocol number (RFC 1661 2) announces, or 0: no IP.
uint16_t EthertypeOfPpp(uint16_t protocol);

// 02:00 and the address: locally administered, unicast, and readable. REQUIRES: 4 bytes.
MacAddress MacFromIpv4(const uint8_t* address);
// 02:06 and the 32-bit FNV-1a hash of the address: many hosts end in ::1, so no four bytes would
// do. REQUIRES: 16 bytes.
MacAddress MacFromIpv6(const uint8_t* address);

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_LINK_LAYER_H_
