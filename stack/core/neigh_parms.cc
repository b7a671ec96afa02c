// Settings of neighbour tables (net/ipv4/neigh, net/ipv6/neigh).
#include <cerrno>
#include <charconv>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "stack/core/neigh_internal.h"
#include "stack/core/neighbour.h"
#include "stack/core/net.h"

namespace tapedeck {

namespace {

constexpr uint32_t kUserTicks = 100;  // USER_HZ
constexpr uint32_t kEthernetFrameBytes = 1514;
constexpr uint64_t kRedrawSeconds = 300;  // how long a drawn reachable time is used

// How a file shows a setting.
enum class Unit : uint8_t {
  kNumber,
  kSeconds,
  kMilliseconds,
  kUserHz,   // hundredths of a second
  kPackets,  // of the largest Ethernet frame, in bytes of truesize
};

struct Setting {
  const char* name;
  Unit unit;
  int32_t neigh_parms::* field;
};

// The files of net/ipv4/neigh/<dev>/.
constexpr Setting kSettings[] = {
    {"mcast_solicit", Unit::kNumber, &neigh_parms::mcast_probes},
    {"ucast_solicit", Unit::kNumber, &neigh_parms::ucast_probes},
    {"app_solicit", Unit::kNumber, &neigh_parms::app_probes},
    {"mcast_resolicit", Unit::kNumber, &neigh_parms::mcast_reprobes},
    {"retrans_time", Unit::kUserHz, &neigh_parms::retrans_time},
    {"base_reachable_time", Unit::kSeconds, &neigh_parms::base_reachable_time},
    {"delay_first_probe_time", Unit::kSeconds, &neigh_parms::delay_probe_time},
    {"interval_probe_time_ms", Unit::kMilliseconds, &neigh_parms::interval_probe_time},
    {"gc_stale_time", Unit::kSeconds, &neigh_parms::gc_staletime},
    {"unres_qlen_bytes", Unit::kNumber, &neigh_parms::queue_len_bytes},
    {"proxy_qlen", Unit::kNumber, &neigh_parms::proxy_qlen},
    {"anycast_delay", Unit::kUserHz, &neigh_parms::anycast_delay},
    {"proxy_delay", Unit::kUserHz, &neigh_parms::proxy_delay},
    {"locktime", Unit::kUserHz, &neigh_parms::locktime},
    {"unres_qlen", Unit::kPackets, &neigh_parms::queue_len_bytes},
    {"retrans_time_ms", Unit::kMilliseconds, &neigh_parms::retrans_time},
    {"base_reachable_time_ms", Unit::kMilliseconds, &neigh_parms::base_reachable_time},
};

// A device that was given one of two files of a setting has a value of its own for both.
bool HasOwnValue(const neigh_parms& parms, uint32_t setting) {
  for (uint32_t i = 0; i < std::size(kSettings); ++i) {
    if (kSettings[i].field == kSettings[setting].field && (parms.data_state >> i & 1) != 0) {
      return true;
    }
  }
  return false;
}

// A default is followed by each device that has no value of its own (neigh_copy_dflt_parms).
void SettingChanged(neigh_parms* parms, uint32_t index) {
  const Setting& setting = kSettings[index];
  const bool reachable = setting.field == &neigh_parms::base_reachable_time;
  if (reachable) neigh_set_reach_time(parms);
  if (parms != &parms->tbl->parms) {
    parms->data_state |= 1U << index;
    return;
  }
  for (neigh_parms& p : parms->tbl->parms_list) {
    if (HasOwnValue(p, index)) continue;
    p.*setting.field = parms->*setting.field;
    if (reachable) neigh_set_reach_time(&p);
  }
}

// One step of a file's number in units of the variable, as a fraction.
struct Scale {
  int64_t num;
  int64_t den;
};
Scale ScaleOf(net& net, Unit unit) {
  if (unit == Unit::kPackets) return {SKB_TRUESIZE(kEthernetFrameBytes), 1};
  return {net.kernel.hz(), kUserTicks};
}

// The functions of one setting's file; their context is the neigh_parms.
template <uint32_t kIndex>
struct SettingFile {
  static constexpr const Setting& kSetting = kSettings[kIndex];

  static void Changed(void* context) { SettingChanged(static_cast<neigh_parms*>(context), kIndex); }

