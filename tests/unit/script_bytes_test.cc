// The bytes spelling: what records mean, that any bytes mean something, and that of all bytes that
// mean the same one spelling is written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "replay/script/addresses.h"
#include "replay/script/argument_bytes.h"
#include "replay/script/bytes.h"
#include "replay/script/text.h"
#include "stack/base/prng.h"
#include "stack/wire/describe.h"
#include "stack/wire/frame_builder.h"
#include "stack/wire/ipv4.h"

namespace tapedeck {
namespace {

using ::testing::HasSubstr;

using Bytes = std::vector<uint8_t>;

Script Decode(std::initializer_list<uint8_t> bytes) { return DecodeScript(Bytes(bytes)); }

std::string TextOf(std::initializer_list<uint8_t> bytes) { return PrintScript(Decode(bytes)); }

Bytes Encode(const Script& script) {
  absl::StatusOr<Bytes> bytes = EncodeScript(script);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.ok() ? *std::move(bytes) : Bytes();
}

Script Parse(std::string_view text) {
  absl::StatusOr<Script> script = ParseScript(text, "test");
  EXPECT_TRUE(script.ok()) << script.status();
  return script.ok() ? *std::move(script) : Script();
}

Bytes EncodeText(std::string_view text) { return Encode(Parse(text)); }

const FrameStep& FrameOf(const Script& script, size_t i) {
  return std::get<FrameStep>(script.steps.at(i).what);
}

std::string Describe(const Script& script, size_t i) {
  return wire::DescribeFrame(FrameOf(script, i).bytes);
}

// --- Segments ---

TEST(ScriptBytes, SegmentOfZerosIsAnAcknowledgement) {
  EXPECT_EQ(TextOf({0x06}), "+0 segment 0 ACK\n");
  EXPECT_EQ(TextOf({0x06, 0, 0, 2}), "+0 segment 0 SYN\n");
}

TEST(ScriptBytes, SegmentKeepsEveryField) {
  const char* const text =
      "+1ms segment 3 PSH|ACK v6 seq -7 ack 12 win 12345 len 77 urg 3 mss 999 wscale 9 sackok ts "
      "-5 "
      "600 sack 10 20 sack -1 99 options { 7e7d00 } wrong tcp_checksum|length\n";
  const Script script = Parse(text);
  EXPECT_EQ(DecodeScript(Encode(script)), script);
  EXPECT_EQ(PrintScript(Parse(PrintScript(script))), PrintScript(script));
  EXPECT_EQ(script, Parse(PrintScript(script)));
}

TEST(ScriptBytes, SegmentErrorsNameTheirPlace) {
  EXPECT_THAT(ParseScript("+0 segment 16 ACK", "x").status().message(), HasSubstr("x:1:12: "));
  EXPECT_THAT(ParseScript("+0 segment 0 ACK len 9000", "x").status().message(),
              HasSubstr("a length"));
  EXPECT_THAT(ParseScript("+0 segment 0 ACK sack 0 1 sack 0 1 sack 0 1 sack 0 1 sack 0 1", "x")
                  .status()
                  .message(),
              HasSubstr("more than four SACK blocks"));
  EXPECT_THAT(ParseScript("+0 segment 0 ACK options { 123 }", "x").status().message(),
              HasSubstr("pairs of hexadecimal digits"));
}

// --- Records ---

TEST(ScriptBytes, WorkedExample) {
  const Bytes bytes = {0x10, 0x7e, 0x11, 0x7e, 0x02, 0x61, 0x00, 0x00, 0x00,
                       0x01, 0x00, 0x07, 0x7e, 0x14, 0x00, 0x00, 0x06, 0x7e};
  const Script script = DecodeScript(bytes);
  ASSERT_EQ(script.steps.size(), 4U);
  EXPECT_EQ(PrintStep(script.steps[0]), "+0 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 3?");
  EXPECT_EQ(PrintStep(script.steps[1]), "+0 bind(3, ..., ...) = ?");
  EXPECT_EQ(script.steps[2].delay, Duration::Milliseconds(1));
  EXPECT_EQ(Describe(script, 2), "IP 192.0.2.101.53 > 192.0.2.1.8080: UDP, length 100");
  EXPECT_EQ(PrintStep(script.steps[3]), "+0 recvfrom(3, ..., 100, 0, ..., ...) = ?");
  EXPECT_EQ(Encode(script), bytes);
}

TEST(ScriptBytes, EmptyRecordsAndUnknownOperationsAreNothing) {
  EXPECT_TRUE(Decode({}).steps.empty());
  EXPECT_TRUE(Decode({0x7e, 0x7e, 0x7e}).steps.empty());
  EXPECT_TRUE(Decode({0x5f, 1, 2, 3, 0x7e, 0x0f, 0x7e, 0x1b, 0x7e, 0x7f, 0x7e}).steps.empty());
  EXPECT_EQ(TextOf({0x00}), "+0 pause\n");
}

TEST(ScriptBytes, RecordsResynchronise) {
  // The first record breaks off within an operand that is spelled out, and at an escape.
  EXPECT_EQ(TextOf({0x16, 0x00, 0xf0, 0x01, 0x7e, 0x16, 0x7e}),
            "+0 close(0) = ?\n+0 close(3) = ?\n");
  EXPECT_EQ(TextOf({0x16, 0x00, 0x7d, 0x7e, 0x16, 0x00, 0x01}),
            "+0 close(3) = ?\n+0 close(4) = ?\n");
}

TEST(ScriptBytes, SuperfluousOperandsAreIgnored) {
  EXPECT_EQ(Decode({0x16, 0x00, 0x01, 0x00, 9, 9, 9, 9, 0x7e}), Decode({0x16, 0x00, 0x01}));
}

TEST(ScriptBytes, Hosts) {
  EXPECT_EQ(TextOf({0x80, 0x02, 0x7e}), "+0 host 2: pause\n");
  EXPECT_EQ(TextOf({0x80, 0x12, 0x7e}), "+0 host 2 nic 1: pause\n");
  EXPECT_EQ(Encode(Decode({0x80, 0x00})), (Bytes{0x00, 0x7e}));
}

TEST(ScriptBytes, Delays) {
  const auto delay = [](std::initializer_list<uint8_t> operand) {
    Bytes bytes = {0x00};
    bytes.insert(bytes.end(), operand);
    return DecodeScript(bytes).steps.at(0).delay;
  };
  EXPECT_EQ(delay({0x00}), Duration());
  EXPECT_EQ(delay({0x01}), Duration::Nanoseconds(1));
  EXPECT_EQ(delay({0x4f}), Duration::Microseconds(150));
  EXPECT_EQ(delay({0x74}), Duration::Milliseconds(40));   // delayed ACK
  EXPECT_EQ(delay({0x82}), Duration::Milliseconds(200));  // shortest RTO
  EXPECT_EQ(delay({0xa6}), Duration::Seconds(60));        // TIME_WAIT
  EXPECT_EQ(delay({0xef}), Duration::Seconds(1'500'000));
  EXPECT_EQ(delay({0xf0, 0x01}), Duration::Picoseconds(1));
  EXPECT_EQ(delay({0xff, 0x00, 0x01}), Duration::Picoseconds(256));
}

TEST(ScriptBytes, DelaysAreSpelledOneWay) {
  EXPECT_EQ(EncodeText("+10ns"), (Bytes{0x00, 0x11, 0x7e}));
  EXPECT_EQ(EncodeText("+200ms"), (Bytes{0x00, 0x82, 0x7e}));
  EXPECT_EQ(EncodeText("+16us"), (Bytes{0x00, 0xf0, 0x00, 0x24, 0xf4, 0x7e}));
  EXPECT_EQ(EncodeText("+1ps"), (Bytes{0x00, 0xf0, 0x01, 0x7e}));
}

TEST(ScriptBytes, DurationIsBounded) {
  Bytes bytes;
  for (int i = 0; i < 10; ++i) bytes.insert(bytes.end(), {0x00, 0xef, 0x7e});
  const Script script = DecodeScript(bytes);
  ASSERT_EQ(script.steps.size(), 10U);
  EXPECT_TRUE(ValidateScript(script).ok());
  EXPECT_EQ(DecodeScript(Encode(script)), script);
}

TEST(ScriptBytes, MarksWithinARecordAreEscaped) {
  EXPECT_EQ(EncodeText("0 frame { 7e 7d 00 }"),
            (Bytes{0x01, 0x00, 0x00, 0x7d, 0x5e, 0x7d, 0x5d, 0x00, 0x7e}));
  EXPECT_EQ(FrameOf(Decode({0x01, 0x00, 0x00, 0x7d, 0x5e, 0x7d, 0x20}), 0).bytes,
            (Bytes{0x7e, 0x00}));
}

TEST(ScriptBytes, OneByteFlippedChangesOneStep) {
  const Script script = Parse(
      "0 socket(AF_INET, SOCK_DGRAM, 0) = 3 +1ms bind(3, ..., ...) = 0 +1ms frame { 0102 0304 }"
      "+1ms close(3) = 0");
  const Bytes bytes = Encode(script);
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes flipped = bytes;
      flipped[i] ^= static_cast<uint8_t>(1 << bit);
      const Script other = DecodeScript(flipped);
      // A record can vanish, be cut in two, or be joined to the next; the others stay as they are.
      size_t front = 0;
      size_t back = 0;
      const auto& a = script.steps;
      const auto& b = other.steps;
      while (front < std::min(a.size(), b.size()) && a[front] == b[front]) ++front;
      while (front + back < std::min(a.size(), b.size()) &&
             a[a.size() - 1 - back] == b[b.size() - 1 - back]) {
        ++back;
      }
      EXPECT_GE(front + back + 2, a.size()) << "byte " << i << ", bit " << bit;
    }
  }
}

