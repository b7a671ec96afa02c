// What the receive parser finds in a frame: the packet type, where its headers are, whether its
// IPv4 header is right. The other receive units (RSS, checksum) work from this. Source: Intel 82599
// datasheet 7.1.6.2, 7.1.11.
#ifndef TAPEDECK_NICMODEL_RX_PARSE_H_
#define TAPEDECK_NICMODEL_RX_PARSE_H_

#include <cstdint>
#include <span>

namespace tapedeck::nic {

struct RxParse {
  uint16_t packet_type;  // PacketType
  uint8_t l3_offset;     // 0 where there is no IP header
  bool vlan;
  bool fragment;
  bool ipv4_checksum_bad;
  // TCP or UDP whose checksum can be verified lies at [l4_offset, l4_offset + l4_bytes); 0 bytes
  // where there is none.
  uint16_t l4_offset;
  uint16_t l4_bytes;
  uint16_t ports_offset;  // where kPacketTcp or kPacketUdp says that there are ports
  uint16_t vlan_tci;
};

// Fills all of `parse`. `vlan_ethertype` marks a tag (VLNCTRL.VET). Only one tag is looked through.
// REQUIRES: at least 14 bytes.
void ParseRx(std::span<const uint8_t> frame, uint16_t vlan_ethertype, RxParse* parse);

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_RX_PARSE_H_
