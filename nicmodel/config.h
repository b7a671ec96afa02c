// Everything about a modelled NIC that is not a register: one struct of typed options, each default
// with its origin.
#ifndef TAPEDECK_NICMODEL_CONFIG_H_
#define TAPEDECK_NICMODEL_CONFIG_H_

#include <array>
#include <cstdint>

#include "nicmodel/wire_timing.h"
#include "stack/base/time.h"

namespace tapedeck::nic {

using MacAddress = std::array<uint8_t, 6>;

struct NicConfig {
  uint8_t host = 0;             // index in the Lab, for traces
  uint16_t device_id = 0x10f7;  // 82599 KX4: EERD, no SFP to probe
  MacAddress mac = {0x02, 0x00, 0x00, 0x00, 0x00, 0x01};

  // The chip has 128 receive queues, 128 transmit queues and 64 vectors; absent ones cost nothing.
  uint16_t rx_queues = 1;  // 1..128
  uint16_t tx_queues = 1;  // 1..128
  uint16_t vectors = 2;    // 1..64: the MSI-X table's size in configuration space

  // Wire.
  LinkSpeed speed = LinkSpeed::k10G;
  Duration link_up_delay = Duration::Milliseconds(1);      // guess: KX4 auto-negotiation, shortened
  Duration rx_mac_phy_delay = Duration::Nanoseconds(200);  // guess until fitted (experiment A5)
  Duration tx_mac_phy_delay = Duration::Nanoseconds(200);  // guess until fitted (experiment A5)
  Duration reset_time =
      Duration::Milliseconds(1);  // CTRL.RST; drivers wait 10 ms (datasheet 4.2.1.6)

  // PCIe: Gen2 x8. The rate is what remains for TLPs after encoding, acknowledges, flow control and
  // skips (pcie-bench's model: 28.68 Gb/s at MPS 256). Latencies are the bus's (BusTiming).
  uint64_t pcie_bits_per_second = 28'680'000'000;
  uint32_t max_payload_bytes = 256;       // MPS
  uint32_t max_read_request_bytes = 512;  // MRRS
  uint32_t outstanding_reads =
      16;  // tags; 14.88 Mpps * 547 ns needs 8.1 in flight (Little's law). At most 64
  uint32_t posted_writes = 64;  // guess: receive writes under way; at most 64

  // Descriptor caches.
  uint32_t rx_descriptor_cache = 64;   // guess; at most 64
  uint32_t rx_fetch_descriptors = 32;  // one read of MRRS bytes
  uint32_t tx_descriptor_cache = 40;   // datasheet 7.2.3.3; at most 40
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_CONFIG_H_
