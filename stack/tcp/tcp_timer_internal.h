// Between the parts of TCP's timers. Not for others.
#ifndef TAPEDECK_STACK_TCP_TCP_TIMER_INTERNAL_H_
#define TAPEDECK_STACK_TCP_TCP_TIMER_INTERNAL_H_

#include <cstdint>

#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

// --- tcp_write_timeout.cc ---
// Decides whether a connection whose data are not acknowledged has come to its end, and looks for
// another path if not. True: it is closed.
bool tcp_write_timeout(sock* sk);
// The timer for zero window probes.
void tcp_probe_timer(sock* sk);
// Retransmissions have gone on for `timeout_ms`, or, where that is 0, for as long as `boundary`
// exponentially backed-off ones take.
bool retransmits_timed_out(const sock* sk, uint32_t boundary, uint32_t timeout_ms);
// The peer's window is closed over data in flight, and nothing has come for long enough to give up;
// `rtx_delta_ms` is how long it has been retransmitted.
bool tcp_rtx_probe0_timed_out(const sock* sk, uint32_t rtx_delta_ms);
// icsk_rto, but not beyond the user timeout; jiffies.
uint32_t tcp_clamp_rto_to_user_timeout(const sock* sk);

// --- tcp_keepalive.cc ---
void tcp_keepalive_timer(TimerList* timer);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_TIMER_INTERNAL_H_
