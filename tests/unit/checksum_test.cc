#include "stack/base/checksum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "stack/base/prng.h"

namespace tapedeck {
namespace {

using Bytes = std::vector<uint8_t>;

// RFC 1071 section 3: 0001 f203 f4f5 f6f7 sums to ddf2.
static_assert([] {
  const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  return csum_partial_scalar(bytes, 0) == 0xddf2 && csum_fold(0xddf2) == 0x220d;
}());

Bytes RandomBytes(Prng& prng, size_t n) {
  Bytes bytes(n);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(prng.Below(256));
  return bytes;
}

// Contents that stress carries: random, all ones, all zeros, mostly ones.
Bytes Contents(Prng& prng, size_t n) {
  Bytes bytes = RandomBytes(prng, n);
  const uint32_t kind = prng.Below(4);
  for (uint8_t& byte : bytes) {
    if (kind == 1 || (kind == 3 && prng.Below(16) != 0)) byte = 0xff;
    if (kind == 2) byte = 0;
  }
  return bytes;
}

TEST(Checksum, KnownIpv4Header) {
  // 192.168.0.1 > 192.168.0.199 UDP, the textbook header with checksum 0xb861.
  Bytes header = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                  0x00, 0x00, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};
  EXPECT_EQ(ip_fast_csum(header.data(), 5), 0xb861);
  StoreBe16(&header[10], 0xb861);
  EXPECT_EQ(ip_fast_csum(header.data(), 5), 0);
  EXPECT_EQ(ip_compute_csum(header), 0);
}

TEST(Checksum, EveryLengthAndAlignmentEqualsTheDefinition) {
  Prng prng(1, 1);
  for (size_t n = 0; n <= 420; ++n) {
    for (size_t align = 0; align < 16; ++align) {
      const Bytes buffer = Contents(prng, n + align);
      const auto bytes = std::span(buffer).subspan(align);
      const wsum seed = prng.Below(4) == 0 ? 0 : prng.Next32();
      EXPECT_EQ(csum_partial(bytes, seed), csum_partial_scalar(bytes, seed)) << n << " " << align;
    }
  }
}

TEST(Checksum, LongBuffersEqualTheDefinition) {
  Prng prng(2, 1);
  for (int i = 0; i < 50; ++i) {
    const Bytes buffer = Contents(prng, prng.Below(70000));
    EXPECT_EQ(csum_partial(buffer, 0), csum_partial_scalar(buffer, 0)) << buffer.size();
  }
  const Bytes ones(size_t{1} << 20, 0xff);
  EXPECT_EQ(csum_partial(ones, 0xffffffff), 0xffffU);
}

TEST(Checksum, CopyingSumsTheSameAndWritesExactlyTheBytes) {
  Prng prng(3, 1);
  for (size_t n = 0; n <= 420; ++n) {
    for (size_t align = 0; align < 4; ++align) {
      const Bytes src = Contents(prng, n);
      Bytes dst(n + align + 16, 0xa5);
      EXPECT_EQ(csum_and_copy(&dst[align], src.data(), n, 77), csum_partial_scalar(src, 77));
      EXPECT_TRUE(std::equal(src.begin(), src.end(), dst.begin() + static_cast<ptrdiff_t>(align)));
      EXPECT_EQ(std::count(dst.begin() + static_cast<ptrdiff_t>(align + n), dst.end(), 0xa5), 16);
    }
  }
}

TEST(Checksum, SumsAreFoldedAndZeroOnlyForZeros) {
  EXPECT_EQ(csum_partial({}, 0), 0U);
  EXPECT_EQ(csum_partial(Bytes(1000, 0), 0), 0U);
  EXPECT_EQ(csum_partial(Bytes{0xff, 0xff}, 0), 0xffffU);
  EXPECT_EQ(csum_partial(Bytes{0x80, 0x00, 0x7f, 0xff}, 0), 0xffffU);
  EXPECT_EQ(csum_partial({}, 0xffffffff), 0xffffU);
  EXPECT_EQ(csum_from64to16(~uint64_t{0}), 0xffff);
  EXPECT_EQ(csum_unfold(csum_fold(0x1234)), 0x1234U);
}

TEST(Checksum, PiecesAddUpAtEvenAndOddOffsets) {
  Prng prng(4, 1);
  for (int i = 0; i < 2000; ++i) {
    const Bytes whole = Contents(prng, 1 + prng.Below(200));
    const size_t cut = prng.Below(static_cast<uint32_t>(whole.size()) + 1);
    const auto all = std::span(whole);
    const wsum head = csum_partial(all.first(cut), 0);
    const wsum tail = csum_partial(all.subspan(cut), 0);
    const wsum sum = csum_partial(all, 0);
    EXPECT_EQ(csum_block_add(head, tail, cut), sum);
    // One's complement zero has two forms, so differences are compared through a sum.
    EXPECT_EQ(csum_add(csum_block_sub(sum, tail, cut), 1), csum_add(head, 1));
  }
}

TEST(Checksum, IncrementalUpdateEqualsRecomputing) {
  Prng prng(5, 1);
  for (int i = 0; i < 5000; ++i) {
    Bytes bytes = Contents(prng, 40);
    bytes[0] |= 1;  // never all zeros: then 0x0000 and 0xffff would both be right
    be16 check = csum_fold(csum_partial(bytes, 0));
    const size_t at = 4 + 2 * prng.Below(16);

    const be16 from16 = LoadBe16(&bytes[at]);
    const be16 to16 = static_cast<uint16_t>(prng.Below(3) == 0 ? 0 : prng.Next32() >> 16);
    StoreBe16(&bytes[at], to16.host());
    csum_replace2(check, from16, to16);
    EXPECT_EQ(check.host(), csum_fold(csum_partial(bytes, 0)));

    const be32 from32 = LoadBe32(&bytes[at]);
    const be32 to32 = prng.Next32();
    StoreBe32(&bytes[at], to32.host());
    be16 by_diff = check;
    csum_replace4(check, from32, to32);
    EXPECT_EQ(check.host(), csum_fold(csum_partial(bytes, 0)));
    csum_replace_by_diff(by_diff, csum_sub(to32.host(), from32.host()));
    EXPECT_EQ(by_diff, check);
  }
}

// RFC 1624 section 4: the case that the older equation of RFC 1141 got wrong.
TEST(Checksum, Rfc1624Example) {
  be16 check = 0xdd2f;
  csum_replace2(check, 0x5555, 0x3285);
  EXPECT_EQ(check.host(), 0x0000);
}

TEST(Checksum, PseudoHeadersEqualTheirBytes) {
  Prng prng(6, 1);
  for (int i = 0; i < 200; ++i) {
    const Bytes addresses = Contents(prng, 32);
    const uint32_t len = prng.Below(65536);
    const auto a = std::span(addresses);

    Bytes v4(a.begin(), a.begin() + 8);
    v4.insert(v4.end(), {0, 17, static_cast<uint8_t>(len >> 8), static_cast<uint8_t>(len)});
    const be32 saddr = LoadBe32(&v4[0]);
    const be32 daddr = LoadBe32(&v4[4]);
    EXPECT_EQ(csum_tcpudp_nofold(saddr, daddr, len, 17, 9), csum_partial_scalar(v4, 9));
    EXPECT_EQ(csum_tcpudp_magic(saddr, daddr, len, 17, 9), csum_fold(csum_partial_scalar(v4, 9)));

    Bytes v6(addresses);
    v6.insert(v6.end(),
              {0, 0, static_cast<uint8_t>(len >> 8), static_cast<uint8_t>(len), 0, 0, 0, 58});
    EXPECT_EQ(csum_ipv6_nofold(a.first<16>(), a.last<16>(), len, 58, 9),
              csum_partial_scalar(v6, 9));
    EXPECT_EQ(csum_ipv6_magic(a.first<16>(), a.last<16>(), len, 58, 9),
              csum_fold(csum_partial_scalar(v6, 9)));
  }
}

}  // namespace
}  // namespace tapedeck
