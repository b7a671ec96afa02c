// When an ACK goes out: at once, later, together with others, or not at all. RFC 1122 4.2.3.2, RFC
// 5681 4.2; the limits on ACKs for segments that do not belong here: RFC 5961 7.
#include <algorithm>
#include <limits>

#include "stack/core/net.h"
#include "stack/kernel/world.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_input_internal.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_queues.h"
#include "stack/tcp/tcp_reply.h"

namespace tapedeck {

namespace {

// "quick" ACKs are left, and the connection is not interactive.
bool InQuickackMode(const sock* sk) {
  const auto& ack = inet_csk(sk)->icsk_ack;
  return ack.dst_quick_ack || (ack.quick != 0 && !inet_csk_in_pingpong_mode(sk));
}

// Whether more than one full segment is not acknowledged, and the window moves with the ACK (else
// the reader will send it), or nobody reads before there is more.
bool EnoughForAck(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const auto unacked = static_cast<uint32_t>(tp->rcv_nxt - tp->rcv_wup);
  if (unacked <= inet_csk(sk)->icsk_ack.rcv_mss) return false;
  const auto unread = static_cast<uint32_t>(tp->rcv_nxt - tp->copied_seq);
  return unread < static_cast<uint32_t>(sk->sk_rcvlowat) || __tcp_select_window(sk) >= tp->rcv_wnd;
}

// Whether what has come must be acknowledged now. The order counts: a window that has become small
// ends quick ACKs (__tcp_select_window).
bool AckNow(sock* sk) {
  return EnoughForAck(sk) || InQuickackMode(sk) ||
         (inet_csk(sk)->icsk_ack.pending & ICSK_ACK_NOW) != 0;
}

// A third of a round trip (tcp_comp_sack_rtt_percent) to collect ACKs for out-of-order data,
// tcp_comp_sack_delay_ns at most.
Duration CompressionDelay(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const tcp_settings& settings = tcp_sysctl(sk);
  uint64_t rtt_us = tp->rcv_rtt_est.rtt_us;  // << 3
  if (tp->srtt_us != 0) rtt_us = std::min<uint64_t>(rtt_us, tp->srtt_us);
  // rtt_us / 8 * 1000 ns * percent / 100
  const uint64_t delay_ns =
      (rtt_us + (rtt_us >> 2)) * static_cast<uint64_t>(settings.comp_sack_rtt_percent);
  const auto limit_ns = static_cast<uint64_t>(settings.comp_sack_delay_ns);
  const auto slack_ns = static_cast<uint64_t>(settings.comp_sack_slack_ns);
  return Duration::Nanoseconds(std::min(delay_ns, limit_ns) + slack_ns);
}

// Out-of-order data costs an ACK per segment: these are thinned out once the sender has
// enough duplicates to see the loss.
void CompressAck(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!tcp_is_sack(tp) ||
      tp->compressed_ack >= static_cast<uint32_t>(tcp_sysctl(sk).comp_sack_nr)) {
    return tcp_send_ack(sk);
  }
  if (tp->compressed_ack_rcv_nxt != tp->rcv_nxt) {
    tp->compressed_ack_rcv_nxt = tp->rcv_nxt;
    tp->dup_ack_counter = 0;
  }
  if (tp->dup_ack_counter < TCP_FASTRETRANS_THRESH) {
    ++tp->dup_ack_counter;
    return tcp_send_ack(sk);
  }
  ++tp->compressed_ack;
  if (tp->compressed_ack_timer.active()) return;
  sock_hold(sk);
  tp->compressed_ack_timer.Start(sk->sk_net.kernel.now() + CompressionDelay(sk));
}

// The limit per connection or request: one ACK per tcp_invalid_ratelimit.
bool RateLimited(net& net, TcpExtMib mib, uint32_t* last_oow_ack_time) {
  const auto now = static_cast<uint32_t>(net.jiffies());
  if (*last_oow_ack_time != 0) {
    const auto elapsed = static_cast<int32_t>(now - *last_oow_ack_time);
    if (elapsed >= 0 && elapsed < net_tcp(net).settings.invalid_ratelimit) {
      NET_INC_STATS(net, mib);
      return true;
    }
  }
  *last_oow_ack_time = now;
  return false;
}

// The host's limit per second. It is drawn anew each second, so that nobody learns from it whether
// a guess was right (RFC 5961 7, CVE-2016-5696).
bool ChallengeAckAllowed(net& net) {
  netns_tcp& tcp = net_tcp(net);
  if (tcp.settings.challenge_ack_limit == std::numeric_limits<int32_t>::max()) return true;
  const auto limit = static_cast<uint32_t>(std::max(tcp.settings.challenge_ack_limit, 0));
  const auto now_s = static_cast<uint32_t>(net.jiffies() / tcp.ticks.hz);
  if (now_s != tcp.challenge_timestamp) {
    const uint32_t half = (limit + 1) >> 1;
    tcp.challenge_timestamp = now_s;
    tcp.challenge_count = half;
    if (limit > 0) tcp.challenge_count += tcp.prng.Below(limit);
  }
  if (tcp.challenge_count == 0) return false;
  --tcp.challenge_count;
  return true;
}

}  // namespace

void tcp_incr_quickack(sock* sk, uint32_t max_quickacks) {
  auto& ack = inet_csk(sk)->icsk_ack;
  uint32_t quickacks = tcp_sk(sk)->rcv_wnd / (2U * ack.rcv_mss);
  if (quickacks == 0) quickacks = 2;
  quickacks = std::min(quickacks, max_quickacks);
  if (quickacks > ack.quick) ack.quick = static_cast<uint8_t>(quickacks);
}

