// Reading without a copy: whoever takes the bytes looks into the packets (tcp_read_sock and
// tcp_splice_read of net/ipv4/tcp.c).
#include <algorithm>
#include <cerrno>

#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_queues.h"

namespace tapedeck {
namespace {

// Why a splice has got nothing: 0 at the end of the stream, an error, or -EAGAIN.
int64_t WhyNothing(sock* sk, uint32_t flags) {
  if (sock_flag(sk, SOCK_DONE)) return 0;
  if (sk->sk_err != 0) return sock_error(sk);
  if ((sk->sk_shutdown & RCV_SHUTDOWN) != 0) return 0;
  if (sk->sk_state == TCP_CLOSE) return -ENOTCONN;
  if ((flags & MSG_DONTWAIT) != 0) return -EAGAIN;
  // Urgent data is in the way: waiting would not help.
  return skb_queue_empty(&sk->sk_receive_queue) ? -EAGAIN : 0;
}

}  // namespace

sk_buff* tcp_recv_skb(sock* sk, SeqNum seq, uint32_t* offset) {
  while (sk_buff* const skb = skb_peek(&sk->sk_receive_queue)) {
    const tcp_skb_cb* const tcb = TCP_SKB_CB(skb);
    *offset = static_cast<uint32_t>(seq - tcb->seq);
    if (*offset < skb->len || (tcb->tcp_flags & TCPHDR_FIN) != 0) return skb;
    tcp_eat_recv_skb(sk, skb);
  }
  return nullptr;
}

int64_t tcp_read_sock(sock* sk, size_t len, splice_actor actor, void* context) {
  tcp_sock* const tp = tcp_sk(sk);
  if (sk->sk_state == TCP_LISTEN) return -ENOTCONN;
  int64_t copied = 0;
  uint32_t offset = 0;
  while (sk_buff* const skb = tcp_recv_skb(sk, tp->copied_seq, &offset)) {
    if (offset < skb->len) {
      auto bytes = static_cast<uint32_t>(std::min<size_t>(skb->len - offset, len));
      if (tp->urg_data != 0) {
        bytes = std::min(bytes, static_cast<uint32_t>(tp->urg_seq - tp->copied_seq));
      }
      if (bytes == 0) break;
      const int used = actor(context, skb, offset, bytes);
      if (used <= 0) {
        if (copied == 0) copied = used;
        break;
      }
      const auto taken = static_cast<uint32_t>(used);
      CHECK_LE(taken, bytes);
      tp->copied_seq += taken;
      copied += used;
      len -= taken;
      offset += taken;
      if (offset < skb->len) continue;
    }
    const bool fin = (TCP_SKB_CB(skb)->tcp_flags & TCPHDR_FIN) != 0;
    if (fin) tp->copied_seq += 1;
    tcp_eat_recv_skb(sk, skb);
    if (fin || len == 0) break;
  }
  tcp_rcv_space_adjust(sk);
  if (copied > 0) {
    tcp_recv_skb(sk, tp->copied_seq, &offset);
    tcp_cleanup_rbuf(sk, static_cast<int>(copied));
  }
  return copied;
}

int64_t tcp_splice_read(sock* sk, size_t len, uint32_t flags, splice_actor actor, void* context) {
  if (len == 0) return 0;
  lock_sock(sk);
  int64_t result = tcp_read_sock(sk, len, actor, context);
  if (result == 0) result = WhyNothing(sk, flags);
  release_sock(sk);
  return result;
}

void tcp_splice_eof(sock* sk) {
  if (tcp_write_queue_tail(sk) == nullptr) return;
  lock_sock(sk);
  uint32_t size_goal = 0;
  const uint32_t mss_now = tcp_send_mss(sk, &size_goal, 0);
  tcp_push(sk, 0, mss_now, tcp_sk(sk)->nonagle, size_goal);
  release_sock(sk);
}

}  // namespace tapedeck
