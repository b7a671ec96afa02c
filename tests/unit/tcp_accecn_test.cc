// The arithmetic of Accurate ECN: counters of three and of 24 bits, and the option's size.
#include <gtest/gtest.h>

#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_ecn.h"
#include "tcp_receiver_host.h"

namespace tapedeck {
namespace {

class TcpAccEcnTest : public TcpReceiverTest {
 protected:
  TcpAccEcnTest() {
    tcp_ecn_mode_set(tp_, TCP_ECN_MODE_ACCECN);
    tp_->saw_accecn_opt = TCP_ACCECN_OPT_COUNTER_SEEN;
  }
  // Packets that an ACK with `ace` reports as marked, while it acknowledges `pkts` of them.
  uint32_t Process(uint32_t ace, uint32_t pkts, const Bytes& option = {}, uint32_t more_flags = 0) {
    Bytes options = option;
    while (options.size() % 4 != 0) options.push_back(1);
    const auto flags = static_cast<uint16_t>(wire::kTcpAck | ace << 6);
    sk_buff* const skb = Segment(kStart, {}, flags, options);
    tcp_parse_options(host_.n, skb, &tp_->rx_opt, true, nullptr);
    uint32_t flag = FLAG_SLOWPATH | FLAG_DATA_ACKED | more_flags;
    const uint32_t marked = tcp_accecn_process(tp_, skb, pkts, pkts * kMss, &flag);
    EXPECT_EQ((flag & FLAG_ECE) != 0, marked > 0);
    consume_skb(skb);
    return marked;
  }
  // The option in our order: ECT(1), CE, ECT(0), as on the wire.
  static Bytes Option(uint32_t e1b, uint32_t ceb, uint32_t e0b) {
    Bytes option = {174, 11};
    for (const uint32_t value : {e1b, ceb, e0b}) {
      for (const int shift : {16, 8, 0}) option.push_back(static_cast<uint8_t>(value >> shift));
    }
    return option;
  }
  void ReceiveEct(uint8_t ecnfield, uint32_t bytes) {
    sk_buff* const skb = Segment(kStart, {});
    TCP_SKB_CB(skb)->ip_dsfield = ecnfield;
    tcp_ecn_received_counters(tp_, skb, bytes);
    consume_skb(skb);
  }
};

TEST_F(TcpAccEcnTest, CountersFollowTwentyFourBits) {
  uint32_t cnt = 0;
  const uint8_t one[] = {0, 0, 1};
  const uint8_t top[] = {0xff, 0xff, 0xff};
  const uint8_t zero[] = {0, 0, 0};
  EXPECT_EQ(tcp_update_ecn_bytes(&cnt, one, 1), 0);
  EXPECT_EQ(tcp_update_ecn_bytes(&cnt, one, 0), 1);
  EXPECT_EQ(cnt, 1U);
  EXPECT_EQ(tcp_update_ecn_bytes(&cnt, zero, 0), -1);
  EXPECT_EQ(cnt, 0U);
  EXPECT_EQ(tcp_update_ecn_bytes(&cnt, top, 0), -1);
  cnt = 0x1fffff0;  // beyond 24 bits already
  EXPECT_EQ(tcp_update_ecn_bytes(&cnt, one, 0), 17);
  EXPECT_EQ(cnt, 0x2000001U);
  const uint8_t half[] = {0x80, 0, 0};
  cnt = 0;
  EXPECT_EQ(tcp_update_ecn_bytes(&cnt, half, 0), -0x800000);
  const uint8_t below_half[] = {0x7f, 0xff, 0xff};
  cnt = 0;
  EXPECT_EQ(tcp_update_ecn_bytes(&cnt, below_half, 0), 0x7fffff);
}

TEST_F(TcpAccEcnTest, AceIsADifferenceModuloEight) {
  EXPECT_EQ(Process(5, 1), 0U);  // the counter starts at five
  EXPECT_EQ(Process(6, 1), 1U);
  EXPECT_EQ(Process(0, 2), 2U);
  EXPECT_EQ(tp_->delivered_ce, 3U);
  EXPECT_EQ(Process(0, 7), 0U);
  EXPECT_EQ(Process(7, 7), 7U);
}

// An ACK of more packets than ACE can count: without the option, as many as there may be.
TEST_F(TcpAccEcnTest, LargeAckWithoutOptionIsTakenAsTheWorst) {
  tp_->saw_accecn_opt = TCP_ACCECN_OPT_NOT_SEEN;
  tp_->pkts_acked_ewma = 1 << 6;
  EXPECT_EQ(Process(5, 8), 8U);
  EXPECT_EQ(Process(6, 20), 17U);
  // Where ACKs are thinned out anyway it would be the worst all the time.
  tp_->pkts_acked_ewma = 5 << 6;
  EXPECT_EQ(Process(7, 20), 1U);
}

TEST_F(TcpAccEcnTest, OptionTellsLargeAcksApart) {
  EXPECT_EQ(Process(5, 1, Option(1, 0, 1 + kMss)), 0U);
  EXPECT_EQ(tp_->est_ecnfield, INET_ECN_ECT_0);
  // 20 packets, all ECT(0).
  EXPECT_EQ(Process(5, 20, Option(1, 0, 1 + 21 * kMss)), 0U);
  // 20 more, of which 9 had CE: ACE says 1, or 9, or 17.
  EXPECT_EQ(Process(6, 20, Option(1, 9 * kMss, 1 + 32 * kMss)), 9U);
  EXPECT_EQ(tp_->est_ecnfield, INET_ECN_CE);
  // Two that were not expected have grown: what comes next is unknown.
  Process(6, 1, Option(1 + kMss, 9 * kMss, 1 + 33 * kMss));
  EXPECT_EQ(tp_->est_ecnfield, 0);
}

TEST_F(TcpAccEcnTest, EstimateContinuesWithoutOption) {
  Process(5, 1, Option(1, 0, 1 + kMss));
  EXPECT_EQ(tp_->delivered_ecn_bytes[INET_ECN_ECT_0 - 1], kMss);
  Process(5, 2);
  EXPECT_EQ(tp_->delivered_ecn_bytes[INET_ECN_ECT_0 - 1], 3 * kMss);
}

TEST_F(TcpAccEcnTest, OldAcksSayNothing) {
  const Bytes option = Option(1, kMss, 1);
  sk_buff* const skb = Segment(kStart, {}, wire::kTcpAck | wire::kTcpEce, {});
  uint32_t flag = FLAG_SLOWPATH;
  EXPECT_EQ(tcp_accecn_process(tp_, skb, 0, 0, &flag), 0U);
  consume_skb(skb);
  EXPECT_EQ(Process(6, 1, {}, FLAG_SYN_ACKED), 0U);
}

TEST_F(TcpAccEcnTest, FirstOptionShowsWhetherThePathClearsIt) {
  const struct {
    Bytes option;
    uint8_t seen;
  } kCases[] = {
      {{174, 2}, TCP_ACCECN_OPT_EMPTY_SEEN},
      {{174, 5, 0, 0, 1}, TCP_ACCECN_OPT_COUNTER_SEEN},
      {{174, 5, 0, 0, 0}, TCP_ACCECN_OPT_FAIL_SEEN},
      {{174, 8, 0, 0, 1, 0, 0, 0}, TCP_ACCECN_OPT_COUNTER_SEEN},
      {{172, 11, 0, 0, 1, 0, 0, 0, 0, 0, 1}, TCP_ACCECN_OPT_COUNTER_SEEN},
      {{172, 11, 0, 0, 1, 0, 0, 0, 0, 0, 0}, TCP_ACCECN_OPT_FAIL_SEEN},
  };
  for (const auto& c : kCases) {
    Bytes options = c.option;
    while (options.size() % 4 != 0) options.push_back(1);
    sk_buff* const skb = Segment(kStart, {}, wire::kTcpAck, options);
    EXPECT_EQ(tcp_accecn_option_init(skb, sizeof(wire::TcpHeader)), c.seen);
    consume_skb(skb);
  }
}

TEST_F(TcpAccEcnTest, ReceiverCountsAndAsksForTheOption) {
  ReceiveEct(INET_ECN_ECT_0, 100);
  EXPECT_EQ(tp_->received_ecn_bytes[INET_ECN_ECT_0 - 1], 100U);
  EXPECT_EQ(tp_->accecn_minlen, 3);
  EXPECT_EQ(tp_->accecn_opt_demand, 2);
  EXPECT_NE(tp_->icsk_ack.pending & ICSK_ACK_NOW, 0);
  tp_->icsk_ack.pending = 0;
  tp_->accecn_opt_demand = 0;
  ReceiveEct(INET_ECN_ECT_0, 100);  // no change: nothing to tell
  EXPECT_EQ(tp_->icsk_ack.pending, 0);
  EXPECT_EQ(tp_->accecn_opt_demand, 0);
  ReceiveEct(INET_ECN_CE, 10);
  EXPECT_EQ(tp_->received_ce, 1U);
  EXPECT_NE(tp_->icsk_ack.pending & ICSK_ACK_NOW, 0);
  tp_->icsk_ack.pending = 0;
  for (int i = 0; i < 20; ++i) ReceiveEct(INET_ECN_CE, 0);
  EXPECT_EQ(tp_->received_ce, 21U);
  EXPECT_EQ(tp_->received_ce_pending, 15);
  EXPECT_EQ(tp_->icsk_ack.pending, 0);
  // Each 4 MiB.
  tp_->accecn_opt_demand = 0;
  tp_->prev_ecnfield = INET_ECN_ECT_1;
  ReceiveEct(INET_ECN_ECT_1, (1 << 22) - 1);
  EXPECT_EQ(tp_->accecn_opt_demand, 0);
  ReceiveEct(INET_ECN_ECT_1, 1);
  EXPECT_EQ(tp_->accecn_opt_demand, 1);
}

// RFC 9768 table 2: the SYN's ECN field, as the SYN-ACK tells it, comes out again.
TEST_F(TcpAccEcnTest, ReflectorRoundTrip) {
  for (const uint8_t ect : {INET_ECN_NOT_ECT, INET_ECN_ECT_1, INET_ECN_ECT_0, INET_ECN_CE}) {
    const uint16_t flags = tcp_accecn_reflector_flags(ect);
    EXPECT_EQ(flags & ~TCPHDR_ACE, 0);
    EXPECT_EQ(tcp_accecn_extract_syn_ect(static_cast<uint8_t>(flags >> 6)), ect);
  }
}

TEST_F(TcpAccEcnTest, OptionFitsWhereItCan) {
  const struct {
    const char* what;
    bool synack;
    uint8_t blocks;
    uint16_t options;
    uint32_t required, remaining;
    uint32_t size;
    uint32_t fields;
    uint32_t blocks_left;
  } kCases[] = {
      {"all of it", false, 0, OPTION_TS, 0, 28, 12, 3, 0},
      {"two fields", false, 0, OPTION_TS, 0, 8, 8, 2, 0},
      {"one field padded", false, 0, OPTION_TS, 0, 4, 4, 0, 0},
      {"one field beside a SACK block's padding", false, 1, OPTION_TS, 0, 4, 4, 1, 1},
      {"an empty one in that padding", false, 3, OPTION_TS, 0, 0, 0, 0, 3},
      {"no room", false, 0, OPTION_TS, 0, 0, 0, 9, 0},
      {"not what is required", false, 1, OPTION_TS, 3, 8, 0, 9, 1},
      {"in place of the third block", false, 3, OPTION_TS, 1, 0, 0, 2, 2},
      {"even that is not enough", false, 3, OPTION_TS, 3, 0, 0, 9, 3},
      {"a SYN-ACK with SACK alone", true, 0, OPTION_SACK_ADVERTISE, 0, 0, 0, 0, 0},
      {"a SYN-ACK with window scale", true, 0, OPTION_TS | OPTION_WSCALE, 0, 12, 12, 3, 0},
  };
  for (const auto& c : kCases) {
    tcp_out_options opts;
    opts.options = c.options;
    opts.num_sack_blocks = c.blocks;
    opts.use_synack_ecn_bytes = c.synack;
    EXPECT_EQ(tcp_options_fit_accecn(&opts, c.required, c.remaining), c.size) << c.what;
    EXPECT_EQ((opts.options & OPTION_ACCECN) != 0, c.fields <= 3) << c.what;
    if (c.fields <= 3) {
      EXPECT_EQ(opts.num_accecn_fields, c.fields) << c.what;
    }
    EXPECT_EQ(opts.num_sack_blocks, c.blocks_left) << c.what;
  }
}

}  // namespace
}  // namespace tapedeck
