#include <gtest/gtest.h>

#include "stack/wire/tcp_options.h"
#include "wire_test_util.h"

namespace tapedeck::wire {
namespace {

TEST(WireTcpOptions, EveryKindIsWrittenReadAndPrinted) {
  struct Case {
    bool (*write)(TcpOptionWriter&);
    Bytes bytes;
    const char* text;
  };
  const Case cases[] = {
      {[](TcpOptionWriter& w) { return w.Nop(); }, {1}, "nop"},
      {[](TcpOptionWriter& w) { return w.End(); }, {0}, "eol"},
      {[](TcpOptionWriter& w) { return w.Mss(1460); }, {2, 4, 5, 0xb4}, "mss 1460"},
      {[](TcpOptionWriter& w) { return w.WindowScale(7); }, {3, 3, 7}, "wscale 7"},
      {[](TcpOptionWriter& w) { return w.SackPermitted(); }, {4, 2}, "sackOK"},
      {[](TcpOptionWriter& w) {
         const TcpSackBlock blocks[] = {{SeqNum(1), SeqNum(2)}, {SeqNum(0xffffffff), SeqNum(9)}};
         return w.Sack(blocks);
       },
       {5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9},
       "sack 1:2 4294967295:9"},
      {[](TcpOptionWriter& w) { return w.Timestamps({1, 0x01020304}); },
       {8, 10, 0, 0, 0, 1, 1, 2, 3, 4},
       "TS val 1 ecr 16909060"},
      {[](TcpOptionWriter& w) { return w.FastOpen({}); }, {34, 2}, "FO"},
      {[](TcpOptionWriter& w) { return w.FastOpen(Bytes{0xab, 0xcd}); },
       {34, 4, 0xab, 0xcd},
       "FO abcd"},
      {[](TcpOptionWriter& w) { return w.FastOpenExperimental({}); },
       {254, 4, 0xf9, 0x89},
       "FOEXP"},
      {[](TcpOptionWriter& w) { return w.FastOpenExperimental(Bytes{0xab, 0xcd}); },
       {254, 6, 0xf9, 0x89, 0xab, 0xcd},
       "FOEXP abcd"},
      {[](TcpOptionWriter& w) { return w.AccEcn({kTcpOptAccEcn0, 3, {1, 2, 0x030405}}); },
       {172, 11, 0, 0, 1, 0, 0, 2, 3, 4, 5},
       "ECN e0b 1 ceb 2 e1b 197637"},
      {[](TcpOptionWriter& w) { return w.AccEcn({kTcpOptAccEcn1, 1, {0xffffff, 0, 0}}); },
       {174, 5, 0xff, 0xff, 0xff},
       "ECN e1b 16777215"},
      {[](TcpOptionWriter& w) { return w.AccEcn({kTcpOptAccEcn1, 0, {}}); }, {174, 2}, "ECN"},
      {[](TcpOptionWriter& w) {
         const Bytes digest(16, 0x5a);
         return w.Md5(std::span<const uint8_t, 16>(digest.data(), 16));
       },
       {19, 18, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a,
        0x5a, 0x5a},
       "md5 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"},
      {[](TcpOptionWriter& w) { return w.Raw(99, Bytes{1}); }, {99, 3, 1}, "option 99 01"},
      {[](TcpOptionWriter& w) { return w.Raw(254, Bytes{0xde, 0xad}); },
       {254, 4, 0xde, 0xad},
       "option 254 dead"},
  };
  for (const Case& c : cases) {
    TcpOptionWriter writer;
    EXPECT_TRUE(c.write(writer)) << c.text;
    EXPECT_EQ(ToBytes(writer.bytes()), c.bytes) << c.text;
    EXPECT_EQ(TcpOptionsToString(writer.bytes()), c.text);
  }
}

TEST(WireTcpOptions, ASynOfLinux) {
  const Bytes bytes = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 100, 0, 0, 0, 0, 1, 3, 3, 7};
  EXPECT_EQ(TcpOptionsToString(bytes), "mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7");
}

TEST(WireTcpOptions, AWrongLengthMakesNoOptionOfThatKind) {
  const Bytes bytes = {2, 3, 1, 3, 4, 7, 7, 4, 3, 0,   5, 2, 5, 9,  1, 1,
                       1, 1, 1, 1, 1, 8, 4, 0, 0, 172, 4, 0, 0, 19, 3, 9};
  TcpOptionCursor cursor(bytes);
  int count = 0;
  while (const auto option = cursor.Next()) {
    ++count;
    EXPECT_FALSE(option->AsMss() || option->AsWindowScale() || option->AsSack() ||
                 option->AsTimestamps() || option->AsFastOpen() || option->AsAccEcn() ||
                 option->AsMd5() || option->IsSackPermitted());
  }
  EXPECT_EQ(count, 8);
  EXPECT_FALSE(cursor.malformed());
}

TEST(WireTcpOptions, AccEcnCountersByName) {
  const Bytes bytes = {172, 8, 0, 0, 1, 0, 0, 2, 174, 11, 0, 0, 3, 0, 0, 4, 0, 0, 5};
  TcpOptionCursor cursor(bytes);
  const auto kind0 = cursor.Next()->AsAccEcn();
  ASSERT_TRUE(kind0);
  EXPECT_EQ(kind0->ect0(), 1U);
  EXPECT_EQ(kind0->ce(), 2U);
  EXPECT_EQ(kind0->ect1(), std::nullopt);
  const auto kind1 = cursor.Next()->AsAccEcn();
  ASSERT_TRUE(kind1);
  EXPECT_EQ(kind1->ect1(), 3U);
  EXPECT_EQ(kind1->ce(), 4U);
  EXPECT_EQ(kind1->ect0(), 5U);
}

TEST(WireTcpOptions, LengthsZeroAndOneEndTheWalk) {
  for (const uint8_t length : {uint8_t{0}, uint8_t{1}}) {
    const Bytes bytes = {1, 2, length, 5, 0xb4};
    TcpOptionCursor cursor(bytes);
    EXPECT_TRUE(cursor.Next());
    EXPECT_FALSE(cursor.Next());
    EXPECT_FALSE(cursor.Next());
    EXPECT_TRUE(cursor.malformed());
    EXPECT_EQ(TcpOptionsToString(bytes), "nop,[malformed at 1]");
  }
}

TEST(WireTcpOptions, NothingBehindTheEndIsRead) {
  EXPECT_EQ(TcpOptionsToString(Bytes{1, 0, 2, 4, 5, 0xb4}), "nop,eol");
  EXPECT_EQ(TcpOptionsToString(Bytes{2, 4, 5}), "[malformed at 0]");
  EXPECT_EQ(TcpOptionsToString(Bytes{1, 2}), "nop,[malformed at 1]");
}

TEST(WireTcpOptions, WriterStopsAtFortyBytes) {
  const TcpSackBlock blocks[5] = {};
  TcpOptionWriter writer;
  EXPECT_FALSE(writer.Sack(blocks));
  EXPECT_TRUE(writer.Sack(std::span(blocks).first(4)));
  EXPECT_EQ(writer.bytes().size(), 34U);
  EXPECT_FALSE(writer.Timestamps({}));
  EXPECT_TRUE(writer.Raw(99, Bytes(4)));
  EXPECT_FALSE(writer.Nop() || writer.End() || writer.SackPermitted());
  EXPECT_EQ(writer.bytes().size(), 40U);
}

// Writing back each option that was read gives the bytes that were walked.
TEST(WireTcpOptions, WhatIsReadWritesTheSameBytes) {
  ForRandomBytes(1, 50000, 40, {2, 4, 5, 0xb4, 8, 10}, [](std::span<const uint8_t> bytes) {
    TcpOptionCursor cursor(bytes);
    TcpOptionWriter writer;
    while (const auto option = cursor.Next()) {
      ASSERT_TRUE(option->kind == kTcpOptNop ? writer.Nop()
                                             : writer.Raw(option->kind, option->data));
    }
    EXPECT_EQ(ToBytes(writer.bytes()), ToBytes(bytes.first(cursor.offset())));
    EXPECT_TRUE(cursor.offset() == bytes.size() || cursor.malformed() ||
                bytes[cursor.offset()] == kTcpOptEnd);
    EXPECT_EQ(TcpOptionsToString(bytes).empty(), bytes.empty());
  });
}

}  // namespace
}  // namespace tapedeck::wire
