// The checksums of captured frames: what they are worth, and making right those that the sender's
// NIC was to fill in after the capture saw them.
#ifndef TAPEDECK_REPLAY_NORMALISE_CHECKSUMS_H_
#define TAPEDECK_REPLAY_NORMALISE_CHECKSUMS_H_

#include <cstdint>
#include <span>

#include "replay/normalise/frame.h"

namespace tapedeck::normalise {

// The checksums of one frame.
struct ChecksumFinding {
  ChecksumState state = ChecksumState::kAbsent;
  // Wrong, but of the shape that offloading leaves: zero, or the sum of the pseudo-header not yet
  // complemented (the kernel's CHECKSUM_PARTIAL). Then `state` is kWrong.
  bool looks_offloaded = false;
};

// Of the header behind IP alone, of a frame whose layout is known.
ChecksumFinding ExamineTransportChecksum(const Frame& frame);

// Of a frame whose layout is known. The transport checksum of a frame with filler is kUnknowable.
ChecksumFinding ExamineChecksums(const Frame& frame);

// Sets the checksums of the IPv4 header and of the header behind IP right, filler counted as it
// will be sent; `bytes` is a writable copy of `frame.bytes`. A UDP checksum of zero over IPv4
// stays: there is none.
void RepairChecksums(const Frame& frame, std::span<uint8_t> bytes);

}  // namespace tapedeck::normalise

#endif  // TAPEDECK_REPLAY_NORMALISE_CHECKSUMS_H_
