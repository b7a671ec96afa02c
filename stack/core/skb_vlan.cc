// VLAN tags: from the frame to the fields beside it, and back (net/core/skbuff.c, linux/if_vlan.h).
#include <cstring>

#include "stack/core/dev.h"
#include "stack/core/eth.h"
#include "stack/core/skb_data.h"
#include "stack/core/skbuff.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {

namespace {

constexpr uint32_t kAddressesBytes = uint32_t{2} * kEthAddressBytes;

// vlan_set_encap_proto: what follows the tag.
uint16_t EncapsulatedProtocol(const wire::VlanTag& tag) {
  const uint16_t proto = tag.proto.host();
  return proto >= wire::kEtherTypeMin ? proto : kProtocol8022;
}

// Moves the MAC addresses over the tag that has been pulled. False where memory failed.
bool ReorderHeader(sk_buff* skb) {
  if (skb_cow(skb, skb_headroom(skb)) != 0) return false;
  const uint8_t* const mac = skb_mac_header(skb);
  const auto mac_len = static_cast<uint32_t>(skb->data - mac);
  if (mac_len > kVlanHeaderBytes + sizeof(be16)) {
    uint8_t* const to = skb_writable(skb, mac + kVlanHeaderBytes, mac_len - kVlanHeaderBytes);
    std::memmove(to, mac, mac_len - kVlanHeaderBytes - sizeof(be16));
  }
  skb->mac_header = static_cast<uint16_t>(skb->mac_header + kVlanHeaderBytes);
  return true;
}

}  // namespace

sk_buff* skb_vlan_untag(sk_buff* skb) {
  if (skb_vlan_tag_present(skb)) return skb;
  skb = skb_share_check(skb);
  if (skb == nullptr) return nullptr;
  if (!pskb_may_pull(skb, kVlanHeaderBytes)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_HDR_TRUNC);
    return nullptr;
  }
  wire::VlanTag tag;
  std::memcpy(&tag, skb->data, sizeof(tag));
  __vlan_hwaccel_put_tag(skb, skb->protocol, tag.tci.host());
  skb_pull_rcsum(skb, kVlanHeaderBytes);
  skb->protocol = EncapsulatedProtocol(tag);
  if (!ReorderHeader(skb)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
    return nullptr;
  }
  skb_reset_network_header(skb);
  if (!skb_transport_header_was_set(skb)) skb_reset_transport_header(skb);
  skb_reset_mac_len(skb);
  return skb;
}

sk_buff* __vlan_hwaccel_push_inside(sk_buff* skb) {
  if (skb_cow_head(skb, kVlanHeaderBytes) != 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
    return nullptr;
  }
  uint8_t* const frame = skb_push(skb, kVlanHeaderBytes);
  std::memmove(frame, frame + kVlanHeaderBytes, kAddressesBytes);
  skb->mac_header = static_cast<uint16_t>(skb->mac_header - kVlanHeaderBytes);
  StoreBe16(frame + kAddressesBytes, skb->vlan_proto);
  StoreBe16(frame + kAddressesBytes + sizeof(be16), skb->vlan_tci);
  skb->protocol = skb->vlan_proto;
  __vlan_hwaccel_clear_tag(skb);
  return skb;
}

}  // namespace tapedeck
