// Flow labels that sockets lease (net/ipv6/ip6_flowlabel.c; RFC 6437 and IPV6_FLOWLABEL_MGR).
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "stack/core/net.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {

// One lease, on ipv6_pinfo::ipv6_fl_list, newest first. From Kmalloc.
struct ipv6_fl_socklist {
  ipv6_fl_socklist* next = nullptr;
  ip6_flowlabel* fl = nullptr;
};

namespace {

constexpr uint32_t kMinLingerSeconds = 6;        // FL_MIN_LINGER
constexpr uint32_t kMaxLingerSeconds = 150;      // FL_MAX_LINGER: of the timer's rest
constexpr uint32_t kStatelessFlag = 0x00080000;  // IPV6_FLOWLABEL_STATELESS_FLAG: upper half
constexpr uint32_t kLabelsMax = 8192;            // FL_MAX_SIZE
constexpr uint32_t kOptionBytesMax = 64 * 1024;

void Gc(TimerList* timer);

}  // namespace

// All labels of a host.
struct ip6_flowlabels {
  explicit ip6_flowlabels(net& its_net) : host_net(its_net), gc_timer(Gc) {
    gc_timer.labels = this;
  }
  ip6_flowlabels(const ip6_flowlabels&) = delete;
  ip6_flowlabels& operator=(const ip6_flowlabels&) = delete;

  static constexpr uint32_t kBuckets = 256;
  net& host_net;
  ip6_flowlabel* buckets[kBuckets] = {};
  uint32_t count = 0;
  bool has_excl = false;  // some label is not for everybody: senders must have a lease
  struct GcTimer : TimerList {
    using TimerList::TimerList;
    ip6_flowlabels* labels = nullptr;
  } gc_timer;
};

