// Ethernet II and 802.3 frames without preamble and FCS, with 802.1Q and 802.1ad tags.
// Source: IEEE 802.3, 802.1Q 9.6; Linux: include/uapi/linux/if_ether.h, if_vlan.h.
#ifndef TAPEDECK_STACK_WIRE_ETHERNET_H_
#define TAPEDECK_STACK_WIRE_ETHERNET_H_

#include <cstdint>
#include <span>
#include <string>

#include "stack/base/byteorder.h"
#include "stack/base/ip_address.h"
#include "stack/wire/parse.h"

namespace tapedeck::wire {

inline constexpr uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr uint16_t kEtherTypeArp = 0x0806;
inline constexpr uint16_t kEtherTypeVlan = 0x8100;         // 802.1Q C-tag
inline constexpr uint16_t kEtherTypeServiceVlan = 0x88a8;  // 802.1ad S-tag
inline constexpr uint16_t kEtherTypeIpv6 = 0x86dd;
inline constexpr uint16_t kEtherTypeMin = 0x0600;  // below: an 802.3 length

inline constexpr size_t kEthernetMinBytes = 60;  // shortest frame on the wire, without FCS
inline constexpr size_t kEthernetMaxBytes =
    1514;                                  // longest untagged frame for an MTU of 1500, without FCS
inline constexpr size_t kVlanTagsMax = 8;  // tags that ParseEthernet() steps over

struct EthernetHeader {
  MacAddress dest{};
  MacAddress source{};
  be16 proto{};  // type of what follows, possibly a tag's; or a length below kEtherTypeMin
};
static_assert(sizeof(EthernetHeader) == 14 && alignof(EthernetHeader) == 1);

// What follows a proto of 0x8100 or 0x88a8.
struct VlanTag {
  be16 tci{};
  be16 proto{};  // type of what follows the tag

  constexpr uint16_t id() const { return tci.host() & 0x0fff; }
  constexpr uint8_t priority() const { return static_cast<uint8_t>(tci.host() >> 13); }
  constexpr bool drop_eligible() const { return (tci.host() & 0x1000) != 0; }

  static constexpr uint16_t Tci(uint16_t id, uint8_t priority, bool drop_eligible) {
    return static_cast<uint16_t>((priority & 7) << 13 | (drop_eligible ? 0x1000 : 0) |
                                 (id & 0x0fff));
  }
};
static_assert(sizeof(VlanTag) == 4 && alignof(VlanTag) == 1);

// As the kernel's eth_type_vlan().
constexpr bool IsVlanType(uint16_t proto) {
  return proto == kEtherTypeVlan || proto == kEtherTypeServiceVlan;
}

struct EthernetView {
  const EthernetHeader* header = nullptr;
  std::span<const VlanTag> tags{};  // outermost first
  uint16_t proto = 0;               // of the payload: the last tag's, or the header's
  std::span<const uint8_t> payload{};

  bool has_length() const { return proto < kEtherTypeMin; }  // 802.3 with LLC
};

// Errors: kTruncated, for the header or a tag. Tags past kVlanTagsMax stay in the payload.
Parsed<EthernetView> ParseEthernet(std::span<const uint8_t> frame);

// Writes header and tags; `header.proto` and each tag's proto as given. Returns bytes written, 0
// where there is no room.
size_t EmitEthernet(std::span<uint8_t> out, const EthernetHeader& header,
                    std::span<const VlanTag> tags = {});

// "02:00:00:00:00:01 > 02:00:00:00:00:02, vlan 5 p 3, ethertype IPv4 (0x0800), length 60"
std::string ToString(const EthernetView& view);

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_ETHERNET_H_
