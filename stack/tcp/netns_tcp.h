// All TCP state of one host, and its settings (the tcp_* part of struct netns_ipv4).
#ifndef TAPEDECK_STACK_TCP_NETNS_TCP_H_
#define TAPEDECK_STACK_TCP_NETNS_TCP_H_

#include <cstdint>

#include "stack/base/hash.h"
#include "stack/base/list.h"
#include "stack/base/prng.h"
#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/kernel/slab.h"
#include "stack/tcp/inet_hashtables.h"
#include "stack/tcp/inet_timewait_sock.h"
#include "stack/tcp/request_sock.h"
#include "stack/tcp/tcp_constants.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

struct tcp_congestion_ops;
struct tcp_metrics_table;
struct tcp_fastopen_context;

// net/ipv4/tcp_*: settings with the defaults of Linux 7.2. In the unit of the file unless said
// otherwise.
struct tcp_settings {
  explicit tcp_settings(const tcp_ticks& ticks);

  int32_t ecn = 2;
  int32_t ecn_option = 3;
  int32_t ecn_option_beacon = 3;
  int32_t ecn_fallback = 1;
  int32_t early_demux = 1;
  int32_t fwmark_accept = 0;
  int32_t l3mdev_accept = 0;
  int32_t mtu_probing = 0;
  int32_t base_mss = TCP_BASE_MSS;
  int32_t min_snd_mss = TCP_MIN_SND_MSS;
  int32_t mtu_probe_floor = TCP_MIN_SND_MSS;
  int32_t probe_threshold = TCP_PROBE_THRESHOLD;
  uint32_t probe_interval = TCP_PROBE_INTERVAL_S;
  int32_t keepalive_time;  // jiffies
  int32_t keepalive_probes = TCP_KEEPALIVE_PROBES;
  int32_t keepalive_intvl;  // jiffies
  int32_t syn_retries = TCP_SYN_RETRIES;
  int32_t synack_retries = TCP_SYNACK_RETRIES;
  int32_t syncookies = 1;
  int32_t migrate_req = 0;
  int32_t reordering = TCP_FASTRETRANS_THRESH;
  int32_t retries1 = TCP_RETR1;
  int32_t retries2 = TCP_RETR2;
  int32_t orphan_retries = 0;
  int32_t fin_timeout;  // jiffies
  uint32_t notsent_lowat = UINT32_MAX;
  int32_t tw_reuse = 2;
  uint32_t tw_reuse_delay_ms = 1000;
  int32_t sack = 1;
  int32_t window_scaling = 1;
  int32_t timestamps = 1;
  int32_t early_retrans = 3;
  int32_t recovery = 1;
  int32_t thin_linear_timeouts = 0;
  int32_t slow_start_after_idle = 1;
  int32_t retrans_collapse = 1;
  int32_t stdurg = 0;
  int32_t rfc1337 = 0;
  int32_t abort_on_overflow = 0;
  int32_t fack = 0;
  int32_t max_reordering = 300;
  int32_t dsack = 1;
  int32_t app_win = 31;
  int32_t adv_win_scale = 1;
  int32_t frto = 2;
  int32_t no_metrics_save = 0;
  int32_t no_ssthresh_metrics_save = 1;
  int32_t moderate_rcvbuf = 1;
  int32_t rcvbuf_low_rtt_us = 1000;
  int32_t tso_win_divisor = 3;
  int32_t tso_rtt_log = 9;
  int32_t workaround_signed_windows = 0;
  int32_t limit_output_bytes = 4 << 20;
  int32_t challenge_ack_limit = INT32_MAX;
  int32_t min_tso_segs = 2;
  int32_t min_rtt_wlen_s = 300;
  int32_t autocorking = 1;
  int32_t invalid_ratelimit;  // jiffies
  int32_t pacing_ss_ratio = 200;
  int32_t pacing_ca_ratio = 120;
  int32_t rmem[3] = {4096, 131072, 33554432};  // of a host with enough memory
  int32_t wmem[3] = {4096, 16384, 4194304};
  int32_t comp_sack_delay_ns = 1'000'000;
  int32_t comp_sack_slack_ns = 10'000;
  int32_t comp_sack_nr = 44;
  int32_t comp_sack_rtt_percent = 33;
  int32_t backlog_ack_defer = 1;
  int32_t reflect_tos = 0;
  int32_t fastopen = TFO_CLIENT_ENABLE;
  int32_t fastopen_blackhole_timeout_s = 0;
  int32_t syn_linear_timeouts = 4;
  int32_t shrink_window = 0;
  int32_t pingpong_thresh = 1;
  int32_t rto_min_us = 200'000;
  int32_t rto_max_ms = TCP_RTO_MAX_SEC * 1000;
  int32_t max_orphans = 65536;
  int32_t max_tw_buckets = 131072;
  int32_t max_syn_backlog = 4096;
  int32_t mem_pages[3] = {380'000, 506'000, 760'000};  // tcp_mem of a host with 16 GiB
  // module/tcp_cubic/parameters.
  int32_t cubic_hystart = 1;
  int32_t cubic_hystart_detect = 3;           // 1 trains of ACKs, 2 delays
  int32_t cubic_hystart_low_window = 16;      // packets
  int32_t cubic_hystart_ack_delta_us = 2000;  // ACKs closer than that are one train
  int32_t cubic_fast_convergence = 1;
  int32_t cubic_beta = 717;            // of 1024: what remains of the window after a loss
  int32_t cubic_initial_ssthresh = 0;  // packets; 0: none; without HyStart only
  int32_t cubic_bic_scale = 41;  // C = 41/1024; read-only, as what follows from it is constant
  int32_t cubic_tcp_friendliness = 1;
  // Kept, and without effect here: PLB, tables of their own for new namespaces.
  int32_t low_latency = 0;
  int32_t plb_enabled = 0;
  int32_t plb_idle_rehash_rounds = 3;
  int32_t plb_rehash_rounds = 12;
  int32_t plb_suspend_rto_s = 60;
  int32_t plb_cong_thresh = 128;
  uint32_t child_ehash_entries = 0;
  int32_t ehash_entries = 262144;  // read-only
};

struct inet_hashinfo;

struct netns_tcp {
  explicit netns_tcp(net& its_net);
  netns_tcp(const netns_tcp&) = delete;
  netns_tcp& operator=(const netns_tcp&) = delete;

