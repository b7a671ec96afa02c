#include "stack/base/checksum.h"

#include <bit>
#include <cstring>

namespace tapedeck {
namespace {

// Words are summed in the machine's own byte order and the folded result is swapped once at the end
// (RFC 1071 2(B)).
uint16_t BigEndianSum(uint64_t native_sum) {
  const uint16_t folded = csum_from64to16(native_sum);
  return std::endian::native == std::endian::little ? ByteSwap(folded) : folded;
}

template <typename T>
T LoadNative(const uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// Two 64-bit lanes: the widest vector every x86-64 has, and one NEON register on arm64.
using Lanes = uint64_t __attribute__((vector_size(16)));

// Sums 32-bit words without ever testing for a carry: `all` adds whole 64-bit lanes and wraps,
// `high` adds their upper halves and cannot wrap below 64 GiB; the sum of the lower halves is what
// remains of `all` without `high`.
struct LaneSums {
  Lanes all = {0, 0};
  Lanes high = {0, 0};

  void Add(Lanes v) {
    all += v;
    high += v >> 32;
  }
  // High and low halves weigh the same modulo 0xffff.
  uint64_t Total() const {
    const Lanes low = all - (high << 32);
    return low[0] + low[1] + high[0] + high[1];
  }
};

constexpr size_t kLaneBytes = sizeof(Lanes);
constexpr size_t kBlockBytes = 4 * kLaneBytes;

// Sums, and with `kCopy` also copies, whole blocks of 64 bytes. The loads of a block come before
// its stores.
template <bool kCopy>
uint64_t SumBlocks(uint8_t* dst, const uint8_t* src, size_t blocks) {
  LaneSums even;
  LaneSums odd;
  for (; blocks != 0; --blocks) {
    const Lanes a = LoadNative<Lanes>(src);
    const Lanes b = LoadNative<Lanes>(src + kLaneBytes);
    const Lanes c = LoadNative<Lanes>(src + 2 * kLaneBytes);
    const Lanes d = LoadNative<Lanes>(src + 3 * kLaneBytes);
    src += kBlockBytes;
    if constexpr (kCopy) {
      std::memcpy(dst, &a, sizeof a);
      std::memcpy(dst + kLaneBytes, &b, sizeof b);
      std::memcpy(dst + 2 * kLaneBytes, &c, sizeof c);
      std::memcpy(dst + 3 * kLaneBytes, &d, sizeof d);
      dst += kBlockBytes;
    }
    even.Add(a);
    odd.Add(b);
    even.Add(c);
    odd.Add(d);
  }
  even.all += odd.all;
  even.high += odd.high;
  return even.Total();
}

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

// Sums, and with `kCopy` also copies, fewer than 64 bytes.
template <bool kCopy>
uint64_t SumTail(uint8_t* dst, const uint8_t* src, size_t n) {
  uint64_t sum = 0;
  while (n >= 8) {
    const uint64_t word = Take<uint64_t, kCopy>(dst, src, n);
    sum += (word & 0xffffffff) + (word >> 32);
  }
  if (n >= 4) sum += Take<uint32_t, kCopy>(dst, src, n);
  if (n >= 2) sum += Take<uint16_t, kCopy>(dst, src, n);
  if (n != 0) {
    const uint64_t last = Take<uint8_t, kCopy>(dst, src, n);
    sum += std::endian::native == std::endian::little ? last : last << 8;
  }
  return sum;
}

template <bool kCopy>
wsum SumAndMaybeCopy(uint8_t* dst, const uint8_t* src, size_t n, wsum seed) {
  uint64_t sum = 0;
  if (n >= kBlockBytes) {
    const size_t blocks = n / kBlockBytes;
    // Folded once here: the lanes' total may use all 64 bits.
    sum = csum_from64to16(SumBlocks<kCopy>(dst, src, blocks));
    src += blocks * kBlockBytes;
    if constexpr (kCopy) dst += blocks * kBlockBytes;
    n %= kBlockBytes;
  }
  sum += SumTail<kCopy>(dst, src, n);
  return csum_from64to16(uint64_t{BigEndianSum(sum)} + seed);
}

}  // namespace

wsum csum_partial(std::span<const uint8_t> bytes, wsum seed) {
  return SumAndMaybeCopy<false>(nullptr, bytes.data(), bytes.size(), seed);
}

wsum csum_and_copy(uint8_t* dst, const uint8_t* src, size_t n, wsum seed) {
  return SumAndMaybeCopy<true>(dst, src, n, seed);
}

}  // namespace tapedeck
