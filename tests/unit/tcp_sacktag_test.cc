// SACK blocks against a model of one flag per segment: whatever the order of blocks and ACKs,
// however packets were split and merged, a segment is tagged where a block has covered it, and the
// counters are the sums of the tags.
#include "stack/base/prng.h"
#include "stack/tcp/tcp_ack_internal.h"
#include "tcp_sender_host.h"

namespace tapedeck {
namespace {

class TcpSacktagTest : public TcpSenderTest {
 protected:
  struct Block {
    uint32_t start;  // segments from the queue's first on
    uint32_t end;
  };
  SeqNum Seq(uint32_t segment) const { return SeqNum(kIsn) + segment * kMss; }
  Block At(uint32_t start, uint32_t end) const { return {start, end}; }

  // Processes an ACK of `una` segments with these blocks; FLAG_*.
  uint32_t Sack(const std::vector<Block>& blocks, uint32_t una = 0) {
    std::vector<tcp_sack_block> bytes;
    for (const Block& block : blocks) bytes.push_back({Seq(block.start), Seq(block.end)});
    return SackBytes(bytes, una);
  }
  uint32_t SackBytes(const std::vector<tcp_sack_block>& blocks, uint32_t una = 0) {
    constexpr uint8_t kSackKind = 5;
    Bytes segment(20, 0);
    segment.push_back(kSackKind);
    segment.push_back(static_cast<uint8_t>(2 + 8 * blocks.size()));
    for (const tcp_sack_block& block : blocks) {
      for (const SeqNum seq : {block.start_seq, block.end_seq}) {
        for (int shift = 24; shift >= 0; shift -= 8) {
          segment.push_back(static_cast<uint8_t>(seq.value() >> shift));
        }
      }
    }
    sk_buff* const ack = MakePacket(host_.n, segment);
    skb_reset_transport_header(ack);
    TCP_SKB_CB(ack)->ack_seq = Seq(una);
    TCP_SKB_CB(ack)->sacked = 20;
    rate_ = {};
    tcp_sacktag_state state(&rate_);
    const uint32_t flag = tcp_sacktag_write_queue(tp_, ack, tp_->snd_una, &state);
    delivered_ = state.sack_delivered;
    consume_skb(ack);
    CheckCounters();
    return flag;
  }

  // The tags of all packets and the counters agree, and so do the orders.
  void CheckCounters() {
    uint32_t out = 0;
    uint32_t sacked = 0;
    uint32_t lost = 0;
    uint32_t retrans = 0;
    SeqNum at = tp_->snd_una;
    sk_buff* highest = nullptr;
    EXPECT_TRUE(rb_valid(&tp_->tcp_rtx_queue));
    for (sk_buff* skb = tcp_rtx_queue_head(tp_); skb != nullptr; skb = skb_rb_next(skb)) {
      const tcp_skb_cb* const scb = TCP_SKB_CB(skb);
      const uint32_t segs = tcp_skb_pcount(skb);
      EXPECT_EQ(scb->seq, at);
      at = scb->end_seq;
      EXPECT_EQ(static_cast<uint32_t>(scb->end_seq - scb->seq), skb->len);
      EXPECT_EQ(segs, (skb->len + kMss - 1) / kMss);
      out += segs;
      if ((scb->sacked & TCPCB_SACKED_ACKED) != 0) {
        EXPECT_EQ(scb->sacked & TCPCB_LOST, 0);
        EXPECT_FALSE(tcp_tsorted_linked(tp_, skb));
        sacked += segs;
        highest = skb;
      } else {
        EXPECT_TRUE(tcp_tsorted_linked(tp_, skb) || (scb->sacked & TCPCB_LOST) != 0);
      }
      if ((scb->sacked & TCPCB_LOST) != 0) lost += segs;
      if ((scb->sacked & TCPCB_SACKED_RETRANS) != 0) retrans += segs;
    }
    EXPECT_EQ(at, tp_->snd_nxt);
    EXPECT_EQ(out, tp_->packets_out);
    EXPECT_EQ(sacked, tp_->sacked_out);
    EXPECT_EQ(lost, tp_->lost_out);
    EXPECT_EQ(retrans, tp_->retrans_out);
    if (highest != nullptr) {
      EXPECT_EQ(tp_->highest_sack, skb_rb_next(highest));
    }
  }

  // One letter per segment: S, or what it is else.
  std::string Tags() const {
    std::string tags;
    for (sk_buff* skb = tcp_rtx_queue_head(tp_); skb != nullptr; skb = skb_rb_next(skb)) {
      const uint8_t sacked = TCP_SKB_CB(skb)->sacked;
      const char tag = (sacked & TCPCB_SACKED_ACKED) != 0 ? 'S'
                       : (sacked & TCPCB_LOST) != 0       ? 'L'
                                                          : '.';
      tags.append(tcp_skb_pcount(skb), tag);
    }
    return tags;
  }
  uint32_t PacketsInQueue() const {
    uint32_t packets = 0;
    for (sk_buff* skb = tcp_rtx_queue_head(tp_); skb != nullptr; skb = skb_rb_next(skb)) ++packets;
    return packets;
  }

