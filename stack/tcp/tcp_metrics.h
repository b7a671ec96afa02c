// What is remembered of peers between connections (net/ipv4/tcp_metrics.c): round trip, ssthresh,
// reordering, fast open cookies.
#ifndef TAPEDECK_STACK_TCP_TCP_METRICS_H_
#define TAPEDECK_STACK_TCP_TCP_METRICS_H_

#include <cstdint>

#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

void tcp_init_metrics(sock* sk);    // a connection starts with what is known
void tcp_update_metrics(sock* sk);  // and leaves what it learnt
bool tcp_peer_is_proven(request_sock* req, const dst_entry* dst);
void tcp_fastopen_cache_get(sock* sk, uint16_t* mss, tcp_fastopen_cookie* cookie);
void tcp_fastopen_cache_set(sock* sk, uint16_t mss, const tcp_fastopen_cookie* cookie,
                            bool syn_lost, uint16_t try_exp);
// `ip tcp_metrics flush all`.
void tcp_metrics_flush_all(net& net);
void tcp_metrics_init(net& net);
void tcp_metrics_exit(net& net);
uint64_t tcp_metrics_live(const net& net);  // peers that are remembered

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_METRICS_H_
