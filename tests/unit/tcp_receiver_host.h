// A TCP socket in the middle of a connection, without a peer: for tests of what the receiver's half
// of input computes from segments. Nothing is sent.
#ifndef TAPEDECK_TESTS_UNIT_TCP_RECEIVER_HOST_H_
#define TAPEDECK_TESTS_UNIT_TCP_RECEIVER_HOST_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "core_host.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_sock.h"
#include "stack/wire/tcp.h"

namespace tapedeck {

class TcpReceiverTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kMss = 1000;
  static constexpr SeqNum kStart = SeqNum(0xffffff00);  // the stream crosses zero

  TcpReceiverTest() {
    host_.n.tcp = host_.arena.New<netns_tcp>(host_.n);
    prot_.name = "TCP";
    prot_.memory = [](net& n) { return &n.tcp->memory; };
    tcp_ns().memory.sysctl_mem[0] = 100'000;
    tcp_ns().memory.sysctl_mem[1] = 200'000;
    tcp_ns().memory.sysctl_mem[2] = 300'000;
    tp_ = host_.arena.New<tcp_sock>(host_.n, kAfInet, &prot_);
    tp_->sk_data_ready = [](sock*) {};
    tp_->sk_state_change = [](sock*) {};
    tp_->icsk_ca_ops = &tcp_reno;
    tp_->sk_state = TCP_ESTABLISHED;
    tp_->sk_rcvbuf = 1 << 20;
    tp_->scaling_ratio = 128;
    tp_->window_clamp = 1 << 19;
    tp_->advmss = kMss;
    tp_->mss_cache = kMss;
    tp_->tcp_header_len = sizeof(wire::TcpHeader);
    tp_->rcv_wnd = tp_->rcv_ssthresh = 1 << 18;
    tp_->icsk_ack.rcv_mss = kMss;
    tp_->icsk_rto = tcp_ticks_of(tp_).timeout_init;
    tp_->rcvq_space.space = 10 * kMss;
    tp_->rx_opt.sack_ok = TCP_SACK_SEEN;
    tp_->rcv_nxt = tp_->copied_seq = tp_->rcv_wup = kStart;
    tp_->rcv_mwnd_seq = kStart + tp_->rcv_wnd;
  }
  ~TcpReceiverTest() override {
    while (sk_buff* const skb = __skb_dequeue(&tp_->sk_receive_queue)) consume_skb(skb);
    skb_rbtree_purge(&tp_->out_of_order_queue);
    EXPECT_EQ(tp_->sk_rmem_alloc, 0U);
    EXPECT_EQ(host_.LivePackets(), 0U);
  }

  netns_tcp& tcp_ns() { return *host_.n.tcp; }
  uint64_t Count(TcpExtMib item) const { return host_.n.tcp_ext_mib.Get(item); }

  // The byte at `offset` of the stream.
  static uint8_t StreamByte(uint32_t offset) {
    return static_cast<uint8_t>(offset * 7 + offset / 251);
  }

  // A segment as the network layer hands it over, `options` padded to words by the caller; its
  // control block is filled in. `linear`: as kmalloc'ed buffers, else in a page that can be merged.
  sk_buff* Segment(SeqNum seq, std::span<const uint8_t> payload, uint16_t flags = wire::kTcpAck,
                   std::span<const uint8_t> options = {}, bool linear = true) {
    wire::TcpHeader th;
    th.seq = seq.value();
    th.ack_seq = tp_->snd_una.value();
    th.set_flags(flags);
    th.set_doff(static_cast<uint8_t>((sizeof(th) + options.size()) / 4));
    th.window = uint16_t{1000};
    const auto bytes = static_cast<uint32_t>(sizeof(th) + options.size() + payload.size());
    sk_buff* skb = nullptr;
    if (linear) {
      skb = alloc_skb(host_.n, bytes);
    } else {
      skb = build_skb(host_.n, host_.world.packets().Alloc(2048), 2048);
    }
    skb_put_data(skb, &th, sizeof(th));
    skb_put_data(skb, options.data(), static_cast<uint32_t>(options.size()));
    skb_put_data(skb, payload.data(), static_cast<uint32_t>(payload.size()));
    skb_reset_transport_header(skb);
    tcp_skb_cb* const cb = TCP_SKB_CB(skb);
    cb->seq = seq;
    cb->end_seq =
        seq + static_cast<uint32_t>(payload.size()) + uint32_t{th.syn()} + uint32_t{th.fin()};
    cb->ack_seq = th.acknowledgment();
    cb->tcp_flags = flags;
    return skb;
  }
  // Bytes [from, to) of the stream.
  sk_buff* Data(uint32_t from, uint32_t to, bool linear = true) {
    std::vector<uint8_t> bytes;
    for (uint32_t i = from; i < to; ++i) bytes.push_back(StreamByte(i));
    return Segment(kStart + from, bytes, wire::kTcpAck, {}, linear);
  }
  void Receive(uint32_t from, uint32_t to, bool linear = true) {
    tcp_data_queue(tp_, Data(from, to, linear));
  }

  // What the user would read; the packets of the queue overlap where peers repeat themselves.
  std::vector<uint8_t> Stream() const {
    std::vector<uint8_t> stream;
    SeqNum at = kStart;
    for (sk_buff* skb = skb_peek(&tp_->sk_receive_queue); skb != nullptr;
         skb = skb_peek_next(skb, &tp_->sk_receive_queue)) {
      const auto skip = static_cast<uint32_t>(at - TCP_SKB_CB(skb)->seq);
      std::vector<uint8_t> bytes(skb->len - skip);
      EXPECT_EQ(skb_copy_bits(skb, skip, bytes.data(), skb->len - skip), 0);
      stream.insert(stream.end(), bytes.begin(), bytes.end());
      at = TCP_SKB_CB(skb)->end_seq;
    }
    return stream;
  }

  CoreHost host_;
  proto prot_ = {};
  tcp_sock* tp_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_UNIT_TCP_RECEIVER_HOST_H_
