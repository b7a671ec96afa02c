// Options byte for byte as Linux lays them out (tcp_options_write).
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "socket_host.h"  // beside this file
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_output.h"
#include "stack/wire/tcp_options.h"

namespace tapedeck {
namespace {

class TcpOptionsOutputTest : public ::testing::Test {
 protected:
  TcpOptionsOutputTest() : sk(sk_alloc(host.n, kAfInet, &tcp_prot)) { EXPECT_NE(sk, nullptr); }
  ~TcpOptionsOutputTest() override { sock_put(sk); }
  tcp_sock* tp() { return tcp_sk(sk); }

  // What is written, as hexadecimal words.
  std::string Written(tcp_out_options opts, tcp_sock* tp) {
    struct {
      wire::TcpHeader th;
      uint8_t options[40];
    } header = {};
    std::fill(std::begin(header.options), std::end(header.options), kUntouched);
    uint8_t* md5 = nullptr;
    tcp_options_write(&header.th, tp, nullptr, &opts, &md5);
    if (md5 != nullptr) std::fill(md5, md5 + 16, 0xaa);
    size_t end = std::size(header.options);
    while (end > 0 && header.options[end - 1] == kUntouched) --end;
    std::string text;
    static constexpr char kDigits[] = "0123456789abcdef";
    for (size_t i = 0; i < end; ++i) {
      if (i > 0 && i % 4 == 0) text += ' ';
      text += kDigits[header.options[i] >> 4];
      text += kDigits[header.options[i] & 15];
    }
    return text;
  }

  static constexpr uint8_t kUntouched = 0xee;
  SocketHost host;
  sock* sk;
};

constexpr uint16_t kSynOptions = OPTION_TS | OPTION_SACK_ADVERTISE | OPTION_WSCALE;

TEST_F(TcpOptionsOutputTest, Syn) {
  EXPECT_EQ(
      Written({.options = kSynOptions, .mss = 1460, .ws = 7, .tsval = 1, .tsecr = 2}, nullptr),
      "020405b4 0402080a 00000001 00000002 01030307");
  // Without timestamps SACK permitted has a word of its own, behind the MSS.
  EXPECT_EQ(
      Written({.options = OPTION_SACK_ADVERTISE | OPTION_WSCALE, .mss = 1460, .ws = 7}, nullptr),
      "020405b4 01010402 01030307");
  EXPECT_EQ(Written({.mss = 536}, nullptr), "02040218");
}

TEST_F(TcpOptionsOutputTest, Established) {
  EXPECT_EQ(Written({.options = OPTION_TS, .tsval = 0x01020304, .tsecr = 0x05060708}, tp()),
            "0101080a 01020304 05060708");
  EXPECT_EQ(Written({}, tp()), "");
}

TEST_F(TcpOptionsOutputTest, SackBlocks) {
  tp()->selective_acks[0] = {SeqNum(0x11), SeqNum(0x22)};
  tp()->selective_acks[1] = {SeqNum(0x33), SeqNum(0x44)};
  EXPECT_EQ(Written({.options = OPTION_TS, .num_sack_blocks = 2, .tsval = 1, .tsecr = 2}, tp()),
            "0101080a 00000001 00000002 01010512 00000011 00000022 00000033 00000044");
  // A duplicate comes first, once.
  tp()->duplicate_sack[0] = {SeqNum(0x01), SeqNum(0x02)};
  tp()->rx_opt.dsack = true;
  EXPECT_EQ(Written({.num_sack_blocks = 2}, tp()), "01010512 00000001 00000002 00000011 00000022");
  EXPECT_FALSE(tp()->rx_opt.dsack);
}

TEST_F(TcpOptionsOutputTest, FastOpenCookie) {
  tcp_fastopen_cookie cookie;
  for (uint8_t i = 0; i < 8; ++i) cookie.val[i] = i;
  cookie.len = 8;
  EXPECT_EQ(Written({.options = kSynOptions | OPTION_FAST_OPEN_COOKIE,
                     .mss = 1460,
                     .ws = 7,
                     .tsval = 1,
                     .tsecr = 0,
                     .fastopen_cookie = &cookie},
                    nullptr),
            "020405b4 0402080a 00000001 00000000 01030307 220a0001 02030405 06070101");
  cookie.exp = true;
  EXPECT_EQ(Written({.options = OPTION_FAST_OPEN_COOKIE, .fastopen_cookie = &cookie}, nullptr),
            "fe0cf989 00010203 04050607");
  cookie.len = 0;  // asks for one
  EXPECT_EQ(Written({.options = OPTION_FAST_OPEN_COOKIE, .fastopen_cookie = &cookie}, nullptr),
            "fe04f989");
  cookie.exp = false;
  EXPECT_EQ(Written({.options = OPTION_FAST_OPEN_COOKIE, .fastopen_cookie = &cookie}, nullptr),
            "22020101");
}

TEST_F(TcpOptionsOutputTest, Md5ComesFirst) {
  EXPECT_EQ(Written({.options = OPTION_MD5 | OPTION_SACK_ADVERTISE, .mss = 1460}, nullptr),
            "01011312 aaaaaaaa aaaaaaaa aaaaaaaa aaaaaaaa 020405b4 01010402");
}

// AccECN takes the place of padding where it can.
TEST_F(TcpOptionsOutputTest, AccEcn) {
  tp()->received_ecn_bytes[INET_ECN_ECT_1 - 1] = 0x112232;  // counters start at 1, CE's at 0
  tp()->received_ecn_bytes[INET_ECN_ECT_0 - 1] = 0x334454;
  tp()->received_ecn_bytes[INET_ECN_CE - 1] = 0x556677;
  EXPECT_EQ(Written({.options = OPTION_ACCECN, .num_accecn_fields = 3}, tp()),
            "ae0b1122 33556677 33445501");
  EXPECT_EQ(Written({.options = OPTION_ACCECN, .num_accecn_fields = 2}, tp()), "ae081122 33556677");
  tp()->selective_acks[0] = {SeqNum(0x11), SeqNum(0x22)};
  EXPECT_EQ(Written({.options = OPTION_ACCECN, .num_sack_blocks = 1, .num_accecn_fields = 1}, tp()),
            "ae051122 3301050a 00000011 00000022");
  EXPECT_EQ(Written({.options = OPTION_ACCECN, .num_accecn_fields = 1}, tp()), "ae051122 33010101");
  EXPECT_EQ(Written({.options = OPTION_ACCECN, .num_sack_blocks = 1, .num_accecn_fields = 0}, tp()),
            "ae02050a 00000011 00000022");
}

TEST_F(TcpOptionsOutputTest, AccEcnOfASynAck) {
  tcp_out_options opts = {.options = kSynOptions, .mss = 1460, .ws = 7, .tsval = 1, .tsecr = 2};
  opts.use_synack_ecn_bytes = true;
  // 20 bytes are taken; with the no-operation before the window scale the option needs 8 words.
  EXPECT_EQ(tcp_options_fit_accecn(&opts, 0, 20), 12U);
  EXPECT_EQ(Written(opts, nullptr),
            "020405b4 0402080a 00000001 00000002 ae0b0000 01000000 00000101 01030307");
}

}  // namespace
}  // namespace tapedeck
