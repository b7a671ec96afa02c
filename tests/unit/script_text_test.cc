// The text spelling: what it means, how it is printed, and what it says about mistakes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "replay/script/bytes.h"
#include "replay/script/symbols.h"
#include "replay/script/text.h"
#include "stack/base/prng.h"

namespace tapedeck {
namespace {

namespace fs = std::filesystem;

Script Parse(std::string_view text) {
  absl::StatusOr<Script> script = ParseScript(text, "test");
  EXPECT_TRUE(script.ok()) << script.status();
  return script.ok() ? *std::move(script) : Script();
}

std::string Reprint(std::string_view text) { return PrintScript(Parse(text)); }

std::string ErrorOf(std::string_view text) {
  const absl::StatusOr<Script> script = ParseScript(text, "test");
  return script.ok() ? "no error" : std::string(script.status().message());
}

// The only step of `text`, which must be a system call.
SyscallStep ParseOne(std::string_view text) {
  const Script script = Parse(text);
  EXPECT_EQ(script.steps.size(), 1U);
  const auto* const call = std::get_if<SyscallStep>(&script.steps.at(0).what);
  EXPECT_NE(call, nullptr);
  return call == nullptr ? SyscallStep() : *call;
}

const SyscallStep& CallOf(const Script& script, size_t i) {
  return std::get<SyscallStep>(script.steps.at(i).what);
}

TEST(ScriptText, EmptyTextIsEmptyScript) {
  EXPECT_TRUE(Parse("").steps.empty());
  EXPECT_TRUE(Parse(" \n// nothing\n# nothing\n/* nor\nhere */\n").steps.empty());
  EXPECT_EQ(PrintScript(Script()), "");
}

TEST(ScriptText, TimesAreRelativeOrAbsolute) {
  const Script script = Parse("0 pause +.5 pause 2 pause +0 pause +1us pause");
  ASSERT_EQ(script.steps.size(), 5U);
  EXPECT_EQ(script.steps[0].delay, Duration());
  EXPECT_EQ(script.steps[1].delay, Duration::Milliseconds(500));
  EXPECT_EQ(script.steps[2].delay, Duration::Milliseconds(1500));
  EXPECT_EQ(script.steps[3].delay, Duration());
  EXPECT_EQ(script.steps[4].delay, Duration::Microseconds(1));
}

TEST(ScriptText, TimesAreExactToThePicosecond) {
  EXPECT_EQ(Parse("+0.000000000001").steps[0].delay, Duration::Picoseconds(1));
  EXPECT_EQ(Parse("+1.5ns").steps[0].delay, Duration::Picoseconds(1500));
}

TEST(ScriptText, TimeAloneIsPause) {
  EXPECT_EQ(Parse("+1\n+2"), Parse("+1 pause +2 pause"));
  EXPECT_EQ(Reprint("+1\n5\n"), "+1 pause\n+4 pause\n");
}

TEST(ScriptText, Socket) {
  const SyscallStep call = ParseOne("0 socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP) = 3");
  EXPECT_EQ(call.name, SyscallName::kSocket);
  ASSERT_EQ(call.arguments.size(), 3U);
  EXPECT_EQ(call.arguments[0].value, 2);
  EXPECT_EQ(call.arguments[1].value, 2);
  EXPECT_EQ(call.arguments[2].value, 17);
  EXPECT_EQ(call.fd, 3);
  EXPECT_TRUE(ParseOne("0 socket(..., SOCK_STREAM, 0) = 3").arguments[0].is_ellipsis());
  EXPECT_EQ(ParseOne("0 socket(2, 0x802, 0) = 3?").arguments[1].value, kSockDgram | kSockNonblock);
}

TEST(ScriptText, ResultsOfSocketNameItsDescriptor) {
  const Script script = Parse(
      "0 socket(2, 2, 0) = 3 +0 socket(2, 2, 0) = 4? +0 socket(2, 2, 0) = ?"
      "+0 socket(2, 2, 0) = -1 EMFILE +0 socket(2, 2, 0) = -1 +0 dup(3) = 7");
  EXPECT_EQ(CallOf(script, 0).fd, 3);
  EXPECT_EQ(CallOf(script, 0).expected, 3);
  EXPECT_EQ(CallOf(script, 1).fd, 4);
  EXPECT_EQ(CallOf(script, 1).expected, std::nullopt);
  EXPECT_EQ(CallOf(script, 2).fd, kFdNone);
  EXPECT_EQ(CallOf(script, 3).fd, kFdNone);
  EXPECT_EQ(CallOf(script, 3).expected, -1);
  EXPECT_EQ(CallOf(script, 3).expected_errno, 24);
  EXPECT_EQ(CallOf(script, 4).expected, -1);
  EXPECT_EQ(CallOf(script, 4).expected_errno, 0);
  EXPECT_EQ(CallOf(script, 5).fd, 7);
}

TEST(ScriptText, ArgumentsKeepTheirNotation) {
  for (const char* text : {
           "+0 bind(3, ..., ...) = 0\n",
           "+0 bind(3, NULL, 0) = -1 EFAULT\n",
           "+0 bind(3, {sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr(\"0.0.0.0\")}, 15)"
           " = 0\n",
           "+0 sendto(3, ..., 1, MSG_DONTWAIT|MSG_MORE, {sa_family=AF_INET6, sin_port=htons(53), "
           "sin_addr=inet_addr(\"2001:db8::1\")}, 28) = 1\n",
           "+0 poll([{fd=3, events=POLLIN}, {fd=-1, events=0, revents=?}], 2, -1) = 1\n",
           "+0 poll([], 0, 10) = 0\n",
           "+0 setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0\n",
           "+0 setsockopt(3, SOL_TCP, TCP_FASTOPEN_KEY, \"\\x00a\\\"\\\\\", 4) = 0\n",
           "+0 getsockopt(3, SOL_SOCKET, SO_ERROR, [ECONNRESET], [4]) = 0\n",
           "+0 fcntl(3, F_GETFL) = 0x2\n",
           "+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n",
           "+0 ioctl(3, SIOCINQ, [1000]) = 0\n",
           "+0 sendmsg(3, {msg_name(...)=..., msg_iov(2)=[{..., 5}, {..., 7}], msg_flags=0}, "
           "MSG_EOR)"
           " = 12\n",
           "+0 recvmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 0}], msg_flags=MSG_ERRQUEUE, "
           "msg_control=[{cmsg_level=SOL_SOCKET, cmsg_type=SCM_TIMESTAMPING, cmsg_data={scm_sec=0, "
           "scm_nsec=10000000}}, {cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, "
           "cmsg_data={ee_errno=ENOMSG"
           ", ee_origin=SO_EE_ORIGIN_TIMESTAMPING, ee_type=0, ee_code=0, ee_info=SCM_TSTAMP_ACK, "
           "ee_data=99}}]}, MSG_ERRQUEUE) = 0\n",
           "+0 epoll_ctl(4, EPOLL_CTL_ADD, 3, {events=EPOLLOUT|EPOLLET, fd=3}) = 0\n",
           "+0 epoll_wait(4, {events=1, ptr=4}, 1, 0) = 1\n",
           "+0 pipe([5, 6]) = 0\n",
           "+0 socketpair(AF_UNIX, SOCK_STREAM, IPPROTO_IP, [5, 6]) = 0\n",
           "+0 sendmmsg(3, [{msg_hdr={msg_name(...)=NULL, msg_iov(1)=[{..., 5}], msg_flags=0}}], "
           "1, 0)"
           " = 1\n",
           "+0 recvmmsg(3, [{msg_hdr={msg_name(...)=..., msg_iov(1)=[{..., 5}], msg_flags=0}, "
           "msg_len=5}], 1, MSG_WAITFORONE, {tv_sec=1, tv_nsec=5}) = 1\n",
           "+0 recvmmsg(3, NULL, 1, 0, NULL) = -1 EFAULT\n",
           "+0 splice(5, NULL, 4, NULL, 100, 0) = 100\n",
           "+0 open(\"/tmp/file\", O_RDONLY) = 5\n",
           "+0 sendfile(4, 5, [0], 5) = 5\n",
           "+0...0.2 read(4, ..., 100) = ?\n",
       }) {
    EXPECT_EQ(Reprint(text), text);
  }
}

TEST(ScriptText, StringsBesideEachOtherAreOneAndKnowEscapes) {
  const SyscallStep call =
      ParseOne("0 setsockopt(3, SOL_TCP, TCP_CONGESTION, \"re\" \"\\x6eo\\n\", 4) = 0");
  EXPECT_EQ(call.arguments[3].text, "reno\n");
}

TEST(ScriptText, FieldsOfStructuresAreFoundByName) {
  const SyscallStep call = ParseOne("0 poll([{fd=3, events=POLLIN, revents=POLLHUP}], 1, 0) = 1");
  const Expression& entry = call.arguments[0].items[0];
  EXPECT_EQ(entry.FindValue("fd")->value, 3);
  EXPECT_EQ(entry.FindValue("revents")->value, 0x10);
  EXPECT_EQ(entry.FindField("timeout"), nullptr);
}

TEST(ScriptText, BlockingCallsCountBothTimesFromTheSameMoment) {
  const Script script = Parse("1 pause 1.5...2 close(3) = 0 +0.1...0.4 close(3) = 0");
  EXPECT_EQ(script.steps[1].delay, Duration::Milliseconds(500));
  EXPECT_EQ(CallOf(script, 1).returns_after, Duration::Milliseconds(500));
  EXPECT_EQ(script.steps[2].delay, Duration::Milliseconds(100));
  EXPECT_EQ(CallOf(script, 2).returns_after, Duration::Milliseconds(300));
  EXPECT_EQ(Parse("0...0 close(3) = 0").steps[0].what,
            (Parse("+0...0 close(3) = 0").steps[0].what));
}

TEST(ScriptText, TheLatestTimesFit) {
  const std::string latest = "+8640000...17280000 close(3) = ?\n";
  EXPECT_EQ(Reprint(latest), latest);
}

TEST(ScriptText, NotesAndUnnamedErrors) {
  EXPECT_EQ(Reprint("0 close(3) = -1 EBADF (Bad file descriptor) +0 close(4) = 0 (a note)"),
            "+0 close(3) = -1 EBADF\n+0 close(4) = 0\n");
  EXPECT_EQ(Reprint("0 close(3) = -1 E4000"), "+0 close(3) = -1 E4000\n");
  EXPECT_EQ(Reprint("0 close(3) = -1 5 close(3) = ?"), "+0 close(3) = -1\n+5 close(3) = ?\n");
  EXPECT_EQ(Reprint("0 close(3) = -1 EWOULDBLOCK"), "+0 close(3) = -1 EAGAIN\n");
}

TEST(ScriptText, Frames) {
  const Script good = Parse("0 frame bad_fcs repair { 00 0a1B // half\n /**/cC} 3 frame {}");
  const auto& frame = std::get<FrameStep>(good.steps.at(0).what);
  EXPECT_EQ(frame.bytes, (std::vector<uint8_t>{0x00, 0x0a, 0x1b, 0xcc}));
  EXPECT_TRUE(frame.bad_fcs);
  EXPECT_TRUE(frame.repair_checksums);
  EXPECT_TRUE(std::get<FrameStep>(good.steps.at(1).what).bytes.empty());
}

TEST(ScriptText, OtherHosts) {
  const Script script = Parse("0 host 1: close(3) = 0 +0 host 15: frame {00} +0 host 2: pause");
  EXPECT_EQ(script.steps[0].host, 1);
  EXPECT_EQ(script.steps[1].host, 15);
  EXPECT_EQ(script.steps[2].host, 2);
}

TEST(ScriptText, StepsKnowTheirLine) {
  const Script script = Parse("0 pause\n\n/* a\nb */ +1 pause");
  EXPECT_EQ(script.steps[0].line, 1U);
  EXPECT_EQ(script.steps[1].line, 4U);
}

TEST(ScriptText, PrintsCanonically) {
  EXPECT_EQ(Reprint("0 socket( AF_INET ,SOCK_DGRAM|SOCK_NONBLOCK, 17)=3\n"
                    "  +.25 sendto(3, ..., 100, 64, {sa_family = AF_INET, sin_port = htons(53),\n"
                    "       sin_addr = inet_addr(\"10.0.0.1\")}, 16) = 100\n"
                    "+1ms ... 0.2 recvfrom(3, ..., 16, 0, ..., ...) = ?\n"
                    "+0 host 2: poll([{fd=3,events=POLLIN}],1,10) = 0"),
            "+0 socket(AF_INET, SOCK_DGRAM|SOCK_NONBLOCK, IPPROTO_UDP) = 3\n"
            "+0.25 sendto(3, ..., 100, MSG_DONTWAIT, {sa_family=AF_INET, sin_port=htons(53), "
            "sin_addr=inet_addr(\"10.0.0.1\")}, 16) = 100\n"
            "+0.001...0.2 recvfrom(3, ..., 16, 0, ..., ...) = ?\n"
            "+0 host 2: poll([{fd=3, events=POLLIN}], 1, 10) = 0\n");
}

TEST(ScriptText, PrintsFramesInRows) {
  Script script;
  FrameStep frame;
  for (uint8_t i = 0; i < 36; ++i) frame.bytes.push_back(i);
  script.steps.push_back({.delay = Duration(), .what = frame});
  EXPECT_EQ(PrintScript(script),
            "+0 frame {\n"
            "    000102030405 060708090a0b 0c0d\n"
            "    0e0f 1011 1213 1415 1617 1819 1a1b 1c1d 1e1f 2021\n"
            "    2223\n"
            "}\n");
}

TEST(ScriptText, DescribesFramesInComments) {
  const std::string text =
      PrintScript(Parse("0 frame { ffffffffffff 020000000101 0806 0001 0800 06 04 0001 020000000101"
                        "c0000265 000000000000 c0000201 }"),
                  {.describe_frames = true});
  EXPECT_THAT(text, testing::StartsWith("// ARP, Request who-has 192.0.2.1 tell 192.0.2.101"));
  EXPECT_EQ(Parse(text).steps.size(), 1U);
}

TEST(ScriptText, UnknownFlagsKeepTheirValue) {
  EXPECT_EQ(kMessageFlagSymbols.Print(0x40 | 0x200), "MSG_DONTWAIT|0x200");
  EXPECT_EQ(kMessageFlagSymbols.Print(0), "0");
  EXPECT_EQ(kSocketTypeSymbols.Print(7 | kSockCloexec), "7|SOCK_CLOEXEC");
  EXPECT_EQ(kDomainSymbols.Print(-5), "-5");
  EXPECT_EQ(Reprint("0 socket(-5, 2050, -1) = 3"),
            "+0 socket(-5, SOCK_DGRAM|SOCK_NONBLOCK, -1) = 3\n");
}

// --- Mistakes ---

struct Mistake {
  std::string_view text;
  std::string_view message;
};

TEST(ScriptText, SaysWhatIsWrongAndWhere) {
  const Mistake mistakes[] = {
      {"close(3) = 0", "test:1:1: expected a time, found 'close'"},
      {"*\tclose(3) = 0", "test:1:1: '*' and '~' are for packets that the stack sends"},
      {"+\n\n x", "test:3:2: expected a time, found 'x'"},
      {"+1min pause", "test:1:3: expected s, ms, us, ns or ps, found 'min'"},
      {"+0.1ps pause", "test:1:2: a time finer than a picosecond"},
      {"+0.0000000000001 pause", "test:1:2: a time finer than a picosecond"},
      {"+99999999999999999999 pause", "test:1:2: expected a time, found '99999999999999999999'"},
      {"9000000 pause", "test:1:1: a time beyond 100 days"},
      {"1 pause 0.5 pause", "test:1:9: a time before that of the step ahead"},
      {"1...0.5 close(3) = 0", "test:1:1: a call that returns before it is made"},
      {"0...1 pause", "test:1:7: expected a system call, found 'pause'"},
      {"0...1 +1", "test:1:7: expected a system call, found '+'"},
      {"0 fork() = 0", "test:1:3: no system call 'fork' here"},
      {"0 listen(3) = 0", "test:1:11: expected 2 arguments of listen, found 1"},
      {"0 listen(3, 1, 2) = 0", "test:1:17: expected 2 arguments of listen, found 3"},
      {"0 (",
       "test:1:3: expected a packet, a system call, a command line, code, "
       "frame, segment, fault or pause, found '('"},
      {"0 close 3", "test:1:9: expected '(', found '3'"},
      {"0 close(3", "test:1:10: expected ',' or ')', found the end of the text"},
      {"0 close(3)", "test:1:11: expected '=', found the end of the text"},
      {"0 close(3) = ", "test:1:14: expected an expression, found the end of the text"},
      {"0 close(3) = -2", "test:1:14: expected a result from -1 on"},
      {"0 close(1024) = 0", "test:1:9: expected a descriptor in -1..1023, found '1024'"},
      {"0 close(-) = 0", "test:1:10: expected a number of 64 bits, found ')'"},
      {"0 close(3.5) = 0", "test:1:9: expected a number of 64 bits, found '3.5'"},
      {"0 close(0xg) = 0", "test:1:9: expected a number of 64 bits, found '0xg'"},
      {"0 close(3) = -1 ENOSUCH", "test:1:17: expected an error, found 'ENOSUCH'"},
      {"0 close(3) = -1 E5000", "test:1:17: expected an error, found 'E5000'"},
      {"0 close(3) = 0 (note", "test:1:21: expected ')', found the end of the text"},
      {"0 socket(AF_INET, SOCK_FOO, 0) = 3",
       "test:1:19: expected a number or the name of one, found 'SOCK_FOO'"},
      {"0 socket(AF_INET, |, 0) = 3", "test:1:19: expected an expression, found '|'"},
      {"0 socket(2, 2, 0) = 2000", "test:1:21: expected a descriptor in -1..1023, found '2000'"},
      {"0 bind(3, \"4\", 5) = 0",
       "test:1:11: expected a socket address of IPv4 or IPv6, '...' or NULL, found string \"4\""},
      {"0 bind(3, {sa_family=AF_UNIX", "test:1:29: expected ',' or '}', found the end of the text"},
      {"0 bind(3, {sa_family=AF_INET, sin_addr=1}, 16) = 0",
       "test:1:31: expected 'sin_port=' as field 2 of a structure that begins with 'sa_family='"},
      {"0 poll([{fd=3}], 1, 0) = 0",
       "test:1:10: expected 'events=' as field 2 of a structure that begins with 'fd='"},
      {"0 poll([{fd=3, events=0, revents=0, more=1}], 1, 0) = 0",
       "test:1:37: expected '}', found 'more'"},
      {"0 epoll_ctl(4, 1, 3, {events=1, what=3}) = 0",
       "test:1:33: expected 'fd=', 'ptr=', 'u32=' or 'u64=' and '}', found 'what'"},
      {"0 setsockopt(3, 1, 1, {what=3}, 4) = 0",
       "test:1:24: expected a field of a structure, found 'what'"},
      {"0 bind(3, {sa_family=AF_UNIX, sin_port=htons(1), sin_addr=inet_addr(\"::1\")}, 16) = 0",
       "test:1:11: expected a socket address of IPv4 or IPv6, '...' or NULL"},
      {"0 bind(3, {sa_family=AF_INET, sin_port=htons(65536)",
       "test:1:40: expected a port in htons()"},
      {"0 bind(3, {sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr(\"::1\")}, 16) = 0",
       "test:1:11: expected a socket address of IPv4 or IPv6, '...' or NULL"},
      {"0 bind(3, {sa_family=AF_INET6, sin_port=htons(1), sin_addr=inet_addr(\"10.0.0.1\")}, 16)",
       "test:1:11: expected a socket address of IPv4 or IPv6, '...' or NULL"},
      {"0 sendto(3, [1], 3, 0, ..., ...) = 3", "test:1:13: expected '...', NULL or a string"},
      {"0 sendto(3, ..., 4194305, 0, ..., ...) = 3",
       "test:1:18: expected a length in 0..4194304, found '4194305'"},
      {"0 poll([{fd=3, events=0x10000}], 1, 0) = 0",
       "test:1:8: expected [{fd=, events=, revents=}, ...] of at most 16"},
      {"0 sendmmsg(3, [{msg_len=1}], 1, 0) = 1",
       "test:1:17: expected a field of a structure, found 'msg_len'"},
      {"0 sendmmsg(3, [{msg_hdr=0}], 1, 0) = 1",
       "test:1:15: expected [{msg_hdr=, msg_len=}, ...] of at most 64 messages and 4194304 bytes"},
      {"0 recvmmsg(3, [{msg_hdr={msg_name(...)=NULL, msg_iov(1)=[{..., 4194304}], msg_flags=0}}, "
       "{msg_hdr={msg_name(...)=NULL, msg_iov(1)=[{..., 1}], msg_flags=0}}], 2, 0, NULL) = 2",
       "test:1:15: expected [{msg_hdr=, msg_len=}, ...] of at most 64 messages and 4194304 bytes"},
      {"0 recvmmsg(3, NULL, 0, 0, {tv_sec=1, tv_usec=1}) = 0",
       "test:1:27: expected {tv_sec=, tv_nsec=} or NULL"},
      {"0 socketpair(AF_UNIX, SOCK_STREAM, 0, [3]) = 0",
       "test:1:39: expected [descriptor, descriptor]"},
      {"0 host 16: pause", "test:1:8: expected a host in 0..15, found '16'"},
      {"0 host 1 pause", "test:1:10: expected ':', found 'pause'"},
      {"0 host 1: +1",
       "test:1:11: expected a packet, a system call, a command line, code, "
       "frame, segment, fault or pause, found '+'"},
      {"0 frame broken {}", "test:1:9: expected bad_fcs, repair or '{', found 'broken'"},
      {"0 frame { 0 }", "test:1:11: expected pairs of hexadecimal digits or '}', found '0'"},
      {"0 frame { 0011\n  xy }",
       "test:2:3: expected pairs of hexadecimal digits or '}', found 'xy'"},
      {"0 frame { 00",
       "test:1:13: expected pairs of hexadecimal digits or '}', found the end of the "
       "text"},
      {"0 frame { 00 /* }",
       "test:1:14: expected pairs of hexadecimal digits or '}', found a comment "
       "without its end"},
      {"0 /* x",
       "test:1:3: expected a packet, a system call, a command line, code, "
       "frame, segment, fault or pause, found a comment without its end"},
      {"0 bind(3, \"x", "test:1:11: expected an expression, found a string without its end"},
      {"0 \x01",
       "test:1:3: expected a packet, a system call, a command line, code, "
       "frame, segment, fault or pause, found '\\x01'"},
  };
  for (const Mistake& mistake : mistakes) {
    EXPECT_EQ(ErrorOf(mistake.text), mistake.message) << mistake.text;
  }
}

TEST(ScriptText, FrameLengthIsBounded) {
  std::string text = "+0 pause\n+0 frame {";
  for (size_t i = 0; i <= kFrameBytesMax; ++i) text += " 00";
  text += "}";
  EXPECT_EQ(ErrorOf(text), "test:2:1: a frame of 16385 bytes, at most 16384");
}

TEST(ScriptText, PollEntriesAreBounded) {
  std::string entries = "{fd=3, events=0}";
  for (int i = 0; i < 16; ++i) entries += ", {fd=3, events=0}";
  EXPECT_EQ(ErrorOf("0 poll([" + entries + "], 17, 0) = 0"),
            "test:1:8: expected [{fd=, events=, revents=}, ...] of at most 16");
}

// --- Any script, any text ---

// A script of a few steps of any kind: any bytes spell one.
Script RandomScript(Prng& prng) {
  std::vector<uint8_t> bytes;
  for (uint32_t i = prng.Below(6); i != 0; --i) {
    bytes.push_back(static_cast<uint8_t>(prng.Below(0x18) | prng.Below(2) << 7));
    for (uint32_t j = prng.Below(24); j != 0; --j) {
      bytes.push_back(static_cast<uint8_t>(prng.Next32() >> (prng.Below(4) == 0 ? 24 : 28)));
    }
    bytes.push_back(0x7e);
  }
  return DecodeScript(bytes);
}

TEST(ScriptText, ParsePrintIsIdentity) {
  Prng prng(1, 0);
  for (int i = 0; i < 6'000; ++i) {
    const Script script = RandomScript(prng);
    const std::string text = PrintScript(script);
    const absl::StatusOr<Script> parsed = ParseScript(text, "test");
    ASSERT_TRUE(parsed.ok()) << parsed.status() << "\n" << text;
    ASSERT_EQ(*parsed, script) << text;
    ASSERT_EQ(PrintScript(*parsed), text);
  }
}

TEST(ScriptText, AnyTextIsParsedOrRefused) {
  Prng prng(2, 0);
  for (int i = 0; i < 6'000; ++i) {
    std::string text = PrintScript(RandomScript(prng));
    for (uint32_t j = prng.Below(4); j != 0 && !text.empty(); --j) {
      const size_t at = prng.Below(static_cast<uint32_t>(text.size()));
      switch (prng.Below(3)) {
        case 0:
          text[at] = static_cast<char>(prng.Below(256));
          break;
        case 1:
          text.erase(at, prng.Below(8));
          break;
        default:
          text.insert(at, text.substr(prng.Below(static_cast<uint32_t>(text.size())), 8));
          break;
      }
    }
    const absl::StatusOr<Script> script = ParseScript(text, "test");
    if (script.ok()) {
      ASSERT_TRUE(ValidateScript(*script).ok()) << text;
      ASSERT_EQ(Parse(PrintScript(*script)), *script) << text;
    } else {
      ASSERT_THAT(std::string(script.status().message()), testing::StartsWith("test:"));
    }
  }
}

// --- The corpus ---

TEST(ScriptText, CorpusScriptsParse) {
  size_t count = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator("corpus/scripts")) {
    if (entry.path().extension() != ".pkt") continue;
    ++count;
    std::ifstream file(entry.path());
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const absl::StatusOr<Script> script = ParseScript(text, entry.path().string());
    ASSERT_TRUE(script.ok()) << script.status();
    EXPECT_TRUE(ValidateScript(*script).ok());
    EXPECT_EQ(Parse(PrintScript(*script)), *script);
  }
  EXPECT_GE(count, 1U);
}

}  // namespace
}  // namespace tapedeck
