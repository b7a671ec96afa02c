// ECN (RFC 3168) and Accurate ECN (RFC 9768), as include/net/tcp_ecn.h.
//
// With RFC 3168 the receiver says ECE until the sender says CWR: one signal per round trip. With
// AccECN it counts: received_ce packets with CE, whose low three bits are the ACE field of every
// segment (AE, CWR, ECE), and received_ecn_bytes of payload by ECN field, which an option carries
// as 24-bit numbers. The sender keeps its own copies (delivered_ce, delivered_ecn_bytes) and takes
// differences.
// Files: tcp_ecn_handshake.cc (SYN, SYN-ACK, third packet), tcp_ecn.cc (marks of what is sent and
// received), tcp_accecn.cc (what an ACK's counters say).
#ifndef TAPEDECK_STACK_TCP_TCP_ECN_H_
#define TAPEDECK_STACK_TCP_TCP_ECN_H_

#include <cstdint>

#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_sock.h"
#include "stack/wire/tcp.h"

namespace tapedeck {

// ECN field of an IP header (RFC 3168 5).
enum : uint8_t {
  INET_ECN_NOT_ECT = 0,
  INET_ECN_ECT_1 = 1,
  INET_ECN_ECT_0 = 2,
  INET_ECN_CE = 3,
  INET_ECN_MASK = 3
};
inline bool INET_ECN_is_ce(uint8_t dsfield) { return (dsfield & INET_ECN_MASK) == INET_ECN_CE; }
inline bool INET_ECN_is_not_ect(uint8_t dsfield) {
  return (dsfield & INET_ECN_MASK) == INET_ECN_NOT_ECT;
}
// The ECN field of all that the socket sends from now on: ECT(1) or ECT(0) / none.
void INET_ECN_xmit(sock* sk, bool ect_1 = false);
void INET_ECN_dontxmit(sock* sk);

// sysctl net/ipv4/tcp_ecn: the best that is accepted from a peer, and asked for.
enum tcp_ecn_mode : uint8_t {
  TCP_ECN_IN_NOECN_OUT_NOECN = 0,
  TCP_ECN_IN_ECN_OUT_ECN = 1,
  TCP_ECN_IN_ECN_OUT_NOECN = 2,
  TCP_ECN_IN_ACCECN_OUT_ACCECN = 3,
  TCP_ECN_IN_ACCECN_OUT_ECN = 4,
  TCP_ECN_IN_ACCECN_OUT_NOECN = 5,
};
// sysctl net/ipv4/tcp_ecn_option: when the AccECN option is sent.
enum tcp_accecn_option : uint8_t {
  TCP_ACCECN_OPTION_DISABLED = 0,
  TCP_ACCECN_OPTION_MINIMUM = 1,
  TCP_ACCECN_OPTION_FULL = 2,
  TCP_ACCECN_OPTION_PERSIST = 3,
};
// tcp_sock::saw_accecn_opt.
enum : uint8_t {
  TCP_ACCECN_OPT_NOT_SEEN = 0,
  TCP_ACCECN_OPT_EMPTY_SEEN = 1,
  TCP_ACCECN_OPT_COUNTER_SEEN = 2,
  TCP_ACCECN_OPT_FAIL_SEEN = 3,
};
// tcp_sock::accecn_fail_mode: what the path garbles.
enum : uint8_t {
  TCP_ACCECN_ACE_FAIL_SEND = 1 << 0,
  TCP_ACCECN_ACE_FAIL_RECV = 1 << 1,
  TCP_ACCECN_OPT_FAIL_SEND = 1 << 2,
  TCP_ACCECN_OPT_FAIL_RECV = 1 << 3,
};
// Where the counters start on the wire: not all at zero, so that zeroing is noticed (RFC 9768
// 3.2.1).
inline constexpr uint32_t TCP_ACCECN_CEP_INIT_OFFSET = 5;
inline constexpr uint32_t TCP_ACCECN_E1B_INIT_OFFSET = 1;
inline constexpr uint32_t TCP_ACCECN_E0B_INIT_OFFSET = 1;
inline constexpr uint32_t TCP_ACCECN_CEB_INIT_OFFSET = 0;
inline constexpr uint32_t TCP_ACCECN_CEP_ACE_MASK = 7;
inline constexpr uint32_t TCP_ACCECN_ACE_MAX_DELTA = 6;
inline constexpr uint8_t TCP_ACCECN_NUMFIELDS = 3;
inline constexpr uint32_t TCP_ACCECN_MAXSIZE =
    TCPOLEN_ACCECN_BASE + TCPOLEN_ACCECN_PERFIELD * TCP_ACCECN_NUMFIELDS;

inline bool tcp_ecn_mode_any(const tcp_sock* tp) { return (tp->ecn_flags & TCP_ECN_MODE_ANY) != 0; }
inline bool tcp_ecn_mode_rfc3168(const tcp_sock* tp) {
  return (tp->ecn_flags & TCP_ECN_MODE_ANY) == TCP_ECN_MODE_RFC3168;
}
inline bool tcp_ecn_mode_accecn(const tcp_sock* tp) {
  return (tp->ecn_flags & TCP_ECN_MODE_ANY) == TCP_ECN_MODE_ACCECN;
}
inline bool tcp_ecn_disabled(const tcp_sock* tp) { return !tcp_ecn_mode_any(tp); }
inline bool tcp_ecn_mode_pending(const tcp_sock* tp) {
  return (tp->ecn_flags & TCP_ECN_MODE_PENDING) == TCP_ECN_MODE_PENDING;
}
inline void tcp_ecn_mode_set(tcp_sock* tp, uint8_t mode) {
  tp->ecn_flags = static_cast<uint8_t>((tp->ecn_flags & ~TCP_ECN_MODE_ANY) | mode);
}

// AE, CWR and ECE as a number of three bits.
inline uint8_t tcp_accecn_ace(const wire::TcpHeader* th) { return th->ace(); }
inline bool tcp_accecn_ace_fail_send(const tcp_sock* tp) {
  return (tp->accecn_fail_mode & TCP_ACCECN_ACE_FAIL_SEND) != 0;
}
inline bool tcp_accecn_ace_fail_recv(const tcp_sock* tp) {
  return (tp->accecn_fail_mode & TCP_ACCECN_ACE_FAIL_RECV) != 0;
}
inline bool tcp_accecn_opt_fail_send(const tcp_sock* tp) {
  return (tp->accecn_fail_mode & TCP_ACCECN_OPT_FAIL_SEND) != 0;
}
inline bool tcp_accecn_opt_fail_recv(const tcp_sock* tp) {
  return (tp->accecn_fail_mode & TCP_ACCECN_OPT_FAIL_RECV) != 0;
}
inline void tcp_accecn_fail_mode_set(tcp_sock* tp, uint8_t mode) { tp->accecn_fail_mode |= mode; }
// At least `opt_demand_min` of the next segments carry the option.
inline void tcp_accecn_opt_demand_min(tcp_sock* tp, uint8_t opt_demand_min) {
  if (tp->accecn_opt_demand < opt_demand_min) tp->accecn_opt_demand = opt_demand_min;
}
// A SYN that is answered with AccECN: any flags but none and RFC 3168's (RFC 9768 3.1.2).
inline bool tcp_accecn_syn_requested(const wire::TcpHeader* th) {
  const uint8_t ace = tcp_accecn_ace(th);
  return ace != 0 && ace != 3;
}
// Whether the third packet of a handshake by SYN cookie is a peer's that has AccECN.
inline bool cookie_accecn_ok(const wire::TcpHeader* th) { return tcp_accecn_ace(th) > 1; }
// An ACK that echoes congestion, RFC 3168's way.
inline bool tcp_ecn_rcv_ecn_echo(const tcp_sock* tp, const wire::TcpHeader* th) {
  return th->ece() && !th->syn() && tcp_ecn_mode_rfc3168(tp);
}
// TCPHDR_ACE flags of a SYN-ACK, or of the ACK that answers one: what `ect` the other's SYN had.
uint16_t tcp_accecn_reflector_flags(uint8_t ect);
// The ECN field with which our SYN or SYN-ACK has arrived, by the ACE field of its answer.
uint8_t tcp_accecn_extract_syn_ect(uint8_t ace);
// What the first AccECN option of a connection shows: TCP_ACCECN_OPT_*. `opt_offset` from the TCP
// header.
uint8_t tcp_accecn_option_init(const sk_buff* skb, uint8_t opt_offset);
void tcp_accecn_saw_opt_fail_recv(tcp_sock* tp, uint8_t saw_opt);
// Takes a 24-bit counter at `from` in: `*cnt` follows it, and the signed difference is returned.
int32_t tcp_update_ecn_bytes(uint32_t* cnt, const uint8_t* from, uint32_t init_offset);

// --- Handshake. ---
void tcp_ecn_send_syn(sock* sk, sk_buff* skb);
void tcp_ecn_clear_syn(sock* sk, sk_buff* skb);
void tcp_ecn_send_synack(sock* sk, sk_buff* skb);
void tcp_ecn_make_synack(const request_sock* req, wire::TcpHeader* th, tcp_synack_type type);
void tcp_ecn_create_request(request_sock* req, const sk_buff* skb, const sock* listen_sk,
                            const dst_entry* dst);
void tcp_ecn_openreq_child(sock* sk, const request_sock* req, const sk_buff* skb);
void tcp_ecn_rcv_synack(sock* sk, const sk_buff* skb, const wire::TcpHeader* th,
                        uint8_t ip_dsfield);
void tcp_ecn_rcv_syn(sock* sk, const wire::TcpHeader* th, const sk_buff* skb);
// The third packet of the handshake, at the server.
void tcp_accecn_third_ack(sock* sk, const sk_buff* skb, uint8_t sent_ect);

// --- Data. ---
// Marks an outgoing segment: ECT in the IP header, ECE, CWR or ACE in TCP's.
void tcp_ecn_send(sock* sk, sk_buff* skb, wire::TcpHeader* th, int tcp_header_len);
void tcp_ecn_queue_cwr(tcp_sock* tp);
void tcp_ecn_accept_cwr(sock* sk, const sk_buff* skb);
void tcp_ecn_withdraw_cwr(tcp_sock* tp);
void tcp_data_ecn_check(sock* sk, const sk_buff* skb);
// Counts the ECN field of an arriving segment with `payload_len` bytes.
void tcp_ecn_received_counters(sock* sk, const sk_buff* skb, uint32_t payload_len);
void tcp_ecn_received_counters_payload(sock* sk, const sk_buff* skb);
// Number of CE marks that an ACK reports; `delivered_pkts` are those it has newly acknowledged.
uint32_t tcp_accecn_process(sock* sk, const sk_buff* skb, uint32_t delivered_pkts,
                            uint32_t delivered_bytes, uint32_t* flag);
bool tcp_accecn_process_option(tcp_sock* tp, const sk_buff* skb, uint32_t delivered_bytes,
                               uint32_t flag);
void tcp_accecn_init_counters(tcp_sock* tp);
bool tcp_accecn_option_beacon_check(const sock* sk);
// Room for the AccECN option beside `opts`, its bytes; see tcp_options_output.cc.
uint32_t tcp_options_fit_accecn(tcp_out_options* opts, uint32_t required, uint32_t remaining);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_ECN_H_
