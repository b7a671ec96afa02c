// Faults and settings of a script in every spelling.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "replay/script/bytes.h"
#include "replay/script/fault_bytes.h"
#include "replay/script/text.h"
#include "stack/base/prng.h"

namespace tapedeck {
namespace {

using ::testing::HasSubstr;

using Bytes = std::vector<uint8_t>;

std::string TextOf(std::initializer_list<uint8_t> bytes) {
  return PrintScript(DecodeScript(Bytes(bytes)));
}

Script Parse(std::string_view text) {
  absl::StatusOr<Script> script = ParseScript(text, "test");
  EXPECT_TRUE(script.ok()) << script.status();
  return script.ok() ? *std::move(script) : Script();
}

std::string ErrorOf(std::string_view text) {
  return std::string(ParseScript(text, "x").status().message());
}

// One statement of each kind, and each form of it, as it is printed.
constexpr std::string_view kStatements[] = {
    "link down",
    "link up",
    "nic write RDT(0) 0x5",
    "nic write CTRL 0",
    "nic read EICR",
    "nic set EITR(1) 0xff8",
    "nic clear RXCTRL 0x1",
    "nic flip TXDCTL(0) 0x2000000",
    "nic write 0x10fc 0xdeadbeef",
    "nic fault rx_write_back lose",
    "nic fault rx_write_back 3 delay 0.001",
    "nic fault rx_write_back change status 0x20000000",
    "nic fault rx_write_back change 7 0x12345",
    "nic fault tx_write_back 1000000 repeat 2.5",
    "nic fault tx_write_back change status 0x1",
    "nic fault rx_fetch change address_high 0x80000000",
    "nic fault tx_fetch 2 change command 0x20000000",
    "nic fault tx_fetch lose",
    "nic fault message delay 1000000",
    "nic fault message repeat 0.000000000001",
    "nic fault wire 5 change 100 0xff",
    "nic interrupt 63",
    "fail slab",
    "fail page 7",
    "fail skb 4294967295",
    "sysctl \"net/ipv4/tcp_sack=0\"",
    "sysctl \"net/core/netdev_budget=-2147483648\"",
    "sysctl \"net/ipv4/tcp_rmem=4096 131072 6291456\"",
    "sysctl \"net/ipv4/tcp_congestion_control=reno\"",
    "sysctl \"net/ipv4/tcp_sack=007\"",
    "sysctl \"net/ipv4/no_such_file=1\"",
    "cpu 0 busy 0.001",
    "cpu 15 busy 0",
    "snapshot save",
    "snapshot restore",
};

TEST(ScriptFault, EveryStatementGoesThroughEverySpelling) {
  for (const std::string_view statement : kStatements) {
    SCOPED_TRACE(statement);
    const std::string text = "+0.25 host 2 nic 3: " + std::string(statement) + "\n";
    const Script script = Parse(text);
    EXPECT_TRUE(ValidateScript(script).ok());
    EXPECT_EQ(PrintScript(script), text);
    const absl::StatusOr<Bytes> bytes = EncodeScript(script);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    EXPECT_EQ(DecodeScript(*bytes), script);
    EXPECT_EQ(*EncodeScript(DecodeScript(*bytes)), *bytes);
  }
}

TEST(ScriptFault, OperationsOfZerosAreTheLikeliestForm) {
  EXPECT_EQ(TextOf({0x07}), "+0 link down\n");
  EXPECT_EQ(TextOf({0x08}), "+0 nic write EICR 0\n");
  EXPECT_EQ(TextOf({0x09}), "+0 nic fault rx_write_back lose\n");
  EXPECT_EQ(TextOf({0x0a}), "+0 nic interrupt 0\n");
  EXPECT_EQ(TextOf({0x0b}), "+0 fail slab\n");
  EXPECT_EQ(TextOf({0x0c}), "+0 sysctl \"net/ipv4/tcp_sack=0\"\n");
  EXPECT_EQ(TextOf({0x0d}), "+0 snapshot save\n");
  EXPECT_EQ(TextOf({0x0e}), "+0 cpu 0 busy 0\n");
}

TEST(ScriptFault, OneByteMoreIsOneThingMore) {
  EXPECT_EQ(TextOf({0x09, 0x00, 0x00, 0x03}), "+0 nic fault rx_write_back change status 0\n");
  EXPECT_EQ(TextOf({0x09, 0x00, 0x00, 0x03, 0x02}),
            "+0 nic fault rx_write_back 3 change status 0\n");
  EXPECT_EQ(TextOf({0x09, 0x00, 0x00, 0x03, 0x02, 0x01}),
            "+0 nic fault rx_write_back 3 change length 0\n");
  EXPECT_EQ(TextOf({0x09, 0x00, 0x00, 0x03, 0x02, 0x01, 0x05}),
            "+0 nic fault rx_write_back 3 change length 0x10\n");
  EXPECT_EQ(TextOf({0x88, 0x21, 0x82, 0x02, 0x06, 0x01}),
            "+0.2 host 1 nic 2: nic set RDT(0) 0x1\n");
}

TEST(ScriptFault, FaultsThatCannotBeAreLosses) {
  EXPECT_EQ(TextOf({0x09, 0x00, 0x04, 0x03}), "+0 nic fault message lose\n");
  EXPECT_EQ(TextOf({0x09, 0x00, 0x02, 0x02}), "+0 nic fault rx_fetch lose\n");
  EXPECT_THAT(ErrorOf("+0 nic fault message change 1 2"),
              HasSubstr("a fault that cannot be there"));
}

// Whatever the operands are, the record is one well-formed step, and its canonical bytes mean it.
TEST(ScriptFault, AnyOperandsAreAStep) {
  Prng prng(1, 2);
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes = {static_cast<uint8_t>(kFaultOpBase + prng.Below(kFaultOps))};
    for (uint32_t left = prng.Below(20); left != 0; --left) {
      bytes.push_back(static_cast<uint8_t>(prng.Below(256)));
    }
    const Script script = DecodeScript(bytes);
    ASSERT_TRUE(ValidateScript(script).ok()) << ValidateScript(script);
    const absl::StatusOr<Bytes> canonical = EncodeScript(script);
    ASSERT_TRUE(canonical.ok()) << canonical.status();
    ASSERT_EQ(DecodeScript(*canonical), script) << PrintScript(script);
    ASSERT_EQ(Parse(PrintScript(script)), script);
  }
}

TEST(ScriptFault, MistakesNameTheirPlace) {
  EXPECT_THAT(ErrorOf("+0 link sideways"), HasSubstr("x:1:9: expected 'down'"));
  EXPECT_THAT(ErrorOf("+0 nic write NOPE 1"),
              HasSubstr("x:1:14: expected a register of the 82599"));
  EXPECT_THAT(ErrorOf("+0 nic write RDT(64) 1"), HasSubstr("a register's number in 0..63"));
  EXPECT_THAT(ErrorOf("+0 nic write 0x3 1"), HasSubstr("no register at 3"));
  EXPECT_THAT(ErrorOf("+0 nic fault everything lose"), HasSubstr("rx_write_back"));
  EXPECT_THAT(ErrorOf("+0 nic interrupt 64"), HasSubstr("an interrupt vector in 0..63"));
  EXPECT_THAT(ErrorOf("+0 fail slab 0"), HasSubstr("which time in 1.."));
  EXPECT_THAT(ErrorOf("+0 fail disk"), HasSubstr("slab, page or skb"));
  EXPECT_THAT(ErrorOf("+0 sysctl \"net/ipv4/tcp_sack\""), HasSubstr("\"path=value\""));
  EXPECT_THAT(ErrorOf("+0 cpu 16 busy 1"), HasSubstr("a CPU in 0..15"));
  EXPECT_THAT(ErrorOf("+0 cpu 0 busy 9000000"), HasSubstr("over 100 days"));
  EXPECT_THAT(ErrorOf("+0 host 0 nic 16: pause"), HasSubstr("a NIC in 0..15"));
}

}  // namespace
}  // namespace tapedeck