  rate_sample rate_;
  uint32_t delivered_ = 0;
};

TEST_F(TcpSacktagTest, TagsWhatBlocksCover) {
  for (int i = 0; i < 8; ++i) Send();
  EXPECT_EQ(Sack({At(2, 4)}), FLAG_DATA_SACKED);
  EXPECT_EQ(Tags(), "..SS....");
  EXPECT_EQ(delivered_, 2U);
  EXPECT_EQ(Sack({At(5, 6), At(2, 4)}), FLAG_DATA_SACKED);
  EXPECT_EQ(Tags(), "..SS.S..");
  EXPECT_EQ(Sack({At(5, 6), At(2, 4)}), 0U);  // no news
  EXPECT_EQ(Sack({At(2, 8)}), FLAG_DATA_SACKED);
  EXPECT_EQ(Tags(), "..SSSSSS");
  EXPECT_EQ(tcp_highest_sack_seq(tp_), tp_->snd_nxt);
  // The hole at 4 was filled below what was SACKed before: reordering.
  EXPECT_EQ(Count(TcpExtMib::kTCPSACKReorder), 1U);
}

// Neighbours of SACKed packets join them, so that the queue gets shorter.
TEST_F(TcpSacktagTest, MergesSackedPackets) {
  for (int i = 0; i < 6; ++i) Send();
  Sack({At(1, 2)});
  Sack({At(1, 4)});
  EXPECT_EQ(Tags(), ".SSS..");
  EXPECT_EQ(PacketsInQueue(), 4U);
  EXPECT_EQ(Count(TcpExtMib::kTCPSackMerged), 2U);
  Sack({At(5, 6), At(1, 4)});
  EXPECT_EQ(PacketsInQueue(), 4U);
  Sack({At(1, 6)});  // the hole, and what lies behind it
  EXPECT_EQ(PacketsInQueue(), 2U);
  EXPECT_EQ(Tags(), ".SSSSS");
  EXPECT_EQ(TCP_SKB_CB(tcp_rtx_queue_tail(tp_))->tcp_gso_size, kMss);
}

TEST_F(TcpSacktagTest, SplitsPacketsAtSegments) {
  Send(4);
  Send(4);
  Sack({At(1, 3)});
  EXPECT_EQ(Tags(), ".SS.....");
  Sack({At(1, 6)});
  EXPECT_EQ(Tags(), ".SSSSS..");
  // Half a segment is none.
  SackBytes({{Seq(1), Seq(6) + kMss / 2}});
  EXPECT_EQ(Tags(), ".SSSSS..");
}

TEST_F(TcpSacktagTest, BlocksThatCannotBeAreNotBelieved) {
  for (int i = 0; i < 4; ++i) Send();
  SackBytes({{Seq(2), Seq(5)}});                // not sent yet
  SackBytes({{Seq(3), Seq(2)}});                // reversed
  SackBytes({{Seq(0), Seq(2)}});                // would be an acknowledgment
  SackBytes({{Seq(3) + 0x7ffffff0U, Seq(3)}});  // wraps
  EXPECT_EQ(Tags(), "....");
  EXPECT_EQ(Count(TcpExtMib::kTCPSACKDiscard), 4U);
  EXPECT_EQ(tp_->reord_seen, 0U);
}

TEST_F(TcpSacktagTest, LostSegmentsThatArriveAreNotLost) {
  sk_buff* const a = Send();
  sk_buff* const b = Send();
  Send();
  tcp_mark_skb_lost(tp_, a);
  tcp_mark_skb_lost(tp_, b);
  TCP_SKB_CB(b)->sacked |= TCPCB_RETRANS;
  tp_->retrans_out = 1;
  Sack({At(1, 3)});
  EXPECT_EQ(Tags(), "LSS");
  EXPECT_EQ(tp_->retrans_out, 0U);
  EXPECT_EQ(tp_->lost_out, 1U);
}

TEST_F(TcpSacktagTest, DsackBelowTheAckCountsDown) {
  for (int i = 0; i < 4; ++i) Send();
  tp_->total_retrans = 2;
  tp_->undo_marker = tp_->snd_una - 3 * kMss;
  tp_->undo_marker_valid = true;
  tp_->undo_retrans = 2;
  const SeqNum old = tp_->snd_una - 2 * kMss;
  const uint32_t flag = SackBytes({{old, old + kMss}, {Seq(2), Seq(3)}});
  EXPECT_EQ(flag, FLAG_DSACKING_ACK | FLAG_DATA_SACKED);
  EXPECT_EQ(tp_->undo_retrans, 1);
  EXPECT_EQ(Tags(), "..S.");
  EXPECT_EQ(Count(TcpExtMib::kTCPDSACKRecv), 1U);
  EXPECT_EQ(Count(TcpExtMib::kTCPDSACKRecvSegs), 1U);
  // More duplicates than were ever sent twice: somebody makes them up.
  SackBytes({{old, old + kMss}, {Seq(2), Seq(3)}});
  SackBytes({{old, old + kMss}, {Seq(2), Seq(3)}});
  EXPECT_EQ(Count(TcpExtMib::kTCPDSACKIgnoredDubious), 1U);
  EXPECT_EQ(tp_->undo_retrans, 0);
}

// RFC 2883 4.1.2: the first block lies in the second, which is news as well.
TEST_F(TcpSacktagTest, DsackInsideTheSecondBlock) {
  for (int i = 0; i < 6; ++i) Send();
  sk_buff* const again = skb_rb_next(tcp_rtx_queue_head(tp_));
  TCP_SKB_CB(again)->sacked |= TCPCB_RETRANS;
  tp_->retrans_out = 1;
  tp_->total_retrans = 1;
  tp_->undo_marker = tp_->snd_una;
  tp_->undo_marker_valid = true;
  tp_->undo_retrans = 1;
  const uint32_t flag = Sack({At(1, 2), At(1, 4)});
  EXPECT_EQ(flag & FLAG_DSACKING_ACK, FLAG_DSACKING_ACK);
  EXPECT_EQ(Tags(), ".SSS..");
  EXPECT_EQ(tp_->retrans_out, 0U);  // the duplicate was the retransmission
  EXPECT_EQ(tp_->undo_retrans, 0);
  EXPECT_EQ(Count(TcpExtMib::kTCPDSACKOfoRecv), 1U);
}

// Random queues, random losses, random blocks in any order.
TEST_F(TcpSacktagTest, RandomBlocksAgainstTheModel) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Prng prng(seed, 1);
    uint32_t segments = 0;
    while (segments < 40) {
      const uint32_t segs = 1 + prng.Below(4);
      Send(segs);
      segments += segs;
    }
    std::string model(segments, '.');
    for (uint32_t ack = 0; ack < 30; ++ack) {
      std::vector<Block> blocks;
      for (uint32_t i = 0; i <= prng.Below(4); ++i) {
        const uint32_t start = 1 + prng.Below(segments - 1);
        const uint32_t end = start + 1 + prng.Below(std::min(8U, segments - start));
        blocks.push_back({start, std::min(end, segments)});
        for (uint32_t s = blocks.back().start; s < blocks.back().end; ++s) model[s] = 'S';
      }
      Sack(blocks);
      ASSERT_EQ(Tags(), model) << "seed " << seed << ", ack " << ack;
    }
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
    while (sk_buff* const skb = tcp_rtx_queue_head(tp_)) tcp_rtx_queue_unlink_and_free(skb, tp_);
    tp_->packets_out = tp_->sacked_out = tp_->retrans_out = tp_->lost_out = 0;
    tp_->snd_una = tp_->snd_nxt = tp_->write_seq = SeqNum(kIsn);
    for (tcp_sack_block& block : tp_->recv_sack_cache) block = {};
    tp_->retransmit_skb_hint = tp_->highest_sack = nullptr;
  }
}

