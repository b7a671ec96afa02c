// Tagging the retransmission queue by the SACK blocks that arrive (RFC 2018; tags: tcp_loss.cc).
//
// The blocks of the last ACK are remembered (recv_sack_cache): what they covered is tagged already,
// and only the difference is walked.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "stack/tcp/tcp_ack_internal.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_output.h"

namespace tapedeck {
namespace {

constexpr uint32_t kOptionBaseBytes = 2;  // kind and length
constexpr uint32_t kBlockBytes = 8;
constexpr int kNotAmongThem = -1;

// The blocks of the SACK option of `ack_skb`, which the option parser has found well formed.
tcp_sack_list ReadSackOption(const sk_buff* ack_skb) {
  const uint8_t* const option = skb_transport_header(ack_skb) + TCP_SKB_CB(ack_skb)->sacked;
  tcp_sack_list list;
  list.count =
      std::min(kTcpNumSacks, static_cast<int>((option[1] - kOptionBaseBytes) / kBlockBytes));
  for (int i = 0; i < list.count; ++i) {
    const auto* const at = reinterpret_cast<const be32*>(option + kOptionBaseBytes +
                                                         static_cast<uint32_t>(i) * kBlockBytes);
    list.block[i] = {SeqNum(at[0].host()), SeqNum(at[1].host())};
  }
  return list;
}

// A block that is not believed; those that an ACK out of order still brings are not counted.
void CountDiscarded(sock* sk, const sk_buff* ack_skb, const tcp_sack_block& block, bool dup_sack) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (dup_sack) {
    NET_INC_STATS(sk->sk_net, tp->undo_marker_valid ? TcpExtMib::kTCPDSACKIgnoredOld
                                                    : TcpExtMib::kTCPDSACKIgnoredNoUndo);
    return;
  }
  const bool reordered_ack = TCP_SKB_CB(ack_skb)->ack_seq != tp->snd_una;
  if (reordered_ack && block.end_seq.AtOrBefore(tp->snd_una)) return;
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPSACKDiscard);
}

// The blocks worth walking, by sequence. *first_index: where the option's first has come to.
tcp_sack_list SelectBlocks(sock* sk, const sk_buff* ack_skb, const tcp_sack_list& all,
                           SeqNum prior_snd_una, bool found_dup_sack, int* first_index) {
  const tcp_sock* const tp = tcp_sk(sk);
  tcp_sack_list used;
  *first_index = 0;
  for (int i = 0; i < all.count; ++i) {
    const tcp_sack_block& block = all.block[i];
    const bool dup_sack = i == 0 && found_dup_sack;
    const bool valid = tcp_is_sackblock_valid(tp, dup_sack, block);
    if (!valid) CountDiscarded(sk, ack_skb, block, dup_sack);
    if (valid && block.end_seq.After(prior_snd_una)) {
      used.block[used.count++] = block;
    } else if (i == 0) {
      *first_index = kNotAmongThem;
    }
  }
  for (int end = used.count - 1; end > 0; --end) {
    for (int i = 0; i < end; ++i) {
      if (used.block[i].start_seq.AtOrBefore(used.block[i + 1].start_seq)) continue;
      std::swap(used.block[i], used.block[i + 1]);
      if (i == *first_index) *first_index = i + 1;
    }
  }
  return used;
}

// Whether `skb` lies within `block`, after splitting it where it does in part: at a multiple of its
// segment size, for SACKs of parts of a segment are not kept. 1, 0; -ENOMEM, -EINVAL: could not.
int tcp_match_skb_to_sack(sock* sk, sk_buff* skb, const tcp_sack_block& block) {
  const SeqNum seq = TCP_SKB_CB(skb)->seq;
  const SeqNum end_seq = TCP_SKB_CB(skb)->end_seq;
  const bool starts_in = block.start_seq.AtOrBefore(seq);
  if (starts_in && block.end_seq.AtOrAfter(end_seq)) return 1;
  if (tcp_skb_pcount(skb) <= 1 || end_seq.AtOrBefore(block.start_seq)) return 0;

  const uint32_t mss = tcp_skb_mss(skb);
  uint32_t pkt_len = static_cast<uint32_t>(starts_in ? block.end_seq - seq : block.start_seq - seq);
  if (pkt_len < mss) {
    if (starts_in) return -EINVAL;
    pkt_len = mss;
  }
  const uint32_t whole_segments = pkt_len / mss * mss;
  const bool round_up = !starts_in && whole_segments < pkt_len;
  pkt_len = round_up ? whole_segments + mss : whole_segments;
  if (pkt_len >= skb->len && !starts_in) return 0;

  const int err = tcp_fragment(sk, tcp_queue::kRtx, skb, pkt_len, mss);
  if (err < 0) return err;
  return starts_in ? 1 : 0;
}

