#include <gtest/gtest.h>

#include "stack/wire/ipv4_options.h"
#include "wire_test_util.h"

namespace tapedeck::wire {
namespace {

TEST(WireIpv4Options, EveryKindIsWrittenReadAndPrinted) {
  const Ipv4Address hops[] = {{10, 0, 0, 1}, {10, 0, 0, 2}};
  struct Case {
    bool (*write)(Ipv4OptionWriter&, std::span<const Ipv4Address>);
    Bytes bytes;
    const char* text;
  };
  const Case cases[] = {
      {[](Ipv4OptionWriter& w, auto) { return w.Nop(); }, {1}, "NOP"},
      {[](Ipv4OptionWriter& w, auto) { return w.End(); }, {0}, "EOL"},
      {[](Ipv4OptionWriter& w, auto) { return w.RecordRoute(1); },
       {7, 7, 4, 0, 0, 0, 0},
       "RR 0.0.0.0^"},
      {[](Ipv4OptionWriter& w, auto h) { return w.SourceRoute(false, h); },
       {131, 11, 4, 10, 0, 0, 1, 10, 0, 0, 2},
       "LSRR 10.0.0.1^ 10.0.0.2"},
      {[](Ipv4OptionWriter& w, auto h) { return w.SourceRoute(true, h); },
       {137, 11, 4, 10, 0, 0, 1, 10, 0, 0, 2},
       "SSRR 10.0.0.1^ 10.0.0.2"},
      {[](Ipv4OptionWriter& w, auto) { return w.Timestamp(kIpv4TimestampOnly, 1); },
       {68, 8, 5, 0, 0, 0, 0, 0},
       "TS flag 0 ptr 5 overflow 0 00000000"},
      {[](Ipv4OptionWriter& w, auto) { return w.Timestamp(kIpv4TimestampAndAddress, 1); },
       {68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0},
       "TS flag 1 ptr 5 overflow 0 0000000000000000"},
      {[](Ipv4OptionWriter& w, auto) { return w.RouterAlert(3); }, {148, 4, 0, 3}, "RA 3"},
      {[](Ipv4OptionWriter& w, auto) { return w.Raw(kIpv4OptSecurity, Bytes{0xab, 0}); },
       {130, 4, 0xab, 0},
       "SECURITY ab00"},
      {[](Ipv4OptionWriter& w, auto) { return w.Raw(99, {}); }, {99, 2}, "option 99"},
  };
  for (const Case& c : cases) {
    Ipv4OptionWriter writer;
    EXPECT_TRUE(c.write(writer, std::span(hops))) << c.text;
    EXPECT_EQ(ToBytes(writer.bytes()), c.bytes) << c.text;
    EXPECT_EQ(Ipv4OptionsToString(writer.bytes()), c.text);
  }
}

TEST(WireIpv4Options, FieldsOfTheStructuredOnes) {
  const Bytes bytes = {7, 12, 8, 1, 2,    3,    4,    5,   6, 7, 8,
                       9, 68, 6, 9, 0x31, 0xaa, 0xbb, 148, 4, 1, 2};
  Ipv4OptionCursor cursor(bytes);
  const auto route = cursor.Next();
  ASSERT_TRUE(route && route->AsRoute());
  EXPECT_FALSE(route->copied());
  EXPECT_EQ(route->AsRoute()->pointer, 8);
  EXPECT_EQ(route->AsRoute()->count(), 2U);  // the ninth byte is no whole address
  EXPECT_EQ(route->AsRoute()->address(1), Ipv4Address(5, 6, 7, 8));
  EXPECT_FALSE(route->AsTimestamp() || route->AsRouterAlert());
  const auto stamps = cursor.Next();
  ASSERT_TRUE(stamps && stamps->AsTimestamp());
  EXPECT_EQ(stamps->offset, 12U);
  EXPECT_EQ(stamps->AsTimestamp()->overflow, 3);
  EXPECT_EQ(stamps->AsTimestamp()->flag, kIpv4TimestampAndAddress);
  EXPECT_EQ(stamps->AsTimestamp()->entries.size(), 2U);
  const auto alert = cursor.Next();
  ASSERT_TRUE(alert && alert->AsRouterAlert());
  EXPECT_TRUE(alert->copied());
  EXPECT_EQ(*alert->AsRouterAlert(), 0x0102);
  EXPECT_FALSE(cursor.Next() || cursor.malformed());
}

TEST(WireIpv4Options, LengthsZeroAndOneEndTheWalk) {
  for (const uint8_t length : {uint8_t{0}, uint8_t{1}}) {
    const Bytes bytes = {1, 7, length, 4, 0};
    Ipv4OptionCursor cursor(bytes);
    EXPECT_TRUE(cursor.Next());
    EXPECT_FALSE(cursor.Next());
    EXPECT_FALSE(cursor.Next());
    EXPECT_TRUE(cursor.malformed());
    EXPECT_EQ(cursor.offset(), 1U);
    EXPECT_EQ(Ipv4OptionsToString(bytes), "NOP,[malformed at 1]");
  }
}

TEST(WireIpv4Options, TooShortForTheirKindAreOnlyBytes) {
  const Bytes bytes = {7, 2, 68, 3, 5, 148, 3, 0};
  EXPECT_EQ(Ipv4OptionsToString(bytes), "RR,TS 05,RA 00");
}

TEST(WireIpv4Options, WriterStopsAtFortyBytes) {
  Ipv4OptionWriter writer;
  EXPECT_TRUE(writer.RecordRoute(9));  // 39 bytes, the most there can be
  EXPECT_FALSE(writer.RouterAlert());
  EXPECT_EQ(writer.bytes().size(), 39U);
  EXPECT_TRUE(writer.Nop());
  EXPECT_FALSE(writer.End());
  EXPECT_FALSE(Ipv4OptionWriter().RecordRoute(10));
}

TEST(WireIpv4Options, AnyBytesAreWalkedInOrderToAnEnd) {
  ForRandomBytes(1, 50000, 40, {7, 7, 4, 0, 0, 0, 0, 1, 68}, [](std::span<const uint8_t> bytes) {
    Ipv4OptionCursor cursor(bytes);
    size_t at = 0;
    while (const auto option = cursor.Next()) {
      EXPECT_EQ(option->offset, at);
      at += option->bytes.size();
      EXPECT_EQ(cursor.offset(), at);
    }
    EXPECT_LE(at, bytes.size());
    EXPECT_TRUE(at == bytes.size() || cursor.malformed() || bytes[at] == kIpv4OptEnd);
    EXPECT_EQ(Ipv4OptionsToString(bytes).empty(), bytes.empty());
  });
}

}  // namespace
}  // namespace tapedeck::wire
