// Lengths and protocol numbers by which the device finds its way through a frame.
#ifndef TAPEDECK_NICMODEL_FRAME_LAYOUT_H_
#define TAPEDECK_NICMODEL_FRAME_LAYOUT_H_

#include <cstdint>

namespace tapedeck::nic {

inline constexpr uint32_t kAddressesBytes = 12;  // what stands before a VLAN tag
inline constexpr uint32_t kEthernetBytes = 14;
inline constexpr uint32_t kTagBytes = 4;
inline constexpr uint32_t kTcpBytesMin = 20;
inline constexpr uint32_t kUdpBytes = 8;

inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_FRAME_LAYOUT_H_