void TagPacket(sock* sk, sk_buff* skb, tcp_sacktag_state* state, bool dup_sack) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_skb_cb* const scb = TCP_SKB_CB(skb);
  scb->sacked = tcp_sacktag_one(sk, state, scb->sacked, scb->seq, scb->end_seq, dup_sack,
                                tcp_skb_pcount(skb), skb->len, tcp_skb_timestamp_us(skb));
  tcp_rate_skb_delivered(sk, skb, state->rate);
  if ((scb->sacked & TCPCB_SACKED_ACKED) != 0) tcp_tsorted_del(tp, skb);
  if (scb->seq.AtOrAfter(tcp_highest_sack_seq(tp))) tcp_advance_highest_sack(sk, skb);
}

// Tags from `skb` on what `block` covers; `next_dup`, if any, is the D-SACK that lies in it. The
// packet at which the walk ended.
sk_buff* tcp_sacktag_walk(sk_buff* skb, sock* sk, const tcp_sack_block* next_dup,
                          tcp_sacktag_state* state, const tcp_sack_block& block, bool dup_sack_in) {
  for (; skb != nullptr; skb = skb_rb_next(skb)) {
    if (TCP_SKB_CB(skb)->seq.AtOrAfter(block.end_seq)) break;
    int in_sack = 0;
    bool dup_sack = dup_sack_in;
    if (next_dup != nullptr && TCP_SKB_CB(skb)->seq.Before(next_dup->end_seq)) {
      in_sack = tcp_match_skb_to_sack(sk, skb, *next_dup);
      if (in_sack > 0) dup_sack = true;
    }
    if (in_sack <= 0) {
      // Shifting may free this packet and the next one: it says where to go on.
      sk_buff* const shifted = tcp_shift_skb_data(sk, skb, state, block, dup_sack);
      if (shifted != nullptr) {
        skb = shifted;
        continue;
      }
      in_sack = tcp_match_skb_to_sack(sk, skb, block);
    }
    if (in_sack < 0) break;
    if (in_sack > 0) TagPacket(sk, skb, state, dup_sack);
  }
  return skb;
}

// The packet that has `seq`; nullptr where none does.
sk_buff* tcp_sacktag_bsearch(sock* sk, SeqNum seq) {
  rb_node* node = tcp_sk(sk)->tcp_rtx_queue.node;
  while (node != nullptr) {
    sk_buff* const skb = rb_to_skb(node);
    if (seq.Before(TCP_SKB_CB(skb)->seq)) {
      node = node->rb_left;
    } else if (seq.AtOrAfter(TCP_SKB_CB(skb)->end_seq)) {
      node = node->rb_right;
    } else {
      return skb;
    }
  }
  return nullptr;
}

sk_buff* tcp_sacktag_skip(sk_buff* skb, sock* sk, SeqNum skip_to_seq) {
  if (skb != nullptr && TCP_SKB_CB(skb)->seq.After(skip_to_seq)) return skb;
  return tcp_sacktag_bsearch(sk, skip_to_seq);
}

// Walks the queue for one ACK's blocks, in order.
class SackWalk {
 public:
  SackWalk(sock* sk, tcp_sacktag_state* state)
      : sk_(sk), tp_(tcp_sk(sk)), state_(state), cache_(tp_->recv_sack_cache) {
    if (tp_->sacked_out == 0) {
      cache_ = CacheEnd();  // it is about what has been acknowledged since
    } else {
      while (CacheLeft() && cache_->start_seq == cache_->end_seq) ++cache_;  // unused entries
    }
  }

