// Segments of either family on their way to whom they are for (the common part of
// net/ipv4/tcp_ipv4.c and net/ipv6/tcp_ipv6.c): connection, request, time-wait socket or listener;
// what belongs to nobody is answered with a reset.
#include <algorithm>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/ipv6/ipv6_sock.h"
#include "stack/tcp/inet_hashinfo.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/syncookies.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_md5.h"
#include "stack/tcp/tcp_minisocks.h"
#include "stack/tcp/tcp_reply.h"
#include "stack/tcp/tcp_segment.h"

namespace tapedeck {
namespace {

static_assert(sizeof(inet_skb_parm) == sizeof(tcp_skb_cb::header));
static_assert(sizeof(inet6_skb_parm) <= sizeof(tcp_skb_cb::header));

[[gnu::always_inline]] inline void FillCb(sk_buff* skb) {
  const wire::TcpHeader& th = *tcp_hdr(skb);
  tcp_skb_cb* const cb = TCP_SKB_CB(skb);
  static_assert(offsetof(tcp_skb_cb, header) == sizeof(tcp_skb_cb::header));
  std::memcpy(cb->header, skb->cb, sizeof(cb->header));
  std::memset(skb->cb, 0, offsetof(tcp_skb_cb, header));
  cb->seq = th.sequence();
  cb->end_seq = th.sequence() + th.syn() + th.fin() + (skb->len - tcp_hdrlen(skb));
  cb->ack_seq = th.acknowledgment();
  cb->tcp_flags = th.flags() & TCPHDR_FLAGS_MASK;
  cb->ip_dsfield = tcp_dsfield(skb);
  cb->has_rxtstamp = skb->tstamp != 0 || skb_shinfo(skb)->hwtstamp_ns != 0;
}

[[gnu::noinline]] int Drop(sk_buff* skb, DropReason reason) {
  kfree_skb_reason(skb, reason);
  return 0;
}

// A segment that its socket does not want; the caller's reference goes.
[[gnu::noinline]] int DropAtSock(sock* sk, sk_buff* skb, DropReason reason) {
  sk->sk_drops += std::max<uint16_t>(1, skb_shinfo(skb)->gso_segs);
  sock_put(sk);
  return Drop(skb, reason);
}

[[gnu::noinline]] int DropWrongChecksum(sk_buff* skb) {
  tcp_count_checksum_error(*skb->owner);
  return Drop(skb, SKB_DROP_REASON_TCP_CSUM);
}

// Nobody has this connection (RFC 9293 3.10.7.1).
int RefuseSegment(sk_buff* skb) {
  tcp_fill_cb(skb);
  if (skb_checksum_complete(skb) != 0) return DropWrongChecksum(skb);
  tcp_send_reset(nullptr, skb);
  return Drop(skb, SKB_DROP_REASON_NO_SOCKET);
}

// IP_MINTTL, IPV6_MINHOPCOUNT (RFC 5082).
bool BelowMinTtl(const sock* sk, const sk_buff* skb) {
  if (tcp_is_v4(skb)) return ip_hdr(skb)->ttl < inet_sk(sk)->min_ttl;
  return ipv6_hdr(skb)->hop_limit < inet6_sk(sk)->min_hopcount;
}

// tcp_inbound_hash, of which nothing is left to do for a segment without options to a socket
// without keys.
[[gnu::always_inline]] inline DropReason InboundHash(const sock* sk, const sk_buff* skb) {
  if (tcp_sk(sk)->md5sig_info == nullptr && tcp_hdr(skb)->header_bytes() == wire::kTcpHeaderBytes) {
    return SKB_DROP_REASON_CONSUMED;
  }
  return tcp_inbound_hash(sk, skb, tcp_saddr(skb), tcp_daddr(skb));
}

// Gives the segment to a socket, with whose reference it ends. `isn`: what a time-wait socket
// suggests for the connection that a SYN begins, 0: none.
int DeliverToSock(sock* sk, sk_buff* skb, uint32_t isn) {
  if (BelowMinTtl(sk, skb)) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPMinTTLDrop);
    return DropAtSock(sk, skb, SKB_DROP_REASON_TCP_MINTTL);
  }
  DropReason reason = InboundHash(sk, skb);
  if (reason != SKB_DROP_REASON_CONSUMED) return DropAtSock(sk, skb, reason);
  FillCb(skb);
  TCP_SKB_CB(skb)->tcp_tw_isn = isn;
  skb->dev = nullptr;
  if (sk->sk_state != TCP_LISTEN) {
    sk->sk_incoming_cpu = sk->sk_net.this_cpu().id();
    tcp_segs_in(tcp_sk(sk), skb);
    if (sock_owned_by_user(sk)) {
      reason = tcp_add_backlog(sk, skb);
      if (reason != SKB_DROP_REASON_CONSUMED) return DropAtSock(sk, skb, reason);
      sock_put(sk);
      return 0;
    }
  }
  sk->sk_backlog_rcv(sk, skb);
  sock_put(sk);
  return 0;
}

