// Group memberships with source filters, as IGMPv3 (RFC 3376) and MLDv2 (RFC 3810) both have them:
// what a device listens to, merged from what its users want, and the records that tell routers of
// it and of its changes. Templates over the address (the kernel has the same code twice, in
// net/ipv4/igmp.c and net/ipv6/mcast.c).
//
// A group is in mode EXCLUDE while some user excludes (all sources are heard but those that every
// excluding user refuses and nobody wants), else in mode INCLUDE (what somebody wants is heard).
// What has changed is told `qrv` times (the robustness variable); sources that are no longer heard
// stay on the tomb until then.
#ifndef TAPEDECK_STACK_IPV4_MC_GROUP_H_
#define TAPEDECK_STACK_IPV4_MC_GROUP_H_

#include <cerrno>
#include <cstdint>
#include <new>
#include <span>
#include <utility>

#include "stack/core/skbuff.h"
#include "stack/kernel/slab.h"

namespace tapedeck {

// Filter modes, with the user interface's values (MCAST_EXCLUDE and MCAST_INCLUDE are macros).
inline constexpr uint8_t kMcastExclude = 0;
inline constexpr uint8_t kMcastInclude = 1;

// Types of group records (RFC 3376 4.2.12, RFC 3810 5.2.12).
enum class McRecord : uint8_t {
  kModeIsInclude = 1,
  kModeIsExclude,
  kChangeToInclude,
  kChangeToExclude,
  kAllowNewSources,
  kBlockOldSources,
};

// A source that some user names (struct ip_sf_list).
template <typename Address>
struct mc_source {
  mc_source* next = nullptr;
  Address addr;
  uint32_t count[2] = {};  // users that exclude / include it
  uint8_t crcount = 0;     // times its change is still to be told
  bool gsresp = false;     // a query has asked for it
  bool oldin = false;      // it was in force before the change
};

// A group of a device (struct ip_mc_list, ifmcaddr6): to be derived from.
template <typename AddressT>
struct mc_group {
  using Address = AddressT;
  using Source = mc_source<Address>;
  Address multiaddr;
  uint32_t users = 1;
  Source* sources = nullptr;
  Source* tomb = nullptr;
  uint32_t sfcount[2] = {};  // users that exclude / include
  uint8_t sfmode = kMcastExclude;
  uint8_t crcount = 0;         // times a change of mode is still to be told
  bool loaded = false;         // the device hears its frames
  bool timer_running = false;  // a report waits
  bool last_reporter = false;  // we were the last to report it (version 1 leaves)
  bool gsquery = false;        // the waiting report is about certain sources
  bool noreport = false;       // never reported: all hosts
};

namespace mc_filter {

// Whether the source is refused by all users that exclude and wanted by none.
template <typename Group>
bool ExcludedByAll(const Group& g, const typename Group::Source& s) {
  return g.sfcount[kMcastExclude] == s.count[kMcastExclude] && s.count[kMcastInclude] == 0;
}
// Whether the source belongs to the filter of the group's present mode.
template <typename Group>
bool InForce(const Group& g, const typename Group::Source& s) {
  return g.sfcount[kMcastExclude] != 0 ? ExcludedByAll(g, s) : s.count[kMcastInclude] != 0;
}

template <typename Group>
typename Group::Source** FindSource(typename Group::Source** list,
                                    const typename Group::Address& addr) {
  while (*list != nullptr && (*list)->addr != addr) list = &(*list)->next;
  return list;
}

template <typename Source>
void FreeSource(Kmalloc& kmalloc, Source** link) {
  Source* const source = *link;
  *link = source->next;
  kmalloc.Free(source, sizeof(*source));
}
template <typename Source>
void FreeSources(Kmalloc& kmalloc, Source** list) {
  while (*list != nullptr) FreeSource(kmalloc, list);
}
// Sources whose change has been told often enough go.
template <typename Source>
void ClearZeros(Kmalloc& kmalloc, Source** list) {
  while (*list != nullptr) {
    if ((*list)->crcount == 0) {
      FreeSource(kmalloc, list);
    } else {
      list = &(*list)->next;
    }
  }
}

// Whether packets from `src` to the group are heard.
template <typename Group>
bool Hears(const Group& g, const typename Group::Address& src) {
  const auto* s = g.sources;
  while (s != nullptr && s->addr != src) s = s->next;
  if (s == nullptr) return g.sfcount[kMcastExclude] != 0;
  return s->count[kMcastInclude] != 0 || s->count[kMcastExclude] != g.sfcount[kMcastExclude];
}

// Notes which sources are in force, before a change (sf_markstate).
template <typename Group>
void MarkState(Group* g) {
  for (auto* s = g->sources; s != nullptr; s = s->next) s->oldin = InForce(*g, *s);
}

// Puts a copy of `s` on the tomb, or finds it there, to be told `qrv` times.
template <typename Group>
bool Bury(Kmalloc& kmalloc, Group* g, const typename Group::Source& s, uint8_t qrv) {
  using Source = typename Group::Source;
  Source* dead = *FindSource<Group>(&g->tomb, s.addr);
  if (dead == nullptr) {
    void* const memory = kmalloc.Alloc(sizeof(Source));
    if (memory == nullptr) return false;
    dead = new (memory) Source(s);
    dead->next = g->tomb;
    g->tomb = dead;
  }
  dead->crcount = qrv;
  return true;
}

// After a change: what came into force and what is no longer is to be told. Whether there is any
// (sf_setstate).
template <typename Group>
bool SetState(Kmalloc& kmalloc, Group* g, uint8_t qrv) {
  bool changed = false;
  for (auto* s = g->sources; s != nullptr; s = s->next) {
    const bool in = InForce(*g, *s);
    if (in && !s->oldin) {
      if (auto** const dead = FindSource<Group>(&g->tomb, s->addr); *dead != nullptr) {
        FreeSource(kmalloc, dead);
      }
      s->crcount = qrv;
      changed = true;
    } else if (!in && s->oldin) {
      s->crcount = 0;
      changed = Bury(kmalloc, g, *s, qrv) || changed;
    }
  }
  return changed;
}

// What a user's change came to.
struct Change {
  int err = 0;
  bool tell = false;  // routers are to be told
};

// One user no longer names `addr`. -ESRCH where he did not. `reports`: changes of sources are
// reported at all (no version 1 router, no link-local group).
template <typename Group>
Change DeleteSource(Kmalloc& kmalloc, Group* g, uint8_t mode, const typename Group::Address& addr,
                    uint8_t qrv, bool reports) {
  auto** const link = FindSource<Group>(&g->sources, addr);
  auto* const s = *link;
  if (s == nullptr || s->count[mode] == 0) return {-ESRCH, false};
  --s->count[mode];
  Change change;
  if (s->count[kMcastInclude] == 0 && s->count[kMcastExclude] == 0) {
    if (s->oldin && reports && !g->noreport) change.tell = Bury(kmalloc, g, *s, qrv);
    FreeSource(kmalloc, link);
  }
  return change;
}

// Forgets what is still to be told of single sources: the mode has changed.
template <typename Group>
void RestartRecords(Group* g, uint8_t qrv) {
  g->crcount = qrv;
  for (auto* s = g->sources; s != nullptr; s = s->next) s->crcount = 0;
}

// A user (unless `delta`: one who is there already) filters no more by these sources
// (ip_mc_del_src).
template <typename Group>
Change DeleteSources(Kmalloc& kmalloc, Group* g, uint8_t mode,
                     std::span<const typename Group::Address> sources, bool delta, uint8_t qrv,
                     bool reports) {
  MarkState(g);
  if (!delta) {
    if (g->sfcount[mode] == 0) return {-EINVAL, false};
    --g->sfcount[mode];
  }
  Change all;
  for (const auto& addr : sources) {
    const Change one = DeleteSource(kmalloc, g, mode, addr, qrv, reports);
    all.tell = all.tell || one.tell;
    if (all.err == 0) all.err = one.err;
  }
  if (g->sfmode == kMcastExclude && g->sfcount[kMcastExclude] == 0 &&
      g->sfcount[kMcastInclude] != 0) {
    g->sfmode = kMcastInclude;
    RestartRecords(g, qrv);
    all.tell = true;
  } else {
    all.tell = SetState(kmalloc, g, qrv) || all.tell;
  }
  return all;
}

template <typename Group>
int AddSource(Kmalloc& kmalloc, Group* g, uint8_t mode, const typename Group::Address& addr) {
  using Source = typename Group::Source;
  Source** const link = FindSource<Group>(&g->sources, addr);
  if (*link == nullptr) {
    void* const memory = kmalloc.Alloc(sizeof(Source));
    if (memory == nullptr) return -ENOBUFS;
    *link = new (memory) Source;
    (*link)->addr = addr;
  }
  ++(*link)->count[mode];
  return 0;
}

// A user (unless `delta`: one who is there already) filters by these sources (ip_mc_add_src).
template <typename Group>
Change AddSources(Kmalloc& kmalloc, Group* g, uint8_t mode,
                  std::span<const typename Group::Address> sources, bool delta, uint8_t qrv,
                  bool reports) {
  MarkState(g);
  const bool was_exclude = g->sfmode == kMcastExclude;
  if (!delta) ++g->sfcount[mode];
  for (size_t i = 0; i < sources.size(); ++i) {
    const int err = AddSource(kmalloc, g, mode, sources[i]);
    if (err == 0) continue;
    if (!delta) --g->sfcount[mode];
    for (size_t j = 0; j < i; ++j) DeleteSource(kmalloc, g, mode, sources[j], qrv, reports);
    return {err, false};
  }
  if (was_exclude == (g->sfcount[kMcastExclude] != 0)) return {0, SetState(kmalloc, g, qrv)};
  if (g->sfcount[kMcastExclude] != 0) {
    g->sfmode = kMcastExclude;
  } else if (g->sfcount[kMcastInclude] != 0) {
    g->sfmode = kMcastInclude;
  }  // else no filters: reports keep the old mode
  RestartRecords(g, qrv);
  return {0, true};
}

// The group has no users any more.
template <typename Group>
void ClearSources(Kmalloc& kmalloc, Group* g) {
  FreeSources(kmalloc, &g->tomb);
  FreeSources(kmalloc, &g->sources);
  g->sfmode = kMcastExclude;
  g->sfcount[kMcastInclude] = 0;
  g->sfcount[kMcastExclude] = 1;
}

// A query asks for these sources of the group; whether the answer says anything. `Contains(addr)`
// tells whether it asks for one. (igmp_marksources.)
template <typename Group, typename Contains>
bool MarkSources(Group* g, size_t asked, Contains contains) {
  const bool exclude = g->sfmode == kMcastExclude;
  size_t marked = 0;
  for (auto* s = g->sources; s != nullptr && marked < asked; s = s->next) {
    if (exclude && !ExcludedByAll(*g, *s)) continue;
    if (!contains(s->addr)) continue;
    if (!exclude) s->gsresp = true;
    ++marked;
  }
  g->gsquery = !exclude && marked > 0;
  return exclude ? marked != asked : marked > 0;
}

// --- What is told. ---

// Whether a source goes into a record of `type` (is_in).
template <typename Group>
bool IsIn(const Group& g, const typename Group::Source& s, McRecord type, bool gdeleted,
          bool sdeleted) {
  switch (type) {
    case McRecord::kModeIsInclude:
    case McRecord::kModeIsExclude:
      if (gdeleted || sdeleted || (g.gsquery && !s.gsresp)) return false;
      if (g.sfmode == kMcastInclude) return true;
      if (s.count[kMcastInclude] != 0) return type == McRecord::kModeIsInclude;
      return ExcludedByAll(g, s);
    case McRecord::kChangeToInclude:
      return !gdeleted && !sdeleted && s.count[kMcastInclude] != 0;
    case McRecord::kChangeToExclude:
      return !gdeleted && !sdeleted && g.sfcount[kMcastExclude] != 0 && ExcludedByAll(g, s);
    case McRecord::kAllowNewSources:
      return !gdeleted && s.crcount != 0 && (g.sfmode == kMcastInclude) != sdeleted;
    case McRecord::kBlockOldSources:
      if (g.sfmode == kMcastInclude) return gdeleted || (s.crcount != 0 && sdeleted);
      return s.crcount != 0 && !gdeleted && !sdeleted;
  }
  return false;
}

inline bool TellsSources(McRecord type) {
  return type == McRecord::kAllowNewSources || type == McRecord::kBlockOldSources;
}

// Puts records into packets and sends these as they fill. `Writer` makes, fills and sends packets:
//   sk_buff* NewPacket()                       nullptr where memory failed
//   uint32_t Room(const sk_buff*)              bytes that are left
//   uint32_t PutRecord(sk_buff*, McRecord, const Address&)   where it begins
//   void PutSource(sk_buff*, const Address&)
//   void SetSources(sk_buff*, uint32_t record, uint32_t count)
//   void Send(sk_buff*)
//   bool Reports(const Group&)                 whether the group is reported at all
// and kRecordBytes, kSourceBytes.
template <typename Group, typename Writer>
class ReportBuilder {
 public:
  ReportBuilder(Kmalloc& kmalloc, Writer writer) : kmalloc_(kmalloc), writer_(writer) {}

