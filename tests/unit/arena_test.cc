// The arena: what it hands out, what a snapshot brings back, and what AddressSanitizer sees of it.
#include "stack/kernel/arena.h"

#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>
#include <vector>

namespace tapedeck {
namespace {

// Small reserves: each test makes arenas of its own.
Arena::Options Small(uint8_t fill = 0) {
  return {
      .hot_reserve_bytes = size_t{16} << 20, .pool_reserve_bytes = size_t{16} << 20, .fill = fill};
}

bool AllBytesAre(const void* p, size_t bytes, uint8_t value) {
  for (size_t i = 0; i < bytes; ++i) {
    if (static_cast<const uint8_t*>(p)[i] != value) return false;
  }
  return true;
}

// As a cache does before it gives out an object.
uint8_t* PoolPages(Arena& arena, size_t pages) {
  uint8_t* const start = arena.AllocatePoolPages(pages);
  UnpoisonMemory(start, pages * kPageBytes);
  return start;
}
uint8_t* HotPages(Arena& arena, size_t pages, size_t align_pages) {
  auto* const start = static_cast<uint8_t*>(arena.AllocateHotPages(pages, align_pages));
  UnpoisonMemory(start, pages * kPageBytes);
  return start;
}

class ArenaFillTest : public testing::TestWithParam<uint8_t> {};
INSTANTIATE_TEST_SUITE_P(Fills, ArenaFillTest, testing::Values(0x00, 0xA5));

// Everything comes filled: when new, after a reset, and after a restore has taken it back and it is
// handed out again.
TEST_P(ArenaFillTest, MemoryIsFilledWheneverItIsHandedOut) {
  const uint8_t fill = GetParam();
  Arena arena(Small(fill));
  const auto allocate_check_scribble = [&] {
    void* const small = arena.Allocate(100, 16);
    EXPECT_TRUE(AllBytesAre(small, 100, fill));
    std::memset(small, 0x5C, 100);
    void* const large = arena.Allocate(3 * kPageBytes + 5, 64);
    EXPECT_TRUE(AllBytesAre(large, 3 * kPageBytes + 5, fill));
    std::memset(large, 0x5C, 3 * kPageBytes + 5);
    uint8_t* const hot = HotPages(arena, 2, 2);
    EXPECT_TRUE(AllBytesAre(hot, 2 * kPageBytes, fill));
    std::memset(hot, 0x5C, 2 * kPageBytes);
    uint8_t* const pool = PoolPages(arena, 3);
    EXPECT_TRUE(AllBytesAre(pool, 3 * kPageBytes, fill));
    arena.Touch(pool, 3 * kPageBytes);
    std::memset(pool, 0x5C, 3 * kPageBytes);
  };
  Snapshot empty;
  arena.Take(&empty);
  allocate_check_scribble();
  allocate_check_scribble();
  arena.Reset();
  allocate_check_scribble();
  arena.Restore(empty);
  allocate_check_scribble();
}

TEST(ArenaTest, AllocationsAreAlignedAndApart) {
  Arena arena(Small());
  uint8_t* last_end = nullptr;
  for (const size_t align : std::initializer_list<size_t>{1, 8, 16, 64, 512, 4096}) {
    auto* const p = static_cast<uint8_t*>(arena.Allocate(24, align));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % align, 0U);
    EXPECT_GE(p, last_end);
    last_end = p + 24;
  }
  for (const size_t pages : std::initializer_list<size_t>{1, 2, 4}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arena.AllocateHotPages(1, pages)) % (pages * kPageBytes),
              0U);
  }
}

// A page that was begun with small objects goes on after whole pages were taken, and a large object
// does not end it.
TEST(ArenaTest, SmallObjectsFillTheirPage) {
  Arena arena(Small());
  auto* const first = static_cast<uint8_t*>(arena.Allocate(64, 64));
  arena.AllocateHotPages(4, 4);
  arena.Allocate(kPageBytes - 32, 64);
  auto* const second = static_cast<uint8_t*>(arena.Allocate(64, 64));
  EXPECT_EQ(second, first + 64 + (kAsanBuild ? 64 : 0));
}

