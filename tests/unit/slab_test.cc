// Slab caches, the packet pool and kmalloc against a model: which objects are live, and what they
// hold.
#include "stack/kernel/slab.h"

#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>
#include <map>
#include <set>
#include <vector>

#include "stack/base/prng.h"

namespace tapedeck {
namespace {

class SlabTest : public testing::TestWithParam<size_t> {
 protected:
  Arena arena_;
};

// One object of the model: where it is, and the byte it is full of.
struct Live {
  uint8_t* memory;
  uint8_t pattern;
};

// Sizes around every rule of the slab layout: below and above the alignment, several a page, one a
// page, several in two pages, pages of its own.
INSTANTIATE_TEST_SUITE_P(Sizes, SlabTest,
                         testing::Values(1, 64, 65, 200, 1000, 1344, 1400, 2016, 2240, 4000, 4096,
                                         5000, 9000, 70'000));

// Random allocation and freeing: objects are aligned, never overlap, keep what is written to them,
// and are counted.
TEST_P(SlabTest, AgreesWithAModel) {
  const size_t bytes = GetParam();
  KmemCache& cache = *arena_.New<KmemCache>(arena_, "test", bytes);
  Prng prng(7, bytes);
  std::vector<Live> live;
  std::map<uint8_t*, size_t> extents;
  for (int step = 0; step < 2000; ++step) {
    const bool grows = prng.Below(100) < (step / 500 % 2 == 0 ? 70U : 30U);
    if (grows || live.empty()) {
      auto* const p = static_cast<uint8_t*>(cache.Alloc());
      ASSERT_NE(p, nullptr);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(p) % 64, 0U);
      const auto next = extents.lower_bound(p);
      if (next != extents.end()) {
        ASSERT_LE(p + bytes, next->first);
      }
      if (next != extents.begin()) {
        ASSERT_LE(std::prev(next)->first + bytes, p);
      }
      extents[p] = bytes;
      const auto pattern = static_cast<uint8_t>(step);
      std::memset(p, pattern, bytes);
      live.push_back({p, pattern});
    } else {
      const size_t i = prng.Below(static_cast<uint32_t>(live.size()));
      for (size_t at = 0; at < bytes; ++at) ASSERT_EQ(live[i].memory[at], live[i].pattern);
      cache.Free(live[i].memory);
      extents.erase(live[i].memory);
      live[i] = live.back();
      live.pop_back();
    }
    ASSERT_EQ(cache.live_objects(), live.size());
  }
  for (const Live& object : live) cache.Free(object.memory);
  EXPECT_EQ(cache.live_objects(), 0U);
}

// What is freed is used again: a steady number of objects needs no more memory.
TEST_P(SlabTest, FreedObjectsAreUsedAgain) {
  const size_t bytes = GetParam();
  KmemCache& cache = *arena_.New<KmemCache>(arena_, "test", bytes);
  for (int i = 0; i < 100; ++i) cache.Free(cache.Alloc());
  const size_t used = arena_.hot_used_bytes();
  for (int i = 0; i < 1000; ++i) cache.Free(cache.Alloc());
  EXPECT_EQ(arena_.hot_used_bytes(), used);
}

// After a restore the same calls give the same addresses.
TEST_P(SlabTest, GoesOnFromASnapshotInTheSameWay) {
  KmemCache& cache = *arena_.New<KmemCache>(arena_, "test", GetParam());
  std::vector<void*> held;
  for (int i = 0; i < 20; ++i) held.push_back(cache.Alloc());
  for (int i = 0; i < 20; i += 3) cache.Free(held[static_cast<size_t>(i)]);
  Snapshot snapshot;
  arena_.Take(&snapshot);
  std::vector<void*> first;
  for (int round = 0; round < 3; ++round) {
    std::vector<void*> addresses;
    for (int i = 0; i < 40; ++i) addresses.push_back(cache.Alloc());
    cache.Free(held[1]);
    cache.Free(addresses[5]);
    addresses.push_back(cache.Alloc());
    if (round == 0) first = addresses;
    EXPECT_EQ(addresses, first);
    arena_.Restore(snapshot);
    EXPECT_EQ(cache.live_objects(), 13U);
  }
}

// Slabs waste less than a quarter of their pages, or hold one object in as few pages as it takes.
TEST_P(SlabTest, WastesLittle) {
  if (kAsanBuild) GTEST_SKIP() << "red zones take more";
  const size_t bytes = GetParam();
  KmemCache& cache = *arena_.New<KmemCache>(arena_, "test", bytes);
  // The first slab lies behind a gap where it is aligned.
  for (uint32_t i = 0; i < cache.objects_per_slab(); ++i) cache.Alloc();
  const size_t before = arena_.hot_used_bytes();
  for (uint32_t i = 0; i < cache.objects_per_slab(); ++i) cache.Alloc();
  const size_t slab_bytes = arena_.hot_used_bytes() - before;
  const size_t stride = (bytes + 63) / 64 * 64;
  if (cache.objects_per_slab() > 1) {
    EXPECT_LE(slab_bytes, 2 * kPageBytes);
    EXPECT_GE(4 * stride * cache.objects_per_slab(), 3 * slab_bytes);
  } else {
    EXPECT_LT(slab_bytes, stride + 64 + kPageBytes);
    EXPECT_GT(stride, kPageBytes / 2);
  }
}

// A small Lab has many caches with an object or two in each.
TEST(SlabSharingTest, FirstSlabsOfManyCachesShareTheirPages) {
  if (kAsanBuild) GTEST_SKIP() << "red zones take more";
  Arena arena;
  constexpr size_t kCaches = 32;
  std::vector<KmemCache*> caches;
  std::vector<void*> objects;
  for (size_t i = 0; i < kCaches; ++i) {
    caches.push_back(arena.New<KmemCache>(arena, "test", 64 + 24 * i));
    objects.push_back(caches.back()->Alloc());
  }
  EXPECT_LE(arena.hot_used_bytes(), kCaches * kPageBytes / 2);
  for (size_t i = 0; i < kCaches; ++i) {
    caches[i]->Free(objects[i]);
    EXPECT_EQ(caches[i]->live_objects(), 0U);
  }
}

TEST(SlabCacheTest, ConstructsAndDestroys) {
  Arena arena;
  struct Counted {
    explicit Counted(int* count_in) : count(count_in) { ++*count; }
    ~Counted() { --*count; }
    int* count;
  };
  int count = 0;
  auto* const cache = arena.New<SlabCache<Counted>>(arena, "counted");
  Counted* const a = cache->New(&count);
  Counted* const b = cache->New(&count);
  EXPECT_EQ(count, 2);
  cache->Delete(a);
  cache->Delete(b);
  EXPECT_EQ(count, 0);
  EXPECT_STREQ(cache->cache().name(), "counted");
}

TEST(SlabCacheTest, FailsTheNthAllocationOnce) {
  Arena arena;
  auto* const cache = arena.New<SlabCache<int>>(arena, "int");
  cache->cache().FailNth(3);
  EXPECT_NE(cache->New(1), nullptr);
  EXPECT_NE(cache->New(2), nullptr);
  EXPECT_EQ(cache->New(3), nullptr);
  EXPECT_NE(cache->New(4), nullptr);
  EXPECT_EQ(cache->cache().live_objects(), 3U);
  cache->cache().FailNth(1);
  cache->cache().FailNth(0);
  EXPECT_NE(cache->New(5), nullptr);
}

TEST(SlabDeathTest, FreeingTwiceDies) {
  Arena arena;
  auto* const cache = arena.New<KmemCache>(arena, "test", size_t{100});
  void* const p = cache->Alloc();
  cache->Alloc();
  cache->Free(p);
  EXPECT_DEATH(cache->Free(p), "CHECK failed");
}

TEST(SlabDeathTest, FreeingTwiceDiesLaterToo) {
  Arena arena;
  auto* const cache = arena.New<KmemCache>(arena, "test", size_t{100});
  void* const p = cache->Alloc();
  cache->Free(p);
  // Past the rest that sanitizer builds give a freed object.
  std::vector<void*> others;
  for (int i = 0; i < 70; ++i) others.push_back(cache->Alloc());
  if (!kAsanBuild) {
    EXPECT_EQ(others[0], p);
    cache->Free(p);
  } else {
    for (void* const other : others) cache->Free(other);
  }
  EXPECT_DEATH(
      {
        cache->Free(p);
        for (int i = 0; i < 70; ++i) cache->Free(cache->Alloc());
      },
      "CHECK failed");
}

TEST(SlabDeathTest, FreeingToAnotherCacheDies) {
  Arena arena;
  auto* const a = arena.New<KmemCache>(arena, "a", size_t{100});
  auto* const b = arena.New<KmemCache>(arena, "b", size_t{100});
  void* const p = a->Alloc();
  b->Alloc();
  EXPECT_DEATH(b->Free(p), "CHECK failed: slab->cache == this");
}

TEST(SlabDeathTest, FreeingTheMiddleOfAnObjectDies) {
  Arena arena;
  auto* const cache = arena.New<KmemCache>(arena, "test", size_t{200});
  auto* const p = static_cast<uint8_t*>(cache->Alloc());
  cache->Alloc();
  EXPECT_DEATH(
      {
        cache->Free(p + 64);
        for (int i = 0; i < 70; ++i) cache->Free(cache->Alloc());
      },
      "CHECK failed|use-after-poison");
}

TEST(SlabAsanDeathTest, UseAfterFreeAndOverflowAreSeen) {
  if (!kAsanBuild) GTEST_SKIP() << "poisoning needs an AddressSanitizer build";
  Arena arena;
  for (const size_t bytes : std::initializer_list<size_t>{24, 100, 2240, 9000}) {
    auto* const cache = arena.New<KmemCache>(arena, "test", bytes);
    auto* const p = static_cast<volatile uint8_t*>(cache->Alloc());
    p[bytes - 1] = 1;
    EXPECT_DEATH(p[bytes] = 1, "use-after-poison");
    EXPECT_DEATH(*(p - 1) = 1, "use-after-poison");
    Snapshot live;
    arena.Take(&live);
    cache->Free(const_cast<uint8_t*>(p));
    EXPECT_DEATH(p[0] = 1, "use-after-poison");
    // It rests before it is used again.
    for (int i = 0; i < 10; ++i) EXPECT_NE(cache->Alloc(), p);
    // A restore makes it live again, and only it.
    arena.Restore(live);
    p[0] = 1;
    EXPECT_DEATH(p[bytes] = 1, "use-after-poison");
  }
}

TEST(PacketPoolTest, ClassesArePowersOfTwoFrom512BytesTo128KiB) {
  Arena arena;
  auto* const pool = arena.New<PacketPool>(arena);
  struct Case {
    uint32_t asked;
    uint32_t given;
  };
  std::vector<PacketBuffer> held;
  for (const Case c : {Case{0, 512},
                       {1, 512},
                       {512, 512},
                       {513, 1024},
                       {2048, 2048},
                       {2049, 4096},
                       {9000, 16384},
                       {65536, 65536},
                       {65537, 131072},
                       {131072, 131072}}) {
    const PacketBuffer buffer = pool->Alloc(c.asked);
    ASSERT_NE(buffer.data, nullptr);
    EXPECT_EQ(buffer.bytes, c.given) << c.asked;
    EXPECT_TRUE(arena.InPool(buffer.data));
    std::memset(buffer.data, 0x77, buffer.bytes);
    held.push_back(buffer);
  }
  EXPECT_EQ(pool->Alloc(131073).data, nullptr);
  EXPECT_EQ(pool->live_objects(), held.size());
  for (const PacketBuffer& buffer : held) pool->Free(buffer);
  EXPECT_EQ(pool->live_objects(), 0U);
}

TEST(PacketPoolTest, BuffersThatNobodyHasWrittenAreNotCopied) {
  Arena arena;
  auto* const pool = arena.New<PacketPool>(arena);
  for (int i = 0; i < 512; ++i) pool->Alloc(2048, /*touch=*/false);
  Snapshot snapshot;
  arena.Take(&snapshot);
  EXPECT_EQ(snapshot.bytes(), arena.hot_used_bytes());
  pool->Alloc(2048, /*touch=*/true);
  arena.Take(&snapshot);
  EXPECT_LE(snapshot.bytes(), arena.hot_used_bytes() + 2 * kPageBytes);
  EXPECT_GT(snapshot.bytes(), arena.hot_used_bytes());
}

TEST(PacketPoolTest, AllocationsFailOnDemand) {
  Arena arena;
  auto* const pool = arena.New<PacketPool>(arena);
  pool->cache(2).FailNth(2);
  EXPECT_NE(pool->Alloc(2048).data, nullptr);
  EXPECT_NE(pool->Alloc(512).data, nullptr);
  EXPECT_EQ(pool->Alloc(2048).data, nullptr);
  EXPECT_NE(pool->Alloc(2048).data, nullptr);
}

TEST(KmallocTest, HoldsEverySizeUpToItsLargest) {
  Arena arena;
  auto* const kmalloc = arena.New<Kmalloc>(arena);
  std::vector<size_t> sizes = {0, 1, 63, 64, 65, 128, 129, 256, 257, 512, 513, Kmalloc::kMaxBytes};
  for (size_t power = 1024; power <= Kmalloc::kMaxBytes; power *= 2) {
    sizes.insert(sizes.end(), {power - 65, power - 64, power - 63, power, power + 1});
  }
  for (const size_t bytes : sizes) {
    void* const p = kmalloc->Alloc(bytes);
    void* const q = kmalloc->Alloc(bytes);
    ASSERT_NE(p, q);
    std::memset(p, 1, bytes);
    std::memset(q, 2, bytes);
    EXPECT_EQ(kmalloc->live_objects(), 2U);
    kmalloc->Free(p, bytes);
    kmalloc->Free(q, bytes);
  }
  EXPECT_EQ(kmalloc->live_objects(), 0U);
  EXPECT_DEATH(kmalloc->Alloc(Kmalloc::kMaxBytes + 1), "CHECK failed");
}

TEST(KmallocTest, FreeingAnotherSizeDies) {
  Arena arena;
  auto* const kmalloc = arena.New<Kmalloc>(arena);
  void* const p = kmalloc->Alloc(100);
  EXPECT_DEATH(kmalloc->Free(p, 300), "CHECK failed");
}

}  // namespace
}  // namespace tapedeck
