#include "fuzz/time_oracle.h"

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "fuzz/oracles.h"
#include "stack/core/net.h"
#include "stack/kernel/kernel.h"
#include "stack/kernel/timer.h"
#include "stack/tcp/inet_connection_sock.h"

namespace tapedeck::fuzz {

namespace {

[[noreturn, gnu::noinline]] void TcpTimerLate(const sock* sk, int32_t jiffies) {
  ReportBroken("TIME", "served", "tcp_timer");
  std::fprintf(stderr, "socket %" PRIu32 ": %" PRId32 " jiffies late\n", sk->sk_id, jiffies);
  std::abort();
}
[[noreturn, gnu::noinline]] void NeighbourTimerLate(const neighbour* neigh, int32_t jiffies) {
  ReportBroken("TIME", "served", "neighbour_timer");
  std::fprintf(stderr, "state %u: %" PRId32 " jiffies late\n", neigh->nud_state, jiffies);
  std::abort();
}

// For how many jiffies the timer should have expired; not above 0 where it waits as it should. What
// is due at this very tick may have been armed at it.
int32_t LatenessOf(const TimerList& timer, const Kernel& kernel) {
  if (!timer.pending()) return 0;
  return static_cast<int32_t>(static_cast<uint32_t>(kernel.jiffies()) - timer.bucket_expiry) - 1;
}

}  // namespace

void CheckTcpTimers(const sock* sk) {
  const inet_connection_sock* const icsk = inet_csk(sk);
  for (const TimerList* timer : {static_cast<const TimerList*>(&icsk->icsk_retransmit_timer),
                                 static_cast<const TimerList*>(&icsk->icsk_delack_timer),
                                 static_cast<const TimerList*>(&icsk->icsk_keepalive_timer)}) {
    const int32_t late = LatenessOf(*timer, sk->sk_net.kernel);
    if (late > 0) TcpTimerLate(sk, late);
  }
}

void CheckNeighbourTimer(const neighbour* neigh) {
  const int32_t late = LatenessOf(neigh->timer, dev_net(neigh->dev).kernel);
  if (late > 0) NeighbourTimerLate(neigh, late);
}

}  // namespace tapedeck::fuzz
