// User memory: the pieces a system call named, walked once. A piece whose base is null and whose
// length is not zero stands for memory the application may not touch: reaching it is -EFAULT (the
// script's way to pass a bad pointer).
#ifndef TAPEDECK_STACK_CORE_IOV_ITER_H_
#define TAPEDECK_STACK_CORE_IOV_ITER_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "stack/base/checksum.h"

namespace tapedeck {

struct iovec {
  uint8_t* iov_base = nullptr;
  size_t iov_len = 0;
};

struct iov_iter {
  iov_iter() = default;
  // The array must outlive the iterator.
  explicit iov_iter(std::span<const iovec> pieces);

  std::span<const iovec> iov;
  size_t iov_offset = 0;  // into the first piece of iov
  size_t count = 0;       // bytes left
};

inline size_t iov_iter_count(const iov_iter* i) { return i->count; }
// Bytes left in the piece that comes next; 0 at the end.
size_t iov_iter_single_seg_count(iov_iter* i);
// Forgets all behind the next `count` bytes.
inline void iov_iter_truncate(iov_iter* i, size_t count) {
  if (count < i->count) i->count = count;
}
// REQUIRES: bytes <= count.
void iov_iter_advance(iov_iter* i, size_t bytes);

// Advances by `bytes`, and says where they lie; nullptr, and no advance, where they do not all lie
// in the first piece.
[[gnu::always_inline]] inline uint8_t* iov_iter_take(iov_iter* i, size_t bytes) {
  if (bytes == 0 || bytes > i->count || i->iov.empty()) return nullptr;
  const iovec& piece = i->iov.front();
  if (bytes > piece.iov_len - i->iov_offset || piece.iov_base == nullptr) return nullptr;
  uint8_t* const user = piece.iov_base + i->iov_offset;
  i->iov_offset += bytes;
  i->count -= bytes;
  return user;
}

// Copy `bytes` and advance; return how many were copied: fewer where user memory ended or faulted.
// The names with underscores do so piece by piece.
size_t __copy_to_iter(const void* from, size_t bytes, iov_iter* i);
size_t __copy_from_iter(void* to, size_t bytes, iov_iter* i);
inline size_t copy_to_iter(const void* from, size_t bytes, iov_iter* i) {
  uint8_t* const user = iov_iter_take(i, bytes);
  if (user == nullptr) return __copy_to_iter(from, bytes, i);
  std::memcpy(user, from, bytes);
  return bytes;
}
inline size_t copy_from_iter(void* to, size_t bytes, iov_iter* i) {
  const uint8_t* const user = iov_iter_take(i, bytes);
  if (user == nullptr) return __copy_from_iter(to, bytes, i);
  std::memcpy(to, user, bytes);
  return bytes;
}
// All or nothing: false (and no advance) where fewer would have been copied.
bool copy_from_iter_full(void* to, size_t bytes, iov_iter* i);
// The same with the checksum of the bytes added to `*csum`, in one pass. `*csum` sums a block that
// starts `offset` bytes before.
size_t csum_and_copy_to_iter(const void* from, size_t bytes, wsum* csum, size_t offset,
                             iov_iter* i);
bool csum_and_copy_from_iter_full(void* to, size_t bytes, wsum* csum, size_t offset, iov_iter* i);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_IOV_ITER_H_