  // A record of the group, where there is something to say. `gdeleted`: it was left; `sdeleted`:
  // about the sources on its tomb; `crsend`: whatever its state. (add_grec.)
  void Add(Group* g, McRecord type, bool gdeleted, bool sdeleted, bool crsend = false) {
    if (g->noreport || !writer_.Reports(*g)) return;
    const bool isquery = type == McRecord::kModeIsInclude || type == McRecord::kModeIsExclude;
    // A record of what is excluded must be one: what does not fit is left out.
    const bool truncate = type == McRecord::kModeIsExclude || type == McRecord::kChangeToExclude;
    auto** list = sdeleted ? &g->tomb : &g->sources;
    record_open_ = false;
    sources_ = 0;
    uint32_t told = 0;
    if (truncate && *list != nullptr && skb_ != nullptr &&
        writer_.Room(skb_) < BytesOf(*g, *list, type, gdeleted, sdeleted)) {
      Send();
    }
    while (*list != nullptr) {
      auto* const s = *list;
      if (!IsIn(*g, *s, type, gdeleted, sdeleted) && !crsend) {
        list = &s->next;
        continue;
      }
      if (!ToldByMode(*g, *s, type, gdeleted)) {
        if (isquery) s->gsresp = false;
        if (!MakeRoom(*g, type, truncate)) break;
        writer_.PutSource(skb_, s->addr);
        ++sources_;
        ++told;
      }
      list = CountDown(list, type, gdeleted || sdeleted);
    }
    if (told == 0 && !TellsSources(type) && (g->crcount != 0 || isquery || crsend)) {
      if (skb_ != nullptr && writer_.Room(skb_) < Writer::kRecordBytes) Send();
      OpenRecord(*g, type);
    }
    CloseRecord();
    if (isquery) g->gsquery = false;
  }

