// Packets in the text spelling: what they say, that they print as they are written, and what is
// said about mistakes.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "replay/script/text.h"

namespace tapedeck {
namespace {

Script Parse(std::string_view text) {
  absl::StatusOr<Script> script = ParseScript(text, "test");
  EXPECT_TRUE(script.ok()) << script.status() << "\n" << text;
  return script.ok() ? *std::move(script) : Script();
}

PacketStep PacketOf(std::string_view packet) {
  const Script script = Parse("0 " + std::string(packet));
  if (script.steps.size() != 1) return {};
  return std::get<PacketStep>(script.steps[0].what);
}

TcpPacket TcpOf(std::string_view packet) { return std::get<TcpPacket>(PacketOf(packet).what); }

std::string ErrorOf(std::string_view text) {
  const absl::StatusOr<Script> script = ParseScript(text, "test");
  return script.ok() ? "no error" : std::string(script.status().message());
}

TEST(ScriptPacket, PrintsAsItIsWritten) {
  for (const char* packet : {
           "< S 0:0(0) win 32792 <mss 1460,sackOK,nop,nop,nop,wscale 7>",
           "> S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 8>",
           "> S. 0:0(0) ack 1 <...>",
           "< . 1:1(0) ack 10001 win 257 <sack 1:1001 2001:3001,nop,nop>",
           "> P. 1:101(100) ack 1 win 256 <nop,nop,TS val 100 ecr 4294967295>",
           "> FP. 1:2(1) ack 4294967295",
           "< R. 1:1(0) win 0",
           "< - 1:1(0) win 0",
           "< 8080 > 40000 U. 5:6(1) ack 1 win 100 urg 5",
           "< [ect0] SEWA 0:0(0) win 100 <mss 1460,FO 3021b9d889017eeb,nop,nop>",
           "> [noecn] SW. 0:0(0) ack 1 <mss 1460,ECN e1b 1 ceb 0 e0b 1,nop,FO,nop,nop>",
           "> [ect01] P.5 1:1(0) ack 1 <ECN e0b 1 ceb 16777215,nop,nop,nop,nop>",
           "< [tos 0xb9, ttl 64, flowlabel 0x12345] . 1:1(0) ack 1 win 100",
           "< . 1:1(0) ack 1 win 1 <md5 00112233445566778899aabbccddeeff,nop,nop>",
           "< S 0:0(0) win 1 <FOEXP a0b1c2d3,kind 76 0102,eol,nop,nop,nop>",
           "> udp (1400)",
           "< udp 53 > 8080 (5)",
           "< icmp unreachable",
           "< icmp unreachable frag_needed mtu 1200 [1:1001(1000)]",
           "< icmp packet_too_big mtu 100000 [udp (100)]",
           "< icmp type_3 code_9 [raw (8)]",
           "> icmp echo_request id 77",
           "< ipv4 [ce] 192.0.2.1 > 192.0.2.2: gre: . 1:1(0) ack 1 win 1",
           "< ipv6 2001:db8::1 > 2001:db8::2: gre flags 0xb000 sum 0x1 off 0x0 key 0x5 seq 0x9: "
           "udp (1)",
           "> ipv4 10.0.0.1 > 10.0.0.2: mpls (label 16, tc 7, ttl 64) (label 17, tc 0, [S], ttl "
           "1): "
           "udp (1)",
       }) {
    EXPECT_EQ(PrintPacket(PacketOf(packet)), packet);
  }
}

TEST(ScriptPacket, FlagsAndTheAceField) {
  EXPECT_EQ(TcpOf("> S. 0:0(0) ack 1").flags, kTcpSyn | kTcpAck);
  EXPECT_EQ(TcpOf("> FRPU 0:0(0)").flags, kTcpFin | kTcpRst | kTcpPsh | kTcpUrg);
  EXPECT_EQ(TcpOf("> - 0:0(0)").flags, 0);
  const TcpPacket ace = TcpOf("> P5. 0:0(0)");
  EXPECT_TRUE(ace.ace);
  EXPECT_EQ(ace.flags, kTcpPsh | kTcpAck | kTcpAe | kTcpEce);
  EXPECT_EQ(TcpOf("> .2 0:0(0)").flags, kTcpAck | kTcpCwr);
  EXPECT_TRUE(TcpOf("> .0 0:0(0)").ace);
}

TEST(ScriptPacket, NumbersWrapAt32Bits) {
  const TcpPacket tcp = TcpOf("> . 4294967295:9(10)");
  EXPECT_EQ(tcp.sequence, 4294967295U);
  EXPECT_EQ(tcp.payload_bytes, 10);
}

TEST(ScriptPacket, OptionsAreTheirBytes) {
  const TcpPacket tcp = TcpOf("> . 0:0(0) <mss 1460,nop,wscale 7,TS val 1 ecr 2,FOEXP aabb>");
  ASSERT_TRUE(tcp.options.has_value());
  const std::vector<uint8_t> bytes = {2, 4, 5, 0xb4, 1, 3, 3,   7, 8,    10,   0,    0,
                                      0, 1, 0, 0,    0, 2, 254, 6, 0xf9, 0x89, 0xaa, 0xbb};
  EXPECT_EQ(TcpOptionBytes(*tcp.options), bytes);
  EXPECT_EQ(ParseTcpOptions(bytes.data(), bytes.size()), *tcp.options);
  EXPECT_EQ((*tcp.options)[3].U32(4), 2U);
}

TEST(ScriptPacket, OptionsThatDoNotHoldTogetherAreOneLast) {
  const std::vector<uint8_t> bytes = {1, 8, 10, 0, 0};
  const std::vector<TcpOption> options = ParseTcpOptions(bytes.data(), bytes.size());
  ASSERT_EQ(options.size(), 2U);
  EXPECT_EQ(options[1].kind, 8);
  EXPECT_EQ(options[1].data, (std::vector<uint8_t>{10, 0, 0}));
  PacketStep packet;
  packet.what.emplace<TcpPacket>().options = options;
  EXPECT_EQ(PrintPacket(packet), "< - 0:0(0) <nop,kind 8 0a0000>");
}

TEST(ScriptPacket, IcmpNamesAreResolvedByFamily) {
  const auto numbers = [](std::string_view packet, AddressFamily family) {
    const absl::StatusOr<IcmpNumbers> found =
        ResolveIcmp(std::get<IcmpPacket>(PacketOf(packet).what), family);
    return found.ok() ? found->type * 256 + found->code : -1;
  };
  EXPECT_EQ(numbers("< icmp unreachable port_unreachable", AddressFamily::kIpv4), 0x303);
  EXPECT_EQ(numbers("< icmp unreachable port_unreachable", AddressFamily::kIpv6), 0x104);
  EXPECT_EQ(numbers("< icmp packet_too_big mtu 1280", AddressFamily::kIpv6), 0x200);
  EXPECT_EQ(numbers("< icmp packet_too_big mtu 1280", AddressFamily::kIpv4), -1);
  EXPECT_EQ(numbers("< icmp type_11 code_1", AddressFamily::kIpv4), 0xb01);
}

TEST(ScriptPacket, TimesMayBeOpen) {
  const Script script = Parse(
      "0 > . 1:1(0)\n* > . 1:1(0)\n+.1~+.2 > . 1:1(0)\n0.3~0.4 > . 1:1(0)\n0.5 < . 1:1(0) win 1\n");
  EXPECT_EQ(script.steps[1].base, TimeBase::kAny);
  EXPECT_EQ(script.steps[2].base, TimeBase::kStepBefore);
  EXPECT_EQ(script.steps[2].range, Duration::Milliseconds(100));
  EXPECT_EQ(script.steps[3].base, TimeBase::kStart);
  EXPECT_EQ(script.steps[3].delay, Duration::Milliseconds(300));
  EXPECT_EQ(script.steps[3].range, Duration::Milliseconds(100));
  EXPECT_EQ(script.steps[4].base, TimeBase::kStart);
  EXPECT_EQ(PrintScript(script),
            "+0 > . 1:1(0)\n* > . 1:1(0)\n+0.1~+0.2 > . 1:1(0)\n0.3~0.4 > . 1:1(0)\n"
            "0.5 < . 1:1(0) win 1\n");
}

TEST(ScriptPacket, SaysWhatIsWrongAndWhere) {
  const struct {
    std::string_view text;
    std::string_view message;
  } mistakes[] = {
      {"0 < X 0:0(0) win 0",
       "test:1:5: expected TCP flags (of FSRPEWAU. or -, or a number 0..7 for EWA), found 'X'"},
      {"0 < E5 0:0(0) win 0",
       "test:1:5: expected TCP flags (of FSRPEWAU. or -, or a number 0..7 for EWA), found 'E5'"},
      {"0 < . 1:1(5) win 0", "test:1:7: expected 1:6(5), found 1:1(5)"},
      {"0 < . 1:1(0) ack 1",
       "test:1:19: expected 'win' of a packet that is sent to the stack, "
       "found the end of the text"},
      {"0 < . 1:1(0) win 65536", "test:1:18: expected a window in 0..65535, found '65536'"},
      {"0 < . 1:70001(70000) win 0",
       "test:1:15: expected a payload's length in 0..65535, found "
       "'70000'"},
      {"0 < . 1:1(0) win 0 <...>",
       "test:1:21: expected TCP options of a packet that is sent to "
       "the stack, found '...'"},
      {"0 > . 1:1(0) <wscale 7>", "test:1:15: 3 bytes of TCP options, not a multiple of 4"},
      {"0 > . 1:1(0) <sack 1:2 3:4 5:6 7:8,TS val 1 ecr 2>",
       "test:1:15: 44 bytes of TCP options, at most 40"},
      {"0 > . 1:1(0) <mss 1460", "test:1:23: expected ',' or '>', found the end of the text"},
      {"0 > . 1:1(0) <window 5>", "test:1:15: expected a TCP option, found 'window'"},
      {"0 > . 1:1(0) <FO abc>", "test:1:18: expected pairs of hexadecimal digits, found 'abc'"},
      {"0 > . 1:1(0) <ECN e0b 1 e1b 2>",
       "test:1:25: expected e0b, ceb, e1b or e1b, ceb, e0b, found 'e1b'"},
      {"0 < [ect01] . 1:1(0) win 0",
       "test:1:6: expected the ECN bits of a packet that is sent to "
       "the stack, found 'ect01'"},
      {"0 > [ecn] . 1:1(0)",
       "test:1:6: expected noecn, ect0, ect1, ect01, ce, tos, ttl or flowlabel, found 'ecn'"},
      {"0 < icmp unreachable nowhere", "test:1:10: 'unreachable nowhere' is no message of ICMP"},
      {"0 < icmp unreachable mtu 5", "test:1:10: an MTU belongs to 'unreachable frag_needed' only"},
      {"0 < ipv4 10.0.0.1 > 10.0.0.2 udp (1)",
       "test:1:21: expected an IPv4 address and ':', found '10.0.0.2'"},
      {"0 < encap psp spi 5 . 1:1(0)", "test:1:5: PSP encapsulation is not known here"},
      {"0~1 < . 1:1(0) win 0", "test:1:1: '*' and '~' are for packets that the stack sends"},
      {"+1~+0.5 > . 1:1(0)", "test:1:1: a range that ends before it begins"},
      {"0...1 > . 1:1(0)", "test:1:7: expected a system call, found '>'"},
  };
  for (const auto& mistake : mistakes) {
    EXPECT_EQ(ErrorOf(mistake.text), mistake.message) << mistake.text;
  }
}

}  // namespace
}  // namespace tapedeck
