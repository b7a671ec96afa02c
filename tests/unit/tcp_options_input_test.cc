// What tcp_parse_options makes of options, right and wrong.
#include <gtest/gtest.h>

#include <vector>

#include "tcp_receiver_host.h"

namespace tapedeck {
namespace {

class TcpOptionsInputTest : public TcpReceiverTest {
 protected:
  // Parses `options`, padded with end-of-list, in a segment with `flags`.
  tcp_options_received Parse(Bytes options, uint16_t flags, bool estab = false,
                             tcp_options_received opt = {}) {
    while (options.size() % 4 != 0) options.push_back(0);
    sk_buff* const skb = Segment(kStart, {}, flags, options);
    TCP_SKB_CB(skb)->sacked = 0;
    foc_ = {};
    foc_.len = -1;
    tcp_parse_options(host_.n, skb, &opt, estab, &foc_);
    sacked_ = TCP_SKB_CB(skb)->sacked;
    mss_ = tcp_parse_mss_option(tcp_hdr(skb), opt.user_mss);
    consume_skb(skb);
    return opt;
  }

  tcp_fastopen_cookie foc_;
  uint8_t sacked_ = 0;
  uint16_t mss_ = 0;
};

constexpr uint16_t kSyn = wire::kTcpSyn;
constexpr uint16_t kAck = wire::kTcpAck;

TEST_F(TcpOptionsInputTest, SynOfLinux) {
  const auto opt = Parse({2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4, 1, 3, 3, 7}, kSyn);
  EXPECT_EQ(opt.mss_clamp, 1460);
  EXPECT_EQ(mss_, 1460);
  EXPECT_EQ(opt.sack_ok, TCP_SACK_SEEN);
  EXPECT_TRUE(opt.saw_tstamp);
  EXPECT_EQ(opt.rcv_tsval, 0x0102U);
  EXPECT_EQ(opt.rcv_tsecr, 0x0304U);
  EXPECT_TRUE(opt.wscale_ok);
  EXPECT_EQ(opt.snd_wscale, 7);
  EXPECT_FALSE(opt.saw_unknown);
}

TEST_F(TcpOptionsInputTest, OptionsOfSynsDoNotCountElsewhere) {
  const Bytes options = {2, 4, 5, 0xb4, 4, 2, 3, 3, 7};
  for (const bool estab : {false, true}) {
    const auto opt = Parse(options, estab ? kSyn : kAck, estab);
    EXPECT_EQ(opt.mss_clamp, 0);
    EXPECT_EQ(opt.sack_ok, 0);
    EXPECT_FALSE(opt.wscale_ok);
  }
}

TEST_F(TcpOptionsInputTest, UserMssIsAnUpperBoundAndZeroIsNone) {
  tcp_options_received mine;
  mine.user_mss = 900;
  EXPECT_EQ(Parse({2, 4, 5, 0xb4}, kSyn, false, mine).mss_clamp, 900);
  EXPECT_EQ(mss_, 900);
  EXPECT_EQ(Parse({2, 4, 2, 0}, kSyn, false, mine).mss_clamp, 512);
  EXPECT_EQ(Parse({2, 4, 0, 0}, kSyn, false, mine).mss_clamp, 0);
  EXPECT_EQ(mss_, 0);
  // The last one counts.
  EXPECT_EQ(Parse({2, 4, 2, 0, 2, 4, 1, 0}, kSyn).mss_clamp, 256);
  EXPECT_EQ(mss_, 256);
}

TEST_F(TcpOptionsInputTest, WindowScaleAbove14Is14) {
  EXPECT_EQ(Parse({3, 3, 15}, kSyn).snd_wscale, 14);
  EXPECT_EQ(Parse({3, 3, 255}, kSyn).snd_wscale, 14);
}

TEST_F(TcpOptionsInputTest, SettingsSwitchOptionsOff) {
  tcp_ns().settings.sack = 0;
  tcp_ns().settings.window_scaling = 0;
  tcp_ns().settings.timestamps = 0;
  const auto opt = Parse({4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 3, 3, 7}, kSyn);
  EXPECT_EQ(opt.sack_ok, 0);
  EXPECT_FALSE(opt.saw_tstamp);
  EXPECT_FALSE(opt.wscale_ok);
  // Established, it is what was agreed that counts.
  tcp_options_received agreed;
  agreed.tstamp_ok = true;
  const Bytes stamp = {8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
  EXPECT_TRUE(Parse(stamp, kAck, true, agreed).saw_tstamp);
  EXPECT_FALSE(Parse(stamp, kAck, true, {}).saw_tstamp);
}

// Each known option with every length from 0 on: those that are not its own are skipped, as far as
// they lie within the header; lengths 0 and 1 end the walk. The MSS behind shows whether it went
// on.
TEST_F(TcpOptionsInputTest, WrongLengths) {
  const struct {
    uint8_t kind;
    std::vector<size_t> right;
  } kCases[] = {{2, {4}}, {3, {3}}, {4, {2}}, {5, {10, 18, 26, 34}}, {8, {10}}};
  for (const auto& c : kCases) {
    for (size_t length = 0; length <= 36; ++length) {
      Bytes options = {c.kind, static_cast<uint8_t>(length)};
      options.resize(std::max<size_t>(length, 2), 1);
      const Bytes mss = {2, 4, 0x12, 0x34};
      options.insert(options.end(), mss.begin(), mss.end());
      if (options.size() > 40) continue;
      tcp_options_received before;
      before.sack_ok = c.kind == 5 ? TCP_SACK_SEEN : 0;
      const auto opt = Parse(options, kSyn, false, before);
      const bool right = std::find(c.right.begin(), c.right.end(), length) != c.right.end();
      EXPECT_EQ(opt.mss_clamp, length < 2 ? 0 : 0x1234) << int{c.kind} << " length " << length;
      EXPECT_EQ(opt.wscale_ok, right && c.kind == 3);
      EXPECT_EQ(opt.saw_tstamp, right && c.kind == 8);
      if (c.kind != 5) {
        EXPECT_EQ(opt.sack_ok != 0, right && c.kind == 4);
      }
      EXPECT_EQ(sacked_, right && c.kind == 5 ? 20 : 0) << length;
      EXPECT_FALSE(opt.saw_unknown);
    }
  }
}

// Options cut off at every byte: what lies before the cut counts, nothing behind is read.
TEST_F(TcpOptionsInputTest, CutOff) {
  const Bytes whole = {1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8, 1, 1, 1, 2, 4, 5, 0xb4, 99};
  for (size_t words = 0; words <= whole.size() / 4; ++words) {
    const Bytes options(whole.begin(), whole.begin() + static_cast<long>(words * 4));
    const auto opt = Parse(options, kSyn);
    EXPECT_EQ(opt.saw_tstamp, words >= 3);
    EXPECT_EQ(opt.mss_clamp, words >= 5 ? 1460 : 0);
    EXPECT_FALSE(opt.saw_unknown);  // the last byte is a kind without a length
  }
}

TEST_F(TcpOptionsInputTest, EndOfListEndsTheWalk) {
  const auto opt = Parse({0, 2, 4, 5, 0xb4}, kSyn);
  EXPECT_EQ(opt.mss_clamp, 0);
  EXPECT_EQ(mss_, 0);
}

TEST_F(TcpOptionsInputTest, SackBlocksNeedSack) {
  const Bytes options = {1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2};
  Parse(options, kAck, true);
  EXPECT_EQ(sacked_, 0);
  tcp_options_received agreed;
  agreed.sack_ok = TCP_SACK_SEEN;
  Parse(options, kAck, true, agreed);
  EXPECT_EQ(sacked_, 22);  // of the option, from the header
}

TEST_F(TcpOptionsInputTest, FastOpenCookies) {
  const struct {
    Bytes options;
    int len;
    bool exp;
  } kCases[] = {
      {{34, 2}, 0, false},  // asks for one
      {{34, 6, 1, 2, 3, 4}, 4, false},
      {{34, 10, 1, 2, 3, 4, 5, 6, 7, 8}, 8, false},
      {{34, 4, 1, 2}, -1, false},     // too short
      {{34, 5, 1, 2, 3}, -1, false},  // odd: as if it were not there
      {{34, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9}, -1, false},
      {{254, 4, 0xf9, 0x89}, 0, true},
      {{254, 8, 0xf9, 0x89, 1, 2, 3, 4}, 4, true},
      {{254, 6, 0xf9, 0x89, 1, 2}, -1, true},
  };
  for (const auto& c : kCases) {
    const auto opt = Parse(c.options, kSyn);
    EXPECT_EQ(foc_.len, c.len) << c.options.size();
    EXPECT_EQ(foc_.exp, c.exp) << c.options.size();
    EXPECT_FALSE(opt.saw_unknown);
    Parse(c.options, kAck);
    EXPECT_EQ(foc_.len, -1);
  }
  EXPECT_EQ(Parse({34, 6, 1, 2, 3, 4}, kSyn).saw_unknown, false);
  EXPECT_EQ(foc_.val[3], 4);
}

TEST_F(TcpOptionsInputTest, UnknownOptionsAreSeen) {
  EXPECT_TRUE(Parse({99, 4, 1, 2}, kAck).saw_unknown);
  EXPECT_TRUE(Parse({254, 4, 0xe2, 0xd4}, kSyn).saw_unknown);
  EXPECT_TRUE(Parse({254, 3, 0xf9}, kSyn).saw_unknown);
  EXPECT_FALSE(Parse({99, 1}, kAck).saw_unknown);
}

TEST_F(TcpOptionsInputTest, AccEcnIsNotedWhereItLies) {
  EXPECT_EQ(Parse({1, 1, 174, 11, 0, 0, 1, 0, 0, 0, 0, 0, 1}, kAck).accecn, 22);
  EXPECT_EQ(Parse({172, 2}, kAck).accecn, 20);
  EXPECT_EQ(Parse({1, 1}, kAck).accecn, 0);
}

// PAWS (RFC 7323 5): an older timestamp is refused unless ours is 24 days old or was zero.
TEST_F(TcpOptionsInputTest, Paws) {
  tcp_options_received opt;
  opt.ts_recent = 1000;
  opt.ts_recent_stamp_s = 1;  // now
  opt.rcv_tsval = 1000;
  EXPECT_TRUE(tcp_paws_check(host_.n, &opt, 0));
  opt.rcv_tsval = 999;
  EXPECT_FALSE(tcp_paws_check(host_.n, &opt, 0));
  EXPECT_TRUE(tcp_paws_check(host_.n, &opt, TCP_PAWS_WINDOW));
  EXPECT_TRUE(tcp_paws_reject(host_.n, &opt, true));
  opt.rcv_tsval = 1000 + 0x80000001U;  // more than half the circle: older
  EXPECT_FALSE(tcp_paws_check(host_.n, &opt, 0));
  host_.RunFor(Duration::Seconds(60));
  EXPECT_FALSE(tcp_paws_reject(host_.n, &opt, true));
  EXPECT_TRUE(tcp_paws_reject(host_.n, &opt, false));
  host_.RunFor(Duration::Seconds(2147));
  EXPECT_TRUE(tcp_paws_check(host_.n, &opt, 0));
}

}  // namespace
}  // namespace tapedeck
