#include "stack/ipv4/ip_fragment.h"

#include <algorithm>
#include <cerrno>

#include "stack/base/hash.h"
#include "stack/core/net.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/netns_ipv4.h"

namespace tapedeck {

namespace {

constexpr uint32_t kQueueLogicalBytes = 200;  // an object of the kernel's ip4-frags slab (6.18)

// Control block of a fragment in a queue.
struct FragCb {
  inet_skb_parm h;
  uint32_t offset;     // of its payload in the datagram's
  uint32_t run_bytes;  // of the run it heads
  sk_buff* next_in_run;
};
FragCb* Cb(sk_buff* skb) { return SKB_CB<FragCb>(skb); }
uint32_t EndOf(sk_buff* skb) { return Cb(skb)->offset + skb->len; }
uint32_t RunEnd(sk_buff* run) { return Cb(run)->offset + Cb(run)->run_bytes; }

// --- ECN (RFC 3168 5.3): what the datagram's codepoint is, given those of its fragments. ---

constexpr uint8_t kNotEctBit = 1 << wire::kEcnNotEct;
constexpr uint8_t kCeBit = 1 << wire::kEcnCe;
constexpr uint8_t kInvalidMix = 0xff;

constexpr uint8_t EcnOfDatagram(uint8_t seen) {
  if ((seen & kNotEctBit) != 0 && seen != kNotEctBit) return kInvalidMix;
  return (seen & kCeBit) != 0 && seen != kCeBit ? wire::kEcnCe : uint8_t{0};
}

// --- The queues of a host. ---

uint32_t BucketOf(const ip_frags& frags, const ipq_key& key) {
  const uint32_t words[] = {key.saddr.host(), key.daddr.host(), key.user, key.vif,
                            uint32_t{key.id} << 8 | key.protocol};
  return jhash2(words, frags.hash_key) % ip_frags::kBuckets;
}

template <typename Visit>
void ForEachFragment(sk_buff* first_run, Visit visit) {
  for (sk_buff* run = first_run; run != nullptr;) {
    sk_buff* const next_run = run->next;
    for (sk_buff* skb = run; skb != nullptr;) {
      sk_buff* const next = Cb(skb)->next_in_run;
      visit(skb);
      skb = next;
    }
    run = next_run;
  }
}

void Detach(sk_buff* skb) { skb->next = skb->prev = nullptr; }

// Drops what is queued (inet_frag_rbtree_purge).
void Purge(ipq* queue, DropReason reason) {
  ForEachFragment(queue->first_run, [reason](sk_buff* skb) {
    Detach(skb);
    kfree_skb_reason(skb, reason);
  });
  queue->first_run = queue->last_run = queue->tail = nullptr;
  std::fill(std::begin(queue->zones), std::end(queue->zones), nullptr);
  queue->ns.frags.mem -= queue->mem;
  queue->mem = 0;
}

// Takes the queue off all lists and frees it. REQUIRES: no fragments.
void Destroy(ipq* queue) {
  ip_frags& frags = queue->ns.frags;
  CHECK(queue->first_run == nullptr);
  timer_delete(&queue->timer);
  ipq** at = &frags.buckets[BucketOf(frags, queue->key)];
  while (*at != queue) at = &(*at)->hash_next;
  *at = queue->hash_next;
  queue->Unlink();
  frags.mem -= kQueueLogicalBytes;
  frags.cache.Delete(queue);
}

void Kill(ipq* queue, DropReason reason) {
  Purge(queue, reason);
  Destroy(queue);
}

// The first fragment, whose header an ICMP message would quote, out of its queue; nullptr where it
// has not come.
sk_buff* PullHead(ipq* queue) {
  sk_buff* const head = queue->first_run;
  if (!queue->first_in || head == nullptr) return nullptr;
  sk_buff* const follower = Cb(head)->next_in_run;
  sk_buff* const next_run = head->next;
  if (follower != nullptr) {
    follower->next = next_run;
    if (next_run != nullptr) next_run->prev = follower;
    queue->first_run = follower;
  } else {
    if (next_run != nullptr) next_run->prev = nullptr;
    queue->first_run = next_run;
  }
  Detach(head);
  return head;
}

// An end host tells the sender that the rest did not come (RFC 792, RFC 1122 3.3.2). The route went
// with the queueing, so it is looked up again.
void ReportTimeout(netns_ipv4& ns, sk_buff* head, int iif, uint32_t user) {
  net& net = ns.host_net;
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
  ipq* const queue = static_cast<ipq::Timer*>(timer)->queue;
  netns_ipv4& ns = queue->ns;
  ns.host_net.ip_mib.Inc(IpMib::kReasmFails);
  ns.host_net.ip_mib.Inc(IpMib::kReasmTimeout);
  sk_buff* const head = PullHead(queue);
  const int iif = queue->iif;
  const uint32_t user = queue->key.user;
  Kill(queue, SKB_DROP_REASON_FRAG_REASM_TIMEOUT);
  if (head != nullptr) ReportTimeout(ns, head, iif, user);
}

// ip_find: the queue for a fragment, made where there was none. nullptr where the limits forbid
// another.
ipq* FindQueue(netns_ipv4& ns, const ipq_key& key) {
  ip_frags& frags = ns.frags;
  if (frags.high_thresh <= 0 || frags.mem > static_cast<uint32_t>(frags.high_thresh)) {
    return nullptr;
  }
  ipq** const bucket = &frags.buckets[BucketOf(frags, key)];
  for (ipq* queue = *bucket; queue != nullptr; queue = queue->hash_next) {
    if (queue->key == key) return queue;
  }
  ipq* const queue = frags.cache.New(ns, key);
  if (queue == nullptr) return nullptr;
  queue->hash_next = *bucket;
  *bucket = queue;
  frags.queues.PushBack(queue);
  frags.mem += kQueueLogicalBytes;
  net& net = ns.host_net;
  mod_timer(net.this_cpu(), &queue->timer, net.jiffies() + static_cast<Jiffies>(frags.timeout));
  return queue;
}

// --- One queue. ---

// Whether more than ipfrag_max_dist other fragments of this sender came since the last one: then
// the IDs may have wrapped and the queue begins anew (ip_frag_too_far).
bool IsTooFar(ipq* queue) {
  netns_ipv4& ns = queue->ns;
  if (ns.frags.max_dist <= 0) return false;
  inet_peer* const peer =
      inet_getpeer_v4(ns.peers, queue->key.saddr, static_cast<int>(queue->key.vif));
  if (peer == nullptr) return false;
  const uint32_t start = queue->rid;
  queue->rid = ++peer->rid;
  const bool too_far =
      queue->tail != nullptr && queue->rid - start > static_cast<uint32_t>(ns.frags.max_dist);
  if (too_far) ns.host_net.ip_mib.Inc(IpMib::kReasmFails);
  return too_far;
}

void Restart(ipq* queue) {
  net& net = queue->ns.host_net;
  mod_timer(net.this_cpu(), &queue->timer,
            net.jiffies() + static_cast<Jiffies>(queue->ns.frags.timeout));
  Purge(queue, SKB_DROP_REASON_FRAG_TOO_FAR);
  queue->first_in = queue->last_in = false;
  queue->len = queue->meat = 0;
  queue->ecn = 0;
  queue->iif = 0;
}

enum class Insertion { kDone, kDuplicate, kOverlap };

// The last run that begins at or before `offset`; nullptr where none does.
sk_buff* RunBefore(const ipq* queue, uint32_t offset) {
  for (uint32_t zone = offset / ipq::kZoneBytes + 1; zone-- > 0;) {
    for (sk_buff* run = queue->zones[zone]; run != nullptr; run = run->prev) {
      if (Cb(run)->offset <= offset) return run;
    }
  }
  return nullptr;
}

void InsertRun(ipq* queue, sk_buff* previous, sk_buff* skb) {
  skb->prev = previous;
  skb->next = previous != nullptr ? previous->next : queue->first_run;
  (previous != nullptr ? previous->next : queue->first_run) = skb;
  (skb->next != nullptr ? skb->next->prev : queue->last_run) = skb;
  sk_buff*& zone = queue->zones[Cb(skb)->offset / ipq::kZoneBytes];
  if (zone == nullptr || Cb(zone)->offset < Cb(skb)->offset) zone = skb;
}

// inet_frag_queue_insert. RFC 5722's rule, which Linux keeps for IPv4 too: overlaps kill the queue,
// exact repetitions and parts of what is there do not.
Insertion Insert(ipq* queue, sk_buff* skb, uint32_t offset, uint32_t end) {
  FragCb* const cb = Cb(skb);
  cb->offset = offset;
  cb->run_bytes = skb->len;
  cb->next_in_run = nullptr;
  sk_buff* const tail = queue->tail;
  if (tail == nullptr) {
    InsertRun(queue, nullptr, skb);
    queue->tail = skb;
    return Insertion::kDone;
  }
  if (EndOf(tail) < end) {
    // The usual case: behind all others.
    if (offset < EndOf(tail)) return Insertion::kOverlap;
    if (offset == EndOf(tail)) {
      Cb(tail)->next_in_run = skb;
      Cb(queue->last_run)->run_bytes += skb->len;
    } else {
      InsertRun(queue, queue->last_run, skb);
    }
    queue->tail = skb;
    return Insertion::kDone;
  }
  sk_buff* const previous = RunBefore(queue, offset);
  if (previous != nullptr && offset < RunEnd(previous)) {
    return end <= RunEnd(previous) ? Insertion::kDuplicate : Insertion::kOverlap;
  }
  sk_buff* const following = previous != nullptr ? previous->next : queue->first_run;
  if (following != nullptr && end > Cb(following)->offset) return Insertion::kOverlap;
  InsertRun(queue, previous, skb);
  return Insertion::kDone;
}

// --- The whole. ---

// Joins the others behind the head. What they held of checksums adds up where all are of one kind.
void Append(sk_buff* head, sk_buff* skb, sk_buff** last) {
  (*last == nullptr ? skb_shinfo(head)->frag_list : (*last)->next) = skb;
  *last = skb;
  head->data_len += skb->len;
  head->len += skb->len;
  head->truesize += skb->truesize;
  if (head->ip_summed != skb->ip_summed) {
    head->ip_summed = CHECKSUM_NONE;
  } else if (head->ip_summed == CHECKSUM_COMPLETE) {
    head->csum = csum_add(head->csum, skb->csum);
  }
}

void FinishHeader(ipq* queue, sk_buff* head, uint8_t ecn, uint32_t total) {
  IPCB(head)->frag_max_size = static_cast<uint16_t>(std::max(queue->max_df_size, queue->max_size));
  wire::Ipv4Header* const iph = ip_hdr_writable(head);
  iph->tot_len = static_cast<uint16_t>(total);
  iph->tos |= ecn;
  // All came with DF: forwarded, it must not leave in larger pieces than it came in.
  const bool all_df = queue->max_df_size == queue->max_size;
  iph->frag_off = all_df ? wire::kIpv4DontFragment : uint16_t{0};
  if (all_df) IPCB(head)->flags |= IPSKB_FRAG_PMTU;
  ip_send_check(iph);
}

// ip_frag_reasm. `dst` is the route of the fragment that completed it. nullptr where it came to
// nothing.
sk_buff* Reassemble(ipq* queue, net_device* dev, dst_entry* dst) {
  net& net = queue->ns.host_net;
  const uint8_t ecn = EcnOfDatagram(queue->ecn);
  sk_buff* const head = queue->first_run;
  const uint32_t header_bytes = skb_network_header_len(head);
  const uint32_t total = header_bytes + queue->len;
  // A head that others share, or that has fragments of its own behind it, gets its own linear
  // buffer first.
  const bool ready = ecn != kInvalidMix && total <= wire::kIpv4TotalMax &&
                     (!skb_has_frag_list(head) || skb_linearize(head) == 0) &&
                     (!skb_cloned(head) || pskb_expand_head(head, 0, 0) == 0);
  if (!ready) {
    net.ip_mib.Inc(IpMib::kReasmFails);
    dst_release(dst);
    Kill(queue, SKB_DROP_REASON_IP_FRAGMENT);
    return nullptr;
  }
  sk_buff* last = nullptr;
  Cpu& cpu = net.this_cpu();
  ForEachFragment(queue->first_run, [&](sk_buff* skb) {
    Detach(skb);
    if (skb == head) return;
    cpu.Trace(TraceKind::kDeliver, skb->frame_id, skb->len, queue->key.protocol, 0);
    Append(head, skb, &last);
  });
  __skb_push(head, header_bytes);
  head->dev = dev;
  head->tstamp = queue->stamp;
  skb_dst_set(head, dst);
  FinishHeader(queue, head, ecn, total);
  net.ip_mib.Inc(IpMib::kReasmOKs);
  queue->first_run = nullptr;
  queue->ns.frags.mem -= queue->mem;
  queue->mem = 0;
  Destroy(queue);
  // As after ip_rcv: data at the header.
  return head;
}

// Checks the fragment's ends against what is known of the datagram. False where they contradict it.
bool CheckEnds(ipq* queue, sk_buff* skb, bool more, uint32_t offset, uint32_t* end) {
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

sk_buff* Discard(ipq* queue, sk_buff* skb, DropReason reason) {
  queue->ns.host_net.ip_mib.Inc(IpMib::kReasmFails);
  Kill(queue, SKB_DROP_REASON_IP_FRAGMENT);
  kfree_skb_reason(skb, reason);
  return nullptr;
}

void Account(ipq* queue, sk_buff* skb, const wire::Ipv4Header& iph, uint32_t offset) {
  const auto fragment_bytes = skb->len + static_cast<uint32_t>(iph.header_bytes());
  queue->iif = skb->dev->ifindex;
  queue->stamp = skb->tstamp;
  queue->meat += skb->len;
  queue->ecn |= static_cast<uint8_t>(1 << iph.ecn());
  queue->mem += skb->truesize;
  queue->ns.frags.mem += skb->truesize;
  if (offset == 0) queue->first_in = true;
  queue->max_size = std::max(queue->max_size, fragment_bytes);
  if (iph.dont_fragment()) queue->max_df_size = std::max(queue->max_df_size, fragment_bytes);
}

// ip_frag_queue.
sk_buff* Enqueue(ipq* queue, sk_buff* skb) {
  net& net = queue->ns.host_net;
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
  switch (Insert(queue, skb, offset, end)) {
    case Insertion::kDuplicate:
      kfree_skb_reason(skb, SKB_DROP_REASON_DUP_FRAG);
      return nullptr;
    case Insertion::kOverlap:
      net.ip_ext_mib.Inc(IpExtMib::kReasmOverlaps);
      return Discard(queue, skb, SKB_DROP_REASON_FRAG_OVERLAP);
    case Insertion::kDone:
      break;
  }
  Account(queue, skb, iph, offset);
  dst_entry* const dst = skb->dst;
  skb->dst = nullptr;
  if (queue->first_in && queue->last_in && queue->meat == queue->len) {
    return Reassemble(queue, skb->dev, dst);
  }
  dst_release(dst);
  skb_orphan(skb);
  return nullptr;
}

}  // namespace

ipq::ipq(netns_ipv4& its_ns, const ipq_key& its_key) : ns(its_ns), key(its_key), timer(OnExpire) {
  timer.queue = this;
}

ip_frags::ip_frags(netns_ipv4& its_ns)
    : ns(its_ns),
      cache(its_ns.host_net.world.arena(), "ip4-frags"),
      hash_key(its_ns.host_net.hash_mix) {}

sk_buff* ip_defrag(net& net, sk_buff* skb, uint32_t user) {
  net.ip_mib.Inc(IpMib::kReasmReqds);
  const wire::Ipv4Header& iph = *ip_hdr(skb);
  const ipq_key key{.saddr = iph.saddr,
                    .daddr = iph.daddr,
                    .user = user,
                    .vif = 0,
                    .id = iph.id.host(),
                    .protocol = iph.protocol};
  ipq* const queue = FindQueue(net_ipv4(net), key);
  if (queue == nullptr) {
    net.ip_mib.Inc(IpMib::kReasmFails);
    kfree_skb_reason(skb, SKB_DROP_REASON_IP_FRAGMENT);
    return nullptr;
  }
  return Enqueue(queue, skb);
}

void ip_frags_flush(netns_ipv4& ns) {
  while (ipq* const queue = ns.frags.queues.front()) {
    Kill(queue, SKB_DROP_REASON_IP_FRAGMENT);
  }
}

}  // namespace tapedeck
