// What a device's DMA engine does, for who draws it: beside the trace, so that no digest knows.
#ifndef TAPEDECK_STACK_KERNEL_DMA_LISTENER_H_
#define TAPEDECK_STACK_KERNEL_DMA_LISTENER_H_

#include <cstdint>

#include "stack/base/time.h"

namespace tapedeck {

enum class DmaKind : uint8_t {
  kRxFetch,      // receive descriptors read
  kRxWrite,      // a received frame, or a buffer's worth of it, and its descriptor written
  kTxFetch,      // transmit descriptors read
  kTxRead,       // what is to be sent read
  kTxWriteBack,  // that it was sent written
  kMessage,      // an MSI-X message
};

struct DmaTransfer {
  SimTime from;  // requested
  SimTime to;    // arrived, or visible to the host
  DmaKind kind = DmaKind::kRxFetch;
  uint8_t host = 0;
  uint16_t queue = 0;     // of a message: its vector
  uint32_t frame_id = 0;  // 0: of no frame
  uint32_t bytes = 0;
};

class DmaListener {
 public:
  virtual ~DmaListener() = default;
  // In the order in which the device works them through: not that of time.
  virtual void OnDma(const DmaTransfer& transfer) = 0;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_KERNEL_DMA_LISTENER_H_
