#include "stack/ipv4/inetpeer.h"

#include "stack/base/hash.h"
#include "stack/core/net.h"
#include "stack/ipv4/netns_ipv4.h"

namespace tapedeck {

namespace {

constexpr int32_t kThreshold = 65664;  // net/ipv4/inet_peer_threshold
constexpr Jiffies kBurstFactor = 6;    // XRLIM_BURST_FACTOR

uint32_t BucketOf(const inet_peer_base& base, const IpAddress& daddr, int vif) {
  const Ipv6Address& v6 = daddr.v6();
  const uint32_t words[] = {v6.word(0), v6.word(1), v6.word(2), v6.word(3),
                            static_cast<uint32_t>(vif)};
  return jhash2(words, base.ns.host_net.hash_mix) % inet_peer_base::kBuckets;
}

void Forget(inet_peer_base& base, inet_peer* peer) {
  inet_peer** at = &base.buckets[BucketOf(base, peer->daddr, peer->vif)];
  while (*at != peer) at = &(*at)->hash_next;
  *at = peer->hash_next;
  peer->Unlink();
  --base.total;
  base.cache.Delete(peer);
}

}  // namespace

inet_peer_base::inet_peer_base(netns_ipv4& its_ns)
    : ns(its_ns), cache(its_ns.host_net.world.arena(), "inet_peer_cache"), threshold(kThreshold) {}

inet_peer* inet_getpeer(inet_peer_base& base, const IpAddress& daddr, int vif) {
  inet_peer** const bucket = &base.buckets[BucketOf(base, daddr, vif)];
  inet_peer* peer = *bucket;
  while (peer != nullptr && (peer->daddr != daddr || peer->vif != vif)) peer = peer->hash_next;
  if (peer == nullptr) {
    if (base.total >= static_cast<uint32_t>(base.threshold) && !base.lru.empty()) {
      Forget(base, base.lru.front());
    }
    peer = base.cache.New();
    if (peer == nullptr) return nullptr;
    peer->daddr = daddr;
    peer->vif = vif;
    // As if it had been silent for a minute: the first messages find a full bucket.
    const Kernel& kernel = base.ns.host_net.kernel;
    peer->rate_last = base.ns.host_net.jiffies() - kernel.MsecsToJiffies(60'000);
    peer->hash_next = *bucket;
    *bucket = peer;
    ++base.total;
  } else {
    peer->Unlink();
  }
  base.lru.PushBack(peer);
  return peer;
}

bool inet_peer_xrlim_allow(netns_ipv4& ns, inet_peer* peer, int32_t timeout) {
  if (peer == nullptr) return true;
  const auto cost = static_cast<Jiffies>(timeout);
  const Jiffies now = ns.host_net.jiffies();
  Jiffies token = peer->rate_tokens + (now - peer->rate_last);
  peer->rate_last = now;
  if (token > kBurstFactor * cost) token = kBurstFactor * cost;
  const bool allowed = token >= cost;
  peer->rate_tokens = allowed ? token - cost : token;
  return allowed;
}

void inetpeer_invalidate(inet_peer_base& base) {
  while (inet_peer* const peer = base.lru.front()) Forget(base, peer);
}

}  // namespace tapedeck
