// Agreeing on ECN: what SYN, SYN-ACK and the packet after them say (RFC 3168 6.1.1, RFC 9768 3.1).
#include "stack/core/dst.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_ecn.h"

namespace tapedeck {

namespace {

constexpr uint32_t RTAX_FEATURE_ECN = 1 << 0;
constexpr uint32_t DST_FEATURE_ECN_MASK = DST_FEATURE_ECN_CA | RTAX_FEATURE_ECN;
// TCP's reserved bits that no extension uses yet.
constexpr uint16_t kReservedFlags = wire::kTcpReservedMask;

uint32_t RouteFeatures(const dst_entry* dst) {
  return dst == nullptr ? 0 : dst_metric_raw(dst, RTAX_FEATURES);
}

// ECT(1) or ECT(0), as the congestion control wants it (INET_ECN_xmit_ect_1_negotiation).
void MarkAsCongestionControlWants(sock* sk) { INET_ECN_xmit(sk, tcp_ca_ect_1_negotiation(sk)); }

// Whether a packet sent with ECN field `snt` can arrive with `rcv`: unchanged or, where it was ECT,
// as another ECT or CE (RFC 9768 3.2.2.3).
bool EctTransitionValid(uint8_t snt, uint8_t rcv) {
  if (rcv == snt) return true;
  if (snt == INET_ECN_NOT_ECT || rcv == INET_ECN_NOT_ECT) return false;
  return snt != INET_ECN_CE;
}

// Checks what the peer says about the ECN field of our SYN or SYN-ACK. An impossible change means
// that the path garbles it: no more ECT from us.
bool ValidateSynFeedback(sock* sk, uint8_t ace, uint8_t sent_ect) {
  if (tcp_sysctl(sk).ecn_fallback == 0) return true;
  if (EctTransitionValid(sent_ect, tcp_accecn_extract_syn_ect(ace))) return true;
  tcp_accecn_fail_mode_set(tcp_sk(sk), TCP_ACCECN_ACE_FAIL_RECV);
  return false;
}

void CountCeOfSynack(tcp_sock* tp) {
  ++tp->received_ce;
  ++tp->received_ce_pending;
}

// The SYN-ACK agrees to AccECN.
void ReceiveSynackAccecn(sock* sk, const sk_buff* skb, uint8_t ip_dsfield) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_ecn_mode_set(tp, TCP_ECN_MODE_ACCECN);
  tp->syn_ect_rcv = ip_dsfield & INET_ECN_MASK;
  // The option is answered with ours, twice: one of them may be lost.
  if (tp->rx_opt.accecn != 0 && tp->saw_accecn_opt < TCP_ACCECN_OPT_COUNTER_SEEN) {
    tcp_accecn_saw_opt_fail_recv(tp, tcp_accecn_option_init(skb, tp->rx_opt.accecn));
    tp->accecn_opt_demand = 2;
  }
}

}  // namespace

uint16_t tcp_accecn_reflector_flags(uint8_t ect) {
  // RFC 9768 table 2.
  constexpr uint16_t kAceOfEct[4] = {0b010, 0b011, 0b100, 0b110};
  constexpr int kAceShift = 6;
  static_assert(7 << kAceShift == TCPHDR_ACE);
  return static_cast<uint16_t>(kAceOfEct[ect & INET_ECN_MASK] << kAceShift);
}

uint8_t tcp_accecn_extract_syn_ect(uint8_t ace) {
  // RFC 9768 table 4; what it leaves undefined is taken as if the field had passed unharmed.
  constexpr uint8_t kEctOfAce[8] = {
      INET_ECN_ECT_0, INET_ECN_ECT_1, INET_ECN_NOT_ECT, INET_ECN_ECT_1,
      INET_ECN_ECT_0, INET_ECN_ECT_1, INET_ECN_CE,      INET_ECN_ECT_1,
  };
  return kEctOfAce[ace & 7];
}