  // The state of a group, for a query.
  void AddState(Group* g) {
    Add(g, g->sfcount[kMcastExclude] != 0 ? McRecord::kModeIsExclude : McRecord::kModeIsInclude,
        false, false);
  }

  // What is still to be told of a group that was left. Whether that was all.
  bool AddLeft(Group* g) {
    if (g->sfmode == kMcastInclude) {
      Add(g, McRecord::kBlockOldSources, true, false);
      Add(g, McRecord::kBlockOldSources, true, true);
    }
    if (g->crcount != 0) {
      if (g->sfmode == kMcastExclude) Add(g, McRecord::kChangeToInclude, true, false);
      if (--g->crcount == 0) {
        ClearZeros(kmalloc_, &g->tomb);
        ClearZeros(kmalloc_, &g->sources);
      }
    }
    return g->crcount == 0 && g->tomb == nullptr && g->sources == nullptr;
  }

  // What is still to be told of a group's changes.
  void AddChanges(Group* g) {
    const bool exclude = g->sfcount[kMcastExclude] != 0;
    Add(g, exclude ? McRecord::kBlockOldSources : McRecord::kAllowNewSources, false, false);
    Add(g, exclude ? McRecord::kAllowNewSources : McRecord::kBlockOldSources, false, true);
    if (g->crcount == 0) return;
    Add(g, g->sfmode == kMcastExclude ? McRecord::kChangeToExclude : McRecord::kChangeToInclude,
        false, false);
    --g->crcount;
  }

