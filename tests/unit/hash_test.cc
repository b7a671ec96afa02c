#include "stack/base/hash.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "stack/base/ip_address.h"

namespace tapedeck {
namespace {

std::vector<uint8_t> Bytes(std::string_view text) { return {text.begin(), text.end()}; }

// 0, 1, 2, ... (n - 1): messages and keys of the SipHash paper's vectors.
std::vector<uint8_t> Counting(size_t n) {
  std::vector<uint8_t> bytes(n);
  for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<uint8_t>(i);
  return bytes;
}

SipHashKey PaperKey() {
  const std::vector<uint8_t> key = Counting(16);
  return SipHashKey::FromBytes(std::span<const uint8_t, 16>(key.data(), 16));
}

static_assert(jhash({}, 0) == kJhashInitval, "usable in constant expressions");

// Values printed by driver5() of lookup3.c.
TEST(Jhash, Lookup3Vectors) {
  const std::vector<uint8_t> text = Bytes("Four score and seven years ago");
  EXPECT_EQ(jhash({}, 0), 0xdeadbeefU);
  EXPECT_EQ(jhash({}, 0xdeadbeef), 0xbd5b7ddeU);
  EXPECT_EQ(jhash(text, 0), 0x17770551U);
  EXPECT_EQ(jhash(text, 1), 0xcd628161U);
}

TEST(Jhash, WordsEqualTheirLittleEndianBytes) {
  const std::vector<uint32_t> words = {0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c, 0x13121110};
  const std::vector<uint8_t> bytes = Counting(20);
  for (size_t n = 0; n <= words.size(); ++n) {
    EXPECT_EQ(jhash2(std::span(words).first(n), 5), jhash(std::span(bytes).first(4 * n), 5)) << n;
  }
  EXPECT_EQ(jhash_1word(words[0], 5), jhash2(std::span(words).first(1), 5));
  EXPECT_EQ(jhash_2words(words[0], words[1], 5), jhash2(std::span(words).first(2), 5));
  EXPECT_EQ(jhash_3words(words[0], words[1], words[2], 5), jhash2(std::span(words).first(3), 5));
}

TEST(Jhash, EveryByteMatters) {
  for (size_t n = 1; n <= 30; ++n) {
    const std::vector<uint8_t> key = Counting(n);
    for (size_t i = 0; i < n; ++i) {
      std::vector<uint8_t> changed = key;
      changed[i] ^= 1;
      EXPECT_NE(jhash(key, 0), jhash(changed, 0)) << n << " " << i;
    }
  }
}

// SipHash paper, appendix A: 15 bytes; the others from its reference implementation's list.
TEST(SipHash, PaperVectors) {
  const struct {
    size_t n;
    uint64_t hash;
  } cases[] = {
      {0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd},  {7, 0xab0200f58b01d137},
      {8, 0x93f5f5799a932462}, {15, 0xa129ca6149be45e5}, {63, 0x958a324ceb064572},
  };
  for (const auto& c : cases) EXPECT_EQ(SipHash24(Counting(c.n), PaperKey()), c.hash) << c.n;
}

// From OpenSSL's SIPHASH with c-rounds 1 and d-rounds 3.
TEST(SipHash, FewerRounds) {
  const struct {
    size_t n;
    uint64_t hash;
  } cases[] = {
      {0, 0xabac0158050fc4dc}, {1, 0xc9f49bf37d57ca93},  {7, 0xd3927d989bb11140},
      {8, 0x369095118d299a8e}, {15, 0xd320d86d2a519956}, {63, 0x9d199062b7bbb3a8},
  };
  for (const auto& c : cases) EXPECT_EQ(SipHash13(Counting(c.n), PaperKey()), c.hash) << c.n;
}

TEST(SipHash, WordsEqualTheirLittleEndianBytes) {
  const std::vector<uint32_t> words = {0x03020100, 0x07060504, 0x0b0a0908};
  const std::vector<uint8_t> bytes = Counting(12);
  for (size_t n = 0; n <= words.size(); ++n) {
    const auto some_words = std::span<const uint32_t>(words).first(n);
    const auto some_bytes = std::span<const uint8_t>(bytes).first(4 * n);
    EXPECT_EQ(SipHash24(some_words, PaperKey()), SipHash24(some_bytes, PaperKey())) << n;
    EXPECT_EQ(SipHash13(some_words, PaperKey()), SipHash13(some_bytes, PaperKey())) << n;
  }
}

// TCP fast open cookies as packetdrill's scripts expect them: over the peer's, then the own
// address.
uint64_t FastOpenCookie(std::string_view peer, std::string_view own, const SipHashKey& key) {
  std::vector<uint8_t> message;
  for (const std::string_view text : {peer, own}) {
    const IpAddress address = *IpAddress::Parse(text);
    if (address.is_v4()) {
      const auto v4 = address.v4();
      message.insert(message.end(), v4.bytes().begin(), v4.bytes().end());
    } else {
      message.insert(message.end(), address.v6().bytes().begin(), address.v6().bytes().end());
    }
  }
  uint8_t cookie[8];
  StoreLe64(cookie, SipHash24(message, key));
  return LoadBe64(cookie);  // the bytes as they are written in a script
}

TEST(SipHash, FastOpenCookies) {
  // net.ipv4.tcp_fastopen_key=a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4
  const SipHashKey key{0xb2b2b2b2a1a1a1a1, 0xd4d4d4d4c3c3c3c3};
  EXPECT_EQ(FastOpenCookie("192.0.2.1", "192.168.0.1", key), 0x3021b9d889017eebU);
  EXPECT_EQ(FastOpenCookie("fd3d:fa7b:d17d::1", "fd3d:a0b:17d6::1", key), 0xc1d1e9742a47a9bcU);
  EXPECT_EQ(FastOpenCookie("192.0.2.1", "192.168.0.1", SipHashKey{}), 0xb7c12350a90dc8f5U);
  EXPECT_EQ(FastOpenCookie("fd3d:fa7b:d17d::1", "fd3d:a0b:17d6::1", SipHashKey{}),
            0x82af1a8f9a205c34U);
}

}  // namespace
}  // namespace tapedeck