// --- Calls ---

TEST(ScriptBytes, CallsInText) {
  EXPECT_EQ(TextOf({0x10, 0x00, 0x01, 0x02, 0x03, 0x06, 0x01}),
            "+0 socket(AF_INET6, SOCK_DGRAM|SOCK_NONBLOCK, IPPROTO_UDPLITE) = 4\n");
  EXPECT_EQ(TextOf({0x12, 0x00, 0x00, 0x02, 0x01, 0x01, 0x02}),
            "+0 connect(3, {sa_family=AF_INET, sin_port=htons(53), "
            "sin_addr=inet_addr(\"192.0.2.101\")}, 16) = -1 EAGAIN\n");
  EXPECT_EQ(TextOf({0x13, 0x00, 0xf0, 0x00, 0x00, 0x0e, 0x01, 0x81, 0x01, 0x01}),
            "+0 sendto(-1, ..., 65507, MSG_DONTWAIT, NULL, 16) = 0\n");
  EXPECT_EQ(TextOf({0x14, 0x00, 0x00, 0x06, 0x00, 0x01, 0x04, 0x82}),
            "+0...0.2 recvfrom(3, ..., 100, 0, NULL, 0) = ?\n");
  EXPECT_EQ(
      TextOf({0x15, 0x00, 0x02, 0x00, 0x00, 0x01, 0x00, 0x01, 0x01, 0x00, 0x01}),
      "+0 poll([{fd=3, events=POLLIN, revents=POLLIN}, {fd=4, events=POLLOUT, revents=?}], 2, "
      "-1) = ?\n");
  EXPECT_EQ(TextOf({0x16, 0x00, 0x07, 0x02, 0x02}), "+0 close(10) = -1 EBADF\n");
}