namespace {

ip6_flowlabels& LabelsOf(net& net) {
  netns_ipv6& ns = net_ipv6(net);
  if (ns.flowlabels == nullptr) {
    ns.flowlabels = net.world.arena().New<ip6_flowlabels>(net);
  }
  return *ns.flowlabels;
}

ip6_flowlabel** BucketOf(ip6_flowlabels& labels, uint32_t label) {
  return &labels.buckets[label & (ip6_flowlabels::kBuckets - 1)];
}

ip6_flowlabel* Find(ip6_flowlabels& labels, uint32_t label) {
  ip6_flowlabel* fl = *BucketOf(labels, label);
  while (fl != nullptr && fl->label != label) fl = fl->next;
  return fl;
}

bool SharedExclusive(const ip6_flowlabel& fl) {
  return fl.share == IPV6_FL_S_EXCL || fl.share == IPV6_FL_S_PROCESS || fl.share == IPV6_FL_S_USER;
}

void Free(net& net, ip6_flowlabel* fl) {
  txopt_put(net, fl->opt);
  net.kernel.kmalloc().Free(fl, sizeof(*fl));
}

// --- Times. ---

// Seconds of a request as jiffies. (CAP_NET_ADMIN, which our process has, lifts the upper limit.)
Jiffies CheckLinger(const net& net, uint32_t seconds) {
  return Jiffies{std::max(seconds, kMinLingerSeconds)} * net.kernel.hz();
}

void Renew(net& net, ip6_flowlabel* fl, uint32_t linger_s, uint32_t expires_s) {
  fl->lastuse = net.jiffies();
  fl->linger = std::max(fl->linger, CheckLinger(net, linger_s));
  const Jiffies expires = std::max(CheckLinger(net, expires_s), fl->linger);
  fl->expires = std::max(fl->expires, fl->lastuse + expires);
}

void Release(net& net, ip6_flowlabel* fl) {
  fl->lastuse = net.jiffies();
  if (--fl->users != 0) return;
  fl->expires = std::max(fl->expires, fl->lastuse + fl->linger);
  ip6_flowlabels::GcTimer& timer = LabelsOf(net).gc_timer;
  if (!timer.pending() || timer.expires > fl->expires) {
    mod_timer(net.this_cpu(), &timer, fl->expires);
  }
}

// Frees the labels that nobody has used for their linger time and sets the timer for the next.
// `all`: those that still linger too.
void Collect(ip6_flowlabels& labels, bool all) {
  net& net = labels.host_net;
  const Jiffies now = net.jiffies();
  Jiffies next = 0;
  for (ip6_flowlabel*& bucket : labels.buckets) {
    for (ip6_flowlabel** at = &bucket; *at != nullptr;) {
      ip6_flowlabel* const fl = *at;
      if (fl->users == 0) {
        const Jiffies end = std::max(fl->expires, fl->lastuse + fl->linger);
        if (all || now >= end) {
          *at = fl->next;
          --labels.count;
          Free(net, fl);
          continue;
        }
        fl->expires = end;
        if (next == 0 || end < next) next = end;
      }
      at = &fl->next;
    }
  }
  if (next == 0 && labels.count != 0) next = now + Jiffies{kMaxLingerSeconds} * net.kernel.hz();
  if (next != 0 && !all) mod_timer(net.this_cpu(), &labels.gc_timer, next);
}

void Gc(TimerList* timer) { Collect(*static_cast<ip6_flowlabels::GcTimer*>(timer)->labels, false); }

// --- Leases. ---

ipv6_fl_socklist* FindLease(const sock* sk, uint32_t label) {
  ipv6_fl_socklist* sfl = inet6_sk(sk)->ipv6_fl_list;
  while (sfl != nullptr && sfl->fl->label != label) sfl = sfl->next;
  return sfl;
}

bool Link(sock* sk, ip6_flowlabel* fl) {
  void* const memory = sk->sk_net.kernel.kmalloc().Alloc(sizeof(ipv6_fl_socklist));
  if (memory == nullptr) return false;
  ipv6_pinfo* const np = inet6_sk(sk);
  np->ipv6_fl_list = new (memory) ipv6_fl_socklist{.next = np->ipv6_fl_list, .fl = fl};
  return true;
}

int Put(sock* sk, const in6_flowlabel_req& freq) {
  ipv6_pinfo* const np = inet6_sk(sk);
  if ((freq.flr_flags & IPV6_FL_F_REFLECT) != 0) {
    if (sk->sk_protocol != wire::kIpProtoTcp) return -ENOPROTOOPT;
    if (!np->repflow) return -ESRCH;
    np->flow_label = 0;
    np->repflow = false;
    return 0;
  }
  const uint32_t label = freq.flr_label.host();
  for (ipv6_fl_socklist** at = &np->ipv6_fl_list; *at != nullptr; at = &(*at)->next) {
    ipv6_fl_socklist* const sfl = *at;
    if (sfl->fl->label != label) continue;
    if (label == (np->flow_label & IPV6_FLOWLABEL_MASK)) np->flow_label &= ~IPV6_FLOWLABEL_MASK;
    *at = sfl->next;
    Release(sk->sk_net, sfl->fl);
    sk->sk_net.kernel.kmalloc().Free(sfl, sizeof(*sfl));
    return 0;
  }
  return -ESRCH;
}

int RenewLease(sock* sk, const in6_flowlabel_req& freq) {
  net& net = sk->sk_net;
  const uint32_t label = freq.flr_label.host();
  const ipv6_fl_socklist* const sfl = FindLease(sk, label);
  ip6_flowlabel* fl = sfl != nullptr ? sfl->fl : nullptr;
  // An administrator may renew what others have leased.
  if (fl == nullptr && freq.flr_share == IPV6_FL_S_NONE) fl = Find(LabelsOf(net), label);
  if (fl == nullptr) return -ESRCH;
  Renew(net, fl, freq.flr_linger, freq.flr_expires);
  return 0;
}

// The extension headers of a request, control messages behind it. 0 or -errno.
int TakeOptions(sock* sk, const uint8_t* control, uint32_t bytes, ip6_flowlabel* fl) {
  msghdr msg;
  msg.msg_control = const_cast<uint8_t*>(control);  // only read
  msg.msg_controllen = bytes;
  flowi6 flow;
  ipcm6_cookie ipc6;
  const int err = ip6_datagram_send_ctl(sk->sk_net, sk, &msg, &flow, &ipc6);
  fl->opt = ipc6.opt;
  if (err != 0) return err;
  // Only headers that come before the routing header are the label's.
  return fl->opt != nullptr && fl->opt->opt_flen != 0 ? -EINVAL : 0;
}

int Fill(sock* sk, const in6_flowlabel_req& freq, const void* optval, uint32_t optlen,
         ip6_flowlabel* fl) {
  constexpr uint32_t kHead = sizeof(in6_flowlabel_req);
  if (optlen > kHead) {
    const int err =
        TakeOptions(sk, static_cast<const uint8_t*>(optval) + kHead, optlen - kHead, fl);
    if (err != 0) return err;
  }
  fl->expires = sk->sk_net.jiffies();
  Renew(sk->sk_net, fl, freq.flr_linger, freq.flr_expires);
  fl->share = freq.flr_share;
  if (ipv6_addr_v4mapped(freq.flr_dst) || ipv6_addr_any(freq.flr_dst)) return -EINVAL;
  fl->dst = freq.flr_dst;
  fl->users = 1;
  fl->owner_uid = sk->sk_uid;
  if (!SharedExclusive(*fl) && fl->share != IPV6_FL_S_ANY) return -EINVAL;
  if (SharedExclusive(*fl) || fl->opt != nullptr) LabelsOf(sk->sk_net).has_excl = true;
  return 0;
}

// fl_create: a label as the request has it, not in the table yet. nullptr and *err.
ip6_flowlabel* Create(sock* sk, const in6_flowlabel_req& freq, const void* optval, uint32_t optlen,
                      int* err) {
  net& net = sk->sk_net;
  *err = -EINVAL;
  if (optlen > sizeof(freq) + kOptionBytesMax) return nullptr;
  *err = -ENOMEM;
  void* const memory = net.kernel.kmalloc().Alloc(sizeof(ip6_flowlabel));
  if (memory == nullptr) return nullptr;
  auto* const fl = new (memory) ip6_flowlabel;
  *err = Fill(sk, freq, optval, optlen, fl);
  if (*err == 0) return fl;
  Free(net, fl);
  return nullptr;
}

// A request for label `held`, which somebody has: a lease of it where both share it alike.
int ShareLabel(sock* sk, const in6_flowlabel_req& freq, const ip6_flowlabel& wanted,
               ip6_flowlabel* held) {
  if ((freq.flr_flags & IPV6_FL_F_EXCL) != 0) return -EEXIST;
  if (held->share == IPV6_FL_S_EXCL || held->share != wanted.share) return -EPERM;
  if (held->share == IPV6_FL_S_USER && held->owner_uid != wanted.owner_uid) return -EPERM;
  if (!Link(sk, held)) return -ENOMEM;
  ++held->users;
  held->linger = std::max(held->linger, wanted.linger);
  held->expires = std::max(held->expires, wanted.expires);
  return 0;
}

// Puts a label into the table: the one asked for, or a free one at random.
void Intern(net& net, ip6_flowlabel* fl, uint32_t label) {
  ip6_flowlabels& labels = LabelsOf(net);
  while (label == 0 || Find(labels, label) != nullptr) {
    label = net_ipv6(net).prng.Next32() & IPV6_FLOWLABEL_MASK;
  }
  fl->label = label;
  fl->lastuse = net.jiffies();
  ip6_flowlabel** const bucket = BucketOf(labels, label);
  fl->next = *bucket;
  *bucket = fl;
  ++labels.count;
}

int GetReflection(sock* sk) {
  if (net_ipv6(sk->sk_net).settings.flowlabel_consistency != 0) return -EPERM;
  if (sk->sk_protocol != wire::kIpProtoTcp) return -ENOPROTOOPT;
  inet6_sk(sk)->repflow = true;
  return 0;
}

// The part of a GET in which the label `fl` finds its place. 0: it is leased (or freed for one that
// was there).
int Lease(sock* sk, const in6_flowlabel_req& freq, ip6_flowlabel* fl) {
  net& net = sk->sk_net;
  const uint32_t label = freq.flr_label.host();
  if (label != 0) {
    if (ip6_flowlabel* const held = Find(LabelsOf(net), label)) {
      const int err = ShareLabel(sk, freq, *fl, held);
      if (err == 0) Free(net, fl);
      return err;
    }
  }
  if ((freq.flr_flags & IPV6_FL_F_CREATE) == 0) return -ENOENT;
  if (LabelsOf(net).count >= kLabelsMax) return -ENOBUFS;
  if (!Link(sk, fl)) return -ENOMEM;
  Intern(net, fl, label);
  return 0;
}

int Get(sock* sk, const in6_flowlabel_req& freq, const void* optval, uint32_t optlen) {
  net& net = sk->sk_net;
  if ((freq.flr_flags & IPV6_FL_F_REFLECT) != 0) return GetReflection(sk);
  const uint32_t label = freq.flr_label.host();
  if ((label & ~IPV6_FLOWLABEL_MASK) != 0) return -EINVAL;
  if (net_ipv6(net).settings.flowlabel_state_ranges != 0 && (label & kStatelessFlag) != 0) {
    return -ERANGE;
  }
  int err = 0;
  ip6_flowlabel* const fl = Create(sk, freq, optval, optlen, &err);
  if (fl == nullptr) return err;
  err = Lease(sk, freq, fl);
  if (err != 0) {
    Free(net, fl);
    return err;
  }
  // The user learns which label he got where the request lies.
  if (label == 0) {
    auto* const request = static_cast<uint8_t*>(const_cast<void*>(optval));
    StoreBe32(request + offsetof(in6_flowlabel_req, flr_label),
              inet6_sk(sk)->ipv6_fl_list->fl->label);
  }
  return 0;
}

uint16_t Seconds(const net& net, Jiffies jiffies) {
  return static_cast<uint16_t>(jiffies / net.kernel.hz());
}

}  // namespace

