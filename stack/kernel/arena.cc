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

constexpr size_t kPageLines = kPageBytes / 64;  // of a snapshot
constexpr size_t kPageMarks = kPageBytes / Arena::kTrackBytes;

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

// Whether memory that is tracked and was not told of is as it was.
__attribute__((no_sanitize("address"))) bool IsAsItWas(const uint8_t* memory, const void* from,
                                                       size_t bytes) {
  const auto* const now = static_cast<const volatile uint8_t*>(memory);
  const auto* const then = static_cast<const volatile uint8_t*>(from);
  uint8_t difference = 0;  // as IsSame, no comparison for engines to look at
  for (size_t i = 0; i < bytes; ++i) difference |= now[i] ^ then[i];
  return difference == 0;
}
#else
void RawCopy(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }

// Whether `bytes`, a multiple of 8, are the same.
//
// Not memcmp(): where fuzzing engines are linked, libFuzzer replaces that, looks at it byte by
// byte, and mutates inputs with what it saw: words of the arena, pointers among them, by which the
// search would depend on where a process lies.
bool IsSame(const uint8_t* a, const uint8_t* b, size_t bytes) {
  uint64_t difference = 0;
  for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
    uint64_t left = 0;
    uint64_t right = 0;
    std::memcpy(&left, a + i, sizeof(left));
    std::memcpy(&right, b + i, sizeof(right));
    difference |= left ^ right;
  }
  return difference == 0;
}

#ifdef __x86_64__
// PutBack with 256-bit vectors.
[[gnu::target("avx2")]] void PutBackWide(uint8_t* to, const uint8_t* from, size_t bytes) {
  typedef long long __attribute__((vector_size(32), may_alias)) Wide;
  constexpr size_t kWides = Arena::kTrackBytes / sizeof(Wide);
  auto* now = reinterpret_cast<Wide*>(to);
  const auto* then = reinterpret_cast<const Wide*>(from);
  for (const Wide* const end = now + bytes / sizeof(Wide); now != end; now += kWides) {
    Wide differences[2] = {};
    for (size_t i = 0; i < kWides; i += 4) {
      differences[0] |= (now[i] ^ then[i]) | (now[i + 1] ^ then[i + 1]);
      differences[1] |= (now[i + 2] ^ then[i + 2]) | (now[i + 3] ^ then[i + 3]);
    }
    const Wide difference = differences[0] | differences[1];
    if (__builtin_ia32_ptestz256(difference, difference) == 0) {
      for (size_t i = 0; i < kWides; ++i) now[i] = then[i];
    }
    then += kWides;
  }
}
#endif

// RawCopy of whole kTrackBytes to where most bytes are as they were: to find that out takes two
// thirds of the time of writing them again.
void PutBack(uint8_t* to, const void* from, size_t bytes) {
  const auto* const as_it_was = static_cast<const uint8_t*>(from);
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") != 0) return PutBackWide(to, as_it_was, bytes);
#endif
  for (size_t i = 0; i < bytes; i += Arena::kTrackBytes) {
    if (IsSame(to + i, as_it_was + i, Arena::kTrackBytes)) continue;
    std::memcpy(to + i, as_it_was + i, Arena::kTrackBytes);
  }
}

// Sanitizer builds look.
constexpr bool IsAsItWas(const uint8_t*, const void*, size_t) { return true; }
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
  const size_t memory_bytes = options_.hot_reserve_bytes + options_.pool_reserve_bytes;
  const size_t bytes = memory_bytes + AlignUp(memory_bytes / kTrackBytes, kPageBytes);
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
  marks_ = hot_ + memory_bytes;
  region_bytes_ = bytes;
}

Arena::~Arena() {
  // The addresses may be given to somebody else, who finds no poison there.
  UnpoisonMemory(hot_, hot_poisoned_end_);
  UnpoisonMemory(pool_, pool_written_end_);
  munmap(hot_, region_bytes_);
}

void Arena::Reset() {
  PoisonMemory(hot_, hot_used_);
  PoisonMemory(pool_, pool_used_pages_ * kPageBytes);
  ForgetTouched(pool_used_pages_ / 64 + 1);
  hot_used_ = small_cursor_ = small_end_ = 0;
  pool_used_pages_ = 0;
  in_step_with_ = 0;
}

