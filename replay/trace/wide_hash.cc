// Built with -mavx2 where the processor is an x86-64. So it must not include what has inline
// functions: the linker might take this file's copy of one for the whole program.
#include "replay/trace/wide_hash.h"

#ifdef __x86_64__

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tapedeck {

uint64_t HashWide(const void* bytes, size_t n) { return XXH3_64bits(bytes, n); }

}  // namespace tapedeck

#endif
