#include <cerrno>
#include <cstring>

#include "stack/core/eth.h"
#include "stack/core/ethtool.h"
#include "stack/drivers/ixgbe.h"
#include "stack/drivers/ixgbe_adapter.h"

namespace tapedeck::ixgbe {

namespace {

// --- Hardware: reset and set-up in the order of datasheet 4.6.3. ---

// Polls `reg` until (value & mask) == want, `step` apart, at most `tries` times.
bool PollRegister(Adapter& adapter, uint32_t reg, uint32_t mask, uint32_t want, Duration step,
                  int tries) {
  for (int i = 0; i < tries; ++i) {
    if ((adapter.Read(reg) & mask) == want) return true;
    adapter.host_net->this_cpu().Stall(step);
  }
  return false;
}

// ixgbe_reset_hw: no DMA under way (5.2.5.3.2), then a full reset, then wait for what the device
// does by itself.
bool ResetHw(Adapter& adapter) {
  adapter.Write(EIMC, 0x7fffffff);
  adapter.Read(EICR);
  adapter.Write(CTRL, adapter.Read(CTRL) | CTRL_GIO_DIS);
  if (!PollRegister(adapter, STATUS, STATUS_GIO, 0, Duration::Microseconds(100), 800)) return false;
  adapter.Write(CTRL, adapter.Read(CTRL) | CTRL_LNK_RST | CTRL_RST);
  adapter.host_net->this_cpu().Stall(Duration::Milliseconds(10));
  if (!PollRegister(adapter, CTRL, CTRL_RST | CTRL_LNK_RST, 0, Duration::Microseconds(100), 100)) {
    return false;
  }
  adapter.Write(EIMC, 0x7fffffff);
  adapter.Read(EICR);
  return PollRegister(adapter, EEC, EEC_ARD, EEC_ARD, Duration::Milliseconds(1), 10) &&
         PollRegister(adapter, RDRXCTL, RDRXCTL_DMAIDONE, RDRXCTL_DMAIDONE,
                      Duration::Milliseconds(1), 10);
}

MacAddress ReadMac(Adapter& adapter) {
  const uint32_t low = adapter.Read(RAL(0));
  const uint32_t high = adapter.Read(RAH(0));
  return MacAddress(
      std::array<uint8_t, 6>{static_cast<uint8_t>(low), static_cast<uint8_t>(low >> 8),
                             static_cast<uint8_t>(low >> 16), static_cast<uint8_t>(low >> 24),
                             static_cast<uint8_t>(high), static_cast<uint8_t>(high >> 8)});
}

void WriteMac(Adapter& adapter, uint32_t index, const MacAddress& mac) {
  const auto& b = mac.bytes();
  adapter.Write(RAL(index),
                b[0] | uint32_t{b[1]} << 8 | uint32_t{b[2]} << 16 | uint32_t{b[3]} << 24);
  adapter.Write(RAH(index), b[4] | uint32_t{b[5]} << 8 | RAH_AV);
}

// ixgbe_set_rx_mode: which frames the device accepts.
void SetRxMode(net_device* dev) {
  Adapter& adapter = *netdev_priv<Adapter>(dev);
  uint32_t fctrl = FCTRL_BAM;
  if ((dev->flags & IFF_PROMISC) != 0) {
    fctrl |= FCTRL_UPE | FCTRL_MPE;
  } else if ((dev->flags & IFF_ALLMULTI) != 0) {
    fctrl |= FCTRL_MPE;
  }
  // The multicast table is indexed by bits 47:36 of the address (MCSTCTRL.MO = 0).
  uint32_t table[128] = {};
  bool any = false;
  for (const netdev_hw_addr& group : dev->mc) {
    const auto& b = group.addr.bytes();
    const uint32_t vector = (b[4] >> 4 | uint32_t{b[5]} << 4) & 0xfff;
    table[vector >> 5] |= 1U << (vector & 31);
    any = true;
  }
  for (uint32_t word = 0; word < 128; ++word) {
    if (table[word] == adapter.mta_shadow[word]) continue;
    adapter.mta_shadow[word] = table[word];
    adapter.Write(MTA(word), table[word]);
  }
  adapter.Write(MCSTCTRL, any ? MCSTCTRL_MFE : 0);
  uint32_t rar = 1;
  for (const netdev_hw_addr& unicast : dev->uc) {
    if (rar == kRarEntries) {
      fctrl |= FCTRL_UPE;
      break;
    }
    WriteMac(adapter, rar++, unicast.addr);
  }
  for (; rar < adapter.rar_used; ++rar) adapter.Write(RAH(rar), 0);
  adapter.rar_used = rar;
  adapter.Write(FCTRL, fctrl);
}

void ConfigureVectors(Adapter& adapter) {
  adapter.Write(GPIE, GPIE_MSIX_MODE | GPIE_PBA_SUPPORT | GPIE_OCD | GPIE_EIAME);
  // Queue 0: receive in byte 0 of IVAR 0, transmit in byte 1; other causes in byte 1 of IVAR_MISC.
  const uint32_t queue_entry = kQueueVector | IVAR_ALLOC_VAL;
  adapter.Write(IVAR(0), queue_entry | queue_entry << 8);
  adapter.Write(IVAR_MISC, (kOtherVector | IVAR_ALLOC_VAL) << 8);
  adapter.Write(EITR(kQueueVector), adapter.options.eitr | EITR_CNT_WDIS);
  adapter.Write(EIAC, 1U << kQueueVector);
  adapter.Write(EIAM, 1U << kQueueVector);
}

bool ConfigureRx(Adapter& adapter) {
  const RxRing& ring = adapter.rx;
  const uint32_t q = ring.queue;
  adapter.Write(RXCTRL, 0);
  const uint32_t max_frame = adapter.netdev->mtu + kEthHeaderBytes + 4 + kVlanHeaderBytes;
  uint32_t hlreg0 = HLREG0_TXCRCEN | HLREG0_TXPADEN | HLREG0_RXCRCSTRP;
  if (adapter.netdev->mtu > kEthMtu) hlreg0 |= HLREG0_JUMBOEN;
  adapter.Write(HLREG0, hlreg0);
  adapter.Write(MAXFRS, max_frame << MAXFRS_SHIFT);
  adapter.Write(RDRXCTL, adapter.Read(RDRXCTL) | RDRXCTL_CRCSTRIP);
  adapter.Write(RXCSUM, RXCSUM_PCSD);
  for (uint32_t word = 0; word < 10; ++word) adapter.Write(RSSRK(word), adapter.rss_key[word]);
  adapter.Write(MRQC, MRQC_RSSEN | MRQC_RSS_FIELD_IPV4 | MRQC_RSS_FIELD_IPV4_TCP |
                          MRQC_RSS_FIELD_IPV6 | MRQC_RSS_FIELD_IPV6_TCP);
  adapter.Write(RDBAL(q), static_cast<uint32_t>(ring.dma));
  adapter.Write(RDBAH(q), static_cast<uint32_t>(ring.dma >> 32));
  adapter.Write(RDLEN(q), uint32_t{ring.entries} * sizeof(RxDesc));
  adapter.Write(RDH(q), 0);
  adapter.Write(RDT(q), 0);
  const uint32_t kib = adapter.rx_buffer_bytes == kRxBufferBytes ? 2 : 3;
  adapter.Write(SRRCTL(q), kib | SRRCTL_DESCTYPE_ADV_ONEBUF |
                               (adapter.options.drop_enable ? SRRCTL_DROP_EN : 0));
  uint32_t rxdctl = RXDCTL_ENABLE;
  if ((adapter.netdev->features & NETIF_F_HW_VLAN_CTAG_RX) != 0) rxdctl |= RXDCTL_VME;
  adapter.Write(RXDCTL(q), rxdctl);
  if (!PollRegister(adapter, RXDCTL(q), RXDCTL_ENABLE, RXDCTL_ENABLE, Duration::Milliseconds(1),
                    10)) {
    return false;
  }
  adapter.Write(RXCTRL, RXCTRL_RXEN);
  ixgbe_alloc_rx_buffers(adapter, ring.unused());
  return true;
}

bool ConfigureTx(Adapter& adapter) {
  const TxRing& ring = adapter.tx;
  const uint32_t q = ring.queue;
  adapter.Write(DMATXCTL, DMATXCTL_TE);
  adapter.Write(TDBAL(q), static_cast<uint32_t>(ring.dma));
  adapter.Write(TDBAH(q), static_cast<uint32_t>(ring.dma >> 32));
  adapter.Write(TDLEN(q), uint32_t{ring.entries} * sizeof(TxDesc));
  adapter.Write(TDH(q), 0);
  adapter.Write(TDT(q), 0);
  // As ixgbe_configure_tx_ring: PTHRESH 32, HTHRESH 1; WTHRESH 1 where moderation is below 12 us,
  // else 8.
  const uint32_t wthresh = (adapter.options.eitr & 0xff8) < 8 ? 1 : 8;
  adapter.Write(TXDCTL(q),
                TXDCTL_ENABLE | wthresh << TXDCTL_WTHRESH_SHIFT | 1U << TXDCTL_HTHRESH_SHIFT | 32);
  return PollRegister(adapter, TXDCTL(q), TXDCTL_ENABLE, TXDCTL_ENABLE, Duration::Milliseconds(1),
                      10);
}

// --- Interrupts. ---

// ixgbe_msix_clean_rings: EIAM has masked the vector when the message was sent.
void MsixCleanRings(Cpu& cpu, void* context) {
  TRACE_FUNCTION_AS(ixgbe_msix_clean_rings, *static_cast<Adapter*>(context)->host_net, nullptr,
                    MsixCleanRings, cpu, context);
  auto* const adapter = static_cast<Adapter*>(context);
  cpu.Trace(TraceKind::kInterrupt, kQueueVector);
  napi_schedule(cpu, &adapter->napi);
}

void CheckLink(Adapter& adapter) {
  const bool up = (adapter.Read(LINKS) & LINKS_UP) != 0;
  if (up == adapter.link_up) return;
  adapter.link_up = up;
  if (up) {
    netif_carrier_on(adapter.netdev);
    netif_tx_wake_all_queues(adapter.netdev);
  } else {
    netif_carrier_off(adapter.netdev);
    netif_tx_stop_all_queues(adapter.netdev);
  }
}

// ixgbe_msix_other: EICS tells the causes and changes nothing, where a read of EICR would mask the
// queues' vector too (EIAM); EICR is written to clear what this vector handles.
void MsixOther(Cpu& cpu, void* context) {
  auto* const adapter = static_cast<Adapter*>(context);
  cpu.Trace(TraceKind::kInterrupt, kOtherVector);
  const uint32_t eicr = adapter->Read(EICS) & ~0xffffU;
  adapter->Write(EICR, eicr);
  if ((eicr & EICR_LSC) != 0) CheckLink(*adapter);
  if (adapter->up) adapter->Write(EIMS, EICR_LSC | EICR_OTHER);
}

int Poll(napi_struct* napi, int budget) {
  TRACE_FUNCTION_AS(ixgbe_poll, dev_net(napi->dev), nullptr, Poll, napi, budget);
  Adapter& adapter = *netdev_priv<Adapter>(napi->dev);
  adapter.bus->SyncDevices();
  bool complete = ixgbe_clean_tx_irq(adapter, budget);
  if (budget <= 0) return budget;
  const int work_done = ixgbe_clean_rx_irq(adapter, budget);
  if (work_done >= budget) complete = false;
  if (!complete) return budget;
  if (napi_complete_done(napi, work_done) && adapter.up) {
    adapter.host_net->this_cpu().Charge(CostPoint::k_irq_rearm);
    adapter.Write(EIMS, 1U << kQueueVector);
  }
  return work_done < budget - 1 ? work_done : budget - 1;
}

void EnableVector(Adapter& adapter, uint32_t vector, int cpu) {
  DeviceBus& bus = *adapter.bus;
  bus.writel(adapter.slot, kMsixBar, MsixAddressLow(vector),
             0xfee00000U | static_cast<uint32_t>(cpu) << 12);
  bus.writel(adapter.slot, kMsixBar, MsixAddressHigh(vector), 0);
  bus.writel(adapter.slot, kMsixBar, MsixData(vector), 0x40 + vector);
  bus.writel(adapter.slot, kMsixBar, MsixVectorControl(vector), 0);
}

// --- net_device_ops. ---

// Of a ring's descriptors a run writes few: their memory is tracked.
template <typename Desc, typename Buffer>
void AllocateRing(Adapter& adapter, Ring<Desc, Buffer>& ring) {
  const auto bytes = static_cast<uint32_t>(ring.entries * sizeof(Desc));
  ring.desc = static_cast<Desc*>(adapter.bus->dma_alloc_coherent(adapter.slot, bytes, &ring.dma));
  adapter.host_net->world.arena().Track(ring.desc, bytes);
}

template <typename Desc, typename Buffer>
void FreeRing(Adapter& adapter, Ring<Desc, Buffer>& ring) {
  const auto bytes = static_cast<uint32_t>(ring.entries * sizeof(Desc));
  adapter.host_net->world.arena().Untrack(ring.desc, bytes);
  adapter.bus->dma_free_coherent(adapter.slot, bytes, ring.desc, ring.dma);
}

int Open(net_device* dev) {
  Adapter& adapter = *netdev_priv<Adapter>(dev);
  Kernel& kernel = adapter.host_net->kernel;
  netif_carrier_off(dev);
  adapter.link_up = false;
  const bool jumbo = dev->mtu > kEthMtu;
  adapter.rx_buffer_bytes = jumbo ? kRxBufferJumboBytes : kRxBufferBytes;
  adapter.rx_packet_bytes = jumbo ? kRxPacketJumboBytes : kRxPacketBytes;
  AllocateRing(adapter, adapter.rx);
  AllocateRing(adapter, adapter.tx);
  const int cpu = adapter.options.cpu;
  adapter.queue_irq =
      kernel.request_irq(adapter.slot, kQueueVector, cpu, &MsixCleanRings, &adapter);
  adapter.other_irq = kernel.request_irq(adapter.slot, kOtherVector, cpu, &MsixOther, &adapter);
  EnableVector(adapter, kQueueVector, cpu);
  EnableVector(adapter, kOtherVector, cpu);
  ConfigureVectors(adapter);
  WriteMac(adapter, 0, dev->dev_addr);
  if (!ConfigureTx(adapter) || !ConfigureRx(adapter)) return -EIO;
  adapter.up = true;
  SetRxMode(dev);
  napi_enable(&adapter.napi);
  netif_tx_start_all_queues(dev);
  adapter.Write(CTRL_EXT, adapter.Read(CTRL_EXT) | CTRL_EXT_DRV_LOAD | CTRL_EXT_NS_DIS);
  adapter.Write(AUTOC, adapter.Read(AUTOC) | AUTOC_AN_RESTART);
  adapter.Write(EIMS, 1U << kQueueVector | EICR_LSC | EICR_OTHER);
  return 0;
}

void ReadStatistics(Adapter& adapter) {
  adapter.crc_errors += adapter.Read(CRCERRS);
  adapter.missed += adapter.Read(MPC(0));
  adapter.no_descriptor += adapter.Read(QPRDC(adapter.rx.queue));
  adapter.length_errors += adapter.Read(RLEC) + adapter.Read(RUC) + adapter.Read(ROC);
  adapter.multicast += adapter.Read(MPRC);
}

int Stop(net_device* dev) {
  Adapter& adapter = *netdev_priv<Adapter>(dev);
  adapter.up = false;
  netif_tx_stop_all_queues(dev);
  ReadStatistics(adapter);
  adapter.Write(EIMC, 0x7fffffff);
  adapter.Write(RXCTRL, 0);
  adapter.Write(RXDCTL(adapter.rx.queue), 0);
  adapter.Write(TXDCTL(adapter.tx.queue), 0);
  adapter.Write(DMATXCTL, 0);
  // Until both queues say that they are off, DMA may still be under way.
  PollRegister(adapter, RXDCTL(adapter.rx.queue), RXDCTL_ENABLE, 0, Duration::Milliseconds(1), 10);
  PollRegister(adapter, TXDCTL(adapter.tx.queue), TXDCTL_ENABLE, 0, Duration::Milliseconds(1), 10);
  adapter.Write(CTRL, adapter.Read(CTRL) | CTRL_GIO_DIS);
  PollRegister(adapter, STATUS, STATUS_GIO, 0, Duration::Microseconds(100), 800);
  napi_disable(&adapter.napi);
  netif_carrier_off(dev);
  adapter.host_net->kernel.free_irq(adapter.queue_irq);
  adapter.host_net->kernel.free_irq(adapter.other_irq);
  ixgbe_clean_rx_ring(adapter);
  ixgbe_clean_tx_ring(adapter);
  FreeRing(adapter, adapter.rx);
  FreeRing(adapter, adapter.tx);
  // What Open wants to find: a device out of reset.
  return ResetHw(adapter) ? 0 : -EIO;
}

int ChangeMtu(net_device* dev, uint32_t mtu) {
  const bool running = netif_running(dev);
  if (running) Stop(dev);
  dev->mtu = mtu;
  return running ? Open(dev) : 0;
}

int SetMacAddress(net_device* dev, const MacAddress& mac) {
  const int error = eth_mac_addr(dev, mac);
  if (error == 0) WriteMac(*netdev_priv<Adapter>(dev), 0, mac);
  return error;
}

// ixgbe_tx_timeout: the queue has not moved; the device is stopped and started again.
void TxTimeout(net_device* dev, uint32_t) {
  ++netdev_priv<Adapter>(dev)->tx_timeouts;
  Stop(dev);
  Open(dev);
}

void GetStats64(net_device* dev, rtnl_link_stats64* stats) {
  Adapter& adapter = *netdev_priv<Adapter>(dev);
  ReadStatistics(adapter);
  *stats = rtnl_link_stats64{};
  stats->rx_packets = adapter.rx.packets;
  stats->rx_bytes = adapter.rx.bytes;
  stats->tx_packets = adapter.tx.packets;
  stats->tx_bytes = adapter.tx.bytes;
  stats->multicast = adapter.multicast;
  stats->rx_crc_errors = adapter.crc_errors;
  stats->rx_length_errors = adapter.length_errors;
  stats->rx_missed_errors = adapter.missed;
  stats->rx_fifo_errors = adapter.no_descriptor;
  stats->rx_errors = adapter.crc_errors + adapter.length_errors + dev->stats.rx_errors;
}

int SetFeatures(net_device* dev, netdev_features_t features) {
  Adapter& adapter = *netdev_priv<Adapter>(dev);
  dev->features = features;
  if (!adapter.up) return 0;
  const bool strip = (features & NETIF_F_HW_VLAN_CTAG_RX) != 0;
  adapter.Write(RXDCTL(adapter.rx.queue), RXDCTL_ENABLE | (strip ? RXDCTL_VME : 0));
  return 0;
}

constexpr net_device_ops kNetdevOps = {
    .ndo_open = &Open,
    .ndo_stop = &Stop,
    .ndo_start_xmit = &ixgbe_xmit_frame,
    .ndo_features_check = &ixgbe_features_check,
    .ndo_set_rx_mode = &SetRxMode,
    .ndo_set_mac_address = &SetMacAddress,
    .ndo_validate_addr = &eth_validate_addr,
    .ndo_change_mtu = &ChangeMtu,
    .ndo_tx_timeout = &TxTimeout,
    .ndo_get_stats64 = &GetStats64,
    .ndo_set_features = &SetFeatures,
};

bool Identify(Adapter& adapter) {
  DeviceBus& bus = *adapter.bus;
  const uint32_t ids = bus.ReadConfig(adapter.slot, 0, 4);
  if ((ids & 0xffff) != kVendorId) return false;
  const uint32_t device = ids >> 16;
  if (device != kDeviceIdKx4 && device != kDeviceIdSfp) return false;
  bus.WriteConfig(adapter.slot, kPciCommand, 2, kPciCommandMemory | kPciCommandMaster);
  bus.WriteConfig(adapter.slot, kPciMsixCapability, 4,
                  bus.ReadConfig(adapter.slot, kPciMsixCapability, 4) | kPciMsixEnable);
  return true;
}

}  // namespace

const Adapter* ixgbe_adapter_of(const net_device* dev) {
  return dev->netdev_ops == &kNetdevOps ? netdev_priv<Adapter>(dev) : nullptr;
}

net_device* ixgbe_probe(net& net, int slot, std::string_view name, const IxgbeOptions& options) {
  net_device* const dev =
      alloc_netdev_mqs(net, sizeof(Adapter), name, &ether_setup, /*tx_queues=*/1, /*rx_queues=*/1);
  if (dev == nullptr) return nullptr;
  Adapter& adapter = *new (dev->priv) Adapter;
  adapter.host_net = &net;
  adapter.bus = &net.kernel.bus();
  adapter.netdev = dev;
  adapter.slot = slot;
  adapter.options = options;
  adapter.rx.entries = options.rx_ring_entries;
  adapter.tx.entries = options.tx_ring_entries;
  if (!Identify(adapter) || !ResetHw(adapter)) {
    free_netdev(dev);
    return nullptr;
  }
  dev->dev_addr = ReadMac(adapter);
  for (uint32_t& word : adapter.rss_key) word = net.kernel.prng().Next32();
  Arena& arena = net.world.arena();
  adapter.rx.buffers = arena.NewTrackedArray<RxBuffer>(adapter.rx.entries);
  adapter.tx.buffers = arena.NewTrackedArray<TxBuffer>(adapter.tx.entries);
  dev->netdev_ops = &kNetdevOps;
  dev->max_mtu = 9710;  // IXGBE_MAX_JUMBO_FRAME_SIZE less header and FCS
  dev->min_mtu = kEthMtuMin;
  dev->watchdog_timeo = Duration::Seconds(5);
  dev->hw_features = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_RXCSUM | NETIF_F_RXHASH |
                     NETIF_F_HW_VLAN_CTAG_RX | NETIF_F_HW_VLAN_CTAG_TX | NETIF_F_TSO | NETIF_F_TSO6;
  dev->features = dev->hw_features | NETIF_F_HIGHDMA;
  netif_napi_add(dev, &adapter.napi, &Poll);
  adapter.napi.vector = kQueueVector;
  if (register_netdev(dev) != 0) {
    netif_napi_del(&adapter.napi);
    free_netdev(dev);
    return nullptr;
  }
  dev->hw_features |= NETIF_F_GRO;  // may be switched on, and is not (see gro.h)
  return dev;
}

void ixgbe_remove(net_device* dev) {
  Adapter& adapter = *netdev_priv<Adapter>(dev);
  unregister_netdev(dev);
  netif_napi_del(&adapter.napi);
  free_netdev(dev);
}

}  // namespace tapedeck::ixgbe
