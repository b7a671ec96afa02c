#include "stack/kernel/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>

#ifdef TAPEDECK_ASAN_BUILD
#include <sanitizer/asan_interface.h>
#endif

namespace tapedeck {

namespace {

#ifdef TAPEDECK_ASAN_BUILD
// Snapshots copy poisoned memory and the shadow itself, so they may neither be instrumented nor
// call memcpy, which AddressSanitizer intercepts.
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
void PutBack(void* to, const void* from, size_t bytes) { RawCopy(to, from, bytes); }
#else
void RawCopy(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }

#ifdef __clang__
// Not memcmp() where fuzzing engines may be linked. libFuzzer replaces that, looks at it byte by
// byte, and mutates inputs with what it saw: words of the arena, pointers among them, by which the
// search would depend on where a process lies.
bool IsSame(const uint8_t* a, const uint8_t* b, size_t bytes) {
  uint64_t difference = 0;
  size_t i = 0;
  for (; i + sizeof(uint64_t) <= bytes; i += sizeof(uint64_t)) {
    uint64_t left = 0;
    uint64_t right = 0;
    std::memcpy(&left, a + i, sizeof(left));
    std::memcpy(&right, b + i, sizeof(right));
    difference |= left ^ right;
  }
  for (; i < bytes; ++i) difference |= static_cast<uint64_t>(a[i] ^ b[i]);
  return difference == 0;
}
#else
bool IsSame(const uint8_t* a, const uint8_t* b, size_t bytes) {
  return std::memcmp(a, b, bytes) == 0;
}
#endif

// RawCopy to where most bytes are as they were: to find that out takes two thirds of the time of
// writing them again.
void PutBack(uint8_t* to, const void* from, size_t bytes) {
  constexpr size_t kBlockBytes = 1024;
  const auto* const as_it_was = static_cast<const uint8_t*>(from);
  for (size_t i = 0; i < bytes; i += kBlockBytes) {
    const size_t block = std::min(kBlockBytes, bytes - i);
    if (!IsSame(to + i, as_it_was + i, block)) std::memcpy(to + i, as_it_was + i, block);
  }
}
#endif

}  // namespace

#ifdef TAPEDECK_ASAN_BUILD
void PoisonMemory(const void* p, size_t bytes) { __asan_poison_memory_region(p, bytes); }
void UnpoisonMemory(const void* p, size_t bytes) { __asan_unpoison_memory_region(p, bytes); }
#endif

Arena::Arena(const Options& options)
    : options_(options),
      touched_(options.pool_reserve_bytes / kPageBytes / 64 + 1),
      stale_(touched_.size()) {
  CHECK_EQ(options_.address % kAlignBytes, 0U);
  CHECK_EQ(options_.hot_reserve_bytes % kPageBytes, 0U);
  const size_t bytes = options_.hot_reserve_bytes + options_.pool_reserve_bytes;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  const int protection = PROT_READ | PROT_WRITE;
  void* const wanted = reinterpret_cast<void*>(options_.address);
  void* region = mmap(wanted, bytes, protection, flags | MAP_FIXED_NOREPLACE, -1, 0);
  if (region != MAP_FAILED) {
    hot_ = static_cast<uint8_t*>(region);
  } else {
    // Occupied: anywhere, cut down to an aligned part.
    region = mmap(nullptr, bytes + kAlignBytes, protection, flags, -1, 0);
    CHECK(region != MAP_FAILED);
    auto* const base = static_cast<uint8_t*>(region);
    const size_t skip =
        AlignUp(reinterpret_cast<uintptr_t>(base), kAlignBytes) - reinterpret_cast<uintptr_t>(base);
    if (skip != 0) munmap(base, skip);
    munmap(base + skip + bytes, kAlignBytes - skip);
    hot_ = base + skip;
  }
  pool_ = hot_ + options_.hot_reserve_bytes;
}

Arena::~Arena() {
  // The addresses may be given to somebody else, who finds no poison there.
  UnpoisonMemory(hot_, hot_poisoned_end_);
  UnpoisonMemory(pool_, pool_written_end_);
  munmap(hot_, options_.hot_reserve_bytes + options_.pool_reserve_bytes);
}

void Arena::Reset() {
  PoisonMemory(hot_, hot_used_);
  PoisonMemory(pool_, pool_used_pages_ * kPageBytes);
  ForgetTouched(pool_used_pages_ / 64 + 1);
  hot_used_ = small_cursor_ = small_end_ = 0;
  pool_used_pages_ = 0;
}

void Arena::ForgetTouched(size_t words) {
  for (size_t word = 0; word < words; ++word) {
    stale_[word] |= touched_[word];
    touched_[word] = 0;
  }
}

// Gives [start, start + bytes) of `part` its fill. `written_end` is how far the part was ever
// written: behind it lie zeros.
void Arena::Fill(uint8_t* start, size_t bytes, size_t* written_end, const uint8_t* part) const {
  const auto end = static_cast<size_t>(start - part) + bytes;
  const auto begin = static_cast<size_t>(start - part);
  size_t fill_bytes = bytes;
  if (options_.fill == 0)
    fill_bytes = *written_end > begin ? std::min(end, *written_end) - begin : 0;
  UnpoisonMemory(start, bytes);
  std::memset(start, options_.fill, fill_bytes);
  *written_end = std::max(*written_end, end);
}

// Offset of `pages` fresh, filled pages.
size_t Arena::TakeHotPages(size_t pages, size_t align_pages) {
  const size_t start = AlignUp(hot_used_, align_pages * kPageBytes);
  const size_t bytes = pages * kPageBytes;
  CHECK(start <= options_.hot_reserve_bytes && bytes <= options_.hot_reserve_bytes - start);
  if constexpr (kAsanBuild) {
    // A margin behind what is used, so that running past the end is seen.
    const size_t margin_end =
        std::min(start + bytes + size_t{16} * kPageBytes, options_.hot_reserve_bytes);
    if (margin_end > hot_poisoned_end_) {
      PoisonMemory(hot_ + hot_poisoned_end_, margin_end - hot_poisoned_end_);
      hot_poisoned_end_ = margin_end;
    }
  }
  Fill(hot_ + start, bytes, &hot_written_end_, hot_);
  PoisonMemory(hot_ + start, bytes);
  hot_used_ = start + bytes;
  return start;
}

void* Arena::Allocate(size_t bytes, size_t align) {
  CHECK(align <= kPageBytes);
  const size_t room = bytes + kRedZoneBytes;
  size_t start = AlignUp(small_cursor_, align < 8 ? 8 : align);
  if (start + room > small_end_) {
    const size_t left = small_end_ - small_cursor_;
    const bool grows = small_end_ == hot_used_;  // no pages were taken in between
    if (!grows) start = hot_used_;
    TakeHotPages(AlignUp(start + room - hot_used_, kPageBytes) / kPageBytes, 1);
    if (!grows && hot_used_ - (start + room) < left) {
      // What the old pages have left is the larger rest: go on there.
      UnpoisonMemory(hot_ + start, bytes);
      return hot_ + start;
    }
    small_end_ = hot_used_;
  }
  small_cursor_ = start + room;
  UnpoisonMemory(hot_ + start, bytes);
  return hot_ + start;
}

void* Arena::AllocateHotPages(size_t pages, size_t align_pages) {
  CHECK(align_pages * kPageBytes <= kAlignBytes);
  return hot_ + TakeHotPages(pages, align_pages);
}

uint8_t* Arena::AllocatePoolPages(size_t pages) {
  CHECK_LE((pool_used_pages_ + pages) * kPageBytes, options_.pool_reserve_bytes);
  uint8_t* const start = pool_ + pool_used_pages_ * kPageBytes;
  for (const size_t end = pool_used_pages_ + pages; pool_used_pages_ < end; ++pool_used_pages_) {
    FillPoolPage(pool_used_pages_);
  }
  PoisonMemory(start, pages * kPageBytes);
  return start;
}

// Buffers make up most of the pool and few of them are ever written: a page that was handed out
// before still has its fill where nobody has touched it since.
void Arena::FillPoolPage(size_t page) {
  uint8_t* const start = pool_ + page * kPageBytes;
  const uint64_t bit = uint64_t{1} << (page % 64);
  if (page * kPageBytes < pool_written_end_ && (stale_[page / 64] & bit) == 0) return;
  stale_[page / 64] &= ~bit;
  Fill(start, kPageBytes, &pool_written_end_, pool_);
}

void Arena::Take(Snapshot* snapshot) const {
  snapshot->arena_ = this;
  snapshot->small_cursor_ = small_cursor_;
  snapshot->small_end_ = small_end_;
  snapshot->hot_bytes_ = hot_used_;
  snapshot->hot_.resize(hot_used_ / sizeof(Snapshot::Line));
  RawCopy(snapshot->hot_.data(), hot_, hot_used_);
  snapshot->pool_used_pages_ = pool_used_pages_;
  snapshot->pool_touched_.assign(
      touched_.begin(), touched_.begin() + static_cast<ptrdiff_t>(pool_used_pages_ / 64 + 1));
  snapshot->pool_pages_.clear();
  for (size_t word = 0; word < snapshot->pool_touched_.size(); ++word) {
    for (uint64_t bits = snapshot->pool_touched_[word]; bits != 0; bits &= bits - 1) {
      snapshot->pool_pages_.push_back(static_cast<uint32_t>(word * 64) +
                                      static_cast<uint32_t>(std::countr_zero(bits)));
    }
  }
  constexpr size_t kPageLines = kPageBytes / sizeof(Snapshot::Line);
  snapshot->pool_data_.resize(snapshot->pool_pages_.size() * kPageLines);
  for (size_t i = 0; i < snapshot->pool_pages_.size(); ++i) {
    RawCopy(&snapshot->pool_data_[i * kPageLines],
            pool_ + size_t{snapshot->pool_pages_[i]} * kPageBytes, kPageBytes);
  }
#ifdef TAPEDECK_ASAN_BUILD
  snapshot->hot_shadow_.resize(ShadowBytes(hot_used_));
  RawCopy(snapshot->hot_shadow_.data(), ShadowOf(hot_), snapshot->hot_shadow_.size());
  snapshot->pool_shadow_.resize(ShadowBytes(pool_used_pages_ * kPageBytes));
  RawCopy(snapshot->pool_shadow_.data(), ShadowOf(pool_), snapshot->pool_shadow_.size());
#endif
}

void Arena::Restore(const Snapshot& snapshot) {
  CHECK(snapshot.arena_ == this);
  // What was allocated since is as if it never was.
  PoisonMemory(hot_, hot_used_);
  PoisonMemory(pool_, pool_used_pages_ * kPageBytes);
  PutBack(hot_, snapshot.hot_.data(), snapshot.hot_bytes_);
  hot_used_ = snapshot.hot_bytes_;
  small_cursor_ = snapshot.small_cursor_;
  small_end_ = snapshot.small_end_;
  const size_t words = std::max(pool_used_pages_, snapshot.pool_used_pages_) / 64 + 1;
  ForgetTouched(words);
  std::copy(snapshot.pool_touched_.begin(), snapshot.pool_touched_.end(), touched_.begin());
  pool_used_pages_ = snapshot.pool_used_pages_;
  for (size_t i = 0; i < snapshot.pool_pages_.size(); ++i) {
    PutBack(pool_ + size_t{snapshot.pool_pages_[i]} * kPageBytes,
            &snapshot.pool_data_[i * kPageBytes / sizeof(Snapshot::Line)], kPageBytes);
  }
#ifdef TAPEDECK_ASAN_BUILD
  RawCopy(ShadowOf(hot_), snapshot.hot_shadow_.data(), snapshot.hot_shadow_.size());
  RawCopy(ShadowOf(pool_), snapshot.pool_shadow_.data(), snapshot.pool_shadow_.size());
#endif
}

}  // namespace tapedeck
