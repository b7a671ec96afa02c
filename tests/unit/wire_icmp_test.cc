#include <gtest/gtest.h>

#include "stack/wire/icmp.h"
#include "wire_test_util.h"

namespace tapedeck::wire {
namespace {

// The head of a UDP datagram from 10.0.0.1:4660 to 10.0.0.2:53, `quoted_payload` bytes of it behind
// the IP header.
Bytes Quote(uint8_t protocol, size_t quoted_payload, uint16_t frag_off = 0) {
  Bytes bytes(20 + quoted_payload);
  EmitIpv4(bytes, {.tot_len = uint16_t{1000},
                   .frag_off = frag_off,
                   .ttl = 1,
                   .protocol = protocol,
                   .saddr = {10, 0, 0, 1},
                   .daddr = {10, 0, 0, 2}});
  const Bytes ports = {0x12, 0x34, 0, 53};
  std::copy_n(ports.begin(), std::min<size_t>(4, quoted_payload), bytes.begin() + 20);
  return bytes;
}

Bytes Message(IcmpHeader header, const Bytes& body) {
  Bytes bytes(8);
  EXPECT_EQ(EmitIcmp(bytes, header), 8U);
  bytes.insert(bytes.end(), body.begin(), body.end());
  FillIcmpChecksum(bytes);
  return bytes;
}

std::string Text(IcmpHeader header, const Bytes& body) {
  return ToString(*ParseIcmp(Message(header, body)));
}

TEST(WireIcmp, Echo) {
  IcmpHeader header{.type = kIcmpEcho};
  header.set_id(0x1234);
  header.set_sequence(7);
  const Bytes bytes = Message(header, {1, 2, 3});
  EXPECT_EQ(bytes[0], 8);
  EXPECT_TRUE(IcmpChecksumOk(bytes));
  const auto view = ParseIcmp(bytes);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->header->id(), 0x1234);
  EXPECT_EQ(view->header->sequence(), 7);
  EXPECT_EQ(view->body.size(), 3U);
  EXPECT_FALSE(view->header->is_error());
  EXPECT_EQ(ToString(*view), "ICMP echo request, id 4660, seq 7, length 11");
}

TEST(WireIcmp, TextOfEveryKind) {
  const Bytes udp = Quote(kIpProtoUdp, 8);
  IcmpHeader frag_needed{.type = 3, .code = 4};
  frag_needed.set_next_hop_mtu(1400);
  IcmpHeader redirect{.type = 5, .code = 1};
  redirect.set_gateway({10, 0, 0, 254});
  IcmpHeader problem{.type = 12};
  problem.set_pointer(20);
  const struct {
    IcmpHeader header;
    Bytes body;
    const char* text;
  } cases[] = {
      {{.type = 0}, {}, "ICMP echo reply, id 0, seq 0, length 8"},
      {{.type = 3, .code = 0}, udp, "ICMP net 10.0.0.2 unreachable, length 36"},
      {{.type = 3, .code = 1}, udp, "ICMP host 10.0.0.2 unreachable, length 36"},
      {{.type = 3, .code = 2}, udp, "ICMP 10.0.0.2 protocol 17 unreachable, length 36"},
      {{.type = 3, .code = 3}, udp, "ICMP 10.0.0.2 UDP port 53 unreachable, length 36"},
      {frag_needed, udp, "ICMP 10.0.0.2 unreachable - need to frag (mtu 1400), length 36"},
      {{.type = 3, .code = 5}, udp, "ICMP 10.0.0.2 unreachable - source route failed, length 36"},
      {{.type = 3, .code = 13}, udp, "ICMP 10.0.0.2 unreachable - admin prohibited, length 36"},
      {{.type = 3, .code = 99}, udp, "ICMP 10.0.0.2 unreachable - code 99, length 36"},
      {{.type = 3, .code = 3}, {}, "ICMP [bad quote] ? port ? unreachable, length 8"},
      {{.type = 4}, udp, "ICMP source quench, length 36"},
      {redirect, udp, "ICMP redirect 10.0.0.2 code 1 to 10.0.0.254, length 36"},
      {{.type = 9}, {}, "ICMP router advertisement, length 8"},
      {{.type = 10}, {}, "ICMP router solicitation, length 8"},
      {{.type = 11, .code = 0}, udp, "ICMP time exceeded in-transit, length 36"},
      {{.type = 11, .code = 1}, udp, "ICMP ip reassembly time exceeded, length 36"},
      {problem, udp, "ICMP parameter problem - octet 20, length 36"},
      {{.type = 13}, Bytes(12), "ICMP time stamp query, id 0, seq 0, length 20"},
      {{.type = 14},
       Bytes(12),
       "ICMP time stamp reply, id 0, seq 0, org 0, recv 0, xmit 0, length 20"},
      {{.type = 15}, {}, "ICMP information request, id 0, seq 0, length 8"},
      {{.type = 16}, {}, "ICMP information reply, id 0, seq 0, length 8"},
      {{.type = 17}, Bytes(4), "ICMP address mask request, id 0, seq 0, length 12"},
      {{.type = 18},
       {255, 255, 255, 0},
       "ICMP address mask is 255.255.255.0, id 0, seq 0, length 12"},
      {{.type = 42, .code = 1}, {}, "ICMP type 42, code 1, length 8"},
  };
  for (const auto& c : cases) EXPECT_EQ(Text(c.header, c.body), c.text);
}

TEST(WireIcmp, ErrorsAreTheFiveThatQuote) {
  for (int type = 0; type < 256; ++type) {
    const IcmpHeader header{.type = static_cast<uint8_t>(type)};
    const bool quotes = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
    EXPECT_EQ(header.is_error(), quotes) << type;
  }
}

TEST(WireIcmp, QuotesOfEveryLength) {
  const Bytes message = Message({.type = kIcmpDestUnreachable, .code = 3}, Quote(kIpProtoUdp, 8));
  ForEveryPrefix(message, [](std::span<const uint8_t> prefix) {
    const auto view = ParseIcmp(prefix);
    EXPECT_EQ(view.ok(), prefix.size() >= 8);
    if (!view) return;
    EXPECT_FALSE(ToString(*view).empty());
    const auto quote = ParseIcmpQuote(*view);
    EXPECT_EQ(quote.ok(), prefix.size() >= 28) << prefix.size();
    if (!quote) return;
    EXPECT_EQ(quote->payload.size(), prefix.size() - 28);
    const auto ports = PortsOf(*quote);
    EXPECT_EQ(ports.has_value(), prefix.size() >= 32) << prefix.size();
    if (ports) {
      EXPECT_EQ(ports->source, 0x1234);
      EXPECT_EQ(ports->dest, 53);
    }
  });
}

TEST(WireIcmp, NoPortsInLaterFragmentsAndOtherProtocols) {
  EXPECT_FALSE(PortsOf(*ParseQuotedIpv4(Quote(kIpProtoUdp, 8, 1))));
  EXPECT_FALSE(PortsOf(*ParseQuotedIpv4(Quote(kIpProtoIcmp, 8))));
  EXPECT_TRUE(PortsOf(*ParseQuotedIpv4(Quote(kIpProtoUdp, 8, kIpv4MoreFragments))));
  EXPECT_TRUE(PortsOf(*ParseQuotedIpv4(Quote(kIpProtoTcp, 8))));
}

TEST(WireIcmp, TimestampsAndMasks) {
  const auto query = Message({.type = kIcmpTimestampReply}, {0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3});
  const auto times = ParseIcmp(query)->timestamps();
  ASSERT_NE(times, nullptr);
  EXPECT_EQ(times->originate_ms, 1U);
  EXPECT_EQ(times->transmit_ms, 3U);
  EXPECT_EQ(ParseIcmp(std::span(query).first(19))->timestamps(), nullptr);
  EXPECT_EQ(ParseIcmp(query)->address_mask(), std::nullopt);
  const auto mask = Message({.type = kIcmpAddressMaskReply}, {255, 0, 0, 0});
  EXPECT_EQ(ParseIcmp(mask)->address_mask(), Ipv4Address(255, 0, 0, 0));
  EXPECT_EQ(ParseIcmp(mask)->timestamps(), nullptr);
  EXPECT_EQ(ParseIcmp(std::span(mask).first(11))->address_mask(), std::nullopt);
}

TEST(WireIcmp, AnyBytesParseAndPrint) {
  ForRandomBytes(1, 30000, 80, {3, 3, 0, 0, 0, 0, 0, 0, 0x45, 0}, [](std::span<uint8_t> bytes) {
    const auto view = ParseIcmp(bytes);
    if (!view) return;
    EXPECT_FALSE(ToString(*view).empty());
    Bytes again(8);
    ASSERT_EQ(EmitIcmp(again, *view->header), 8U);
    EXPECT_EQ(again, ToBytes(bytes.first(8)));
    FillIcmpChecksum(bytes);
    EXPECT_TRUE(IcmpChecksumOk(bytes));
  });
}

}  // namespace
}  // namespace tapedeck::wire
