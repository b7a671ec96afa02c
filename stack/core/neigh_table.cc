// Tables of neighbours: finding, making and collecting entries.
#include <cerrno>
#include <cstring>

#include "stack/core/neigh_internal.h"
#include "stack/core/neighbour.h"
#include "stack/core/net.h"

namespace tapedeck {

using neigh_internal::MaybeArmGc;

namespace {

constexpr uint32_t kHashShiftMax = 13;  // 64 KiB of buckets
constexpr uint64_t kForcedGcAgeSeconds = 5;

Jiffies Seconds(const neigh_table* tbl, uint64_t seconds) {
  return seconds * tbl->host_net.kernel.hz();
}

neighbour** BucketOf(const neigh_table* tbl, const void* key, const net_device* dev) {
  const auto* const bytes = static_cast<const uint8_t*>(key);
  const auto ifindex = static_cast<uint32_t>(dev->ifindex);
  uint32_t hash = jhash_2words(LoadLe32(bytes), ifindex, tbl->hash_rnd);
  for (uint32_t i = 4; i < tbl->key_len; i += 4) {
    hash = jhash_1word(LoadLe32(bytes + i), hash);
  }
  return &tbl->buckets[hash >> (32 - tbl->hash_shift)];
}

bool SameKey(const neighbour* n, const void* key, const net_device* dev) {
  return n->dev == dev && std::memcmp(n->primary_key, key, n->tbl->key_len) == 0;
}

neighbour** NewBuckets(neigh_table* tbl, uint32_t shift) {
  const size_t bytes = sizeof(neighbour*) << shift;
  void* const memory = tbl->host_net.kernel.kmalloc().Alloc(bytes);
  if (memory != nullptr) std::memset(memory, 0, bytes);
  return static_cast<neighbour**>(memory);
}

// Doubles the buckets where entries outnumber them, with a new key.
void MaybeGrow(neigh_table* tbl) {
  if (tbl->entries <= (1U << tbl->hash_shift) || tbl->hash_shift >= kHashShiftMax) return;
  const uint32_t old_shift = tbl->hash_shift;
  neighbour** const old = tbl->buckets;
  neighbour** const grown = NewBuckets(tbl, old_shift + 1);
  if (grown == nullptr) return;
  ++tbl->stats.hash_grows;
  tbl->buckets = grown;
  tbl->hash_shift = old_shift + 1;
  tbl->hash_rnd = tbl->prng.Next32();
  for (uint32_t i = 0; i < (1U << old_shift); ++i) {
    while (neighbour* const n = old[i]) {
      old[i] = n->next;
      neighbour** const bucket = BucketOf(tbl, n->primary_key, n->dev);
      n->next = *bucket;
      *bucket = n;
    }
  }
  tbl->host_net.kernel.kmalloc().Free(static_cast<void*>(old), sizeof(neighbour*) << old_shift);
}

// Takes an entry out of the table: nobody finds it any more, and the table's reference goes.
void Remove(neighbour** link) {
  neighbour* const n = *link;
  *link = n->next;
  n->next = nullptr;
  n->dead = true;
  if (n->linked()) {
    n->Unlink();
    --n->tbl->gc_entries;
  }
  neigh_release(n);
}

neighbour** LinkOf(neighbour* n) {
  neighbour** link = BucketOf(n->tbl, n->primary_key, n->dev);
  while (*link != nullptr && *link != n) link = &(*link)->next;
  return *link == nullptr ? nullptr : link;
}

// Collects what nobody uses and is older than five seconds or of no use, until with the entry to
// come there are gc_thresh2. True where anything went.
bool neigh_forced_gc(neigh_table* tbl) {
  const int64_t max_clean = int64_t{tbl->gc_entries} + 1 - tbl->gc_thresh2;
  const Jiffies now = tbl->host_net.jiffies();
  const Jiffies age = Seconds(tbl, kForcedGcAgeSeconds);
  int64_t removed = 0;
  ++tbl->stats.forced_gc_runs;
  neighbour* next = nullptr;
  for (neighbour* n = tbl->gc_list.front(); n != nullptr; n = next) {
    next = tbl->gc_list.Next(n);
    if (n->refcount != 1) continue;
    const bool useless = n->nud_state == NUD_FAILED || n->nud_state == NUD_NOARP ||
                         (tbl->is_multicast != nullptr && tbl->is_multicast(n->primary_key));
    if (useless || n->updated + age < now) {
      Remove(LinkOf(n));
      ++removed;
    }
    if (removed >= max_clean) break;
  }
  tbl->last_flush = now;
  return removed > 0;
}

// Whether the table takes one more entry, after collecting if need be.
bool RoomForOne(neigh_table* tbl) {
  const auto thresh2 = static_cast<uint32_t>(tbl->gc_thresh2);
  const auto thresh3 = static_cast<uint32_t>(tbl->gc_thresh3);
  const uint32_t entries = tbl->gc_entries;
  const Jiffies quiet_until = tbl->last_flush + Seconds(tbl, kForcedGcAgeSeconds);
  const bool collect =
      entries >= thresh3 || (entries >= thresh2 && tbl->host_net.jiffies() > quiet_until);
  if (!collect || neigh_forced_gc(tbl) || entries < thresh3) return true;
  ++tbl->stats.table_fulls;
  return false;
}

neigh_parms* ParmsOf(neigh_table* tbl, const net_device* dev) {
  for (neigh_parms& parms : tbl->parms_list) {
    if (parms.dev == dev) return &parms;
  }
  return &tbl->parms;
}

// `exempt_from_gc`: the entry takes no room, however full the table is.
neighbour* neigh_alloc(neigh_table* tbl, const void* key, net_device* dev, bool exempt_from_gc) {
  if (!exempt_from_gc && !RoomForOne(tbl)) return nullptr;
  neighbour* const n = tbl->cache.New();
  if (n == nullptr) return nullptr;
  const Jiffies now = tbl->host_net.jiffies();
  n->tbl = tbl;
  n->dev = dev;
  dev_hold(dev);
  n->parms = ParmsOf(tbl, dev);
  n->updated = n->used = now;
  n->confirmed = now - 2 * static_cast<Jiffies>(n->parms->base_reachable_time);
  n->protocol = tbl->protocol;
  n->output = neigh_internal::neigh_blackhole;
  n->timer.neigh = n;
  std::memcpy(n->primary_key, key, tbl->key_len);
  ++tbl->entries;
  ++tbl->stats.allocs;
  return n;
}

void Link(neighbour* n, bool exempt_from_gc) {
  neigh_table* const tbl = n->tbl;
  MaybeGrow(tbl);
  neighbour** const bucket = BucketOf(tbl, n->primary_key, n->dev);
  n->next = *bucket;
  *bucket = n;
  if (!exempt_from_gc) {
    tbl->gc_list.PushBack(n);
    ++tbl->gc_entries;
  }
  MaybeArmGc(tbl);
}

// Whether periodic collection will have to look at this entry again.
bool MayBeCollected(const neighbour* n) {
  return n->refcount == 1 && (n->nud_state & (NUD_PERMANENT | NUD_IN_TIMER)) == 0 &&
         (n->flags & NTF_EXT_LEARNED) == 0;
}

// neigh_periodic_work. True where an entry is left that only time keeps in the table.
bool CollectOld(neigh_table* tbl) {
  const Jiffies now = tbl->host_net.jiffies();
  bool again = false;
  ++tbl->stats.periodic_gc_runs;
  for (uint32_t i = 0; i < (1U << tbl->hash_shift); ++i) {
    for (neighbour** link = &tbl->buckets[i]; *link != nullptr;) {
      neighbour* const n = *link;
      if (!MayBeCollected(n)) {
        link = &n->next;
        continue;
      }
      if (n->used < n->confirmed) n->used = n->confirmed;
      const Jiffies keep = n->used + static_cast<Jiffies>(n->parms->gc_staletime);
      if (n->nud_state == NUD_FAILED || now >= keep) {
        Remove(link);
      } else {
        again = true;
        link = &n->next;
      }
    }
  }
  return again;
}

Jiffies GcInterval(const neigh_table* tbl) {
  return static_cast<Jiffies>(tbl->parms.base_reachable_time / 2);
}

bool GcWanted(const neigh_table* tbl) {
  return tbl->entries >= static_cast<uint32_t>(tbl->gc_thresh1);
}

void GcTimerExpired(TimerList* timer) {
  neigh_table* const tbl = static_cast<neigh_table::Timer*>(timer)->tbl;
  if (!GcWanted(tbl) || !CollectOld(tbl)) return;
  net& net = tbl->host_net;
  mod_timer(net.this_cpu(), timer, net.jiffies() + GcInterval(tbl));
}

// Takes an entry out of service whoever holds it: its packets and its timer go, and so does every
// packet to come.
void Kill(neighbour** link) {
  neighbour* const n = *link;
  neigh_internal::neigh_del_timer(n);
  if (n->refcount != 1) {
    __skb_queue_purge_reason(&n->arp_queue, SKB_DROP_REASON_NEIGH_DEAD);
    n->arp_queue_len_bytes = 0;
    n->output = neigh_internal::neigh_blackhole;
    neigh_internal::SetState(n, (n->nud_state & NUD_VALID) != 0 ? NUD_NOARP : NUD_NONE);
  }
  Remove(link);
}

// neigh_flush_dev: the entries of `dev`; nullptr: all.
void neigh_flush_dev(neigh_table* tbl, const net_device* dev, bool skip_permanent) {
  for (uint32_t i = 0; i < (1U << tbl->hash_shift); ++i) {
    for (neighbour** link = &tbl->buckets[i]; *link != nullptr;) {
      neighbour* const n = *link;
      const bool keep = (dev != nullptr && n->dev != dev) ||
                        (skip_permanent && (n->nud_state & NUD_PERMANENT) != 0);
      if (keep) {
        link = &n->next;
      } else {
        Kill(link);
      }
    }
  }
}

}  // namespace

namespace neigh_internal {

// The kernel's collector wakes up all the time and does nothing in small tables; ours sleeps as
// long as it has nothing to do.
void MaybeArmGc(neigh_table* tbl) {
  if (!GcWanted(tbl) || tbl->gc_timer.pending()) return;
  net& net = tbl->host_net;
  mod_timer(net.this_cpu(), &tbl->gc_timer, net.jiffies() + GcInterval(tbl));
}

void neigh_update_gc_list(neighbour* neigh) {
  neigh_table* const tbl = neigh->tbl;
  if (neigh->dead) return;
  const bool exempt =
      (neigh->nud_state & NUD_PERMANENT) != 0 || (neigh->flags & NTF_EXT_LEARNED) != 0;
  if (exempt && neigh->linked()) {
    neigh->Unlink();
    --tbl->gc_entries;
  } else if (!exempt && !neigh->linked()) {
    tbl->gc_list.PushBack(neigh);
    ++tbl->gc_entries;
    MaybeArmGc(tbl);
  }
}

neighbour* ___neigh_create(neigh_table* tbl, const void* key, net_device* dev, uint8_t flags,
                           bool exempt_from_gc) {
  neighbour* const n = neigh_alloc(tbl, key, dev, exempt_from_gc);
  if (n == nullptr) return nullptr;
  n->flags = flags;
  if (tbl->constructor(n) != 0) {
    n->dead = true;
    neigh_release(n);
    return nullptr;
  }
  Link(n, exempt_from_gc);
  return n;
}

}  // namespace neigh_internal

neighbour::neighbour() : timer(neigh_internal::neigh_timer_handler) {}

neigh_table::neigh_table(net& its_net, const char* table_id, uint16_t table_family,
                         uint16_t table_protocol, uint8_t table_key_len,
                         const char* sysctl_prefix_path, Prng& table_prng)
    : host_net(its_net),
      prng(table_prng),
      id(table_id),
      sysctl_prefix(sysctl_prefix_path),
      family(table_family),
      protocol(table_protocol),
      key_len(table_key_len),
      hash_rnd(table_prng.Next32()),
      cache(its_net.world.arena(), table_id),
      proxy_timer(neigh_internal::neigh_proxy_process),
      gc_timer(GcTimerExpired) {
  CHECK(key_len == 4 || key_len == sizeof(neighbour::primary_key));
  proxy_timer.tbl = gc_timer.tbl = this;
  last_flush = its_net.jiffies();
  buckets = NewBuckets(this, hash_shift);
  CHECK(buckets != nullptr);
  neigh_internal::InitDefaultParms(this);
}

neighbour* __neigh_lookup_noref(neigh_table* tbl, const void* key, const net_device* dev) {
  ++tbl->stats.lookups;
  for (neighbour* n = *BucketOf(tbl, key, dev); n != nullptr; n = n->next) {
    if (!SameKey(n, key, dev)) continue;
    ++tbl->stats.hits;
    return n;
  }
  return nullptr;
}

neighbour* neigh_lookup(neigh_table* tbl, const void* key, const net_device* dev) {
  return neigh_clone(__neigh_lookup_noref(tbl, key, dev));
}

neighbour* neigh_create_noref(neigh_table* tbl, const void* key, net_device* dev) {
  neighbour* const found = __neigh_lookup_noref(tbl, key, dev);
  if (found != nullptr) return found;
  return neigh_internal::___neigh_create(tbl, key, dev, 0, (dev->flags & IFF_LOOPBACK) != 0);
}

neighbour* neigh_create(neigh_table* tbl, const void* key, net_device* dev) {
  return neigh_clone(neigh_create_noref(tbl, key, dev));
}

void neigh_destroy(neighbour* neigh) {
  CHECK(neigh->dead && !neigh->timer.pending());
  neigh_table* const tbl = neigh->tbl;
  __skb_queue_purge_reason(&neigh->arp_queue, SKB_DROP_REASON_NEIGH_DEAD);
  dev_put(neigh->dev);
  --tbl->entries;
  ++tbl->stats.destroys;
  tbl->cache.Delete(neigh);
}

bool neigh_remove_one(neighbour* neigh) {
  neighbour** const link = LinkOf(neigh);
  if (link == nullptr || neigh->refcount != 1) return false;
  Remove(link);
  return true;
}

void neigh_changeaddr(neigh_table* tbl, net_device* dev) {
  neigh_flush_dev(tbl, dev, /*skip_permanent=*/false);
}

void neigh_ifdown(neigh_table* tbl, net_device* dev) {
  neigh_flush_dev(tbl, dev, /*skip_permanent=*/false);
  neigh_internal::pneigh_ifdown(tbl, dev, /*skip_permanent=*/false);
  neigh_internal::pneigh_queue_purge(tbl, dev);
}

void neigh_carrier_down(neigh_table* tbl, net_device* dev) {
  neigh_flush_dev(tbl, dev, /*skip_permanent=*/true);
  neigh_internal::pneigh_ifdown(tbl, dev, /*skip_permanent=*/true);
  neigh_internal::pneigh_queue_purge(tbl, dev);
}

void neigh_table_clear(neigh_table* tbl) {
  neigh_flush_dev(tbl, nullptr, /*skip_permanent=*/false);
  neigh_internal::pneigh_ifdown(tbl, nullptr, /*skip_permanent=*/false);
  neigh_internal::pneigh_queue_purge(tbl, nullptr);
  timer_delete(&tbl->gc_timer);
}

}  // namespace tapedeck
