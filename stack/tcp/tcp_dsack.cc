// Which SACK blocks are believed, and what a block says that reports a duplicate (D-SACK, RFC
// 2883).
#include <algorithm>

#include "stack/tcp/tcp_ack_internal.h"

namespace tapedeck {
namespace {

bool Inside(const tcp_sack_block& inner, const tcp_sack_block& outer) {
  return inner.start_seq.AtOrAfter(outer.start_seq) && inner.end_seq.AtOrBefore(outer.end_seq);
}

// Counts a D-SACK. The segments that it is for; 0: it cannot be ours, for the peer was never sent
// so much, or so many retransmissions.
uint32_t tcp_dsack_seen(tcp_sock* tp, const tcp_sack_block& block, tcp_sacktag_state* state) {
  if (block.start_seq.AtOrAfter(block.end_seq)) return 0;
  const auto seq_len = static_cast<uint32_t>(block.end_seq - block.start_seq);
  if (seq_len > tp->max_window) return 0;

  uint32_t dup_segs = 1;
  if (seq_len > tp->mss_cache) {
    dup_segs = (seq_len + tp->mss_cache - 1) / tp->mss_cache;
  } else if (tp->tlp_active && tp->tlp_high_seq == block.end_seq) {
    state->flag |= FLAG_DSACK_TLP;
  }
  tp->dsack_dups += dup_segs;
  if (tp->dsack_dups > tp->total_retrans) return 0;

  tp->rx_opt.sack_ok |= TCP_DSACK_SEEN;
  // RACK takes it for reordering that its window was too small for, unless a timer sent the
  // duplicate or there never was reordering.
  if (tp->reord_seen != 0 && (state->flag & FLAG_DSACK_TLP) == 0) tp->rack.dsack_seen = true;
  state->flag |= FLAG_DSACKING_ACK;
  state->sack_delivered += dup_segs;
  return dup_segs;
}

}  // namespace

bool tcp_check_dsack(sock* sk, const sk_buff* ack_skb, const tcp_sack_list& sacks,
                     SeqNum prior_snd_una, tcp_sacktag_state* state) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_sack_block& first = sacks.block[0];
  // RFC 2883 4: the duplicate is below the acknowledgment, or inside the second block.
  if (first.start_seq.Before(TCP_SKB_CB(ack_skb)->ack_seq)) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPDSACKRecv);
  } else if (sacks.count > 1 && Inside(first, sacks.block[1])) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPDSACKOfoRecv);
  } else {
    return false;
  }
  const uint32_t dup_segs = tcp_dsack_seen(tp, first, state);
  if (dup_segs == 0) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPDSACKIgnoredDubious);
    return false;
  }
  NET_ADD_STATS(sk->sk_net, TcpExtMib::kTCPDSACKRecvSegs, dup_segs);
  // The packets are no longer in the queue to say whether they were retransmitted: believed.
  if (tp->undo_marker_valid && tp->undo_retrans > 0 && first.end_seq.AtOrBefore(prior_snd_una) &&
      first.end_seq.After(tp->undo_marker)) {
    tp->undo_retrans = std::max(0, tp->undo_retrans - static_cast<int32_t>(dup_segs));
  }
  return true;
}

// A block lies in (snd_una, snd_nxt]; one that starts at snd_una would be an acknowledgment. A
// D-SACK may lie below, down to undo_marker, for nothing older matters.
bool tcp_is_sackblock_valid(const tcp_sock* tp, bool is_dsack, const tcp_sack_block& block) {
  if (block.end_seq.After(tp->snd_nxt) || block.start_seq.AtOrAfter(block.end_seq)) return false;
  // Of a block almost 2^31 long, the start can seem to lie behind snd_nxt.
  if (block.start_seq.AtOrAfter(tp->snd_nxt)) return false;
  if (block.start_seq.After(tp->snd_una)) return true;

  if (!is_dsack || !tp->undo_marker_valid) return false;
  if (block.end_seq.After(tp->snd_una)) return false;
  if (block.start_seq.AtOrAfter(tp->undo_marker)) return true;
  if (block.end_seq.AtOrBefore(tp->undo_marker)) return false;
  // Across undo_marker, where packets were split and sent again: within reason.
  return block.start_seq.AtOrAfter(block.end_seq - tp->max_window);
}

}  // namespace tapedeck
