#include <gtest/gtest.h>

#include "stack/wire/ethernet.h"
#include "wire_test_util.h"

namespace tapedeck::wire {
namespace {

constexpr MacAddress kDest{2, 0, 0, 0, 0, 2};
constexpr MacAddress kSource{2, 0, 0, 0, 0, 1};

TEST(WireEthernet, ParsesAnUntaggedFrame) {
  const Bytes frame = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45, 0x00};
  const auto view = ParseEthernet(frame);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->header->dest, kDest);
  EXPECT_EQ(view->header->source, kSource);
  EXPECT_EQ(view->proto, kEtherTypeIpv4);
  EXPECT_TRUE(view->tags.empty());
  EXPECT_EQ(ToBytes(view->payload), (Bytes{0x45, 0x00}));
  EXPECT_EQ(ToString(*view),
            "02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype IPv4 (0x0800), length 16");
}

TEST(WireEthernet, StepsOverTagsAndEmitsThem) {
  const VlanTag tags[] = {{VlanTag::Tci(100, 3, true), kEtherTypeVlan},
                          {VlanTag::Tci(4095, 7, false), kEtherTypeArp}};
  Bytes frame(24, 0xee);
  EXPECT_EQ(EmitEthernet(frame, {kDest, kSource, kEtherTypeServiceVlan}, tags), 22U);
  EXPECT_EQ(frame[14], 0x70);  // priority 3, drop eligible
  EXPECT_EQ(frame[15], 0x64);  // id 100
  EXPECT_EQ(frame[22], 0xee);

  const auto view = ParseEthernet(frame);
  ASSERT_TRUE(view);
  ASSERT_EQ(view->tags.size(), 2U);
  EXPECT_EQ(view->tags[0].id(), 100);
  EXPECT_EQ(view->tags[0].priority(), 3);
  EXPECT_TRUE(view->tags[0].drop_eligible());
  EXPECT_EQ(view->tags[1].id(), 4095);
  EXPECT_EQ(view->proto, kEtherTypeArp);
  EXPECT_EQ(view->payload.size(), 2U);
  EXPECT_EQ(ToString(*view),
            "02:00:00:00:00:01 > 02:00:00:00:00:02, vlan 100 p 3 DEI, vlan 4095 p 7, "
            "ethertype ARP (0x0806), length 24");
}

TEST(WireEthernet, LengthFieldOf8023) {
  Bytes frame(20);
  ASSERT_EQ(EmitEthernet(frame, {kDest, kSource, uint16_t{0x05ff}}), 14U);
  EXPECT_TRUE(ParseEthernet(frame)->has_length());
  StoreBe16(&frame[12], kEtherTypeMin);
  EXPECT_FALSE(ParseEthernet(frame)->has_length());
}

TEST(WireEthernet, EmitsNothingWithoutRoom) {
  const VlanTag tag{uint16_t{1}, kEtherTypeIpv4};
  Bytes frame(17, 0xee);
  EXPECT_EQ(EmitEthernet(frame, {kDest, kSource, kEtherTypeVlan}, {&tag, 1}), 0U);
  EXPECT_EQ(frame, Bytes(17, 0xee));
}

TEST(WireEthernet, ManyTagsStayInThePayload) {
  Bytes frame(14 + 4 * 12);
  StoreBe16(&frame[12], kEtherTypeVlan);
  for (size_t i = 0; i < 12; ++i) StoreBe16(&frame[16 + 4 * i], kEtherTypeVlan);
  const auto view = ParseEthernet(frame);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->tags.size(), kVlanTagsMax);
  EXPECT_EQ(view->payload.size(), 16U);
}

TEST(WireEthernet, TruncatedAnywhereIsAnError) {
  Bytes frame(22);
  StoreBe16(&frame[12], kEtherTypeServiceVlan);
  StoreBe16(&frame[16], kEtherTypeVlan);
  ForEveryPrefix(frame, [](std::span<const uint8_t> bytes) {
    const auto view = ParseEthernet(bytes);
    EXPECT_EQ(view.ok(), bytes.size() == 22) << bytes.size();
    if (!view) {
      EXPECT_EQ(view.error(), ParseError::kTruncated);
    }
  });
}

TEST(WireEthernet, WhatParsesEmitsTheSameBytes) {
  const Bytes start = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x81, 0x00, 0, 1, 0x88, 0xa8};
  ForRandomBytes(1, 20000, 80, start, [](std::span<const uint8_t> bytes) {
    const auto view = ParseEthernet(bytes);
    if (!view) return;
    Bytes again(bytes.size());
    const size_t n = EmitEthernet(again, *view->header, view->tags);
    ASSERT_EQ(n + view->payload.size(), bytes.size());
    std::copy(view->payload.begin(), view->payload.end(),
              again.begin() + static_cast<ptrdiff_t>(n));
    EXPECT_EQ(again, ToBytes(bytes));
    EXPECT_FALSE(ToString(*view).empty());
  });
}

}  // namespace
}  // namespace tapedeck::wire
