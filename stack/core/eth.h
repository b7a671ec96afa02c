// Ethernet devices: headers and types (net/ethernet/eth.c).
#ifndef TAPEDECK_STACK_CORE_ETH_H_
#define TAPEDECK_STACK_CORE_ETH_H_

#include <cstdint>

#include "stack/core/net_device.h"
#include "stack/core/skbuff.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {

inline constexpr uint16_t kEthHeaderBytes = 14;  // ETH_HLEN
inline constexpr uint8_t kEthAddressBytes = 6;   // ETH_ALEN
inline constexpr uint32_t kEthMtu = 1500;        // ETH_DATA_LEN
inline constexpr uint32_t kEthMtuMin = 68;       // ETH_MIN_MTU
inline constexpr uint32_t kEthMtuMax = 65535;    // ETH_MAX_MTU
inline constexpr uint16_t kVlanHeaderBytes = 4;  // VLAN_HLEN

// Create and parse Ethernet headers, cache them for neighbours.
extern const header_ops eth_header_ops;

// setup function of alloc_netdev_mqs for Ethernet devices: type, lengths, MTU 1500, queue of 1000.
void ether_setup(net_device* dev);

// Called by drivers on a received frame: sets dev, mac_header and pkt_type, pulls the header, and
// returns the protocol, which the caller stores in skb->protocol. REQUIRES: kEthHeaderBytes linear
// bytes.
uint16_t eth_type_trans(sk_buff* skb, net_device* dev);

inline const wire::EthernetHeader* eth_hdr(const sk_buff* skb) {
  return reinterpret_cast<const wire::EthernetHeader*>(skb_mac_header(skb));
}

// The members of eth_header_ops; see there.
int eth_header(sk_buff* skb, net_device* dev, uint16_t type, const uint8_t* daddr,
               const uint8_t* saddr, uint32_t len);
int eth_header_parse(const sk_buff* skb, uint8_t* haddr);
int eth_header_cache(const neighbour* neigh, hh_cache* hh, uint16_t type);
void eth_header_cache_update(hh_cache* hh, const net_device* dev, const uint8_t* haddr);

// For net_device_ops: -EADDRNOTAVAIL for an address no station may have.
int eth_validate_addr(net_device* dev);
int eth_mac_addr(net_device* dev, const MacAddress& address);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_ETH_H_