void tcp_ecn_send_syn(sock* sk, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  const int32_t sysctl = tcp_sysctl(sk).ecn;
  const bool use_accecn = sysctl == TCP_ECN_IN_ACCECN_OUT_ACCECN || tcp_ca_needs_accecn(sk);
  const bool use_ecn = use_accecn || sysctl == TCP_ECN_IN_ECN_OUT_ECN ||
                       sysctl == TCP_ECN_IN_ACCECN_OUT_ECN || tcp_ca_needs_ecn(sk) ||
                       (RouteFeatures(__sk_dst_get(sk)) & RTAX_FEATURE_ECN) != 0;
  tp->ecn_flags = 0;
  if (!use_ecn) return;

  if (tcp_ca_needs_ecn(sk)) MarkAsCongestionControlWants(sk);
  TCP_SKB_CB(skb)->tcp_flags |= TCPHDR_ECE | TCPHDR_CWR;
  if (use_accecn) {
    TCP_SKB_CB(skb)->tcp_flags |= TCPHDR_AE;
    tcp_ecn_mode_set(tp, TCP_ECN_MODE_PENDING);
    tp->syn_ect_snt = inet_sk(sk)->tos & INET_ECN_MASK;
  } else {
    tcp_ecn_mode_set(tp, TCP_ECN_MODE_RFC3168);
  }
}

void tcp_ecn_clear_syn(sock* sk, sk_buff* skb) {
  // A path that drops SYNs with ECN gets one without. What is agreed on is left to the SYN-ACK.
  if (tcp_sysctl(sk).ecn_fallback != 0) {
    TCP_SKB_CB(skb)->tcp_flags &= static_cast<uint16_t>(~TCPHDR_ACE);
  }
}

void tcp_ecn_send_synack(sock* sk, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_skb_cb* const cb = TCP_SKB_CB(skb);
  cb->tcp_flags &= static_cast<uint16_t>(~TCPHDR_CWR);
  if (tcp_ecn_disabled(tp)) {
    cb->tcp_flags &= static_cast<uint16_t>(~TCPHDR_ECE);
  } else if (tcp_ca_needs_ecn(sk)) {
    MarkAsCongestionControlWants(sk);
  }
  if ((tp->ecn_flags & TCP_ECN_MODE_ACCECN) != 0) {
    cb->tcp_flags &= static_cast<uint16_t>(~TCPHDR_ACE);
    cb->tcp_flags |= tcp_accecn_reflector_flags(tp->syn_ect_rcv);
    tp->syn_ect_snt = inet_sk(sk)->tos & INET_ECN_MASK;
  }
}

void tcp_ecn_make_synack(const request_sock* req, wire::TcpHeader* th, tcp_synack_type type) {
  const auto rest = static_cast<uint16_t>(th->flags() & ~TCPHDR_ACE);
  // A SYN-ACK that has timed out twice may have died of its flags: the next one has none (RFC 9768
  // 3.1.4.2).
  const bool first_tries = req->num_timeout == 0 || type != tcp_synack_type::kRetrans;
  if (!first_tries) {
    if (req->accecn_ok) th->set_flags(rest);
  } else if (req->accecn_ok) {
    th->set_flags(static_cast<uint16_t>(rest | tcp_accecn_reflector_flags(req->syn_ect_rcv)));
  } else if (req->ecn_ok) {
    th->set_flags(static_cast<uint16_t>(th->flags() | TCPHDR_ECE));
  }
}

void tcp_ecn_create_request(request_sock* req, const sk_buff* skb, const sock* listen_sk,
                            const dst_entry* dst) {
  const wire::TcpHeader* const th = tcp_hdr(skb);
  const uint8_t ip_dsfield = TCP_SKB_CB(skb)->ip_dsfield;
  const int32_t sysctl = tcp_sysctl(listen_sk).ecn;
  if (tcp_accecn_syn_requested(th) &&
      (sysctl >= TCP_ECN_IN_ACCECN_OUT_ACCECN || tcp_ca_needs_accecn(listen_sk))) {
    req->ecn_ok = true;
    req->accecn_ok = true;
    req->syn_ect_rcv = ip_dsfield & INET_ECN_MASK;
    return;
  }
  if (!th->ece() || !th->cwr()) return;

  // A SYN with ECT is none of RFC 3168's: somebody plays with the TOS, and would make us see
  // congestion. Unless bits say that it is of a later extension (RFC 8311 4.3), or the congestion
  // control always sets ECT, as DCTCP does.
  const bool ect = !INET_ECN_is_not_ect(ip_dsfield);
  const uint32_t ecn_ok_dst = RouteFeatures(dst) & DST_FEATURE_ECN_MASK;
  const bool ecn_ok = sysctl != 0 || ecn_ok_dst != 0;
  const bool plain_or_extended = !ect || th->has(kReservedFlags) || th->ae();
  req->ecn_ok = (plain_or_extended && ecn_ok) || tcp_ca_needs_ecn(listen_sk) ||
                (ecn_ok_dst & DST_FEATURE_ECN_CA) != 0;
}

