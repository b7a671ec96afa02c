// Hash functions for the stack's own tables and secrets. Pure functions of their arguments and the
// same on every machine: keys and seeds come from the Lab, never from the process.
//
//   jhash       Bob Jenkins' lookup3 (public domain, 2006), what the kernel uses for tables that
//   need no secret strength. SipHash24   Aumasson and Bernstein, "SipHash: a fast short-input PRF",
//   2012. ISNs, ports, TCP fast open cookies. SipHash13   the same with fewer rounds: what the
//   kernel's hsiphash() is on 64-bit machines. Tables open to attack.
#ifndef TAPEDECK_STACK_BASE_HASH_H_
#define TAPEDECK_STACK_BASE_HASH_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "stack/base/byteorder.h"

namespace tapedeck {

// The constant each jhash starts from; also the result for an empty key and seed zero.
inline constexpr uint32_t kJhashInitval = 0xdeadbeef;

namespace hash_internal {

// The three words lookup3 mixes twelve bytes at a time into.
struct JhashState {
  uint32_t a, b, c;

  constexpr JhashState(uint32_t length_bytes, uint32_t seed)
      : a(kJhashInitval + length_bytes + seed), b(a), c(a) {}

  // One step of mixing: `x` takes in `y` rotated, then `y` takes in the third word.
  static constexpr void MixStep(uint32_t& x, uint32_t& y, uint32_t z, int rotate) {
    x -= y;
    x ^= std::rotl(y, rotate);
    y += z;
  }
  constexpr void Mix() {
    MixStep(a, c, b, 4);
    MixStep(b, a, c, 6);
    MixStep(c, b, a, 8);
    MixStep(a, c, b, 16);
    MixStep(b, a, c, 19);
    MixStep(c, b, a, 4);
  }

  static constexpr void FinalStep(uint32_t& x, uint32_t y, int rotate) {
    x ^= y;
    x -= std::rotl(y, rotate);
  }
  constexpr uint32_t Final() {
    FinalStep(c, b, 14);
    FinalStep(a, c, 11);
    FinalStep(b, a, 25);
    FinalStep(c, b, 16);
    FinalStep(a, c, 4);
    FinalStep(b, a, 14);
    FinalStep(c, b, 24);
    return c;
  }
};

// Up to four bytes as a little-endian number, absent ones zero.
constexpr uint32_t LoadPartialLe32(std::span<const uint8_t> bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < bytes.size() && i < 4; ++i) value |= uint32_t{bytes[i]} << (8 * i);
  return value;
}

}  // namespace hash_internal

// lookup3's hashlittle() of `key`.
constexpr uint32_t jhash(std::span<const uint8_t> key, uint32_t seed) {
  hash_internal::JhashState s(static_cast<uint32_t>(key.size()), seed);
  if (key.empty()) return s.c;
  while (key.size() > 12) {
    s.a += LoadLe32(key.data());
    s.b += LoadLe32(key.data() + 4);
    s.c += LoadLe32(key.data() + 8);
    s.Mix();
    key = key.subspan(12);
  }
  s.a += hash_internal::LoadPartialLe32(key);
  if (key.size() > 4) s.b += hash_internal::LoadPartialLe32(key.subspan(4));
  if (key.size() > 8) s.c += hash_internal::LoadPartialLe32(key.subspan(8));
  return s.Final();
}

// lookup3's hashword() with the length counted in bytes, so jhash2 of words equals jhash of their
// little-endian bytes.
constexpr uint32_t jhash2(std::span<const uint32_t> words, uint32_t seed) {
  hash_internal::JhashState s(static_cast<uint32_t>(4 * words.size()), seed);
  if (words.empty()) return s.c;
  while (words.size() > 3) {
    s.a += words[0];
    s.b += words[1];
    s.c += words[2];
    s.Mix();
    words = words.subspan(3);
  }
  s.a += words[0];
  if (words.size() > 1) s.b += words[1];
  if (words.size() > 2) s.c += words[2];
  return s.Final();
}

