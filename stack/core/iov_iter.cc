#include "stack/core/iov_iter.h"

#include <algorithm>
#include <cstring>

#include "stack/base/check.h"

namespace tapedeck {

namespace {

// Moves past empty pieces; then the first piece, if any, has bytes left.
void SkipEmpty(iov_iter* i) {
  while (!i->iov.empty() && i->iov_offset == i->iov.front().iov_len) {
    i->iov = i->iov.subspan(1);
    i->iov_offset = 0;
  }
}

// Calls visit(user memory, count, done) piece by piece for the next `bytes`; returns how many it
// got through.
template <typename Visit>
size_t WalkIter(iov_iter* i, size_t bytes, Visit visit) {
  bytes = std::min(bytes, i->count);
  size_t done = 0;
  while (done < bytes) {
    SkipEmpty(i);
    const iovec& piece = i->iov.front();
    if (piece.iov_base == nullptr) break;
    const size_t count = std::min(bytes - done, piece.iov_len - i->iov_offset);
    visit(piece.iov_base + i->iov_offset, count, done);
    i->iov_offset += count;
    i->count -= count;
    done += count;
  }
  return done;
}

}  // namespace

iov_iter::iov_iter(std::span<const iovec> pieces) : iov(pieces) {
  for (const iovec& piece : pieces) count += piece.iov_len;
}

size_t iov_iter_single_seg_count(iov_iter* i) {
  if (i->count == 0) return 0;
  SkipEmpty(i);
  return std::min(i->count, i->iov.front().iov_len - i->iov_offset);
}

void iov_iter_advance(iov_iter* i, size_t bytes) {
  CHECK_LE(bytes, i->count);
  i->count -= bytes;
  while (bytes > 0) {
    SkipEmpty(i);
    const size_t step = std::min(bytes, i->iov.front().iov_len - i->iov_offset);
    i->iov_offset += step;
    bytes -= step;
  }
}

size_t __copy_to_iter(const void* from, size_t bytes, iov_iter* i) {
  const auto* const in = static_cast<const uint8_t*>(from);
  return WalkIter(i, bytes, [in](uint8_t* user, size_t count, size_t done) {
    std::memcpy(user, in + done, count);
  });
}

size_t __copy_from_iter(void* to, size_t bytes, iov_iter* i) {
  auto* const out = static_cast<uint8_t*>(to);
  return WalkIter(i, bytes, [out](const uint8_t* user, size_t count, size_t done) {
    std::memcpy(out + done, user, count);
  });
}

bool copy_from_iter_full(void* to, size_t bytes, iov_iter* i) {
  const iov_iter start = *i;
  if (copy_from_iter(to, bytes, i) == bytes) return true;
  *i = start;
  return false;
}

size_t csum_and_copy_to_iter(const void* from, size_t bytes, wsum* csum, size_t offset,
                             iov_iter* i) {
  const auto* const in = static_cast<const uint8_t*>(from);
  return WalkIter(i, bytes, [in, csum, offset](uint8_t* user, size_t count, size_t done) {
    *csum = csum_block_add(*csum, csum_and_copy(user, in + done, count), offset + done);
  });
}

bool csum_and_copy_from_iter_full(void* to, size_t bytes, wsum* csum, size_t offset, iov_iter* i) {
  const iov_iter start = *i;
  wsum sum = *csum;
  auto* const out = static_cast<uint8_t*>(to);
  const size_t done =
      WalkIter(i, bytes, [out, &sum, offset](const uint8_t* user, size_t count, size_t at) {
        sum = csum_block_add(sum, csum_and_copy(out + at, user, count), offset + at);
      });
  if (done != bytes) {
    *i = start;
    return false;
  }
  *csum = sum;
  return true;
}

}  // namespace tapedeck
