#include <gtest/gtest.h>

#include "stack/wire/udp.h"
#include "wire_test_util.h"

namespace tapedeck::wire {
namespace {

const PseudoHeader kV4{Ipv4Address(10, 0, 0, 1), Ipv4Address(10, 0, 0, 2)};
const PseudoHeader kV6{*Ipv6Address::Parse("2001:db8::1"), *Ipv6Address::Parse("2001:db8::2")};

Bytes Datagram(size_t payload_bytes) {
  Bytes bytes(8 + payload_bytes, 0x42);
  EXPECT_EQ(EmitUdp(bytes, {uint16_t{1234}, uint16_t{53}, static_cast<uint16_t>(bytes.size()), {}}),
            8U);
  return bytes;
}

TEST(WireUdp, EmitsAndParses) {
  const Bytes bytes = Datagram(3);
  EXPECT_EQ(bytes, (Bytes{0x04, 0xd2, 0, 53, 0, 11, 0, 0, 0x42, 0x42, 0x42}));
  const auto view = ParseUdp(bytes);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->header->dest.host(), 53);
  EXPECT_EQ(view->payload.size(), 3U);
  EXPECT_EQ(ToString(*view), "1234 > 53: UDP, length 3");
}

TEST(WireUdp, EachCheckHasItsError) {
  Bytes bytes = Datagram(3);
  bytes[5] = 7;
  EXPECT_EQ(ParseUdp(bytes).error(), ParseError::kLength);
  bytes[5] = 8;
  EXPECT_TRUE(ParseUdp(bytes)->payload.empty());
  bytes[5] = 12;
  EXPECT_EQ(ParseUdp(bytes).error(), ParseError::kLengthBeyondData);
  EXPECT_EQ(ParseUdp({}).error(), ParseError::kTruncated);
}

TEST(WireUdp, ChecksumOfBothFamilies) {
  for (const PseudoHeader& pseudo : {kV4, kV6}) {
    for (size_t n = 0; n < 40; ++n) {
      Bytes bytes = Datagram(n);
      FillUdpChecksum(pseudo, bytes);
      EXPECT_TRUE(UdpChecksumOk(pseudo, *ParseUdp(bytes)));
      bytes[0] ^= 1;
      EXPECT_FALSE(UdpChecksumOk(pseudo, *ParseUdp(bytes)));
    }
  }
}

TEST(WireUdp, KnownChecksum) {
  // 10.0.0.1:1234 > 10.0.0.2:53, payload "BBB": pseudo-header 0a00 0001 0a00 0002 0011 000b,
  // datagram 04d2 0035 000b 0000 4242 4200, sum 9d73.
  Bytes bytes = Datagram(3);
  FillUdpChecksum(kV4, bytes);
  EXPECT_EQ(LoadBe16(&bytes[6]), 0x628c);
}

TEST(WireUdp, AbsentChecksumIsRightOverIpv4Only) {
  const Bytes bytes = Datagram(3);
  EXPECT_TRUE(UdpChecksumOk(kV4, *ParseUdp(bytes)));
  EXPECT_FALSE(UdpChecksumOk(kV6, *ParseUdp(bytes)));
}

// A datagram whose sum is 0xffff would get checksum zero, which means "none".
TEST(WireUdp, ComputedZeroBecomesAllOnes) {
  Bytes bytes = Datagram(2);
  StoreBe16(&bytes[8], 0);
  FillUdpChecksum(kV4, bytes);
  StoreBe16(&bytes[8], LoadBe16(&bytes[6]));  // the payload that lifts the sum to 0xffff
  FillUdpChecksum(kV4, bytes);
  EXPECT_EQ(LoadBe16(&bytes[6]), kCsumMangled0);
  EXPECT_TRUE(UdpChecksumOk(kV4, *ParseUdp(bytes)));
}

TEST(WireUdp, PartialChecksumCompletesToTheSame) {
  Bytes bytes = Datagram(9);
  StoreBe16(&bytes[6], kV4.PartialChecksum(17, 17));
  StoreBe16(&bytes[6], ip_compute_csum(bytes));  // what the NIC does
  Bytes whole = Datagram(9);
  FillUdpChecksum(kV4, whole);
  EXPECT_EQ(bytes, whole);
}

TEST(WireUdp, TruncatedAnywhereIsAnError) {
  const Bytes bytes = Datagram(5);
  ForEveryPrefix(bytes, [](std::span<const uint8_t> prefix) {
    EXPECT_EQ(ParseUdp(prefix).ok(), prefix.size() == 13) << prefix.size();
  });
}

TEST(WireUdp, WhatParsesEmitsTheSameBytes) {
  ForRandomBytes(1, 20000, 60, {0, 1, 0, 2, 0, 20}, [](std::span<const uint8_t> bytes) {
    const auto view = ParseUdp(bytes);
    if (!view) return;
    Bytes again = ToBytes(view->datagram);
    std::fill_n(again.begin(), 8, uint8_t{0});
    ASSERT_EQ(EmitUdp(again, *view->header), 8U);
    EXPECT_EQ(again, ToBytes(bytes.first(view->header->len.host())));
    EXPECT_FALSE(ToString(*view).empty());
  });
}

}  // namespace
}  // namespace tapedeck::wire
