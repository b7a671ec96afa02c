// TUN and TAP devices (drivers/net/tun.c): their far end is a user, who writes packets into the
// host and reads those that the host sends. There is no medium: a packet that is written is
// received at once, one that is sent is read at once, and neither costs anything beyond what the
// code of the path costs.
//
// TUN (IFF_TUN | IFF_NO_PI | IFF_VNET_HDR and, as TUNSETOFFLOAD, checksums and TCP segmentation)
// carries bare IP packets: no link-layer header, no neighbours. A TCP packet of several segments
// reaches the user as the one packet that it is (TSO). Checksums that the stack leaves to the
// device are filled in.
//
// TAP (IFF_TAP | IFF_NO_PI, no TUNSETOFFLOAD) carries Ethernet frames, and is a device without
// offloads.
#ifndef TAPEDECK_STACK_DRIVERS_TUN_H_
#define TAPEDECK_STACK_DRIVERS_TUN_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "stack/base/ip_address.h"
#include "stack/base/time.h"
#include "stack/core/net.h"
#include "stack/core/net_device.h"

namespace tapedeck {

// A packet that the host sends.
struct TunPacket {
  SimTime time;  // of its transmission: the sending CPU's own time
  uint32_t frame_id = 0;
  uint16_t gso_size_bytes = 0;  // of each segment where there are several, 0 otherwise
  // From the IP header on, or of TAP from the Ethernet header on; valid only during the call.
  std::span<const uint8_t> bytes;
};

// Who reads the packets. Called while the host's code runs, so it may only take note of them.
class TunReader {
 public:
  virtual ~TunReader() = default;
  virtual void Read(const TunPacket& packet) = 0;
};

// Registers and brings up a device called `name` with an MTU of `mtu_bytes` (68 to 65535). nullptr
// where memory failed or the name is taken.
net_device* tun_probe(net& net, std::string_view name, uint32_t mtu_bytes);
// The same for a TAP device whose address is `address`.
net_device* tap_probe(net& net, std::string_view name, const MacAddress& address,
                      uint32_t mtu_bytes);
// REQUIRES: `dev` came from tun_probe or tap_probe.
void tun_remove(net_device* dev);

// `reader` (null: nobody reads, packets are dropped) must outlive the device's last packet.
void tun_set_reader(net_device* dev, TunReader* reader);

// write(2): a packet of `bytes`, from its IP header on, reaches the host now, on the CPU that runs
// or on CPU 0. With `gso_size_bytes` it is what GRO makes of segments of that size, if it is longer
// than one. Of TAP: a frame, from its Ethernet header on. 0, -EINVAL where it is empty or of no IP
// version (a frame: shorter than its header), -ENOMEM, -EIO while the device is down.
int tun_write(net_device* dev, std::span<const uint8_t> bytes, uint16_t gso_size_bytes = 0);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_DRIVERS_TUN_H_
