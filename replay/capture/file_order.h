// Integers of a file whose byte order is known only at run time.
#ifndef TAPEDECK_REPLAY_CAPTURE_FILE_ORDER_H_
#define TAPEDECK_REPLAY_CAPTURE_FILE_ORDER_H_

#include <bit>
#include <cstddef>
#include <cstdint>

#include "stack/base/byteorder.h"

namespace tapedeck::capture {

// Reads unaligned integers in one byte order. REQUIRES of each call: that many readable bytes.
class FileOrder {
 public:
  constexpr FileOrder() = default;
  constexpr explicit FileOrder(std::endian order) : big_(order == std::endian::big) {}

  constexpr std::endian order() const { return big_ ? std::endian::big : std::endian::little; }
  constexpr uint16_t U16(const uint8_t* p) const { return big_ ? LoadBe16(p) : LoadLe16(p); }
  constexpr uint32_t U32(const uint8_t* p) const { return big_ ? LoadBe32(p) : LoadLe32(p); }
  constexpr uint64_t U64(const uint8_t* p) const { return big_ ? LoadBe64(p) : LoadLe64(p); }

 private:
  bool big_ = false;
};

// Headers of large records lie too far apart for the processor to foresee. Frames of one size come
// in trains, so the record a few ahead is likely where it would be if all had the length of this
// one. A wrong guess costs nothing, and an address behind the end does not fault.
inline void PrefetchAhead(const uint8_t* next, size_t record_bytes) {
  constexpr size_t kRecordsAhead = 4;
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(next) +
                                                   kRecordsAhead * record_bytes));
}

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_FILE_ORDER_H_