  // Sends what was put together.
  void Send() {
    CloseRecord();
    if (skb_ != nullptr) writer_.Send(skb_);
    skb_ = nullptr;
  }

 private:
  using Source = typename Group::Source;

  static uint32_t BytesOf(const Group& g, const Source* s, McRecord type, bool gdeleted,
                          bool sdeleted) {
    uint32_t bytes = Writer::kRecordBytes;
    for (; s != nullptr; s = s->next) {
      if (IsIn(g, *s, type, gdeleted, sdeleted)) bytes += Writer::kSourceBytes;
    }
    return bytes;
  }

  // RFC 3376 5.1: a change of mode says all; its sources are not told once more.
  static bool ToldByMode(const Group& g, const Source& s, McRecord type, bool gdeleted) {
    const bool mode_changes =
        (gdeleted && g.sfmode == kMcastExclude) || (!gdeleted && g.crcount != 0);
    return mode_changes && TellsSources(type) && s.crcount != 0;
  }

  // Room for one more source, in a new packet if need be. False where the rest is left out.
  bool MakeRoom(const Group& g, McRecord type, bool truncate) {
    const uint32_t head = record_open_ ? 0 : Writer::kRecordBytes;
    if (skb_ == nullptr || writer_.Room(skb_) < Writer::kSourceBytes + head) {
      if (truncate && record_open_) return false;
      Send();
    }
    return record_open_ || OpenRecord(g, type);
  }

