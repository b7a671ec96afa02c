#include <gtest/gtest.h>

#include "stack/wire/ipv4.h"
#include "stack/wire/ipv4_options.h"
#include "wire_test_util.h"

namespace tapedeck::wire {
namespace {

Ipv4Header Header(uint16_t tot_len) {
  return {.tos = 0xb9,
          .tot_len = tot_len,
          .id = uint16_t{7},
          .frag_off = kIpv4DontFragment,
          .ttl = 64,
          .protocol = kIpProtoUdp,
          .saddr = {10, 0, 0, 1},
          .daddr = {10, 0, 0, 2}};
}

Bytes Packet(size_t payload_bytes, std::span<const uint8_t> options = {}) {
  Bytes packet(60 + payload_bytes, 0x11);
  const size_t header_bytes = 20 + ((options.size() + 3) & ~size_t{3});
  EXPECT_EQ(EmitIpv4(packet, Header(static_cast<uint16_t>(header_bytes + payload_bytes)), options),
            header_bytes);
  packet.resize(header_bytes + payload_bytes);
  return packet;
}

TEST(WireIpv4, EmitsAndParses) {
  const Bytes packet = Packet(4);
  EXPECT_EQ(packet[0], 0x45);
  const auto view = ParseIpv4(packet);
  ASSERT_TRUE(view);
  const Ipv4Header& h = *view->header;
  EXPECT_EQ(h.dscp(), 46);
  EXPECT_EQ(h.ecn(), kEcnEct1);
  EXPECT_TRUE(h.dont_fragment());
  EXPECT_FALSE(h.more_fragments() || h.is_fragment() || h.reserved_bit());
  EXPECT_EQ(h.saddr, Ipv4Address(10, 0, 0, 1));
  EXPECT_TRUE(view->options.empty());
  EXPECT_EQ(ToBytes(view->payload), Bytes(4, 0x11));
  EXPECT_TRUE(Ipv4ChecksumOk(view->header));
  EXPECT_EQ(ToString(*view),
            "IP (tos 0xb9, ttl 64, id 7, offset 0, flags [DF], proto UDP (17), length 24) "
            "10.0.0.1 > 10.0.0.2");
}

TEST(WireIpv4, FragmentFields) {
  Ipv4Header h;
  h.frag_off = static_cast<uint16_t>(kIpv4ReservedBit | kIpv4MoreFragments | 185);
  EXPECT_TRUE(h.more_fragments() && h.is_fragment() && h.reserved_bit() && !h.dont_fragment());
  EXPECT_EQ(h.offset_bytes(), 1480U);
  h.frag_off = kIpv4OffsetMask;
  EXPECT_EQ(h.offset_bytes(), 65528U);
  h.frag_off = kIpv4MoreFragments;  // the first fragment
  EXPECT_TRUE(h.is_fragment());
}

TEST(WireIpv4, EachCheckHasItsError) {
  const Bytes good = Packet(4);
  const auto with = [&good](size_t at, uint8_t value) {
    Bytes changed = good;
    changed[at] = value;
    return ParseIpv4(changed).error();
  };
  EXPECT_EQ(with(0, 0x65), ParseError::kVersion);
  EXPECT_EQ(with(0, 0x44), ParseError::kHeaderLength);
  EXPECT_EQ(with(0, 0x47), ParseError::kHeaderBeyondData);  // 28 > 24
  EXPECT_EQ(with(3, 19), ParseError::kLength);
  EXPECT_EQ(with(3, 20), ParseError::kNone);
  EXPECT_EQ(with(3, 25), ParseError::kLengthBeyondData);
  EXPECT_EQ(with(10, 0), ParseError::kNone);  // the checksum is asked for separately
}

TEST(WireIpv4, LinkPaddingIsNotPayload) {
  Bytes packet = Packet(4);
  packet.resize(46, 0xff);
  EXPECT_EQ(ParseIpv4(packet)->payload.size(), 4U);
}

TEST(WireIpv4, ChecksumCoversEveryHeaderBit) {
  Ipv4OptionWriter options;
  options.RecordRoute(3);
  Bytes packet = Packet(4, options.bytes());
  for (size_t bit = 8; bit < 8 * 32; ++bit) {  // the first byte holds the length of the sum
    packet[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_FALSE(Ipv4ChecksumOk(Overlay<Ipv4Header>(packet))) << bit;
    packet[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
  EXPECT_TRUE(Ipv4ChecksumOk(Overlay<Ipv4Header>(packet)));
}

TEST(WireIpv4, TruncatedAnywhereIsAnError) {
  Ipv4OptionWriter options;
  options.RouterAlert();
  const Bytes packet = Packet(8, options.bytes());
  ForEveryPrefix(packet, [&packet](std::span<const uint8_t> prefix) {
    EXPECT_EQ(ParseIpv4(prefix).ok(), prefix.size() == packet.size()) << prefix.size();
    const auto quoted = ParseQuotedIpv4(prefix);
    EXPECT_EQ(quoted.ok(), prefix.size() >= 24) << prefix.size();
    if (quoted) {
      EXPECT_EQ(quoted->payload.size(), prefix.size() - 24);
    }
  });
}

TEST(WireIpv4, EmitsNothingWithoutRoom) {
  Bytes small(23, 0xee);
  const Bytes options(3, kIpv4OptNop);
  EXPECT_EQ(EmitIpv4(small, Header(24), options), 0U);
  EXPECT_EQ(small, Bytes(23, 0xee));
  Bytes big(100);
  EXPECT_EQ(EmitIpv4(big, Header(61), Bytes(41)), 0U);
  EXPECT_EQ(EmitIpv4(big, Header(60), Bytes(40)), 60U);
}

TEST(WireIpv4, WhatParsesEmitsTheSameBytes) {
  int parsed = 0;
  ForRandomBytes(1, 50000, 100, {0x46, 0, 0, 24}, [&parsed](std::span<const uint8_t> bytes) {
    const auto view = ParseIpv4(bytes);
    if (!view) return;
    ++parsed;
    EXPECT_EQ(20 + view->options.size() + view->payload.size(), view->header->tot_len.host());
    Bytes again(60);
    const size_t n = EmitIpv4(again, *view->header, view->options);
    ASSERT_EQ(n, view->header->header_bytes());
    Bytes expected = ToBytes(bytes.first(n));
    FillIpv4Checksum(OverlayMutable<Ipv4Header>(expected));
    again.resize(n);
    EXPECT_EQ(again, expected);
    EXPECT_FALSE(ToString(*view).empty());
  });
  EXPECT_GT(parsed, 10000);
}

}  // namespace
}  // namespace tapedeck::wire
