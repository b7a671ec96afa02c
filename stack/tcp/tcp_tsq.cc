// Sending no more than the device needs (TCP small queues), and not before its time (pacing). Both
// end with the socket on its CPU's list or a timer, and output goes on in a softirq.
#include <algorithm>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_output_internal.h"

namespace tapedeck {

namespace {

// 2^20 stands for 10^6, and buffers cost about twice their bytes.
constexpr int kTxDelayShift = 20 - 1;

bool tcp_rtx_queue_empty_or_single_skb(const tcp_sock* tp) {
  const rb_node* const node = tp->tcp_rtx_queue.node;
  return node == nullptr || (node->rb_left == nullptr && node->rb_right == nullptr);
}

// Bytes that may wait below: two packets, or what the pacing rate sends in about a millisecond.
uint64_t SmallQueueLimit(const sock* sk, const sk_buff* skb, uint32_t factor) {
  uint64_t limit = std::max(uint64_t{2} * skb->truesize, sk->sk_pacing_rate >> sk->sk_pacing_shift);
  limit = std::min(limit, static_cast<uint64_t>(tcp_sysctl(sk).limit_output_bytes));
  limit <<= factor;
  const uint64_t delay_us = tcp_sk(sk)->tcp_tx_delay_us;
  if (delay_us != 0) limit += sk->sk_pacing_rate * delay_us >> kTxDelayShift;
  return limit;
}

// system_bh_wq's work: sockets whose packets have left.
SoftirqSlice tcp_tsq_workfn(Cpu& cpu) {
  List<tcp_sock, TsqTag> list;
  list.SpliceBack(net_tcp(cpu_net(cpu)).tsq_list[cpu.id()]);
  while (tcp_sock* const tp = list.PopFront()) {
    tp->tsq_flags = static_cast<uint8_t>(tp->tsq_flags & ~TSQF_QUEUED);
    tcp_tsq_handler(tp);
    sk_free(tp);
  }
  return SoftirqSlice::kDone;
}

}  // namespace

void tcp_tasklet_init(net& net) { net.kernel.open_softirq(TASKLET_SOFTIRQ, tcp_tsq_workfn); }

void tcp_tsq_write(sock* sk) {
  if (!tcp_state_is(sk, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_CLOSING, TCP_CLOSE_WAIT,
                    TCP_LAST_ACK)) {
    return;
  }
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->lost_out > tp->retrans_out && tcp_snd_cwnd(tp) > tcp_packets_in_flight(tp)) {
    tcp_mstamp_refresh(tp);
    tcp_xmit_retransmit_queue(sk);
  }
  tcp_write_xmit(sk, tcp_current_mss(sk), tp->nonagle, 0);
}

void tcp_tsq_handler(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!sock_owned_by_user(sk)) {
    tcp_tsq_write(sk);
  } else if ((tp->tsq_flags & TCPF_TSQ_DEFERRED) == 0) {
    tp->tsq_flags |= TCPF_TSQ_DEFERRED;
    sock_hold(sk);
  }
}

void tcp_wfree(sk_buff* skb) {
  sock* const sk = skb->sk;
  tcp_sock* const tp = tcp_sk(sk);
  CHECK_GE(sk->sk_wmem_alloc, skb->truesize);
  // One unit is kept: it holds the socket until the softirq has been.
  sk->sk_wmem_alloc -= skb->truesize - 1;
  Cpu& cpu = sk->sk_net.this_cpu();
  // The CPU is under stress: it waits until all that is queued has left. A packet that is dropped
  // at once would otherwise ask for the next one for ever.
  const bool waits = cpu.in_ksoftirqd() && sk->sk_wmem_alloc >= SKB_TRUESIZE(1);
  if (waits || (tp->tsq_flags & TSQF_THROTTLED) == 0 || (tp->tsq_flags & TSQF_QUEUED) != 0) {
    sk_free(sk);
    return;
  }
  tp->tsq_flags = static_cast<uint8_t>((tp->tsq_flags & ~TSQF_THROTTLED) | TSQF_QUEUED);
  sock_tcp(sk).tsq_list[cpu.id()].PushFront(tp);
  cpu.raise_softirq(TASKLET_SOFTIRQ);
}

bool tcp_small_queue_check(sock* sk, const sk_buff* skb, uint32_t factor) {
  if (sk->sk_wmem_alloc <= SmallQueueLimit(sk, skb, factor)) return false;
  // Completions may come late; they need not be waited for with (almost) nothing in flight.
  if (tcp_rtx_queue_empty_or_single_skb(tcp_sk(sk))) return false;
  tcp_sk(sk)->tsq_flags |= TSQF_THROTTLED;
  return true;
}

bool tcp_needs_internal_pacing(const sock* sk) { return sk->sk_pacing_status == SK_PACING_NEEDED; }

bool tcp_pacing_check(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!tcp_needs_internal_pacing(sk)) return false;
  if (tp->tcp_wstamp_ns <= tp->tcp_clock_cache_ns) return false;
  if (!tp->pacing_timer.active()) {
    tp->pacing_timer.Start(SimTime::At(Duration::Nanoseconds(tp->tcp_wstamp_ns)));
    sock_hold(sk);
  }
  return true;
}

void tcp_pace_kick(HrTimer* timer) {
  tcp_sock* const tp = static_cast<tcp_pacing_timer*>(timer)->tp;
  tcp_tsq_handler(tp);
  sock_put(tp);
}

}  // namespace tapedeck