// What has become of a segment for a request or a time-wait socket: dealt with, to be looked up
// again, or for `listener` (with a reference).
struct MiniOutcome {
  enum Next : uint8_t { kDone, kLookUpAgain, kToListener } next = kDone;
  sock* listener = nullptr;
};

// The listener that a request belongs to, with a reference; where it has closed, another one of its
// group. nullptr: neither, and the request is gone.
sock* ListenerOf(request_sock* req) {
  sock* sk = req->rsk_listener;
  if (sk->sk_state != TCP_LISTEN) {
    sk = reuseport_migrate_sock(sk, req->node.num, req->node.hash);
    if (sk == nullptr) {
      inet_csk_reqsk_queue_drop_and_put(req->rsk_listener, req);
      return nullptr;
    }
  }
  sock_hold(sk);
  return sk;
}

// `child` has been made of a request by the segment, which it gets.
void DeliverToChild(sock* listener, sock* child, sk_buff* skb) {
  const DropReason reason = tcp_child_process(listener, child, skb);
  if (reason == SKB_DROP_REASON_CONSUMED) {
    sock_put(child);
    sock_put(listener);
    return;
  }
  tcp_send_reset(child, skb);
  sock_put(child);
  DropAtSock(listener, skb, reason);
}

// A segment for a request, whose reference is ours.
MiniOutcome DeliverToRequest(request_sock* req, sk_buff* skb) {
  DropReason reason = InboundHash(req->rsk_listener, skb);
  if (reason != SKB_DROP_REASON_CONSUMED) {
    ++req->rsk_listener->sk_drops;
    reqsk_put(req);
    Drop(skb, reason);
    return {};
  }
  if (skb_checksum_complete(skb) != 0) {
    reqsk_put(req);
    DropWrongChecksum(skb);
    return {};
  }
  sock* const listener = ListenerOf(req);
  if (listener == nullptr) return {.next = MiniOutcome::kLookUpAgain};

  tcp_fill_cb(skb);
  bool req_stolen = false;
  reason = SKB_DROP_REASON_NOT_SPECIFIED;
  sock* const child = tcp_check_req(listener, skb, req, false, &req_stolen, &reason);
  if (child != nullptr && child != listener) {
    DeliverToChild(listener, child, skb);
    return {};
  }
  reqsk_put(req);
  if (child == nullptr && !req_stolen) {
    DropAtSock(listener, skb, reason);
    return {};
  }
  tcp_restore_cb(skb);
  if (child == listener) return {.next = MiniOutcome::kToListener, .listener = listener};
  sock_put(listener);
  return {.next = MiniOutcome::kLookUpAgain};
}

MiniOutcome DeliverToTimewait(inet_timewait_sock* tw, sk_buff* skb, uint32_t* isn) {
  tcp_fill_cb(skb);
  if (skb_checksum_complete(skb) != 0) {
    DropWrongChecksum(skb);
    return {};
  }
  const wire::TcpHeader* const th = tcp_hdr(skb);
  DropReason reason = SKB_DROP_REASON_NOT_SPECIFIED;
  const tcp_tw_status status = tcp_timewait_state_process(tw, skb, th, isn, &reason);
  if (status == tcp_tw_status::kSyn) {
    sock* const listener = __inet_lookup_listener(*skb->owner, tcp_saddr(skb), th->source,
                                                  tcp_daddr(skb), th->dest, tcp_iif(skb));
    if (listener != nullptr) {
      inet_twsk_deschedule_put(tw);
      sock_hold(listener);
      tcp_restore_cb(skb);
      return {.next = MiniOutcome::kToListener, .listener = listener};
    }
  }
  if (status == tcp_tw_status::kRst) {
    tcp_timewait_reset(tw, skb);
    inet_twsk_deschedule_put(tw);
  } else if (status != tcp_tw_status::kSuccess) {
    tcp_timewait_ack(tw, skb, status);
  }
  Drop(skb, reason);
  return {};
}

// The socket that early demux has found, with its reference.
sock* StealSock(sk_buff* skb) {
  if (skb->destructor != sock_efree) return nullptr;
  sock* const sk = skb->sk;
  skb->sk = nullptr;
  skb->destructor = nullptr;
  return sk;
}

// An ACK for a listener without a request may be that of a SYN cookie (tcp_v4_cookie_check).
sock* CookieCheck(sock* sk, sk_buff* skb) {
  return tcp_hdr(skb)->syn() ? sk : cookie_check(sk, skb);
}

// The route by which the last segment came is kept for early demux as long as it is right.
void CheckRxDst(sock* sk, const sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  dst_entry* const dst = tp->sk_rx_dst;
  if (dst == nullptr || dst == skb_dst(skb)) return;
  if (tp->sk_rx_dst_ifindex == skb->skb_iif &&
      dst->ops->check(dst, tp->sk_rx_dst_cookie) != nullptr)
    return;
  tp->sk_rx_dst = nullptr;
  dst_release(dst);
}

}  // namespace