  static void ReadScaled(void* context, std::string* text) {
    const auto* const parms = static_cast<const neigh_parms*>(context);
    const Scale scale = ScaleOf(parms->tbl->host_net, kSetting.unit);
    *text = std::to_string(int64_t{parms->*kSetting.field} * scale.den / scale.num);
  }

  static int WriteScaled(void* context, std::string_view text) {
    auto* const parms = static_cast<neigh_parms*>(context);
    const Scale scale = ScaleOf(parms->tbl->host_net, kSetting.unit);
    int32_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc()) return -EINVAL;
    const int64_t value = number * scale.num / scale.den;
    if (value < 0 || value > INT32_MAX) return -EINVAL;
    parms->*kSetting.field = static_cast<int32_t>(value);
    Changed(parms);
    return 0;
  }

  static void Add(SysctlFiles& files, neigh_parms* parms) {
    int32_t* const value = &(parms->*kSetting.field);
    SysctlEntry* entry = nullptr;
    switch (kSetting.unit) {
      case Unit::kNumber:
        entry = files.AddInt(kSetting.name, value, 0);
        break;
      case Unit::kSeconds:
        entry = files.AddJiffies(kSetting.name, value);
        break;
      case Unit::kMilliseconds:
        entry = files.AddMsJiffies(kSetting.name, value);
        break;
      case Unit::kUserHz:
      case Unit::kPackets:
        files.AddText(kSetting.name, ReadScaled, WriteScaled, parms);
        return;
    }
    entry->changed = Changed;
    entry->context = parms;
  }
};

template <size_t... kIndices>
void AddSettings(SysctlFiles& files, neigh_parms* parms, std::index_sequence<kIndices...>) {
  (SettingFile<kIndices>::Add(files, parms), ...);
}

void ListParms(SysctlFiles& files, void* owner) {
  AddSettings(files, static_cast<neigh_parms*>(owner),
              std::make_index_sequence<std::size(kSettings)>());
}

// The defaults' directory holds the table's own files too.
void ListTable(SysctlFiles& files, void* owner) {
  auto* const tbl = static_cast<neigh_table*>(owner);
  ListParms(files, &tbl->parms);
  files.AddJiffies("gc_interval", &tbl->gc_interval);
  files.AddInt("gc_thresh1", &tbl->gc_thresh1, 0);
  files.AddInt("gc_thresh2", &tbl->gc_thresh2, 0);
  files.AddInt("gc_thresh3", &tbl->gc_thresh3, 0);
}

}  // namespace

namespace neigh_internal {

Jiffies ReachableTime(neigh_parms* parms) {
  net& net = parms->tbl->host_net;
  if (net.jiffies() > parms->last_rand + kRedrawSeconds * net.kernel.hz()) {
    neigh_set_reach_time(parms);
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
  neigh_set_reach_time(&p);
  tbl->gc_interval = 30 * hz;
  tbl->host_net.kernel.sysctl().AddOwner(ListTable, tbl, tbl->sysctl_prefix, "default");
}

}  // namespace neigh_internal

void neigh_set_reach_time(neigh_parms* parms) {
  net& net = parms->tbl->host_net;
  const auto base = static_cast<uint32_t>(parms->base_reachable_time);
  parms->last_rand = net.jiffies();
  parms->reachable_time = base == 0 ? 0 : parms->tbl->prng.Below(base) + (base >> 1);
}

neigh_parms* neigh_parms_alloc(net_device* dev, neigh_table* tbl) {
  // Its files outlive the device, so it is never freed.
  auto* const parms = tbl->host_net.world.arena().New<neigh_parms>();
  for (const Setting& setting : kSettings) parms->*setting.field = tbl->parms.*setting.field;
  parms->tbl = tbl;
  parms->dev = dev;
  neigh_set_reach_time(parms);
  tbl->parms_list.PushBack(parms);
  std::memcpy(parms->dev_name, dev->name, sizeof(parms->dev_name));
  tbl->host_net.kernel.sysctl().AddOwner(ListParms, parms, tbl->sysctl_prefix, parms->dev_name);
  return parms;
}

void neigh_parms_release(neigh_table* /*tbl*/, neigh_parms* parms) {
  parms->Unlink();
  parms->dev = nullptr;
}

}  // namespace tapedeck
