#include "stack/ipv4/ip_fragment.h"

#include <algorithm>

#include "stack/core/net.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/netns_ipv4.h"

namespace tapedeck {

namespace {

constexpr uint32_t kQueueLogicalBytes = 200;  // an object of the kernel's ip4-frags slab (6.18)

// An end host tells the sender that the rest did not come (RFC 792, RFC 1122 3.3.2). The route went
// with the queueing, so it is looked up again.
void ReportTimeout(net& net, sk_buff* head, int iif, uint32_t user) {
  DropReason reason = SKB_DROP_REASON_FRAG_REASM_TIMEOUT;
  net_device* const dev = dev_get_by_index(net, iif);
  __skb_push(head, skb_network_header_len(head));
  const wire::Ipv4Header& iph = *ip_hdr(head);
  if (dev != nullptr) {
    head->dev = dev;
    if (ip_route_input_noref(head, iph.daddr, iph.saddr, iph.tos, dev, &reason) == 0) {
      reason = SKB_DROP_REASON_FRAG_REASM_TIMEOUT;
      if (user == IP_DEFRAG_LOCAL_DELIVER || skb_rtable(head)->rt_type == RTN_LOCAL) {
        icmp_send(head, wire::kIcmpTimeExceeded, wire::kIcmpReassemblyTimeExceeded, 0);
      }
    }
  }
  kfree_skb_reason(head, reason);
}

// ip_expire.
void OnExpire(TimerList* timer) {
  inet_frag_queue* const queue = static_cast<inet_frag_queue::Timer*>(timer)->queue;
  net& net = queue->dir.host_net;
  net.ip_mib.Inc(IpMib::kReasmFails);
  net.ip_mib.Inc(IpMib::kReasmTimeout);
  sk_buff* const head = inet_frag_pull_head(queue);
  const int iif = queue->iif;
  const uint32_t user = queue->key.user;
  inet_frag_kill(queue, SKB_DROP_REASON_FRAG_REASM_TIMEOUT);
  if (head != nullptr) ReportTimeout(net, head, iif, user);
}

// Whether more than ipfrag_max_dist other fragments of this sender came since the last one: then
// the IDs may have wrapped and the queue begins anew (ip_frag_too_far).
bool IsTooFar(inet_frag_queue* queue) {
  netns_ipv4& ns = net_ipv4(queue->dir.host_net);
  if (ns.frags.max_dist <= 0) return false;
  inet_peer* const peer =
      inet_getpeer_v4(ns.peers, queue->key.saddr.v4(), static_cast<int>(queue->key.iif));
  if (peer == nullptr) return false;
  const uint32_t start = queue->rid;
  queue->rid = ++peer->rid;
  const bool too_far =
      queue->tail != nullptr && queue->rid - start > static_cast<uint32_t>(ns.frags.max_dist);
  if (too_far) ns.host_net.ip_mib.Inc(IpMib::kReasmFails);
  return too_far;
}

void Restart(inet_frag_queue* queue) {
  inet_frag_restart_timer(queue);
  inet_frag_queue_flush(queue, SKB_DROP_REASON_FRAG_TOO_FAR);
  queue->first_in = queue->last_in = false;
  queue->len = queue->meat = 0;
  queue->ecn = 0;
  queue->iif = 0;
}

void FinishHeader(sk_buff* head, uint32_t max_size, uint32_t max_df_size, uint8_t ecn) {
  IPCB(head)->frag_max_size = static_cast<uint16_t>(std::max(max_df_size, max_size));
  wire::Ipv4Header* const iph = ip_hdr_writable(head);
  iph->tot_len = static_cast<uint16_t>(head->len);
  iph->tos |= ecn;
  // All came with DF: forwarded, it must not leave in larger pieces than it came in.
  const bool all_df = max_df_size == max_size;
  iph->frag_off = all_df ? wire::kIpv4DontFragment : uint16_t{0};
  if (all_df) IPCB(head)->flags |= IPSKB_FRAG_PMTU;
  ip_send_check(iph);
}

// ip_frag_reasm. `dst` is the route of the fragment that completed it. nullptr where it came to
// nothing.
sk_buff* Reassemble(inet_frag_queue* queue, net_device* dev, dst_entry* dst) {
  net& net = queue->dir.host_net;
  const uint8_t ecn = ip_frag_ecn(queue->ecn);
  const uint32_t header_bytes = skb_network_header_len(queue->first_run);
  const uint32_t max_size = queue->max_size;
  const uint32_t max_df_size = queue->max_df_size;
  const bool valid = ecn != kFragEcnInvalid && header_bytes + queue->len <= wire::kIpv4TotalMax;
  sk_buff* const head = valid ? inet_frag_reasm(queue) : nullptr;
  if (head == nullptr) {
    net.ip_mib.Inc(IpMib::kReasmFails);
    dst_release(dst);
    inet_frag_kill(queue, SKB_DROP_REASON_IP_FRAGMENT);
    return nullptr;
  }
  // As after ip_rcv: data at the header.
  __skb_push(head, header_bytes);
  head->dev = dev;
  skb_dst_set(head, dst);
  FinishHeader(head, max_size, max_df_size, ecn);
  net.ip_mib.Inc(IpMib::kReasmOKs);
  return head;
}

// Checks the fragment's ends against what is known of the datagram. False where they contradict it.
bool CheckEnds(inet_frag_queue* queue, sk_buff* skb, bool more, uint32_t offset, uint32_t* end) {
  if (!more) {
    if (*end < queue->len || (queue->last_in && *end != queue->len)) return false;
    queue->last_in = true;
    queue->len = *end;
  } else {
    if ((*end & 7) != 0) {
      // Only the last may have such a length: what is over is cut off.
      *end &= ~7U;
      if (skb->ip_summed != CHECKSUM_UNNECESSARY) skb->ip_summed = CHECKSUM_NONE;
    }
    if (*end > queue->len) {
      if (queue->last_in) return false;
      queue->len = *end;
    }
  }
  return *end != offset;
}

sk_buff* Discard(inet_frag_queue* queue, sk_buff* skb, DropReason reason) {
  queue->dir.host_net.ip_mib.Inc(IpMib::kReasmFails);
  inet_frag_kill(queue, SKB_DROP_REASON_IP_FRAGMENT);
  kfree_skb_reason(skb, reason);
  return nullptr;
}

// ip_frag_queue.
sk_buff* Enqueue(inet_frag_queue* queue, sk_buff* skb) {
  net& net = queue->dir.host_net;
  if (IsTooFar(queue)) Restart(queue);
  const wire::Ipv4Header iph = *ip_hdr(skb);
  const uint32_t offset = iph.offset_bytes();
  const auto header_bytes = static_cast<uint32_t>(iph.header_bytes());
  uint32_t end = offset + skb->len - header_bytes;
  if (!CheckEnds(queue, skb, iph.more_fragments(), offset, &end)) {
    return Discard(queue, skb, SKB_DROP_REASON_IP_FRAGMENT);
  }
  __skb_pull(skb, header_bytes);
  if (pskb_trim_rcsum(skb, end - offset) != 0) return Discard(queue, skb, SKB_DROP_REASON_NOMEM);
  switch (inet_frag_queue_insert(queue, skb, offset, end)) {
    case FragInsertion::kDuplicate:
      kfree_skb_reason(skb, SKB_DROP_REASON_DUP_FRAG);
      return nullptr;
    case FragInsertion::kOverlap:
      net.ip_ext_mib.Inc(IpExtMib::kReasmOverlaps);
      return Discard(queue, skb, SKB_DROP_REASON_FRAG_OVERLAP);
    case FragInsertion::kDone:
      break;
  }
  const uint32_t fragment_bytes = skb->len + header_bytes;
  inet_frag_account(queue, skb, offset, fragment_bytes, iph.ecn());
  if (iph.dont_fragment()) queue->max_df_size = std::max(queue->max_df_size, fragment_bytes);
  dst_entry* const dst = skb->dst;
  skb->dst = nullptr;
  if (queue->complete()) return Reassemble(queue, skb->dev, dst);
  dst_release(dst);
  skb_orphan(skb);
  return nullptr;
}

}  // namespace

ip_frags::ip_frags(net& its_net) : fqdir(its_net, "ip4-frags", kQueueLogicalBytes, OnExpire) {}

sk_buff* ip_defrag(net& net, sk_buff* skb, uint32_t user) {
  TRACE_FUNCTION(net, skb, ip_defrag, net, skb, user);
  net.ip_mib.Inc(IpMib::kReasmReqds);
  const wire::Ipv4Header& iph = *ip_hdr(skb);
  const inet_frag_key key{.saddr = iph.saddr,
                          .daddr = iph.daddr,
                          .id = iph.id.host(),
                          .user = user,
                          .iif = 0,
                          .protocol = iph.protocol};
  inet_frag_queue* const queue = inet_frag_find(net_ipv4(net).frags, key);
  if (queue == nullptr) {
    net.ip_mib.Inc(IpMib::kReasmFails);
    kfree_skb_reason(skb, SKB_DROP_REASON_IP_FRAGMENT);
    return nullptr;
  }
  return Enqueue(queue, skb);
}

}  // namespace tapedeck
