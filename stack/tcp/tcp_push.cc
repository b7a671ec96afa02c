// Packets of the write queue before they are sent: made, charged, filled to which size, and when
// they are pushed out (part of net/ipv4/tcp.c).
#include <algorithm>

#include "stack/core/stream.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_queues.h"

namespace tapedeck {
namespace {

// Least of an MTU that has to pass (RFC 791).
constexpr uint32_t kMinMtu = 68;

// Packets larger than half of what the peer has ever offered would leave nothing to pipeline
// (tcp_bound_to_half_wnd).
uint32_t BoundToHalfWindow(const tcp_sock* tp, uint32_t bytes) {
  const uint32_t cutoff = tp->max_window > TCP_MSS_DEFAULT ? tp->max_window >> 1 : tp->max_window;
  if (cutoff == 0 || bytes <= cutoff) return bytes;
  const uint32_t least = kMinMtu > tp->tcp_header_len ? kMinMtu - tp->tcp_header_len : 0;
  return std::max(cutoff, least);
}

// How much one packet is filled: whole segments, as many as one may have.
uint32_t tcp_xmit_size_goal(sock* sk, uint32_t mss_now, bool large_allowed) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!large_allowed) return mss_now;
  const uint32_t wanted = BoundToHalfWindow(tp, sk->sk_gso_max_size);
  uint32_t goal = tp->gso_segs * mss_now;
  if (wanted < goal || wanted >= goal + mss_now) {
    const uint32_t segs = std::min<uint32_t>(wanted / mss_now, sk->sk_gso_max_segs);
    tp->gso_segs = static_cast<uint16_t>(segs);
    goal = segs * mss_now;
  }
  return std::max(goal, mss_now);
}

// A packet that is not full may wait while others of ours are on their way to the device: when they
// have been sent (TSQ_THROTTLED), so is this, and until then more data may come.
bool tcp_should_autocork(const sock* sk, const sk_buff* skb, uint32_t size_goal) {
  return skb->len < size_goal && tcp_sysctl(sk).autocorking != 0 && !tcp_rtx_queue_empty(sk) &&
         sk->sk_wmem_alloc > skb->truesize && tcp_skb_can_collapse_to(skb);
}

}  // namespace

sk_buff* tcp_stream_alloc_skb(sock* sk, bool force_schedule) {
  sk_buff* const skb = alloc_skb(sk->sk_net, MAX_TCP_HEADER);
  if (skb == nullptr) {
    tcp_enter_memory_pressure(sk);
    sk_stream_moderate_sndbuf(sk);
    return nullptr;
  }
  if (force_schedule) {
    sk_forced_mem_schedule(sk, skb->truesize);
  } else if (!sk_wmem_schedule(sk, skb->truesize)) {
    consume_skb(skb);
    return nullptr;
  }
  skb_reserve(skb, MAX_TCP_HEADER);
  skb->ip_summed = CHECKSUM_PARTIAL;
  return skb;
}

void tcp_skb_entail(sock* sk, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_skb_cb* const tcb = TCP_SKB_CB(skb);
  tcb->seq = tcb->end_seq = tp->write_seq;
  tcb->tcp_flags = TCPHDR_ACK;
  __skb_header_release(skb);
  tcp_add_write_queue_tail(sk, skb);
  sk_wmem_queued_add(sk, static_cast<int32_t>(skb->truesize));
  sk_mem_charge(sk, skb->truesize);
  tp->nonagle = static_cast<uint8_t>(tp->nonagle & ~TCP_NAGLE_PUSH);
  tcp_slow_start_after_idle_check(sk);
}

void tcp_remove_empty_skb(sock* sk) {
  sk_buff* const skb = tcp_write_queue_tail(sk);
  if (skb == nullptr || TCP_SKB_CB(skb)->seq != TCP_SKB_CB(skb)->end_seq) return;
  tcp_unlink_write_queue(skb, sk);
  if (tcp_write_queue_empty(sk)) tcp_chrono_stop(sk, TCP_CHRONO_BUSY);
  tcp_wmem_free_skb(sk, skb);
}

uint32_t tcp_wmem_schedule(sock* sk, uint32_t copy) {
  if (sk_wmem_schedule(sk, copy)) return copy;
  // With nothing queued nobody would ever wake us: tcp_wmem[0] is always there.
  const int32_t left = tcp_sysctl(sk).wmem[0] - sk->sk_wmem_queued;
  if (left > 0) sk_forced_mem_schedule(sk, std::min(static_cast<uint32_t>(left), copy));
  return std::min(copy, static_cast<uint32_t>(std::max(sk->sk_forward_alloc, 0)));
}

uint32_t tcp_send_mss(sock* sk, uint32_t* size_goal, uint32_t flags) {
  const uint32_t mss_now = tcp_current_mss(sk);
  *size_goal = tcp_xmit_size_goal(sk, mss_now, (flags & MSG_OOB) == 0);
  return mss_now;
}

void tcp_mark_push(tcp_sock* tp, sk_buff* skb) {
  TCP_SKB_CB(skb)->tcp_flags |= TCPHDR_PSH;
  tp->pushed_seq = tp->write_seq;
}

bool forced_push(const tcp_sock* tp) {
  return tp->write_seq.After(tp->pushed_seq + (tp->max_window >> 1));
}

void tcp_push(sock* sk, uint32_t flags, uint32_t mss_now, int nonagle, uint32_t size_goal) {
  tcp_sock* const tp = tcp_sk(sk);
  sk_buff* const skb = tcp_write_queue_tail(sk);
  if (skb == nullptr) return;
  const bool more = (flags & MSG_MORE) != 0;
  if (!more || forced_push(tp)) tcp_mark_push(tp, skb);
  if ((flags & MSG_OOB) != 0) tp->snd_up = tp->write_seq;
  if (tcp_should_autocork(sk, skb, size_goal)) {
    if ((tp->tsq_flags & TSQF_THROTTLED) == 0) {
      NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPAutoCorking);
      tp->tsq_flags |= TSQF_THROTTLED;
    }
    return;
  }
  __tcp_push_pending_frames(sk, mss_now, more ? TCP_NAGLE_CORK : nonagle);
}

}  // namespace tapedeck
