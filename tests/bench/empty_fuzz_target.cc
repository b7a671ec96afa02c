// What a fuzzing engine itself costs, as a peer: a libFuzzer target that does nothing, or that,
// compiled with -DBENCH_DIRTY_PAGES=N, restores N pages of 4 KiB before each input: the least that
// a full reset can do.
#include <cstddef>
#include <cstdint>
#include <cstring>

#ifdef BENCH_DIRTY_PAGES
namespace {
constexpr size_t kPageBytes = 4096;
constexpr size_t kStateBytes = size_t{1} << 20;
constexpr size_t kSpacing = kStateBytes / BENCH_DIRTY_PAGES;
uint8_t state[kStateBytes];
uint8_t saved[kStateBytes];

void Reset() {
  for (size_t at = 0; at < kStateBytes; at += kSpacing) state[at] = 1;
  asm volatile("" ::"r"(state), "r"(saved) : "memory");
  for (size_t at = 0; at < kStateBytes; at += kSpacing) {
    std::memcpy(state + at, saved + at, kPageBytes);
  }
  asm volatile("" ::"r"(state) : "memory");
}
}  // namespace
#else
namespace {
void Reset() {}
}  // namespace
#endif

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Reset();
  // A branch to find, so that the engine has coverage to look at.
  static volatile int found;
  found = size > 2 && data[0] == 't' && data[1] == 'd' ? 2 : 1;
  return 0;
}
