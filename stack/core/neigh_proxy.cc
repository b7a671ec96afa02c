// Answering for others: the addresses that we do it for, and questions for them that wait.
#include <cerrno>
#include <cstring>
#include <new>

#include "stack/core/dst.h"
#include "stack/core/neigh_internal.h"
#include "stack/core/neighbour.h"
#include "stack/core/net.h"

namespace tapedeck {

namespace {

// When a question for a proxied address is to be answered, in its control block.
struct ProxyCb {
  Jiffies due;
};

// By the last four bytes of the address.
pneigh_entry** BucketOf(neigh_table* tbl, const void* key) {
  uint32_t hash = LoadLe32(static_cast<const uint8_t*>(key) + tbl->key_len - 4);
  hash ^= hash >> 16;
  hash ^= hash >> 8;
  hash ^= hash >> 4;
  return &tbl->phash_buckets[hash % neigh_table::kProxyBuckets];
}

bool SameKey(const neigh_table* tbl, const pneigh_entry* entry, const void* key) {
  return std::memcmp(entry->key, key, tbl->key_len) == 0;
}

// Takes an entry off its bucket for good.
void Destroy(neigh_table* tbl, pneigh_entry** link) {
  pneigh_entry* const entry = *link;
  *link = entry->next;
  if (tbl->pdestructor != nullptr) tbl->pdestructor(entry);
  dev_put(entry->dev);
  tbl->host_net.kernel.kmalloc().Free(entry, sizeof(*entry));
}

}  // namespace

namespace neigh_internal {

void pneigh_ifdown(neigh_table* tbl, const net_device* dev, bool skip_permanent) {
  for (pneigh_entry*& bucket : tbl->phash_buckets) {
    for (pneigh_entry** link = &bucket; *link != nullptr;) {
      const pneigh_entry* const entry = *link;
      const bool keep =
          (skip_permanent && entry->permanent) || (dev != nullptr && entry->dev != dev);
      if (keep) {
        link = &(*link)->next;
      } else {
        Destroy(tbl, link);
      }
    }
  }
}

void neigh_proxy_process(TimerList* timer) {
  neigh_table* const tbl = static_cast<neigh_table::Timer*>(timer)->tbl;
  net& net = tbl->host_net;
  const Jiffies now = net.jiffies();
  Jiffies next = 0;
  for (sk_buff *skb = skb_peek(&tbl->proxy_queue), *behind = nullptr; skb != nullptr;
       skb = behind) {
    behind = skb_peek_next(skb, &tbl->proxy_queue);
    const Jiffies due = SKB_CB<ProxyCb>(skb)->due;
    if (due > now) {
      if (next == 0 || due < next) next = due;
      continue;
    }
    __skb_unlink(skb, &tbl->proxy_queue);
    net_device* const dev = skb->dev;
    if (tbl->proxy_redo != nullptr && netif_running(dev)) {
      tbl->proxy_redo(skb);
    } else {
      kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);
    }
    dev_put(dev);
  }
  timer_delete(timer);
  if (next != 0) mod_timer(net.this_cpu(), timer, next);
}

void pneigh_queue_purge(neigh_table* tbl, const net_device* dev) {
  for (sk_buff *skb = skb_peek(&tbl->proxy_queue), *behind = nullptr; skb != nullptr;
       skb = behind) {
    behind = skb_peek_next(skb, &tbl->proxy_queue);
    if (dev != nullptr && skb->dev != dev) continue;
    __skb_unlink(skb, &tbl->proxy_queue);
    dev_put(skb->dev);
    kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_DEAD);
  }
  if (skb_queue_empty(&tbl->proxy_queue)) timer_delete(&tbl->proxy_timer);
}

}  // namespace neigh_internal

pneigh_entry* pneigh_lookup(neigh_table* tbl, const void* key, const net_device* dev) {
  for (pneigh_entry* entry = *BucketOf(tbl, key); entry != nullptr; entry = entry->next) {
    if (SameKey(tbl, entry, key) && (entry->dev == dev || entry->dev == nullptr)) return entry;
  }
  return nullptr;
}

int pneigh_create(neigh_table* tbl, const void* key, net_device* dev, uint8_t flags,
                  bool permanent) {
  pneigh_entry* entry = pneigh_lookup(tbl, key, dev);
  if (entry == nullptr) {
    Kmalloc& kmalloc = tbl->host_net.kernel.kmalloc();
    void* const memory = kmalloc.Alloc(sizeof(pneigh_entry));
    if (memory == nullptr) return -ENOBUFS;
    entry = new (memory) pneigh_entry;
    std::memcpy(entry->key, key, tbl->key_len);
    entry->dev = dev;
    if (tbl->pconstructor != nullptr && tbl->pconstructor(entry) != 0) {
      kmalloc.Free(entry, sizeof(*entry));
      return -ENOBUFS;
    }
    if (dev != nullptr) dev_hold(dev);
    pneigh_entry** const bucket = BucketOf(tbl, key);
    entry->next = *bucket;
    *bucket = entry;
  }
  entry->flags = flags;
  entry->permanent = permanent;
  return 0;
}

int pneigh_delete(neigh_table* tbl, const void* key, const net_device* dev) {
  for (pneigh_entry** link = BucketOf(tbl, key); *link != nullptr; link = &(*link)->next) {
    if (!SameKey(tbl, *link, key) || (*link)->dev != dev) continue;
    Destroy(tbl, link);
    return 0;
  }
  return -ENOENT;
}

void pneigh_enqueue(neigh_table* tbl, neigh_parms* parms, sk_buff* skb) {
  net& net = tbl->host_net;
  const auto delay = static_cast<uint32_t>(parms->proxy_delay);
  Jiffies due = net.jiffies() + (delay == 0 ? 0 : tbl->prng.Below(delay));
  if (skb_queue_len(&tbl->proxy_queue) > static_cast<uint32_t>(parms->proxy_qlen)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_QUEUEFULL);
    return;
  }
  SKB_CB<ProxyCb>(skb)->due = due;
  if (tbl->proxy_timer.pending() && tbl->proxy_timer.expires < due) due = tbl->proxy_timer.expires;
  skb_dst_drop(skb);
  dev_hold(skb->dev);
  __skb_queue_tail(&tbl->proxy_queue, skb);
  mod_timer(net.this_cpu(), &tbl->proxy_timer, due);
}

}  // namespace tapedeck
