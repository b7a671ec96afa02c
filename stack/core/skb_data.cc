#include "stack/core/skb_data.h"

#include <algorithm>
#include <cerrno>

#include "stack/core/net.h"
#include "stack/core/skb_internal.h"

namespace tapedeck {

namespace {

// CHECKSUM_BREAK: packets this short are verified at once even where the sum could be put off until
// the bytes are copied.
constexpr uint32_t kChecksumBreakBytes = 76;

// Calls visit(bytes, count, position) for each contiguous piece of [offset, offset + len),
// `position` counting from `base` on. False where visit said so.
template <typename Visit>
bool WalkRange(const sk_buff* skb, uint32_t offset, uint32_t len, uint32_t base, Visit& visit) {
  uint32_t piece_start = 0;
  // One piece of `size` bytes at piece_start of the packet: the part of it that is in the range.
  const auto piece = [&](uint8_t* bytes, uint32_t size) {
    const uint32_t from = std::max(offset, piece_start);
    const uint32_t to = std::min(offset + len, piece_start + size);
    const bool more =
        from >= to || visit(bytes + (from - piece_start), to - from, base + (from - offset));
    piece_start += size;
    return more;
  };
  if (!piece(skb->data, skb_headlen(skb))) return false;
  if (!skb_is_nonlinear(skb)) return true;
  const skb_shared_info* const info = skb_shinfo(skb);
  for (uint32_t i = 0; i < info->nr_frags && piece_start < offset + len; ++i) {
    if (!piece(skb_frag_address(&info->frags[i]), skb_frag_size(&info->frags[i]))) return false;
  }
  for (const sk_buff* part = info->frag_list; part != nullptr && piece_start < offset + len;
       part = part->next) {
    const uint32_t from = std::max(offset, piece_start);
    const uint32_t to = std::min(offset + len, piece_start + part->len);
    if (from < to &&
        !WalkRange(part, from - piece_start, to - from, base + (from - offset), visit)) {
      return false;
    }
    piece_start += part->len;
  }
  return true;
}

bool InRange(const sk_buff* skb, uint32_t offset, uint32_t len) {
  return uint64_t{offset} + len <= skb->len;
}

// Most ranges are one piece of the linear part, for which a walk would be much ado.
bool IsLinear(const sk_buff* skb, uint32_t offset, uint32_t len) {
  return uint64_t{offset} + len <= skb_headlen(skb);
}

// Whether anybody else sees what a write to this packet would change, in itself or in its
// frag_list.
bool DataShared(const sk_buff* skb) {
  if (skb_cloned(skb)) return true;
  const skb_shared_info* const info = skb_shinfo(skb);
  for (uint32_t i = 0; i < info->nr_frags; ++i) {
    if (info->frags[i].page->refcount != 1) return true;
  }
  for (const sk_buff* part = info->frag_list; part != nullptr; part = part->next) {
    if (skb_shared(part) || DataShared(part)) return true;
  }
  return false;
}

[[gnu::noinline]] wsum ChecksumPieces(const sk_buff* skb, uint32_t offset, uint32_t len,
                                      wsum csum) {
  const auto add = [&csum](const uint8_t* bytes, uint32_t count, uint32_t position) {
    csum = csum_block_add(csum, csum_partial({bytes, count}, 0), position);
    return true;
  };
  WalkRange(skb, offset, len, 0, add);
  return csum;
}

[[gnu::noinline]] int CopyPieces(const sk_buff* skb, uint32_t offset, iov_iter* to, uint32_t len) {
  const auto copy = [to](const uint8_t* bytes, uint32_t count, uint32_t) {
    return copy_to_iter(bytes, count, to) == count;
  };
  return WalkRange(skb, offset, len, 0, copy) ? 0 : -EFAULT;
}

[[gnu::always_inline]] inline wsum Checksum(const sk_buff* skb, uint32_t offset, uint32_t len,
                                            wsum csum) {
  CHECK(InRange(skb, offset, len));
  skb->owner->ChargeBytes(CostPoint::k_csum_per_byte, len);
  if (IsLinear(skb, offset, len)) return csum_partial({skb->data + offset, len}, csum);
  return ChecksumPieces(skb, offset, len, csum);
}

}  // namespace

int skb_copy_bits(const sk_buff* skb, uint32_t offset, void* to, uint32_t len) {
  if (IsLinear(skb, offset, len)) {
    if (len > 0) std::memcpy(to, skb->data + offset, len);  // no bytes may go nowhere
    return 0;
  }
  if (!InRange(skb, offset, len)) return -EFAULT;
  auto* const out = static_cast<uint8_t*>(to);
  const auto copy = [out](const uint8_t* bytes, uint32_t count, uint32_t position) {
    std::memcpy(out + position, bytes, count);
    return true;
  };
  WalkRange(skb, offset, len, 0, copy);
  return 0;
}

int skb_store_bits(sk_buff* skb, uint32_t offset, const void* from, uint32_t len) {
  if (!InRange(skb, offset, len)) return -EFAULT;
  CHECK(!DataShared(skb));
  return skb_store_own_bits(skb, offset, from, len);
}

int skb_store_own_bits(sk_buff* skb, uint32_t offset, const void* from, uint32_t len) {
  if (!InRange(skb, offset, len)) return -EFAULT;
  const auto* const in = static_cast<const uint8_t*>(from);
  const auto store = [in](uint8_t* bytes, uint32_t count, uint32_t position) {
    std::memcpy(bytes, in + position, count);
    return true;
  };
  WalkRange(skb, offset, len, 0, store);
  return 0;
}

wsum skb_checksum(const sk_buff* skb, uint32_t offset, uint32_t len, wsum csum) {
  return Checksum(skb, offset, len, csum);
}

wsum skb_copy_and_csum_bits(const sk_buff* skb, uint32_t offset, uint8_t* to, uint32_t len,
                            wsum csum) {
  CHECK(InRange(skb, offset, len));
  // One pass: the checksum hides behind the copy.
  skb->owner->ChargeBytes(CostPoint::k_copy_per_byte, len);
  const auto add = [&csum, to](const uint8_t* bytes, uint32_t count, uint32_t position) {
    csum = csum_block_add(csum, csum_and_copy(to + position, bytes, count), position);
    return true;
  };
  WalkRange(skb, offset, len, 0, add);
  return csum;
}

int skb_copy_datagram_iter(const sk_buff* skb, uint32_t offset, iov_iter* to, uint32_t len) {
  TRACE_FUNCTION(*skb->owner, skb, skb_copy_datagram_iter, skb, offset, to, len);
  if (!InRange(skb, offset, len)) return -EFAULT;
  skb->owner->ChargeBytes(CostPoint::k_copy_per_byte, len);
  if (!IsLinear(skb, offset, len)) return CopyPieces(skb, offset, to, len);
  return copy_to_iter(skb->data + offset, len, to) == len ? 0 : -EFAULT;
}

int skb_copy_datagram_from_iter(sk_buff* skb, uint32_t offset, iov_iter* from, uint32_t len) {
  if (!InRange(skb, offset, len)) return -EFAULT;
  skb->owner->ChargeBytes(CostPoint::k_copy_per_byte, len);
  const auto fill = [from](uint8_t* bytes, uint32_t count, uint32_t) {
    return copy_from_iter(bytes, count, from) == count;
  };
  return WalkRange(skb, offset, len, 0, fill) ? 0 : -EFAULT;
}

int skb_copy_and_csum_datagram_iter(sk_buff* skb, uint32_t hlen, iov_iter* to) {
  CHECK_LE(hlen, skb->len);
  const uint32_t len = skb->len - hlen;
  if (len == 0) return 0;
  // A buffer too small for all of it: the sum needs a pass of its own.
  if (iov_iter_count(to) < len) {
    if (__skb_checksum_complete(skb) != 0) return -EINVAL;
    return skb_copy_datagram_iter(skb, hlen, to, static_cast<uint32_t>(iov_iter_count(to)));
  }
  const iov_iter start = *to;
  wsum csum = skb_checksum(skb, 0, hlen, skb->csum);
  skb->owner->ChargeBytes(CostPoint::k_copy_per_byte, len);
  const auto copy = [&csum, hlen, to](const uint8_t* bytes, uint32_t count, uint32_t position) {
    return csum_and_copy_to_iter(bytes, count, &csum, hlen + position, to) == count;
  };
  if (!WalkRange(skb, hlen, len, 0, copy)) return -EFAULT;
  if (csum_fold(csum) != 0) {
    *to = start;
    return -EINVAL;
  }
  if (!skb_shared(skb)) skb->csum_valid = true;
  return 0;
}

uint16_t __skb_checksum_complete_head(sk_buff* skb, uint32_t len) {
  const uint16_t sum = csum_fold(skb_checksum(skb, 0, len, skb->csum));
  if (!skb_shared(skb)) skb->csum_valid = sum == 0;
  return sum;
}

uint16_t __skb_checksum_complete(sk_buff* skb) {
  skb->owner->ChargeBytes(CostPoint::k_csum_per_byte, skb->len);
  const wsum csum = skb_is_nonlinear(skb) ? ChecksumPieces(skb, 0, skb->len, 0)
                                          : csum_partial({skb->data, skb->len}, 0);
  const uint16_t sum = csum_fold(csum_add(skb->csum, csum));
  if (!skb_shared(skb)) {
    skb->csum = csum;
    skb->ip_summed = CHECKSUM_COMPLETE;
    skb->csum_complete_sw = true;
    skb->csum_valid = sum == 0;
  }
  return sum;
}

uint16_t skb_checksum_validate(sk_buff* skb, bool complete, bool zero_okay, uint16_t check,
                               wsum pseudo) {
  const bool unnecessary =
      skb->ip_summed == CHECKSUM_UNNECESSARY || skb->ip_summed == CHECKSUM_PARTIAL;
  skb->csum_valid = unnecessary || (zero_okay && check == 0);
  if (skb->csum_valid) {
    // The device vouches for one checksum a level: this one is used up
    // (__skb_decr_checksum_unnecessary).
    if (skb->ip_summed == CHECKSUM_UNNECESSARY) {
      if (skb->csum_level == 0) {
        skb->ip_summed = CHECKSUM_NONE;
      } else {
        --skb->csum_level;
      }
    }
    return 0;
  }
  if (skb->ip_summed == CHECKSUM_COMPLETE && csum_fold(csum_add(pseudo, skb->csum)) == 0) {
    skb->csum_valid = true;
    return 0;
  }
  skb->csum = pseudo;
  return complete || skb->len <= kChecksumBreakBytes ? __skb_checksum_complete(skb) : uint16_t{0};
}

int skb_checksum_help(sk_buff* skb) {
  if (skb->ip_summed == CHECKSUM_COMPLETE) {
    skb->ip_summed = CHECKSUM_NONE;
    return 0;
  }
  const uint32_t headroom = skb_headroom(skb);
  if (skb->csum_start < headroom) return -EINVAL;
  const uint32_t start = skb->csum_start - headroom;
  const uint32_t field = start + skb->csum_offset;
  if (start >= skb_headlen(skb) || field + 2 > skb_headlen(skb)) return -EINVAL;
  const uint16_t sum = csum_fold(skb_checksum(skb, start, skb->len - start, 0));
  const int error = skb_ensure_writable(skb, field + 2);
  if (error != 0) return error;
  StoreBe16(skb->data + field, sum != 0 ? sum : kCsumMangled0);
  skb->ip_summed = CHECKSUM_NONE;
  return 0;
}

void skb_postpull_rcsum(sk_buff* skb, const void* start, uint32_t bytes) {
  if (skb->ip_summed == CHECKSUM_COMPLETE) {
    const wsum pulled = csum_partial({static_cast<const uint8_t*>(start), bytes}, 0);
    skb->csum = csum_shift(csum_sub(skb->csum, pulled), bytes);
  } else if (skb->ip_summed == CHECKSUM_PARTIAL && skb->csum_start < skb_headroom(skb)) {
    skb->ip_summed = CHECKSUM_NONE;
  }
}

void skb_postpush_rcsum(sk_buff* skb, const void* start, uint32_t bytes) {
  if (skb->ip_summed != CHECKSUM_COMPLETE) return;
  const wsum pushed = csum_partial({static_cast<const uint8_t*>(start), bytes}, 0);
  skb->csum = csum_block_add(pushed, skb->csum, bytes);
}

const uint8_t* skb_pull_rcsum(sk_buff* skb, uint32_t bytes) {
  const uint8_t* const start = skb->data;
  __skb_pull(skb, bytes);
  skb_postpull_rcsum(skb, start, bytes);
  return skb->data;
}

}  // namespace tapedeck