  bool OpenRecord(const Group& g, McRecord type) {
    if (skb_ == nullptr) skb_ = writer_.NewPacket();
    if (skb_ == nullptr) return false;
    record_ = writer_.PutRecord(skb_, type, g.multiaddr);
    record_open_ = true;
    sources_ = 0;
    return true;
  }

  void CloseRecord() {
    if (record_open_) writer_.SetSources(skb_, record_, sources_);
    record_open_ = false;
  }

  // A change of a source was told once more; after the last time a deleted one goes. The link to
  // the next.
  Source** CountDown(Source** link, McRecord type, bool deleted) {
    Source* const s = *link;
    if (!TellsSources(type) || s->crcount == 0) return &s->next;
    if (--s->crcount != 0 || !deleted) return &s->next;
    FreeSource(kmalloc_, link);
    return link;
  }

  Kmalloc& kmalloc_;
  Writer writer_;
  sk_buff* skb_ = nullptr;
  uint32_t record_ = 0;
  uint32_t sources_ = 0;
  bool record_open_ = false;
};

// --- Groups that were left and are still to be reported: a list linked by Group::next. ---

// `left` is a fresh record for what `g` was; a filter that includes takes its sources along
// (add_delrec).
template <typename Group>
void FillLeft(Group* left, Group* g, uint8_t qrv) {
  left->multiaddr = g->multiaddr;
  left->crcount = qrv;
  left->sfmode = g->sfmode;
  left->noreport = g->noreport;
  if (left->sfmode != kMcastInclude) return;
  left->tomb = std::exchange(g->tomb, nullptr);
  left->sources = std::exchange(g->sources, nullptr);
  for (auto* s = left->sources; s != nullptr; s = s->next) s->crcount = left->crcount;
}

// The group is joined again: what was to be told of its leaving is told as a change (del_delrec).
template <typename Group>
void TakeBack(Group* g, Group* left, uint8_t qrv) {
  if (g->sfmode == kMcastInclude) {
    std::swap(g->tomb, left->tomb);
    std::swap(g->sources, left->sources);
    for (auto* s = g->sources; s != nullptr; s = s->next) s->crcount = qrv;
  } else {
    g->crcount = qrv;
  }
}

// The link to the group's entry on `list`; to nullptr where it is not on it.
template <typename Group>
Group** FindGroup(Group** list, const typename Group::Address& addr) {
  while (*list != nullptr && (*list)->multiaddr != addr) list = &(*list)->next;
  return list;
}

}  // namespace mc_filter

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_MC_GROUP_H_
