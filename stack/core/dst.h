// Where a packet goes next: the result of a routing decision, with the functions that carry it out
// (dst_entry of include/net/dst.h). A route type derives from it.
//
// Every pointer to a dst is a counted reference, also the one in sk_buff: the kernel's uncounted
// ones (skb_dst_set_noref) save an atomic instruction that costs nothing here. The last dst_release
// frees at once.
#ifndef TAPEDECK_STACK_CORE_DST_H_
#define TAPEDECK_STACK_CORE_DST_H_

#include <cstdint>

#include "stack/base/check.h"
#include "stack/core/net.h"
#include "stack/core/skbuff.h"
#include "stack/kernel/timer.h"

namespace tapedeck {

struct neighbour;

// Metrics of a route, numbered as in rtnetlink.h. 0: not set.
enum : uint32_t {
  RTAX_LOCK = 1,
  RTAX_MTU,
  RTAX_WINDOW,
  RTAX_RTT,
  RTAX_RTTVAR,
  RTAX_SSTHRESH,
  RTAX_CWND,
  RTAX_ADVMSS,
  RTAX_REORDERING,
  RTAX_HOPLIMIT,
  RTAX_INITCWND,
  RTAX_FEATURES,
  RTAX_RTO_MIN,
  RTAX_INITRWND,
  RTAX_QUICKACK,
  RTAX_CC_ALGO,  // tcp_ca_key; 0: none
  RTAX_MAX = RTAX_CC_ALGO,
};

enum : uint16_t {
  DST_NOXFRM = 0x0002,
  DST_NOPOLICY = 0x0004,
  DST_NOCOUNT = 0x0008,
};

// dst_entry::obsolete.
enum : int16_t {
  DST_OBSOLETE_NONE = 0,        // valid until it says otherwise: dst_check need not ask
  DST_OBSOLETE_DEAD = 2,        // gone; whoever holds it must look the route up again
  DST_OBSOLETE_FORCE_CHK = -1,  // ask dst_ops::check
  DST_OBSOLETE_KILL = -2,
};

// What a family does with its routes. Any member but destroy may be null.
struct dst_ops {
  uint16_t family;
  // `dst` where it is still right, else nullptr. May not drop a reference.
  dst_entry* (*check)(dst_entry* dst, uint32_t cookie);
  uint32_t (*default_advmss)(const dst_entry* dst);
  uint32_t (*mtu)(const dst_entry* dst);
  // The last reference is gone: frees the object.
  void (*destroy)(dst_entry* dst);
  void (*negative_advice)(sock* sk, dst_entry* dst);
  void (*link_failure)(sk_buff* skb);
  void (*update_pmtu)(dst_entry* dst, sock* sk, sk_buff* skb, uint32_t mtu, bool confirm_neigh);
  void (*redirect)(dst_entry* dst, sock* sk, sk_buff* skb);
  // The neighbour for `daddr` over this route, with a reference; nullptr where it cannot be made.
  neighbour* (*neigh_lookup)(const dst_entry* dst, sk_buff* skb, const void* daddr);
};

struct dst_entry {
  net_device* dev = nullptr;  // a reference (dev_hold); none in entries of IPv6 that only refuse
  const dst_ops* ops = nullptr;
  int (*input)(sk_buff* skb) = nullptr;
  int (*output)(net& net, sock* sk, sk_buff* skb) = nullptr;
  uint32_t metrics[RTAX_MAX + 1] = {};
  Jiffies expires = 0;  // 0: never
  Jiffies lastuse = 0;
  uint32_t refcount = 1;
  uint16_t flags = 0;  // DST_*
  int16_t obsolete = DST_OBSOLETE_NONE;
  int16_t error = 0;        // -errno of a route that refuses (unreachable, prohibit)
  uint16_t header_len = 0;  // room that encapsulation wants in front
  uint16_t trailer_len = 0;
};

// Makes `dst` ready, with a reference to `dev` and input and output that drop until they are set.
void dst_init(dst_entry* dst, const dst_ops* ops, net_device* dev, int16_t obsolete,
              uint16_t flags);
// Marks it dead and gives the device back: its own is net::blackhole_netdev from now on, so that
// who still holds it need not ask. A destroy function puts the device instead.
void dst_dev_put(dst_entry* dst);
// input and output of a dead route: drop. Return 0 and -ENETDOWN... as the kernel's.
int dst_discard(sk_buff* skb);
int dst_discard_out(net& net, sock* sk, sk_buff* skb);

inline void dst_hold(dst_entry* dst) { ++dst->refcount; }
// Drops one reference; nothing on nullptr.
inline void dst_release(dst_entry* dst) {
  if (dst == nullptr) return;
  CHECK_GT(dst->refcount, 0U);
  if (--dst->refcount == 0) dst->ops->destroy(dst);
}
inline dst_entry* dst_clone(dst_entry* dst) {
  if (dst != nullptr) dst_hold(dst);
  return dst;
}
inline uint32_t dst_metric_raw(const dst_entry* dst, uint32_t metric) {
  return dst->metrics[metric];
}
inline void dst_metric_set(dst_entry* dst, uint32_t metric, uint32_t value) {
  CHECK_LE(metric, RTAX_MAX);
  dst->metrics[metric] = value;
}
inline uint32_t dst_mtu(const dst_entry* dst) { return dst->ops->mtu(dst); }
inline uint32_t dst_metric_advmss(const dst_entry* dst) {
  const uint32_t advmss = dst->metrics[RTAX_ADVMSS];
  return advmss != 0 ? advmss : dst->ops->default_advmss(dst);
}
// `dst` while it is valid, else nullptr: then release it and look again.
inline dst_entry* dst_check(dst_entry* dst, uint32_t cookie) {
  return dst->obsolete == DST_OBSOLETE_NONE ? dst : dst->ops->check(dst, cookie);
}
inline void dst_link_failure(sk_buff* skb) {
  if (skb->dst != nullptr && skb->dst->ops->link_failure != nullptr) {
    skb->dst->ops->link_failure(skb);
  }
}

inline dst_entry* skb_dst(const sk_buff* skb) { return skb->dst; }
// The packet takes over the caller's reference. REQUIRES: it has none.
inline void skb_dst_set(sk_buff* skb, dst_entry* dst) {
  CHECK(skb->dst == nullptr);
  skb->dst = dst;
}
[[gnu::always_inline]] inline void skb_dst_drop(sk_buff* skb) {
  dst_release(skb->dst);
  skb->dst = nullptr;
}
inline void skb_dst_copy(sk_buff* to, const sk_buff* from) {
  CHECK(to->dst == nullptr);
  to->dst = dst_clone(from->dst);
}
inline int dst_input(sk_buff* skb) { return skb->dst->input(skb); }
[[gnu::always_inline]] inline int dst_output(net& net, sock* sk, sk_buff* skb) {
  TRACE_FUNCTION(net, skb, dst_output, net, sk, skb);
  return skb->dst->output(net, sk, skb);
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_DST_H_
