#include <gtest/gtest.h>

#include "stack/wire/tcp.h"
#include "stack/wire/tcp_options.h"
#include "wire_test_util.h"

namespace tapedeck::wire {
namespace {

const PseudoHeader kV4{Ipv4Address(10, 0, 0, 1), Ipv4Address(10, 0, 0, 2)};
const PseudoHeader kV6{*Ipv6Address::Parse("2001:db8::1"), *Ipv6Address::Parse("2001:db8::2")};

TcpHeader Header(uint16_t flags) {
  TcpHeader header{.source = uint16_t{40001},
                   .dest = uint16_t{80},
                   .seq = uint32_t{1},
                   .ack_seq = uint32_t{2},
                   .window = uint16_t{65535}};
  header.set_flags(flags);
  return header;
}

Bytes Segment(uint16_t flags, std::span<const uint8_t> options, size_t payload_bytes) {
  Bytes bytes(60 + payload_bytes, 0x42);
  const size_t n = EmitTcp(bytes, Header(flags), options);
  EXPECT_NE(n, 0U);
  bytes.resize(n + payload_bytes);
  return bytes;
}

TEST(WireTcp, EmitsAndParses) {
  const Bytes bytes = Segment(kTcpSyn | kTcpAck, {}, 2);
  EXPECT_EQ(bytes, (Bytes{0x9c, 0x41, 0,    80,   0,    0, 0, 1, 0, 0,    0,
                          2,    0x50, 0x12, 0xff, 0xff, 0, 0, 0, 0, 0x42, 0x42}));
  const auto view = ParseTcp(bytes);
  ASSERT_TRUE(view);
  EXPECT_TRUE(view->header->syn() && view->header->ack() && !view->header->fin());
  EXPECT_EQ(view->SequenceLength(), 3U);
  EXPECT_EQ(view->header->sequence(), SeqNum(1));
  EXPECT_EQ(view->header->acknowledgment(), SeqNum(2));
}

TEST(WireTcp, FlagsAndDataOffsetDoNotDisturbEachOther) {
  TcpHeader header;
  header.set_doff(15);
  header.set_flags(kTcpAe | kTcpCwr | kTcpEce);
  EXPECT_EQ(header.doff(), 15);
  EXPECT_EQ(header.ace(), 7);
  header.set_doff(5);
  EXPECT_EQ(header.flags(), kTcpAe | kTcpCwr | kTcpEce);
  for (uint16_t flag = 1; flag <= kTcpAe; flag = static_cast<uint16_t>(flag << 1)) {
    header.set_flags(flag);
    EXPECT_TRUE(header.has(flag));
    EXPECT_EQ(header.flags(), flag);
    EXPECT_EQ(header.doff(), 5);
  }
  header.set_flags(kTcpCwr);
  EXPECT_EQ(header.ace(), 2);
}

TEST(WireTcp, Text) {
  TcpOptionWriter options;
  options.Mss(1460);
  options.SackPermitted();
  EXPECT_EQ(ToString(*ParseTcp(Segment(kTcpSyn, options.bytes(), 0))),
            "40001 > 80: Flags [S], seq 1, win 65535, options [mss 1460,sackOK,eol], length 0");
  EXPECT_EQ(ToString(*ParseTcp(Segment(kTcpPsh | kTcpAck, {}, 10))),
            "40001 > 80: Flags [P.], seq 1:11, ack 2, win 65535, length 10");
  EXPECT_EQ(TcpFlagsToString(0), "none");
  EXPECT_EQ(TcpFlagsToString(0x1ff), "FSRP.UEWe");
}

TEST(WireTcp, EachCheckHasItsError) {
  Bytes bytes = Segment(kTcpAck, {}, 4);
  bytes[12] = 0x40;
  EXPECT_EQ(ParseTcp(bytes).error(), ParseError::kHeaderLength);
  bytes[12] = 0x60;
  EXPECT_TRUE(ParseTcp(bytes)->payload.empty());
  bytes[12] = 0x70;
  EXPECT_EQ(ParseTcp(bytes).error(), ParseError::kHeaderBeyondData);
}

TEST(WireTcp, ChecksumOfBothFamilies) {
  for (const PseudoHeader& pseudo : {kV4, kV6}) {
    for (size_t n = 0; n < 40; ++n) {
      Bytes bytes = Segment(kTcpAck, {}, n);
      FillTcpChecksum(pseudo, bytes);
      EXPECT_TRUE(TcpChecksumOk(pseudo, bytes));
      for (uint8_t& byte : bytes) {
        byte ^= 0x10;
        EXPECT_FALSE(TcpChecksumOk(pseudo, bytes));
        byte ^= 0x10;
      }
    }
  }
}

TEST(WireTcp, TruncatedAnywhereIsAnErrorUpToTheHeadersEnd) {
  TcpOptionWriter options;
  options.Timestamps({1, 2});
  const Bytes bytes = Segment(kTcpAck, options.bytes(), 5);
  ForEveryPrefix(bytes, [](std::span<const uint8_t> prefix) {
    const auto view = ParseTcp(prefix);
    EXPECT_EQ(view.ok(), prefix.size() >= 32) << prefix.size();
    if (view) {
      EXPECT_EQ(view->payload.size(), prefix.size() - 32);
    }
  });
}

TEST(WireTcp, EmitsNothingWithoutRoom) {
  Bytes small(23, 0xee);
  EXPECT_EQ(EmitTcp(small, Header(kTcpAck), Bytes(3)), 0U);
  EXPECT_EQ(small, Bytes(23, 0xee));
  Bytes big(100);
  EXPECT_EQ(EmitTcp(big, Header(kTcpAck), Bytes(41)), 0U);
  EXPECT_EQ(EmitTcp(big, Header(kTcpAck), Bytes(37)), 60U);
}

TEST(WireTcp, WhatParsesEmitsTheSameBytes) {
  ForRandomBytes(1, 50000, 100, {0, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0x80},
                 [](std::span<const uint8_t> bytes) {
                   const auto view = ParseTcp(bytes);
                   if (!view) return;
                   Bytes again(60);
                   again.resize(EmitTcp(again, *view->header, view->options));
                   EXPECT_EQ(again, ToBytes(bytes.first(view->header->header_bytes())));
                   EXPECT_EQ(again.size() + view->payload.size(), bytes.size());
                   EXPECT_FALSE(ToString(*view).empty());
                 });
}

}  // namespace
}  // namespace tapedeck::wire
