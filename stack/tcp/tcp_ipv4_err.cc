// ICMP messages about segments of ours, and path MTUs (tcp_v4_err and tcp_v4_mtu_reduced of
// net/ipv4/tcp_ipv4.c; RFC 1122 4.2.3.9, RFC 5927, RFC 6069, RFC 1191).
#include <cerrno>

#include "stack/core/net.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/ip_internal.h"
#include "stack/ipv4/ip_recverr.h"
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

// A message and the segment that it quotes.
struct TcpError {
  sk_buff* skb;
  uint32_t info;
  uint8_t type;
  uint8_t code;
  const wire::Ipv4Header* iph;
  const wire::TcpHeader* th;  // eight bytes of it are there

  SeqNum seq() const { return th->sequence(); }
  bool Is(uint8_t want_type, uint8_t want_code) const {
    return type == want_type && code == want_code;
  }
  bool Unreachable() const {
    return Is(wire::kIcmpDestUnreachable, wire::kIcmpNetUnreachable) ||
           Is(wire::kIcmpDestUnreachable, wire::kIcmpHostUnreachable);
  }
};

// The first sequence number that may be in flight. A fast open child's SYN-ACK may be, too.
SeqNum FirstUnacked(const tcp_sock* tp) {
  return tp->fastopen_rsk != nullptr ? tp->fastopen_rsk->snt_isn : tp->snd_una;
}

// What the message means to the connection: a positive errno; 0: nothing more is to be done.
int ErrorOf(sock* sk, const TcpError& error) {
  switch (error.type) {
    case wire::kIcmpParameterProblem:
      return EPROTO;
    case wire::kIcmpTimeExceeded:
      return EHOSTUNREACH;
    case wire::kIcmpDestUnreachable:
      if (error.code > wire::kIcmpUnreachableCodeMax) return 0;
      if (error.Unreachable() && tcp_sk(sk)->fastopen_rsk == nullptr) {
        tcp_ld_RTO_revert(sk, error.seq());
      }
      return icmp_err_convert[error.code].err;
    default:
      return 0;  // source quench among them (RFC 6633)
  }
}

void Redirect(sock* sk, sk_buff* skb) {
  dst_entry* const dst = sk_dst_check(sk, 0);
  if (dst != nullptr && dst->ops->redirect != nullptr) dst->ops->redirect(dst, sk, skb);
  dst_release(dst);
}

void ReduceMtu(sock* sk, uint32_t mtu) {
  // A listener's SYN-ACKs are smaller than any path's MTU.
  if (sk->sk_state == TCP_LISTEN) return;
  tcp_sock* const tp = tcp_sk(sk);
  tp->mtu_info = mtu;
  if (!sock_owned_by_user(sk)) {
    tcp_v4_mtu_reduced(sk);
  } else if ((tp->tsq_flags & TCPF_MTU_REDUCED_DEFERRED) == 0) {
    tp->tsq_flags |= TCPF_MTU_REDUCED_DEFERRED;
    sock_hold(sk);
  }
}

// While it connects an error ends it; later it is only told where it gives up for another reason
// (RFC 1122 4.2.3.9: messages may be forged, and routes come back).
void Report(sock* sk, const TcpError& error, int err) {
  const request_sock* const fastopen = tcp_sk(sk)->fastopen_rsk;
  const bool accepted_fastopen = fastopen != nullptr && fastopen->sk == nullptr;
  const bool connects = sk->sk_state == TCP_SYN_SENT || sk->sk_state == TCP_SYN_RECV;
  if (connects && !accepted_fastopen) {
    ip_icmp_error(sk, error.skb, err, error.th->dest, error.info,
                  static_cast<uint32_t>(error.iph->header_bytes()));
    if (sock_owned_by_user(sk)) {
      sk->sk_err_soft = err;
    } else {
      tcp_done_with_error(sk, err);
    }
    return;
  }
  if (!sock_owned_by_user(sk) && inet_sk(sk)->recverr) {
    sk->sk_err = err;
    sk_error_report(sk);
  } else {
    sk->sk_err_soft = err;
  }
}