  // `next_dup`: a D-SACK that is the block after this one, to be tagged with it. False: the queue
  // is at its end, no block that follows can find anything.
  bool Tag(const tcp_sack_block& block, const tcp_sack_block* next_dup, bool dup_sack) {
    SkipOlderCache(block);
    while (CacheLeft() && !dup_sack && block.end_seq.After(cache_->start_seq)) {
      if (block.start_seq.Before(cache_->start_seq)) {
        skb_ = tcp_sacktag_skip(skb_, sk_, block.start_seq);
        Walk({block.start_seq, cache_->start_seq}, next_dup, dup_sack);
      }
      if (block.end_seq.AtOrBefore(cache_->end_seq)) return true;

      const SeqNum cache_end_seq = cache_->end_seq;
      ++cache_;
      TagDsackBelow(next_dup, cache_end_seq);
      if (tcp_highest_sack_seq(tp_) == cache_end_seq) {
        if (!FromHighestSack()) return false;
        Walk(block, next_dup, dup_sack);
        return true;
      }
      skb_ = tcp_sacktag_skip(skb_, sk_, cache_end_seq);
      SkipOlderCache(block);
    }
    if (block.start_seq.AtOrAfter(tcp_highest_sack_seq(tp_)) && !FromHighestSack()) return false;
    skb_ = tcp_sacktag_skip(skb_, sk_, block.start_seq);
    Walk(block, next_dup, dup_sack);
    return true;
  }

 private:
  tcp_sack_block* CacheEnd() const { return tp_->recv_sack_cache + kTcpNumSacks; }
  bool CacheLeft() const { return cache_ < CacheEnd(); }
  void SkipOlderCache(const tcp_sack_block& block) {
    while (CacheLeft() && block.start_seq.AtOrAfter(cache_->end_seq)) ++cache_;
  }
  bool FromHighestSack() {
    skb_ = tcp_highest_sack(sk_);
    return skb_ != nullptr;
  }
  void Walk(const tcp_sack_block& block, const tcp_sack_block* next_dup, bool dup_sack) {
    skb_ = tcp_sacktag_walk(skb_, sk_, next_dup, state_, block, dup_sack);
  }
  // The cache lets the walk skip what was tagged: but not a D-SACK in it
  // (tcp_maybe_skipping_dsack).
  void TagDsackBelow(const tcp_sack_block* next_dup, SeqNum skip_to_seq) {
    if (next_dup == nullptr || next_dup->start_seq.AtOrAfter(skip_to_seq)) return;
    skb_ = tcp_sacktag_skip(skb_, sk_, next_dup->start_seq);
    Walk(*next_dup, nullptr, true);
  }

  sock* const sk_;
  tcp_sock* const tp_;
  tcp_sacktag_state* const state_;
  tcp_sack_block* cache_;   // the first cached block that may still overlap
  sk_buff* skb_ = nullptr;  // where the walk is
};

// The blocks become the cache, behind unused entries.
void RememberBlocks(tcp_sock* tp, const tcp_sack_list& used) {
  const int unused = kTcpNumSacks - used.count;
  for (int i = 0; i < unused; ++i) tp->recv_sack_cache[i] = {};
  for (int i = 0; i < used.count; ++i) tp->recv_sack_cache[unused + i] = used.block[i];
}

}  // namespace

void tcp_check_sack_reordering(sock* sk, SeqNum low_seq, bool ts) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint32_t mss = tp->mss_cache;
  const SeqNum fack = tcp_highest_sack_seq(tp);
  if (low_seq.AtOrAfter(fack)) return;
  const auto metric = static_cast<uint32_t>(fack - low_seq);
  if (mss != 0 && metric > tp->reordering * mss) {
    tp->reordering =
        std::min((metric + mss - 1) / mss, static_cast<uint32_t>(tcp_sysctl(sk).max_reordering));
  }
  ++tp->reord_seen;
  NET_INC_STATS(sk->sk_net, ts ? TcpExtMib::kTCPTSReorder : TcpExtMib::kTCPSACKReorder);
}

