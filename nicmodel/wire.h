// Where a NIC ends and a wire begins: frames, and who takes those that a NIC sends.
#ifndef TAPEDECK_NICMODEL_WIRE_H_
#define TAPEDECK_NICMODEL_WIRE_H_

#include <cstdint>
#include <span>

#include "stack/base/time.h"
#include "stack/kernel/slab.h"

namespace tapedeck::nic {

// What is wrong with a frame on the wire, or unusual about it.
enum WireFlags : uint8_t {
  kWireBadFcs = 1,        // its FCS does not fit its bytes
  kWireCarrierError = 2,  // a symbol error within it
  kWirePad = 4,  // on the wire it is padded with zeros to 60 bytes (captures leave the padding out)
};

// A frame without preamble and FCS.
struct WireFrame {
  std::span<const uint8_t> bytes;
  // Where data != nullptr the frame lies in this buffer of the world's packet pool, and who holds
  // the WireFrame frees it. Otherwise the bytes belong to somebody who outlives the frame (a
  // script).
  PacketBuffer buffer;
  uint32_t frame_id = 0;  // World::NewFrameId
  uint8_t flags = 0;      // WireFlags
};

// The far side of a NIC's transmitter: a link, a recorder.
class WireSink {
 public:
  virtual ~WireSink() = default;
  // A frame goes onto the wire: called at the time of its first bit, `first_bit`, in an event of
  // kind kWire; its last bit follows at `last_bit`. The sink owns `frame.buffer` from now on.
  virtual void Transmit(SimTime first_bit, SimTime last_bit, const WireFrame& frame) = 0;
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_WIRE_H_
