// How a connection ends from this side: shutdown, close and what becomes of an orphan, abort; and
// the change of state itself (net/ipv4/tcp.c; RFC 9293 3.10.4, 3.10.5).
#include <cerrno>

#include "stack/tcp/inet_timewait_sock.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_minisocks.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_queues.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {
namespace {

// What the user's half of a close makes of each state.
struct CloseTransition {
  uint8_t state;
  bool send_fin;
};
CloseTransition OnClose(uint8_t state) {
  switch (state) {
    case TCP_ESTABLISHED:
    case TCP_SYN_RECV:
      return {TCP_FIN_WAIT1, true};
    case TCP_CLOSE_WAIT:
      return {TCP_LAST_ACK, true};
    case TCP_FIN_WAIT1:
    case TCP_FIN_WAIT2:
    case TCP_LAST_ACK:
    case TCP_CLOSING:
      return {state, false};
    default:
      return {TCP_CLOSE, false};
  }
}

// Whether a FIN is to be sent.
bool tcp_close_state(sock* sk) {
  const CloseTransition transition = OnClose(sk->sk_state);
  tcp_set_state(sk, transition.state);
  return transition.send_fin;
}

// Something of ours is on its way that the peer has not acknowledged.
bool sk_stream_closing(const sock* sk) {
  return sk->sk_state == TCP_FIN_WAIT1 || sk->sk_state == TCP_CLOSING ||
         sk->sk_state == TCP_LAST_ACK;
}

// Throws away what nobody will read; whether there was any data in it.
bool FlushReceiveQueue(sock* sk) {
  bool unread = false;
  while (sk_buff* const skb = skb_peek(&sk->sk_receive_queue)) {
    const tcp_skb_cb* const tcb = TCP_SKB_CB(skb);
    const SeqNum end = tcb->end_seq - ((tcb->tcp_flags & TCPHDR_FIN) != 0 ? 1 : 0);
    unread = unread || end.After(tcp_sk(sk)->copied_seq);
    tcp_eat_recv_skb(sk, skb);
  }
  return unread;
}

// Close of a connection up to where the kernel may wait. Linux leaves ESTABLISHED when the FIN is
// queued, RFC 9293 when it is sent.
void BeginClose(sock* sk) {
  const bool unread = FlushReceiveQueue(sk);
  if (sk->sk_state == TCP_CLOSE) return;
  if (unread) {
    // The peer must not believe that its data was read (RFC 2525 2.17).
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPAbortOnClose);
    tcp_set_state(sk, TCP_CLOSE);
    tcp_send_active_reset(sk);
  } else if (sock_flag(sk, SOCK_LINGER) && sk->sk_lingertime_s == 0) {
    tcp_disconnect(sk, 0);
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPAbortOnData);
  } else if (tcp_close_state(sk)) {
    tcp_send_fin(sk);
  }
}

// FIN-WAIT-2 without a user: a time-wait socket holds it out; a reset where TCP_LINGER2 says so.
// True where the socket is done.
bool OrphanInFinWait2(sock* sk) {
  if (tcp_sk(sk)->linger2 < 0) {
    tcp_set_state(sk, TCP_CLOSE);
    tcp_send_active_reset(sk);
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPAbortOnLinger);
    return false;
  }
  const uint32_t timewait_len = tcp_ticks_of(sk).timewait_len;
  const uint32_t fin_time = tcp_fin_time(sk);
  if (fin_time > timewait_len) {
    tcp_reset_keepalive_timer(sk, fin_time - timewait_len);
    return false;
  }
  tcp_time_wait(sk, TCP_FIN_WAIT2, fin_time);
  return true;
}

// The user is gone: what the connection has left to do it does alone, or not at all.
void AdjudgeToDeath(sock* sk) {
  const uint8_t state = sk->sk_state;
  sock_hold(sk);
  sock_orphan(sk);
  __release_sock(sk);
  ++sock_tcp(sk).orphan_count;
  // The backlog has destroyed it.
  if (state != TCP_CLOSE && sk->sk_state == TCP_CLOSE) return;
  if (sk->sk_state == TCP_FIN_WAIT2 && OrphanInFinWait2(sk)) return;
  if (sk->sk_state != TCP_CLOSE && tcp_check_oom(sk, 0)) {
    tcp_set_state(sk, TCP_CLOSE);
    tcp_send_active_reset(sk);
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPAbortOnMemory);
  }
  if (sk->sk_state != TCP_CLOSE) return;
  // A fast open child may be closed before its handshake is over.
  if (request_sock* const req = tcp_sk(sk)->fastopen_rsk) reqsk_fastopen_remove(sk, req, false);
  inet_csk_destroy_sock(sk);
}

}  // namespace

void tcp_set_state(sock* sk, uint8_t state) {
  const uint8_t old = sk->sk_state;
  const bool was_established = old == TCP_ESTABLISHED || old == TCP_CLOSE_WAIT;
  Mib<TcpMib>& mib = sk->sk_net.tcp_mib;
  if (state == TCP_ESTABLISHED) {
    if (old != TCP_ESTABLISHED) mib.Inc(TcpMib::kCurrEstab);
  } else if (state == TCP_CLOSE_WAIT) {
    if (old == TCP_SYN_RECV) mib.Inc(TcpMib::kCurrEstab);
  } else if (was_established) {
    mib.Dec(TcpMib::kCurrEstab);
    if (state == TCP_CLOSE) mib.Inc(TcpMib::kEstabResets);
  }
  if (state == TCP_CLOSE) {
    // Before the state changes: no closed socket stands in a table.
    sk->sk_prot->unhash(sk);
    const bool bound = inet_csk(sk)->icsk_bind_node.tb != nullptr;
    if (bound && (sk->sk_userlocks & SOCK_BINDPORT_LOCK) == 0) inet_put_port(sk);
  }
  sk_set_state(sk, state);
}

