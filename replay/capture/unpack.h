// gzip and zstd, unpacked as they are read.
#ifndef TAPEDECK_REPLAY_CAPTURE_UNPACK_H_
#define TAPEDECK_REPLAY_CAPTURE_UNPACK_H_

#include <cstdint>
#include <memory>
#include <span>

#include "replay/capture/byte_feed.h"

namespace tapedeck::capture {

enum class Packing : uint8_t { kNone, kGzip, kZstd };

// How bytes are packed, by what they begin with.
Packing PackingOf(std::span<const uint8_t> bytes);

// All members of a gzip stream, or all frames of a zstd one. REQUIRES: `packing` is not kNone, and
// nothing of `packed` was passed.
std::unique_ptr<ByteStream> MakeUnpackStream(Packing packing, std::unique_ptr<ByteFeed> packed);

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_UNPACK_H_
