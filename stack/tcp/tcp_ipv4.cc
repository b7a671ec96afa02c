// Segments as IPv4 delivers them (net/ipv4/tcp_ipv4.c): checked, given to their connection,
// request, time-wait socket or listener, or answered with a reset.
#include "stack/tcp/tcp_ipv4.h"

#include <algorithm>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/ipv4/ip.h"
#include "stack/tcp/inet_hashinfo.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/syncookies.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_md5.h"
#include "stack/tcp/tcp_minisocks.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

void CountChecksumError(net& net) {
  TCP_INC_STATS(net, TcpMib::kInCsumErrors);
  TCP_INC_STATS(net, TcpMib::kInErrs);
}

// Checks what every segment must hold, and its checksum where it is short. CONSUMED: it may be
// looked up; its header is linear.
DropReason CheckSegment(net& net, sk_buff* skb) {
  if (skb->pkt_type != PACKET_HOST) {
    // RFC 9293 3.9.2.3: nobody connects to or from a group of hosts.
    const bool unicast = (skb_rtable(skb)->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) == 0;
    return unicast ? SKB_DROP_REASON_UNICAST_IN_L2_MULTICAST : SKB_DROP_REASON_IP_INVALID_DEST;
  }
  TCP_INC_STATS(net, TcpMib::kInSegs);
  if (!pskb_may_pull(skb, wire::kTcpHeaderBytes)) return SKB_DROP_REASON_PKT_TOO_SMALL;
  const uint32_t header_bytes = tcp_hdrlen(skb);
  if (header_bytes < wire::kTcpHeaderBytes) {
    TCP_INC_STATS(net, TcpMib::kInErrs);
    return SKB_DROP_REASON_PKT_TOO_SMALL;
  }
  if (!pskb_may_pull(skb, header_bytes)) return SKB_DROP_REASON_PKT_TOO_SMALL;
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  const wsum pseudo =
      csum_tcpudp_nofold(iph->saddr.wire(), iph->daddr.wire(), skb->len, wire::kIpProtoTcp, 0);
  if (skb_checksum_validate(skb, false, false, tcp_hdr(skb)->check.host(), pseudo) != 0) {
    CountChecksumError(net);
    return SKB_DROP_REASON_TCP_CSUM;
  }
  return SKB_DROP_REASON_CONSUMED;
}

// The control block becomes TCP's; the network layer's moves behind what TCP keeps there.
void tcp_v4_fill_cb(sk_buff* skb) {
  const wire::TcpHeader& th = *tcp_hdr(skb);
  const inet_skb_parm ipcb = *IPCB(skb);
  tcp_skb_cb* const cb = TCP_SKB_CB(skb);
  *cb = tcp_skb_cb{};
  std::memcpy(cb->header, &ipcb, sizeof(ipcb));
  cb->seq = th.sequence();
  cb->end_seq = th.sequence() + th.syn() + th.fin() + (skb->len - tcp_hdrlen(skb));
  cb->ack_seq = th.acknowledgment();
  cb->tcp_flags = th.flags() & TCPHDR_FLAGS_MASK;
  cb->ip_dsfield = ip_hdr(skb)->tos;
  cb->has_rxtstamp = skb->tstamp != 0 || skb_shinfo(skb)->hwtstamp_ns != 0;
}

// Back, for another lookup.
void tcp_v4_restore_cb(sk_buff* skb) {
  const inet_skb_parm ipcb = *tcp_v4_ipcb(skb);
  *IPCB(skb) = ipcb;
}

int Drop(sk_buff* skb, DropReason reason) {
  kfree_skb_reason(skb, reason);
  return 0;
}

// A segment that its socket does not want; the caller's reference goes.
int DropAtSock(sock* sk, sk_buff* skb, DropReason reason) {
  sk->sk_drops += std::max<uint16_t>(1, skb_shinfo(skb)->gso_segs);
  sock_put(sk);
  return Drop(skb, reason);
}

int DropWrongChecksum(sk_buff* skb) {
  CountChecksumError(*skb->owner);
  return Drop(skb, SKB_DROP_REASON_TCP_CSUM);
}

// Nobody has this connection (RFC 9293 3.10.7.1).
int RefuseSegment(sk_buff* skb) {
  tcp_v4_fill_cb(skb);
  if (skb_checksum_complete(skb) != 0) return DropWrongChecksum(skb);
  tcp_v4_send_reset(nullptr, skb);
  return Drop(skb, SKB_DROP_REASON_NO_SOCKET);
}

// Gives the segment to a socket, with whose reference it ends. `isn`: what a time-wait socket
// suggests for the connection that a SYN begins, 0: none.
int DeliverToSock(sock* sk, sk_buff* skb, uint32_t isn) {
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  if (iph->ttl < inet_sk(sk)->min_ttl) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPMinTTLDrop);
    return DropAtSock(sk, skb, SKB_DROP_REASON_TCP_MINTTL);
  }
  DropReason reason = tcp_inbound_hash(sk, skb, iph->saddr, iph->daddr);
  if (reason != SKB_DROP_REASON_CONSUMED) return DropAtSock(sk, skb, reason);
  tcp_v4_fill_cb(skb);
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
  tcp_v4_do_rcv(sk, skb);
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
  tcp_v4_send_reset(child, skb);
  sock_put(child);
  DropAtSock(listener, skb, reason);
}

