// How large the receive window and its buffer are. The buffer grows with what the user reads in a
// round trip (dynamic right-sizing, Feng and Fisk); rcv_ssthresh, what is advertised, starts low
// and grows with each packet whose data is worth its buffer.
#include <algorithm>
#include <limits>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_input_internal.h"
#include "stack/tcp/tcp_queues.h"

namespace tapedeck {

namespace {

// Packets with less data say nothing about how well buffers are used.
constexpr uint32_t kGrowMinBytes = 128;

// The ratio of data to buffer in this packet is what the window is computed with from now on.
void UpdateScalingRatio(sock* sk, const sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint64_t ratio = (uint64_t{skb->len} << TCP_RMEM_TO_WIN_SCALE) / skb->truesize;
  const uint8_t old_ratio = tp->scaling_ratio;
  tp->scaling_ratio = static_cast<uint8_t>(ratio != 0 ? ratio : 1);
  if (tp->scaling_ratio == old_ratio) return;
  tp->window_clamp = static_cast<uint32_t>(tcp_win_from_space(sk, sk->sk_rcvbuf));
  tp->rcvq_space.space = std::min(tp->rcvq_space.space, tp->window_clamp);
}

// A segment shorter than rcv_mss may still be a full-sized one: of a peer with a small MSS. True
// where two of the same length have come in a row.
bool ShorterMss(sock* sk, const sk_buff* skb, uint32_t len, uint32_t last_seg_size) {
  constexpr uint16_t kRemnant = TCPHDR_FIN | TCPHDR_URG | TCPHDR_SYN | TCPHDR_PSH;
  // With the header: the data of a segment with SACK blocks is shorter by them, the whole is not.
  len += static_cast<uint32_t>(skb->data - skb_transport_header(skb));
  const bool large = len >= TCP_MSS_DEFAULT + wire::kTcpHeaderBytes;
  // Without PSH, all that a sane sender has sent is full-sized, on links of a small MTU too.
  const bool middle = len >= TCP_MIN_MSS + wire::kTcpHeaderBytes && !tcp_hdr(skb)->has(kRemnant);
  if (!large && !middle) return false;
  len -= tcp_sk(sk)->tcp_header_len;
  auto& ack = inet_csk(sk)->icsk_ack;
  ack.last_seg_size = static_cast<uint16_t>(len);
  if (len != last_seg_size) return false;
  ack.rcv_mss = static_cast<uint16_t>(len);
  return true;
}

// Check #2 of tcp_grow_window: whether packets like this one would fill the buffer's share that the
// window already has.
uint32_t GrowthForBloated(const sock* sk, const sk_buff* skb, uint32_t skb_truesize) {
  const tcp_sock* const tp = tcp_sk(sk);
  int64_t truesize = tcp_win_from_space(sk, skb_truesize) >> 1;
  int64_t window = tcp_win_from_space(sk, tcp_sysctl(sk).rmem[2]) >> 1;
  while (tp->rcv_ssthresh <= window) {
    if (truesize <= skb->len) return 2U * inet_csk(sk)->icsk_ack.rcv_mss;
    truesize >>= 1;
    window >>= 1;
  }
  return 0;
}

// What a packet costs once merging has given its head back (truesize_adjust).
uint32_t AdjustedTruesize(bool adjust, const sk_buff* skb) {
  if (!adjust || skb_headlen(skb) != 0) return skb->truesize;
  const uint32_t head = SKB_TRUESIZE(skb_end_offset(skb));
  return skb->truesize >= head + skb->len ? skb->truesize - head : skb->truesize;
}

// A sample, microseconds. `win_dep`: it is the time for a window's worth of data, which the peer
// may take as slowly as it likes: only the minimum counts.
void UpdateRcvRtt(tcp_sock* tp, uint32_t sample_us, bool win_dep) {
  const uint32_t old_sample = tp->rcv_rtt_est.rtt_us;
  const uint32_t scaled = sample_us << 3;
  if (old_sample == 0 || scaled < old_sample) {
    tp->rcv_rtt_est.rtt_us = scaled;
    return;
  }
  // A user who does not read makes the round trip look long.
  if (win_dep || tp->rcv_nxt != tp->copied_seq) return;
  tp->rcv_rtt_est.rtt_us = old_sample - (old_sample >> 3) + sample_us;
}

// The delayed ACK timeout follows the time between segments.
void UpdateAto(sock* sk) {
  inet_connection_sock* const icsk = inet_csk(sk);
  auto& ack = icsk->icsk_ack;
  const tcp_ticks& ticks = tcp_ticks_of(sk);
  const uint32_t now = tcp_jiffies32(sk);
  if (ack.ato == 0) {
    // The first data: the sender is in slow start and wants every ACK.
    tcp_incr_quickack(sk, TCP_MAX_QUICKACKS);
    ack.ato = ticks.ato_min;
  } else {
    const uint32_t gap = now - ack.lrcvtime;
    if (gap <= ticks.ato_min / 2) {
      ack.ato = (ack.ato >> 1) + ticks.ato_min / 2;
    } else if (gap < ack.ato) {
      ack.ato = std::min({(ack.ato >> 1) + gap, icsk->icsk_rto, ticks.delack_max});
    } else if (gap > icsk->icsk_rto) {
      // So long a gap that the sender should have begun anew with a small window.
      tcp_incr_quickack(sk, TCP_MAX_QUICKACKS);
    }
  }
  ack.lrcvtime = now;
}

}  // namespace

int64_t tcp_space_from_win(const sock* sk, int64_t win) {
  return (win << TCP_RMEM_TO_WIN_SCALE) / tcp_sk(sk)->scaling_ratio;
}

void tcp_measure_rcv_mss(sock* sk, const sk_buff* skb) {
  auto& ack = inet_csk(sk)->icsk_ack;
  const uint32_t last_seg_size = ack.last_seg_size;
  ack.last_seg_size = 0;
  const uint32_t gso_size = skb_shinfo(skb)->gso_size;
  const uint32_t len = gso_size != 0 ? gso_size : skb->len;
  if (len >= ack.rcv_mss) {
    if (len != ack.rcv_mss) UpdateScalingRatio(sk, skb);
    ack.rcv_mss = static_cast<uint16_t>(std::min<uint32_t>(len, tcp_sk(sk)->advmss));
    // Exactly one segment with PSH: probably all that the sender had. It may wait for the ACK, so
    // the reader will send it.
    if ((TCP_SKB_CB(skb)->tcp_flags & TCPHDR_PSH) != 0) ack.pending |= ICSK_ACK_PUSHED;
    return;
  }
  if (ShorterMss(sk, skb, len, last_seg_size)) return;
  if ((ack.pending & ICSK_ACK_PUSHED) != 0) ack.pending |= ICSK_ACK_PUSHED2;
  ack.pending |= ICSK_ACK_PUSHED;
}

void tcp_initialize_rcv_mss(sock* sk) {
  // Better too small than too large: too large means ACKs too rare, and too small is soon noticed.
  const tcp_sock* const tp = tcp_sk(sk);
  uint32_t hint = std::min<uint32_t>(tp->advmss, tp->mss_cache);
  hint = std::min({hint, tp->rcv_wnd / 2, TCP_MSS_DEFAULT});
  inet_csk(sk)->icsk_ack.rcv_mss = static_cast<uint16_t>(std::max(hint, TCP_MIN_MSS));
}

void tcp_adjust_rcv_ssthresh(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  tp->rcv_ssthresh = std::min(tp->rcv_ssthresh, 4U * tp->advmss);
  const int32_t unused = sk_unused_reserved_mem(sk);
  if (unused == 0) return;
  tp->rcv_ssthresh =
      std::max(tp->rcv_ssthresh, static_cast<uint32_t>(tcp_win_from_space(sk, unused)));
}

bool tcp_rmem_pressure(const sock* sk) {
  if (tcp_under_memory_pressure(sk)) return true;
  return sk->sk_rmem_alloc > sk->sk_rcvbuf - (sk->sk_rcvbuf >> 3);
}

void tcp_grow_window(sock* sk, const sk_buff* skb, bool adjust) {
  tcp_sock* const tp = tcp_sk(sk);
  const int64_t limit = std::min<int64_t>(tp->window_clamp, tcp_space(sk));
  const int64_t room = limit - tp->rcv_ssthresh;
  if (room <= 0) return;
  if (tcp_under_memory_pressure(sk)) {
    tcp_adjust_rcv_ssthresh(sk);
    return;
  }
  const uint32_t truesize = AdjustedTruesize(adjust, skb);
  const bool dense = tcp_win_from_space(sk, truesize) <= skb->len;
  const uint32_t grow = dense ? 2U * tp->advmss : GrowthForBloated(sk, skb, truesize);
  if (grow == 0) return;
  const int64_t incr = std::max<int64_t>(grow, int64_t{2} * skb->len);
  tp->rcv_ssthresh += static_cast<uint32_t>(std::min(room, incr));
  inet_csk(sk)->icsk_ack.quick |= 1;
}

void tcp_init_buffer_space(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const int32_t app_win = tcp_sysctl(sk).app_win;
  if ((sk->sk_userlocks & SOCK_SNDBUF_LOCK) == 0) tcp_sndbuf_expand(sk);

  tcp_mstamp_refresh(tp);
  tp->rcvq_space.time_us = tp->tcp_mstamp_us;
  tp->rcvq_space.seq = tp->copied_seq;

  const auto maxwin = static_cast<uint32_t>(tcp_full_space(sk));
  const uint32_t advmss = tp->advmss;
  if (tp->window_clamp >= maxwin) {
    tp->window_clamp = maxwin;
    if (app_win != 0 && maxwin > 4 * advmss) {
      const uint32_t for_user = app_win < 32 ? maxwin >> app_win : 0;
      tp->window_clamp = std::max(maxwin - for_user, 4 * advmss);
    }
  }
  // One segment's room is the user's.
  if (app_win != 0 && tp->window_clamp > 2 * advmss && tp->window_clamp + advmss > maxwin) {
    const uint32_t rest = maxwin > advmss ? maxwin - advmss : 0;
    tp->window_clamp = std::max(2 * advmss, rest);
  }
  tp->rcv_ssthresh = std::min(tp->rcv_ssthresh, tp->window_clamp);
  tp->snd_cwnd_stamp = tcp_jiffies32(sk);
  tp->rcvq_space.space = std::min({tp->rcv_ssthresh, tp->rcv_wnd, TCP_INIT_CWND * advmss});
}

void tcp_clamp_window(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const proto_memory& memory = sock_tcp(sk).memory;
  const auto rmem_max = static_cast<uint32_t>(tcp_sysctl(sk).rmem[2]);
  inet_csk(sk)->icsk_ack.quick = 0;
  if (sk->sk_rcvbuf < rmem_max && (sk->sk_userlocks & SOCK_RCVBUF_LOCK) == 0 &&
      !tcp_under_memory_pressure(sk) && memory.allocated_pages < memory.sysctl_mem[0]) {
    sk->sk_rcvbuf = std::min(sk->sk_rmem_alloc, rmem_max);
  }
  if (sk->sk_rmem_alloc > sk->sk_rcvbuf) {
    tp->rcv_ssthresh = std::min(tp->window_clamp, 2U * tp->advmss);
  }
}

void tcp_rcv_rtt_measure(tcp_sock* tp) {
  if (tp->rcv_rtt_est.time_us != 0) {
    if (tp->rcv_nxt.Before(tp->rcv_rtt_est.seq)) return;
    const uint32_t delta_us = tcp_stamp_us_delta(tp->tcp_mstamp_us, tp->rcv_rtt_est.time_us);
    UpdateRcvRtt(tp, std::max(delta_us, 1U), true);
  }
  tp->rcv_rtt_est.seq = tp->rcv_nxt + tp->rcv_wnd;
  tp->rcv_rtt_est.time_us = tp->tcp_mstamp_us;
}

int32_t tcp_rtt_tsopt_us(const tcp_sock* tp, uint32_t min_delta) {
  constexpr uint32_t kUsPerTick = 1000;
  uint32_t delta = tcp_time_stamp_ts(tp) - tp->rx_opt.rcv_tsecr;
  if (tp->tcp_usec_ts) return static_cast<int32_t>(delta);
  if (delta >= std::numeric_limits<int32_t>::max() / kUsPerTick) return -1;
  if (delta == 0) delta = min_delta;
  return static_cast<int32_t>(delta * kUsPerTick);
}

void tcp_rcv_rtt_measure_ts(sock* sk, const sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->rx_opt.rcv_tsecr == tp->rcv_rtt_last_tsecr) return;
  tp->rcv_rtt_last_tsecr = tp->rx_opt.rcv_tsecr;
  const auto bytes = static_cast<uint32_t>(TCP_SKB_CB(skb)->end_seq - TCP_SKB_CB(skb)->seq);
  if (bytes < inet_csk(sk)->icsk_ack.rcv_mss) return;
  const int32_t delta_us = tcp_rtt_tsopt_us(tp, 0);
  if (delta_us > 0) UpdateRcvRtt(tp, static_cast<uint32_t>(delta_us), false);
}

