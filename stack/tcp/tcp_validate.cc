// Whether a segment belongs to the connection at all (RFC 9293 3.10.7.4, first to fourth check):
// PAWS, sequence number, RST, SYN. A RST or SYN that may be forged is answered with a challenge ACK
// (RFC 5961).
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_input_internal.h"
#include "stack/tcp/tcp_queues.h"

namespace tapedeck {

namespace {

enum class Verdict : uint8_t {
  kPass,
  kDiscard,
  kReset,         // the connection ends
  kSynChallenge,  // a SYN in the middle of it
};
struct Check {
  Verdict verdict = Verdict::kPass;
  DropReason reason = SKB_DROP_REASON_NOT_SPECIFIED;
};

// A RST with the sequence number of the FIN before it: what some systems (macOS) send when a
// connection ends abruptly, and they would not answer a challenge any more.
bool IsRstAfterFin(const sock* sk, const sk_buff* skb) {
  constexpr uint32_t kStates = 1U << TCP_CLOSE_WAIT | 1U << TCP_LAST_ACK | 1U << TCP_CLOSING;
  return TCP_SKB_CB(skb)->seq == tcp_sk(sk)->rcv_nxt - 1U && (1U << sk->sk_state & kStates) != 0;
}

// Answers an unacceptable segment with an ACK of what is expected, unless that has just been done.
void SendDupackLimited(sock* sk, sk_buff* skb, TcpExtMib skipped) {
  uint32_t* const last = &tcp_sk(sk)->last_oow_ack_time;
  if (!tcp_oow_rate_limited(sk->sk_net, skb, skipped, last)) tcp_send_dupack(sk, skb);
}

Check CheckPaws(sock* sk, sk_buff* skb, const wire::TcpHeader* th) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!tcp_fast_parse_options(tp, skb, th) || !tp->rx_opt.saw_tstamp ||
      tcp_paws_check(sk->sk_net, &tp->rx_opt, TCP_PAWS_WINDOW)) {
    return {};
  }
  const DropReason reason = tcp_disordered_ack_check(sk, skb);
  if (reason == SKB_DROP_REASON_CONSUMED) return {};
  if (th->rst()) return {};  // RFC 7323 5.2: RSTs are not subject to it
  if (th->syn()) return {Verdict::kSynChallenge, reason};
  if (reason == SKB_DROP_REASON_TCP_RFC7323_PAWS_ACK) {
    // An old ACK is common and needs no answer.
    NET_INC_STATS(sk->sk_net, TcpExtMib::kPAWSOldAck);
    return {Verdict::kDiscard, reason};
  }
  NET_INC_STATS(sk->sk_net, TcpExtMib::kPAWSEstab);
  SendDupackLimited(sk, skb, TcpExtMib::kTCPACKSkippedPAWS);
  return {Verdict::kDiscard, reason};
}

// tcp_sequence: CONSUMED, or why the segment is outside of the window. Its left edge is the last
// ACK (rcv_wup), as the peer may not know of more; its right edge the furthest that we have ever
// offered. A segment that only ends behind it is taken by a reader who has nothing left to read,
// and a FIN may always be the one byte too many.
DropReason CheckSequence(const sock* sk, const sk_buff* skb, const wire::TcpHeader* th) {
  const tcp_sock* const tp = tcp_sk(sk);
  const SeqNum seq = TCP_SKB_CB(skb)->seq;
  const SeqNum end_seq = TCP_SKB_CB(skb)->end_seq;
  if (end_seq.Before(tp->rcv_wup)) return SKB_DROP_REASON_TCP_OLD_SEQUENCE;
  const SeqNum limit = tp->rcv_nxt + tcp_max_receive_window(tp);
  if (end_seq.AtOrBefore(limit)) return SKB_DROP_REASON_CONSUMED;
  if ((end_seq - uint32_t{th->fin()}).AtOrBefore(limit)) return SKB_DROP_REASON_CONSUMED;
  if (seq.After(limit)) return SKB_DROP_REASON_TCP_INVALID_SEQUENCE;
  return skb_queue_len(&sk->sk_receive_queue) != 0 ? SKB_DROP_REASON_TCP_INVALID_END_SEQUENCE
                                                   : SKB_DROP_REASON_CONSUMED;
}

// A segment outside of the window.
Check RefuseSequence(sock* sk, sk_buff* skb, const wire::TcpHeader* th, DropReason reason) {
  if (th->rst()) {
    return {IsRstAfterFin(sk, skb) ? Verdict::kReset : Verdict::kDiscard, reason};
  }
  if (th->syn()) return {Verdict::kSynChallenge, reason};
  if (reason != SKB_DROP_REASON_TCP_OLD_SEQUENCE) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kBeyondWindow);
  }
  SendDupackLimited(sk, skb, TcpExtMib::kTCPACKSkippedSeq);
  return {Verdict::kDiscard, reason};
}

