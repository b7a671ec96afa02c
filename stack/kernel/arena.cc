#include "stack/kernel/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#ifdef TAPEDECK_ASAN_BUILD
#include <sanitizer/asan_interface.h>
#endif

namespace tapedeck {

namespace {

constexpr size_t AlignUp(size_t n, size_t align) { return (n + align - 1) & ~(align - 1); }

#ifdef TAPEDECK_ASAN_BUILD
// Snapshots copy poisoned memory and the shadow itself, so they may neither be instrumented nor call memcpy, which
// AddressSanitizer intercepts.
__attribute__((no_sanitize("address"))) void RawCopy(void* to, const void* from, size_t bytes) {
  auto* out = static_cast<volatile uint8_t*>(to);
  const auto* in = static_cast<const volatile uint8_t*>(from);
  size_t i = 0;
  for (; i + 8 <= bytes; i += 8) {
    *reinterpret_cast<volatile uint64_t*>(const_cast<uint8_t*>(out + i)) =
        *reinterpret_cast<const volatile uint64_t*>(const_cast<const uint8_t*>(in + i));
  }
  for (; i < bytes; ++i) out[i] = in[i];
}

uint8_t* ShadowOf(const void* p) {
  size_t scale = 0;
  size_t offset = 0;
  __asan_get_shadow_mapping(&scale, &offset);
  return reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(p) >> scale) + offset);
}
constexpr size_t ShadowBytes(size_t bytes) { return (bytes + 7) / 8; }
#else
void RawCopy(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
uint8_t* ShadowOf(const void*) { return nullptr; }
constexpr size_t ShadowBytes(size_t) { return 0; }
#endif

}  // namespace

void PoisonMemory([[maybe_unused]] const void* p, [[maybe_unused]] size_t bytes) {
#ifdef TAPEDECK_ASAN_BUILD
  __asan_poison_memory_region(p, bytes);
#endif
}

void UnpoisonMemory([[maybe_unused]] const void* p, [[maybe_unused]] size_t bytes) {
#ifdef TAPEDECK_ASAN_BUILD
  __asan_unpoison_memory_region(p, bytes);
#endif
}

Arena::Arena(const Options& options)
    : options_(options), touched_(options.pool_reserve_bytes / kPageBytes / 64 + 1) {
  const size_t bytes = options_.hot_reserve_bytes + options_.pool_reserve_bytes;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* const wanted = reinterpret_cast<void*>(options_.address);
  void* region = mmap(wanted, bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, -1, 0);
  if (region == MAP_FAILED) region = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  CHECK(region != MAP_FAILED);
  hot_ = static_cast<uint8_t*>(region);
  pool_ = hot_ + options_.hot_reserve_bytes;
}

Arena::~Arena() {
  const size_t bytes = options_.hot_reserve_bytes + options_.pool_reserve_bytes;
  UnpoisonMemory(hot_, hot_used_);
  UnpoisonMemory(pool_, pool_used_pages_ * kPageBytes);
  munmap(hot_, bytes);
}

void Arena::Reset() {
  UnpoisonMemory(hot_, hot_used_);
  UnpoisonMemory(pool_, pool_used_pages_ * kPageBytes);
  hot_used_ = 0;
  hot_filled_ = 0;
  std::fill_n(touched_.begin(), pool_used_pages_ / 64 + 1, 0);
  pool_used_pages_ = 0;
}

// Grows the filled (and, in sanitizer builds, poisoned) part of the hot region to cover `hot_bytes`.
void Arena::Extend(size_t hot_bytes) {
  CHECK_LE(hot_bytes, options_.hot_reserve_bytes);
  if (hot_bytes <= hot_filled_) return;
  const size_t filled = std::min(AlignUp(hot_bytes, size_t{16} * kPageBytes), options_.hot_reserve_bytes);
  std::memset(hot_ + hot_filled_, options_.fill, filled - hot_filled_);
  PoisonMemory(hot_ + hot_filled_, filled - hot_filled_);
  hot_filled_ = filled;
}

