// RFC 1321 A.5, and that it does not matter in which pieces a message comes.
#include "stack/base/md5.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <string_view>

namespace tapedeck {
namespace {

std::span<const uint8_t> BytesOf(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string Hex(Md5* md5) {
  uint8_t digest[kMd5Bytes];
  md5->Final(digest);
  std::string text;
  for (const uint8_t byte : digest) {
    char two[3];
    std::snprintf(two, sizeof(two), "%02x", byte);
    text += two;
  }
  return text;
}

std::string Md5Of(std::string_view text) {
  Md5 md5;
  md5.Update(BytesOf(text));
  return Hex(&md5);
}

TEST(Md5, TestSuiteOfTheRfc) {
  EXPECT_EQ(Md5Of(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(Md5Of("a"), "0cc175b9c0f1b6a831c399e269772661");
  EXPECT_EQ(Md5Of("abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(Md5Of("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(Md5Of("abcdefghijklmnopqrstuvwxyz"), "c3fcd3d76192e4007dfb496cca67e13b");
  EXPECT_EQ(Md5Of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
            "d174ab98d277d9f5a5611c2c9f419d9f");
  EXPECT_EQ(Md5Of("1234567890123456789012345678901234567890"
                  "1234567890123456789012345678901234567890"),
            "57edf4a22be3c955ac49da2e2107b67a");
}

TEST(Md5, PiecesMakeNoDifference) {
  for (size_t length = 0; length < 200; ++length) {
    const std::string text(length, 'x');
    for (size_t cut = 0; cut <= length; cut += 7) {
      Md5 md5;
      md5.Update(BytesOf(text).first(cut));
      md5.Update(BytesOf(text).subspan(cut));
      EXPECT_EQ(Hex(&md5), Md5Of(text)) << length << " cut at " << cut;
    }
  }
}

}  // namespace
}  // namespace tapedeck