void tcp_enter_quickack_mode(sock* sk, uint32_t max_quickacks) {
  tcp_incr_quickack(sk, max_quickacks);
  inet_csk_exit_pingpong_mode(sk);
  inet_csk(sk)->icsk_ack.ato = tcp_ticks_of(sk).ato_min;
}

void tcp_dec_quickack_mode(sock* sk) {
  auto& ack = inet_csk(sk)->icsk_ack;
  if (ack.quick == 0) return;
  const uint8_t sent = inet_csk_ack_scheduled(sk) ? 1 : 0;
  if (sent >= ack.quick) {
    ack.quick = 0;
    ack.ato = tcp_ticks_of(sk).ato_min;
  } else {
    ack.quick = static_cast<uint8_t>(ack.quick - sent);
  }
}

void __tcp_ack_snd_check(sock* sk, bool ofo_possible) {
  tcp_sock* const tp = tcp_sk(sk);
  if (AckNow(sk)) {
    // From the backlog more may follow: one ACK for all when the socket is let go.
    if (sock_owned_by_user(sk) && tcp_sysctl(sk).backlog_ack_defer != 0) {
      tp->tsq_flags |= TCPF_ACK_DEFERRED;
    } else {
      tcp_send_ack(sk);
    }
    return;
  }
  if (!ofo_possible || tp->out_of_order_queue.empty()) {
    tcp_send_delayed_ack(sk);
  } else {
    CompressAck(sk);
  }
}

void tcp_ack_snd_check(sock* sk) {
  // Data that was sent meanwhile has carried it.
  if (inet_csk_ack_scheduled(sk)) __tcp_ack_snd_check(sk, true);
}

void tcp_compressed_ack_kick(HrTimer* timer) {
  tcp_sock* const tp = static_cast<tcp_pacing_timer*>(timer)->tp;
  if (!sock_owned_by_user(tp)) {
    if (tp->compressed_ack != 0) {
      --tp->compressed_ack;  // one of those that were saved is sent after all
      tcp_mstamp_refresh(tp);
      tcp_send_ack(tp);
    }
  } else if ((tp->tsq_flags & TCPF_DELACK_TIMER_DEFERRED) == 0) {
    tp->tsq_flags |= TCPF_DELACK_TIMER_DEFERRED;
    sock_hold(tp);
  }
  sock_put(tp);
}

bool tcp_oow_rate_limited(net& net, const sk_buff* skb, TcpExtMib mib,
                          uint32_t* last_oow_ack_time) {
  // Two ends that answer each other's ACKs for ever send neither data nor, but for this one, SYN.
  const bool has_data = TCP_SKB_CB(skb)->seq != TCP_SKB_CB(skb)->end_seq && !tcp_hdr(skb)->syn();
  return !has_data && RateLimited(net, mib, last_oow_ack_time);
}

void tcp_send_ack_reflect_ect(sock* sk, bool accecn_reflector) {
  const tcp_sock* const tp = tcp_sk(sk);
  const uint16_t flags =
      accecn_reflector ? tcp_accecn_reflector_flags(tp->syn_ect_rcv) : uint16_t{0};
  __tcp_send_ack(sk, tp->rcv_nxt, flags);
}

void tcp_send_challenge_ack(sock* sk, bool accecn_reflector) {
  tcp_sock* const tp = tcp_sk(sk);
  net& net = sk->sk_net;
  if (RateLimited(net, TcpExtMib::kTCPACKSkippedChallenge, &tp->last_oow_ack_time)) return;
  if (!ChallengeAckAllowed(net)) return;
  NET_INC_STATS(net, TcpExtMib::kTCPChallengeACK);
  tcp_send_ack_reflect_ect(sk, accecn_reflector);
}

void tcp_reqsk_send_challenge_ack(sock* sk, sk_buff* skb, request_sock* req) {
  net& net = sk->sk_net;
  if (RateLimited(net, TcpExtMib::kTCPACKSkippedChallenge, &req->last_oow_ack_time)) return;
  if (!ChallengeAckAllowed(net)) return;
  NET_INC_STATS(net, TcpExtMib::kTCPChallengeACK);
  tcp_reqsk_send_ack(sk, skb, req);
}

void __tcp_fast_path_on(tcp_sock* tp, uint32_t snd_wnd) {
  const uint32_t ace = tcp_ecn_mode_accecn(tp) ? (tp->delivered_ce + TCP_ACCECN_CEP_INIT_OFFSET) &
                                                     TCP_ACCECN_CEP_ACE_MASK
                                               : 0;
  // Data offset in words, the flags AE to ECE, ACK alone of the others, and the window: the second
  // last four bytes of the header.
  constexpr int kHeaderLenShift = 26;
  constexpr int kAceShift = 22;
  tp->pred_flags = uint32_t{tp->tcp_header_len} << kHeaderLenShift | ace << kAceShift |
                   uint32_t{TCPHDR_ACK} << kTcpFlagWordShift | snd_wnd;
}

void tcp_fast_path_on(tcp_sock* tp) {
  __tcp_fast_path_on(tp, tp->snd_wnd >> tp->rx_opt.snd_wscale);
}

void tcp_fast_path_check(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->out_of_order_queue.empty() && tp->rcv_wnd != 0 && sk->sk_rmem_alloc < sk->sk_rcvbuf &&
      tp->urg_data == 0) {
    tcp_fast_path_on(tp);
  }
}

}  // namespace tapedeck
