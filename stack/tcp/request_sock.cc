#include "stack/tcp/request_sock.h"

#include <algorithm>

#include "stack/tcp/netns_tcp.h"

namespace tapedeck {
namespace {

constexpr uint64_t kFastopenRstHoldS = 60;

uint32_t SavedSynBytes(const saved_syn* syn) {
  return static_cast<uint32_t>(sizeof(saved_syn)) + syn->mac_hdrlen + syn->network_hdrlen +
         syn->tcp_hdrlen;
}

}  // namespace

request_sock::request_sock(const request_sock_ops* ops, sock* listener)
    : rsk_net(listener->sk_net), rsk_listener(nullptr), rsk_timer(this, nullptr), rsk_ops(ops) {
  node.owner = this;
  node.state = TCP_NEW_SYN_RECV;
}

request_sock* inet_reqsk_alloc(const request_sock_ops* ops, sock* listener, bool attach_listener) {
  request_sock* const req = sock_tcp(listener).reqsks.New(ops, listener);
  if (req == nullptr || !attach_listener) return req;
  sock_hold(listener);
  req->rsk_listener = listener;
  return req;
}

void reqsk_put(request_sock* req) {
  CHECK_GT(req->rsk_refcnt, 0U);
  if (--req->rsk_refcnt == 0) reqsk_free(req);
}

void reqsk_free(request_sock* req) {
  net& net = req->rsk_net;
  sock* const listener = req->rsk_listener;
  saved_syn_free(net, req->syn);
  consume_skb(req->pktopts);
  net_tcp(net).reqsks.Delete(req);
  if (listener != nullptr) sock_put(listener);
}

void reqsk_set_listener(request_sock* req, sock* sk) {
  sock_hold(sk);
  sock* const old = req->rsk_listener;
  req->rsk_listener = sk;
  if (old != nullptr) sock_put(old);
}

uint64_t tcp_reqsk_timeout(const request_sock* req) {
  const uint64_t timeout = uint64_t{req->timeout} << std::min<uint8_t>(req->num_timeout, 31);
  return std::min<uint64_t>(timeout, inet_csk(req->rsk_listener)->icsk_rto_max);
}

request_sock* reqsk_queue_remove(request_sock_queue* queue, sock* parent) {
  request_sock* const req = queue->rskq_accept_head;
  if (req == nullptr) return nullptr;
  CHECK_GT(parent->sk_ack_backlog, 0U);
  --parent->sk_ack_backlog;
  queue->rskq_accept_head = req->dl_next;
  if (queue->rskq_accept_head == nullptr) queue->rskq_accept_tail = nullptr;
  req->dl_next = nullptr;
  return req;
}

void saved_syn_free(net& net, saved_syn* syn) {
  if (syn != nullptr) net.kernel.kmalloc().Free(syn, SavedSynBytes(syn));
}

void reqsk_fastopen_remove(sock* sk, request_sock* req, bool reset) {
  sock* const listener = req->rsk_listener;
  fastopen_queue* const queue = &inet_csk(listener)->icsk_accept_queue.fastopenq;
  tcp_sk(sk)->fastopen_rsk = nullptr;
  --queue->qlen;
  req->tfo_listener = false;
  // Not accepted yet: the accept queue still has it.
  if (req->sk != nullptr) return;
  if (!reset || listener->sk_state != TCP_LISTEN) {
    reqsk_put(req);
    return;
  }
  // It counts on for a minute, so that who sends SYNs with data and resets them cannot have the
  // host work without end (Radhakrishnan et al., "TCP Fast Open", 2011).
  req->rsk_timer.expires = req->rsk_net.jiffies() + kFastopenRstHoldS * sock_tcp(sk).ticks.hz;
  if (queue->rskq_rst_head == nullptr) {
    queue->rskq_rst_head = req;
  } else {
    queue->rskq_rst_tail->dl_next = req;
  }
  req->dl_next = nullptr;
  queue->rskq_rst_tail = req;
  ++queue->qlen;
}

}  // namespace tapedeck
