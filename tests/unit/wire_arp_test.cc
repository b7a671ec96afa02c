#include <gtest/gtest.h>

#include "stack/wire/arp.h"
#include "wire_test_util.h"

namespace tapedeck::wire {
namespace {

ArpPacket Request() {
  ArpPacket packet;
  packet.ar_op = kArpRequest;
  packet.ar_sha = {2, 0, 0, 0, 0, 1};
  packet.ar_sip = {10, 0, 0, 1};
  packet.ar_tip = {10, 0, 0, 2};
  return packet;
}

TEST(WireArp, EmitsWhatRfc826Says) {
  Bytes bytes(28);
  ASSERT_EQ(EmitArp(bytes, Request()), 28U);
  EXPECT_EQ(bytes, (Bytes{0,  1, 8, 0, 6, 4, 0, 1, 2, 0, 0,  0, 0, 1,
                          10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2}));
  const auto parsed = ParseArp(bytes);
  ASSERT_TRUE(parsed);
  EXPECT_EQ((*parsed)->ar_tip, Ipv4Address(10, 0, 0, 2));
}

TEST(WireArp, Text) {
  ArpPacket packet = Request();
  EXPECT_EQ(ToString(packet), "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28");
  packet.ar_tha = {2, 0, 0, 0, 0, 2};
  EXPECT_EQ(ToString(packet),
            "ARP, Request who-has 10.0.0.2 (02:00:00:00:00:02) tell 10.0.0.1, length 28");
  packet.ar_op = kArpReply;
  EXPECT_EQ(ToString(packet), "ARP, Reply 10.0.0.1 is-at 02:00:00:00:00:01, length 28");
  packet.ar_op = 9;
  EXPECT_EQ(ToString(packet), "ARP, op 9, length 28");
}

TEST(WireArp, ProbesAndAnnouncements) {
  ArpPacket packet = Request();
  EXPECT_FALSE(packet.IsGratuitous() || packet.IsProbe());
  packet.ar_sip = packet.ar_tip;
  EXPECT_TRUE(packet.IsGratuitous());
  packet.ar_sip = kIpv4Any;
  EXPECT_TRUE(packet.IsProbe());
}

TEST(WireArp, EachFieldThatMakesItAnotherProtocol) {
  Bytes bytes(28);
  EmitArp(bytes, Request());
  const struct {
    size_t at;
    ParseError error;
  } cases[] = {{1, ParseError::kHardwareType},
               {3, ParseError::kProtocolType},
               {4, ParseError::kAddressLength},
               {5, ParseError::kAddressLength}};
  for (const auto& c : cases) {
    Bytes changed = bytes;
    changed[c.at] ^= 1;
    EXPECT_EQ(ParseArp(changed).error(), c.error) << c.at;
  }
}

TEST(WireArp, TruncatedAnywhereIsAnError) {
  Bytes bytes(28);
  EmitArp(bytes, Request());
  ForEveryPrefix(bytes, [](std::span<const uint8_t> prefix) {
    EXPECT_EQ(ParseArp(prefix).ok(), prefix.size() == 28);
  });
  EXPECT_EQ(EmitArp(std::span(bytes).first(27), Request()), 0U);
}

TEST(WireArp, WhatParsesEmitsTheSameBytes) {
  ForRandomBytes(1, 20000, 40, {0, 1, 8, 0, 6, 4, 0}, [](std::span<const uint8_t> bytes) {
    const auto parsed = ParseArp(bytes);
    if (!parsed) return;
    Bytes again(28);
    ASSERT_EQ(EmitArp(again, **parsed), 28U);
    EXPECT_EQ(again, ToBytes(bytes.first(28)));
    EXPECT_FALSE(ToString(**parsed).empty());
  });
}

}  // namespace
}  // namespace tapedeck::wire
