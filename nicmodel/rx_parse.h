// What the receive parser finds in a frame: the packet type, where its headers are, whether its
// IPv4 header is right. The other receive units (RSS, checksum) work from this. Source: Intel 82599
// datasheet 7.1.6.2, 7.1.11.
#ifndef TAPEDECK_NICMODEL_RX_PARSE_H_
#define TAPEDECK_NICMODEL_RX_PARSE_H_

#include <cstdint>
#include <span>

namespace tapedeck::nic {

struct RxParse {
  uint16_t packet_type = 0;  // PacketType
  uint8_t l3_offset = 0;     // 0 where there is no IP header
  bool vlan = false;
  bool fragment = false;
  bool ipv4_checksum_bad = false;
  // TCP or UDP whose checksum can be verified lies at [l4_offset, l4_offset + l4_bytes); 0 bytes
  // where there is none.
  uint16_t l4_offset = 0;
  uint16_t l4_bytes = 0;
  uint16_t ports_offset = 0;  // where kPacketTcp or kPacketUdp says that there are ports
  uint16_t vlan_tci = 0;
};

// `vlan_ethertype` marks a tag (VLNCTRL.VET). Only one tag is looked through. REQUIRES: at least 14
// bytes.
RxParse ParseRx(std::span<const uint8_t> frame, uint16_t vlan_ethertype);

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_RX_PARSE_H_
