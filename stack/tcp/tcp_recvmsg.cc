// recvmsg: from the receive queue into the user's memory, urgent data, and the window update that
// reading brings.
//
// One attempt (stack/socket/system_call.h). msghdr::msg_copied is what earlier attempts of the same
// call have given to the user.
#include <algorithm>
#include <cerrno>

#include "stack/core/skb_data.h"
#include "stack/core/sock_cmsg.h"
#include "stack/ipv4/ip_recverr.h"
#include "stack/ipv6/datagram.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_uapi.h"

namespace tapedeck {
namespace {

class Reader {
 public:
  Reader(sock* sk, msghdr* msg, size_t len, uint32_t flags);

  // Bytes, 0 at the end, or -errno; -EAGAIN without MSG_DONTWAIT: the call is to sleep.
  int64_t Run();
  // When the last byte came in; 0: unknown.
  int64_t stamp_ns() const { return stamp_ns_; }

 private:
  // What becomes of the attempt behind a packet, or where there is none.
  enum class Next : uint8_t { kGoOn, kEnd };

  bool peek() const { return (flags_ & MSG_PEEK) != 0; }
  bool may_wait() const { return (flags_ & MSG_DONTWAIT) == 0; }
  uint64_t total() const { return msg_->msg_copied + copied_; }
  SeqNum seq() const { return peek() ? peek_seq_ : tp_->copied_seq; }
  void Advance(uint32_t bytes) { (peek() ? peek_seq_ : tp_->copied_seq) += bytes; }

  sk_buff* Find(uint32_t* offset);
  Next Take(sk_buff* skb, uint32_t offset);
  uint32_t UpToUrgentMark(uint32_t* offset, uint32_t used);
  Next TakeFin(sk_buff* skb);
  Next NothingLeft();
  int64_t WhyNothing();
  void MovePeekOffset();