// Right edge of the SACK blocks: as far as the peer has sent, where it has lost something.
bool IsAtHighestSack(const tcp_sock* tp, SeqNum seq) {
  if (!tcp_is_sack(tp) || tp->rx_opt.num_sacks == 0) return false;
  SeqNum highest = tp->selective_acks[0].end_seq;
  for (int i = 1; i < tp->rx_opt.num_sacks; ++i) {
    highest = SeqMax(highest, tp->selective_acks[i].end_seq);
  }
  return seq == highest;
}

// RFC 5961 3.2: a RST counts at exactly the next sequence number; Linux adds where a peer stands
// that has lost a segment or sent a FIN.
Check CheckRst(sock* sk, const sk_buff* skb) {
  const tcp_sock* const tp = tcp_sk(sk);
  const SeqNum seq = TCP_SKB_CB(skb)->seq;
  if (seq == tp->rcv_nxt || IsRstAfterFin(sk, skb) || IsAtHighestSack(tp, seq)) {
    return {Verdict::kReset, SKB_DROP_REASON_TCP_RESET};
  }
  // Before any data on a connection of fast open: a middlebox may not like it.
  if (tp->syn_fastopen && tp->data_segs_in == 0 && sk->sk_state == TCP_ESTABLISHED) {
    tcp_fastopen_active_disable(sk);
  }
  tcp_send_challenge_ack(sk, false);
  return {Verdict::kDiscard, SKB_DROP_REASON_TCP_RESET};
}

// The SYN-ACK of a simultaneous open, whose SYN we know.
bool IsSynAckOfCrossedSyns(const sock* sk, const sk_buff* skb, const wire::TcpHeader* th) {
  const tcp_sock* const tp = tcp_sk(sk);
  const tcp_skb_cb* const cb = TCP_SKB_CB(skb);
  return sk->sk_state == TCP_SYN_RECV && sk->sk_socket != nullptr && th->ack() &&
         cb->seq + 1U == cb->end_seq && cb->seq + 1U == tp->rcv_nxt && cb->ack_seq == tp->snd_nxt;
}

// RFC 5961 4.2. With AccECN the answer tells the ECN field of this SYN, as that of any other.
Check CheckSyn(sock* sk, const sk_buff* skb, const wire::TcpHeader* th, bool* accecn_reflector) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tcp_ecn_mode_accecn(tp)) {
    *accecn_reflector = true;
    tp->syn_ect_rcv = TCP_SKB_CB(skb)->ip_dsfield & INET_ECN_MASK;
    if (tp->rx_opt.accecn != 0 && tp->saw_accecn_opt < TCP_ACCECN_OPT_COUNTER_SEEN) {
      tcp_accecn_saw_opt_fail_recv(tp, tcp_accecn_option_init(skb, tp->rx_opt.accecn));
      tcp_accecn_opt_demand_min(tp, 1);
    }
  }
  if (IsSynAckOfCrossedSyns(sk, skb, th)) return {};
  return {Verdict::kSynChallenge, SKB_DROP_REASON_TCP_INVALID_SYN};
}

Check Validate(sock* sk, sk_buff* skb, const wire::TcpHeader* th, bool* accecn_reflector) {
  const Check paws = CheckPaws(sk, skb, th);
  if (paws.verdict != Verdict::kPass) return paws;
  const DropReason reason = CheckSequence(sk, skb, th);
  if (reason != SKB_DROP_REASON_CONSUMED) return RefuseSequence(sk, skb, th, reason);
  if (th->rst()) return CheckRst(sk, skb);
  if (th->syn()) return CheckSyn(sk, skb, th, accecn_reflector);
  return {};
}

}  // namespace

bool tcp_validate_incoming(sock* sk, sk_buff* skb, const wire::TcpHeader* th, bool syn_inerr) {
  bool accecn_reflector = false;
  const Check check = Validate(sk, skb, th, &accecn_reflector);
  switch (check.verdict) {
    case Verdict::kPass:
      return true;
    case Verdict::kDiscard:
      tcp_drop_reason(sk, skb, check.reason);
      break;
    case Verdict::kReset:
      tcp_reset(sk, skb);
      tcp_consume_segment(sk, skb);
      break;
    case Verdict::kSynChallenge:
      if (syn_inerr) TCP_INC_STATS(sk->sk_net, TcpMib::kInErrs);
      NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPSYNChallenge);
      tcp_send_challenge_ack(sk, accecn_reflector);
      tcp_drop_reason(sk, skb, SKB_DROP_REASON_TCP_INVALID_SYN);
      break;
  }
  return false;
}

}  // namespace tapedeck
