// The Internet checksum (RFC 1071) and its incremental update (RFC 1624), under the kernel's names
// (include/net/checksum.h).
//
// A `wsum` is a one's complement sum of big-endian 16-bit words, as a host number, not yet
// complemented. Every function returning one returns it folded to 16 bits, and zero only if
// everything summed was zero: so a wsum may be stored, compared and digested, and is the same for
// every compiler and vector width. Functions accept any 32-bit value.
#ifndef TAPEDECK_STACK_BASE_CHECKSUM_H_
#define TAPEDECK_STACK_BASE_CHECKSUM_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "stack/base/byteorder.h"

namespace tapedeck {

using wsum = uint32_t;

// What a UDP sender writes instead of a computed zero, since zero means "no checksum" (RFC 768).
inline constexpr uint16_t kCsumMangled0 = 0xffff;

// Adds the carries back until 32 or 16 bits are left. Zero only for zero. Each half is added to the
// other in place: the carry out of the lower one is the end-around carry of the upper.
constexpr uint32_t csum_from64to32(uint64_t sum) {
  return static_cast<uint32_t>((sum + std::rotl(sum, 32)) >> 32);
}
constexpr uint16_t csum_from32to16(uint32_t sum) {
  return static_cast<uint16_t>((sum + std::rotl(sum, 16)) >> 16);
}
constexpr uint16_t csum_from64to16(uint64_t sum) { return csum_from32to16(csum_from64to32(sum)); }

// The checksum that goes into a header: the sum, folded and complemented.
constexpr uint16_t csum_fold(wsum sum) { return static_cast<uint16_t>(~csum_from32to16(sum)); }

// The reverse of csum_fold: the sum that a header's checksum field stands for.
constexpr wsum csum_unfold(uint16_t checksum) { return static_cast<uint16_t>(~checksum); }

// Sum of two sums, and the sum of what is left when what gave `b` is taken out. One's complement
// has two zeros: a difference of equal sums is 0xffff.
constexpr wsum csum_add(wsum a, wsum b) { return csum_from64to16(uint64_t{a} + b); }
constexpr wsum csum_sub(wsum a, wsum b) { return csum_from64to16(uint64_t{a} + csum_fold(b)); }

// `sum` of bytes that moved by `offset_bytes`: at an odd offset high and low bytes trade places.
constexpr wsum csum_shift(wsum sum, size_t offset_bytes) {
  const uint16_t folded = csum_from64to16(sum);
  return (offset_bytes & 1) != 0 ? ByteSwap(folded) : folded;
}

// Sum of a block and of the piece `part` that starts `offset_bytes` into it; and the sum without
// that piece.
constexpr wsum csum_block_add(wsum sum, wsum part, size_t offset_bytes) {
  return csum_add(sum, csum_shift(part, offset_bytes));
}
constexpr wsum csum_block_sub(wsum sum, wsum part, size_t offset_bytes) {
  return csum_sub(sum, csum_shift(part, offset_bytes));
}

// Sum of `bytes`, which need no alignment, plus `seed`. An odd last byte counts as the high half of
// a word.
wsum csum_partial(std::span<const uint8_t> bytes, wsum seed);

// Copies `n` bytes and returns their sum plus `seed` in one pass. REQUIRES: the areas do not
// overlap.
wsum csum_and_copy(uint8_t* dst, const uint8_t* src, size_t n, wsum seed = 0);

// The definition, one word at a time; what the two above are tested against.
constexpr wsum csum_partial_scalar(std::span<const uint8_t> bytes, wsum seed) {
  uint64_t sum = seed;
  for (size_t i = 0; i < bytes.size(); ++i) {
    sum += (i & 1) != 0 ? uint64_t{bytes[i]} : uint64_t{bytes[i]} << 8;
  }
  return csum_from64to16(sum);
}

// Checksum of a whole buffer: what ICMPv4 and IGMP carry. Zero over data that includes a right
// checksum.
inline uint16_t ip_compute_csum(std::span<const uint8_t> bytes) {
  return csum_fold(csum_partial(bytes, 0));
}

// A sum of words in the machine's own byte order, folded to one of big-endian words (RFC 1071
// 2(B)).
constexpr uint16_t csum_from_native(uint64_t sum) {
  const uint16_t folded = csum_from64to16(sum);
  return std::endian::native == std::endian::little ? ByteSwap(folded) : folded;
}

// Sum of a short header of `words` 32-bit words. REQUIRES: 4 * words readable bytes.
constexpr wsum csum_words(const uint8_t* header, unsigned words) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < words; ++i) {
    sum += LoadInteger<uint32_t, std::endian::native>(header + size_t{4} * i);
  }
  return csum_from_native(sum);
}

// Checksum of an IPv4 header of `ihl` 32-bit words (5..15). Zero over a right header.
// REQUIRES: 4 * ihl readable bytes.
constexpr uint16_t ip_fast_csum(const uint8_t* header, unsigned ihl) {
  // Without options, which hardly any has, the length is known beforehand.
  return csum_fold(ihl == 5 ? csum_words(header, 5) : csum_words(header, ihl));
}

// Adds the pseudo-header of RFC 793 / RFC 768. `len` is that of the transport header and payload,
// in bytes.
constexpr wsum csum_tcpudp_nofold(be32 saddr, be32 daddr, uint32_t len, uint8_t protocol,
                                  wsum sum) {
  return csum_from64to16(uint64_t{saddr.host()} + daddr.host() + len + protocol + sum);
}
constexpr uint16_t csum_tcpudp_magic(be32 saddr, be32 daddr, uint32_t len, uint8_t protocol,
                                     wsum sum) {
  return csum_fold(csum_tcpudp_nofold(saddr, daddr, len, protocol, sum));
}

// Adds the pseudo-header of RFC 8200 8.1; `protocol` is the upper layer's, not that of an extension
// header.
constexpr wsum csum_ipv6_nofold(std::span<const uint8_t, 16> saddr,
                                std::span<const uint8_t, 16> daddr, uint32_t len, uint8_t protocol,
                                wsum sum) {
  uint64_t total = uint64_t{len} + protocol + sum;
  for (size_t i = 0; i < 16; i += 4) total += LoadBe32(saddr.data() + i);
  for (size_t i = 0; i < 16; i += 4) total += LoadBe32(daddr.data() + i);
  return csum_from64to16(total);
}
constexpr uint16_t csum_ipv6_magic(std::span<const uint8_t, 16> saddr,
                                   std::span<const uint8_t, 16> daddr, uint32_t len,
                                   uint8_t protocol, wsum sum) {
  return csum_fold(csum_ipv6_nofold(saddr, daddr, len, protocol, sum));
}

// Keeps a header's checksum right when a covered field at an even offset changes from `from` to
// `to` (RFC 1624, equation 3). A checksum that was wrong stays wrong by the same amount.
constexpr void csum_replace2(be16& checksum, be16 from, be16 to) {
  checksum = csum_fold(csum_add(csum_sub(csum_unfold(checksum.host()), from.host()), to.host()));
}
constexpr void csum_replace4(be16& checksum, be32 from, be32 to) {
  checksum = csum_fold(csum_add(csum_sub(csum_unfold(checksum.host()), from.host()), to.host()));
}

// The same with a difference of two sums, csum_sub(to, from).
constexpr void csum_replace_by_diff(be16& checksum, wsum diff) {
  checksum = csum_fold(csum_add(csum_unfold(checksum.host()), diff));
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_BASE_CHECKSUM_H_
