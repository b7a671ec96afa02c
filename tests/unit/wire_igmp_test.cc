#include <gtest/gtest.h>

#include "stack/wire/igmp.h"
#include "wire_test_util.h"

namespace tapedeck::wire {
namespace {

constexpr Ipv4Address kGroup{239, 1, 2, 3};
const Ipv4Address kSources[] = {{10, 0, 0, 1}, {10, 0, 0, 2}};

// A version 3 report: one record with two sources and one auxiliary word, one with none.
Bytes Report() {
  Bytes bytes(8 + 8 + 8 + 4 + 8);
  size_t at = EmitIgmp(bytes, {.type = kIgmpV3Report, .group = Ipv4Address(uint32_t{2})});
  at += EmitIgmpRecord(std::span(bytes).subspan(at),
                       {.type = kIgmpAllowNewSources, .auxiliary_words = 1, .group = kGroup},
                       kSources);
  at += 4;
  at += EmitIgmpRecord(std::span(bytes).subspan(at),
                       {.type = kIgmpChangeToExclude, .group = kGroup}, {});
  EXPECT_EQ(at, bytes.size());
  FillIgmpChecksum(bytes);
  return bytes;
}

TEST(WireIgmp, VersionsOneAndTwo) {
  const struct {
    IgmpHeader header;
    const char* text;
  } cases[] = {
      {{.type = 0x11, .max_response = 0, .group = kIpv4Any}, "igmp query v1"},
      {{.type = 0x11, .max_response = 100, .group = kIpv4Any}, "igmp query v2 [max resp time 100]"},
      {{.type = 0x11, .max_response = 10, .group = kGroup},
       "igmp query v2 [max resp time 10] [gaddr 239.1.2.3]"},
      {{.type = 0x12, .group = kGroup}, "igmp v1 report 239.1.2.3"},
      {{.type = 0x16, .group = kGroup}, "igmp v2 report 239.1.2.3"},
      {{.type = 0x17, .group = kGroup}, "igmp leave 239.1.2.3"},
      {{.type = 0x44, .group = kGroup}, "igmp type 0x44"},
  };
  for (const auto& c : cases) {
    Bytes bytes(8);
    ASSERT_EQ(EmitIgmp(bytes, c.header), 8U);
    FillIgmpChecksum(bytes);
    EXPECT_TRUE(IgmpChecksumOk(bytes));
    const auto view = ParseIgmp(bytes);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->header->group, c.header.group);
    EXPECT_EQ(ToString(*view), c.text);
  }
}

TEST(WireIgmp, VersionThreeQuery) {
  Bytes bytes(20);
  ASSERT_EQ(EmitIgmpV3Query(bytes, {.type = kIgmpQuery, .max_response = 0x84, .group = kGroup},
                            {.flags = 0x0a, .qqic = 125, .source_count = {}}, kSources),
            20U);
  const auto view = ParseIgmp(bytes);
  ASSERT_TRUE(view && view->v3_query != nullptr);
  EXPECT_TRUE(view->v3_query->suppress());
  EXPECT_EQ(view->v3_query->robustness(), 2);
  ASSERT_EQ(view->sources.size(), 2U);
  EXPECT_EQ(view->sources[1], kSources[1]);
  EXPECT_EQ(ToString(*view),
            "igmp query v3 [max resp time 160] [gaddr 239.1.2.3] { 10.0.0.1 10.0.0.2 }");
  ForEveryPrefix(bytes, [](std::span<const uint8_t> prefix) {
    // Of 8 to 11 bytes it is a query of version 1 or 2.
    const size_t n = prefix.size();
    EXPECT_EQ(ParseIgmp(prefix).ok(), (n >= 8 && n < 12) || n == 20) << n;
  });
  EXPECT_EQ(EmitIgmpV3Query(std::span(bytes).first(19), {}, {}, kSources), 0U);
}

TEST(WireIgmp, VersionThreeReport) {
  const Bytes bytes = Report();
  const auto view = ParseIgmp(bytes);
  ASSERT_TRUE(view);
  EXPECT_TRUE(IgmpChecksumOk(bytes));
  IgmpRecordCursor cursor(*view);
  const auto first = cursor.Next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->record->type, kIgmpAllowNewSources);
  EXPECT_EQ(first->sources.size(), 2U);
  const auto second = cursor.Next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->record->type, kIgmpChangeToExclude);
  EXPECT_TRUE(second->sources.empty());
  EXPECT_FALSE(cursor.Next());
  EXPECT_EQ(ToString(*view),
            "igmp v3 report, 2 group record(s) [gaddr 239.1.2.3 allow { 10.0.0.1 10.0.0.2 }] "
            "[gaddr 239.1.2.3 to_ex { }]");
  ForEveryPrefix(bytes, [&bytes](std::span<const uint8_t> prefix) {
    EXPECT_EQ(ParseIgmp(prefix).ok(), prefix.size() == bytes.size()) << prefix.size();
  });
}

TEST(WireIgmp, FloatingPointTimes) {
  EXPECT_EQ(IgmpV3Time(127), 127U);
  EXPECT_EQ(IgmpV3Time(128), 128U);
  EXPECT_EQ(IgmpV3Time(129), 136U);
  EXPECT_EQ(IgmpV3Time(0x90), 256U);
  EXPECT_EQ(IgmpV3Time(255), 31744U);
}

TEST(WireIgmp, AnyBytesParseAndPrint) {
  ForRandomBytes(1, 30000, 80, {0x22, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0}, [](std::span<uint8_t> bytes) {
    const auto view = ParseIgmp(bytes);
    if (view) {
      EXPECT_FALSE(ToString(*view).empty());
    }
  });
}

}  // namespace
}  // namespace tapedeck::wire
