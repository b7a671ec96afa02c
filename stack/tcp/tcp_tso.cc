// How large the packets are that go down to IP: autosizing, splitting, joining, waiting for more.
#include <algorithm>
#include <cerrno>

#include "stack/core/skb_split.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_output_internal.h"

namespace tapedeck {

namespace {

constexpr uint64_t kNsPerMs = 1'000'000;
constexpr uint32_t kTsoDeferredMss = 3;  // tcp_max_tso_deferred_mss
constexpr uint32_t kGsoMaxSizeBits = 32;

// Segments of a packet: what the pacing rate sends in a millisecond (sk_pacing_shift), more for
// close peers, whose losses are repaired soon: gso_max_size halved for every 2^tso_rtt_log us of
// RTT.
uint32_t tcp_tso_autosize(const sock* sk, uint32_t mss_now, uint32_t min_tso_segs) {
  uint64_t bytes = sk->sk_pacing_rate >> sk->sk_pacing_shift;
  const uint32_t r = tcp_min_rtt(tcp_sk(sk)) >> tcp_sysctl(sk).tso_rtt_log;
  if (r < kGsoMaxSizeBits) bytes += sk->sk_gso_max_size >> r;
  bytes = std::min<uint64_t>(bytes, sk->sk_gso_max_size);
  return std::max(static_cast<uint32_t>(bytes / mss_now), min_tso_segs);
}

// Minshall: the last small segment is still on its way.
bool tcp_minshall_check(const tcp_sock* tp) {
  return tp->snd_sml.After(tp->snd_una) && !tp->snd_sml.After(tp->snd_nxt);
}

// Whether the next ACK is near enough to wait for: within half a round trip, and within 1 ms.
bool AckIsNear(const tcp_sock* tp, const sk_buff* rtx_head) {
  const uint64_t srtt_ns = uint64_t{1000 >> 3} * tp->srtt_us;
  const uint64_t expected_ack = static_cast<uint64_t>(rtx_head->tstamp) + srtt_ns;
  const uint64_t threshold = std::min(srtt_ns >> 1, kNsPerMs);
  return static_cast<int64_t>(expected_ack - tp->tcp_clock_cache_ns - threshold) <= 0;
}

// Enough of the windows is open to send at once: a fraction of them, or more than an ACK
// acknowledges.
bool WindowsOpenEnough(const sock* sk, uint32_t limit) {
  const tcp_sock* const tp = tcp_sk(sk);
  const int32_t win_divisor = tcp_sysctl(sk).tso_win_divisor;
  if (win_divisor == 0) return limit > kTsoDeferredMss * tp->mss_cache;
  const uint32_t chunk = std::min(tp->snd_wnd, tcp_snd_cwnd(tp) * tp->mss_cache);
  return limit >= chunk / static_cast<uint32_t>(win_divisor);
}

}  // namespace

void tcp_setup_caps(sock* sk, const dst_entry* dst) {
  sk->sk_route_caps |= NETIF_F_GSO;
  inet_csk(sk)->icsk_ack.dst_quick_ack = dst_metric_raw(dst, RTAX_QUICKACK) != 0;
}

bool tcp_nagle_check(bool partial, const tcp_sock* tp, int nonagle) {
  if (!partial) return false;
  if ((nonagle & TCP_NAGLE_CORK) != 0) return true;
  return nonagle == 0 && tp->packets_out != 0 && tcp_minshall_check(tp);
}

bool tcp_snd_wnd_test(const tcp_sock* tp, const sk_buff* skb, uint32_t cur_mss) {
  const SeqNum end = skb->len > cur_mss ? TCP_SKB_CB(skb)->seq + cur_mss : TCP_SKB_CB(skb)->end_seq;
  return !end.After(tcp_wnd_end(tp));
}

uint32_t tcp_tso_segs(sock* sk, uint32_t mss_now) {
  const tcp_congestion_ops* const ca_ops = inet_csk(sk)->icsk_ca_ops;
  const uint32_t min_tso = ca_ops->min_tso_segs != nullptr
                               ? ca_ops->min_tso_segs(sk)
                               : static_cast<uint32_t>(tcp_sysctl(sk).min_tso_segs);
  return std::min<uint32_t>(tcp_tso_autosize(sk, mss_now, min_tso), sk->sk_gso_max_segs);
}

uint32_t tcp_mss_split_point(const sock* sk, const sk_buff* skb, uint32_t mss_now,
                             uint32_t max_segs, int nonagle) {
  const tcp_sock* const tp = tcp_sk(sk);
  const auto window = static_cast<uint32_t>(tcp_wnd_end(tp) - TCP_SKB_CB(skb)->seq);
  const uint32_t max_len = mss_now * max_segs;
  if (max_len <= window && skb != tcp_write_queue_tail(sk)) return max_len;
  const uint32_t needed = std::min(skb->len, window);
  if (max_len <= needed) return max_len;
  // The partial segment at the end waits where Nagle says so.
  const uint32_t partial = needed % mss_now;
  return tcp_nagle_check(partial != 0, tp, nonagle) ? needed - partial : needed;
}

uint32_t tcp_set_skb_tso_segs(sk_buff* skb, uint32_t mss_now) {
  if (skb->len <= mss_now) {
    TCP_SKB_CB(skb)->tcp_gso_size = 0;
    tcp_skb_pcount_set(skb, 1);
    return 1;
  }
  TCP_SKB_CB(skb)->tcp_gso_size = static_cast<uint16_t>(mss_now);
  const uint32_t segs = DivRoundUp(skb->len, mss_now);
  tcp_skb_pcount_set(skb, segs);
  return segs;
}

uint32_t tcp_init_tso_segs(sk_buff* skb, uint32_t mss_now) {
  const uint32_t segs = tcp_skb_pcount(skb);
  if (segs == 0 || (segs > 1 && tcp_skb_mss(skb) != mss_now)) {
    return tcp_set_skb_tso_segs(skb, mss_now);
  }
  return segs;
}

int tso_fragment(sock* sk, sk_buff* skb, uint32_t len, uint32_t mss_now) {
  CHECK_EQ(skb->len, skb->data_len);
  // Only where somebody still looks at a transmission that failed.
  if (skb_unclone_keeptruesize(skb) != 0) return -ENOMEM;
  const auto nlen = static_cast<int32_t>(skb->len - len);
  sk_buff* const buff = tcp_stream_alloc_skb(sk, true);
  if (buff == nullptr) return -ENOMEM;
  sk_wmem_queued_add(sk, static_cast<int32_t>(buff->truesize));
  sk_mem_charge(sk, buff->truesize);
  buff->truesize += static_cast<uint32_t>(nlen);
  skb->truesize -= static_cast<uint32_t>(nlen);

  tcp_skb_split_sequence(skb, buff, len);
  skb_split(skb, buff, len);
  tcp_fragment_tstamp(skb, buff);
  tcp_set_skb_tso_segs(skb, mss_now);
  tcp_set_skb_tso_segs(buff, mss_now);
  __skb_header_release(buff);
  __skb_queue_after(&sk->sk_write_queue, skb, buff);
  return 0;
}

bool tcp_tso_should_defer(sock* sk, const sk_buff* skb, bool* is_cwnd_limited,
                          bool* is_rwnd_limited, uint32_t max_segs) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (tp->icsk_ca_state >= TCP_CA_Recovery) return false;
  // A burst after a pause goes at once. tcp_wstamp_ns may lie in the future.
  if (static_cast<int64_t>(tp->tcp_clock_cache_ns - tp->tcp_wstamp_ns - kNsPerMs) > 0) return false;
  const uint32_t in_flight = tcp_packets_in_flight(tp);
  CHECK_GT(tcp_skb_pcount(skb), 1U);
  CHECK_GT(tcp_snd_cwnd(tp), in_flight);
  const auto send_win = static_cast<uint32_t>(tcp_wnd_end(tp) - TCP_SKB_CB(skb)->seq);
  const uint32_t cong_win = (tcp_snd_cwnd(tp) - in_flight) * tp->mss_cache;
  const uint32_t limit = std::min(send_win, cong_win);
  if (limit >= max_segs * tp->mss_cache) return false;
  if (skb != tcp_write_queue_tail(sk) && limit >= skb->len) return false;
  if (WindowsOpenEnough(sk, limit)) return false;
  const sk_buff* const head = tcp_rtx_queue_head(sk);
  if (head == nullptr || !AckIsNear(tp, head)) return false;

