#include "stack/tcp/tcp_metrics.h"

#include <algorithm>

#include "stack/base/hash.h"
#include "stack/core/dst.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"

namespace tapedeck {

namespace {

// What a connection to one peer left behind (struct tcp_metrics_block). Routes of ours have no
// locked metrics, so there are none here either.
struct tcp_metrics_block {
  tcp_metrics_block* next = nullptr;
  IpAddress saddr;
  IpAddress daddr;
  Jiffies stamp = 0;
  uint32_t rtt_us = 0;     // << 3, as srtt_us
  uint32_t rttvar_us = 0;  // << 2
  uint32_t ssthresh = 0;
  uint32_t cwnd = 0;
  uint32_t reordering = 0;
  // Fast open.
  uint16_t mss = 0;
  uint16_t syn_loss = 0;
  uint16_t try_exp = 0;  // 1: ask in the experimental option next; 2: and after that no more
  tcp_fastopen_cookie cookie;
};

constexpr uint32_t kReclaimDepth = 5;  // TCP_METRICS_RECLAIM_DEPTH
constexpr uint64_t kTimeoutSeconds = 3600;

}  // namespace

// Fewer buckets than Linux's 8192 or more: a Lab talks to few peers.
struct tcp_metrics_table {
  static constexpr uint32_t kBuckets = 64;
  explicit tcp_metrics_table(Arena& arena) : blocks(arena, "tcp_metrics") {}
  SlabCache<tcp_metrics_block> blocks;
  tcp_metrics_block* buckets[kBuckets] = {};
};

namespace {

// The measured values start anew from the route's (tcpm_suck_dst).
void TakeRouteMetrics(tcp_metrics_block* tm, const dst_entry* dst, Jiffies now) {
  tm->stamp = now;
  tm->rtt_us = dst_metric_raw(dst, RTAX_RTT) * 1000;
  tm->rttvar_us = dst_metric_raw(dst, RTAX_RTTVAR) * 1000;
  tm->ssthresh = dst_metric_raw(dst, RTAX_SSTHRESH);
  tm->cwnd = dst_metric_raw(dst, RTAX_CWND);
  tm->reordering = dst_metric_raw(dst, RTAX_REORDERING);
}

void ForgetFastopen(tcp_metrics_block* tm) {
  tm->mss = tm->syn_loss = tm->try_exp = 0;
  tm->cookie = {};
}

// Values an hour old are not used.
void CheckAge(net& net, tcp_metrics_block* tm, const dst_entry* dst) {
  const Jiffies now = net.jiffies();
  if (now > tm->stamp + kTimeoutSeconds * net.kernel.hz()) TakeRouteMetrics(tm, dst, now);
}

tcp_metrics_block** BucketOf(net& net, const IpAddress& daddr) {
  uint32_t words[4];
  for (size_t i = 0; i < 4; ++i) words[i] = daddr.v6().word(i);
  const uint32_t hash = jhash2(words, net.hash_mix);
  return &net_tcp(net).metrics->buckets[hash % tcp_metrics_table::kBuckets];
}

// The block of a pair of addresses, or nullptr; *depth: how many others are in its bucket.
tcp_metrics_block* Find(tcp_metrics_block** bucket, const IpAddress& saddr, const IpAddress& daddr,
                        uint32_t* depth) {
  *depth = 0;
  for (tcp_metrics_block* tm = *bucket; tm != nullptr; tm = tm->next) {
    if (tm->saddr == saddr && tm->daddr == daddr) return tm;
    ++*depth;
  }
  return nullptr;
}

// A block for a new pair: the bucket's oldest where it is long (tcpm_new). nullptr: no memory.
tcp_metrics_block* Make(net& net, tcp_metrics_block** bucket, uint32_t depth,
                        const IpAddress& saddr, const IpAddress& daddr, const dst_entry* dst) {
  tcp_metrics_block* tm = nullptr;
  if (depth > kReclaimDepth) {
    tm = *bucket;
    for (tcp_metrics_block* at = tm->next; at != nullptr; at = at->next) {
      if (at->stamp < tm->stamp) tm = at;
    }
    ForgetFastopen(tm);
  } else {
    tm = net_tcp(net).metrics->blocks.New();
    if (tm == nullptr) return nullptr;
    tm->next = *bucket;
    *bucket = tm;
  }
  tm->saddr = saddr;
  tm->daddr = daddr;
  TakeRouteMetrics(tm, dst, net.jiffies());
  return tm;
}

tcp_metrics_block* tcp_get_metrics(net& net, const IpAddress& saddr, const IpAddress& daddr,
                                   const dst_entry* dst, bool create) {
  tcp_metrics_block** const bucket = BucketOf(net, daddr);
  uint32_t depth = 0;
  tcp_metrics_block* const tm = Find(bucket, saddr, daddr, &depth);
  if (tm == nullptr) return create ? Make(net, bucket, depth, saddr, daddr, dst) : nullptr;
  CheckAge(net, tm, dst);
  return tm;
}

tcp_metrics_block* tcp_get_metrics(sock* sk, const dst_entry* dst, bool create) {
  const inet_sock* const inet = inet_sk(sk);
  return tcp_get_metrics(sk->sk_net, inet->inet_saddr, inet->inet_daddr, dst, create);
}

// A larger round trip is believed at once, a smaller one by and by: too long a timeout does less
// harm than too short a one.
void SaveRtt(tcp_metrics_block* tm, const tcp_sock* tp) {
  auto m = static_cast<int32_t>(tm->rtt_us - tp->srtt_us);
  tm->rtt_us = m <= 0 ? tp->srtt_us : tm->rtt_us - static_cast<uint32_t>(m >> 3);
  m = (m < 0 ? -m : m) >> 1;
  const uint32_t var = std::max(static_cast<uint32_t>(m), tp->mdev_us);
  tm->rttvar_us = var >= tm->rttvar_us ? var : tm->rttvar_us - ((tm->rttvar_us - var) >> 2);
}

void SaveWindow(tcp_metrics_block* tm, const tcp_sock* tp) {
  const tcp_settings& settings = tcp_sysctl(tp);
  const bool save_ssthresh = settings.no_ssthresh_metrics_save == 0;
  if (tcp_in_initial_slowstart(tp)) {
    // Slow start has not ended: the window is a lower bound.
    const uint32_t half = tp->snd_cwnd >> 1;
    if (save_ssthresh && tm->ssthresh != 0 && half > tm->ssthresh) tm->ssthresh = half;
    tm->cwnd = std::max(tm->cwnd, tp->snd_cwnd);
  } else if (!tcp_in_slow_start(tp) && tp->icsk_ca_state == TCP_CA_Open) {
    if (save_ssthresh) tm->ssthresh = std::max(tp->snd_cwnd >> 1, tp->snd_ssthresh);
    tm->cwnd = (tm->cwnd + tp->snd_cwnd) >> 1;
  } else {
    tm->cwnd = (tm->cwnd + tp->snd_ssthresh) >> 1;
    if (save_ssthresh && tm->ssthresh != 0 && tp->snd_ssthresh > tm->ssthresh) {
      tm->ssthresh = tp->snd_ssthresh;
    }
    if (tm->reordering < tp->reordering &&
        tp->reordering != static_cast<uint32_t>(settings.reordering)) {
      tm->reordering = tp->reordering;
    }
  }
}

// The first timeout of an established connection: from the peer's known round trip where that is
// longer than the handshake's, or from 3 s where neither is known (RFC 6298 5.7).
void SeedRto(sock* sk, uint32_t cached_rtt_us) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_ticks& ticks = tcp_ticks_of(sk);
  if (cached_rtt_us > tp->srtt_us) {
    const uint32_t rtt = cached_rtt_us / (8 * 1'000'000 / ticks.hz);
    tp->icsk_rto = rtt + std::max(2 * rtt, tcp_rto_min(sk));
  } else if (tp->srtt_us == 0) {
    tp->rttvar_us = static_cast<uint32_t>(jiffies_to_usecs(sk, ticks.timeout_fallback));
    tp->mdev_us = tp->mdev_max_us = tp->rttvar_us;
    tp->icsk_rto = ticks.timeout_fallback;
  }
}

}  // namespace

