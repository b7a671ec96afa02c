#include "stack/tcp/tcp_err.h"

#include <cerrno>

#include "stack/core/net.h"
#include "stack/ipv4/ip_recverr.h"
#include "stack/ipv6/datagram.h"
#include "stack/tcp/inet_hashtables.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_queues.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {
namespace {

// The first sequence number that may be in flight. A fast open child's SYN-ACK may be, too.
SeqNum FirstUnacked(const tcp_sock* tp) {
  return tp->fastopen_rsk != nullptr ? tp->fastopen_rsk->snt_isn : tp->snd_una;
}

bool Connects(const sock* sk) {
  return sk->sk_state == TCP_SYN_SENT || sk->sk_state == TCP_SYN_RECV;
}

void Redirect(sock* sk, sk_buff* skb) {
  const uint32_t cookie = inet6_sk(sk) != nullptr ? inet6_sk(sk)->dst_cookie : 0;
  dst_entry* const dst = sk_dst_check(sk, cookie);
  if (dst != nullptr && dst->ops->redirect != nullptr) dst->ops->redirect(dst, sk, skb);
  dst_release(dst);
}

void ReduceMtu(sock* sk, uint32_t mtu) {
  // A listener's SYN-ACKs are smaller than any path's MTU.
  if (sk->sk_state == TCP_LISTEN) return;
  tcp_sock* const tp = tcp_sk(sk);
  tp->mtu_info = mtu;
  if (!sock_owned_by_user(sk)) {
    tp->icsk_af_ops->mtu_reduced(sk);
  } else if ((tp->tsq_flags & TCPF_MTU_REDUCED_DEFERRED) == 0) {
    tp->tsq_flags |= TCPF_MTU_REDUCED_DEFERRED;
    sock_hold(sk);
  }
}

void QueueError(sock* sk, const tcp_icmp_error& error) {
  const auto queue = error.is_v4() ? ip_icmp_error : ipv6_icmp_error;
  queue(sk, error.skb, error.err, error.th->dest, error.info, error.payload_offset);
}

bool WantsErrors(const sock* sk, const tcp_icmp_error& error) {
  return error.is_v4() ? inet_sk(sk)->recverr : inet6_sk(sk)->recverr;
}

// While it connects an error ends it; later it is only told where it gives up for another reason
// (RFC 1122 4.2.3.9: messages may be forged, and routes come back).
void Report(sock* sk, const tcp_icmp_error& error) {
  const request_sock* const fastopen = tcp_sk(sk)->fastopen_rsk;
  // IPv6 waits for the handshake's end, IPv4 does not.
  const bool reverts = error.is_v4() || (!Connects(sk) && sk->sk_state != TCP_LISTEN);
  if (error.unreachable && fastopen == nullptr && reverts) tcp_ld_RTO_revert(sk, error.seq());
  if (error.err == 0) return;
  const bool accepted_fastopen = fastopen != nullptr && fastopen->sk == nullptr;
  if (Connects(sk) && !accepted_fastopen) {
    QueueError(sk, error);
    if (sock_owned_by_user(sk)) {
      sk->sk_err_soft = error.err;
    } else {
      tcp_done_with_error(sk, error.err);
    }
    return;
  }
  if (!sock_owned_by_user(sk) && WantsErrors(sk, error)) {
    sk->sk_err = error.err;
    sk_error_report(sk);
  } else {
    sk->sk_err_soft = error.err;
  }
}

uint8_t MinTtl(const sock* sk, const tcp_icmp_error& error) {
  return error.is_v4() ? inet_sk(sk)->min_ttl : inet6_sk(sk)->min_hopcount;
}

void DeliverErrorToSock(sock* sk, const tcp_icmp_error& error) {
  net& net = sk->sk_net;
  if (sock_owned_by_user(sk) && error.kind != tcp_icmp_error::kMtu) {
    NET_INC_STATS(net, TcpExtMib::kLockDroppedIcmps);
  }
  if (sk->sk_state == TCP_CLOSE) return;
  if (error.ttl < MinTtl(sk, error)) {
    NET_INC_STATS(net, TcpExtMib::kTCPMinTTLDrop);
    return;
  }
  // Who does not know what is in flight may not say anything about it (RFC 5927 4.1).
  const tcp_sock* const tp = tcp_sk(sk);
  if (sk->sk_state != TCP_LISTEN && !error.seq().Between(FirstUnacked(tp), tp->snd_nxt)) {
    NET_INC_STATS(net, TcpExtMib::kOutOfWindowIcmps);
    return;
  }
  switch (error.kind) {
    case tcp_icmp_error::kRedirect:
      if (!sock_owned_by_user(sk)) Redirect(sk, error.skb);
      break;
    case tcp_icmp_error::kMtu:
      ReduceMtu(sk, error.info);
      break;
    case tcp_icmp_error::kError:
      Report(sk, error);
      break;
    case tcp_icmp_error::kNothing:
      break;
  }
}

}  // namespace

int tcp_err(const tcp_icmp_error& error) {
  net& net = *error.skb->owner;
  // The quoted segment is ours: its source is our address.
  inet_ehash_node* const node = __inet_lookup_established(net, error.daddr, error.th->dest,
                                                          error.saddr, error.th->source, error.dif);
  if (node == nullptr) return -ENOENT;
  if (node->state == TCP_TIME_WAIT) return 0;
  if (node->state == TCP_NEW_SYN_RECV) {
    tcp_req_err(inet_reqsk(node), error.seq(), error.ends_request);
    return 0;
  }
  auto* const sk = static_cast<sock*>(node->owner);
  sock_hold(sk);
  DeliverErrorToSock(sk, error);
  sock_put(sk);
  return 0;
}

void tcp_req_err(request_sock* req, SeqNum seq, bool abort) {
  if (seq != req->snt_isn) {
    NET_INC_STATS(req->rsk_net, TcpExtMib::kOutOfWindowIcmps);
  } else if (abort) {
    // There is nobody to tell: accept() does not return errors of the network (POSIX).
    sock* const listener = req->rsk_listener;
    inet_csk_reqsk_queue_drop(listener, req);
    tcp_listendrop(listener);
  }
  reqsk_put(req);
}

void tcp_ld_RTO_revert(sock* sk, SeqNum seq) {
  tcp_sock* const tp = tcp_sk(sk);
  if (sock_owned_by_user(sk)) return;
  if (seq != tp->snd_una || tp->icsk_retransmits == 0 || tp->icsk_backoff == 0) return;
  const sk_buff* const skb = tcp_rtx_queue_head(sk);
  if (skb == nullptr) return;

  --tp->icsk_backoff;
  tp->icsk_rto = tp->srtt_us != 0 ? __tcp_set_rto(tp) : tcp_ticks_of(sk).timeout_init;
  tp->icsk_rto = inet_csk_rto_backoff(tp, tcp_rto_max(sk));
  tcp_mstamp_refresh(tp);
  const auto delta_us = static_cast<uint32_t>(tp->tcp_mstamp_us - tcp_skb_timestamp_us(skb));
  const auto remaining = static_cast<int32_t>(tp->icsk_rto - usecs_to_jiffies(sk, delta_us));
  if (remaining > 0) {
    tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, static_cast<uint32_t>(remaining), false);
  } else {
    tcp_retransmit_timer(sk);
  }
}

}  // namespace tapedeck
