// Merging SACKed packets: the fragments of a packet that has just been SACKed move to the SACKed
// packet before it, so that a long queue with holes stays short to walk. Only counters and pages
// change hands; no byte is copied.
#include "stack/core/skb_split.h"
#include "stack/tcp/tcp_ack_internal.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_output.h"

namespace tapedeck {
namespace {

constexpr uint32_t kSegsMax = UINT16_MAX;  // tcp_gso_segs

// `skb` has given all of its bytes to `prev` and goes.
void MergeRest(sock* sk, sk_buff* prev, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_skb_cb* const to = TCP_SKB_CB(prev);
  const tcp_skb_cb* const from = TCP_SKB_CB(skb);
  if (skb == tp->retransmit_skb_hint) tp->retransmit_skb_hint = prev;
  to->tcp_flags |= from->tcp_flags;
  to->eor = from->eor;
  if ((from->tcp_flags & TCPHDR_FIN) != 0) to->end_seq += 1;
  if (skb == tcp_highest_sack(sk)) tcp_advance_highest_sack(sk, skb);
  tcp_skb_collapse_tstamp(prev, skb);
  to->tx.delivered_mstamp_us = 0;  // it has made its rate sample
  tcp_rtx_queue_unlink_and_free(skb, sk);
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPSackMerged);
}

// The first `shifted` bytes of `skb`, `pcount` segments of `mss`, have moved to `prev` and are
// SACKed: tags and counts follow. True where `skb` was used up, and is gone.
bool tcp_shifted_skb(sock* sk, sk_buff* prev, sk_buff* skb, tcp_sacktag_state* state,
                     uint32_t pcount, uint32_t shifted, uint32_t mss, bool dup_sack) {
  CHECK_GT(pcount, 0U);
  tcp_skb_cb* const scb = TCP_SKB_CB(skb);
  tcp_skb_cb* const prev_scb = TCP_SKB_CB(prev);
  // Tagged before seq moves, for skb may be the highest SACKed packet. The length that counts for
  // AccECN's estimate is, as in the kernel, what is left of skb.
  tcp_sacktag_one(sk, state, scb->sacked, scb->seq, scb->seq + shifted, dup_sack, pcount, skb->len,
                  tcp_skb_timestamp_us(skb));
  tcp_rate_skb_delivered(sk, skb, state->rate);

  prev_scb->end_seq += shifted;
  scb->seq += shifted;
  CHECK_GE(tcp_skb_pcount(skb), pcount);
  tcp_skb_pcount_add(prev, static_cast<int>(pcount));
  tcp_skb_pcount_add(skb, -static_cast<int>(pcount));
  // A packet of one segment has no segment size; one of several needs it.
  if (prev_scb->tcp_gso_size == 0) prev_scb->tcp_gso_size = static_cast<uint16_t>(mss);
  if (tcp_skb_pcount(skb) <= 1) scb->tcp_gso_size = 0;
  prev_scb->sacked |= scb->sacked & TCPCB_EVER_RETRANS;

  if (skb->len > 0) {
    CHECK_GT(tcp_skb_pcount(skb), 0U);
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPSackShifted);
    return false;
  }
  MergeRest(sk, prev, skb);
  return true;
}

bool PlainlySacked(const sk_buff* skb) {
  return (TCP_SKB_CB(skb)->sacked & TCPCB_TAGBITS) == TCPCB_SACKED_ACKED;
}

// What of a packet could be shifted.
struct ShiftRange {
  enum class Verdict : uint8_t { kShift, kNothing, kFallback };
  Verdict verdict = Verdict::kFallback;
  uint32_t len = 0;
  uint32_t pcount = 0;
  uint32_t mss = 0;
};