TEST(ScriptBytes, CallsOfStreamSocketsInText) {
  EXPECT_EQ(TextOf({0x17}), "+0 listen(3, 1) = ?\n");
  EXPECT_EQ(TextOf({0x18, 0x00, 0x01}), "+0 accept(3, ..., ...) = 4?\n");
  EXPECT_EQ(TextOf({0x1a, 0x00, 0x01, 0x06, 0x01, 0x05}), "+0 read(4, ..., 100) = 100\n");
  EXPECT_EQ(TextOf({0x20, 0x00, 0x01, 0x06, 0x07}), "+0 send(4, ..., 100, MSG_OOB) = ?\n");
  EXPECT_EQ(TextOf({0x24, 0x00, 0x01}), "+0 shutdown(4, 1) = ?\n");
  EXPECT_EQ(TextOf({0x26, 0x00, 0x00, 0x03}),
            "+0 setsockopt(3, SOL_TCP, TCP_NODELAY, [1], 4) = ?\n");
  EXPECT_EQ(EncodeText("0 setsockopt(3, SOL_TCP, TCP_NODELAY, [1], 4) = ?"),
            (Bytes{0x26, 0x00, 0x00, 0x03, 0x7e}));
  EXPECT_EQ(TextOf({0x25}), "");  // getsockopt has no operands
}

