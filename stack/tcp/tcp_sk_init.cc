// A host's TCP as a whole: what it starts with, and how what still lives ends with it (tcp_sk_init
// and tcp_sk_exit of net/ipv4/tcp_ipv4.c).
#include "stack/tcp/inet_hashtables.h"
#include "stack/tcp/inet_timewait_sock.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_metrics.h"
#include "stack/tcp/tcp_output.h"

namespace tapedeck {
namespace {

// Linux's distributions build with CUBIC as the default; Reno is what everybody may choose beside.
void InitCongestionControl(net& net) {
  CHECK_EQ(tcp_set_allowed_congestion_control(net, "reno cubic"), 0);
  CHECK_EQ(tcp_set_default_congestion_control(net, "cubic"), 0);
}

// Sockets whose output waits for a softirq that will not come.
void DrainSmallQueues(netns_tcp& ns) {
  for (List<tcp_sock, TsqTag>& list : ns.tsq_list) {
    while (tcp_sock* const tp = list.PopFront()) {
      tp->tsq_flags = static_cast<uint8_t>(tp->tsq_flags & ~TSQF_QUEUED);
      sk_free(tp);
    }
  }
}

}  // namespace

void tcp_sk_init(netns_tcp& ns) {
  net& net = ns.host_net;
  tcp_secrets_init(ns);
  inet_hashinfo_init(net);
  tcp_memory_init(ns);
  InitCongestionControl(net);
  tcp_metrics_init(net);
  tcp_tasklet_init(net);
  tcp_sysctl_register(ns);
}

void tcp_sk_exit(netns_tcp& ns) {
  net& net = ns.host_net;
  inet_twsk_purge(net);
  DrainSmallQueues(ns);
  tcp_metrics_exit(net);
  tcp_fastopen_exit(net);
  inet_hashinfo_exit(net);
}

tcp_ledger tcp_objects(const net& net) {
  const netns_tcp& ns = *net.tcp;
  return {.socks = ns.socks.cache().live_objects(),
          .requests = ns.reqsks.cache().live_objects(),
          .timewaits = ns.twsks.cache().live_objects(),
          .metrics = ns.metrics != nullptr ? tcp_metrics_live(net) : 0};
}

}  // namespace tapedeck
