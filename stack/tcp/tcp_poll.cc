// What there is to read and to write: poll, ioctl, and the marks that move them.
#include <algorithm>
#include <cerrno>
#include <climits>

#include "stack/core/stream.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_queues.h"
#include "stack/tcp/tcp_uapi.h"

namespace tapedeck {
namespace {

// ioctl commands (linux/sockios.h).

bool InHandshake(const sock* sk) {
  return sk->sk_state == TCP_SYN_SENT || sk->sk_state == TCP_SYN_RECV;
}

bool AtUrgentMark(const tcp_sock* tp) { return tp->urg_data != 0 && tp->urg_seq == tp->copied_seq; }

uint32_t ReadEvents(const tcp_sock* tp) {
  int target = std::max(tp->sk_rcvlowat, 1);
  // The urgent byte is in the queue, but read() will skip it.
  if (AtUrgentMark(tp) && !sock_flag(tp, SOCK_URGINLINE)) ++target;
  return tcp_epollin_ready(tp, target) ? EPOLLIN | EPOLLRDNORM : 0;
}

uint32_t WriteEvents(sock* sk) {
  constexpr uint32_t kWritable = EPOLLOUT | EPOLLWRNORM;
  if ((sk->sk_shutdown & SEND_SHUTDOWN) != 0 || sk_stream_is_writeable(sk, true)) return kWritable;
  sk->sk_nospace = true;
  return 0;
}

// Events of a connection, also of a passive fast open that no ACK has completed.
uint32_t ConnectedEvents(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  uint32_t mask = ReadEvents(tp);
  mask |= WriteEvents(sk);
  if ((tp->urg_data & TCP_URG_VALID) != 0) mask |= EPOLLPRI;
  return mask;
}

}  // namespace

uint32_t tcp_poll(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (sk->sk_state == TCP_LISTEN) return inet_csk_listen_poll(sk);
  uint32_t mask = 0;
  // EPOLLHUP cannot be masked: it is for the end of both directions, lest a poll for writing in
  // CLOSE_WAIT returns for ever.
  if (sk->sk_shutdown == SHUTDOWN_MASK || sk->sk_state == TCP_CLOSE) mask |= EPOLLHUP;
  if ((sk->sk_shutdown & RCV_SHUTDOWN) != 0) mask |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
  if (!InHandshake(sk) || (sk->sk_state == TCP_SYN_RECV && tp->fastopen_rsk != nullptr)) {
    mask |= ConnectedEvents(sk);
  } else if (sk->sk_state == TCP_SYN_SENT && tp->defer_connect) {
    // The first write is what sends the SYN.
    mask |= EPOLLOUT | EPOLLWRNORM;
  }
  if (sk->sk_err != 0 || !skb_queue_empty(&sk->sk_error_queue)) mask |= EPOLLERR;
  return mask;
}

uint32_t tcp_inq(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (InHandshake(sk)) return 0;
  const bool urgent_ahead = !sock_flag(sk, SOCK_URGINLINE) && tp->urg_data != 0 &&
                            !tp->urg_seq.Before(tp->copied_seq) && tp->urg_seq.Before(tp->rcv_nxt);
  if (urgent_ahead) return static_cast<uint32_t>(tp->urg_seq - tp->copied_seq);
  const auto answ = static_cast<uint32_t>(tp->rcv_nxt - tp->copied_seq);
  // A FIN takes a sequence number.
  return answ != 0 && sock_flag(sk, SOCK_DONE) ? answ - 1 : answ;
}

int tcp_ioctl(sock* sk, uint32_t cmd, int* arg) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (cmd == kSiocatmark) {
    *arg = AtUrgentMark(tp) ? 1 : 0;
    return 0;
  }
  if (cmd != kSiocinq && cmd != kSiocoutq && cmd != kSiocoutqnsd) return -ENOTTY;
  if (sk->sk_state == TCP_LISTEN) return -EINVAL;
  if (cmd == kSiocinq) {
    *arg = static_cast<int>(tcp_inq(sk));
  } else if (InHandshake(sk)) {
    *arg = 0;
  } else {
    *arg = tp->write_seq - (cmd == kSiocoutq ? tp->snd_una : tp->snd_nxt);
  }
  return 0;
}

bool tcp_stream_memory_free(const sock* sk, bool wake) {
  const tcp_sock* const tp = tcp_sk(sk);
  const auto notsent_bytes = static_cast<uint32_t>(tp->write_seq - tp->snd_nxt);
  return notsent_bytes << (wake ? 1 : 0) < tcp_notsent_lowat(tp);
}

int tcp_set_rcvlowat(sock* sk, int val) {
  tcp_sock* const tp = tcp_sk(sk);
  const bool locked = (sk->sk_userlocks & SOCK_RCVBUF_LOCK) != 0;
  const int cap = (locked ? static_cast<int>(sk->sk_rcvbuf) : tcp_sysctl(sk).rmem[2]) >> 1;
  val = std::min(val, cap);
  sk->sk_rcvlowat = std::max(val, 1);
  // What is there may suffice now.
  tcp_data_ready(sk);
  if (locked) return 0;
  // Less than that could never be in the buffer at once.
  const int64_t space = tcp_space_from_win(sk, val);
  if (space > sk->sk_rcvbuf) {
    sk->sk_rcvbuf = static_cast<uint32_t>(std::min<int64_t>(space, INT_MAX));
    const auto clamp = static_cast<uint32_t>(val);
    if (tp->window_clamp != 0 && tp->window_clamp < clamp) tp->window_clamp = clamp;
  }
  return 0;
}

int tcp_set_window_clamp(sock* sk, int val) {
  tcp_sock* const tp = tcp_sk(sk);
  if (val == 0) {
    if (sk->sk_state != TCP_CLOSE) return -EINVAL;
    tp->window_clamp = 0;
    return 0;
  }
  const uint32_t old_clamp = tp->window_clamp;
  const auto new_clamp = static_cast<uint32_t>(std::max(static_cast<int>(kSockMinRcvbuf / 2), val));
  if (new_clamp == old_clamp) return 0;
  tp->window_clamp = new_clamp;
  if (new_clamp < old_clamp) {
    tp->rcv_ssthresh = std::min(tp->rcv_ssthresh, new_clamp);
  } else {
    tp->rcv_ssthresh = std::max(std::min(tp->rcv_wnd, new_clamp), tp->rcv_ssthresh);
  }
  return 0;
}

void tcp_segs_in(tcp_sock* tp, const sk_buff* skb) {
  const uint32_t segs = std::max<uint32_t>(1, skb_shinfo(skb)->gso_segs);
  tp->segs_in += segs;
  if (skb->len > tcp_hdrlen(skb)) tp->data_segs_in += segs;
}

}  // namespace tapedeck