TEST(ScriptBytes, EverySocketOptionOfANumberHasOperands) {
  for (const SocketOption& option : SocketOptions()) {
    const std::string text = "0 setsockopt(3, " + std::string(option.level) + ", " +
                             std::string(option.name) + ", [1], 4) = ?";
    const Bytes bytes = EncodeText(text);
    EXPECT_LE(bytes.size(), 5U) << text;
    EXPECT_EQ(DecodeScript(bytes), Parse(text)) << text;
  }
}

TEST(ScriptBytes, WhatHasNoOperationIsSpelledAsText) {
  const std::string text =
      "--mss=1000\n"
      "`sysctl -q net.ipv4.tcp_ecn=1`\n"
      "+0 < S 0:0(0) win 1000 <mss 1460,sackOK,nop,nop>\n"
      "* > S. 0:0(0) ack 1 <...>\n"
      "0.5 close(3) = 0\n"
      "+0.1~+0.2 > [ect0] P.5 1:101(100) ack 1\n"
      "+0 %{ assert tcpi_snd_cwnd == 10, 'cwnd=%d' % tcpi_snd_cwnd\n"
      "   cwnd += 1 }%\n"
      "+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n"
      "+0 close(3) = 0\n"
      "`/tmp/sysctl_restore_${PPID}.sh`\n";
  const Bytes bytes = EncodeText(text);
  const Script script = DecodeScript(bytes);
  EXPECT_EQ(PrintScript(script), text);
  EXPECT_EQ(Encode(script), bytes);
}

