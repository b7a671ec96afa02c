// Urgent data as BSD understands it: one byte, before the pointer, out of band unless
// SO_OOBINLINE (RFC 9293 3.8.5; RFC 6093 says what everybody does).
#include "stack/core/skb_data.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_input_internal.h"
#include "stack/tcp/tcp_queues.h"

namespace tapedeck {

namespace {

// The last urgent byte was to be skipped by the reader and is where he stands: a new pointer would
// make him read it as data.
void SkipOldUrgentByte(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->urg_seq != tp->copied_seq || tp->urg_data == 0 || sock_flag(sk, SOCK_URGINLINE) ||
      tp->copied_seq == tp->rcv_nxt) {
    return;
  }
  tp->copied_seq += 1;
  sk_buff* const skb = skb_peek(&sk->sk_receive_queue);
  if (skb != nullptr && tp->copied_seq.AtOrAfter(TCP_SKB_CB(skb)->end_seq)) {
    __skb_unlink(skb, &sk->sk_receive_queue);
    consume_skb(skb);
  }
}

// A segment with URG: its pointer, where it is news.
void tcp_check_urg(sock* sk, const wire::TcpHeader* th) {
  tcp_sock* const tp = tcp_sk(sk);
  uint32_t offset = th->urg_ptr.host();
  // The pointer is taken to point behind the byte, as BSD did; tcp_stdurg means RFC 1122's: at it.
  if (offset != 0 && tcp_sysctl(sk).stdurg == 0) --offset;
  const SeqNum ptr = th->sequence() + offset;

  // Read already; or in data that is queued, from which it can no longer be taken.
  if (tp->copied_seq.After(ptr) || ptr.Before(tp->rcv_nxt)) return;
  if (tp->urg_data != 0 && ptr.AtOrBefore(tp->urg_seq)) return;
  SkipOldUrgentByte(sk);
  tp->urg_data = TCP_URG_NOTYET;
  tp->urg_seq = ptr;
  tp->pred_flags = 0;
}

}  // namespace

void tcp_urg(sock* sk, sk_buff* skb, const wire::TcpHeader* th) {
  tcp_sock* const tp = tcp_sk(sk);
  if (th->urg()) tcp_check_urg(sk, th);
  if (tp->urg_data != TCP_URG_NOTYET) return;
  // Where in this packet the byte is, if it is.
  const uint32_t offset = static_cast<uint32_t>(tp->urg_seq - th->sequence()) +
                          static_cast<uint32_t>(th->header_bytes()) - th->syn();
  if (offset >= skb->len) return;
  uint8_t byte = 0;
  CHECK_EQ(skb_copy_bits(skb, offset, &byte, 1), 0);
  tp->urg_data = static_cast<uint16_t>(TCP_URG_VALID | byte);
  if (!sock_flag(sk, SOCK_DEAD)) sk->sk_data_ready(sk);
}

}  // namespace tapedeck