  sock* sk_;
  tcp_sock* tp_;
  msghdr* msg_;
  size_t len_;
  uint32_t flags_;
  uint64_t target_;  // bytes that the call wants before it ends
  SeqNum peek_seq_;
  uint64_t copied_ = 0;
  int64_t result_ = 0;  // where nothing was copied
  bool sleeps_ = false;
  int64_t stamp_ns_ = 0;
};

Reader::Reader(sock* sk, msghdr* msg, size_t len, uint32_t flags)
    : sk_(sk), tp_(tcp_sk(sk)), msg_(msg), len_(len), flags_(flags) {
  const uint64_t whole = msg->msg_copied + len;
  const auto lowat = static_cast<uint64_t>(sk->sk_rcvlowat);
  target_ = std::max<uint64_t>(1, (flags & MSG_WAITALL) != 0 ? whole : std::min(lowat, whole));
  peek_seq_ = tp_->copied_seq + static_cast<uint32_t>(std::max(sk->sk_peek_off, 0));
}

int64_t Reader::Run() {
  do {
    // The mark ends a read that has anything.
    if (tp_->urg_data != 0 && tp_->urg_seq == seq() && total() > 0) break;
    uint32_t offset = 0;
    sk_buff* const skb = Find(&offset);
    const Next next = skb != nullptr ? Take(skb, offset) : NothingLeft();
    if (next == Next::kEnd) break;
  } while (len_ > 0);
  if (!sleeps_) MovePeekOffset();
  tcp_cleanup_rbuf(sk_, static_cast<int>(total()));
  return copied_ > 0 ? static_cast<int64_t>(copied_) : result_;
}

// The packet that holds seq(), at *offset, or the FIN; nullptr: there is none.
sk_buff* Reader::Find(uint32_t* offset) {
  for (sk_buff* skb = skb_peek(&sk_->sk_receive_queue); skb != nullptr;
       skb = skb_peek_next(skb, &sk_->sk_receive_queue)) {
    const tcp_skb_cb* const tcb = TCP_SKB_CB(skb);
    CHECK(!seq().Before(tcb->seq));
    *offset = static_cast<uint32_t>(seq() - tcb->seq);
    if (*offset < skb->len || (tcb->tcp_flags & TCPHDR_FIN) != 0) return skb;
  }
  return nullptr;
}

Reader::Next Reader::Take(sk_buff* skb, uint32_t offset) {
  if (offset >= skb->len) return TakeFin(skb);
  auto used = static_cast<uint32_t>(std::min<size_t>(skb->len - offset, len_));
  const bool had_room = used > 0;
  used = UpToUrgentMark(&offset, used);
  if (used > 0 || !had_room) {
    if ((flags_ & MSG_TRUNC) == 0 &&
        skb_copy_datagram_iter(skb, offset, &msg_->msg_iter, used) != 0) {
      if (total() == 0) result_ = -EFAULT;
      return Next::kEnd;
    }
    Advance(used);
    copied_ += used;
    len_ -= used;
    if (!peek() && sk_->sk_peek_off >= 0) {
      sk_->sk_peek_off = std::max(sk_->sk_peek_off - static_cast<int32_t>(used), 0);
    }
    tcp_rcv_space_adjust(sk_);
  }
  if (tp_->urg_data != 0 && tp_->copied_seq.After(tp_->urg_seq)) {
    tp_->urg_data = 0;
    tcp_fast_path_check(sk_);
  }
  if (TCP_SKB_CB(skb)->has_rxtstamp) stamp_ns_ = skb->tstamp;
  if (used + offset < skb->len) return Next::kGoOn;
  if ((TCP_SKB_CB(skb)->tcp_flags & TCPHDR_FIN) != 0) return TakeFin(skb);
  if (!peek()) tcp_eat_recv_skb(sk_, skb);
  return Next::kGoOn;
}

// A read stops before the urgent byte, and skips it where it is the first one (unless it is
// inline): *offset is moved then. How many bytes remain to be taken.
uint32_t Reader::UpToUrgentMark(uint32_t* offset, uint32_t used) {
  if (tp_->urg_data == 0) return used;
  const auto urg_offset = static_cast<uint32_t>(tp_->urg_seq - seq());
  if (urg_offset >= used) return used;
  if (urg_offset > 0) return urg_offset;
  if (sock_flag(sk_, SOCK_URGINLINE)) return used;
  Advance(1);
  ++*offset;
  return used - 1;
}

Reader::Next Reader::TakeFin(sk_buff* skb) {
  Advance(1);
  if (!peek()) tcp_eat_recv_skb(sk_, skb);
  return Next::kEnd;
}

// The queue is used up: goes on only where the backlog may have brought more.
Reader::Next Reader::NothingLeft() {
  const bool backlog = sk_->sk_backlog.head != nullptr;
  const bool enough = total() >= target_;
  if (enough && !backlog) return Next::kEnd;
  if (total() == 0) {
    result_ = WhyNothing();
    if (result_ != -EAGAIN || !may_wait()) return Next::kEnd;
  } else if (!may_wait() || sk_->sk_err != 0 || sk_->sk_state == TCP_CLOSE ||
             (sk_->sk_shutdown & RCV_SHUTDOWN) != 0) {
    return Next::kEnd;
  }
  if (backlog) {
    if (!enough) tcp_cleanup_rbuf(sk_, static_cast<int>(total()));
    result_ = 0;
    __release_sock(sk_);
    return Next::kGoOn;
  }
  result_ = -EAGAIN;
  sleeps_ = true;
  return Next::kEnd;
}

// Where a call has nothing: 0 at the end of the stream, an error, or -EAGAIN.
int64_t Reader::WhyNothing() {
  if (sock_flag(sk_, SOCK_DONE)) return 0;
  if (sk_->sk_err != 0) return sock_error(sk_);
  if ((sk_->sk_shutdown & RCV_SHUTDOWN) != 0) return 0;
  return sk_->sk_state == TCP_CLOSE ? -ENOTCONN : -EAGAIN;
}

// SO_PEEK_OFF moves on by what a call has peeked at, not by each of its attempts.
void Reader::MovePeekOffset() {
  if (peek() && sk_->sk_peek_off >= 0) sk_->sk_peek_off += static_cast<int32_t>(copied_);
}

// The urgent byte (MSG_OOB). BSD's rules: it never waits, and its errors are strange.
int64_t tcp_recv_urg(sock* sk, msghdr* msg, size_t len, uint32_t flags) {
  tcp_sock* const tp = tcp_sk(sk);
  if (sock_flag(sk, SOCK_URGINLINE) || tp->urg_data == 0 || tp->urg_data == TCP_URG_READ) {
    return -EINVAL;
  }
  if (sk->sk_state == TCP_CLOSE && !sock_flag(sk, SOCK_DONE)) return -ENOTCONN;
  if ((tp->urg_data & TCP_URG_VALID) != 0) {
    const auto byte = static_cast<uint8_t>(tp->urg_data);
    if ((flags & MSG_PEEK) == 0) tp->urg_data = TCP_URG_READ;
    msg->msg_flags |= MSG_OOB;
    if (len == 0) {
      msg->msg_flags |= MSG_TRUNC;
      return 0;
    }
    if ((flags & MSG_TRUNC) == 0 && copy_to_iter(&byte, 1, &msg->msg_iter) != 1) return -EFAULT;
    return 1;
  }
  if (sk->sk_state == TCP_CLOSE || (sk->sk_shutdown & RCV_SHUTDOWN) != 0) return 0;
  return -EAGAIN;
}

// What TCP_INQ tells: there is something to read behind the FIN's place, too (tcp_inq_hint).
int tcp_inq_hint(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const int32_t inq = tp->rcv_nxt - tp->copied_seq;
  return inq == 0 && sock_flag(sk, SOCK_DONE) ? 1 : inq;
}

// Whether what has just been read asks for an ACK at once, without regard to the window.
bool AckIsDue(const tcp_sock* tp, int copied) {
  if (!inet_csk_ack_scheduled(tp)) return false;
  // An ACK for every second segment that input has not sent.
  if (tp->rcv_nxt - tp->rcv_wup > static_cast<int32_t>(tp->icsk_ack.rcv_mss)) return true;
  // The buffer is empty and there was a small segment: the peer waits for us, it seems.
  const uint8_t pending = tp->icsk_ack.pending;
  const bool pushed = (pending & ICSK_ACK_PUSHED2) != 0 ||
                      ((pending & ICSK_ACK_PUSHED) != 0 && !inet_csk_in_pingpong_mode(tp));
  return copied > 0 && pushed && tp->sk_rmem_alloc == 0;
}

// Whether the window may open by as much again as it is (RFC 9293 3.8.6.2.2 in Linux's form).
bool WindowHasGrown(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const uint32_t now = tcp_receive_window(tp);
  if (2 * now > tp->window_clamp) return false;
  const uint32_t window = __tcp_select_window(sk);
  return window != 0 && window >= 2 * now;
}

}  // namespace

void tcp_cleanup_rbuf(sock* sk, int copied) {
  tcp_sock* const tp = tcp_sk(sk);
  bool time_to_ack = AckIsDue(tp, copied);
  if (!time_to_ack && copied > 0 && (sk->sk_shutdown & RCV_SHUTDOWN) == 0) {
    time_to_ack = WindowHasGrown(sk);
  }
  if (!time_to_ack) return;
  tcp_mstamp_refresh(tp);
  tcp_send_ack(sk);
}

void tcp_eat_recv_skb(sock* sk, sk_buff* skb) {
  __skb_unlink(skb, &sk->sk_receive_queue);
  consume_skb(skb);
}

int64_t tcp_recvmsg(sock* sk, msghdr* msg, size_t len, uint32_t flags) {
  TRACE_FUNCTION(sk->sk_net, nullptr, tcp_recvmsg, sk, msg, len, flags);
  if ((flags & MSG_ERRQUEUE) != 0) {
    // inet_recv_error: by the socket's family, whatever its peer's.
    return (sk->sk_family == kAfInet6 ? ipv6_recv_error : ip_recv_error)(sk, msg, len);
  }
  lock_sock(sk);
  int64_t result = -ENOTCONN;
  int64_t stamp_ns = 0;
  if ((flags & MSG_OOB) != 0 && sk->sk_state != TCP_LISTEN) {
    result = tcp_recv_urg(sk, msg, len, flags);
  } else if (sk->sk_state != TCP_LISTEN) {
    Reader reader(sk, msg, len, flags);
    result = reader.Run();
    stamp_ns = reader.stamp_ns();
  }
  release_sock(sk);
  if (result < 0) return result;
  if (stamp_ns != 0) sock_recv_stream_timestamp(msg, sk, stamp_ns);
  if (tcp_sk(sk)->recvmsg_inq) {
    const int inq = tcp_inq_hint(sk);
    put_cmsg(msg, kSolTcp, kTcpInq, &inq, sizeof(inq));
  }
  return result;
}

}  // namespace tapedeck
