// The pieces of user memory that a call names: checked, and as an iterator.
#ifndef TAPEDECK_STACK_SOCKET_SYSCALL_IOVEC_H_
#define TAPEDECK_STACK_SOCKET_SYSCALL_IOVEC_H_

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "stack/core/iov_iter.h"

namespace tapedeck {

inline constexpr size_t kUioMaxiov = 1024;
// What one call moves at most (MAX_RW_COUNT).
inline constexpr size_t kRwCountMax =
    static_cast<size_t>(std::numeric_limits<int32_t>::max()) & ~size_t{4095};

inline bool AnyNegative(std::span<const iovec> pieces) {
  const auto negative = [](const iovec& piece) { return static_cast<int64_t>(piece.iov_len) < 0; };
  return std::any_of(pieces.begin(), pieces.end(), negative);
}
// Of a message header. 0, -EMSGSIZE (too many), -EINVAL (one that is longer than anything can be).
inline int CheckMessagePieces(std::span<const iovec> pieces) {
  if (pieces.size() > kUioMaxiov) return -EMSGSIZE;
  return AnyNegative(pieces) ? -EINVAL : 0;
}
// Of readv and writev. 0, -EINVAL, -EFAULT.
inline int CheckVector(std::span<const iovec> pieces) {
  if (pieces.size() > kUioMaxiov) return -EINVAL;
  if (pieces.data() == nullptr && !pieces.empty()) return -EFAULT;
  return AnyNegative(pieces) ? -EINVAL : 0;
}

// `pieces` must outlive the iterator.
inline iov_iter Pieces(std::span<const iovec> pieces) {
  iov_iter iterator(pieces);
  iov_iter_truncate(&iterator, kRwCountMax);
  return iterator;
}
inline iov_iter OnePiece(const iovec& piece) {
  iov_iter iterator;
  iterator.iov = {&piece, 1};
  iterator.count = std::min(piece.iov_len, kRwCountMax);
  return iterator;
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_SYSCALL_IOVEC_H_
