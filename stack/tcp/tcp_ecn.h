// ECN (RFC 3168) and Accurate ECN (RFC 9768), as include/net/tcp_ecn.h.
#ifndef TAPEDECK_STACK_TCP_TCP_ECN_H_
#define TAPEDECK_STACK_TCP_TCP_ECN_H_

#include <cstdint>

#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

// ECN field of an IP header (RFC 3168 5).
enum : uint8_t {
  INET_ECN_NOT_ECT = 0,
  INET_ECN_ECT_1 = 1,
  INET_ECN_ECT_0 = 2,
  INET_ECN_CE = 3,
  INET_ECN_MASK = 3
};

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
