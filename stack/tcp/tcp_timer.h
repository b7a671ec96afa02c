// TCP's timers (net/ipv4/tcp_timer.c): retransmission, probes, delayed ACK, keepalive, FIN-WAIT-2.
#ifndef TAPEDECK_STACK_TCP_TCP_TIMER_H_
#define TAPEDECK_STACK_TCP_TCP_TIMER_H_

#include <cstdint>

#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

void tcp_init_xmit_timers(sock* sk);
void tcp_clear_xmit_timers(sock* sk);
// What the timers do; also called by release_cb where they found the socket owned.
void tcp_write_timer_handler(sock* sk);
void tcp_delack_timer_handler(sock* sk);
void tcp_retransmit_timer(sock* sk);
void tcp_reset_keepalive_timer(sock* sk, uint64_t jiffies);
void tcp_set_keepalive(sock* sk, bool on);  // SO_KEEPALIVE
// The socket ends with ETIMEDOUT, or its soft error.
void tcp_write_err(sock* sk);
uint32_t tcp_clamp_probe0_to_user_timeout(const sock* sk, uint32_t when_jiffies);
void tcp_syn_ack_timeout(const request_sock* req);  // counts
uint32_t tcp_delack_max(const sock* sk);

uint32_t keepalive_intvl_when(const tcp_sock* tp);  // jiffies
uint32_t keepalive_time_when(const tcp_sock* tp);
uint32_t keepalive_probes(const tcp_sock* tp);
uint32_t keepalive_time_elapsed(const tcp_sock* tp);
uint32_t tcp_fin_time(const sock* sk);  // jiffies in FIN-WAIT-2

// Zero window probes: the first interval, and with backoff (jiffies).
uint32_t tcp_probe0_base(const sock* sk);
uint32_t tcp_probe0_when(const sock* sk, uint32_t max_when);
void tcp_check_probe_timer(sock* sk);
// inet_csk_reset_xmit_timer that leaves room for pacing.
void tcp_reset_xmit_timer(sock* sk, uint8_t what, uint64_t when, bool pace_delay);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_TIMER_H_
