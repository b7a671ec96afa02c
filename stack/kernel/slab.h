// Slab caches over the arena, as kmem_cache: objects of one size in slabs of a few pages, found and
// freed in O(1), with a count of live objects for the ledgers. Which objects are free is kept in a
// bit map beside them, never inside them.
//
// A cache's first slab in the hot part holds few objects and shares its page with others: most
// caches of a small Lab never need a second, and a page for each would be most of its hot state.
#ifndef TAPEDECK_STACK_KERNEL_SLAB_H_
#define TAPEDECK_STACK_KERNEL_SLAB_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "stack/base/check.h"
#include "stack/kernel/arena.h"

namespace tapedeck {

class KmemCache;

// Up to 64 objects of one cache, and which of them are free.
struct Slab {
  KmemCache* cache = nullptr;
  Slab* next = nullptr;  // on the cache's list of slabs with a free object
  uint8_t* base = nullptr;
  uint64_t free_bits = 0;
  bool listed = false;
};

// A cache of objects of `object_bytes`. It and its bookkeeping live in the hot part of the arena;
// the objects in the hot part too, or in the packet pool (see PacketPool).
class KmemCache {
 public:
  enum class Place : uint8_t { kHot, kPool };

  KmemCache(Arena& arena, const char* name, size_t object_bytes, Place place = Place::kHot);
  KmemCache(const KmemCache&) = delete;
  KmemCache& operator=(const KmemCache&) = delete;

  // Uninitialised memory, aligned to 64 bytes; nullptr only where a fault was injected. `slab_out`
  // receives what Free wants.
  void* Alloc(Slab** slab_out) {
    if (__builtin_expect(failure_ != nullptr, 0) && Fails()) return nullptr;
    if (__builtin_expect(partial_ == nullptr, 0)) partial_ = NewSlab();
    Slab* const slab = partial_;
    const int index = __builtin_ctzll(slab->free_bits);  // one is free, or it would not be partial
    slab->free_bits &= slab->free_bits - 1;
    if (slab->free_bits == 0) {
      partial_ = slab->next;
      slab->next = nullptr;
      slab->listed = false;
    }
    ++live_objects_;
    *slab_out = slab;
    void* const object = slab->base + static_cast<size_t>(index) * stride_bytes_;
    UnpoisonMemory(object, object_bytes_);
    return object;
  }
  // What up to `count` calls of Alloc give, one after the other: take(object, slab) for each, which
  // may not use the cache. Fewer only where a fault was injected; returns how many.
  template <typename Take>
  uint32_t AllocMany(uint32_t count, Take take) {
    uint32_t taken = 0;
    while (taken < count) {
      if (__builtin_expect(failure_ != nullptr, 0)) return taken + AllocEach(count - taken, take);
      if (partial_ == nullptr) partial_ = NewSlab();
      Slab* const slab = partial_;
      uint64_t free_bits = slab->free_bits;
      const uint32_t before = taken;
      for (; free_bits != 0 && taken < count; free_bits &= free_bits - 1, ++taken) {
        const auto index = static_cast<size_t>(std::countr_zero(free_bits));
        uint8_t* const object = slab->base + index * stride_bytes_;
        UnpoisonMemory(object, object_bytes_);
        take(object, slab);
      }
      live_objects_ += taken - before;
      slab->free_bits = free_bits;
      if (free_bits != 0) break;
      partial_ = slab->next;
      slab->next = nullptr;
      slab->listed = false;
    }
    return taken;
  }
  // REQUIRES: `object` came from Alloc of this cache with this `slab` and is live (checked).
  void Free(void* object, Slab* slab) {
    CHECK(slab->cache == this);
    --live_objects_;
    if constexpr (kAsanBuild) {
      Rest(object, slab);
    } else {
      Release(object, slab);
    }
  }

  // For objects in the hot part, whose slab is found from their address.
  void* Alloc() {
    Slab* slab = nullptr;
    return Alloc(&slab);
  }
  void Free(void* object) { Free(object, SlabOf(object)); }

