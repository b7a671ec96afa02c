#include "stack/drivers/tun.h"

#include <cerrno>

#include "stack/base/byteorder.h"
#include "stack/base/checksum.h"
#include "stack/base/trace_event.h"
#include "stack/core/dev.h"
#include "stack/core/eth.h"
#include "stack/core/skb_data.h"
#include "stack/core/tx_timestamp.h"
#include "stack/core/zerocopy.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/tcp.h"

namespace tapedeck {

namespace {

constexpr uint32_t kReadQueuePackets = 500;  // TUN_READQ_SIZE
constexpr uint32_t kTunMtuMin = 68;          // MIN_MTU
constexpr uint32_t kTunMtuMax = 65535;       // MAX_MTU
constexpr uint32_t kPageLogicalBytes = 4096;
constexpr uint32_t kXdpPacketHeadroom = 256;  // XDP_PACKET_HEADROOM
// What may be changed by `ethtool -K` (tun_net_init).
constexpr netdev_features_t kTunFeatures = NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HW_CSUM |
                                           NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_GSO | NETIF_F_GRO;
// Of those what a user gets who never says TUNSETOFFLOAD.
constexpr netdev_features_t kTapFeatures =
    NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_GSO | NETIF_F_GRO;

struct tun_struct {
  TunReader* reader;
};

bool IsTap(const net_device* dev) { return dev->type == kArphrdEther; }

void Trace(net_device* dev, TraceKind kind, uint32_t frame_id, std::span<const uint8_t> bytes) {
  net& net = dev_net(dev);
  if (!net.world.tracing()) return;
  const SimTime now = net.kernel.now();
  net.world.Trace({.time = now,
                   .kind = kind,
                   .host = static_cast<uint8_t>(net.kernel.host()),
                   .cpu = static_cast<uint8_t>(net.this_cpu().id()),
                   .args = {frame_id, bytes.size(), now.ps, IsTap(dev) ? uint64_t{0} : kWireFlagIp},
                   .bytes = bytes});
}

// --- Out of the host. ---

// Copies the packet to `to`, with the checksum that it leaves to the device. False where it points
// outside.
bool CopyOut(const sk_buff* skb, uint8_t* to) {
  if (skb_copy_bits(skb, 0, to, skb->len) != 0) return false;
  if (skb->ip_summed != CHECKSUM_PARTIAL) return true;
  if (skb->csum_start < skb_headroom(skb)) return false;
  const uint32_t start = skb->csum_start - skb_headroom(skb);
  const uint32_t at = start + skb->csum_offset;
  if (at + 2 > skb->len) return false;
  // The field holds the pseudo-header's sum.
  const uint16_t sum = csum_fold(csum_partial({to + start, skb->len - start}, 0));
  StoreBe16(to + at, sum != 0 ? sum : kCsumMangled0);
  return true;
}

// tun_net_xmit, and the read that follows at once.
netdev_tx_t TunXmit(sk_buff* skb, net_device* dev) {
  net& net = dev_net(dev);
  TRACE_FUNCTION_AS(tun_net_xmit, net, skb, TunXmit, skb, dev);
  // The reader may keep it for as long as he likes, so it is the sender's no more.
  if (skb_orphan_frags_rx(skb) != 0) {
    ++dev->stats.tx_dropped;
    kfree_skb_reason(skb, SKB_DROP_REASON_SKB_UCOPY_FAULT);
    return NETDEV_TX_OK;
  }
  skb_tx_timestamp(skb);
  TunReader* const reader = netdev_priv<tun_struct>(dev)->reader;
  const PacketBuffer buffer =
      reader == nullptr ? PacketBuffer{} : net.world.packets().Alloc(skb->len);
  const bool read = buffer.data != nullptr && CopyOut(skb, buffer.data);
  if (read) {
    // The reader may take its time, so the sender's buffer space is free from here on.
    skb_orphan(skb);
    ++dev->stats.tx_packets;
    dev->stats.tx_bytes += skb->len;
    const std::span<const uint8_t> bytes(buffer.data, skb->len);
    Trace(dev, TraceKind::kWireTx, skb->frame_id, bytes);
    reader->Read({.time = net.kernel.now(),
                  .frame_id = skb->frame_id,
                  .gso_size_bytes = skb_shinfo(skb)->gso_size,
                  .bytes = bytes});
    consume_skb(skb);
  } else {
    ++dev->stats.tx_dropped;
    kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);
  }
  if (buffer.data != nullptr) net.world.packets().Free(buffer);
  return NETDEV_TX_OK;
}

// --- Into the host. ---

// EtherType of a packet, 0 where it is of no IP version.
uint16_t ProtocolOf(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return 0;
  switch (bytes[0] >> 4) {
    case 4:
      return wire::kEtherTypeIpv4;
    case 6:
      return wire::kEtherTypeIpv6;
    default:
      return 0;
  }
}

// Length of the headers of an unfragmented TCP packet, 0 where it is none.
uint32_t TcpHeadersBytes(std::span<const uint8_t> bytes) {
  const bool v4 = bytes[0] >> 4 == 4;
  const uint32_t ip_bytes = v4 ? (bytes[0] & 15U) * 4 : sizeof(wire::Ipv6Header);
  const size_t protocol_at = v4 ? 9 : 6;
  if (bytes.size() < ip_bytes + wire::kTcpHeaderBytes) return 0;
  if (bytes[protocol_at] != wire::kIpProtoTcp) return 0;
  return ip_bytes + (bytes[ip_bytes + 12] >> 4) * 4U;
}

// A packet of `bytes` with the memory that Linux gives it, which counts against receive buffers:
// linear below a page; of a longer one as much as a page holds beside headroom and shared info, the
// rest in fragments. nullptr where memory failed.
sk_buff* tun_alloc_skb(net& net, std::span<const uint8_t> bytes) {
  const auto len = static_cast<uint32_t>(bytes.size());
  const uint32_t linear = NET_SKB_PAD + len < kPageLogicalBytes
                              ? len
                              : SKB_WITH_OVERHEAD(kPageLogicalBytes - NET_SKB_PAD);
  sk_buff* const skb = alloc_skb_with_frags(net, NET_SKB_PAD + linear, len - linear);
  if (skb == nullptr) return nullptr;
  skb_reserve(skb, NET_SKB_PAD);
  skb_put(skb, linear);
  skb->data_len = len - linear;
  skb->len = len;
  CHECK_EQ(skb_store_bits(skb, 0, bytes.data(), len), 0);
  return skb;
}

// The same for a TAP: what fits a page with its shared info is built around a page fragment
// (tun_build_skb), which weighs less and can be handed on.
sk_buff* tap_alloc_skb(net& net, std::span<const uint8_t> bytes) {
  const auto len = static_cast<uint32_t>(bytes.size());
  const uint32_t frag_size = SKB_DATA_ALIGN(NET_SKB_PAD + len) + kSharedInfoLogicalBytes;
  if (SKB_DATA_ALIGN(NET_SKB_PAD + kXdpPacketHeadroom + len) + kSharedInfoLogicalBytes >
      kPageLogicalBytes) {
    return tun_alloc_skb(net, bytes);
  }
  const PacketBuffer buffer = net.kernel.AllocPacketBuffer(frag_size);
  if (buffer.data == nullptr) return nullptr;
  sk_buff* const skb = build_skb(net, buffer, frag_size);
  if (skb == nullptr) {
    net.world.packets().Free(buffer);
    return nullptr;
  }
  skb->frame_id = net.world.NewFrameId();
  skb_reserve(skb, NET_SKB_PAD);
  skb_put(skb, len);
  CHECK_EQ(skb_store_bits(skb, 0, bytes.data(), len), 0);
  return skb;
}

// virtio_net_hdr_to_skb without a checksum to fill in: too short a packet is not a GSO one.
void SetGso(sk_buff* skb, std::span<const uint8_t> bytes, uint16_t gso_size_bytes) {
  const uint32_t headers_bytes = TcpHeadersBytes(bytes);
  if (headers_bytes == 0 || bytes.size() <= headers_bytes + gso_size_bytes) return;
  skb_shared_info* const info = skb_shinfo(skb);
  info->gso_size = gso_size_bytes;
  info->gso_segs = 0;  // nobody has counted them yet
  info->gso_type =
      SKB_GSO_DODGY | (skb->protocol == wire::kEtherTypeIpv4 ? SKB_GSO_TCPV4 : SKB_GSO_TCPV6);
}

constexpr net_device_ops kTapOps = {
    .ndo_start_xmit = &TunXmit,
    .ndo_set_mac_address = &eth_mac_addr,
    .ndo_validate_addr = &eth_validate_addr,
};

constexpr net_device_ops kTunOps = {
    .ndo_start_xmit = &TunXmit,
};

void TunSetup(net_device* dev) {
  dev->type = kArphrdNone;
  dev->flags = IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST;
  dev->hard_header_len = 0;
  dev->addr_len = 0;
  dev->mtu = 1500;
  dev->min_mtu = kTunMtuMin;
  dev->max_mtu = kTunMtuMax;
  dev->tx_queue_len = kReadQueuePackets;
  dev->hw_features = kTunFeatures;
  dev->features = kTunFeatures;
  dev->netdev_ops = &kTunOps;
}

void TapSetup(net_device* dev) {
  ether_setup(dev);
  dev->min_mtu = kTunMtuMin;
  dev->max_mtu = kTunMtuMax - kEthHeaderBytes;
  dev->tx_queue_len = kReadQueuePackets;
  dev->hw_features = kTapFeatures;
  dev->features = kTapFeatures;
  dev->netdev_ops = &kTapOps;
}

// Registers `dev` and brings it up; frees it and returns nullptr where that fails.
net_device* BringUp(net_device* dev) {
  if (register_netdev(dev) == 0) {
    if (dev_open(dev) == 0) return dev;
    unregister_netdev(dev);
  }
  free_netdev(dev);
  return nullptr;
}

}  // namespace