// The part of `skb` that `block` covers from its start on, in whole segments that are as large as
// those of `prev`. Nothing: the block does not touch it, or not a whole segment.
ShiftRange FindRange(const sk_buff* prev, const sk_buff* skb, const tcp_sack_block& block) {
  using enum ShiftRange::Verdict;
  const tcp_skb_cb* const scb = TCP_SKB_CB(skb);
  const bool starts_in = block.start_seq.AtOrBefore(scb->seq);
  if (starts_in && block.end_seq.AtOrAfter(scb->end_seq)) {
    const uint32_t mss = tcp_skb_seglen(skb);
    return {.verdict = mss == tcp_skb_seglen(prev) ? kShift : kFallback,
            .len = skb->len,
            .pcount = tcp_skb_pcount(skb),
            .mss = mss};
  }
  if (scb->end_seq.AtOrBefore(block.start_seq) || tcp_skb_pcount(skb) <= 1) {
    return {.verdict = kNothing};
  }
  const uint32_t mss = tcp_skb_mss(skb);
  if (!starts_in || mss != tcp_skb_seglen(prev)) return {.verdict = kFallback};
  const auto covered = static_cast<uint32_t>(block.end_seq - scb->seq);
  CHECK_LE(covered, skb->len);
  const uint32_t pcount = covered / mss;
  return {
      .verdict = pcount > 0 ? kShift : kNothing, .len = pcount * mss, .pcount = pcount, .mss = mss};
}

// The SACKed packet before `skb` that it could be merged with; nullptr: it cannot be.
sk_buff* ShiftTarget(const tcp_sock* tp, sk_buff* skb, bool dup_sack) {
  const tcp_skb_cb* const scb = TCP_SKB_CB(skb);
  // R without L does not become plain S.
  const uint32_t lost_retrans = scb->sacked & (TCPCB_LOST | TCPCB_SACKED_RETRANS);
  if (!dup_sack && lost_retrans == TCPCB_SACKED_RETRANS) return nullptr;
  if (skb_headlen(skb) != 0 || !skb_is_nonlinear(skb)) return nullptr;
  if (scb->end_seq.AtOrBefore(tp->snd_una)) return nullptr;  // leaves the queue with this ACK
  sk_buff* const prev = skb_rb_prev(skb);
  if (prev == nullptr || !PlainlySacked(prev) || !tcp_skb_can_collapse(prev, skb)) return nullptr;
  return prev;
}

// A hole was filled: what follows may be SACKed already and join as well.
void MergeNext(sock* sk, sk_buff* prev, tcp_sacktag_state* state, uint32_t mss) {
  sk_buff* const next = skb_rb_next(prev);
  if (next == nullptr || skb_headlen(next) != 0 || !skb_is_nonlinear(next)) return;
  if (!PlainlySacked(next) || mss != tcp_skb_seglen(next)) return;
  if (!tcp_skb_can_collapse(prev, next)) return;
  const uint32_t len = next->len;
  const uint32_t pcount = tcp_skb_pcount(next);
  if (tcp_skb_shift(prev, next, pcount, len)) {
    tcp_shifted_skb(sk, prev, next, state, pcount, len, mss, false);
  }
}

}  // namespace

bool tcp_skb_shift(sk_buff* to, sk_buff* from, uint32_t pcount, uint32_t shiftlen) {
  // Segments may be as small as TCP_MIN_GSO_SIZE one day, and must still be countable.
  if (to->len + shiftlen >= kSegsMax * TCP_MIN_GSO_SIZE) return false;
  if (tcp_skb_pcount(to) + pcount > kSegsMax) return false;
  return skb_shift(to, from, shiftlen) != 0;
}

sk_buff* tcp_shift_skb_data(sock* sk, sk_buff* skb, tcp_sacktag_state* state,
                            const tcp_sack_block& block, bool dup_sack) {
  const tcp_sock* const tp = tcp_sk(sk);
  sk_buff* const prev = ShiftTarget(tp, skb, dup_sack);
  ShiftRange range;
  if (prev != nullptr) range = FindRange(prev, skb, block);
  if (range.verdict == ShiftRange::Verdict::kNothing) return skb;

  const bool shifted = range.verdict == ShiftRange::Verdict::kShift &&
                       (TCP_SKB_CB(skb)->seq + range.len).After(tp->snd_una) &&
                       tcp_skb_shift(prev, skb, range.pcount, range.len);
  if (!shifted) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPSackShiftFallback);
    return nullptr;
  }
  if (tcp_shifted_skb(sk, prev, skb, state, range.pcount, range.len, range.mss, dup_sack)) {
    MergeNext(sk, prev, state, range.mss);
  }
  return prev;
}

}  // namespace tapedeck
