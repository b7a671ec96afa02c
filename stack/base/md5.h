// MD5 (RFC 1321), for TCP's signatures (RFC 2385) alone: it is broken for everything else.
#ifndef TAPEDECK_STACK_BASE_MD5_H_
#define TAPEDECK_STACK_BASE_MD5_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace tapedeck {

inline constexpr size_t kMd5Bytes = 16;

// Takes a message in pieces: Update any number of times, then Final once.
class Md5 {
 public:
  void Update(std::span<const uint8_t> bytes);
  void Final(std::span<uint8_t, kMd5Bytes> digest);

 private:
  static constexpr size_t kBlockBytes = 64;
  void TakeBlock(const uint8_t* block);

  uint32_t state_[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  uint64_t length_bytes_ = 0;
  uint8_t block_[kBlockBytes] = {};  // the bytes behind the last whole block
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_BASE_MD5_H_