  // Lets the `nth` allocation from now on fail, once (1: the next). 0: none.
  void FailNth(uint64_t nth) {
    fail_nth_ = nth;
    FailWith(&fail_nth_);
  }
  // The same for several caches together: each allocation of any of them counts `*nth` down, and
  // fails where that makes it 0. It is state of the arena.
  void FailWith(uint64_t* nth) { failure_ = nth; }

  const char* name() const { return name_; }
  size_t object_bytes() const { return object_bytes_; }
  // Objects in a slab that is not the first: for tests and reports, as it differs between builds.
  uint32_t objects_per_slab() const { return objects_per_slab_; }
  uint64_t live_objects() const { return live_objects_; }

 private:
  bool Fails();
  template <typename Take>
  uint32_t AllocEach(uint32_t count, Take take) {
    for (uint32_t i = 0; i < count; ++i) {
      Slab* slab = nullptr;
      void* const object = Alloc(&slab);
      if (object == nullptr) return i;
      take(static_cast<uint8_t*>(object), slab);
    }
    return count;
  }
  Slab* NewSlab();
  Slab* NewFirstSlab();
  // SlabOf finds the header from an object's address: at the start of the aligned slab, which for a
  // single object is the start of the object's page; or where the first slab begins. Free CHECKs
  // that what it finds there is a slab of this cache.
  Slab* SlabOf(const void* object) const {
    const auto address = reinterpret_cast<uintptr_t>(object);
    if (address - reinterpret_cast<uintptr_t>(first_) < first_bytes_) return first_;
    const uintptr_t mask = align_pages_ * kPageBytes - 1;
    return reinterpret_cast<Slab*>(address & ~mask);
  }
  void Rest(void* object, Slab* slab);
  void Release(void* object, Slab* slab) {
    const auto offset = static_cast<size_t>(static_cast<uint8_t*>(object) - slab->base);
    // Exact for the start of every object: the inverse is less than `stride` above 2^32 / stride,
    // and 64 * 4 MiB < 2^32.
    const uint64_t index = offset * stride_inverse_ >> 32;
    CHECK_LT(index, objects_per_slab_);
    CHECK_EQ(index * stride_bytes_, offset);
    CHECK((slab->free_bits >> index & 1) == 0);  // not freed twice
    slab->free_bits |= uint64_t{1} << index;
    if (!slab->listed) {
      slab->listed = true;
      slab->next = partial_;
      partial_ = slab;
    }
  }

  void ChooseHotSlab();

  // Sanitizer builds: freed objects rest here, the oldest at `next`, before they are used again.
  struct Quarantine {
    struct Resting {
      void* object;
      Slab* slab;
    };
    static constexpr uint32_t kObjects = 64;
    Resting resting[kObjects] = {};
    uint32_t next = 0;
  };

  // What Alloc reads fits one cache line.
  Slab* partial_ = nullptr;
  uint64_t* failure_ = nullptr;  // allocations until one fails
  uint64_t live_objects_ = 0;
  uint32_t object_bytes_;
  uint32_t stride_bytes_;
  uint32_t stride_inverse_;   // 2^32 / stride, rounded up: index = offset * inverse >> 32
  uint16_t first_bytes_ = 0;  // of the slab that shares its page, with its header
  uint16_t slab_pages_ = 1;
  uint8_t objects_per_slab_ = 1;  // of every slab but that one
  uint8_t align_pages_ : 4 = 1;
  Place place_ : 4;
  Slab* first_ = nullptr;  // in the hot part
  uint64_t fail_nth_ = 0;
  Arena& arena_;
  const char* name_;
  Quarantine* quarantine_ = nullptr;
};

// A cache of T.
template <typename T>
class SlabCache {
 public:
  SlabCache(Arena& arena, const char* name) : cache_(arena, name, sizeof(T)) {
    static_assert(alignof(T) <= 64);
  }
  // nullptr only where a fault was injected.
  template <typename... Args>
  T* New(Args&&... args) {
    void* const memory = cache_.Alloc();
    return memory == nullptr ? nullptr : new (memory) T(std::forward<Args>(args)...);
  }
  void Delete(T* object) {
    object->~T();
    cache_.Free(object);
  }
  KmemCache& cache() { return cache_; }
  const KmemCache& cache() const { return cache_; }