// Texts that a mutation has spoilt are skipped, or mean something that has its bytes.
TEST(ScriptBytes, SpoiltTextsAreSkippedOrWellFormed) {
  const Bytes good = EncodeText(
      "`tc qdisc delete dev tun0 root; sysctl -q net.ipv4.tcp_rmem=\"1 $((2*3)) 4\"`\n"
      "+0 < icmp unreachable frag_needed mtu 1200 [1:11(10)]\n"
      "+0.5 < ipv4 10.0.0.1 > 10.0.0.2: gre: udp (5)\n"
      "+0 > . 1:1(0) ack 1 win 5 <nop,nop,sack 1:2,TS val 1 ecr 2,ECN e0b 1 ceb 2,nop,nop>\n"
      "+0 recvmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 5}], msg_flags=0}, 0) = 5\n"
      "0.9 %{ assert (a | 1) != -b, (a, 'x') }%\n");
  Prng prng(3, 0);
  size_t steps = 0;
  for (int i = 0; i < 3'000; ++i) {
    Bytes bytes = good;
    for (uint32_t j = 1 + prng.Below(3); j != 0; --j) {
      const size_t at = prng.Below(static_cast<uint32_t>(bytes.size()));
      const size_t from = prng.Below(static_cast<uint32_t>(bytes.size()));
      bytes[at] = prng.Below(2) == 0 ? bytes[from] : static_cast<uint8_t>(prng.Next32());
    }
    const Script script = DecodeScript(bytes);
    ASSERT_TRUE(ValidateScript(script).ok()) << testing::PrintToString(bytes);
    const Bytes canonical = Encode(script);
    ASSERT_EQ(DecodeScript(canonical), script) << PrintScript(script);
    ASSERT_EQ(Encode(DecodeScript(canonical)), canonical) << PrintScript(script);
    steps += script.steps.size();
  }
  EXPECT_GT(steps, 6'000U);
}

TEST(ScriptBytes, SpelledOutValues) {
  for (const char* text : {
           "+0 socket(AF_PACKET, 15, 12345) = 1023\n",
           "+0 bind(-1, {sa_family=AF_INET, sin_port=htons(4711), "
           "sin_addr=inet_addr(\"8.8.8.8\")}, "
           "17) = -1 ENOTBLK\n",
           "+0 connect(1000, {sa_family=AF_INET6, sin_port=htons(1), "
           "sin_addr=inet_addr(\"2001:db8::1\")}, 28) = -1\n",
           "+0 sendto(5, ..., 123456, 0x200, ..., 99) = 2147483647\n",
           "+0 poll([], 0, 12345) = 7\n",
           "+0 host 15: close(99) = ?\n",
           "+0.000000000123...2 close(3) = -1 E4000\n",
       }) {
    EXPECT_EQ(PrintScript(DecodeScript(EncodeText(text))), text);
  }
}

// --- Frames ---

TEST(ScriptBytes, TemplatesBuildGoodFrames) {
  EXPECT_EQ(Describe(Decode({0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x02}), 0),
            "IP 192.0.2.101.53 > 192.0.2.1.8080: UDP, length 8");
  EXPECT_EQ(Describe(Decode({0x03}), 0),
            "ARP, Request who-has 192.0.2.1 tell 192.0.2.101, length 28");
  EXPECT_EQ(Describe(Decode({0x03, 0x00, 0x00, 0x01}), 0),
            "ARP, Reply 192.0.2.101 is-at 02:00:00:00:01:01, length 28");
  EXPECT_EQ(Describe(Decode({0x04, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 6}), 0),
            "IP 192.0.2.101 > 192.0.2.1: ICMP echo request, id 1, seq 2, length 64");
  EXPECT_EQ(Describe(Decode({0x05, 0, 0, 0, 0, 3, 0}), 0),
            "IP 192.0.2.101 > 192.0.2.1: igmp [truncated]");
}

TEST(ScriptBytes, TemplatesReachTheirHost) {
  const Script script = Decode({0x82, 0x03, 0x00, 0x00, 0x00, 0x00});
  EXPECT_EQ(Describe(script, 0), "IP 192.0.2.101.8080 > 192.0.2.4.8080: UDP, length 0");
  const MacAddress dest(std::span<const uint8_t, 6>(FrameOf(script, 0).bytes.data(), 6));
  EXPECT_EQ(dest, HostMac(3));
}

TEST(ScriptBytes, FrameFlags) {
  const Script script = Decode({0x01, 0x00, 0x03, 0xaa});
  EXPECT_TRUE(FrameOf(script, 0).bad_fcs);
  EXPECT_TRUE(FrameOf(script, 0).repair_checksums);
  EXPECT_EQ(FrameOf(script, 0).bytes, Bytes{0xaa});
}

TEST(ScriptBytes, EveryVariationIsItsOwnFrame) {
  std::vector<Bytes> frames;
  for (uint8_t variation = 0; variation < 0x20; ++variation) {
    const Script script =
        DecodeScript(Bytes{0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x02, 0x05, variation});
    ASSERT_EQ(DecodeScript(Encode(script)), script);
    frames.push_back(FrameOf(script, 0).bytes);
  }
  std::sort(frames.begin(), frames.end());
  EXPECT_EQ(std::unique(frames.begin(), frames.end()), frames.end());
}

TEST(ScriptBytes, FramesThatATemplateFitsAreShort) {
  uint8_t buffer[1514];
  const auto frame = wire::FrameBuilder(buffer)
                         .Ethernet(HostMac(0), PeerMac(0))
                         .Ipv4({.ttl = 64, .saddr = PeerIpv4(0), .daddr = HostIpv4(0)})
                         .Udp({.source = uint16_t{40000}, .dest = uint16_t{53}})
                         .CountingPayload(1000)
                         .Build();
  Script script;
  script.steps.push_back(
      {.delay = Duration(), .what = FrameStep{Bytes(frame.begin(), frame.end())}});
  EXPECT_EQ(Encode(script).size(), 15U);
  // One byte of the payload differs: spelled as an IPv4 packet. One of the header: raw.
  FrameStep& step = std::get<FrameStep>(script.steps[0].what);
  step.bytes[500] ^= 1;
  EXPECT_EQ(Encode(script)[0], 0x05);
  EXPECT_EQ(DecodeScript(Encode(script)), script);
  step.bytes[15] ^= 1;
  EXPECT_EQ(Encode(script)[0], 0x01);
  EXPECT_EQ(DecodeScript(Encode(script)), script);
}

TEST(ScriptBytes, FrameBytesAreBounded) {
  Bytes bytes = {0x01, 0x00, 0x00};
  bytes.insert(bytes.end(), 20'000, 0x55);
  EXPECT_EQ(FrameOf(DecodeScript(bytes), 0).bytes.size(), kFrameBytesMax);
  // 16 KiB from six bytes, 200 times; the bound leaves room for 64 of them and a small one.
  Bytes amplified;
  for (int i = 0; i < 200; ++i)
    amplified.insert(amplified.end(), {0x02, 0, 0, 0, 0, 0, 0, 16, 0x7e});
  amplified.insert(amplified.end(), {0x00, 0x7e});
  const Script script = DecodeScript(amplified);
  EXPECT_EQ(script.steps.size(), 65U);
  EXPECT_EQ(DecodeScript(Encode(script)), script);
}

TEST(ScriptBytes, StepsAreBounded) {
  Bytes bytes;
  for (size_t i = 0; i < 2 * kDecodedStepsMax; ++i) bytes.insert(bytes.end(), {0x00, 0x7e});
  EXPECT_EQ(DecodeScript(bytes).steps.size(), kDecodedStepsMax);
}

TEST(ScriptBytes, WhatIsBeyondTheBoundsIsRefused) {
  Script script;
  script.steps.resize(kDecodedStepsMax + 1);
  EXPECT_EQ(EncodeScript(script).status().message(),
            "4097 steps; the bytes spelling has at most 4096");
  script.steps.resize(65);
  for (Step& step : script.steps) step.what = FrameStep{Bytes(kFrameBytesMax)};
  EXPECT_EQ(EncodeScript(script).status().message(),
            "1064960 bytes of frames; the bytes spelling has at most 1048576");
}

// --- Any bytes ---

// Bytes of which some look like records.
Bytes RandomBytes(Prng& prng) {
  Bytes bytes(prng.Below(80));
  const uint32_t style = prng.Below(4);
  for (uint8_t& byte : bytes) {
    byte = static_cast<uint8_t>(prng.Next32());
    if (style > 0 && prng.Below(8) == 0) byte = 0x7e;
    if (style > 1 && prng.Below(2) == 0) byte &= 0x1f;
    if (style > 2 && prng.Below(16) == 0) byte = static_cast<uint8_t>(0xf0 | (byte & 0x0f));
    if (style > 2 && prng.Below(32) == 0) byte = 0x7d;
  }
  return bytes;
}

TEST(ScriptBytes, AnyBytesDecodeAndEncodingIsCanonical) {
  Prng prng(1, 0);
  size_t steps = 0;
  for (int i = 0; i < 25'000; ++i) {
    const Bytes bytes = RandomBytes(prng);
    const Script script = DecodeScript(bytes);
    const absl::Status valid = ValidateScript(script);
    ASSERT_TRUE(valid.ok()) << valid << testing::PrintToString(bytes);
    const Bytes canonical = Encode(script);
    ASSERT_EQ(DecodeScript(canonical), script) << testing::PrintToString(bytes);
    ASSERT_EQ(Encode(DecodeScript(canonical)), canonical);
    steps += script.steps.size();
  }
  EXPECT_GT(steps, 12'500U);
}

TEST(ScriptBytes, TextToBytesToTextKeepsAll) {
  Prng prng(2, 0);
  for (int i = 0; i < 5'000; ++i) {
    const std::string text = PrintScript(DecodeScript(RandomBytes(prng)));
    ASSERT_EQ(PrintScript(DecodeScript(EncodeText(text))), text);
  }
}

// --- Well-formedness ---

TEST(ScriptValidation, NamesTheStep) {
  Script script;
  script.steps.resize(2);
  EXPECT_TRUE(ValidateScript(script).ok());
  script.steps[1].host = 16;
  EXPECT_EQ(ValidateScript(script).message(), "step 2: host 16 is not in 0..15");
}

std::string ErrorOf(const Step& step) { return std::string(ValidateStep(step).message()); }

// A step that the text spells, to be spoilt.
Step StepOf(std::string_view text) { return Parse(text).steps.at(0); }

SyscallStep& CallOf(Step& step) { return std::get<SyscallStep>(step.what); }
PacketStep& PacketOf(Step& step) { return std::get<PacketStep>(step.what); }

TEST(ScriptValidation, BoundsOfFramesAndCalls) {
  EXPECT_EQ(ErrorOf({.delay = Duration(), .what = FrameStep{Bytes(16'385)}}),
            "a frame of 16385 bytes, at most 16384");
  Step close = StepOf("0 close(3) = 0");
  CallOf(close).arguments[0].value = 1024;
  EXPECT_EQ(ErrorOf(close), "argument 1 of close is not a descriptor in -1..1023");
  CallOf(close).arguments.clear();
  EXPECT_EQ(ErrorOf(close), "0 arguments of close");
  Step failing = StepOf("0 close(3) = 0");
  CallOf(failing).expected_errno = 9;
  EXPECT_EQ(ErrorOf(failing), "an errno without a result of -1");
  CallOf(failing).expected = -1;
  EXPECT_EQ(ErrorOf(failing), "");
  CallOf(failing).expected_errno = 5000;
  EXPECT_EQ(ErrorOf(failing), "errno 5000 is not in 1..4095");
  Step named = StepOf("0 socket(2, 2, 0) = 4");
  CallOf(named).expected = 3;
  EXPECT_EQ(ErrorOf(named), "socket returns 3 but is called 4");
  Step unnamed = StepOf("0 close(3) = 0");
  CallOf(unnamed).fd = 3;
  EXPECT_EQ(ErrorOf(unnamed), "a call that makes no descriptor");
}

TEST(ScriptValidation, BoundsOfPackets) {
  Step packet = StepOf("0 > . 1:1(0) ack 1 <...>");
  EXPECT_EQ(ErrorOf(packet), "");
  PacketOf(packet).direction = PacketStep::Direction::kInbound;
  EXPECT_EQ(ErrorOf(packet), "no window of a packet that is sent to the stack");
  std::get<TcpPacket>(PacketOf(packet).what).window = 100;
  EXPECT_EQ(ErrorOf(packet), "no TCP options of a packet that is sent to the stack");
  std::get<TcpPacket>(PacketOf(packet).what).options.emplace(3, TcpOption());
  EXPECT_EQ(ErrorOf(packet), "3 bytes of TCP options");
  Step waiting = StepOf("0 close(3) = 0");
  waiting.base = TimeBase::kAny;
  EXPECT_EQ(ErrorOf(waiting), "'*' and '~' are for packets that the stack sends");
}

TEST(ScriptValidation, TimesFromTheStartStandOnlyWhereNothingElseIsKnown) {
  Script script = Parse("0 > . 1:1(0) ack 1\n0.5 pause\n");
  EXPECT_EQ(script.steps[1].base, TimeBase::kStart);
  EXPECT_TRUE(ValidateScript(script).ok());
  script.steps.erase(script.steps.begin());
  EXPECT_EQ(ValidateScript(script).message(),
            "step 1: a time from the start where that from the step before is known");
}

TEST(ScriptValidation, DurationIsBounded) {
  Script script;
  script.steps.resize(2);
  script.steps[0].delay = kScriptDurationMax;
  EXPECT_TRUE(ValidateScript(script).ok());
  script.steps[1].delay = Duration::Picoseconds(1);
  EXPECT_EQ(ValidateScript(script).message(), "step 2: later than 100 days");
}

}  // namespace
}  // namespace tapedeck
