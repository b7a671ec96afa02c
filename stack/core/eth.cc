#include "stack/core/eth.h"

#include <cerrno>
#include <cstring>

#include "stack/core/dev.h"
#include "stack/core/neighbour.h"
#include "stack/core/net.h"

namespace tapedeck {

const header_ops eth_header_ops = {
    .create = eth_header,
    .parse = eth_header_parse,
    .cache = eth_header_cache,
    .cache_update = eth_header_cache_update,
    .validate = nullptr,
};

namespace {

// Where the 14 bytes of a header lie in the 16 of its cache.
constexpr size_t kHhOffset = HH_DATA_MOD - kEthHeaderBytes;

// ether_addr_equal: two loads and no call.
bool SameMac(const MacAddress& a, const MacAddress& b) {
  const uint8_t* const x = a.bytes().data();
  const uint8_t* const y = b.bytes().data();
  return ((LoadLe32(x) ^ LoadLe32(y)) | (LoadLe16(x + 4) ^ uint32_t{LoadLe16(y + 4)})) == 0;
}

MacAddress LoadMac(const uint8_t* bytes) {
  return MacAddress(std::span<const uint8_t, kEthAddressBytes>(bytes, kEthAddressBytes));
}

}  // namespace

void ether_setup(net_device* dev) {
  dev->header_ops = &eth_header_ops;
  dev->type = kArphrdEther;
  dev->hard_header_len = kEthHeaderBytes;
  dev->mtu = kEthMtu;
  dev->min_mtu = kEthMtuMin;
  dev->max_mtu = kEthMtu;
  dev->addr_len = kEthAddressBytes;
  dev->tx_queue_len = 1000;  // DEFAULT_TX_QUEUE_LEN
  dev->flags = IFF_BROADCAST | IFF_MULTICAST;
  dev->priv_flags |= IFF_TX_SKB_SHARING;
  dev->broadcast = kMacBroadcast;
}

uint16_t eth_type_trans(sk_buff* skb, net_device* dev) {
  skb->dev = dev;
  skb_reset_mac_header(skb);
  const auto* const eth = reinterpret_cast<const wire::EthernetHeader*>(skb->data);
  __skb_pull(skb, kEthHeaderBytes);
  if (!SameMac(eth->dest, dev->dev_addr)) {
    if (!eth->dest.IsMulticast()) {
      skb->pkt_type = PACKET_OTHERHOST;
    } else {
      skb->pkt_type = SameMac(eth->dest, dev->broadcast) ? PACKET_BROADCAST : PACKET_MULTICAST;
    }
  }
  const uint16_t proto = eth->proto.host();
  if (proto >= wire::kEtherTypeMin) return proto;
  // 802.3: Novell's raw frames start with all ones, all else has an LLC header.
  constexpr uint16_t kNovellRaw = 0x0001;  // ETH_P_802_3
  const bool novell = skb_headlen(skb) >= 2 && LoadBe16(skb->data) == 0xffff;
  return novell ? kNovellRaw : kProtocol8022;
}

int eth_header(sk_buff* skb, net_device* dev, uint16_t type, const uint8_t* daddr,
               const uint8_t* saddr, uint32_t len) {
  auto* const eth = reinterpret_cast<wire::EthernetHeader*>(skb_push(skb, kEthHeaderBytes));
  const bool has_length = type == 0x0001 || type == kProtocol8022;
  eth->proto = has_length ? static_cast<uint16_t>(len) : type;
  eth->source = saddr != nullptr ? LoadMac(saddr) : dev->dev_addr;
  if (daddr != nullptr) {
    eth->dest = LoadMac(daddr);
    return kEthHeaderBytes;
  }
  eth->dest = MacAddress();
  // Nobody to ask on a loopback or NOARP device: the zero address is right.
  const bool complete = (dev->flags & (IFF_LOOPBACK | IFF_NOARP)) != 0;
  return complete ? int{kEthHeaderBytes} : -int{kEthHeaderBytes};
}

int eth_header_parse(const sk_buff* skb, uint8_t* haddr) {
  std::memcpy(haddr, eth_hdr(skb)->source.bytes().data(), kEthAddressBytes);
  return kEthAddressBytes;
}

int eth_header_cache(const neighbour* neigh, hh_cache* hh, uint16_t type) {
  if (type == 0x0001 || type == kProtocol8022) return -1;  // the length differs per packet
  wire::EthernetHeader eth;
  eth.proto = type;
  eth.source = neigh->dev->dev_addr;
  eth.dest = LoadMac(neigh->ha);
  std::memcpy(hh->hh_data + kHhOffset, &eth, sizeof(eth));
  hh->hh_len = kEthHeaderBytes;
  return 0;
}

void eth_header_cache_update(hh_cache* hh, const net_device* /*dev*/, const uint8_t* haddr) {
  std::memcpy(hh->hh_data + kHhOffset, haddr, kEthAddressBytes);
}

int eth_validate_addr(net_device* dev) {
  return dev->dev_addr.IsValidStation() ? 0 : -EADDRNOTAVAIL;
}

int eth_mac_addr(net_device* dev, const MacAddress& address) {
  if ((dev->priv_flags & IFF_LIVE_ADDR_CHANGE) == 0 && netif_running(dev)) return -EBUSY;
  if (!address.IsValidStation()) return -EADDRNOTAVAIL;
  dev->dev_addr = address;
  return 0;
}

}  // namespace tapedeck