void tcp_rcvbuf_grow(sock* sk, uint32_t newval) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_settings& settings = tcp_sysctl(sk);
  const uint32_t oldval = tp->rcvq_space.space;
  tp->rcvq_space.space = newval;
  if (settings.moderate_rcvbuf == 0 || (sk->sk_userlocks & SOCK_RCVBUF_LOCK) != 0) return;

  // What is measured now is a round trip old, in which a sender in slow start has doubled.
  uint64_t rcvwin = uint64_t{newval} << 1;
  const uint32_t rtt_us = tp->rcv_rtt_est.rtt_us >> 3;
  const auto low_rtt_us = static_cast<uint32_t>(settings.rcvbuf_low_rtt_us);
  if (rtt_us < low_rtt_us) {
    // Short round trips: the sender gets to the line's rate anyway, and a smaller buffer stays in
    // the cache.
    rcvwin += rcvwin * rtt_us / low_rtt_us;
  } else if (oldval != 0) {
    rcvwin += (rcvwin << 1) * (newval - oldval) / oldval;
  }
  if (!tp->out_of_order_queue.empty()) {
    rcvwin += static_cast<uint32_t>(TCP_SKB_CB(tp->ooo_last_skb)->end_seq - tp->rcv_nxt);
  }
  const int64_t window = static_cast<int64_t>(std::min<uint64_t>(rcvwin, INT32_MAX));
  const auto rcvbuf =
      static_cast<uint32_t>(std::min<int64_t>(tcp_space_from_win(sk, window), settings.rmem[2]));
  if (rcvbuf > sk->sk_rcvbuf) {
    sk->sk_rcvbuf = rcvbuf;
    tp->window_clamp = static_cast<uint32_t>(tcp_win_from_space(sk, rcvbuf));
  }
}

