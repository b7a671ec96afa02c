// The memory of a Lab: one contiguous region that holds all of its state, so that a snapshot is a
// copy of what was used and freeing a Lab costs nothing.
//
//   | hot: bump-allocated pages, slabs, tables ->            | packet pool: pages of packet buffers
//   ->      |
//
// The hot part is kept small (a Lab's working set) and copied whole by a snapshot. Packet pages are
// copied only where a packet has ever been in them: the pool's allocator and the DMA layer, which
// own all writes to fresh buffers, mark them. Bookkeeping of the pool lies in the hot part, never
// in the buffers.
//
// A restore looks at all of the hot part to find what differs. Tracked memory it passes over unless
// somebody has said that it was written (Wrote): large tables of which a run writes little.
//
// Addresses and byte counts of the arena differ between builds and never decide or print anything:
// limits and ledgers count objects and logical sizes.
//
// In AddressSanitizer builds unused memory is poisoned, objects have red zones and freed memory
// rests before reuse.
#ifndef TAPEDECK_STACK_KERNEL_ARENA_H_
#define TAPEDECK_STACK_KERNEL_ARENA_H_

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "stack/base/check.h"

namespace tapedeck {

inline constexpr size_t kPageBytes = 4096;

// `n` rounded up to a multiple of `align`, a power of two.
constexpr size_t AlignUp(size_t n, size_t align) { return (n + align - 1) & ~(align - 1); }

class Arena;

// A copy of an arena's state. It can be restored any number of times, into the arena it was taken
// from only.
class Snapshot {
 public:
  // What one restore copies, in bytes.
  size_t bytes() const { return hot_bytes_ + pool_pages_.size() * kPageBytes; }

 private:
  friend class Arena;
  // Aligned as the arena is, so that a restore's loads from here cross no cache line.
  struct alignas(64) Line {
    uint8_t bytes[64];
  };
  using Lines = std::vector<Line>;

  Lines hot_;
  size_t hot_bytes_ = 0;
  // Arena::marks_ of hot_ and of pool_data_.
  std::vector<uint8_t> hot_marks_;
  std::vector<uint8_t> pool_marks_;
  std::vector<uint8_t> hot_shadow_;   // AddressSanitizer's view of the hot part
  std::vector<uint32_t> pool_pages_;  // the pool pages in pool_data_, ascending
  Lines pool_data_;
  std::vector<uint8_t> pool_shadow_;
  std::vector<uint64_t> pool_touched_;
  size_t pool_used_pages_ = 0;
  size_t small_cursor_ = 0;
  size_t small_end_ = 0;
  const Arena* arena_ = nullptr;  // whose state it is
  uint64_t number_ = 0;           // of all that were taken of it
};

class Arena {
 public:
  struct Options {
    // Where the region is asked for: free under every sanitizer and Valgrind. Taken elsewhere when
    // occupied.
    uint64_t address = 0x7ea000000000;
    // Reserved, not used: pages cost memory when they are first written.
    size_t hot_reserve_bytes = size_t{256} << 20;
    size_t pool_reserve_bytes = size_t{1} << 30;
    // Memory is filled with this whenever it is handed out, after a Reset or Restore too: a run may
    // not depend on it, and where it does by mistake, it does so each time in the same way.
    uint8_t fill = 0x00;
  };

  Arena() : Arena(Options{}) {}
  explicit Arena(const Options& options);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Forgets everything; the next allocations are as in a new arena. No destructor runs.
  void Reset();

  // Memory that lives as long as the arena's state; never freed. REQUIRES: align is a power of two,
  // at most a page.
  void* Allocate(size_t bytes, size_t align);
  template <typename T, typename... Args>
  T* New(Args&&... args) {
    return new (Allocate(sizeof(T), alignof(T))) T(std::forward<Args>(args)...);
  }
  // `count` value-initialised elements.
  template <typename T>
  T* NewArray(size_t count) {
    return ValueInitialise<T>(Allocate(sizeof(T) * count, alignof(T)), count);
  }

  // `pages` whole pages of the hot part, aligned to `align_pages` pages (a power of two, at most
  // kAlignBytes). In sanitizer builds they come poisoned; so do the pool's.
  void* AllocateHotPages(size_t pages, size_t align_pages);

  // The packet pool. Pages are handed out once and recycled by the caches above.
  uint8_t* AllocatePoolPages(size_t pages);
  bool InPool(const void* p) const {
    const auto at = reinterpret_cast<uintptr_t>(p);
    return at - reinterpret_cast<uintptr_t>(pool_) < options_.pool_reserve_bytes;
  }
  // Says that the pool bytes [p, p + bytes) are about to be written for the first time since they
  // were allocated. What was never said so is neither part of a snapshot nor filled again when it
  // is handed out again. REQUIRES: InPool(p), bytes > 0.
  void Touch(const void* p, size_t bytes) {
    const auto start = static_cast<size_t>(static_cast<const uint8_t*>(p) - pool_);
    size_t page = start / kPageBytes;
    const size_t last = (start + bytes - 1) / kPageBytes;
    do {
      touched_[page / 64] |= uint64_t{1} << (page % 64);
    } while (++page <= last);
  }

