// Requests of a listener: in ehash with a timer, then with a child in the accept queue (the second
// half of net/ipv4/inet_connection_sock.c).
//
// A request in ehash has one reference for the table and one for the timer.
#include <algorithm>

#include "stack/core/net.h"
#include "stack/tcp/inet_hashinfo.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {
namespace {

constexpr uint32_t kBacklogMin = 8;
constexpr int kSynackRetriesMin = 2;

request_sock_queue* AcceptQueue(const request_sock* req) {
  return &inet_csk(req->rsk_listener)->icsk_accept_queue;
}

// Retransmissions of the SYN-ACK that the listener's queue allows now. Half of it is for young
// requests: where old ones take more, they are given up the sooner the more there are.
int MaxSynackRetries(const sock* listener) {
  const inet_connection_sock* const icsk = inet_csk(listener);
  int retries =
      icsk->icsk_syn_retries != 0 ? icsk->icsk_syn_retries : tcp_sysctl(listener).synack_retries;
  const request_sock_queue& queue = icsk->icsk_accept_queue;
  if (queue.qlen * 2 <= std::max(kBacklogMin, listener->sk_max_ack_backlog)) return retries;
  uint64_t young = uint64_t{queue.young} * 2;
  while (retries > kSynackRetriesMin && queue.qlen >= young) {
    --retries;
    young *= 2;
  }
  return retries;
}

// syn_ack_recalc: whether the request is over, and whether its SYN-ACK is to be sent again: not
// while its third packet is here and the listener waits for data (TCP_DEFER_ACCEPT), but in the
// last round, as a last chance for them.
struct SynackDecision {
  bool expire;
  bool resend;
};
SynackDecision DecideSynack(const request_sock* req, int max_retries, uint8_t defer_accept) {
  if (defer_accept == 0) return {req->num_timeout >= max_retries, true};
  return {req->num_timeout >= max_retries && (!req->acked || req->num_timeout >= defer_accept),
          !req->acked || req->num_timeout >= defer_accept - 1};
}

// The listener has gone: the request goes over to another one of its group. False: there is none.
bool MoveToOtherListener(request_sock* req) {
  sock* const other = reuseport_migrate_sock(req->rsk_listener, req->node.num, req->node.hash);
  if (other == nullptr) return false;
  reqsk_queue_removed(AcceptQueue(req), req);
  reqsk_set_listener(req, other);
  reqsk_queue_added(AcceptQueue(req), req);
  return true;
}

// Whether the request lives on, its SYN-ACK sent again where it had to be.
bool SendSynackAgain(request_sock* req) {
  sock* const listener = req->rsk_listener;
  const SynackDecision decision =
      DecideSynack(req, MaxSynackRetries(listener), AcceptQueue(req)->rskq_defer_accept);
  tcp_syn_ack_timeout(req);
  if (decision.expire) return false;
  return !decision.resend || tcp_rtx_synack(listener, req) == 0 || req->acked;
}

bool Unlink(request_sock* req) {
  if (!req->node.linked()) return false;
  inet_ehash_remove_node(req->rsk_net, &req->node);
  return true;
}

// Takes the request out of ehash, with that reference; whether it was there.
bool DropFromTable(request_sock* req) {
  if (!Unlink(req)) return false;
  reqsk_queue_removed(AcceptQueue(req), req);
  reqsk_put(req);
  return true;
}

void reqsk_timer_handler(TimerList* timer) {
  request_sock* const req = static_cast<request_timer*>(timer)->req;
  net& net = req->rsk_net;
  const bool moved = req->rsk_listener->sk_state != TCP_LISTEN;
  const bool has_listener = !moved || MoveToOtherListener(req);
  if (has_listener && SendSynackAgain(req)) {
    if (req->num_retrans > 1 && req->accecn_ok) req->accecn_fail_mode |= TCP_ACCECN_ACE_FAIL_SEND;
    if (req->num_timeout++ == 0) --AcceptQueue(req)->young;
    mod_timer(net.this_cpu(), &req->rsk_timer, net.jiffies() + tcp_reqsk_timeout(req));
    if (moved) NET_INC_STATS(net, TcpExtMib::kTCPMigrateReqSuccess);
    return;
  }
  if (moved && has_listener) NET_INC_STATS(net, TcpExtMib::kTCPMigrateReqFailure);
  DropFromTable(req);
  reqsk_put(req);  // the timer's
}

// A child that nobody will accept is reset.
void inet_child_forget(sock* sk, request_sock* req, sock* child) {
  sk->sk_prot->disconnect(child, 0);
  sock_orphan(child);
  ++sock_tcp(child).orphan_count;
  if (req->tfo_listener) {
    CHECK(tcp_sk(child)->fastopen_rsk == req);
    tcp_sk(child)->fastopen_rsk = nullptr;
  }
  inet_csk_destroy_sock(child);
}

// An accepted handshake goes over to another listener of the group `sk` has left. False: there is
// none.
bool MoveChild(sock* sk, request_sock* req, sock* child) {
  sock* const other =
      reuseport_migrate_sock(sk, inet_sk(child)->inet_num, inet_csk(child)->icsk_hash_node.hash);
  if (other == nullptr) return false;
  if (req->tfo_listener) ++inet_csk(other)->icsk_accept_queue.fastopenq.qlen;
  reqsk_set_listener(req, other);
  CHECK(inet_csk_reqsk_queue_add(other, req, child) != nullptr);
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPMigrateReqSuccess);
  other->sk_data_ready(other);
  return true;
}

}  // namespace