ip6_flowlabel* fl6_sock_lookup(sock* sk, uint32_t label, int* err) {
  *err = 0;
  const ip6_flowlabels* const labels = net_ipv6(sk->sk_net).flowlabels;
  if (labels == nullptr || !labels->has_excl) return nullptr;
  const ipv6_fl_socklist* const sfl = FindLease(sk, label & IPV6_FLOWLABEL_MASK);
  if (sfl == nullptr) {
    *err = -ENOENT;
    return nullptr;
  }
  ++sfl->fl->users;
  sfl->fl->lastuse = sk->sk_net.jiffies();
  return sfl->fl;
}

void fl6_sock_release(net& net, ip6_flowlabel* fl) {
  if (fl != nullptr) Release(net, fl);
}

void fl6_free_socklist(sock* sk) {
  ipv6_pinfo* const np = inet6_sk(sk);
  while (ipv6_fl_socklist* const sfl = np->ipv6_fl_list) {
    np->ipv6_fl_list = sfl->next;
    Release(sk->sk_net, sfl->fl);
    sk->sk_net.kernel.kmalloc().Free(sfl, sizeof(*sfl));
  }
}

int ipv6_flowlabel_opt(sock* sk, const void* optval, uint32_t optlen) {
  in6_flowlabel_req freq;
  if (optlen < sizeof(freq)) return -EINVAL;
  if (optval == nullptr) return -EFAULT;
  std::memcpy(&freq, optval, sizeof(freq));
  switch (freq.flr_action) {
    case IPV6_FL_A_PUT:
      return Put(sk, freq);
    case IPV6_FL_A_RENEW:
      return RenewLease(sk, freq);
    case IPV6_FL_A_GET:
      return Get(sk, freq, optval, optlen);
    default:
      return -EINVAL;
  }
}

