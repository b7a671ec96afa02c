// The driver of Intel's 82599, as drivers/net/ethernet/intel/ixgbe: everything it does to the
// device goes through registers and DMA over the device bus. It knows nothing of the model on the
// other side.
//
//   rx: vector -> ixgbe_msix_clean_rings -> napi -> ixgbe_poll -> ixgbe_clean_rx_irq -> build_skb
//   -> napi_gro_receive tx: ixgbe_xmit_frame -> context and data descriptors -> TDT;  ixgbe_poll ->
//   ixgbe_clean_tx_irq -> napi_consume_skb
//
// Left out: several queue pairs (RSS), header split, RSC, Flow Director, adaptive moderation,
// SR-IOV, DCB.
#ifndef TAPEDECK_STACK_DRIVERS_IXGBE_H_
#define TAPEDECK_STACK_DRIVERS_IXGBE_H_

#include <cstdint>
#include <string_view>

#include "stack/core/net.h"
#include "stack/core/net_device.h"

namespace tapedeck::ixgbe {

struct IxgbeOptions {
  uint16_t rx_ring_entries = 512;  // 64..4096, a multiple of 8
  uint16_t tx_ring_entries = 512;
  // EITR as written: bits 11:3 count 2.048 us at 1 and 10 Gb/s. The default is ixgbe's start value,
  // 19,531 interrupts/s.
  uint32_t eitr = 0xc8;
  // Drop on a full ring (counted in QPRDC) rather than block the packet buffer (MPC).
  bool drop_enable = false;
  int cpu = 0;  // which CPU the vectors are bound to
};

// Brings up the device in `slot` of the host's bus and registers it as `name` ("eth%d"). Its MAC
// address is what the device tells. nullptr where it is not an 82599, does not come out of reset,
// or memory failed. Takes 10 ms of the CPU's virtual time and more, as the reset does.
net_device* ixgbe_probe(net& net, int slot, std::string_view name, const IxgbeOptions& options);
// Closes and unregisters the device and gives everything back.
void ixgbe_remove(net_device* dev);

}  // namespace tapedeck::ixgbe

#endif  // TAPEDECK_STACK_DRIVERS_IXGBE_H_
