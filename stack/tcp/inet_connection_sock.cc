#include "stack/tcp/inet_connection_sock.h"

#include <algorithm>
#include <cerrno>

#include "stack/core/net.h"
#include "stack/tcp/inet_hashinfo.h"
#include "stack/tcp/netns_tcp.h"

namespace tapedeck {

inet_connection_sock::inet_connection_sock(net& host_net, uint16_t family, const proto* prot)
    : inet_sock(host_net, family, prot),
      icsk_retransmit_timer(this, nullptr),
      icsk_delack_timer(this, nullptr),
      icsk_keepalive_timer(this, nullptr) {
  is_icsk = true;
  icsk_hash_node.owner = static_cast<sock*>(this);
  icsk_bind_node.owner = static_cast<sock*>(this);
}

// --- Timers. ---

void inet_csk_init_xmit_timers(sock* sk, TimerList::Function retransmit, TimerList::Function delack,
                               TimerList::Function keepalive) {
  inet_connection_sock* const icsk = inet_csk(sk);
  icsk->icsk_retransmit_timer.function = retransmit;
  icsk->icsk_delack_timer.function = delack;
  icsk->icsk_keepalive_timer.function = keepalive;
  icsk->icsk_pending = icsk->icsk_ack.pending = 0;
}

void sk_reset_timer(icsk_timer* timer, Jiffies expires) {
  sock* const sk = timer->sk;
  if (!mod_timer(sk->sk_net.this_cpu(), timer, expires)) sock_hold(sk);
}

void sk_stop_timer(icsk_timer* timer) {
  if (timer_delete(timer)) sock_put(timer->sk);
}

void inet_csk_clear_xmit_timers(sock* sk) {
  inet_connection_sock* const icsk = inet_csk(sk);
  icsk->icsk_pending = icsk->icsk_ack.pending = 0;
  sk_stop_timer(&icsk->icsk_retransmit_timer);
  sk_stop_timer(&icsk->icsk_delack_timer);
  sk_stop_timer(&icsk->icsk_keepalive_timer);
}

void inet_csk_clear_xmit_timer(sock* sk, uint8_t what) {
  inet_connection_sock* const icsk = inet_csk(sk);
  if (what == ICSK_TIME_DACK) {
    icsk->icsk_ack.pending = 0;
    icsk->icsk_ack.retry = 0;
  } else {
    icsk->icsk_pending = 0;
  }
}

void inet_csk_reset_xmit_timer(sock* sk, uint8_t what, uint64_t when, uint64_t max_when) {
  inet_connection_sock* const icsk = inet_csk(sk);
  const Jiffies expires = sk->sk_net.jiffies() + std::min(when, max_when);
  if (what == ICSK_TIME_DACK) {
    icsk->icsk_ack.pending |= ICSK_ACK_TIMER;
    sk_reset_timer(&icsk->icsk_delack_timer, expires);
  } else {
    icsk->icsk_pending = what;
    sk_reset_timer(&icsk->icsk_retransmit_timer, expires);
  }
}

// --- Delayed ACK state. ---

void inet_csk_enter_pingpong_mode(sock* sk) {
  inet_csk(sk)->icsk_ack.pingpong = static_cast<uint8_t>(tcp_sysctl(sk).pingpong_thresh);
}

bool inet_csk_in_pingpong_mode(const sock* sk) {
  return inet_csk(sk)->icsk_ack.pingpong >= tcp_sysctl(sk).pingpong_thresh;
}

// --- Listening and accepting. ---

int inet_csk_listen_start(sock* sk) {
  inet_connection_sock* const icsk = inet_csk(sk);
  request_sock_queue* const queue = &icsk->icsk_accept_queue;
  queue->fastopenq.rskq_rst_head = queue->fastopenq.rskq_rst_tail = nullptr;
  queue->fastopenq.qlen = 0;
  queue->rskq_accept_head = nullptr;
  sk->sk_ack_backlog = 0;
  inet_csk_delack_init(sk);

  // The port is asked for again: what may be shared with others that are bound may not be shared
  // with others that listen.
  sk->sk_state = TCP_LISTEN;
  int err = sk->sk_prot->get_port(sk, icsk->inet_num);
  if (err == 0) {
    icsk->inet_sport = icsk->inet_num;
    sk_dst_reset(sk);
    err = sk->sk_prot->hash(sk);
  }
  // The trace tells of a change of state once it is certain.
  sk->sk_state = TCP_CLOSE;
  if (err == 0) sk_set_state(sk, TCP_LISTEN);
  return err;
}

sock* inet_csk_accept(sock* sk, uint32_t /*flags*/, int* err) {
  request_sock_queue* const queue = &inet_csk(sk)->icsk_accept_queue;
  *err = sk->sk_state != TCP_LISTEN ? -EINVAL : reqsk_queue_empty(queue) ? -EAGAIN : 0;
  if (*err != 0) return nullptr;
  request_sock* const req = reqsk_queue_remove(queue, sk);
  sock* const child = req->sk;
  if (req->tfo_listener) {
    // Still without the third packet of the handshake: reqsk_fastopen_remove will see that the
    // child has been taken and free the request.
    req->sk = nullptr;
  } else {
    reqsk_put(req);
  }
  return child;
}

uint32_t inet_csk_listen_poll(const sock* sk) {
  return reqsk_queue_empty(&inet_csk(sk)->icsk_accept_queue) ? 0 : EPOLLIN | EPOLLRDNORM;
}

}  // namespace tapedeck
