#include <gtest/gtest.h>

#include "stack/wire/ipv6.h"
#include "wire_test_util.h"

namespace tapedeck::wire {
namespace {

Bytes Packet(uint8_t nexthdr, const Bytes& payload) {
  Ipv6Header header{.payload_len = static_cast<uint16_t>(payload.size()),
                    .nexthdr = nexthdr,
                    .hop_limit = 64,
                    .saddr = *Ipv6Address::Parse("2001:db8::1"),
                    .daddr = *Ipv6Address::Parse("2001:db8::2")};
  header.set_class_and_flow(0xb9, 0xabcde);
  Bytes bytes(40);
  EXPECT_EQ(EmitIpv6(bytes, header), 40U);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

// Hop-by-hop with a router alert, routing, fragment, AH, destination options, then UDP of 8 bytes.
Bytes Chain() {
  return {43, 0, 5, 2, 0, 0, 1, 0,                          // hop-by-hop
          44, 0, 0, 0, 0, 0, 0, 0,                          // routing
          51, 0, 0, 1, 0, 0, 0, 9,                          // fragment, first of several
          60, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,              // AH of 12 bytes
          17, 1, 1, 4, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0,  // destination options, 16 bytes
          0,  1, 0, 2, 0, 8, 0, 0};                         // UDP
}

TEST(WireIpv6, EmitsAndParses) {
  const Bytes bytes = Packet(kIpProtoUdp, {1, 2});
  EXPECT_EQ(LoadBe32(bytes.data()), 0x6b9abcdeU);
  const auto view = ParseIpv6(bytes);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->header->version(), 6);
  EXPECT_EQ(view->header->traffic_class(), 0xb9);
  EXPECT_EQ(view->header->ecn(), 1);
  EXPECT_EQ(view->header->flow_label(), 0xabcdeU);
  EXPECT_EQ(view->payload.size(), 2U);
  EXPECT_EQ(ToString(*view),
            "IP6 (class 0xb9, flowlabel 0xabcde, hlim 64, next-header UDP (17), payload length: 2) "
            "2001:db8::1 > 2001:db8::2");
}

TEST(WireIpv6, EachCheckHasItsError) {
  Bytes bytes = Packet(kIpProtoUdp, {1, 2});
  bytes[5] = 3;
  EXPECT_EQ(ParseIpv6(bytes).error(), ParseError::kLengthBeyondData);
  EXPECT_EQ(ParseQuotedIpv6(bytes)->payload.size(), 2U);
  bytes[5] = 1;
  EXPECT_EQ(ParseIpv6(bytes)->payload.size(), 1U);
  bytes[0] = 0x45;
  EXPECT_EQ(ParseIpv6(bytes).error(), ParseError::kVersion);
  EXPECT_EQ(ParseQuotedIpv6(bytes).error(), ParseError::kVersion);
}

TEST(WireIpv6, WalksTheExtensionHeaders) {
  const Bytes bytes = Packet(kIpProtoHopByHop, Chain());
  Ipv6ExtensionCursor cursor(*ParseIpv6(bytes));
  const struct {
    uint8_t type;
    size_t offset;
    size_t bytes;
  } expected[] = {{kIpProtoHopByHop, 0, 8},
                  {kIpProtoRouting, 8, 8},
                  {kIpProtoFragment, 16, 8},
                  {kIpProtoAh, 24, 12},
                  {kIpProtoDestOptions, 36, 16}};
  for (const auto& e : expected) {
    const auto extension = cursor.Next();
    ASSERT_TRUE(extension);
    EXPECT_EQ(extension->type, e.type);
    EXPECT_EQ(extension->offset, e.offset);
    EXPECT_EQ(extension->bytes.size(), e.bytes);
    EXPECT_EQ(extension->AsFragment() != nullptr, e.type == kIpProtoFragment);
  }
  EXPECT_FALSE(cursor.Next() || cursor.malformed() || cursor.in_later_fragment());

  const auto upper = FindUpperLayer(*ParseIpv6(bytes));
  ASSERT_TRUE(upper);
  EXPECT_EQ(upper->protocol, kIpProtoUdp);
  EXPECT_EQ(upper->offset, 52U);
  EXPECT_EQ(upper->payload.size(), 8U);
  ASSERT_NE(upper->fragment, nullptr);
  EXPECT_TRUE(upper->fragment->more_fragments());
  EXPECT_EQ(upper->fragment->identification, 9U);
}

TEST(WireIpv6, ALaterFragmentHoldsNoHeaders) {
  Bytes chain = Chain();
  chain[18] = 5;  // offset 1280
  const Bytes bytes = Packet(kIpProtoHopByHop, chain);
  const auto upper = FindUpperLayer(*ParseIpv6(bytes));
  ASSERT_TRUE(upper);
  EXPECT_EQ(upper->protocol, kIpProtoAh);
  EXPECT_EQ(upper->offset, 24U);
  EXPECT_EQ(upper->fragment->offset_bytes(), 1280U);
}

TEST(WireIpv6, FinalDestinationOfRoutingHeaders) {
  const auto a1 = *Ipv6Address::Parse("2001:db8::a1");
  const auto a2 = *Ipv6Address::Parse("2001:db8::a2");
  const auto header_daddr = *Ipv6Address::Parse("2001:db8::2");
  const struct {
    uint8_t type;
    uint8_t segments_left;
    Ipv6Address final_daddr;
  } cases[] = {{kIpv6RoutingSource, 2, a2},
               {kIpv6RoutingSource, 0, header_daddr},
               {kIpv6RoutingMobility, 1, a2},
               {kIpv6RoutingSegments, 1, a1},
               {99, 1, header_daddr}};
  for (const auto& c : cases) {
    Bytes routing = {kIpProtoUdp, 4, c.type, c.segments_left, 0, 0, 0, 0};
    routing.insert(routing.end(), a1.bytes().begin(), a1.bytes().end());
    routing.insert(routing.end(), a2.bytes().begin(), a2.bytes().end());
    const Bytes bytes = Packet(kIpProtoRouting, routing);
    const auto upper = FindUpperLayer(*ParseIpv6(bytes));
    ASSERT_TRUE(upper);
    EXPECT_EQ(*upper->final_daddr, c.final_daddr) << int{c.type} << " " << int{c.segments_left};
  }
  // No room for an address: the header's stays.
  const Bytes bytes = Packet(kIpProtoRouting, {kIpProtoUdp, 0, kIpv6RoutingSource, 1, 0, 0, 0, 0});
  EXPECT_EQ(*FindUpperLayer(*ParseIpv6(bytes))->final_daddr, header_daddr);
}

TEST(WireIpv6, NoNextHeaderAndEspEndTheWalk) {
  for (const uint8_t last : {kIpProtoNoNext, kIpProtoEsp, kIpProtoTcp}) {
    const Bytes bytes = Packet(last, {0, 0, 0});
    const auto upper = FindUpperLayer(*ParseIpv6(bytes));
    ASSERT_TRUE(upper);
    EXPECT_EQ(upper->protocol, last);
    EXPECT_EQ(upper->offset, 0U);
  }
}

TEST(WireIpv6, OptionsOfAnExtensionHeader) {
  const Bytes bytes = Packet(kIpProtoHopByHop, {59, 0, 5, 2, 0, 1, 0, 0});
  Ipv6ExtensionCursor cursor(*ParseIpv6(bytes));
  const auto extension = cursor.Next();
  ASSERT_TRUE(extension);
  Ipv6OptionCursor options(*extension);
  const auto alert = options.Next();
  ASSERT_TRUE(alert);
  EXPECT_EQ(alert->type, kIpv6OptRouterAlert);
  EXPECT_EQ(alert->offset, 2U);
  EXPECT_EQ(ToBytes(alert->data), (Bytes{0, 1}));
  EXPECT_EQ(options.Next()->type, kIpv6OptPad1);
  EXPECT_EQ(options.Next()->offset, 7U);
  EXPECT_FALSE(options.Next() || options.malformed());
}

TEST(WireIpv6, TruncatedAnywhereIsAnError) {
  const Bytes bytes = Packet(kIpProtoHopByHop, Chain());
  ForEveryPrefix(bytes, [&bytes](std::span<const uint8_t> prefix) {
    EXPECT_EQ(ParseIpv6(prefix).ok(), prefix.size() == bytes.size());
    const auto quoted = ParseQuotedIpv6(prefix);
    EXPECT_EQ(quoted.ok(), prefix.size() >= 40);
    if (!quoted) return;
    const auto upper = FindUpperLayer(*quoted);
    EXPECT_EQ(upper.ok(), prefix.size() >= 92) << prefix.size();
    if (!upper) {
      EXPECT_EQ(upper.error(), ParseError::kExtensionHeader);
    }
  });
}

TEST(WireIpv6, AnyBytesAreWalkedToAnEnd) {
  Bytes start = Packet(kIpProtoHopByHop, {60, 0, 1, 4, 0, 0, 0, 0, 43});
  start[5] = 80;
  ForRandomBytes(1, 30000, 160, start, [](std::span<const uint8_t> bytes) {
    const auto view = ParseQuotedIpv6(bytes);
    if (!view) return;
    Bytes again(40);
    ASSERT_EQ(EmitIpv6(again, *view->header), 40U);
    EXPECT_EQ(again, ToBytes(bytes.first(40)));
    EXPECT_FALSE(ToString(*view).empty());
    Ipv6ExtensionCursor cursor(*view);
    size_t at = 0;
    while (const auto extension = cursor.Next()) {
      EXPECT_EQ(extension->offset, at);
      at += extension->bytes.size();
      if (extension->type == kIpProtoHopByHop || extension->type == kIpProtoDestOptions) {
        Ipv6OptionCursor options(*extension);
        while (const auto option = options.Next())
          EXPECT_LT(option->offset, extension->bytes.size());
      }
    }
    EXPECT_EQ(at, cursor.offset());
    EXPECT_LE(at, view->payload.size());
  });
}

}  // namespace
}  // namespace tapedeck::wire