 private:
  KmemCache cache_;
};

// A packet's buffer in the pool. Copied freely; one holder frees it.
struct PacketBuffer {
  uint8_t* data = nullptr;
  uint32_t bytes = 0;  // capacity: the size class, a power of two
  Slab* slab = nullptr;
};

// Packet buffers in power-of-two classes from 512 B to 128 KiB.
class PacketPool {
 public:
  static constexpr uint32_t kMinBytes = 512;
  static constexpr uint32_t kMaxBytes = 128 * 1024;

  explicit PacketPool(Arena& arena);

  // The smallest class that holds `bytes`; data == nullptr where `bytes` is above kMaxBytes or a
  // fault was injected. With `touch` the caller will write it at once; without, whoever writes
  // first (DMA) calls Arena::Touch.
  [[gnu::always_inline]] PacketBuffer Alloc(uint32_t bytes, bool touch = true) {
    if (bytes > kMaxBytes) return {};
    const int size_class = ClassOf(bytes);
    PacketBuffer buffer;
    buffer.data = static_cast<uint8_t*>(caches_[size_class]->Alloc(&buffer.slab));
    if (buffer.data == nullptr) return {};
    buffer.bytes = kMinBytes << size_class;
    if (touch) arena_.Touch(buffer.data, buffer.bytes);
    return buffer;
  }
  // What up to `count` calls of Alloc give without `touch`, one after the other: take(buffer) for
  // each. Fewer only where a fault was injected; returns how many. REQUIRES: bytes <= kMaxBytes.
  template <typename Take>
  uint32_t AllocMany(uint32_t bytes, uint32_t count, Take take) {
    CHECK_LE(bytes, kMaxBytes);
    const int size_class = ClassOf(bytes);
    return caches_[size_class]->AllocMany(count, [&](uint8_t* data, Slab* slab) {
      take(PacketBuffer{data, kMinBytes << size_class, slab});
    });
  }
  void Free(PacketBuffer buffer) { buffer.slab->cache->Free(buffer.data, buffer.slab); }

  static constexpr int kClasses = 9;
  const KmemCache& cache(int size_class) const { return *caches_[size_class]; }
  KmemCache& cache(int size_class) { return *caches_[size_class]; }
  uint64_t live_objects() const;

 private:
  static constexpr int kMinBits = static_cast<int>(std::bit_width(kMinBytes - 1));
  static constexpr int ClassOf(uint32_t bytes) {
    const uint32_t last = (std::max(bytes, 1U) - 1) | (kMinBytes - 1);
    return 32 - __builtin_clz(last) - kMinBits;
  }

  Arena& arena_;
  KmemCache* caches_[kClasses];
};

// kmalloc: general memory of the hot part in size classes, for what has no cache of its own
// (coroutine frames, tables that grow): powers of two up to 512 B, then 64 B less than a power of
// two up to 4 MiB, so that objects and their slab's header fill whole pages. CHECKs on a larger
// size.
class Kmalloc {
 public:
  static constexpr size_t kMaxBytes = (size_t{4} << 20) - 64;

  explicit Kmalloc(Arena& arena);
  void* Alloc(size_t bytes) {
    CHECK_LE(bytes, kMaxBytes);
    return caches_[ClassOf(bytes)]->Alloc();
  }
  // REQUIRES: the size given to Alloc (checked as far as the class tells).
  void Free(void* p, size_t bytes) { caches_[ClassOf(bytes)]->Free(p); }

  // Differs between builds where compilers leave out coroutine frames: for leak checks, never for
  // digests.
  uint64_t live_objects() const;

 private:
  static constexpr int kClasses = 17;  // 64, 128, 256, 512, then 2^n - 64
  static constexpr int ClassOf(size_t bytes) {
    if (bytes <= 64) return 0;
    return static_cast<int>(std::bit_width(bytes <= 512 ? bytes - 1 : bytes + 63)) - 6;
  }
  static constexpr size_t ClassBytes(int size_class) {
    return size_class < 4 ? size_t{64} << size_class : (size_t{64} << size_class) - 64;
  }
  KmemCache* caches_[kClasses];
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_KERNEL_SLAB_H_