  // --- Tracked memory. ---
  static constexpr size_t kTrackBytes = 1024;  // what is tracked and marked at a time
  // From now on every write to the whole kTrackBytes within [p, p + bytes) is told of by Wrote,
  // before the next Take, Restore or Track. Sanitizer builds check that with each Restore.
  void Track(const void* p, size_t bytes) { Mark(p, bytes, kTracked | kWritten); }
  void Untrack(const void* p, size_t bytes) { Mark(p, bytes, kWritten); }
  // [p, p + bytes) of the arena was or is about to be written. REQUIRES: bytes > 0.
  void Wrote(const void* p, size_t bytes) {
    const size_t start = OffsetOf(p);
    const size_t last = (start + bytes - 1) / kTrackBytes;
    size_t i = start / kTrackBytes;
    marks_[i] |= kWritten;
    while (i != last) marks_[++i] |= kWritten;
  }
  // The same of an object that lies within one kTrackBytes.
  void WroteOne(const void* p) { marks_[OffsetOf(p) / kTrackBytes] |= kWritten; }
  // A tracked array of `count` value-initialised elements.
  template <typename T>
  T* NewTrackedArray(size_t count) {
    const size_t bytes = AlignUp(sizeof(T) * count, kTrackBytes);
    void* const memory = Allocate(bytes, kTrackBytes);
    Track(memory, bytes);
    return ValueInitialise<T>(memory, count);
  }

  // Take copies the state; Restore puts it back, as often as wanted and whatever happened in
  // between, Reset included. REQUIRES: a snapshot of this arena (checked).
  void Take(Snapshot* snapshot) const;
  void Restore(const Snapshot& snapshot);

  // For reports only; they differ between builds.
  size_t hot_used_bytes() const { return hot_used_; }
  size_t pool_used_bytes() const { return pool_used_pages_ * kPageBytes; }
  // Whether the region lies where it was asked for.
  bool at_wanted_address() const { return reinterpret_cast<uint64_t>(hot_) == options_.address; }

 private:
  // The region's base is aligned to this wherever it lies.
  static constexpr size_t kAlignBytes = size_t{2} << 20;

  // What is known of kTrackBytes of the region. Where it is kTracked alone, nothing was written
  // since the state was that of snapshot in_step_with_.
  enum : uint8_t { kTracked = 1, kWritten = 2 };

  size_t OffsetOf(const void* p) const {
    return static_cast<size_t>(static_cast<const uint8_t*>(p) - hot_);
  }
  // Makes memory that Allocate has just returned an array. Where it is all zeros, that is what the
  // elements of a trivial type are.
  template <typename T>
  T* ValueInitialise(void* memory, size_t count) const {
    if (std::is_trivially_default_constructible_v<T> && options_.fill == 0) {
      return static_cast<T*>(memory);
    }
    return new (memory) T[count]();
  }
  void Mark(const void* p, size_t bytes, uint8_t mark);
  // Copies the marks of `bytes` from `start` on, which are no longer kWritten from here on.
  void TakeMarks(const uint8_t* start, size_t bytes, uint8_t* marks) const;
  // Makes `bytes` from `start` on, and their marks, what they were; where the arena is `in_step`,
  // without those that are as they were.
  void PutBackPart(uint8_t* start, const Snapshot::Line* from, const uint8_t* marks, size_t bytes,
                   bool in_step);
  // Pool pages that are not those of `snapshot` have no marks any more.
  void UntrackOthers(const Snapshot& snapshot);
  size_t TakeHotPages(size_t pages, size_t align_pages);
  void Fill(uint8_t* start, size_t bytes, size_t* written_end, const uint8_t* part) const;
  void FillPoolPage(size_t page);
  // Of the first 64 * `words` pool pages: none is touched from now on, and those that were have
  // lost their fill.
  void ForgetTouched(size_t words);

  Options options_;
  uint8_t* hot_ = nullptr;
  uint8_t* pool_ = nullptr;
  // Behind the pool: a byte for each kTrackBytes from hot_ on.
  uint8_t* marks_ = nullptr;
  size_t region_bytes_ = 0;
  // What a restore may leave out is known of one snapshot at a time, the last that was taken or
  // restored: its number, 0 for none.
  mutable uint64_t in_step_with_ = 0;
  mutable uint64_t snapshots_ = 0;
  // Offsets in the hot part. Small objects are cut from [small_cursor_, small_end_), whole pages
  // follow hot_used_.
  size_t hot_used_ = 0;
  size_t small_cursor_ = 0;
  size_t small_end_ = 0;
  size_t pool_used_pages_ = 0;
  // Beyond these offsets nothing was ever written: the system's own zeros.
  size_t hot_written_end_ = 0;
  size_t pool_written_end_ = 0;
  // Sanitizer builds: how far the hot part is poisoned, which is further than it is used.
  size_t hot_poisoned_end_ = 0;
  // One bit a pool page: written since it was allocated, and written in a state that was left since
  // it was filled.
  std::vector<uint64_t> touched_;
  std::vector<uint64_t> stale_;
};

// What a sanitizer build keeps round each object, in bytes: 0 in other builds.
#if defined(__SANITIZE_ADDRESS__)
#define TAPEDECK_ASAN_BUILD 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TAPEDECK_ASAN_BUILD 1
#endif
#endif
#ifdef TAPEDECK_ASAN_BUILD
inline constexpr bool kAsanBuild = true;
#else
inline constexpr bool kAsanBuild = false;
#endif
inline constexpr size_t kRedZoneBytes = kAsanBuild ? 32 : 0;

// AddressSanitizer's manual poisoning; nothing in other builds.
#ifdef TAPEDECK_ASAN_BUILD
void PoisonMemory(const void* p, size_t bytes);
void UnpoisonMemory(const void* p, size_t bytes);
#else
inline void PoisonMemory(const void*, size_t) {}
inline void UnpoisonMemory(const void*, size_t) {}
#endif

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_KERNEL_ARENA_H_
