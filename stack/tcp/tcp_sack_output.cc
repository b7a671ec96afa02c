// Which SACK blocks go out (RFC 2018; D-SACK: RFC 2883): those of the out-of-order queue, the one
// that has changed last first, and in front of them the last duplicate.
#include <algorithm>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_input_internal.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_queues.h"
#include "stack/tcp/tcp_segment.h"

namespace tapedeck {

namespace {

// Of the four blocks an ACK has room for three where there are timestamps; ACKs get lost, so what
// is news is held back only while it is among the first two.
constexpr int kSackBlocksExpected = 2;  // TCP_SACK_BLOCKS_EXPECTED

bool MaySendDsack(const sock* sk) { return tcp_is_sack(tcp_sk(sk)) && tcp_sysctl(sk).dsack != 0; }

// Grows `block` by a range that touches it. False where it does not.
bool Extend(tcp_sack_block* block, SeqNum seq, SeqNum end_seq) {
  if (seq.After(block->end_seq) || block->start_seq.After(end_seq)) return false;
  block->start_seq = SeqMin(block->start_seq, seq);
  block->end_seq = SeqMax(block->end_seq, end_seq);
  return true;
}

void RemoveBlock(tcp_sock* tp, int index) {
  tcp_sack_block* const blocks = tp->selective_acks;
  --tp->rx_opt.num_sacks;
  std::copy(blocks + index + 1, blocks + tp->rx_opt.num_sacks + 1, blocks + index);
}

// The first block has grown: those that it touches now become part of it.
void MergeIntoFirst(tcp_sock* tp) {
  tcp_sack_block* const blocks = tp->selective_acks;
  for (int i = 1; i < tp->rx_opt.num_sacks;) {
    if (Extend(&blocks[0], blocks[i].start_seq, blocks[i].end_seq)) {
      RemoveBlock(tp, i);
    } else {
      ++i;
    }
  }
}

}  // namespace

void tcp_dsack_set(sock* sk, SeqNum seq, SeqNum end_seq) {
  if (!MaySendDsack(sk)) return;
  tcp_sock* const tp = tcp_sk(sk);
  NET_INC_STATS(sk->sk_net, seq.Before(tp->rcv_nxt) ? TcpExtMib::kTCPDSACKOldSent
                                                    : TcpExtMib::kTCPDSACKOfoSent);
  tp->rx_opt.dsack = true;
  tp->duplicate_sack[0] = {seq, end_seq};
}

void tcp_dsack_extend(sock* sk, SeqNum seq, SeqNum end_seq) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->rx_opt.dsack) {
    Extend(&tp->duplicate_sack[0], seq, end_seq);
  } else {
    tcp_dsack_set(sk, seq, end_seq);
  }
}

void tcp_save_lrcv_flowlabel(sock* sk, const sk_buff* skb) {
  if (!tcp_is_v4(skb)) inet_csk(sk)->icsk_ack.lrcv_flowlabel = ipv6_hdr(skb)->flow_label();
}

void tcp_rcv_spurious_retrans(sock* sk, const sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->icsk_ca_state != TCP_CA_Loss && !tcp_is_v4(skb) &&
      tp->icsk_ack.lrcv_flowlabel != ipv6_hdr(skb)->flow_label() &&
      __sk_rethink_txhash_reset_dst(sk)) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTcpDuplicateDataRehash);
  }
  tcp_save_lrcv_flowlabel(sk, skb);
  // The same data a third time, although the ACK of the second carried a D-SACK beside the AccECN
  // option: something on the path drops what has that option.
  if (tcp_ecn_mode_accecn(tp) && tp->accecn_opt_sent_w_dsack &&
      TCP_SKB_CB(skb)->seq == tp->duplicate_sack[0].start_seq) {
    tcp_accecn_fail_mode_set(tp, TCP_ACCECN_OPT_FAIL_SEND);
  }
}

void tcp_send_dupack(sock* sk, const sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_skb_cb* const cb = TCP_SKB_CB(skb);
  if (cb->end_seq != cb->seq && cb->seq.Before(tp->rcv_nxt)) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kDelayedACKLost);
    tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS);
    if (MaySendDsack(sk)) {
      tcp_rcv_spurious_retrans(sk, skb);
      tcp_dsack_set(sk, cb->seq, SeqMin(cb->end_seq, tp->rcv_nxt));
    }
  }
  tcp_send_ack(sk);
}

void tcp_sack_compress_send_ack(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->compressed_ack == 0) return;
  if (tp->compressed_ack_timer.Cancel()) sock_put(sk);
  // One of those that were saved is sent after all.
  NET_ADD_STATS(sk->sk_net, TcpExtMib::kTCPAckCompressed, tp->compressed_ack - 1U);
  tp->compressed_ack = 0;
  tcp_send_ack(sk);
}

void tcp_sack_new_ofo_skb(sock* sk, SeqNum seq, SeqNum end_seq) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_sack_block* const blocks = tp->selective_acks;
  const int count = tp->rx_opt.num_sacks;
  for (int i = 0; i < count; ++i) {
    if (!Extend(&blocks[i], seq, end_seq)) continue;
    if (i >= kSackBlocksExpected) tcp_sack_compress_send_ack(sk);
    std::rotate(blocks, blocks + i, blocks + i + 1);
    MergeIntoFirst(tp);
    return;
  }
  if (count >= kSackBlocksExpected) tcp_sack_compress_send_ack(sk);
  // The oldest one is forgotten where all places are taken.
  const int kept = std::min(count, kTcpNumSacks - 1);
  std::copy_backward(blocks, blocks + kept, blocks + kept + 1);
  blocks[0] = {seq, end_seq};
  tp->rx_opt.num_sacks = static_cast<uint8_t>(kept + 1);
}

void tcp_sack_remove(tcp_sock* tp) {
  if (tp->out_of_order_queue.empty()) {
    tp->rx_opt.num_sacks = 0;
    return;
  }
  for (int i = 0; i < tp->rx_opt.num_sacks;) {
    if (tp->rcv_nxt.AtOrAfter(tp->selective_acks[i].start_seq)) {
      RemoveBlock(tp, i);
    } else {
      ++i;
    }
  }
}

}  // namespace tapedeck
