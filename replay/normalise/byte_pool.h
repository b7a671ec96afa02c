// Bytes that live as long as the pool: for frames that cannot stay as their capture holds them.
#ifndef TAPEDECK_REPLAY_NORMALISE_BYTE_POOL_H_
#define TAPEDECK_REPLAY_NORMALISE_BYTE_POOL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace tapedeck::normalise {

class BytePool {
 public:
  // `n` bytes of value 0, where they stay until the pool goes.
  std::span<uint8_t> Allocate(size_t n) {
    if (n > rest_.size()) {
      const size_t chunk_bytes = std::max(kChunkBytes, n);
      chunks_.push_back(std::make_unique<uint8_t[]>(chunk_bytes));
      rest_ = {chunks_.back().get(), chunk_bytes};
      allocated_bytes_ += chunk_bytes;
    }
    const std::span<uint8_t> taken = rest_.first(n);
    rest_ = rest_.subspan(n);
    return taken;
  }

  // Of the machine's memory, what is not yet handed out included.
  size_t allocated_bytes() const { return allocated_bytes_; }

 private:
  static constexpr size_t kChunkBytes = size_t{1} << 16;

  std::vector<std::unique_ptr<uint8_t[]>> chunks_;
  std::span<uint8_t> rest_;
  size_t allocated_bytes_ = 0;
};

}  // namespace tapedeck::normalise

#endif  // TAPEDECK_REPLAY_NORMALISE_BYTE_POOL_H_