int ipv6_flowlabel_opt_get(sock* sk, in6_flowlabel_req* freq, uint32_t flags) {
  const ipv6_pinfo* const np = inet6_sk(sk);
  const net& net = sk->sk_net;
  if ((flags & IPV6_FL_F_REMOTE) != 0) {
    freq->flr_label = np->rcv_flowinfo & IPV6_FLOWLABEL_MASK;
    return 0;
  }
  if (np->repflow) {
    freq->flr_label = np->flow_label;
    return 0;
  }
  const ipv6_fl_socklist* const sfl = FindLease(sk, np->flow_label & IPV6_FLOWLABEL_MASK);
  if (sfl == nullptr) return -ENOENT;
  const ip6_flowlabel& fl = *sfl->fl;
  freq->flr_label = fl.label;
  freq->flr_dst = fl.dst;
  freq->flr_share = fl.share;
  freq->flr_expires = Seconds(net, fl.expires - sk->sk_net.jiffies());
  freq->flr_linger = Seconds(net, fl.linger);
  return 0;
}

ipv6_txoptions* fl6_merge_options(net& net, const ip6_flowlabel* fl, ipv6_txoptions* opt,
                                  int* err) {
  *err = 0;
  if (opt == nullptr || opt->opt_flen == 0) {
    if (fl->opt != nullptr) ++fl->opt->refcnt;
    return fl->opt;
  }
  ipv6_opt_headers headers = ipv6_headers_of(fl->opt);
  headers.dst1opt = ipv6_headers_of(opt).dst1opt;
  ipv6_txoptions* const merged = ipv6_build_options(net, headers);
  if (merged == nullptr) *err = -ENOBUFS;
  return merged;
}

void ip6_flowlabel_cleanup(net& net) {
  ip6_flowlabels* const labels = net_ipv6(net).flowlabels;
  if (labels == nullptr) return;
  Collect(*labels, true);
  timer_delete(&labels->gc_timer);
}

uint32_t ip6_flowlabel_count(const netns_ipv6& ns) {
  return ns.flowlabels == nullptr ? 0 : ns.flowlabels->count;
}

}  // namespace tapedeck