void tcp_shutdown(sock* sk, int how) {
  if ((how & SEND_SHUTDOWN) == 0) return;
  const uint8_t state = sk->sk_state;
  if (state != TCP_ESTABLISHED && state != TCP_SYN_SENT && state != TCP_CLOSE_WAIT) return;
  if (tcp_close_state(sk)) tcp_send_fin(sk);
}

bool tcp_check_oom(const sock* sk, int shift) {
  const netns_tcp& ns = sock_tcp(sk);
  const bool too_many_orphans =
      uint64_t{ns.orphan_count} << shift > static_cast<uint64_t>(ns.settings.max_orphans);
  const bool out_of_memory = sk->sk_wmem_queued > static_cast<int32_t>(kSockMinSndbuf) &&
                             ns.memory.allocated_pages > ns.memory.sysctl_mem[2];
  return too_many_orphans || out_of_memory;
}

bool tcp_linger(sock* sk) {
  if (sk->sk_state == TCP_LISTEN) return false;
  lock_sock(sk);
  sk->sk_shutdown = SHUTDOWN_MASK;
  BeginClose(sk);
  release_sock(sk);
  return sk_stream_closing(sk);
}

void __tcp_close(sock* sk) {
  sk->sk_shutdown = SHUTDOWN_MASK;
  if (sk->sk_state == TCP_LISTEN) {
    tcp_set_state(sk, TCP_CLOSE);
    inet_csk_listen_stop(sk);
  } else {
    BeginClose(sk);
  }
  AdjudgeToDeath(sk);
}

void tcp_close(sock* sk, SimTime /*linger_until*/) {
  lock_sock(sk);
  __tcp_close(sk);
  release_sock(sk);
  sock_put(sk);
}

void tcp_done(sock* sk) {
  request_sock* const req = tcp_sk(sk)->fastopen_rsk;
  if (sk->sk_state == TCP_SYN_SENT || sk->sk_state == TCP_SYN_RECV) {
    TCP_INC_STATS(sk->sk_net, TcpMib::kAttemptFails);
  }
  tcp_set_state(sk, TCP_CLOSE);
  tcp_clear_xmit_timers(sk);
  if (req != nullptr) reqsk_fastopen_remove(sk, req, false);
  sk->sk_shutdown = SHUTDOWN_MASK;
  if (sock_flag(sk, SOCK_DEAD)) {
    inet_csk_destroy_sock(sk);
  } else {
    sk->sk_state_change(sk);
  }
}

void tcp_done_with_error(sock* sk, int err) {
  const bool dead = sock_flag(sk, SOCK_DEAD);
  sk->sk_err = err;
  tcp_write_queue_purge(sk);
  tcp_done(sk);
  if (!dead) sk_error_report(sk);
}

int tcp_abort(sock* sk, int err) {
  lock_sock(sk);
  if (sk->sk_state == TCP_CLOSE) {
    release_sock(sk);
    return -ENOENT;
  }
  if (sk->sk_state == TCP_LISTEN) {
    tcp_set_state(sk, TCP_CLOSE);
    inet_csk_listen_stop(sk);
  }
  if (tcp_need_reset(sk->sk_state)) tcp_send_active_reset(sk);
  tcp_done_with_error(sk, err);
  release_sock(sk);
  return 0;
}

void tcp_release_cb(sock* sk) {
  constexpr uint8_t kDeferred = TCPF_TSQ_DEFERRED | TCPF_WRITE_TIMER_DEFERRED |
                                TCPF_DELACK_TIMER_DEFERRED | TCPF_MTU_REDUCED_DEFERRED |
                                TCPF_ACK_DEFERRED;
  tcp_sock* const tp = tcp_sk(sk);
  const uint8_t flags = tp->tsq_flags & kDeferred;
  if (flags == 0) return;
  tp->tsq_flags = static_cast<uint8_t>(tp->tsq_flags & ~kDeferred);
  // Each that was put off but the ACK holds a reference.
  if ((flags & TCPF_TSQ_DEFERRED) != 0) {
    tcp_tsq_write(sk);
    sock_put(sk);
  }
  if ((flags & TCPF_WRITE_TIMER_DEFERRED) != 0) {
    tcp_write_timer_handler(sk);
    sock_put(sk);
  }
  if ((flags & TCPF_DELACK_TIMER_DEFERRED) != 0) {
    tcp_delack_timer_handler(sk);
    sock_put(sk);
  }
  if ((flags & TCPF_MTU_REDUCED_DEFERRED) != 0) {
    tp->icsk_af_ops->mtu_reduced(sk);
    sock_put(sk);
  }
  if ((flags & TCPF_ACK_DEFERRED) != 0 && inet_csk_ack_scheduled(sk)) tcp_send_ack(sk);
}

}  // namespace tapedeck