// A segment for a request, whose reference is ours.
MiniOutcome DeliverToRequest(request_sock* req, sk_buff* skb) {
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  DropReason reason = tcp_inbound_hash(req->rsk_listener, skb, iph->saddr, iph->daddr);
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

  tcp_v4_fill_cb(skb);
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
  tcp_v4_restore_cb(skb);
  if (child == listener) return {.next = MiniOutcome::kToListener, .listener = listener};
  sock_put(listener);
  return {.next = MiniOutcome::kLookUpAgain};
}

MiniOutcome DeliverToTimewait(inet_timewait_sock* tw, sk_buff* skb, uint32_t* isn) {
  tcp_v4_fill_cb(skb);
  if (skb_checksum_complete(skb) != 0) {
    DropWrongChecksum(skb);
    return {};
  }
  const wire::TcpHeader* const th = tcp_hdr(skb);
  DropReason reason = SKB_DROP_REASON_NOT_SPECIFIED;
  const tcp_tw_status status = tcp_timewait_state_process(tw, skb, th, isn, &reason);
  if (status == tcp_tw_status::kSyn) {
    const wire::Ipv4Header* const iph = ip_hdr(skb);
    sock* const listener = __inet_lookup_listener(*skb->owner, iph->saddr, th->source, iph->daddr,
                                                  th->dest, inet_iif(skb));
    if (listener != nullptr) {
      inet_twsk_deschedule_put(tw);
      sock_hold(listener);
      tcp_v4_restore_cb(skb);
      return {.next = MiniOutcome::kToListener, .listener = listener};
    }
  }
  if (status == tcp_tw_status::kRst) {
    tcp_v4_timewait_reset(tw, skb);
    inet_twsk_deschedule_put(tw);
  } else if (status != tcp_tw_status::kSuccess) {
    tcp_v4_timewait_ack(tw, skb, status);
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
  return tcp_hdr(skb)->syn() ? sk : cookie_v4_check(sk, skb);
}

// The route by which the last segment came is kept for early demux as long as it is right.
void CheckRxDst(sock* sk, const sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  dst_entry* const dst = tp->sk_rx_dst;
  if (dst == nullptr || dst == skb_dst(skb)) return;
  if (tp->sk_rx_dst_ifindex == skb->skb_iif && dst->ops->check(dst, 0) != nullptr) return;
  tp->sk_rx_dst = nullptr;
  dst_release(dst);
}

}  // namespace

int tcp_v4_rcv(sk_buff* skb) {
  net& net = *skb->owner;
  net.this_cpu().Charge(CostPoint::k_tcp_rcv);
  const DropReason reason = CheckSegment(net, skb);
  if (reason != SKB_DROP_REASON_CONSUMED) return Drop(skb, reason);
  if (sock* const sk = StealSock(skb)) return DeliverToSock(sk, skb, 0);

  MiniOutcome outcome;
  uint32_t isn = 0;
  do {
    const wire::TcpHeader* const th = tcp_hdr(skb);
    const wire::Ipv4Header* const iph = ip_hdr(skb);
    inet_ehash_node* const node =
        __inet_lookup(net, iph->saddr, th->source, iph->daddr, th->dest, inet_iif(skb));
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

int tcp_v4_do_rcv(sock* sk, sk_buff* skb) {
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
  tcp_v4_send_reset(sk, skb);
  return Drop(skb, reason);
}

int tcp_v4_early_demux(sk_buff* skb, DropReason* /*reason*/) {
  net& net = *skb->owner;
  if (net_tcp(net).settings.early_demux == 0 || skb->pkt_type != PACKET_HOST) return 0;
  const auto transport = static_cast<uint32_t>(skb_transport_offset(skb));
  if (!pskb_may_pull(skb, transport + wire::kTcpHeaderBytes)) return 0;
  const wire::TcpHeader* const th = tcp_hdr(skb);
  if (th->header_bytes() < wire::kTcpHeaderBytes) return 0;
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  inet_ehash_node* const node =
      __inet_lookup_established(net, iph->saddr, th->source, iph->daddr, th->dest, skb->skb_iif);
  if (node == nullptr || node->state == TCP_TIME_WAIT) return 0;
  if (node->state == TCP_NEW_SYN_RECV) {
    reqsk_put(inet_reqsk(node));
    return 0;
  }
  auto* const sk = static_cast<sock*>(node->owner);
  skb_set_owner_sk_safe(skb, sk);
  dst_entry* const dst = tcp_sk(sk)->sk_rx_dst;
  if (dst != nullptr && dst_check(dst, 0) != nullptr &&
      tcp_sk(sk)->sk_rx_dst_ifindex == skb->skb_iif) {
    skb_dst_set(skb, dst_clone(dst));
  }
  return 0;
}

}  // namespace tapedeck