void tcp_metrics_init(net& net) {
  Arena& arena = net.world.arena();
  net_tcp(net).metrics = arena.New<tcp_metrics_table>(arena);
}

void tcp_metrics_flush_all(net& net) {
  tcp_metrics_table* const table = net_tcp(net).metrics;
  for (tcp_metrics_block*& bucket : table->buckets) {
    while (tcp_metrics_block* const tm = bucket) {
      bucket = tm->next;
      table->blocks.Delete(tm);
    }
  }
}

void tcp_metrics_exit(net& net) { tcp_metrics_flush_all(net); }

uint64_t tcp_metrics_live(const net& net) {
  return net.tcp->metrics->blocks.cache().live_objects();
}

void tcp_update_metrics(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const dst_entry* const dst = __sk_dst_get(sk);
  if (tcp_sysctl(sk).no_metrics_save != 0 || dst == nullptr) return;
  if (tp->icsk_backoff != 0 || tp->srtt_us == 0) {
    // No round trip was measured, perhaps because nothing comes back in time: what was known is
    // wrong.
    tcp_metrics_block* const tm = tcp_get_metrics(sk, dst, false);
    if (tm != nullptr) tm->rtt_us = 0;
    return;
  }
  tcp_metrics_block* const tm = tcp_get_metrics(sk, dst, true);
  if (tm == nullptr) return;
  SaveRtt(tm, tp);
  SaveWindow(tm, tp);
  tm->stamp = sk->sk_net.jiffies();
}