void tcp_ecn_openreq_child(sock* sk, const request_sock* req, const sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!req->accecn_ok) {
    const bool use = req->ecn_ok && !tcp_ca_no_fallback_rfc3168(sk);
    tcp_ecn_mode_set(tp, use ? TCP_ECN_MODE_RFC3168 : TCP_ECN_DISABLED);
    return;
  }
  tcp_ecn_mode_set(tp, TCP_ECN_MODE_ACCECN);
  tp->syn_ect_snt = req->syn_ect_snt;
  tcp_accecn_third_ack(sk, skb, req->syn_ect_snt);
  tp->saw_accecn_opt = req->saw_accecn_opt;
  constexpr uint8_t kAceFails = TCP_ACCECN_ACE_FAIL_SEND | TCP_ACCECN_ACE_FAIL_RECV;
  tcp_accecn_fail_mode_set(tp, req->accecn_fail_mode & kAceFails);
  tp->prev_ecnfield = req->syn_ect_rcv;
  tp->accecn_opt_demand = 1;
  tcp_ecn_received_counters_payload(sk, skb);
}

void tcp_ecn_rcv_synack(sock* sk, const sk_buff* skb, const wire::TcpHeader* th,
                        uint8_t ip_dsfield) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint8_t ace = tcp_accecn_ace(th);
  switch (ace) {  // RFC 9768 table 2
    case 0b000:   // no ECN
    case 0b111:   // reflects the SYN's flags: broken
      tcp_ecn_mode_set(tp, TCP_ECN_DISABLED);
      return;
    case 0b001:  // RFC 3168
      tcp_ecn_mode_set(tp,
                       tcp_ca_no_fallback_rfc3168(sk) ? TCP_ECN_DISABLED : TCP_ECN_MODE_RFC3168);
      return;
    case 0b101:  // reserved: AccECN without feedback on our SYN
      if (!tcp_ecn_mode_pending(tp)) return;
      ReceiveSynackAccecn(sk, skb, ip_dsfield);
      if (INET_ECN_is_ce(ip_dsfield)) CountCeOfSynack(tp);
      return;
    default:
      ReceiveSynackAccecn(sk, skb, ip_dsfield);
      if (INET_ECN_is_ce(ip_dsfield) && ValidateSynFeedback(sk, ace, tp->syn_ect_snt)) {
        CountCeOfSynack(tp);
      }
      return;
  }
}

void tcp_ecn_rcv_syn(sock* sk, const wire::TcpHeader* th, const sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tcp_ecn_mode_pending(tp)) {
    if (tcp_accecn_syn_requested(th)) {
      tp->syn_ect_rcv = TCP_SKB_CB(skb)->ip_dsfield & INET_ECN_MASK;
      tp->prev_ecnfield = tp->syn_ect_rcv;
      tcp_ecn_mode_set(tp, TCP_ECN_MODE_ACCECN);
    } else {
      tcp_ecn_mode_set(tp, TCP_ECN_MODE_RFC3168);
    }
  }
  if (tcp_ecn_mode_rfc3168(tp) && (!th->ece() || !th->cwr() || tcp_ca_no_fallback_rfc3168(sk))) {
    tcp_ecn_mode_set(tp, TCP_ECN_DISABLED);
  }
}

void tcp_accecn_third_ack(sock* sk, const sk_buff* skb, uint8_t sent_ect) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_skb_cb* const cb = TCP_SKB_CB(skb);
  const uint8_t ace = tcp_accecn_ace(tcp_hdr(skb));
  switch (ace) {  // RFC 9768 table 4
    case 0b000:   // never sent: the path clears it
      if (cb->sacked == 0) {
        tcp_accecn_fail_mode_set(tp, TCP_ACCECN_ACE_FAIL_RECV | TCP_ACCECN_OPT_FAIL_RECV);
      }
      return;
    case 0b001:  // not in use, but legal
    case 0b101:
    case 0b111:
      return;
    default: {
      // Only the first packet without data is sure to speak of the SYN-ACK.
      const bool pure_ack = cb->seq == cb->end_seq && cb->sacked == 0;
      if (pure_ack && ValidateSynFeedback(sk, ace, sent_ect) &&
          tcp_accecn_extract_syn_ect(ace) == INET_ECN_CE && tp->delivered_ce == 0) {
        tp->delivered_ce = 1;
      }
      return;
    }
  }
}

}  // namespace tapedeck