  net& host_net;
  const tcp_ticks ticks;
  tcp_settings settings;

  // What Linux takes from get_random_*(): a stream of the Lab's seed, of the host and of TCP alone.
  static constexpr uint64_t kPrngStream = 0x7463'7000'0000'0000;  // "tcp"
  Prng prng{host_net.world.seed(), kPrngStream + host_net.hash_mix};
  SlabCache<tcp_sock> socks;
  SlabCache<request_sock> reqsks;
  SlabCache<inet_timewait_sock> twsks;
  inet_hashinfo* hashinfo = nullptr;
  uint32_t tw_count = 0;      // tcp_death_row: time-wait sockets
  uint32_t orphan_count = 0;  // sockets without a user that are not time-wait
  proto_memory memory;        // tcp_memory_allocated, tcp_sockets_allocated, pressure
  Jiffies memory_pressure_since = 0;

  inet_sock* control_sk = nullptr;   // sends what belongs to no connection (ipv4_tcp_sk)
  inet_sock* control_sk6 = nullptr;  // the same over IPv6; null where the host has none

  // Secrets, from `prng` (tcp_secrets_init).
  SipHashKey net_secret;  // ISNs, timestamp offsets and ports (secure_seq.c)
  SipHashKey syncookie_secret[2];

  const tcp_congestion_ops* congestion_control;  // the default for new sockets
  // Names that unprivileged users may choose, by bit of tcp_congestion_ops::index.
  uint32_t allowed_congestion_controls;
  tcp_metrics_table* metrics = nullptr;
  tcp_fastopen_context* fastopen_ctx =
      nullptr;  // the host's cookie keys; nullptr until first needed
  uint32_t tfo_active_disable_times = 0;
  Jiffies tfo_active_disable_stamp = 0;
  uint32_t challenge_timestamp = 0;
  uint32_t challenge_count = 0;
  // Sockets whose output was held back by TSQ or pacing, until the softirq gets to them.
  List<tcp_sock, TsqTag> tsq_list[Kernel::kCpusMax];
};
inline netns_tcp& net_tcp(net& net) { return *net.tcp; }
inline netns_tcp& sock_tcp(const sock* sk) { return *sk->sk_net.tcp; }
inline const tcp_ticks& tcp_ticks_of(const sock* sk) { return sock_tcp(sk).ticks; }
inline const tcp_settings& tcp_sysctl(const sock* sk) { return sock_tcp(sk).settings; }

// Counters of a socket's host.
inline void NET_INC_STATS(net& net, TcpExtMib item) { net.tcp_ext_mib.Inc(item); }
inline void NET_ADD_STATS(net& net, TcpExtMib item, uint64_t n) { net.tcp_ext_mib.Add(item, n); }
inline void TCP_INC_STATS(net& net, TcpMib item) { net.tcp_mib.Inc(item); }

// Tables, secrets, defaults, settings of a host's TCP, for tcp_init / the end of all that still
// lives, and of them, for tcp_exit (tcp_sk_init.cc). REQUIRES for the latter: no socket has a user.
void tcp_sk_init(netns_tcp& ns);
void tcp_sk_exit(netns_tcp& ns);
// Registers net/ipv4/tcp_* (tcp_sysctl.cc).
void tcp_sysctl_register(netns_tcp& ns);
// Ties netns_tcp::memory to the settings / takes over a new tcp_mem (tcp_memory.cc).
void tcp_memory_init(netns_tcp& ns);
void tcp_memory_limits_changed(netns_tcp& ns);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_NETNS_TCP_H_
