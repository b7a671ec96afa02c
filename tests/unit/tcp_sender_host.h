// A TCP socket in the middle of a connection, without a peer: for tests of what the sender's half
// of input computes. Packets lie in the retransmission queue as if they had been sent.
#ifndef TAPEDECK_TESTS_UNIT_TCP_SENDER_HOST_H_
#define TAPEDECK_TESTS_UNIT_TCP_SENDER_HOST_H_

#include <gtest/gtest.h>

#include <cstdint>

#include "core_host.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"

namespace tapedeck {

class TcpSenderTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kMss = 1000;
  static constexpr uint32_t kIsn = 0xffffe000;  // the queue crosses zero

  TcpSenderTest() {
    host_.n.tcp = host_.arena.New<netns_tcp>(host_.n);
    prot_.name = "TCP";
    tp_ = host_.arena.New<tcp_sock>(host_.n, kAfInet, &prot_);
    tp_->icsk_ca_ops = &tcp_reno;
    tp_->icsk_rto_min = tcp_ticks_of(tp_).rto_min;
    tp_->icsk_rto_max = tcp_ticks_of(tp_).rto_max;
    tp_->sk_state = TCP_ESTABLISHED;
    tp_->mss_cache = kMss;
    tp_->snd_cwnd = 10;
    tp_->snd_cwnd_clamp = UINT32_MAX;
    tp_->snd_ssthresh = TCP_INFINITE_SSTHRESH;
    tp_->reordering = 3;
    tp_->rack.reo_wnd_steps = 1;
    tp_->max_window = 1 << 20;
    tp_->rx_opt.sack_ok = TCP_SACK_SEEN;
    tp_->snd_una = tp_->snd_nxt = tp_->write_seq = tp_->high_seq = SeqNum(kIsn);
    minmax_reset(&tp_->rtt_min, 0, UINT32_MAX);
  }
  ~TcpSenderTest() override {
    while (sk_buff* const skb = tcp_rtx_queue_head(tp_)) tcp_rtx_queue_unlink_and_free(skb, tp_);
    EXPECT_EQ(tp_->tsorted_sent_queue.first, nullptr);
    EXPECT_EQ(tp_->tsorted_sent_queue.last, nullptr);
    EXPECT_EQ(host_.LivePackets(), 0U);
  }

  // `segs` segments behind all others, sent at `sent_us`, in a fragment of their own.
  sk_buff* Send(uint32_t segs = 1, uint64_t sent_us = 1) {
    const uint32_t bytes = segs * kMss;
    sk_buff* const skb = alloc_skb(host_.n, MAX_TCP_HEADER);
    skb_reserve(skb, MAX_TCP_HEADER);
    skb_fill_page_desc(skb, 0, alloc_page(host_.n, bytes), 0, bytes);
    skb->len = skb->data_len = bytes;
    skb->truesize += bytes;
    tp_->sk_wmem_queued += static_cast<int32_t>(skb->truesize);
    TCP_SKB_CB(skb)->seq = tp_->snd_nxt;
    TCP_SKB_CB(skb)->end_seq = tp_->snd_nxt + bytes;
    tcp_skb_pcount_set(skb, segs);
    TCP_SKB_CB(skb)->tcp_gso_size = segs > 1 ? kMss : 0;
    skb->tstamp = static_cast<int64_t>(sent_us * 1000);
    tcp_rbtree_insert(&tp_->tcp_rtx_queue, skb);
    tcp_tsorted_add_tail(tp_, skb);
    tp_->snd_nxt = tp_->write_seq = TCP_SKB_CB(skb)->end_seq;
    tp_->packets_out += segs;
    return skb;
  }
  uint64_t Count(TcpExtMib item) const { return host_.n.tcp_ext_mib.Get(item); }

  CoreHost host_;
  proto prot_ = {};
  tcp_sock* tp_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_UNIT_TCP_SENDER_HOST_H_
