#include "stack/base/md5.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "stack/base/byteorder.h"

namespace tapedeck {
namespace {

constexpr int kSteps = 64;

// RFC 1321 3.4: floor(2^32 * |sin(i + 1)|).
constexpr uint32_t kSines[kSteps] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

// How far each of the four steps of a round rotates.
constexpr int kRotate[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

// The round's function of three words, and the word of the block that step `i` adds.
constexpr uint32_t Mix(int round, uint32_t b, uint32_t c, uint32_t d) {
  if (round == 0) return (b & c) | (~b & d);
  if (round == 1) return (d & b) | (~d & c);
  if (round == 2) return b ^ c ^ d;
  return c ^ (b | ~d);
}
constexpr int WordOf(int round, int i) {
  constexpr int kFactor[4] = {1, 5, 3, 7};
  constexpr int kOffset[4] = {0, 1, 5, 0};
  return (kFactor[round] * i + kOffset[round]) % 16;
}

}  // namespace

void Md5::TakeBlock(const uint8_t* block) {
  uint32_t a = state_[0];
  uint32_t b = state_[1];
  uint32_t c = state_[2];
  uint32_t d = state_[3];
  for (int i = 0; i < kSteps; ++i) {
    const int round = i / 16;
    const uint32_t word = LoadLe32(block + size_t{4} * static_cast<size_t>(WordOf(round, i)));
    const uint32_t sum = a + Mix(round, b, c, d) + kSines[i] + word;
    a = d;
    d = c;
    c = b;
    b += std::rotl(sum, kRotate[round][i % 4]);
  }
  state_[0] += a;
  state_[1] += b;
  state_[2] += c;
  state_[3] += d;
}

void Md5::Update(std::span<const uint8_t> bytes) {
  size_t filled = length_bytes_ % kBlockBytes;
  length_bytes_ += bytes.size();
  while (!bytes.empty()) {
    const size_t n = std::min(bytes.size(), kBlockBytes - filled);
    std::memcpy(block_ + filled, bytes.data(), n);
    bytes = bytes.subspan(n);
    filled += n;
    if (filled < kBlockBytes) return;
    TakeBlock(block_);
    filled = 0;
  }
}

void Md5::Final(std::span<uint8_t, kMd5Bytes> digest) {
  constexpr size_t kLengthAt = kBlockBytes - 8;
  constexpr uint8_t kPadding[kBlockBytes] = {0x80};
  const uint64_t length_bits = length_bytes_ * 8;
  const size_t filled = length_bytes_ % kBlockBytes;
  const size_t pad = (filled < kLengthAt ? kLengthAt : kLengthAt + kBlockBytes) - filled;
  Update({kPadding, pad});
  uint8_t length[8];
  StoreLe64(length, length_bits);
  Update(length);
  for (size_t i = 0; i < 4; ++i) StoreLe32(&digest[4 * i], state_[i]);
}

}  // namespace tapedeck