bool inet_csk_reqsk_queue_hash_add(sock* sk, request_sock* req) {
  net& net = req->rsk_net;
  if (!inet_ehash_insert_node(net, &req->node, nullptr)) return false;
  req->timeout = tcp_ticks_of(sk).timeout_init;
  req->rsk_timer.function = reqsk_timer_handler;
  mod_timer(net.this_cpu(), &req->rsk_timer, net.jiffies() + req->timeout);
  req->rsk_refcnt = 2 + 1;
  reqsk_queue_added(&inet_csk(sk)->icsk_accept_queue, req);
  return true;
}

bool inet_csk_reqsk_queue_drop(sock* /*sk*/, request_sock* req) {
  // The caller may hold no reference of its own.
  reqsk_hold(req);
  if (timer_delete(&req->rsk_timer)) reqsk_put(req);
  const bool unlinked = DropFromTable(req);
  reqsk_put(req);
  return unlinked;
}

void inet_csk_reqsk_queue_drop_and_put(sock* sk, request_sock* req) {
  inet_csk_reqsk_queue_drop(sk, req);
  reqsk_put(req);
}

sock* inet_csk_reqsk_queue_add(sock* sk, request_sock* req, sock* child) {
  if (sk->sk_state != TCP_LISTEN) {
    inet_child_forget(sk, req, child);
    return nullptr;
  }
  request_sock_queue* const queue = &inet_csk(sk)->icsk_accept_queue;
  req->sk = child;
  req->dl_next = nullptr;
  if (queue->rskq_accept_head == nullptr) {
    queue->rskq_accept_head = req;
  } else {
    queue->rskq_accept_tail->dl_next = req;
  }
  queue->rskq_accept_tail = req;
  ++sk->sk_ack_backlog;
  return child;
}

sock* inet_csk_complete_hashdance(sock* sk, sock* child, request_sock* req, bool own_req) {
  if (own_req) {
    inet_csk_reqsk_queue_drop(req->rsk_listener, req);
    reqsk_queue_removed(AcceptQueue(req), req);
    const bool moved = sk != req->rsk_listener;
    if (moved) reqsk_set_listener(req, sk);
    if (inet_csk_reqsk_queue_add(sk, req, child) != nullptr) {
      if (moved) NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPMigrateReqSuccess);
      return child;
    }
    if (moved) NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPMigrateReqFailure);
  }
  sock_put(child);
  return nullptr;
}

void inet_csk_listen_stop(sock* sk) {
  request_sock_queue* const queue = &inet_csk(sk)->icsk_accept_queue;
  // It would be kinder to end each with a FIN, but nobody would be there to see it through.
  while (request_sock* const req = reqsk_queue_remove(queue, sk)) {
    sock* const child = req->sk;
    sock_hold(child);
    if (!MoveChild(sk, req, child)) {
      inet_child_forget(sk, req, child);
      reqsk_put(req);
    }
    sock_put(child);
  }
  request_sock* req = queue->fastopenq.rskq_rst_head;
  queue->fastopenq.rskq_rst_head = nullptr;
  while (req != nullptr) {
    request_sock* const next = req->dl_next;
    reqsk_put(req);
    req = next;
  }
  CHECK_EQ(sk->sk_ack_backlog, 0U);
}

}  // namespace tapedeck