void DeliverToSock(sock* sk, const TcpError& error) {
  net& net = sk->sk_net;
  const bool needs_frag = error.Is(wire::kIcmpDestUnreachable, wire::kIcmpFragmentationNeeded);
  if (sock_owned_by_user(sk) && !needs_frag) {
    NET_INC_STATS(net, TcpExtMib::kLockDroppedIcmps);
  }
  if (sk->sk_state == TCP_CLOSE) return;
  if (error.iph->ttl < inet_sk(sk)->min_ttl) {
    NET_INC_STATS(net, TcpExtMib::kTCPMinTTLDrop);
    return;
  }
  // Who does not know what is in flight may not say anything about it (RFC 5927 4.1).
  const tcp_sock* const tp = tcp_sk(sk);
  if (sk->sk_state != TCP_LISTEN && !error.seq().Between(FirstUnacked(tp), tp->snd_nxt)) {
    NET_INC_STATS(net, TcpExtMib::kOutOfWindowIcmps);
    return;
  }
  if (error.type == wire::kIcmpRedirect) {
    if (!sock_owned_by_user(sk)) Redirect(sk, error.skb);
  } else if (needs_frag) {
    ReduceMtu(sk, error.info);
  } else if (const int err = ErrorOf(sk, error); err != 0) {
    Report(sk, error, err);
  }
}

}  // namespace

int tcp_v4_err(sk_buff* skb, uint32_t info) {
  net& net = *skb->owner;
  TcpError error{.skb = skb,
                 .info = info,
                 .type = icmp_hdr(skb)->type,
                 .code = icmp_hdr(skb)->code,
                 .iph = reinterpret_cast<const wire::Ipv4Header*>(skb->data),
                 .th = nullptr};
  error.th = reinterpret_cast<const wire::TcpHeader*>(skb->data + error.iph->header_bytes());
  // The quoted segment is ours: its source is our address.
  inet_ehash_node* const node = __inet_lookup_established(
      net, error.iph->daddr, error.th->dest, error.iph->saddr, error.th->source, inet_iif(skb));
  if (node == nullptr) {
    net.icmp_mib.Inc(IcmpMib::kInErrors);
    return -ENOENT;
  }
  if (node->state == TCP_TIME_WAIT) return 0;
  if (node->state == TCP_NEW_SYN_RECV) {
    const bool abort = error.type == wire::kIcmpParameterProblem ||
                       error.type == wire::kIcmpTimeExceeded || error.Unreachable();
    tcp_req_err(inet_reqsk(node), error.seq(), abort);
    return 0;
  }
  auto* const sk = static_cast<sock*>(node->owner);
  sock_hold(sk);
  DeliverToSock(sk, error);
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

void tcp_v4_mtu_reduced(sock* sk) {
  if (sk->sk_state == TCP_LISTEN || sk->sk_state == TCP_CLOSE) return;
  const uint32_t mtu = tcp_sk(sk)->mtu_info;
  dst_entry* const dst = inet_csk_update_pmtu(sk, mtu);
  if (dst == nullptr) return;
  // Should nothing get through from here on, this is why.
  const uint32_t path_mtu = dst_mtu(dst);
  if (mtu < path_mtu && ip_dont_fragment(sk, dst)) sk->sk_err_soft = EMSGSIZE;
  const uint8_t pmtudisc = inet_sk(sk)->pmtudisc;
  const bool accepts_pmtu = pmtudisc != kIpPmtudiscInterface && pmtudisc != kIpPmtudiscOmit;
  if (pmtudisc != kIpPmtudiscDont && accepts_pmtu && inet_csk(sk)->icsk_pmtu_cookie > path_mtu) {
    tcp_sync_mss(sk, path_mtu);
    // The segment that was too big is lost for certain.
    tcp_simple_retransmit(sk);
  }
}

}  // namespace tapedeck