void tcp_count_checksum_error(net& net) {
  TCP_INC_STATS(net, TcpMib::kInCsumErrors);
  TCP_INC_STATS(net, TcpMib::kInErrs);
}

DropReason tcp_check_header(net& net, sk_buff* skb) {
  TCP_INC_STATS(net, TcpMib::kInSegs);
  if (!pskb_may_pull(skb, wire::kTcpHeaderBytes)) return SKB_DROP_REASON_PKT_TOO_SMALL;
  const uint32_t header_bytes = tcp_hdrlen(skb);
  if (header_bytes < wire::kTcpHeaderBytes) {
    TCP_INC_STATS(net, TcpMib::kInErrs);
    return SKB_DROP_REASON_PKT_TOO_SMALL;
  }
  return pskb_may_pull(skb, header_bytes) ? SKB_DROP_REASON_CONSUMED
                                          : SKB_DROP_REASON_PKT_TOO_SMALL;
}

void tcp_fill_cb(sk_buff* skb) { FillCb(skb); }

void tcp_restore_cb(sk_buff* skb) {
  uint8_t network_cb[sizeof(tcp_skb_cb::header)];
  std::memcpy(network_cb, TCP_SKB_CB(skb)->header, sizeof(network_cb));
  std::memcpy(skb->cb, network_cb, sizeof(network_cb));
}

int tcp_rcv_segment(sk_buff* skb, int dif) {
  net& net = *skb->owner;
  if (sock* const sk = StealSock(skb)) return DeliverToSock(sk, skb, 0);

  const IpAddress saddr = tcp_saddr(skb);
  const IpAddress daddr = tcp_daddr(skb);
  MiniOutcome outcome;
  uint32_t isn = 0;
  do {
    const wire::TcpHeader* const th = tcp_hdr(skb);
    inet_ehash_node* const node = __inet_lookup(net, saddr, th->source, daddr, th->dest, dif);
    if (node == nullptr) return RefuseSegment(skb);
    if (node->state == TCP_TIME_WAIT) {
      outcome = DeliverToTimewait(inet_twsk(node), skb, &isn);
    } else if (node->state == TCP_NEW_SYN_RECV) {
      outcome = DeliverToRequest(inet_reqsk(node), skb);
    } else {
      auto* const sk = static_cast<sock*>(node->owner);
      sock_hold(sk);
      return DeliverToSock(sk, skb, 0);
    }
  } while (outcome.next == MiniOutcome::kLookUpAgain);
  return outcome.next == MiniOutcome::kDone ? 0 : DeliverToSock(outcome.listener, skb, isn);
}

int tcp_do_rcv(sock* sk, sk_buff* skb) {
  if (sk->sk_state == TCP_ESTABLISHED) {
    sk->sk_napi_id = skb->napi_id;
    CheckRxDst(sk, skb);
    tcp_rcv_established(sk, skb);
    return 0;
  }
  if (skb_checksum_complete(skb) != 0) return DropWrongChecksum(skb);
  DropReason reason = SKB_DROP_REASON_CONSUMED;
  sock* const child = sk->sk_state == TCP_LISTEN ? CookieCheck(sk, skb) : sk;
  if (child == nullptr) return 0;
  if (child != sk) {
    reason = tcp_child_process(sk, child, skb);
    sock_put(child);
  } else {
    reason = tcp_rcv_state_process(sk, skb);
  }
  if (reason == SKB_DROP_REASON_CONSUMED) return 0;
  tcp_send_reset(sk, skb);
  return Drop(skb, reason);
}

void tcp_early_demux(sk_buff* skb, int dif) {
  net& net = *skb->owner;
  if (net_tcp(net).settings.early_demux == 0 || skb->pkt_type != PACKET_HOST) return;
  const auto transport = static_cast<uint32_t>(skb_transport_offset(skb));
  if (!pskb_may_pull(skb, transport + wire::kTcpHeaderBytes)) return;
  const wire::TcpHeader* const th = tcp_hdr(skb);
  if (th->header_bytes() < wire::kTcpHeaderBytes) return;
  inet_ehash_node* const node = tcp_is_v4(skb)
                                    ? inet_lookup_established(net, ip_hdr(skb)->saddr, th->source,
                                                              ip_hdr(skb)->daddr, th->dest, dif)
                                    : __inet_lookup_established(net, tcp_saddr(skb), th->source,
                                                                tcp_daddr(skb), th->dest, dif);
  if (node == nullptr || node->state == TCP_TIME_WAIT) return;
  if (node->state == TCP_NEW_SYN_RECV) {
    reqsk_put(inet_reqsk(node));
    return;
  }
  auto* const sk = static_cast<sock*>(node->owner);
  skb_set_owner_sk_safe(skb, sk);
  const tcp_sock* const tp = tcp_sk(sk);
  dst_entry* const dst = tp->sk_rx_dst;
  if (dst != nullptr && dst_check(dst, tp->sk_rx_dst_cookie) != nullptr &&
      tp->sk_rx_dst_ifindex == skb->skb_iif) {
    skb_dst_set(skb, dst_clone(dst));
  }
}

}  // namespace tapedeck
