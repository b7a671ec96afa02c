// ECN on an established connection: marks of segments that go out, and counts of those that come
// in.
#include "stack/tcp/tcp_ecn.h"

#include <algorithm>

#include "stack/ipv6/ipv6_sock.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_input.h"

namespace tapedeck {

namespace {

// An ACK that answers a change of the ECN field, and the one after it, carry the option: together
// they show unambiguously which field has come.
constexpr uint8_t kOptionsAfterChange = 2;
constexpr uint32_t kReceivedCePendingMax = 0xf;
// The option goes out at least once per so many bytes under one ECN field (RFC 9768 3.2.3.3).
constexpr uint32_t kOptionIntervalMask = ~((1U << 22) - 1);
constexpr uint32_t kQuickacksOfEcn = 2;

// How many of the option's fields must be sent so that the counter of `ecnfield` is among them, in
// the order that we send: ECT(1), CE, ECT(0).
uint8_t FieldsToReach(uint8_t ecnfield) {
  constexpr uint8_t kFields[4] = {0, 1, 3, 2};
  static_assert(INET_ECN_ECT_1 == 1 && INET_ECN_ECT_0 == 2 && INET_ECN_CE == 3);
  return kFields[ecnfield];
}

// ACE's value: the CE marks that were received. The packet that answers a SYN-ACK has its feedback
// there already.
void SetAce(tcp_sock* tp, const sk_buff* skb, wire::TcpHeader* th) {
  if ((TCP_SKB_CB(skb)->tcp_flags & TCPHDR_ACE) != 0) return;
  const uint32_t ace = (tp->received_ce + TCP_ACCECN_CEP_INIT_OFFSET) & TCP_ACCECN_CEP_ACE_MASK;
  th->set_flags(static_cast<uint16_t>((th->flags() & ~TCPHDR_ACE) | ace << 6));
  tp->received_ce_pending = 0;
}

void AddFlags(wire::TcpHeader* th, uint16_t flags) {
  th->set_flags(static_cast<uint16_t>(th->flags() | flags));
}

void SendAccecn(sock* sk, sk_buff* skb, wire::TcpHeader* th) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tcp_accecn_ace_fail_recv(tp) || tcp_accecn_ace_fail_send(tp)) {
    INET_ECN_dontxmit(sk);
  } else {
    INET_ECN_xmit(sk);
  }
  SetAce(tp, skb, th);
  skb_shinfo(skb)->gso_type |= SKB_GSO_TCP_ACCECN;
}

void SendRfc3168(sock* sk, sk_buff* skb, wire::TcpHeader* th, int tcp_header_len) {
  tcp_sock* const tp = tcp_sk(sk);
  const bool has_data = skb->len != static_cast<uint32_t>(tcp_header_len);
  if (has_data && TCP_SKB_CB(skb)->seq.AtOrAfter(tp->snd_nxt)) {
    INET_ECN_xmit(sk);
    if ((tp->ecn_flags & TCP_ECN_QUEUE_CWR) != 0) {
      tp->ecn_flags &= static_cast<uint8_t>(~TCP_ECN_QUEUE_CWR);
      AddFlags(th, TCPHDR_CWR);
      skb_shinfo(skb)->gso_type |= SKB_GSO_TCP_ECN;
    }
  } else if (!tcp_ca_needs_ecn(sk)) {
    // RFC 3168 6.1.4 and 6.1.5: neither ACKs nor retransmissions are ECT.
    INET_ECN_dontxmit(sk);
  }
  if ((tp->ecn_flags & TCP_ECN_DEMAND_CWR) != 0) AddFlags(th, TCPHDR_ECE);
}

// Sets the ECN field of the socket's TOS and, where it has one, traffic class.
void SetEcnField(sock* sk, uint8_t ecn) {
  inet_sock* const inet = inet_sk(sk);
  inet->tos = static_cast<uint8_t>((inet->tos & ~INET_ECN_MASK) | ecn);
  if (ipv6_pinfo* const np = inet->pinet6; np != nullptr) {
    np->tclass = static_cast<uint8_t>((np->tclass & ~INET_ECN_MASK) | ecn);
  }
}

}  // namespace

void INET_ECN_xmit(sock* sk, bool ect_1) {
  SetEcnField(sk, ect_1 ? INET_ECN_ECT_1 : INET_ECN_ECT_0);
}

void INET_ECN_dontxmit(sock* sk) { SetEcnField(sk, INET_ECN_NOT_ECT); }

void tcp_ecn_send(sock* sk, sk_buff* skb, wire::TcpHeader* th, int tcp_header_len) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (!tcp_ecn_mode_any(tp)) return;
  if (tcp_ecn_mode_accecn(tp)) {
    SendAccecn(sk, skb, th);
  } else {
    SendRfc3168(sk, skb, th, tcp_header_len);
  }
}

void tcp_ecn_queue_cwr(tcp_sock* tp) {
  if (tcp_ecn_mode_rfc3168(tp)) tp->ecn_flags |= TCP_ECN_QUEUE_CWR;
}

