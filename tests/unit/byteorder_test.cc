#include "stack/base/byteorder.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace tapedeck {
namespace {

static_assert(be16(0x1234).host() == 0x1234, "usable in constant expressions");
static_assert(be32(1).bytes()[3] == 1 && le32(1).bytes()[0] == 1);
static_assert(be64() == be64(0), "a fresh one is zero");

template <typename T>
std::string Bytes(const T& stored) {
  return std::string(reinterpret_cast<const char*>(&stored), sizeof stored);
}

TEST(ByteOrder, BytesLieAsTheNameSays) {
  EXPECT_EQ(Bytes(be16(0x0102)), "\1\2");
  EXPECT_EQ(Bytes(be32(0x01020304)), "\1\2\3\4");
  EXPECT_EQ(Bytes(be64(0x0102030405060708)), "\1\2\3\4\5\6\7\10");
  EXPECT_EQ(Bytes(le16(0x0102)), "\2\1");
  EXPECT_EQ(Bytes(le32(0x01020304)), "\4\3\2\1");
  EXPECT_EQ(Bytes(le64(0x0102030405060708)), "\10\7\6\5\4\3\2\1");
}

TEST(ByteOrder, HostIntegersSurviveAtEveryAlignment) {
  struct Odd {
    uint8_t first;
    be64 value;
  };
  static_assert(sizeof(Odd) == 9);
  Odd odd{7, 0xfedcba9876543210};
  EXPECT_EQ(odd.value.host(), 0xfedcba9876543210);
  odd.value = 5;
  EXPECT_EQ(static_cast<uint64_t>(odd.value), 5U);
  EXPECT_EQ(odd.value, be64(5));
}

TEST(ByteOrder, LoadsAndStoresAreInverse) {
  uint8_t bytes[9] = {};
  for (size_t at = 0; at < 2; ++at) {
    StoreBe16(bytes + at, 0xabcd);
    EXPECT_EQ(LoadBe16(bytes + at), 0xabcd);
    EXPECT_EQ(LoadLe16(bytes + at), 0xcdab);
    StoreLe32(bytes + at, 0x89abcdef);
    EXPECT_EQ(LoadLe32(bytes + at), 0x89abcdefU);
    EXPECT_EQ(LoadBe32(bytes + at), 0xefcdab89U);
    StoreBe64(bytes + at, 0x0123456789abcdef);
    EXPECT_EQ(LoadBe64(bytes + at), 0x0123456789abcdefU);
    StoreLe64(bytes + at, 0x0123456789abcdef);
    EXPECT_EQ(LoadBe64(bytes + at), 0xefcdab8967452301U);
    StoreLe16(bytes + at, 0x1122);
    StoreBe32(bytes + at + 2, 0x33445566);
    EXPECT_EQ(LoadBe64(bytes + at) >> 16, 0x221133445566U);
  }
}

}  // namespace
}  // namespace tapedeck
