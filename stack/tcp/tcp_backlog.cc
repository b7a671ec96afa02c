// Segments that come while a task owns the socket (tcp_add_backlog of net/ipv4/tcp_ipv4.c): they
// wait, merged where that is easy, so that a burst of small ones does not fill the backlog.
#include <algorithm>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_queues.h"

namespace tapedeck {
namespace {

constexpr uint16_t kNeverMerged = TCPHDR_SYN | TCPHDR_RST | TCPHDR_URG;
constexpr uint64_t kBacklogHeadroomBytes = 64 * 1024;

const wire::TcpHeader* HeaderAtData(const sk_buff* skb) {
  return reinterpret_cast<const wire::TcpHeader*>(skb->data);
}

// Whether the segments differ in nothing but what a merged one can say.
bool MayMerge(const sk_buff* tail, const sk_buff* skb) {
  const tcp_skb_cb& a = *TCP_SKB_CB(tail);
  const tcp_skb_cb& b = *TCP_SKB_CB(skb);
  if (a.end_seq != b.seq || a.ip_dsfield != b.ip_dsfield) return false;
  if (((a.tcp_flags | b.tcp_flags) & kNeverMerged) != 0) return false;
  if ((a.tcp_flags & b.tcp_flags & TCPHDR_ACK) == 0) return false;
  if (((a.tcp_flags ^ b.tcp_flags) & TCPHDR_ACE) != 0) return false;
  const wire::TcpHeader* const th = HeaderAtData(skb);
  const wire::TcpHeader* const th_tail = HeaderAtData(tail);
  return th_tail->doff() == th->doff() &&
         std::memcmp(th_tail + 1, th + 1, th->header_bytes() - wire::kTcpHeaderBytes) == 0;
}

// The header and control block of `tail` say what both segments said.
void MergeHeaders(sk_buff* tail, const sk_buff* skb, const wire::TcpHeader* th) {
  tcp_skb_cb* const a = TCP_SKB_CB(tail);
  const tcp_skb_cb& b = *TCP_SKB_CB(skb);
  auto* const th_tail =
      reinterpret_cast<wire::TcpHeader*>(skb_writable(tail, tail->data, wire::kTcpHeaderBytes));
  a->end_seq = b.end_seq;
  if (!b.ack_seq.Before(a->ack_seq)) {
    a->ack_seq = b.ack_seq;
    th_tail->window = th->window;
  }
  // Both, so that header prediction does not take a segment with a FIN.
  if (th->fin()) th_tail->set_flags(th_tail->flags() | wire::kTcpFin);
  a->tcp_flags |= b.tcp_flags;
  if (b.has_rxtstamp) {
    a->has_rxtstamp = true;
    tail->tstamp = skb->tstamp;
    skb_shinfo(tail)->hwtstamp_ns = skb_shinfo(skb)->hwtstamp_ns;
  }
}

struct GsoShape {
  uint32_t size;
  uint32_t segs;
};
GsoShape ShapeOf(const sk_buff* skb, uint32_t payload_bytes) {
  const skb_shared_info* const info = skb_shinfo(skb);
  return {info->gso_size != 0 ? info->gso_size : payload_bytes,
          info->gso_segs != 0 ? info->gso_segs : 1U};
}

// Appends `skb` to the last of the backlog and frees it. False: it stays as it was.
bool Coalesce(sock* sk, sk_buff* skb) {
  sk_buff* const tail = sk->sk_backlog.tail;
  if (tail == nullptr || !MayMerge(tail, skb)) return false;
  const auto header_bytes = static_cast<uint32_t>(HeaderAtData(skb)->header_bytes());
  // The header stays readable in front of the data.
  const wire::TcpHeader th = *HeaderAtData(skb);
  __skb_pull(skb, header_bytes);
  const GsoShape added = ShapeOf(skb, skb->len);
  const GsoShape had = ShapeOf(tail, tail->len - header_bytes);
  bool fragstolen = false;
  uint32_t delta = 0;
  if (!skb_try_coalesce(tail, skb, &fragstolen, &delta)) {
    __skb_push(skb, header_bytes);
    return false;
  }
  MergeHeaders(tail, skb, &th);
  skb_shinfo(tail)->gso_size = static_cast<uint16_t>(std::max(added.size, had.size));
  skb_shinfo(tail)->gso_segs =
      static_cast<uint16_t>(std::min<uint32_t>(added.segs + had.segs, UINT16_MAX));
  sk->sk_backlog.len += delta;
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPBacklogCoalesce);
  kfree_skb_partial(skb, fragstolen);
  return true;
}

}  // namespace

DropReason tcp_add_backlog(sock* sk, sk_buff* skb) {
  // It is charged by what it really takes.
  skb_condense(skb);
  skb_dst_drop(skb);
  if (skb_checksum_complete(skb) != 0) {
    TCP_INC_STATS(sk->sk_net, TcpMib::kInCsumErrors);
    TCP_INC_STATS(sk->sk_net, TcpMib::kInErrs);
    return SKB_DROP_REASON_TCP_CSUM;
  }
  if (Coalesce(sk, skb)) return SKB_DROP_REASON_CONSUMED;
  // The owner alone can make room in the queues: a little more than they may hold.
  const uint64_t limit = uint64_t{sk->sk_rcvbuf} * 2 + sk->sk_sndbuf / 2 + kBacklogHeadroomBytes;
  if (sk_add_backlog(sk, skb, static_cast<uint32_t>(std::min<uint64_t>(limit, UINT32_MAX))) != 0) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPBacklogDrop);
    return SKB_DROP_REASON_SOCKET_BACKLOG;
  }
  return SKB_DROP_REASON_CONSUMED;
}

}  // namespace tapedeck