// The kernel's short cuts for one, two and three words.
constexpr uint32_t jhash_3words(uint32_t a, uint32_t b, uint32_t c, uint32_t seed) {
  hash_internal::JhashState s(12, seed);
  s.a += a;
  s.b += b;
  s.c += c;
  return s.Final();
}
constexpr uint32_t jhash_2words(uint32_t a, uint32_t b, uint32_t seed) {
  hash_internal::JhashState s(8, seed);
  s.a += a;
  s.b += b;
  return s.Final();
}
constexpr uint32_t jhash_1word(uint32_t a, uint32_t seed) {
  hash_internal::JhashState s(4, seed);
  s.a += a;
  return s.Final();
}

// A 128-bit key; `k0` holds the first eight key bytes, little-endian.
struct SipHashKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;

  static constexpr SipHashKey FromBytes(std::span<const uint8_t, 16> bytes) {
    return {LoadLe64(bytes.data()), LoadLe64(bytes.data() + 8)};
  }
  friend constexpr bool operator==(const SipHashKey&, const SipHashKey&) = default;
};

namespace hash_internal {

// SipHash-c-d over a stream of little-endian 64-bit words.
template <int kCompressionRounds, int kFinalizationRounds>
class SipState {
 public:
  constexpr explicit SipState(const SipHashKey& key)
      : v0_(key.k0 ^ 0x736f6d6570736575),
        v1_(key.k1 ^ 0x646f72616e646f6d),
        v2_(key.k0 ^ 0x6c7967656e657261),
        v3_(key.k1 ^ 0x7465646279746573) {}

  constexpr void Add(uint64_t word) {
    v3_ ^= word;
    for (int i = 0; i < kCompressionRounds; ++i) Round();
    v0_ ^= word;
  }

  // `tail` holds the message's last length % 8 bytes, little-endian; its top byte is free for the
  // length.
  constexpr uint64_t Finish(uint64_t tail, size_t length_bytes) {
    Add(tail | uint64_t{length_bytes & 0xff} << 56);
    v2_ ^= 0xff;
    for (int i = 0; i < kFinalizationRounds; ++i) Round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  constexpr void Round() {
    v0_ += v1_;
    v2_ += v3_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v1_;
    v0_ += v3_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ = std::rotl(v2_, 32);
  }

  uint64_t v0_, v1_, v2_, v3_;
};

template <int kCompressionRounds, int kFinalizationRounds>
constexpr uint64_t SipHashBytes(std::span<const uint8_t> message, const SipHashKey& key) {
  SipState<kCompressionRounds, kFinalizationRounds> state(key);
  const size_t whole = message.size() & ~size_t{7};
  for (size_t i = 0; i < whole; i += 8) state.Add(LoadLe64(message.data() + i));
  uint64_t tail = 0;
  for (size_t i = whole; i < message.size(); ++i) tail |= uint64_t{message[i]} << (8 * (i - whole));
  return state.Finish(tail, message.size());
}

template <int kCompressionRounds, int kFinalizationRounds>
constexpr uint64_t SipHashWords(std::span<const uint32_t> words, const SipHashKey& key) {
  SipState<kCompressionRounds, kFinalizationRounds> state(key);
  const size_t whole = words.size() & ~size_t{1};
  for (size_t i = 0; i < whole; i += 2) state.Add(words[i] | uint64_t{words[i + 1]} << 32);
  return state.Finish(whole < words.size() ? words[whole] : 0, 4 * words.size());
}

}  // namespace hash_internal

// SipHash-2-4 of `message`. As bytes, the result is little-endian.
constexpr uint64_t SipHash24(std::span<const uint8_t> message, const SipHashKey& key) {
  return hash_internal::SipHashBytes<2, 4>(message, key);
}
// Of the words' little-endian bytes: what the kernel's siphash_1u32() .. siphash_3u32() compute.
constexpr uint64_t SipHash24(std::span<const uint32_t> words, const SipHashKey& key) {
  return hash_internal::SipHashWords<2, 4>(words, key);
}

// SipHash-1-3 of `message`, and of the words' little-endian bytes.
constexpr uint64_t SipHash13(std::span<const uint8_t> message, const SipHashKey& key) {
  return hash_internal::SipHashBytes<1, 3>(message, key);
}
constexpr uint64_t SipHash13(std::span<const uint32_t> words, const SipHashKey& key) {
  return hash_internal::SipHashWords<1, 3>(words, key);
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_BASE_HASH_H_
