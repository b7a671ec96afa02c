#include <gtest/gtest.h>

#include "stack/wire/icmpv6.h"
#include "wire_test_util.h"

namespace tapedeck::wire {
namespace {

const PseudoHeader kPseudo{*Ipv6Address::Parse("2001:db8::1"), *Ipv6Address::Parse("2001:db8::2")};

TEST(WireIcmpv6, EchoWithChecksum) {
  Icmpv6Header header{.type = kIcmpv6EchoRequest};
  header.set_id(1);
  header.set_sequence(2);
  Bytes bytes(19, 0x42);
  ASSERT_EQ(EmitIcmpv6(bytes, header), 8U);
  FillIcmpv6Checksum(kPseudo, bytes);
  EXPECT_TRUE(Icmpv6ChecksumOk(kPseudo, bytes));
  const auto view = ParseIcmpv6(bytes);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->header->id(), 1);
  EXPECT_EQ(view->header->sequence(), 2);
  EXPECT_EQ(ToString(*view), "ICMP6, echo request, id 1, seq 2, length 19");
  bytes[18] ^= 1;
  EXPECT_FALSE(Icmpv6ChecksumOk(kPseudo, bytes));
}

TEST(WireIcmpv6, TextOfEveryKind) {
  const struct {
    uint8_t type;
    uint8_t code;
    const char* text;
  } cases[] = {
      {1, 0, "destination unreachable, unreachable route"},
      {1, 1, "destination unreachable, unreachable prohibited"},
      {1, 2, "destination unreachable, beyond scope"},
      {1, 3, "destination unreachable, unreachable address"},
      {1, 4, "destination unreachable, unreachable port"},
      {1, 5, "destination unreachable, unreachable code 5"},
      {2, 0, "packet too big, mtu 1280"},
      {3, 0, "time exceeded in-transit"},
      {3, 1, "time exceeded (reassembly)"},
      {4, 1, "parameter problem, code 1, octet 1280"},
      {129, 0, "echo reply, id 0, seq 1280"},
      {130, 0, "multicast listener query"},
      {131, 0, "multicast listener report"},
      {132, 0, "multicast listener done"},
      {133, 0, "router solicitation"},
      {134, 0, "router advertisement"},
      {135, 0, "neighbor solicitation"},
      {136, 0, "neighbor advertisement"},
      {137, 0, "redirect"},
      {143, 0, "multicast listener report v2"},
      {200, 3, "type 200, code 3"},
  };
  for (const auto& c : cases) {
    Icmpv6Header header{.type = c.type, .code = c.code};
    header.set_mtu(1280);
    Bytes bytes(8);
    EmitIcmpv6(bytes, header);
    EXPECT_EQ(ToString(*ParseIcmpv6(bytes)), std::string("ICMP6, ") + c.text + ", length 8");
    EXPECT_EQ(ParseIcmpv6(bytes)->header->is_error(), c.type < 128);
  }
}

TEST(WireIcmpv6, QuotesOfEveryLength) {
  Bytes bytes(8 + 40 + 8);
  EmitIcmpv6(bytes, {.type = kIcmpv6TimeExceeded});
  EmitIpv6(std::span(bytes).subspan(8), {.payload_len = uint16_t{500}, .nexthdr = kIpProtoUdp});
  ForEveryPrefix(bytes, [](std::span<const uint8_t> prefix) {
    const auto view = ParseIcmpv6(prefix);
    EXPECT_EQ(view.ok(), prefix.size() >= 8);
    if (!view) return;
    const auto quote = ParseIcmpv6Quote(*view);
    EXPECT_EQ(quote.ok(), prefix.size() >= 48) << prefix.size();
    if (quote) {
      EXPECT_EQ(quote->payload.size(), prefix.size() - 48);
    }
  });
}

TEST(WireIcmpv6, AnyBytesParseAndPrint) {
  ForRandomBytes(1, 20000, 80, {1, 4}, [](std::span<uint8_t> bytes) {
    const auto view = ParseIcmpv6(bytes);
    if (!view) return;
    EXPECT_FALSE(ToString(*view).empty());
    FillIcmpv6Checksum(kPseudo, bytes);
    EXPECT_TRUE(Icmpv6ChecksumOk(kPseudo, bytes));
  });
}

}  // namespace
}  // namespace tapedeck::wire