TEST(ArenaTest, ResetStartsAgainAtTheSameAddresses) {
  Arena arena(Small());
  void* const first = arena.Allocate(40, 8);
  uint8_t* const pool = arena.AllocatePoolPages(2);
  arena.Reset();
  EXPECT_EQ(arena.hot_used_bytes(), 0U);
  EXPECT_EQ(arena.pool_used_bytes(), 0U);
  EXPECT_EQ(arena.Allocate(40, 8), first);
  EXPECT_EQ(arena.AllocatePoolPages(2), pool);
}

TEST(ArenaTest, RestoreBringsTheHotPartBackEveryTime) {
  Arena arena(Small());
  auto* const a = arena.New<int>(1);
  Snapshot snapshot;
  arena.Take(&snapshot);
  void* next = nullptr;
  for (int round = 0; round < 100; ++round) {
    *a = 1000 + round;
    void* const b = arena.Allocate(size_t{1} << (round % 16), 8);
    if (round % 16 == 0) {
      if (next != nullptr) {
        EXPECT_EQ(b, next) << "allocation goes on where it was";
      }
      next = b;
    }
    arena.AllocateHotPages(1, 1);
    arena.Restore(snapshot);
    EXPECT_EQ(*a, 1);
  }
}

// Restore works forwards too: into an arena that was reset since, and to a later snapshot after an
// earlier one.
TEST(ArenaTest, SnapshotsAreIndependentOfWhatCameBetween) {
  Arena arena(Small());
  auto* const a = arena.New<int>(1);
  Snapshot early;
  arena.Take(&early);
  int* const b = arena.NewArray<int>(100'000);
  b[99'999] = 7;
  uint8_t* const pool = PoolPages(arena, 1);
  arena.Touch(pool, 1);
  pool[5] = 9;
  Snapshot late;
  arena.Take(&late);
  for (int round = 0; round < 3; ++round) {
    arena.Restore(early);
    EXPECT_EQ(arena.pool_used_bytes(), 0U);
    arena.Restore(late);
    EXPECT_EQ(*a, 1);
    EXPECT_EQ(b[99'999], 7);
    EXPECT_EQ(pool[5], 9);
    arena.Reset();
    *arena.New<int>(0) = 5;
    arena.Restore(late);
    EXPECT_EQ(*a, 1);
    EXPECT_EQ(b[99'999], 7);
    // What is handed out next does not overlap what is there.
    std::memset(arena.Allocate(500'000, 8), 0xFF, 500'000);
    EXPECT_EQ(*a, 1);
    EXPECT_EQ(b[99'999], 7);
  }
}

// Of the pool only pages in which a packet has been are copied.
TEST(ArenaTest, SnapshotCopiesTouchedPoolPagesOnly) {
  Arena arena(Small());
  uint8_t* const pool = PoolPages(arena, 200);
  Snapshot snapshot;
  arena.Take(&snapshot);
  EXPECT_EQ(snapshot.bytes(), arena.hot_used_bytes());
  // Two bytes across a border, and the last page.
  arena.Touch(pool + 3 * kPageBytes - 1, 2);
  arena.Touch(pool + 199 * kPageBytes, kPageBytes);
  pool[3 * kPageBytes - 1] = 1;
  pool[3 * kPageBytes] = 2;
  pool[200 * kPageBytes - 1] = 3;
  arena.Take(&snapshot);
  EXPECT_EQ(snapshot.bytes(), arena.hot_used_bytes() + 3 * kPageBytes);
  std::memset(pool, 0xEE, 200 * kPageBytes);
  arena.Touch(pool, 200 * kPageBytes);
  arena.Restore(snapshot);
  EXPECT_EQ(pool[3 * kPageBytes - 1], 1);
  EXPECT_EQ(pool[3 * kPageBytes], 2);
  EXPECT_EQ(pool[200 * kPageBytes - 1], 3);
  // The marks are restored with the pages.
  Snapshot again;
  arena.Take(&again);
  EXPECT_EQ(again.bytes(), snapshot.bytes());
}

// Tracked memory comes back where somebody has told of a write to it, and is passed over where not.
TEST(ArenaTest, RestoresTrackedMemoryThatWasToldOf) {
  Arena arena(Small());
  constexpr size_t kPart = Arena::kTrackBytes / sizeof(int);
  int* const table = arena.NewTrackedArray<int>(3 * kPart);
  table[0] = 1;
  Snapshot snapshot;
  arena.Take(&snapshot);
  for (int round = 0; round < 3; ++round) {
    table[0] = 10 + round;
    table[kPart - 1] = 20 + round;
    table[kPart] = 30 + round;
    arena.Wrote(&table[0], sizeof(int));
    arena.Wrote(&table[kPart - 1], 2 * sizeof(int));
    arena.Restore(snapshot);
    EXPECT_EQ(table[0], 1);
    EXPECT_EQ(table[kPart - 1], 0);
    EXPECT_EQ(table[kPart], 0);
  }
  table[2 * kPart] = 5;
  if (kAsanBuild) {
    EXPECT_DEATH(arena.Restore(snapshot), "IsAsItWas");
  } else {
    arena.Restore(snapshot);
    EXPECT_EQ(table[2 * kPart], 5);
  }
}

// What was told is known of the last snapshot that was taken or restored; any other is put back
// whole.
TEST(ArenaTest, RestoresTrackedMemoryOfEverySnapshot) {
  Arena arena(Small());
  int* const table = arena.NewTrackedArray<int>(Arena::kTrackBytes);
  Snapshot snapshots[3];
  for (int i = 0; i < 3; ++i) {
    table[0] = i;
    arena.Wrote(&table[0], sizeof(int));
    arena.Take(&snapshots[i]);
  }
  for (const int i : {0, 2, 1, 1, 0, 1, 2}) {
    arena.Restore(snapshots[i]);
    EXPECT_EQ(table[0], i);
  }
  arena.Reset();
  std::memset(arena.Allocate(8 * Arena::kTrackBytes, Arena::kTrackBytes), 0x77, 100);
  arena.Restore(snapshots[2]);
  EXPECT_EQ(table[0], 2);
}

// Memory that has a new owner is tracked no more.
TEST(ArenaTest, TracksNothingThatWasTakenBack) {
  Arena arena(Small());
  uint8_t* const pool = PoolPages(arena, 2);
  Snapshot before;
  arena.Take(&before);
  arena.Touch(pool, 2 * kPageBytes);
  arena.Track(pool, kPageBytes);
  arena.Track(pool + kPageBytes, kPageBytes);
  arena.Untrack(pool + kPageBytes, kPageBytes);
  Snapshot tracked;
  arena.Take(&tracked);
  pool[kPageBytes] = 1;
  arena.Restore(tracked);
  EXPECT_EQ(pool[kPageBytes], 0);
  arena.Restore(before);
  arena.Touch(pool, 1);
  arena.Take(&before);
  pool[0] = 1;
  arena.Restore(before);
  EXPECT_EQ(pool[0], 0);
  arena.Reset();
  int* const table = arena.NewTrackedArray<int>(Arena::kTrackBytes);
  arena.Reset();
  EXPECT_EQ(arena.Allocate(Arena::kTrackBytes * sizeof(int), Arena::kTrackBytes), table);
  arena.Take(&before);
  table[0] = 1;
  arena.Restore(before);
  EXPECT_EQ(table[0], 0);
}

TEST(ArenaTest, TakesAnotherAddressWhereTheWantedOneIsOccupied) {
  Arena first(Small());
  ASSERT_TRUE(first.at_wanted_address());
  Arena second(Small());
  EXPECT_FALSE(second.at_wanted_address());
  *first.New<int>(1) = 1;
  int* const there = second.New<int>(2);
  // Alignment is that of addresses, not of offsets, wherever the region lies.
  EXPECT_EQ(reinterpret_cast<uintptr_t>(second.AllocateHotPages(4, 4)) % (4 * kPageBytes), 0U);
  Snapshot snapshot;
  second.Take(&snapshot);
  *there = 3;
  second.Restore(snapshot);
  EXPECT_EQ(*there, 2);
}

TEST(ArenaTest, AnAddressCanBeUsedAgainAfterTheArena) {
  uint8_t* where = nullptr;
  for (int round = 0; round < 2; ++round) {
    Arena arena(Small());
    ASSERT_TRUE(arena.at_wanted_address());
    auto* const p = static_cast<uint8_t*>(arena.Allocate(100'000, 8));
    if (where != nullptr) {
      EXPECT_EQ(p, where);
    }
    where = p;
    std::memset(p, 1, 100'000);
    std::memset(PoolPages(arena, 9), 1, 9 * kPageBytes);
  }
}

TEST(ArenaDeathTest, ASnapshotBelongsToItsArena) {
  Arena first(Small());
  Arena second(Small());
  Snapshot snapshot;
  first.Take(&snapshot);
  EXPECT_DEATH(second.Restore(snapshot), "CHECK failed: snapshot.arena_ == this");
}

TEST(ArenaDeathTest, TheReserveHasAnEnd) {
  Arena arena(Small());
  EXPECT_DEATH(arena.Allocate(size_t{17} << 20, 8), "CHECK failed");
  EXPECT_DEATH(arena.AllocatePoolPages((size_t{17} << 20) / kPageBytes), "CHECK failed");
}

class ArenaAsanDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!kAsanBuild) GTEST_SKIP() << "poisoning needs an AddressSanitizer build";
  }
  static void Write(void* p, size_t at) { static_cast<volatile uint8_t*>(p)[at] = 1; }
};

TEST_F(ArenaAsanDeathTest, WritesPastAnObjectAreSeen) {
  Arena arena(Small());
  void* const p = arena.Allocate(24, 8);
  void* const q = arena.Allocate(24, 8);
  Write(p, 23);
  Write(q, 0);
  EXPECT_DEATH(Write(p, 24), "use-after-poison");
  EXPECT_DEATH(Write(q, 24), "use-after-poison");
  // Far behind all that is used.
  EXPECT_DEATH(Write(q, 40'000), "use-after-poison");
}

TEST_F(ArenaAsanDeathTest, WholePagesComePoisoned) {
  Arena arena(Small(0xA5));
  void* const hot = arena.AllocateHotPages(1, 1);
  void* const pool = arena.AllocatePoolPages(1);
  EXPECT_DEATH(Write(hot, 0), "use-after-poison");
  EXPECT_DEATH(Write(pool, 4095), "use-after-poison");
}

TEST_F(ArenaAsanDeathTest, ResetAndRestoreTakeMemoryBack) {
  Arena arena(Small(0xA5));
  void* const before = arena.Allocate(24, 8);
  void* const before_pool = PoolPages(arena, 1);
  Snapshot snapshot;
  arena.Take(&snapshot);
  void* const after = arena.Allocate(24, 8);
  void* const after_pool = PoolPages(arena, 1);
  PoisonMemory(before, 24);
  arena.Restore(snapshot);
  Write(before, 0);
  Write(before_pool, 0);
  EXPECT_DEATH(Write(after, 0), "use-after-poison");
  EXPECT_DEATH(Write(after_pool, 0), "use-after-poison");
  arena.Reset();
  EXPECT_DEATH(Write(before, 0), "use-after-poison");
  EXPECT_DEATH(Write(before_pool, 0), "use-after-poison");
  arena.Restore(snapshot);
  Write(before, 0);
  Write(before_pool, 0);
}

}  // namespace
}  // namespace tapedeck