void tcp_rcv_space_adjust(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->rcv_rtt_est.rtt_us == 0) return;
  const uint32_t time_us = tcp_stamp_us_delta(tp->tcp_mstamp_us, tp->rcvq_space.time_us);
  if (time_us < tp->rcv_rtt_est.rtt_us >> 3) return;
  // What the user has read in a round trip, less what still waits for him.
  const int64_t read = tp->copied_seq - tp->rcvq_space.seq;
  const int64_t copied = read - (tp->rcv_nxt - tp->copied_seq);
  if (copied > tp->rcvq_space.space) tcp_rcvbuf_grow(sk, static_cast<uint32_t>(copied));
  tp->rcvq_space.seq = tp->copied_seq;
  tp->rcvq_space.time_us = tp->tcp_mstamp_us;
}

void tcp_event_data_recv(sock* sk, sk_buff* skb) {
  inet_csk_schedule_ack(sk);
  tcp_measure_rcv_mss(sk, skb);
  tcp_rcv_rtt_measure(tcp_sk(sk));
  UpdateAto(sk);
  tcp_save_lrcv_flowlabel(sk, skb);
  tcp_data_ecn_check(sk, skb);
  if (skb->len >= kGrowMinBytes) tcp_grow_window(sk, skb, true);
}

}  // namespace tapedeck