  // It pays to wait; say for what.
  if (cong_win < send_win) {
    if (cong_win <= skb->len) {
      *is_cwnd_limited = true;
      return true;
    }
  } else if (send_win <= skb->len) {
    *is_rwnd_limited = true;
    return true;
  }
  // No more data will come into this packet.
  return (TCP_SKB_CB(skb)->tcp_flags & TCPHDR_FIN) == 0 && !TCP_SKB_CB(skb)->eor;
}

void tcp_eat_one_skb(sock* sk, sk_buff* dst, sk_buff* src) {
  TCP_SKB_CB(dst)->tcp_flags |= TCP_SKB_CB(src)->tcp_flags;
  TCP_SKB_CB(dst)->eor = TCP_SKB_CB(src)->eor;
  tcp_skb_collapse_tstamp(dst, src);
  tcp_unlink_write_queue(src, sk);
  tcp_wmem_free_skb(sk, src);
}

void tcp_grow_skb(sock* sk, sk_buff* skb, uint32_t amount) {
  if (tcp_skb_is_last(sk, skb)) return;
  sk_buff* const next_skb = skb->next;
  if (!tcp_skb_can_collapse(skb, next_skb)) return;
  const uint32_t nlen = std::min(amount, next_skb->len);
  if (nlen == 0 || skb_shift(skb, next_skb, nlen) == 0) return;
  TCP_SKB_CB(skb)->end_seq += nlen;
  TCP_SKB_CB(next_skb)->seq += nlen;
  if (next_skb->len != 0) return;
  // It may have held a FIN besides.
  TCP_SKB_CB(skb)->end_seq = TCP_SKB_CB(next_skb)->end_seq;
  tcp_eat_one_skb(sk, skb, next_skb);
}

}  // namespace tapedeck