void tcp_init_metrics(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const dst_entry* const dst = __sk_dst_get(sk);
  tp->snd_ssthresh = TCP_INFINITE_SSTHRESH;
  const tcp_metrics_block* const tm = dst != nullptr ? tcp_get_metrics(sk, dst, false) : nullptr;
  if (tm != nullptr) {
    if (tcp_sysctl(sk).no_ssthresh_metrics_save == 0 && tm->ssthresh != 0) {
      tp->snd_ssthresh = std::min(tm->ssthresh, tp->snd_cwnd_clamp);
    }
    if (tm->reordering != 0) tp->reordering = tm->reordering;
  }
  SeedRto(sk, tm != nullptr ? tm->rtt_us : 0);
}

bool tcp_peer_is_proven(request_sock* req, const dst_entry* dst) {
  if (dst == nullptr) return false;
  const tcp_metrics_block* const tm =
      tcp_get_metrics(req->rsk_net, req->node.rcv_saddr, req->node.daddr, dst, false);
  return tm != nullptr && tm->rtt_us != 0;
}

void tcp_fastopen_cache_get(sock* sk, uint16_t* mss, tcp_fastopen_cookie* cookie) {
  const dst_entry* const dst = __sk_dst_get(sk);
  const tcp_metrics_block* const tm = dst != nullptr ? tcp_get_metrics(sk, dst, false) : nullptr;
  if (tm == nullptr) return;
  if (tm->mss != 0) *mss = tm->mss;
  *cookie = tm->cookie;
  if (cookie->len <= 0 && tm->try_exp == 1) cookie->exp = true;
}

void tcp_fastopen_cache_set(sock* sk, uint16_t mss, const tcp_fastopen_cookie* cookie,
                            bool syn_lost, uint16_t try_exp) {
  const dst_entry* const dst = __sk_dst_get(sk);
  tcp_metrics_block* const tm = dst != nullptr ? tcp_get_metrics(sk, dst, true) : nullptr;
  if (tm == nullptr) return;
  if (mss != 0) tm->mss = mss;
  if (cookie != nullptr && cookie->len > 0) {
    tm->cookie = *cookie;
  } else if (try_exp > tm->try_exp && tm->cookie.len <= 0 && !tm->cookie.exp) {
    tm->try_exp = try_exp;
  }
  tm->syn_loss = syn_lost ? static_cast<uint16_t>(tm->syn_loss + 1) : uint16_t{0};
}

}  // namespace tapedeck
