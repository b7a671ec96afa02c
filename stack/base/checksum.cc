#include "stack/base/checksum.h"

#include <bit>
#include <cstring>

#include "stack/base/checksum_blocks.h"
#include "stack/base/checksum_wide.h"

namespace tapedeck {
namespace {

// Words are summed in the machine's own byte order (csum_from_native).

template <typename T>
T LoadNative(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// The widest vector every x86-64 has, and one NEON register on arm64.
struct Vector128 {
  using Lanes = uint64_t __attribute__((vector_size(16)));
};
// From here on vectors are worth their while, and wider ones a call.
constexpr size_t kVectorBytesMin = 4 * sizeof(Vector128::Lanes);
constexpr size_t kWideBytesMin = 8 * checksum_internal::kWideVectorBytes;

template <typename T, bool kCopy>
T Take(uint8_t*& dst, const uint8_t*& src, size_t& n) {
  const T value = LoadNative<T>(src);
  src += sizeof(T);
  n -= sizeof(T);
  if constexpr (kCopy) {
    std::memcpy(dst, &value, sizeof(T));
    dst += sizeof(T);
  }
  return value;
}

// One's complement sum of two words: the carry comes back in.
uint64_t AddWord(uint64_t sum, uint64_t word) {
  uint64_t total = 0;
  const bool carry = __builtin_add_overflow(sum, word, &total);
  return total + (carry ? 1 : 0);
}

// Sums, and with `kCopy` also copies, fewer than 8 bytes.
template <bool kCopy>
uint64_t SumBytes(uint8_t* dst, const uint8_t* src, size_t n) {
  uint64_t sum = 0;
  if (n >= 4) sum += Take<uint32_t, kCopy>(dst, src, n);
  if (n >= 2) sum += Take<uint16_t, kCopy>(dst, src, n);
  if (n != 0) {
    const uint64_t last = Take<uint8_t, kCopy>(dst, src, n);
    sum += std::endian::native == std::endian::little ? last : last << 8;
  }
  return sum;
}

// Adds to `sum`, and with `kCopy` also copies, a few bytes.
template <bool kCopy>
uint64_t SumTail(uint8_t* dst, const uint8_t* src, size_t n, uint64_t sum) {
  if (n < 8) return AddWord(sum, SumBytes<kCopy>(dst, src, n));
  while (n >= 16) {
    sum = AddWord(sum, Take<uint64_t, kCopy>(dst, src, n));
    sum = AddWord(sum, Take<uint64_t, kCopy>(dst, src, n));
  }
  if (n >= 8) sum = AddWord(sum, Take<uint64_t, kCopy>(dst, src, n));
  if (n == 0) return sum;
  // What is left are the last bytes of a word that ends where they do.
  const uint64_t last = LoadNative<uint64_t>(src + n - 8);
  if constexpr (kCopy) std::memcpy(dst + n - 8, &last, 8);
  const size_t others = 8 * (8 - n);
  return AddWord(sum, std::endian::native == std::endian::little ? last >> others : last << others);
}

// `bytes` have been dealt with.
template <bool kCopy>
void Skip(size_t bytes, uint8_t*& dst, const uint8_t*& src, size_t& n) {
  if constexpr (kCopy) dst += bytes;
  src += bytes;
  n -= bytes;
}

wsum Finish(uint64_t sum, wsum seed) {
  const uint16_t folded = csum_from_native(sum);
  return seed == 0 ? folded : csum_from64to16(uint64_t{folded} + seed);
}

template <bool kCopy>
[[gnu::noinline]] wsum SumLong(uint8_t* dst, const uint8_t* src, size_t n, wsum seed) {
  uint64_t sum = 0;
  if (n >= kWideBytesMin && checksum_internal::CanSumWide()) {
    const size_t vectors = n / checksum_internal::kWideVectorBytes;
    sum = checksum_internal::SumWide(dst, src, vectors);
    Skip<kCopy>(vectors * checksum_internal::kWideVectorBytes, dst, src, n);
  } else {
    const size_t vectors = n / sizeof(Vector128::Lanes);
    sum = checksum_internal::SumVectors<Vector128, kCopy>(dst, src, vectors);
    Skip<kCopy>(vectors * sizeof(Vector128::Lanes), dst, src, n);
  }
  return Finish(SumTail<kCopy>(dst, src, n, sum), seed);
}

template <bool kCopy>
wsum SumAndMaybeCopy(uint8_t* dst, const uint8_t* src, size_t n, wsum seed) {
  if (n >= kVectorBytesMin) return SumLong<kCopy>(dst, src, n, seed);
  return Finish(SumTail<kCopy>(dst, src, n, 0), seed);
}

}  // namespace

wsum csum_partial(std::span<const uint8_t> bytes, wsum seed) {
  return SumAndMaybeCopy<false>(nullptr, bytes.data(), bytes.size(), seed);
}

wsum csum_and_copy(uint8_t* dst, const uint8_t* src, size_t n, wsum seed) {
  return SumAndMaybeCopy<true>(dst, src, n, seed);
}

}  // namespace tapedeck
