// XXH3_64 of long inputs with 256-bit vectors, for processors that have them. The hash is the same
// as everywhere; the rest of the program is built for any x86-64.
#ifndef TAPEDECK_REPLAY_TRACE_WIDE_HASH_H_
#define TAPEDECK_REPLAY_TRACE_WIDE_HASH_H_

#include <stddef.h>
#include <stdint.h>

namespace tapedeck {

#ifdef __x86_64__
inline bool CanHashWide() { return __builtin_cpu_supports("avx2") != 0; }
// REQUIRES: CanHashWide().
uint64_t HashWide(const void* bytes, size_t n);
#else
constexpr bool CanHashWide() { return false; }
constexpr uint64_t HashWide(const void*, size_t) { return 0; }
#endif

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_WIDE_HASH_H_