net_device* tun_probe(net& net, std::string_view name, uint32_t mtu_bytes) {
  net_device* const dev = alloc_netdev_mqs(net, sizeof(tun_struct), name, &TunSetup, 1, 1);
  if (dev == nullptr) return nullptr;
  dev->mtu = mtu_bytes;
  return BringUp(dev);
}

net_device* tap_probe(net& net, std::string_view name, const MacAddress& address,
                      uint32_t mtu_bytes) {
  net_device* const dev = alloc_netdev_mqs(net, sizeof(tun_struct), name, &TapSetup, 1, 1);
  if (dev == nullptr) return nullptr;
  dev->dev_addr = address;
  dev->mtu = mtu_bytes;
  return BringUp(dev);
}

void tun_remove(net_device* dev) {
  unregister_netdev(dev);
  free_netdev(dev);
}

void tun_set_reader(net_device* dev, TunReader* reader) {
  netdev_priv<tun_struct>(dev)->reader = reader;
}

int tun_write(net_device* dev, std::span<const uint8_t> bytes, uint16_t gso_size_bytes) {
  net& net = dev_net(dev);
  if (!netif_running(dev)) return -EIO;
  const bool tap = IsTap(dev);
  const uint16_t protocol = tap ? 0 : ProtocolOf(bytes);
  if (tap ? bytes.size() < kEthHeaderBytes : protocol == 0) {
    if (!tap) ++dev->stats.rx_frame_errors;
    return -EINVAL;
  }
  sk_buff* const skb = tap ? tap_alloc_skb(net, bytes) : tun_alloc_skb(net, bytes);
  if (skb == nullptr) {
    ++dev->stats.rx_dropped;
    return -ENOMEM;
  }
  skb->dev = dev;
  if (tap) {
    skb->protocol = eth_type_trans(skb, dev);
  } else {
    skb->protocol = protocol;
    skb_reset_mac_header(skb);
  }
  skb_reset_network_header(skb);
  if (gso_size_bytes != 0 && !tap) SetGso(skb, bytes, gso_size_bytes);
  ++dev->stats.rx_packets;
  dev->stats.rx_bytes += bytes.size();
  Trace(dev, TraceKind::kWireRx, skb->frame_id, bytes);
  // tun_rx_batched hands it up within the writer's own call. Nothing else comes in this way, so by
  // the backlog it is received at the same moment.
  __netif_rx(skb);
  return 0;
}

}  // namespace tapedeck
