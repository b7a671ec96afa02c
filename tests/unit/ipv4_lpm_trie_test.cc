#include <gtest/gtest.h>

#include <map>
#include <utility>
#include <vector>

#include "stack/base/ip_address.h"
#include "stack/base/prng.h"
#include "stack/ipv4/lpm_trie.h"
#include "stack/kernel/arena.h"

namespace tapedeck {
namespace {

// The definition: every prefix, looked at from the longest to the shortest.
class NaiveTable {
 public:
  std::map<std::pair<uint32_t, unsigned>, int*> routes;
  std::vector<int*> Matches(uint32_t key) const {
    std::vector<int*> found;
    for (int length = 32; length >= 0; --length) {
      const auto it = routes.find(
          {key & inet_make_mask(static_cast<unsigned>(length)), static_cast<unsigned>(length)});
      if (it != routes.end()) found.push_back(it->second);
    }
    return found;
  }
};

class LpmTrieTest : public ::testing::Test {
 protected:
  void Set(uint32_t key, unsigned length, int* value) {
    ASSERT_TRUE(trie.Set(key, length, value));
    naive.routes[{key, length}] = value;
  }
  void Remove(uint32_t key, unsigned length) {
    const auto it = naive.routes.find({key, length});
    int* const expected = it == naive.routes.end() ? nullptr : it->second;
    EXPECT_EQ(trie.Remove(key, length), expected);
    if (it != naive.routes.end()) naive.routes.erase(it);
  }
  void ExpectMatches(uint32_t key) const {
    std::vector<int*> found;
    EXPECT_FALSE(trie.Match(key, [&](int* value) {
      found.push_back(value);
      return false;
    }));
    EXPECT_EQ(found, naive.Matches(key)) << Ipv4Address(key).ToString();
  }
  void ExpectWalk() const {
    auto expected = naive.routes.begin();
    uint32_t key = 0;
    unsigned length = 0;
    for (int* v = trie.First(&key, &length); v != nullptr; v = trie.Next(&key, &length)) {
      ASSERT_NE(expected, naive.routes.end());
      EXPECT_EQ(v, expected->second);
      EXPECT_EQ(std::pair(key, length), expected->first);
      ++expected;
    }
    EXPECT_EQ(expected, naive.routes.end());
    EXPECT_EQ(trie.size(), naive.routes.size());
  }

  Arena arena;
  Kmalloc memory{arena};
  LpmTrie<int> trie{memory};
  NaiveTable naive;
  int values[4096] = {};
};

TEST_F(LpmTrieTest, EmptyMatchesNothingAndHoldsNothing) {
  ExpectMatches(0x0a000001);
  ExpectWalk();
  EXPECT_EQ(memory.live_objects(), 0U);
}

TEST_F(LpmTrieTest, LongestComesFirst) {
  Set(0, 0, &values[0]);
  Set(0x0a000000, 8, &values[1]);
  Set(0x0a000000, 24, &values[2]);
  Set(0x0a000001, 32, &values[3]);
  Set(0x0a000000, 30, &values[4]);
  ExpectMatches(0x0a000001);
  ExpectMatches(0x0a000002);
  ExpectMatches(0x0a000005);
  ExpectMatches(0x0b000000);
  ExpectWalk();
}

TEST_F(LpmTrieTest, EveryLengthOfOneAddress) {
  for (unsigned length = 0; length <= 32; ++length) {
    Set(0xc0a80155 & inet_make_mask(length), length, &values[length]);
  }
  ExpectMatches(0xc0a80155);
  ExpectMatches(0xc0a80154);
  ExpectMatches(0x40a80155);
  ExpectWalk();
  for (unsigned length = 0; length <= 32; length += 2) {
    Remove(0xc0a80155 & inet_make_mask(length), length);
    ExpectMatches(0xc0a80155);
  }
  ExpectWalk();
}

// Random routes come and go; lookups, walks and exact finds always agree with the definition, and
// an empty trie has given all memory back.
TEST_F(LpmTrieTest, AgreesWithTheDefinition) {
  for (uint64_t seed = 1; seed <= 9; ++seed) {
    Prng prng(seed, 0);
    // Few different high bits make deep, crowded tries; many make wide ones.
    const uint32_t address_mask = seed % 3 == 0   ? 0xffffffff
                                  : seed % 3 == 1 ? 0x0f00f0ff
                                                  : 0x000303ff;
    for (int step = 0; step < 1500; ++step) {
      const unsigned length = prng.Below(33);
      const uint32_t key = prng.Next32() & address_mask & inet_make_mask(length);
      if (prng.Below(3) != 0) {
        Set(key, length, &values[prng.Below(4096)]);
      } else if (!naive.routes.empty()) {
        auto it = naive.routes.lower_bound({key, length});
        if (it == naive.routes.end()) it = naive.routes.begin();
        Remove(it->first.first, it->first.second);
      }
      Remove(prng.Next32(), 32);  // most likely absent
      ExpectMatches(prng.Next32() & address_mask);
      ExpectMatches(key | (prng.Next32() & ~inet_make_mask(length)));
      const auto exact = naive.routes.find({key, length});
      EXPECT_EQ(trie.Find(key, length), exact == naive.routes.end() ? nullptr : exact->second);
    }
    ExpectWalk();
    while (!naive.routes.empty()) {
      const auto [key, length] = naive.routes.begin()->first;
      Remove(key, length);
    }
    EXPECT_EQ(memory.live_objects(), 0U);
  }
}

}  // namespace
}  // namespace tapedeck
