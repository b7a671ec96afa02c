#include "stack/core/eth.h"
#include "stack/drivers/ixgbe_adapter.h"

namespace tapedeck::ixgbe {

namespace {

// ixgbe_rx_checksum: what the device has verified need not be verified again; what it found wrong
// is left to the stack, so that the drop gets the stack's reason.
void RxChecksum(Adapter& adapter, uint32_t pkt_info, uint32_t status_error, sk_buff* skb) {
  skb->ip_summed = CHECKSUM_NONE;
  if ((adapter.netdev->features & NETIF_F_RXCSUM) == 0) return;
  if ((status_error & RXD_STAT_IPCS) != 0 && (status_error & RXD_ERR_IPE) != 0) {
    ++adapter.rx.csum_err;
    return;
  }
  if ((status_error & RXD_STAT_L4CS) == 0) return;
  if ((status_error & RXD_ERR_L4E) != 0) {
    // A UDP checksum of zero is reported as an error by the 82599.
    if ((pkt_info & RXD_PKTTYPE_UDP) == 0) ++adapter.rx.csum_err;
    return;
  }
  skb->ip_summed = CHECKSUM_UNNECESSARY;
}

void RxHash(Adapter& adapter, const RxDesc& desc, uint32_t pkt_info, sk_buff* skb) {
  const uint32_t rss_type = pkt_info & RXD_RSSTYPE_MASK;
  if ((adapter.netdev->features & NETIF_F_RXHASH) == 0 || rss_type == 0) return;
  skb->hash = desc.wb.rss.host();
  skb->l4_hash = (RXD_RSSTYPE_L4 >> rss_type & 1) != 0;
}

// There is no memory for a frame, or for a piece of one: what is there of it goes.
void DropWithoutMemory(Adapter& adapter, uint32_t frame_id, uint32_t bytes) {
  RxRing& ring = adapter.rx;
  ++ring.alloc_failed;
  if (ring.partial != nullptr) {
    kfree_skb_reason(ring.partial, SKB_DROP_REASON_NOMEM);
    ring.partial = nullptr;
    return;
  }
  net& net = *adapter.host_net;
  ++net.drops[static_cast<int>(SKB_DROP_REASON_NOMEM)];
  net.this_cpu().Trace(TraceKind::kDrop, frame_id, static_cast<uint64_t>(SKB_DROP_REASON_NOMEM),
                       bytes);
}

// Takes the buffer at the ring's head as a packet; nullptr (and the buffer freed) where no sk_buff
// is to be had.
sk_buff* BuildSkb(Adapter& adapter, RxBuffer& slot, uint32_t bytes) {
  const uint32_t frame_id = adapter.bus->dma_unmap_single(
      adapter.slot, slot.dma, adapter.rx_packet_bytes, DmaDirection::kFromDevice, bytes);
  const PacketBuffer buffer = slot.buffer(adapter.rx_buffer_bytes);
  sk_buff* const skb = build_skb(*adapter.host_net, buffer, adapter.rx_buffer_bytes);
  if (skb == nullptr) {
    adapter.host_net->kernel.packets().Free(buffer);
    if (!adapter.rx.skipping) DropWithoutMemory(adapter, frame_id, bytes);
  } else {
    skb_reserve(skb, NET_SKB_PAD);
    skb_put(skb, bytes);
    skb_poison_tailroom(skb);
    skb->frame_id = frame_id;
  }
  slot = RxBuffer{};
  return skb;
}

// A frame that spans several buffers: each further one hangs in the first's frag_list.
sk_buff* AppendBuffer(sk_buff* head, sk_buff* next) {
  if (head == nullptr) return next;
  sk_buff** last = &skb_shinfo(head)->frag_list;
  while (*last != nullptr) last = &(*last)->next;
  *last = next;
  head->len += next->len;
  head->data_len += next->len;
  head->truesize += next->truesize;
  return head;
}

}  // namespace

void ixgbe_alloc_rx_buffers(Adapter& adapter, uint16_t count) {
  RxRing& ring = adapter.rx;
  DeviceBus& bus = *adapter.bus;
  const int slot = adapter.slot;
  const uint32_t packet_bytes = adapter.rx_packet_bytes;
  uint16_t next = ring.next_to_use;
  const uint32_t filled = adapter.host_net->kernel.AllocPacketBuffers(
      adapter.rx_buffer_bytes, count, [&](const PacketBuffer& buffer) {
        const dma_addr_t dma = bus.dma_map_single(slot, buffer.data + NET_SKB_PAD, packet_bytes,
                                                  DmaDirection::kFromDevice);
        ring.buffers[next] = {.data = buffer.data, .slab = buffer.slab, .dma = dma};
        ring.desc[next].read.pkt_addr = dma;
        ring.desc[next].read.hdr_addr = 0;  // also clears DD
        next = ring.Next(next);
      });
  if (filled < count) ++ring.alloc_failed;
  ring.Wrote(adapter.host_net->world.arena(), ring.next_to_use, filled);
  ring.next_to_use = next;
  if (filled != 0) adapter.Write(RDT(ring.queue), next);
}

int ixgbe_clean_rx_irq(Adapter& adapter, int budget) {
  TRACE_FUNCTION(*adapter.host_net, nullptr, ixgbe_clean_rx_irq, adapter, budget);
  RxRing& ring = adapter.rx;
  Cpu& cpu = adapter.host_net->this_cpu();
  const uint16_t first = ring.next_to_clean;
  uint32_t taken = 0;
  uint16_t cleaned = ring.unused();
  int received = 0;
  bool synced = false;
  while (received < budget) {
    if (cleaned >= kRxBufferWrite) {
      ixgbe_alloc_rx_buffers(adapter, cleaned);
      cleaned = ring.unused();
    }
    // An empty-handed ring after a failed refill has nothing for the device to fill.
    if (ring.next_to_clean == ring.next_to_use) break;
    const RxDesc& desc = ring.desc[ring.next_to_clean];
    const uint32_t status_error = desc.wb.status_error.host();
    if ((status_error & RXD_STAT_DD) == 0) {
      // Frames that have arrived while this poll ran count too: look once more as of now.
      if (synced) break;
      adapter.bus->SyncDevices();
      synced = true;
      continue;
    }
    synced = false;
    cpu.Charge(CostPoint::k_driver_rx_packet);
    const uint32_t pkt_info = desc.wb.pkt_info.host();
    const uint32_t bytes = desc.wb.length.host();
    RxBuffer& slot = ring.buffers[ring.next_to_clean];
    ring.next_to_clean = ring.Next(ring.next_to_clean);
    ++cleaned;
    ++taken;
    // A length that the buffer cannot hold is the device's fault; it must not become ours.
    const bool sane = bytes != 0 && bytes <= adapter.rx_packet_bytes;
    if (!sane) {
      adapter.bus->ReportFault(adapter.slot, cpu.now(), DmaFault::kDescriptor, slot.dma, bytes);
    }
    sk_buff* const piece = BuildSkb(adapter, slot, sane ? bytes : 0);
    const bool last = (status_error & RXD_STAT_EOP) != 0;
    if (piece == nullptr || ring.skipping) {
      // With a piece that is missing the rest of the frame is of no use.
      consume_skb(piece);
      ring.skipping = !last;
      continue;
    }
    sk_buff* const skb = AppendBuffer(ring.partial, piece);
    if (!last) {
      ring.partial = skb;
      ++ring.non_eop;
      continue;
    }
    ring.partial = nullptr;
    ++received;
    if (!sane || skb->len < kEthHeaderBytes || !pskb_may_pull(skb, kEthHeaderBytes) ||
        (status_error & RXD_ERR_RXE) != 0) {
      ++adapter.netdev->stats.rx_errors;
      kfree_skb_reason(skb, SKB_DROP_REASON_PKT_TOO_SMALL);
      continue;
    }
    ring.bytes += skb->len;
    ++ring.packets;
    RxHash(adapter, desc, pkt_info, skb);
    RxChecksum(adapter, pkt_info, status_error, skb);
    if ((status_error & RXD_STAT_VP) != 0) {
      skb->vlan_proto = wire::kEtherTypeVlan;
      skb->vlan_tci = desc.wb.vlan.host();
    }
    skb->protocol = eth_type_trans(skb, adapter.netdev);
    napi_gro_receive(&adapter.napi, skb);
  }
  ring.Wrote(adapter.host_net->world.arena(), first, taken < ring.entries ? taken : ring.entries);
  return received;
}

void ixgbe_clean_rx_ring(Adapter& adapter) {
  RxRing& ring = adapter.rx;
  if (ring.partial != nullptr) kfree_skb_reason(ring.partial, SKB_DROP_REASON_DEV_READY);
  ring.partial = nullptr;
  ring.skipping = false;
  for (uint16_t i = 0; i < ring.entries; ++i) {
    RxBuffer& slot = ring.buffers[i];
    if (slot.data == nullptr) continue;
    const uint32_t frame_id = adapter.bus->dma_unmap_single(
        adapter.slot, slot.dma, adapter.rx_packet_bytes, DmaDirection::kFromDevice);
    // The device has filled it, and no poll came for it, or none that was told so.
    if (frame_id != 0) {
      adapter.host_net->this_cpu().Trace(TraceKind::kDrop, frame_id,
                                         static_cast<uint64_t>(SKB_DROP_REASON_DEV_READY));
    }
    adapter.host_net->kernel.packets().Free(slot.buffer(adapter.rx_buffer_bytes));
    slot = RxBuffer{};
  }
  ring.Wrote(adapter.host_net->world.arena(), 0, ring.entries);
  ring.next_to_clean = ring.next_to_use = 0;
}

}  // namespace tapedeck::ixgbe