void Arena::Mark(const void* p, size_t bytes, uint8_t mark) {
  const size_t start = OffsetOf(p);
  const size_t first = AlignUp(start, kTrackBytes) / kTrackBytes;
  const size_t end = (start + bytes) / kTrackBytes;
  if (first < end) std::memset(marks_ + first, mark, end - first);
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
  Untrack(hot_ + start, bytes);
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
  Untrack(start, pages * kPageBytes);
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

void Arena::TakeMarks(const uint8_t* start, size_t bytes, uint8_t* marks) const {
  uint8_t* const first = marks_ + OffsetOf(start) / kTrackBytes;
  for (size_t i = 0; i < bytes / kTrackBytes; ++i) marks[i] = first[i] &= kTracked;
}

void Arena::Take(Snapshot* snapshot) const {
  snapshot->arena_ = this;
  snapshot->number_ = in_step_with_ = ++snapshots_;
  snapshot->small_cursor_ = small_cursor_;
  snapshot->small_end_ = small_end_;
  snapshot->hot_bytes_ = hot_used_;
  snapshot->hot_.resize(hot_used_ / sizeof(Snapshot::Line));
  RawCopy(snapshot->hot_.data(), hot_, hot_used_);
  snapshot->hot_marks_.resize(hot_used_ / kTrackBytes);
  TakeMarks(hot_, hot_used_, snapshot->hot_marks_.data());
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
  snapshot->pool_data_.resize(snapshot->pool_pages_.size() * kPageLines);
  snapshot->pool_marks_.resize(snapshot->pool_pages_.size() * kPageMarks);
  for (size_t i = 0; i < snapshot->pool_pages_.size(); ++i) {
    const uint8_t* const page = pool_ + size_t{snapshot->pool_pages_[i]} * kPageBytes;
    RawCopy(&snapshot->pool_data_[i * kPageLines], page, kPageBytes);
    TakeMarks(page, kPageBytes, &snapshot->pool_marks_[i * kPageMarks]);
  }
#ifdef TAPEDECK_ASAN_BUILD
  snapshot->hot_shadow_.resize(ShadowBytes(hot_used_));
  RawCopy(snapshot->hot_shadow_.data(), ShadowOf(hot_), snapshot->hot_shadow_.size());
  snapshot->pool_shadow_.resize(ShadowBytes(pool_used_pages_ * kPageBytes));
  RawCopy(snapshot->pool_shadow_.data(), ShadowOf(pool_), snapshot->pool_shadow_.size());
#endif
}

void Arena::PutBackPart(uint8_t* start, const Snapshot::Line* from, const uint8_t* marks,
                        size_t bytes, bool in_step) {
  constexpr size_t kTrackLines = kTrackBytes / sizeof(Snapshot::Line);
  uint8_t* const now = marks_ + OffsetOf(start) / kTrackBytes;
  const size_t count = bytes / kTrackBytes;
  for (size_t i = 0; i < count;) {
    if (in_step && now[i] == kTracked) {
      CHECK(IsAsItWas(start + i * kTrackBytes, from + i * kTrackLines, kTrackBytes));
      ++i;
      continue;
    }
    const size_t first = i;
    do {
      ++i;
    } while (i < count && !(in_step && now[i] == kTracked));
    PutBack(start + first * kTrackBytes, from + first * kTrackLines, (i - first) * kTrackBytes);
  }
  std::copy_n(marks, count, now);
}

void Arena::UntrackOthers(const Snapshot& snapshot) {
  for (size_t word = 0; word < pool_used_pages_ / 64 + 1; ++word) {
    const uint64_t its =
        word < snapshot.pool_touched_.size() ? snapshot.pool_touched_[word] : uint64_t{0};
    for (uint64_t bits = touched_[word] & ~its; bits != 0; bits &= bits - 1) {
      const size_t page = word * 64 + static_cast<size_t>(std::countr_zero(bits));
      Untrack(pool_ + page * kPageBytes, kPageBytes);
    }
  }
}

void Arena::Restore(const Snapshot& snapshot) {
  CHECK(snapshot.arena_ == this);
  const bool in_step = snapshot.number_ == in_step_with_;
  in_step_with_ = snapshot.number_;
  // What was allocated since is as if it never was.
  PoisonMemory(hot_, hot_used_);
  PoisonMemory(pool_, pool_used_pages_ * kPageBytes);
  PutBackPart(hot_, snapshot.hot_.data(), snapshot.hot_marks_.data(), snapshot.hot_bytes_, in_step);
  hot_used_ = snapshot.hot_bytes_;
  small_cursor_ = snapshot.small_cursor_;
  small_end_ = snapshot.small_end_;
  UntrackOthers(snapshot);
  const size_t words = std::max(pool_used_pages_, snapshot.pool_used_pages_) / 64 + 1;
  ForgetTouched(words);
  std::copy(snapshot.pool_touched_.begin(), snapshot.pool_touched_.end(), touched_.begin());
  pool_used_pages_ = snapshot.pool_used_pages_;
  for (size_t i = 0; i < snapshot.pool_pages_.size(); ++i) {
    PutBackPart(pool_ + size_t{snapshot.pool_pages_[i]} * kPageBytes,
                &snapshot.pool_data_[i * kPageLines], &snapshot.pool_marks_[i * kPageMarks],
                kPageBytes, in_step);
  }
#ifdef TAPEDECK_ASAN_BUILD
  RawCopy(ShadowOf(hot_), snapshot.hot_shadow_.data(), snapshot.hot_shadow_.size());
  RawCopy(ShadowOf(pool_), snapshot.pool_shadow_.data(), snapshot.pool_shadow_.size());
#endif
}

}  // namespace tapedeck
