#include <cstddef>

#include "stack/base/checksum.h"
#include "stack/core/tx_timestamp.h"
#include "stack/drivers/ixgbe_adapter.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/tcp.h"

namespace tapedeck::ixgbe {

namespace {

// What the data descriptors of a packet say about it.
struct TxOffload {
  uint32_t cmd_type = 0;      // DCMD bits
  uint32_t olinfo = 0;        // POPTS and CC
  uint32_t header_bytes = 0;  // of each segment, where the device cuts; then not part of PAYLEN
};

// ixgbe_tso: the headers as the device wants them, without what follows from a segment's length
// (datasheet 7.2.4.5). False where memory failed.
bool PrepareHeadersForTso(sk_buff* skb) {
  if (skb_cow_head(skb, 0) != 0) return false;
  uint8_t* const ip = skb_writable(skb, skb_network_header(skb), skb_network_header_len(skb));
  if (skb->protocol == wire::kEtherTypeIpv4) {
    auto* const iph = reinterpret_cast<wire::Ipv4Header*>(ip);
    iph->tot_len = uint16_t{0};
    iph->check = uint16_t{0};
  } else {
    reinterpret_cast<wire::Ipv6Header*>(ip)->payload_len = uint16_t{0};
  }
  auto* const th = reinterpret_cast<wire::TcpHeader*>(
      skb_writable(skb, skb_transport_header(skb), sizeof(wire::TcpHeader)));
  const uint32_t bytes = skb->len - static_cast<uint32_t>(skb_transport_offset(skb));
  th->check = static_cast<uint16_t>(csum_sub(th->check.host(), bytes));
  return true;
}

// What the device has to do, as far as data descriptors say it.
TxOffload OffloadOf(const sk_buff* skb) {
  TxOffload offload;
  if (skb->vlan_proto != 0) {
    offload.cmd_type |= TXD_DCMD_VLE;
    offload.olinfo |= TXD_CC;
  }
  if (skb->ip_summed == CHECKSUM_PARTIAL) offload.olinfo |= TXD_CC | TXD_POPTS_TXSM;
  if (!skb_is_gso(skb)) return offload;
  const auto* const th = reinterpret_cast<const wire::TcpHeader*>(skb_transport_header(skb));
  offload.cmd_type |= TXD_DCMD_TSE;
  if (skb->protocol == wire::kEtherTypeIpv4) offload.olinfo |= TXD_POPTS_IXSM;
  offload.header_bytes =
      static_cast<uint32_t>(skb_transport_offset(skb)) + static_cast<uint32_t>(th->header_bytes());
  return offload;
}

// ixgbe_tx_csum, ixgbe_tso: a context descriptor where the packet needs one.
void WriteContext(TxRing& ring, const sk_buff* skb, const TxOffload& offload) {
  const bool checksum = skb->ip_summed == CHECKSUM_PARTIAL;
  const bool vlan = skb->vlan_proto != 0;
  if (!checksum && !vlan) return;
  uint32_t vlan_macip_lens = uint32_t{static_cast<uint32_t>(skb_network_offset(skb))}
                             << TXD_MACLEN_SHIFT;
  uint32_t tucmd = TXD_DCMD_DEXT | TXD_DTYP_CTXT;
  if (vlan) vlan_macip_lens |= uint32_t{skb->vlan_tci} << TXD_VLAN_SHIFT;
  if (checksum) {
    vlan_macip_lens |= static_cast<uint32_t>(skb_transport_header(skb) - skb_network_header(skb));
    if (skb->protocol == wire::kEtherTypeIpv4) tucmd |= TXD_TUCMD_IPV4;
    // Extension headers may stand between IP's and the transport's.
    const bool tcp = skb->csum_offset == offsetof(wire::TcpHeader, check);
    tucmd |= tcp ? TXD_TUCMD_L4T_TCP : TXD_TUCMD_L4T_UDP;
  }
  TxDesc& desc = ring.desc[ring.next_to_use];
  desc.context.vlan_macip_lens = vlan_macip_lens;
  desc.context.seqnum_seed = 0;
  desc.context.type_tucmd_mlhl = tucmd;
  uint32_t mss_l4len = 0;
  if (offload.header_bytes != 0) {
    const uint32_t l4_bytes =
        offload.header_bytes - static_cast<uint32_t>(skb_transport_offset(skb));
    mss_l4len = l4_bytes << TXD_L4LEN_SHIFT | uint32_t{skb_shinfo(skb)->gso_size} << TXD_MSS_SHIFT;
  }
  desc.context.mss_l4len_idx = mss_l4len;
  ring.buffers[ring.next_to_use] = TxBuffer{};
  ring.next_to_use = ring.Next(ring.next_to_use);
}

// Data descriptors for `bytes` contiguous bytes.
uint32_t DescsFor(uint32_t bytes) { return (bytes + kTxBytesPerDescMax - 1) / kTxBytesPerDescMax; }

// Descriptors of a packet, its context, and the gap between tail and head.
uint32_t DescsFor(const sk_buff* skb) {
  uint32_t count = DescsFor(skb_headlen(skb)) + 3;
  const skb_shared_info* const shinfo = skb_shinfo(skb);
  for (int i = 0; i < shinfo->nr_frags; ++i) count += DescsFor(skb_frag_size(&shinfo->frags[i]));
  return count;
}

// One data descriptor over [data, data + bytes). For each piece of each packet: in one piece.
[[gnu::flatten]] uint16_t WriteOneData(Adapter& adapter, uint32_t frame_id, const uint8_t* data,
                                       uint32_t bytes, uint32_t cmd_type, uint32_t olinfo) {
  TxRing& ring = adapter.tx;
  const uint16_t index = ring.next_to_use;
  TxBuffer& buffer = ring.buffers[index];
  buffer = TxBuffer{};
  buffer.bytes = bytes;
  buffer.dma = adapter.bus->dma_map_single(adapter.slot, const_cast<uint8_t*>(data), bytes,
                                           DmaDirection::kToDevice, frame_id);
  TxDesc& desc = ring.desc[index];
  desc.read.buffer_addr = buffer.dma;
  desc.read.cmd_type_len = cmd_type | bytes;
  desc.read.olinfo_status = olinfo;
  ring.next_to_use = ring.Next(index);
  return index;
}

// As many as it takes; the last one's index. The frame is known by where it begins.
uint16_t WriteData(Adapter& adapter, uint32_t frame_id, const uint8_t* data, uint32_t bytes,
                   uint32_t cmd_type, uint32_t olinfo) {
  while (bytes > kTxBytesPerDescMax) {
    WriteOneData(adapter, frame_id, data, kTxBytesPerDescMax, cmd_type, olinfo);
    frame_id = 0;
    data += kTxBytesPerDescMax;
    bytes -= kTxBytesPerDescMax;
  }
  return WriteOneData(adapter, frame_id, data, bytes, cmd_type, olinfo);
}

// ixgbe_tx_map: the packet's linear part and fragments, in order.
void MapPacket(Adapter& adapter, sk_buff* skb, uint16_t first, const TxOffload& offload) {
  TxRing& ring = adapter.tx;
  const uint32_t cmd_type = TXD_DCMD_DEXT | TXD_DTYP_DATA | TXD_DCMD_IFCS | offload.cmd_type;
  const uint32_t olinfo = offload.olinfo | (skb->len - offload.header_bytes) << TXD_PAYLEN_SHIFT;
  uint16_t last = WriteData(adapter, skb->frame_id, skb->data, skb_headlen(skb), cmd_type, olinfo);
  const skb_shared_info* const shinfo = skb_shinfo(skb);
  for (int i = 0; i < shinfo->nr_frags; ++i) {
    const skb_frag_t* const frag = &shinfo->frags[i];
    last = WriteData(adapter, 0, skb_frag_address(frag), skb_frag_size(frag), cmd_type, olinfo);
  }
  TxDesc& eop = ring.desc[last];
  eop.read.cmd_type_len = eop.read.cmd_type_len.host() | TXD_DCMD_EOP | TXD_DCMD_RS;
  ring.buffers[last].skb = skb;
  ring.buffers[first].first = true;
  ring.buffers[first].packet_end = last;
}

void Unmap(Adapter& adapter, TxBuffer& buffer) {
  if (buffer.bytes != 0) {
    adapter.bus->dma_unmap_single(adapter.slot, buffer.dma, buffer.bytes, DmaDirection::kToDevice);
  }
  buffer = TxBuffer{};
}

}  // namespace

netdev_features_t ixgbe_features_check(sk_buff* skb, net_device* /*dev*/,
                                       netdev_features_t features) {
  constexpr netdev_features_t kOfTransport =
      NETIF_F_CSUM_MASK | NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_GSO_UDP_L4;
  constexpr int kMaxMacHeaderBytes = 127;      // IXGBE_MAX_MAC_HDR_LEN: MACLEN's 7 bits
  constexpr int kMaxNetworkHeaderBytes = 511;  // IXGBE_MAX_NETWORK_HDR_LEN: IPLEN's 9 bits
  if (skb_network_offset(skb) > kMaxMacHeaderBytes) {
    return features & ~(kOfTransport | NETIF_F_HW_VLAN_CTAG_TX);
  }
  if (skb->ip_summed == CHECKSUM_PARTIAL &&
      skb->csum_start - skb->network_header > kMaxNetworkHeaderBytes) {
    return features & ~kOfTransport;
  }
  return features;
}

netdev_tx_t ixgbe_xmit_frame(sk_buff* skb, net_device* dev) {
  TRACE_FUNCTION(*skb->owner, skb, ixgbe_xmit_frame, skb, dev);
  Adapter& adapter = *netdev_priv<Adapter>(dev);
  TxRing& ring = adapter.tx;
  Cpu& cpu = adapter.host_net->this_cpu();
  if (ring.unused() < DescsFor(skb)) {
    netif_stop_subqueue(dev, ring.queue);
    ++ring.tx_busy;
    return NETDEV_TX_BUSY;
  }
  cpu.Charge(CostPoint::k_driver_tx_packet);
  if (skb_is_gso(skb) && !PrepareHeadersForTso(skb)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
    return NETDEV_TX_OK;
  }
  const uint16_t first = ring.next_to_use;
  const TxOffload offload = OffloadOf(skb);
  WriteContext(ring, skb, offload);
  skb_tx_timestamp(skb);
  MapPacket(adapter, skb, first, offload);
  ring.Wrote(adapter.host_net->world.arena(), first, ring.Distance(first, ring.next_to_use));
  if (ring.unused() < kTxDescsNeeded) netif_stop_subqueue(dev, ring.queue);
  if (!netdev_xmit_more(dev) || netif_subqueue_stopped(dev, ring.queue)) {
    adapter.Write(TDT(ring.queue), ring.next_to_use);
  }
  return NETDEV_TX_OK;
}

bool ixgbe_clean_tx_irq(Adapter& adapter, int budget) {
  TRACE_FUNCTION(*adapter.host_net, nullptr, ixgbe_clean_tx_irq, adapter, budget);
  TxRing& ring = adapter.tx;
  Cpu& cpu = adapter.host_net->this_cpu();
  const uint16_t first = ring.next_to_clean;
  int packets_left = ring.entries / 2;
  while (ring.next_to_clean != ring.next_to_use && packets_left > 0) {
    const uint16_t last = ring.buffers[ring.next_to_clean].packet_end;
    if ((ring.desc[last].wb.status.host() & TXD_STAT_DD) == 0) break;
    sk_buff* const skb = ring.buffers[last].skb;
    ring.bytes += skb->len;
    ++ring.packets;
    --packets_left;
    cpu.Charge(CostPoint::k_tx_clean_packet);
    const uint16_t end = ring.Next(last);
    while (ring.next_to_clean != end) {
      Unmap(adapter, ring.buffers[ring.next_to_clean]);
      ring.next_to_clean = ring.Next(ring.next_to_clean);
    }
    napi_consume_skb(skb, budget);
  }
  if (netif_subqueue_stopped(adapter.netdev, ring.queue) && netif_carrier_ok(adapter.netdev) &&
      ring.unused() >= kTxWakeThreshold && adapter.up) {
    netif_wake_subqueue(adapter.netdev, ring.queue);
    ++ring.restart_queue;
  }
  ring.Wrote(adapter.host_net->world.arena(), first, ring.Distance(first, ring.next_to_clean));
  return packets_left > 0;
}

void ixgbe_clean_tx_ring(Adapter& adapter) {
  TxRing& ring = adapter.tx;
  for (uint16_t i = 0; i < ring.entries; ++i) {
    sk_buff* const skb = ring.buffers[i].skb;
    Unmap(adapter, ring.buffers[i]);
    if (skb != nullptr) kfree_skb_reason(skb, SKB_DROP_REASON_TX_QUEUE_STOPPED);
  }
  ring.Wrote(adapter.host_net->world.arena(), 0, ring.entries);
  ring.next_to_clean = ring.next_to_use = 0;
}

}  // namespace tapedeck::ixgbe
