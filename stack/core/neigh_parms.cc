// Settings of neighbour tables, and answering for others (proxy).
#include <cstdio>
#include <cstring>

#include "stack/core/dst.h"
#include "stack/core/neigh_internal.h"
#include "stack/core/neighbour.h"
#include "stack/core/net.h"

namespace tapedeck {

namespace {

constexpr uint64_t kRedrawSeconds = 300;  // how long a drawn reachable time is used

struct Setting {
  const char* name;
  SysctlKind kind;
  int32_t neigh_parms::* field;
};

// The files of net/ipv4/neigh/<dev>/. Left out: those whose unit is USER_HZ or packets and that
// have a newer name in milliseconds or bytes (retrans_time, unres_qlen), and the three in USER_HZ
// that have none (anycast_delay, proxy_delay, locktime).
constexpr Setting kSettings[] = {
    {"mcast_solicit", SysctlKind::kInt, &neigh_parms::mcast_probes},
    {"ucast_solicit", SysctlKind::kInt, &neigh_parms::ucast_probes},
    {"app_solicit", SysctlKind::kInt, &neigh_parms::app_probes},
    {"mcast_resolicit", SysctlKind::kInt, &neigh_parms::mcast_reprobes},
    {"retrans_time_ms", SysctlKind::kMsJiffies, &neigh_parms::retrans_time},
    {"base_reachable_time", SysctlKind::kJiffies, &neigh_parms::base_reachable_time},
    {"base_reachable_time_ms", SysctlKind::kMsJiffies, &neigh_parms::base_reachable_time},
    {"delay_first_probe_time", SysctlKind::kJiffies, &neigh_parms::delay_probe_time},
    {"interval_probe_time_ms", SysctlKind::kMsJiffies, &neigh_parms::interval_probe_time},
    {"gc_stale_time", SysctlKind::kJiffies, &neigh_parms::gc_staletime},
    {"unres_qlen_bytes", SysctlKind::kInt, &neigh_parms::queue_len_bytes},
    {"proxy_qlen", SysctlKind::kInt, &neigh_parms::proxy_qlen},
};

// What a file needs to know when it has been written.
struct SettingFile {
  neigh_table* tbl;
  neigh_parms* parms;
  uint32_t setting;  // index of kSettings
};

// A default is followed by each device that has no value of its own (neigh_copy_dflt_parms).
void SettingChanged(void* context) {
  const auto* const file = static_cast<SettingFile*>(context);
  const Setting& setting = kSettings[file->setting];
  const bool reachable = setting.field == &neigh_parms::base_reachable_time;
  neigh_parms* const parms = file->parms;
  if (reachable) neigh_internal::DrawReachableTime(parms);
  if (parms != &file->tbl->parms) {
    parms->data_state |= 1U << file->setting;
    return;
  }
  for (neigh_parms& p : file->tbl->parms_list) {
    if ((p.data_state >> file->setting & 1) != 0) continue;
    p.*setting.field = parms->*setting.field;
    if (reachable) neigh_internal::DrawReachableTime(&p);
  }
}

const char* PathOf(neigh_table* tbl, const char* dev_name, const char* name) {
  char path[128];
  const int bytes =
      std::snprintf(path, sizeof(path), "%s/%s/%s", tbl->sysctl_prefix, dev_name, name);
  CHECK(bytes > 0 && bytes < static_cast<int>(sizeof(path)));
  char* const copy = tbl->host_net.world.arena().NewArray<char>(static_cast<size_t>(bytes) + 1);
  std::memcpy(copy, path, static_cast<size_t>(bytes) + 1);
  return copy;
}

SysctlEntry* RegisterSetting(SysctlTree& tree, const Setting& setting, const char* path,
                             int32_t* value) {
  switch (setting.kind) {
    case SysctlKind::kJiffies:
      return tree.RegisterJiffies(path, value);
    case SysctlKind::kMsJiffies:
      return tree.RegisterMsJiffies(path, value);
    case SysctlKind::kInt:
    case SysctlKind::kUnsigned:
    case SysctlKind::kString:
    case SysctlKind::kText:
      return tree.RegisterInt(path, value, 0);
  }
  return nullptr;
}

// When a question for a proxied address is to be answered, in its control block.
struct ProxyCb {
  Jiffies due;
};

}  // namespace

namespace neigh_internal {

void DrawReachableTime(neigh_parms* parms) {
  net& net = parms->tbl->host_net;
  const auto base = static_cast<uint32_t>(parms->base_reachable_time);
  parms->last_rand = net.jiffies();
  parms->reachable_time = base == 0 ? 0 : net.kernel.prng().Below(base) + (base >> 1);
}

Jiffies ReachableTime(neigh_parms* parms) {
  net& net = parms->tbl->host_net;
  if (net.jiffies() > parms->last_rand + kRedrawSeconds * net.kernel.hz()) {
    DrawReachableTime(parms);
  }
  return parms->reachable_time;
}

void InitDefaultParms(neigh_table* tbl) {
  const auto hz = static_cast<int32_t>(tbl->host_net.kernel.hz());
  neigh_parms& p = tbl->parms;
  p.tbl = tbl;
  p.retrans_time = hz;
  p.base_reachable_time = 30 * hz;
  p.delay_probe_time = 5 * hz;
  p.interval_probe_time = 5 * hz;
  p.gc_staletime = 60 * hz;
  p.anycast_delay = hz;
  p.proxy_delay = 8 * hz / 10;
  p.locktime = hz;
  DrawReachableTime(&p);
  tbl->gc_interval = 30 * hz;
  RegisterParms(tbl, &p, "default");
  SysctlTree& tree = tbl->host_net.kernel.sysctl();
  tree.RegisterJiffies(PathOf(tbl, "default", "gc_interval"), &tbl->gc_interval);
  tree.RegisterInt(PathOf(tbl, "default", "gc_thresh1"), &tbl->gc_thresh1, 0);
  tree.RegisterInt(PathOf(tbl, "default", "gc_thresh2"), &tbl->gc_thresh2, 0);
  tree.RegisterInt(PathOf(tbl, "default", "gc_thresh3"), &tbl->gc_thresh3, 0);
}

void RegisterParms(neigh_table* tbl, neigh_parms* parms, const char* dev_name) {
  SysctlTree& tree = tbl->host_net.kernel.sysctl();
  uint32_t index = 0;
  for (const Setting& setting : kSettings) {
    const char* const path = PathOf(tbl, dev_name, setting.name);
    SysctlEntry* const entry = RegisterSetting(tree, setting, path, &(parms->*setting.field));
    entry->changed = SettingChanged;
    entry->context = tbl->host_net.world.arena().New<SettingFile>(SettingFile{tbl, parms, index});
    ++index;
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

neigh_parms* neigh_parms_alloc(net_device* dev, neigh_table* tbl) {
  // Its files outlive the device, so it is never freed.
  auto* const parms = tbl->host_net.world.arena().New<neigh_parms>();
  for (const Setting& setting : kSettings) parms->*setting.field = tbl->parms.*setting.field;
  parms->tbl = tbl;
  parms->dev = dev;
  parms->anycast_delay = tbl->parms.anycast_delay;
  parms->proxy_delay = tbl->parms.proxy_delay;
  parms->locktime = tbl->parms.locktime;
  neigh_internal::DrawReachableTime(parms);
  tbl->parms_list.PushBack(parms);
  neigh_internal::RegisterParms(tbl, parms, dev->name);
  return parms;
}

void neigh_parms_release(neigh_table* /*tbl*/, neigh_parms* parms) {
  parms->Unlink();
  parms->dev = nullptr;
}

void pneigh_enqueue(neigh_table* tbl, neigh_parms* parms, sk_buff* skb) {
  net& net = tbl->host_net;
  const auto delay = static_cast<uint32_t>(parms->proxy_delay);
  Jiffies due = net.jiffies() + (delay == 0 ? 0 : net.kernel.prng().Below(delay));
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
