// Built with -mavx2 where the processor is an x86-64. So it must not include what has inline
// functions: the linker might take this file's copy of one for the whole program.
#include "stack/base/checksum_wide.h"

#ifdef __x86_64__

#include "stack/base/checksum_blocks.h"

namespace tapedeck::checksum_internal {

struct Vector256 {
  using Lanes = uint64_t __attribute__((vector_size(32)));
};
static_assert(kWideVectorBytes == sizeof(Vector256::Lanes));

uint64_t SumWide(uint8_t* dst, const uint8_t* src, size_t vectors) {
  return dst == nullptr ? SumVectors<Vector256, false>(nullptr, src, vectors)
                        : SumVectors<Vector256, true>(dst, src, vectors);
}

}  // namespace tapedeck::checksum_internal

#endif
