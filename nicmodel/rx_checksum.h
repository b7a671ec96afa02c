// TCP and UDP checksums of received frames, summed while the frame is copied to host memory.
// Source: Intel 82599 datasheet 7.1.11.
#ifndef TAPEDECK_NICMODEL_RX_CHECKSUM_H_
#define TAPEDECK_NICMODEL_RX_CHECKSUM_H_

#include <cstdint>
#include <span>

#include "nicmodel/rx_parse.h"
#include "stack/base/checksum.h"

namespace tapedeck::nic {

// Copies `frame` to `dst` and returns the sum of its transport part. REQUIRES: parse.l4_bytes != 0.
wsum CopyAndSumL4(uint8_t* dst, std::span<const uint8_t> frame, const RxParse& parse);

// The same sum without a copy.
wsum SumL4(std::span<const uint8_t> frame, const RxParse& parse);

// Whether the transport checksum is right, given the sum of the transport part.
bool L4ChecksumGood(std::span<const uint8_t> frame, const RxParse& parse, wsum l4_sum);

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_RX_CHECKSUM_H_
