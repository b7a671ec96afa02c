// Where a reader stands in its bytes, which may come piece by piece.
#ifndef TAPEDECK_REPLAY_CAPTURE_FEED_CURSOR_H_
#define TAPEDECK_REPLAY_CAPTURE_FEED_CURSOR_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "replay/capture/byte_feed.h"

namespace tapedeck::capture {

class FeedCursor {
 public:
  // Over bytes that are all there.
  explicit FeedCursor(std::span<const uint8_t> bytes) { Stand(bytes, 0); }
  // Over `feed`, which must outlive the cursor, from its beginning, of which `bytes_min` are had.
  FeedCursor(ByteFeed& feed, size_t bytes_min) : feed_(&feed) { Stand(feed.From(0, bytes_min), 0); }

  const uint8_t* next() const { return next_; }
  size_t left_bytes() const { return static_cast<size_t>(end_ - next_); }
  void MoveTo(const uint8_t* next) { next_ = next; }
  // How far `place`, a byte of the present piece, is from the first byte of all.
  uint64_t OffsetOf(const uint8_t* place) const {
    return reinterpret_cast<uintptr_t>(place) - origin_;
  }
  uint64_t offset_bytes() const { return OffsetOf(next_); }

  // Gets more where fewer than `bytes_min` are left. True where so many were got: next() and all
  // that pointed near it has moved then. False: nothing that was not there before.
  bool Refill(size_t bytes_min) {
    if (feed_ == nullptr || left_bytes() >= bytes_min) return false;
    const uint64_t offset = offset_bytes();
    Stand(feed_->From(offset, bytes_min), offset);
    return left_bytes() >= bytes_min;
  }
  // More than this cannot be had at once. No bound where all is there.
  bool IsBeyondWindow(size_t bytes) const {
    return feed_ != nullptr && !feed_->stable() && bytes > ByteFeed::kWindowBytesMax;
  }
  // Nothing is left, and nothing more comes.
  void GoToEnd() {
    next_ = end_;
    feed_ = nullptr;
  }

 private:
  // `piece` begins at `offset`.
  void Stand(std::span<const uint8_t> piece, uint64_t offset) {
    next_ = piece.data();
    end_ = next_ + piece.size();
    origin_ = reinterpret_cast<uintptr_t>(next_) - offset;
  }

  const uint8_t* next_ = nullptr;
  const uint8_t* end_ = nullptr;
  // Of next_ less the offset there: where the first byte would be, were it still in memory.
  uintptr_t origin_ = 0;
  ByteFeed* feed_ = nullptr;
};

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_FEED_CURSOR_H_