// The same with blocks that respect nothing: no model, but the counters hold.
TEST_F(TcpSacktagTest, RandomBytesKeepTheCounters) {
  Prng prng(3, 2);
  for (int i = 0; i < 20; ++i) Send(1 + prng.Below(4));
  tp_->undo_marker = tp_->snd_una;
  tp_->undo_marker_valid = true;
  tp_->undo_retrans = 1000;
  tp_->total_retrans = 1 << 20;
  const auto bytes = static_cast<uint32_t>(tp_->snd_nxt - tp_->snd_una);
  for (int ack = 0; ack < 3000; ++ack) {
    std::vector<tcp_sack_block> blocks;
    for (uint32_t i = 0; i <= prng.Below(4); ++i) {
      const SeqNum start = tp_->snd_una + prng.Below(bytes + 2 * kMss) - kMss;
      blocks.push_back({start, start + prng.Below(6 * kMss) - kMss});
    }
    SackBytes(blocks);
    ASSERT_FALSE(HasFailure()) << "ack " << ack;
    for (sk_buff* skb = tcp_rtx_queue_head(tp_); skb != nullptr; skb = skb_rb_next(skb)) {
      const bool flies = (TCP_SKB_CB(skb)->sacked & TCPCB_TAGBITS) == 0;
      if (flies && prng.Below(16) == 0) tcp_mark_skb_lost(tp_, skb);
    }
  }
}

}  // namespace
}  // namespace tapedeck
