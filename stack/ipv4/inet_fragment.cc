#include "stack/ipv4/inet_fragment.h"

#include <algorithm>

#include "stack/base/hash.h"
#include "stack/core/net.h"
#include "stack/kernel/sysctl.h"
#include "stack/wire/ipv4.h"

namespace tapedeck {

namespace {

// IP_DEFRAG_LOCAL_DELIVER and IP6_DEFRAG_LOCAL_DELIVER.
constexpr uint32_t kFragUserLocalDeliver = 0;

// Control block of a fragment in a queue.
struct FragCb {
  uint8_t family_cb[24];  // what the network layer keeps (IPCB, IP6CB)
  uint32_t offset;        // of its payload in the datagram's
  uint32_t run_bytes;     // of the run it heads
  sk_buff* next_in_run;
};
FragCb* Cb(sk_buff* skb) { return SKB_CB<FragCb>(skb); }
uint32_t EndOf(sk_buff* skb) { return Cb(skb)->offset + skb->len; }
uint32_t RunEnd(sk_buff* run) { return Cb(run)->offset + Cb(run)->run_bytes; }

uint32_t BucketOf(const fqdir& dir, const inet_frag_key& key) {
  const Ipv6Address& s = key.saddr.v6();
  const Ipv6Address& d = key.daddr.v6();
  const uint32_t words[] = {s.word(0), s.word(1), s.word(2), s.word(3), d.word(0), d.word(1),
                            d.word(2), d.word(3), key.user,  key.iif,   key.id,    key.protocol};
  return jhash2(words, dir.host_net.hash_mix) % fqdir::kBuckets;
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

void ForgetFragments(inet_frag_queue* queue) {
  queue->first_run = queue->last_run = queue->tail = nullptr;
  std::fill(std::begin(queue->zones), std::end(queue->zones), nullptr);
  queue->dir.mem -= queue->mem;
  queue->mem = 0;
}

// Takes the queue off all lists and frees it. REQUIRES: no fragments.
void Destroy(inet_frag_queue* queue) {
  fqdir& dir = queue->dir;
  CHECK(queue->first_run == nullptr);
  timer_delete(&queue->timer);
  inet_frag_queue** at = &dir.buckets[BucketOf(dir, queue->key)];
  while (*at != queue) at = &(*at)->hash_next;
  *at = queue->hash_next;
  queue->Unlink();
  dir.mem -= dir.queue_logical_bytes;
  dir.cache.Delete(queue);
}

// The last run that begins at or before `offset`; nullptr where none does.
sk_buff* RunBefore(const inet_frag_queue* queue, uint32_t offset) {
  for (uint32_t zone = offset / inet_frag_queue::kZoneBytes + 1; zone-- > 0;) {
    for (sk_buff* run = queue->zones[zone]; run != nullptr; run = run->prev) {
      queue->dir.host_net.this_cpu().CountWork(1);
      if (Cb(run)->offset <= offset) return run;
    }
  }
  return nullptr;
}

void InsertRun(inet_frag_queue* queue, sk_buff* previous, sk_buff* skb) {
  skb->prev = previous;
  skb->next = previous != nullptr ? previous->next : queue->first_run;
  (previous != nullptr ? previous->next : queue->first_run) = skb;
  (skb->next != nullptr ? skb->next->prev : queue->last_run) = skb;
  sk_buff*& zone = queue->zones[Cb(skb)->offset / inet_frag_queue::kZoneBytes];
  if (zone == nullptr || Cb(zone)->offset < Cb(skb)->offset) zone = skb;
}

// Joins one more behind the head: its bytes, where they fit or its buffer can be a page of the head
// and `coalesce` allows it, else in the frag_list, whose end is `last`. What the two held of
// checksums adds up where both are of one kind.
void Append(sk_buff* head, sk_buff* skb, bool coalesce, sk_buff** last) {
  if (head->ip_summed != skb->ip_summed) {
    head->ip_summed = CHECKSUM_NONE;
  } else if (head->ip_summed == CHECKSUM_COMPLETE) {
    head->csum = csum_add(head->csum, skb->csum);
  }
  bool stolen = false;
  uint32_t delta = 0;
  if (coalesce && skb_try_coalesce(head, skb, &stolen, &delta)) {
    kfree_skb_partial(skb, stolen);
    return;
  }
  (*last == nullptr ? skb_shinfo(head)->frag_list : (*last)->next) = skb;
  *last = skb;
  head->data_len += skb->len;
  head->len += skb->len;
  head->truesize += skb->truesize;
}

}  // namespace

inet_frag_queue::inet_frag_queue(fqdir& its_dir, const inet_frag_key& its_key)
    : dir(its_dir), key(its_key), timer(its_dir.expire) {
  timer.queue = this;
}

fqdir::fqdir(net& its_net, const char* cache_name, uint32_t queue_bytes,
             void (*on_expire)(TimerList* timer))
    : host_net(its_net),
      cache(its_net.world.arena(), cache_name),
      queue_logical_bytes(queue_bytes),
      expire(on_expire) {}

void fqdir_sysctl_list(SysctlFiles& files, fqdir& dir, const char* high_thresh,
                       const char* low_thresh, const char* time) {
  files.AddInt(high_thresh, &dir.high_thresh, dir.low_thresh, INT32_MAX);
  files.AddInt(low_thresh, &dir.low_thresh, 0, dir.high_thresh);
  files.AddJiffies(time, &dir.timeout);
}

inet_frag_queue* inet_frag_find(fqdir& dir, const inet_frag_key& key) {
  if (dir.high_thresh <= 0 || dir.mem > static_cast<uint32_t>(dir.high_thresh)) return nullptr;
  inet_frag_queue** const bucket = &dir.buckets[BucketOf(dir, key)];
  for (inet_frag_queue* queue = *bucket; queue != nullptr; queue = queue->hash_next) {
    if (queue->key == key) return queue;
  }
  inet_frag_queue* const queue = dir.cache.New(dir, key);
  if (queue == nullptr) return nullptr;
  queue->hash_next = *bucket;
  *bucket = queue;
  dir.queues.PushBack(queue);
  dir.mem += dir.queue_logical_bytes;
  inet_frag_restart_timer(queue);
  return queue;
}

void inet_frag_restart_timer(inet_frag_queue* queue) {
  net& net = queue->dir.host_net;
  mod_timer(net.this_cpu(), &queue->timer,
            net.jiffies() + static_cast<Jiffies>(queue->dir.timeout));
}

FragInsertion inet_frag_queue_insert(inet_frag_queue* queue, sk_buff* skb, uint32_t offset,
                                     uint32_t end) {
  FragCb* const cb = Cb(skb);
  cb->offset = offset;
  cb->run_bytes = skb->len;
  cb->next_in_run = nullptr;
  sk_buff* const tail = queue->tail;
  if (tail == nullptr) {
    InsertRun(queue, nullptr, skb);
    queue->tail = skb;
    return FragInsertion::kDone;
  }
  if (EndOf(tail) < end) {
    // The usual case: behind all others.
    if (offset < EndOf(tail)) return FragInsertion::kOverlap;
    if (offset == EndOf(tail)) {
      Cb(tail)->next_in_run = skb;
      Cb(queue->last_run)->run_bytes += skb->len;
    } else {
      InsertRun(queue, queue->last_run, skb);
    }
    queue->tail = skb;
    return FragInsertion::kDone;
  }
  sk_buff* const previous = RunBefore(queue, offset);
  if (previous != nullptr && offset < RunEnd(previous)) {
    return end <= RunEnd(previous) ? FragInsertion::kDuplicate : FragInsertion::kOverlap;
  }
  sk_buff* const following = previous != nullptr ? previous->next : queue->first_run;
  if (following != nullptr && end > Cb(following)->offset) return FragInsertion::kOverlap;
  InsertRun(queue, previous, skb);
  return FragInsertion::kDone;
}

void inet_frag_account(inet_frag_queue* queue, const sk_buff* skb, uint32_t offset,
                       uint32_t fragment_bytes, uint8_t ecn) {
  queue->iif = skb->dev->ifindex;
  queue->stamp = skb->tstamp;
  queue->meat += skb->len;
  queue->ecn |= static_cast<uint8_t>(1 << ecn);
  queue->mem += skb->truesize;
  queue->dir.mem += skb->truesize;
  if (offset == 0) queue->first_in = true;
  queue->max_size = std::max(queue->max_size, fragment_bytes);
}

void inet_frag_queue_flush(inet_frag_queue* queue, DropReason reason) {
  ForEachFragment(queue->first_run, [reason](sk_buff* skb) {
    Detach(skb);
    kfree_skb_reason(skb, reason);
  });
  ForgetFragments(queue);
}

void inet_frag_kill(inet_frag_queue* queue, DropReason reason) {
  inet_frag_queue_flush(queue, reason);
  Destroy(queue);
}

sk_buff* inet_frag_pull_head(inet_frag_queue* queue) {
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

uint8_t ip_frag_ecn(uint8_t codepoints_seen) {
  constexpr uint8_t kNotEctBit = 1 << wire::kEcnNotEct;
  constexpr uint8_t kCeBit = 1 << wire::kEcnCe;
  if ((codepoints_seen & kNotEctBit) != 0 && codepoints_seen != kNotEctBit) return kFragEcnInvalid;
  const bool marked = (codepoints_seen & kCeBit) != 0 && codepoints_seen != kCeBit;
  return marked ? wire::kEcnCe : uint8_t{0};
}

sk_buff* inet_frag_reasm(inet_frag_queue* queue) {
  sk_buff* const head = queue->first_run;
  // A head that others share, or that has fragments of its own behind it, gets its own linear
  // buffer first.
  const bool ready = (!skb_has_frag_list(head) || skb_linearize(head) == 0) &&
                     (!skb_cloned(head) || pskb_expand_head(head, 0, 0) == 0);
  if (!ready) return nullptr;
  // What others than the host itself reassemble goes on in the pieces it came in.
  const bool coalesce = queue->key.user == kFragUserLocalDeliver;
  sk_buff* last = nullptr;
  Cpu& cpu = queue->dir.host_net.this_cpu();
  ForEachFragment(queue->first_run, [&](sk_buff* skb) {
    Detach(skb);
    if (skb == head) return;
    cpu.Trace(TraceKind::kDeliver, skb->frame_id, skb->len, queue->key.protocol, 0);
    Append(head, skb, coalesce, &last);
  });
  head->tstamp = queue->stamp;
  ForgetFragments(queue);
  Destroy(queue);
  return head;
}

void fqdir_flush(fqdir& dir) {
  while (inet_frag_queue* const queue = dir.queues.front()) {
    inet_frag_kill(queue, SKB_DROP_REASON_IP_FRAGMENT);
  }
}

}  // namespace tapedeck
