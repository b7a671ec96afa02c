// Connection requests: what a listener remembers of a SYN until the handshake is complete (struct
// request_sock, inet_request_sock and tcp_request_sock in one). A request is in ehash as
// TCP_NEW_SYN_RECV; it counts in its listener's queue until it is dropped or becomes a child.
#ifndef TAPEDECK_STACK_TCP_REQUEST_SOCK_H_
#define TAPEDECK_STACK_TCP_REQUEST_SOCK_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/base/seqnum.h"
#include "stack/core/flow.h"
#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/ipv4/ip_options.h"
#include "stack/kernel/timer.h"
#include "stack/tcp/inet_hashtables.h"

namespace tapedeck {

struct request_sock;
struct tcp_fastopen_cookie;

enum class tcp_synack_type : uint8_t { kNormal, kFastopen, kCookie, kRetrans };

// What differs by address family in answering a SYN (request_sock_ops and tcp_request_sock_ops).
struct request_sock_ops {
  uint16_t family;
  uint16_t mss_clamp;  // largest MSS that can be asked for
  // Fills addresses, the options to echo and the route of an arriving SYN; the route with a
  // reference, or nullptr.
  dst_entry* (*route_req)(const sock* sk, sk_buff* skb, flowi* fl, request_sock* req,
                          uint32_t tw_isn);
  // Builds and sends a SYN-ACK; `dst` may be nullptr (routed then). 0 or -errno.
  int (*send_synack)(const sock* sk, dst_entry* dst, flowi* fl, request_sock* req,
                     tcp_fastopen_cookie* foc, tcp_synack_type type, sk_buff* syn_skb);
};
extern const request_sock_ops tcp_request_sock_ipv4_ops;
extern const request_sock_ops tcp_request_sock_ipv6_ops;

// Headers of a SYN, kept for TCP_SAVED_SYN. From Kmalloc.
struct saved_syn {
  uint32_t mac_hdrlen;
  uint32_t network_hdrlen;
  uint32_t tcp_hdrlen;
  uint8_t data[];
};

struct request_timer : TimerList {
  request_timer(request_sock* its_req, Function handler) : TimerList(handler), req(its_req) {}
  request_sock* req;
};

struct request_sock {
  request_sock(const request_sock_ops* ops, sock* listener);

  inet_ehash_node node;  // TCP_NEW_SYN_RECV; holds addresses, ports and the bound device
  net& rsk_net;
  uint32_t rsk_refcnt = 0;
  sock* rsk_listener;               // a reference; nullptr: none was taken (SYN cookies)
  request_sock* dl_next = nullptr;  // in the accept queue
  request_timer rsk_timer;
  const request_sock_ops* rsk_ops;
  sock* sk = nullptr;  // the child, once there is one: in the accept queue, or fast open
  saved_syn* syn = nullptr;
  uint32_t timeout = 0;  // jiffies until the first retransmission

  // What the SYN said, and what we will answer.
  uint16_t mss = 0;  // the peer's, bytes
  uint8_t num_retrans = 0;
  uint8_t num_timeout = 0;
  bool syncookie = false;
  uint32_t ts_recent = 0;
  uint32_t rsk_window_clamp = 0;
  uint32_t rsk_rcv_wnd = 0;
  uint8_t snd_wscale = 0;
  uint8_t rcv_wscale = 0;
  bool tstamp_ok = false;
  bool sack_ok = false;
  bool wscale_ok = false;
  bool ecn_ok = false;
  bool acked = false;  // the third packet has come but was not taken (defer_accept, full queue)
  uint32_t ir_mark = 0;
  bool has_opt = false;
  ip_options_data opt;         // IPv4 options to send back, where has_opt
  sk_buff* pktopts = nullptr;  // IPv6: the SYN, where its headers are of use; a reference

  // struct tcp_request_sock.
  uint64_t snt_synack_us = 0;  // tcp_clock_us of the first SYN-ACK; 0: retransmitted or none
  bool tfo_listener = false;   // the child was made by its SYN
  bool req_usec_ts = false;
  uint32_t txhash = 0;
  SeqNum rcv_isn;
  SeqNum snt_isn;
  uint32_t ts_off = 0;
  uint32_t snt_tsval_first = 0;
  uint32_t snt_tsval_last = 0;
  uint32_t last_oow_ack_time = 0;  // tcp_jiffies32
  SeqNum rcv_nxt;                  // what the SYN-ACK acknowledges
  uint8_t syn_tos = 0;
  bool accecn_ok = false;
  uint8_t syn_ect_snt = 0;
  uint8_t syn_ect_rcv = 0;
  uint8_t accecn_fail_mode = 0;
  uint8_t saw_accecn_opt = 0;
};

inline request_sock* inet_reqsk(inet_ehash_node* node) {
  return static_cast<request_sock*>(node->owner);
}

// Fast open of a listener: at most max_qlen children that no ACK has completed.
struct fastopen_queue {
  request_sock* rskq_rst_head = nullptr;  // requests that a RST has ended, until they are old
  request_sock* rskq_rst_tail = nullptr;
  uint32_t qlen = 0;
  uint32_t max_qlen = 0;                       // 0: fast open is off
  struct tcp_fastopen_context* ctx = nullptr;  // the socket's own keys
};

struct request_sock_queue {
  uint8_t rskq_defer_accept = 0;  // retransmissions of the SYN-ACK to wait for data
  bool synflood_warned = false;
  uint32_t qlen = 0;   // requests
  uint32_t young = 0;  // of them, those without a retransmitted SYN-ACK
  request_sock* rskq_accept_head = nullptr;
  request_sock* rskq_accept_tail = nullptr;
  fastopen_queue fastopenq;
};
inline bool reqsk_queue_empty(const request_sock_queue* queue) {
  return queue->rskq_accept_head == nullptr;
}

// A request with one reference and a reference to `listener` where `attach_listener`; nullptr where
// memory failed or the listener is going away.
request_sock* inet_reqsk_alloc(const request_sock_ops* ops, sock* listener, bool attach_listener);
inline void reqsk_hold(request_sock* req) { ++req->rsk_refcnt; }
void reqsk_put(request_sock* req);
// Frees one that nobody else has seen, whatever its count.
void reqsk_free(request_sock* req);
// Jiffies until the next SYN-ACK.
uint64_t tcp_reqsk_timeout(const request_sock* req);
// The window of a SYN-ACK, which is never scaled.
inline uint32_t tcp_synack_window(const request_sock* req) {
  return req->rsk_rcv_wnd < 65535 ? req->rsk_rcv_wnd : 65535;
}
// The first of the accept queue, off it; nullptr where it is empty.
request_sock* reqsk_queue_remove(request_sock_queue* queue, sock* parent);
// Counts of requests, when one comes and goes.
inline void reqsk_queue_added(request_sock_queue* queue, const request_sock* req) {
  if (req->num_timeout == 0) ++queue->young;
  ++queue->qlen;
}
inline void reqsk_queue_removed(request_sock_queue* queue, const request_sock* req) {
  if (req->num_timeout == 0) --queue->young;
  --queue->qlen;
}
// The request goes over to listener `sk`, with its reference but not with its place in a queue.
void reqsk_set_listener(request_sock* req, sock* sk);
// Memory of a saved SYN; nothing on nullptr.
void saved_syn_free(net& net, saved_syn* syn);
// A fast open child is gone or complete: takes the request apart from it (net/core/request_sock.c).
void reqsk_fastopen_remove(sock* sk, request_sock* req, bool reset);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_REQUEST_SOCK_H_
