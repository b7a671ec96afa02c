#include "stack/ipv6/reassembly.h"

#include <algorithm>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/icmpv6.h"
#include "stack/ipv6/ip6_internal.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

namespace tapedeck {

namespace {

constexpr uint32_t kQueueLogicalBytes = 184;  // an object of the kernel's ip6-frags slab (6.18)
constexpr uint64_t kTimeoutMs = 60'000;       // RFC 8200 4.5

const wire::Ipv6FragmentHeader* FragmentHeader(const sk_buff* skb) {
  return reinterpret_cast<const wire::Ipv6FragmentHeader*>(skb_transport_header(skb));
}

// The sender hears that the rest did not come, if the first fragment did: its headers say to whom
// (ip6frag_expire_frag_queue). Data at its payload.
void OnExpire(TimerList* timer) {
  inet_frag_queue* const queue = static_cast<inet_frag_queue::Timer*>(timer)->queue;
  net& net = queue->dir.host_net;
  net_device* const dev = dev_get_by_index(net, queue->iif);
  sk_buff* head = nullptr;
  if (dev != nullptr) {
    net.ip6_mib.Inc(Ip6Mib::kReasmFails);
    net.ip6_mib.Inc(Ip6Mib::kReasmTimeout);
    head = inet_frag_pull_head(queue);
  }
  inet_frag_kill(queue, SKB_DROP_REASON_FRAG_REASM_TIMEOUT);
  if (head == nullptr) return;
  head->dev = dev;
  icmpv6_send(head, wire::kIcmpv6TimeExceeded, kIcmpv6FragmentTimeExceeded, 0);
  kfree_skb_reason(head, SKB_DROP_REASON_FRAG_REASM_TIMEOUT);
}

// Whether the upper layer's header reaches past the first fragment (RFC 7112); data is at the
// fragment header (ipv6frag_thdr_truncated).
bool UpperHeaderIsTruncated(const sk_buff* skb) {
  uint8_t nexthdr = ipv6_hdr(skb)->nexthdr;
  uint16_t frag_off = 0;
  const int start = skb_network_offset(skb) + static_cast<int>(wire::kIpv6HeaderBytes);
  // From the fragment header on: those before it have been walked.
  const int offset = ipv6_skip_exthdr(skb, start, &nexthdr, &frag_off);
  if (offset < 0 || (frag_off & 0xfff8) != 0) return false;
  uint32_t needed = 1;
  if (nexthdr == wire::kIpProtoTcp) needed = sizeof(wire::TcpHeader);
  if (nexthdr == wire::kIpProtoUdp) needed = sizeof(wire::UdpHeader);
  if (nexthdr == wire::kIpProtoIcmpv6) needed = sizeof(wire::Icmpv6Header);
  return static_cast<uint32_t>(offset) + needed > skb->len;
}

inet_frag_key KeyOf(const sk_buff* skb) {
  const wire::Ipv6Header& hdr = *ipv6_hdr(skb);
  // Such addresses mean something on one link only.
  const bool scoped =
      (ipv6_addr_type(hdr.daddr) & (IPV6_ADDR_MULTICAST | IPV6_ADDR_LINKLOCAL)) != 0;
  return {.saddr = hdr.saddr,
          .daddr = hdr.daddr,
          .id = FragmentHeader(skb)->identification.host(),
          .user = IP6_DEFRAG_LOCAL_DELIVER,
          .iif = scoped ? static_cast<uint32_t>(skb->dev->ifindex) : 0,
          .protocol = 0};
}

// The fragment contradicts itself: its sender is told which field (`pointer`, from the network
// header), and the datagram ends.
int RefuseField(inet_frag_queue* queue, sk_buff* skb, uint32_t pointer) {
  net& net = queue->dir.host_net;
  inet_frag_kill(queue, SKB_DROP_REASON_IP_FRAGMENT);
  net.ip6_mib.Inc(Ip6Mib::kReasmFails);
  net.ip6_mib.Inc(Ip6Mib::kInHdrErrors);
  icmpv6_param_prob_reason(skb, kIcmpv6HeaderField, pointer, SKB_DROP_REASON_NOT_SPECIFIED);
  return -1;
}

int Discard(inet_frag_queue* queue, sk_buff* skb, DropReason reason) {
  queue->dir.host_net.ip6_mib.Inc(Ip6Mib::kReasmFails);
  inet_frag_kill(queue, SKB_DROP_REASON_IP_FRAGMENT);
  kfree_skb_reason(skb, reason);
  return -1;
}

// Takes the fragment header out of the first fragment: the headers before it move up, so that they
// and the payload are what the sender had before it cut (RFC 8200 4.5). Data at the payload.
void RemoveFragmentHeader(sk_buff* head, uint32_t nhoffset) {
  const uint8_t nexthdr = FragmentHeader(head)->nexthdr;
  const uint32_t header_bytes = skb_network_header_len(head);
  uint8_t* const start =
      skb_writable(head, skb_network_header(head), header_bytes + wire::kIpv6FragmentHeaderBytes);
  start[nhoffset] = nexthdr;
  const uint32_t before = head->network_header;
  const uint32_t link = skb_mac_header_was_set(head) ? before - head->mac_header : 0;
  uint8_t* const link_start = skb_writable(head, start - link, link + header_bytes);
  std::memmove(link_start + wire::kIpv6FragmentHeaderBytes, link_start, link + header_bytes);
  if (skb_mac_header_was_set(head)) head->mac_header += wire::kIpv6FragmentHeaderBytes;
  head->network_header += wire::kIpv6FragmentHeaderBytes;
  skb_reset_transport_header(head);
}

void FinishHeader(sk_buff* head, uint16_t nhoffset, uint32_t max_size, uint8_t ecn) {
  const uint32_t header_bytes = skb_network_header_len(head);
  auto* const hdr = reinterpret_cast<wire::Ipv6Header*>(
      skb_writable(head, skb_network_header(head), wire::kIpv6HeaderBytes));
  hdr->payload_len = static_cast<uint16_t>(head->len + header_bytes - wire::kIpv6HeaderBytes);
  hdr->set_class_and_flow(static_cast<uint8_t>(hdr->traffic_class() | ecn), hdr->flow_label());
  inet6_skb_parm* const parm = IP6CB(head);
  parm->nhoff = nhoffset;
  parm->flags |= IP6SKB_FRAGMENTED;
  parm->frag_max_size = static_cast<uint16_t>(max_size);
  skb_postpush_rcsum(head, skb_network_header(head), header_bytes);
}

// ip6_frag_reasm. The datagram goes on from where the fragment header was, over the route of the
// fragment that completed it. Returns what a handler does.
int Reassemble(inet_frag_queue* queue, net_device* dev, dst_entry* dst) {
  net& net = queue->dir.host_net;
  const uint8_t ecn = ip_frag_ecn(queue->ecn);
  const uint16_t nhoffset = queue->nhoffset;
  const uint32_t max_size = queue->max_size;
  const uint32_t before = skb_network_header_len(queue->first_run) - wire::kIpv6HeaderBytes;
  const bool valid = ecn != kFragEcnInvalid && before + queue->len <= kIpv6PayloadMax;
  sk_buff* const head = valid ? inet_frag_reasm(queue) : nullptr;
  if (head == nullptr) {
    net.ip6_mib.Inc(Ip6Mib::kReasmFails);
    dst_release(dst);
    inet_frag_kill(queue, SKB_DROP_REASON_IP_FRAGMENT);
    return -1;
  }
  RemoveFragmentHeader(head, nhoffset);
  head->dev = dev;
  skb_dst_set(head, dst);
  FinishHeader(head, nhoffset, max_size, ecn);
  net.ip6_mib.Inc(Ip6Mib::kReasmOKs);
  if (IP6CB(head)->exthdrs++ >= IP6_MAX_EXT_HDRS_CNT) {
    net.ip6_mib.Inc(Ip6Mib::kInDiscards);
    kfree_skb_reason(head, SKB_DROP_REASON_IPV6_TOO_MANY_EXTHDRS);
    return -1;
  }
  ip6_protocol_deliver_rcu(net, head, 0, false);
  return -1;
}

// Checks the fragment's end against what is known of the datagram. False where they contradict.
bool CheckEnd(inet_frag_queue* queue, bool more, uint32_t end) {
  if (!more) {
    if (end < queue->len || (queue->last_in && end != queue->len)) return false;
    queue->last_in = true;
    queue->len = end;
  } else if (end > queue->len) {
    if (queue->last_in) return false;
    queue->len = end;
  }
  return true;
}

// ip6_frag_queue. Data is at the fragment header.
int Enqueue(inet_frag_queue* queue, sk_buff* skb) {
  const wire::Ipv6FragmentHeader fh = *FragmentHeader(skb);
  const uint8_t ecn = ipv6_hdr(skb)->ecn();
  const uint16_t nhoff = IP6CB(skb)->nhoff;
  const uint32_t header_bytes = skb_network_header_len(skb) + wire::kIpv6FragmentHeaderBytes;
  const uint32_t offset = fh.offset_bytes();
  const uint32_t end =
      offset + ipv6_hdr(skb)->payload_len.host() - (header_bytes - wire::kIpv6HeaderBytes);
  if (end > kIpv6PayloadMax) {
    return RefuseField(queue, skb,
                       header_bytes - wire::kIpv6FragmentHeaderBytes +
                           static_cast<uint32_t>(offsetof(wire::Ipv6FragmentHeader, frag_off)));
  }
  skb_postpull_rcsum(skb, skb_network_header(skb), header_bytes);
  if (fh.more_fragments() && (end & 7) != 0) {
    return RefuseField(queue, skb, offsetof(wire::Ipv6Header, payload_len));
  }
  if (!CheckEnd(queue, fh.more_fragments(), end) || end == offset) {
    return Discard(queue, skb, SKB_DROP_REASON_IP_FRAGMENT);
  }
  if (pskb_pull(skb, wire::kIpv6FragmentHeaderBytes) == nullptr ||
      pskb_trim_rcsum(skb, end - offset) != 0) {
    return Discard(queue, skb, SKB_DROP_REASON_NOMEM);
  }
  switch (inet_frag_queue_insert(queue, skb, offset, end)) {
    case FragInsertion::kDuplicate:
      kfree_skb_reason(skb, SKB_DROP_REASON_DUP_FRAG);
      return -1;
    case FragInsertion::kOverlap:
      return Discard(queue, skb, SKB_DROP_REASON_FRAG_OVERLAP);
    case FragInsertion::kDone:
      break;
  }
  inet_frag_account(queue, skb, offset, skb->len + header_bytes, ecn);
  if (offset == 0) queue->nhoffset = nhoff;
  dst_entry* const dst = skb->dst;
  skb->dst = nullptr;
  if (queue->complete()) return Reassemble(queue, skb->dev, dst);
  dst_release(dst);
  return -1;
}

// Not a fragment of anything: it is stepped over, and never waits for others with its
// identification (RFC 6946).
int PassAtomicFragment(sk_buff* skb) {
  inet6_skb_parm* const parm = IP6CB(skb);
  skb->owner->ip6_mib.Inc(Ip6Mib::kReasmOKs);
  parm->nhoff = static_cast<uint16_t>(skb_network_header_len(skb));
  parm->flags |= IP6SKB_FRAGMENTED;
  parm->frag_max_size =
      static_cast<uint16_t>(ipv6_hdr(skb)->payload_len.host() + wire::kIpv6HeaderBytes);
  skb->transport_header =
      static_cast<uint16_t>(skb->transport_header + wire::kIpv6FragmentHeaderBytes);
  return 1;
}

int RefuseHeader(sk_buff* skb, uint8_t code, uint32_t pointer) {
  skb->owner->ip6_mib.Inc(Ip6Mib::kInHdrErrors);
  icmpv6_param_prob_reason(skb, code, pointer, SKB_DROP_REASON_NOT_SPECIFIED);
  return -1;
}

constexpr inet6_protocol kFragmentProtocol = {.handler = ipv6_frag_rcv,
                                              .flags = INET6_PROTO_NOPOLICY};

}  // namespace

ip6_frags::ip6_frags(net& its_net) : fqdir(its_net, "ip6-frags", kQueueLogicalBytes, OnExpire) {
  timeout = static_cast<int32_t>(its_net.kernel.MsecsToJiffies(kTimeoutMs));
}

int ipv6_frag_rcv(sk_buff* skb) {
  net& net = *skb->owner;
  TRACE_FUNCTION(net, skb, ipv6_frag_rcv, skb);
  if ((IP6CB(skb)->flags & IP6SKB_FRAGMENTED) != 0) {
    return RefuseHeader(skb, kIcmpv6HeaderField, skb_network_header_len(skb));
  }
  net.ip6_mib.Inc(Ip6Mib::kReasmReqds);
  // A jumbogram cannot be a fragment (RFC 2675 3).
  const auto at = static_cast<uint32_t>(skb_transport_offset(skb));
  if (ipv6_hdr(skb)->payload_len.host() == 0 ||
      !pskb_may_pull(skb, at + wire::kIpv6FragmentHeaderBytes)) {
    return RefuseHeader(skb, kIcmpv6HeaderField, skb_network_header_len(skb));
  }
  const wire::Ipv6FragmentHeader& fh = *FragmentHeader(skb);
  if (fh.offset_bytes() == 0 && !fh.more_fragments()) return PassAtomicFragment(skb);
  if (UpperHeaderIsTruncated(skb)) return RefuseHeader(skb, kIcmpv6HeaderIncomplete, 0);
  inet_frag_queue* const queue = inet_frag_find(*net_ipv6(net).frags, KeyOf(skb));
  if (queue == nullptr) {
    net.ip6_mib.Inc(Ip6Mib::kReasmFails);
    kfree_skb_reason(skb, SKB_DROP_REASON_IP_FRAGMENT);
    return -1;
  }
  return Enqueue(queue, skb);
}

namespace {

void ListFragSettings(SysctlFiles& files, void* owner) {
  fqdir_sysctl_list(files, *static_cast<ip6_frags*>(owner), "net/ipv6/ip6frag_high_thresh",
                    "net/ipv6/ip6frag_low_thresh", "net/ipv6/ip6frag_time");
}

}  // namespace

int ipv6_frag_init(net& net) {
  netns_ipv6& ns = net_ipv6(net);
  CHECK(ns.frags == nullptr);
  ns.frags = net.world.arena().New<ip6_frags>(net);
  net.kernel.sysctl().AddOwner(ListFragSettings, ns.frags);
  return inet6_add_protocol(net, &kFragmentProtocol, wire::kIpProtoFragment);
}

void ipv6_frags_flush(net& net) {
  if (net_ipv6(net).frags != nullptr) fqdir_flush(*net_ipv6(net).frags);
}

}  // namespace tapedeck