uint8_t tcp_sacktag_one(sock* sk, tcp_sacktag_state* state, uint8_t sacked, SeqNum start_seq,
                        SeqNum end_seq, bool dup_sack, uint32_t pcount, uint32_t plen,
                        uint64_t xmit_time_us) {
  tcp_sock* const tp = tcp_sk(sk);
  uint32_t tags = sacked;
  if (dup_sack && (tags & TCPCB_RETRANS) != 0) {
    if (tp->undo_marker_valid && tp->undo_retrans > 0 && end_seq.After(tp->undo_marker)) {
      tp->undo_retrans = std::max(0, tp->undo_retrans - static_cast<int32_t>(pcount));
    }
    if ((tags & TCPCB_SACKED_ACKED) != 0) state->reord = SeqMin(state->reord, start_seq);
  }
  if (end_seq.AtOrBefore(tp->snd_una)) return sacked;  // leaves the queue with this ACK

  if ((tags & TCPCB_SACKED_ACKED) == 0) {
    tcp_rack_advance(tp, sacked, end_seq, xmit_time_us);
    const bool lost = (tags & TCPCB_LOST) != 0;
    if (lost) {
      tags &= ~uint32_t{TCPCB_LOST};
      tp->lost_out -= pcount;
    }
    if ((tags & TCPCB_SACKED_RETRANS) != 0) {
      // L R: it was the retransmission. R alone: the original, and the retransmission still flies.
      if (lost) {
        tags &= ~uint32_t{TCPCB_SACKED_RETRANS};
        tp->retrans_out -= pcount;
      }
    } else if ((tags & TCPCB_RETRANS) == 0) {
      // Never retransmitted, and below what was SACKed before: the network reorders.
      if (start_seq.Before(tcp_highest_sack_seq(tp)))
        state->reord = SeqMin(state->reord, start_seq);
      if (end_seq.AtOrBefore(tp->high_seq)) state->flag |= FLAG_ORIG_SACK_ACKED;
      if (state->first_sackt_us == 0) state->first_sackt_us = xmit_time_us;
      state->last_sackt_us = xmit_time_us;
    }
    tags |= TCPCB_SACKED_ACKED;
    state->flag |= FLAG_DATA_SACKED;
    tp->sacked_out += pcount;
    state->sack_delivered += pcount;
    state->delivered_bytes += plen;
  }
  // The duplicate was the retransmission that still flew.
  if (dup_sack && (tags & TCPCB_SACKED_RETRANS) != 0) {
    tags &= ~uint32_t{TCPCB_SACKED_RETRANS};
    tp->retrans_out -= pcount;
  }
  return static_cast<uint8_t>(tags);
}

uint32_t tcp_sacktag_write_queue(sock* sk, const sk_buff* ack_skb, SeqNum prior_snd_una,
                                 tcp_sacktag_state* state) {
  tcp_sock* const tp = tcp_sk(sk);
  state->flag = 0;
  state->reord = tp->snd_nxt;
  if (tp->sacked_out == 0) tcp_highest_sack_reset(sk);

  const tcp_sack_list all = ReadSackOption(ack_skb);
  const bool found_dup_sack = tcp_check_dsack(sk, ack_skb, all, prior_snd_una, state);
  // An ACK older than a window has nothing to say; a fresher one may.
  if (TCP_SKB_CB(ack_skb)->ack_seq.Before(prior_snd_una - tp->max_window)) return 0;
  if (tp->packets_out == 0) return state->flag;

  int first_index = kNotAmongThem;
  const tcp_sack_list used =
      SelectBlocks(sk, ack_skb, all, prior_snd_una, found_dup_sack, &first_index);
  SackWalk walk(sk, state);
  for (int i = 0; i < used.count; ++i) {
    const bool dup_sack = found_dup_sack && i == first_index;
    const bool next_is_dup = found_dup_sack && i + 1 == first_index;
    if (!walk.Tag(used.block[i], next_is_dup ? &used.block[i + 1] : nullptr, dup_sack)) break;
  }
  RememberBlocks(tp, used);

  if (tp->icsk_ca_state != TCP_CA_Loss || tp->undo_marker_valid) {
    tcp_check_sack_reordering(sk, state->reord, false);
  }
  tcp_verify_left_out(tp);
  return state->flag;
}

}  // namespace tapedeck