void* Arena::Allocate(size_t bytes, size_t align) {
  CHECK(align <= kPageBytes);
  const size_t start = AlignUp(hot_used_, align < 8 ? 8 : align);
  Extend(start + bytes + kRedZoneBytes);
  hot_used_ = start + bytes + kRedZoneBytes;
  UnpoisonMemory(hot_ + start, bytes);
  return hot_ + start;
}

void* Arena::AllocateHotPages(size_t pages, size_t align_pages) {
  const size_t start = AlignUp(hot_used_, align_pages * kPageBytes);
  Extend(start + pages * kPageBytes);
  hot_used_ = start + pages * kPageBytes;
  return hot_ + start;
}

uint8_t* Arena::AllocatePoolPages(size_t pages) {
  CHECK_LE((pool_used_pages_ + pages) * kPageBytes, options_.pool_reserve_bytes);
  uint8_t* const start = pool_ + pool_used_pages_ * kPageBytes;
  pool_used_pages_ += pages;
  if (options_.fill != 0) std::memset(start, options_.fill, pages * kPageBytes);
  PoisonMemory(start, pages * kPageBytes);
  return start;
}

void Arena::Take(Snapshot* snapshot) const {
  snapshot->hot_.resize(hot_used_);
  RawCopy(snapshot->hot_.data(), hot_, hot_used_);
  snapshot->pool_used_pages_ = pool_used_pages_;
  snapshot->pool_touched_.assign(touched_.begin(),
                                 touched_.begin() + static_cast<ptrdiff_t>(pool_used_pages_ / 64 + 1));
  snapshot->pool_pages_.clear();
  for (size_t page = 0; page < pool_used_pages_; ++page) {
    if ((touched_[page / 64] >> (page % 64) & 1) != 0) {
      snapshot->pool_pages_.push_back(static_cast<uint32_t>(page));
    }
  }
  snapshot->pool_data_.resize(snapshot->pool_pages_.size() * kPageBytes);
  for (size_t i = 0; i < snapshot->pool_pages_.size(); ++i) {
    RawCopy(snapshot->pool_data_.data() + i * kPageBytes,
            pool_ + size_t{snapshot->pool_pages_[i]} * kPageBytes, kPageBytes);
  }
  if constexpr (kAsanBuild) {
    snapshot->hot_shadow_.resize(ShadowBytes(hot_used_));
    RawCopy(snapshot->hot_shadow_.data(), ShadowOf(hot_), ShadowBytes(hot_used_));
    snapshot->pool_shadow_.resize(ShadowBytes(pool_used_pages_ * kPageBytes));
    RawCopy(snapshot->pool_shadow_.data(), ShadowOf(pool_), snapshot->pool_shadow_.size());
  }
}

void Arena::Restore(const Snapshot& snapshot) {
  // What was allocated since is as if it never was.
  PoisonMemory(hot_, hot_used_);
  PoisonMemory(pool_, pool_used_pages_ * kPageBytes);
  RawCopy(hot_, snapshot.hot_.data(), snapshot.hot_.size());
  hot_used_ = snapshot.hot_.size();
  const size_t words = std::max(pool_used_pages_, snapshot.pool_used_pages_) / 64 + 1;
  std::fill_n(touched_.begin(), words, 0);
  std::copy(snapshot.pool_touched_.begin(), snapshot.pool_touched_.end(), touched_.begin());
  pool_used_pages_ = snapshot.pool_used_pages_;
  for (size_t i = 0; i < snapshot.pool_pages_.size(); ++i) {
    RawCopy(pool_ + size_t{snapshot.pool_pages_[i]} * kPageBytes,
            snapshot.pool_data_.data() + i * kPageBytes, kPageBytes);
  }
  if constexpr (kAsanBuild) {
    RawCopy(ShadowOf(hot_), snapshot.hot_shadow_.data(), snapshot.hot_shadow_.size());
    RawCopy(ShadowOf(pool_), snapshot.pool_shadow_.data(), snapshot.pool_shadow_.size());
  }
}

}  // namespace tapedeck