void tcp_ecn_withdraw_cwr(tcp_sock* tp) {
  tp->ecn_flags &= static_cast<uint8_t>(~TCP_ECN_QUEUE_CWR);
}

void tcp_ecn_accept_cwr(sock* sk, const sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!tcp_ecn_mode_rfc3168(tp) || !tcp_hdr(skb)->cwr()) return;
  tp->ecn_flags &= static_cast<uint8_t>(~TCP_ECN_DEMAND_CWR);
  // A sender that has just reduced its window may have room for one packet alone: do not keep it
  // waiting.
  if (TCP_SKB_CB(skb)->seq != TCP_SKB_CB(skb)->end_seq) {
    inet_csk(sk)->icsk_ack.pending |= ICSK_ACK_NOW;
  }
}

void tcp_data_ecn_check(sock* sk, const sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tcp_ecn_disabled(tp)) return;
  const uint8_t ecnfield = TCP_SKB_CB(skb)->ip_dsfield & INET_ECN_MASK;
  if (ecnfield == INET_ECN_NOT_ECT) {
    // Where segments used to be ECT, one that is not is probably a retransmission.
    if ((tp->ecn_flags & TCP_ECN_SEEN) != 0) tcp_enter_quickack_mode(sk, kQuickacksOfEcn);
    return;
  }
  const bool is_ce = ecnfield == INET_ECN_CE;
  if (tcp_ca_needs_ecn(sk)) {
    tcp_ca_event_notify(sk, is_ce ? CA_EVENT_ECN_IS_CE : CA_EVENT_ECN_NO_CE);
  }
  // With AccECN tcp_ecn_received_counters does the rest.
  if (!tcp_ecn_mode_rfc3168(tp)) return;
  if (is_ce && (tp->ecn_flags & TCP_ECN_DEMAND_CWR) == 0) {
    tcp_enter_quickack_mode(sk, kQuickacksOfEcn);
    tp->ecn_flags |= TCP_ECN_DEMAND_CWR;
  }
  tp->ecn_flags |= TCP_ECN_SEEN;
}

void tcp_ecn_received_counters(sock* sk, const sk_buff* skb, uint32_t payload_len) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint8_t ecnfield = TCP_SKB_CB(skb)->ip_dsfield & INET_ECN_MASK;
  const bool is_ce = ecnfield == INET_ECN_CE;

  if (ecnfield != INET_ECN_NOT_ECT) {
    if (!tcp_ecn_mode_rfc3168(tp)) tp->ecn_flags |= TCP_ECN_SEEN;
    // ACE counts all packets, those without data too.
    const uint32_t segments = std::max<uint32_t>(1, skb_shinfo(skb)->gso_segs);
    const uint32_t marked = is_ce ? segments : 0;
    tp->received_ce += marked;
    tp->received_ce_pending =
        static_cast<uint8_t>(std::min(tp->received_ce_pending + marked, kReceivedCePendingMax));

    if (payload_len > 0) {
      uint32_t& bytes = tp->received_ecn_bytes[ecnfield - 1];
      const uint32_t old_bytes = bytes;
      bytes += payload_len;
      tp->accecn_minlen = std::max(tp->accecn_minlen, FieldsToReach(ecnfield));
      if (((bytes ^ old_bytes) & kOptionIntervalMask) != 0) tcp_accecn_opt_demand_min(tp, 1);
    }
  }

  const bool edge = tp->prev_ecnfield != ecnfield;
  if (!edge && !is_ce) return;
  tp->prev_ecnfield = ecnfield;
  if (!tcp_ecn_mode_accecn(tp)) return;
  // RFC 9768 3.2.2.5.1: change-triggered ACKs.
  if (edge) inet_csk(sk)->icsk_ack.pending |= ICSK_ACK_NOW;
  tp->accecn_opt_demand = kOptionsAfterChange;
}

void tcp_ecn_received_counters_payload(sock* sk, const sk_buff* skb) {
  const auto* const th = reinterpret_cast<const wire::TcpHeader*>(skb->data);
  tcp_ecn_received_counters(sk, skb, skb->len - static_cast<uint32_t>(th->header_bytes()));
}

void tcp_accecn_init_counters(tcp_sock* tp) {
  tp->received_ce = 0;
  tp->received_ce_pending = 0;
  std::fill(std::begin(tp->received_ecn_bytes), std::end(tp->received_ecn_bytes), 0);
  std::fill(std::begin(tp->delivered_ecn_bytes), std::end(tp->delivered_ecn_bytes), 0);
  tp->accecn_opt_sent_w_dsack = false;
  tp->accecn_minlen = 0;
  tp->accecn_opt_demand = 0;
  tp->est_ecnfield = 0;
}

bool tcp_accecn_option_beacon_check(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const auto beacons_per_rtt = static_cast<uint32_t>(tcp_sysctl(sk).ecn_option_beacon);
  if (beacons_per_rtt == 0) return false;
  const uint32_t since_us = tcp_stamp_us_delta(tp->tcp_mstamp_us, tp->accecn_opt_tstamp_us);
  return since_us * beacons_per_rtt >= tp->srtt_us >> 3;
}

}  // namespace tapedeck
