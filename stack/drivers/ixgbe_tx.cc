#include "stack/core/tx_timestamp.h"
#include "stack/drivers/ixgbe_adapter.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"

namespace tapedeck::ixgbe {

namespace {

// The transport protocol of a packet whose checksum the device is to fill in.
uint8_t TransportProtocol(const sk_buff* skb) {
  if (skb->protocol == wire::kEtherTypeIpv4) {
    return reinterpret_cast<const wire::Ipv4Header*>(skb_network_header(skb))->protocol;
  }
  return reinterpret_cast<const wire::Ipv6Header*>(skb_network_header(skb))->nexthdr;
}

// ixgbe_tx_csum: a context descriptor where the packet needs one. Returns the data descriptors'
// olinfo bits.
uint32_t WriteContext(TxRing& ring, const sk_buff* skb) {
  const bool checksum = skb->ip_summed == CHECKSUM_PARTIAL;
  const bool vlan = skb->vlan_proto != 0;
  if (!checksum && !vlan) return 0;
  uint32_t vlan_macip_lens = uint32_t{static_cast<uint32_t>(skb_network_offset(skb))}
                             << TXD_MACLEN_SHIFT;
  uint32_t tucmd = TXD_DCMD_DEXT | TXD_DTYP_CTXT;
  if (vlan) vlan_macip_lens |= uint32_t{skb->vlan_tci} << TXD_VLAN_SHIFT;
  if (checksum) {
    vlan_macip_lens |= static_cast<uint32_t>(skb_transport_header(skb) - skb_network_header(skb));
    if (skb->protocol == wire::kEtherTypeIpv4) tucmd |= TXD_TUCMD_IPV4;
    tucmd |= TransportProtocol(skb) == wire::kIpProtoTcp ? TXD_TUCMD_L4T_TCP : TXD_TUCMD_L4T_UDP;
  }
  TxDesc& desc = ring.desc[ring.next_to_use];
  desc.context.vlan_macip_lens = vlan_macip_lens;
  desc.context.seqnum_seed = 0;
  desc.context.type_tucmd_mlhl = tucmd;
  desc.context.mss_l4len_idx = 0;
  ring.buffers[ring.next_to_use] = TxBuffer{};
  ring.next_to_use = ring.Next(ring.next_to_use);
  return TXD_CC | (checksum ? TXD_POPTS_TXSM : 0);
}

// One data descriptor over [data, data + bytes).
uint16_t WriteData(Adapter& adapter, const sk_buff* skb, const uint8_t* data, uint32_t bytes,
                   uint32_t cmd_type, uint32_t olinfo) {
  TxRing& ring = adapter.tx;
  const uint16_t index = ring.next_to_use;
  TxBuffer& buffer = ring.buffers[index];
  buffer = TxBuffer{};
  buffer.bytes = bytes;
  buffer.dma = adapter.bus->dma_map_single(adapter.slot, const_cast<uint8_t*>(data), bytes,
                                           DmaDirection::kToDevice);
  adapter.bus->SetFrameId(buffer.dma, skb->frame_id);
  TxDesc& desc = ring.desc[index];
  desc.read.buffer_addr = buffer.dma;
  desc.read.cmd_type_len = cmd_type | bytes;
  desc.read.olinfo_status = olinfo;
  ring.next_to_use = ring.Next(index);
  return index;
}

// ixgbe_tx_map: the packet's linear part and fragments, in order.
void MapPacket(Adapter& adapter, sk_buff* skb, uint16_t first, uint32_t olinfo) {
  TxRing& ring = adapter.tx;
  uint32_t cmd_type = TXD_DCMD_DEXT | TXD_DTYP_DATA | TXD_DCMD_IFCS;
  if (skb->vlan_proto != 0) cmd_type |= TXD_DCMD_VLE;
  olinfo |= skb->len << TXD_PAYLEN_SHIFT;
  uint16_t last = WriteData(adapter, skb, skb->data, skb_headlen(skb), cmd_type, olinfo);
  const skb_shared_info* const shinfo = skb_shinfo(skb);
  for (int i = 0; i < shinfo->nr_frags; ++i) {
    const skb_frag_t* const frag = &shinfo->frags[i];
    last = WriteData(adapter, skb, skb_frag_address(frag), skb_frag_size(frag), cmd_type, olinfo);
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

netdev_tx_t ixgbe_xmit_frame(sk_buff* skb, net_device* dev) {
  Adapter& adapter = *netdev_priv<Adapter>(dev);
  TxRing& ring = adapter.tx;
  Cpu& cpu = adapter.host_net->this_cpu();
  if (ring.unused() < skb_shinfo(skb)->nr_frags + 4) {
    netif_stop_subqueue(dev, ring.queue);
    ++ring.tx_busy;
    return NETDEV_TX_BUSY;
  }
  cpu.Charge(CostPoint::k_driver_tx_packet);
  const uint16_t first = ring.next_to_use;
  const uint32_t olinfo = WriteContext(ring, skb);
  skb_tx_timestamp(skb);
  MapPacket(adapter, skb, first, olinfo);
  if (ring.unused() < kTxDescsNeeded) netif_stop_subqueue(dev, ring.queue);
  if (!netdev_xmit_more(dev) || netif_subqueue_stopped(dev, ring.queue)) {
    adapter.Write(TDT(ring.queue), ring.next_to_use);
  }
  return NETDEV_TX_OK;
}

bool ixgbe_clean_tx_irq(Adapter& adapter, int budget) {
  TxRing& ring = adapter.tx;
  Cpu& cpu = adapter.host_net->this_cpu();
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
  return packets_left > 0;
}

void ixgbe_clean_tx_ring(Adapter& adapter) {
  TxRing& ring = adapter.tx;
  for (uint16_t i = 0; i < ring.entries; ++i) {
    sk_buff* const skb = ring.buffers[i].skb;
    Unmap(adapter, ring.buffers[i]);
    if (skb != nullptr) kfree_skb_reason(skb, SKB_DROP_REASON_TX_QUEUE_STOPPED);
  }
  ring.next_to_clean = ring.next_to_use = 0;
}

}  // namespace tapedeck::ixgbe
