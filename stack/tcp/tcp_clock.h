// TCP's clocks (include/net/tcp.h): nanoseconds, microseconds and milliseconds of the running CPU's
// virtual time, and the stamps made of them.
#ifndef TAPEDECK_STACK_TCP_TCP_CLOCK_H_
#define TAPEDECK_STACK_TCP_TCP_CLOCK_H_

#include <cstdint>

#include "stack/core/net.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

inline uint64_t tcp_clock_ns(const net& net) {
  return static_cast<uint64_t>(net.kernel.now().ps) / 1000;
}
inline uint64_t tcp_clock_us(const net& net) { return tcp_clock_ns(net) / 1000; }
inline uint64_t tcp_clock_ms(const net& net) { return tcp_clock_ns(net) / 1'000'000; }
// Seconds since the host started plus one, so that 0 stays "never" (ktime_get_seconds).
inline uint32_t tcp_clock_s(const net& net) {
  return static_cast<uint32_t>(tcp_clock_ns(net) / 1'000'000'000) + 1;
}
// A timestamp option's value at `ns`, without the connection's offset.
inline uint32_t tcp_ns_to_ts(bool usec_ts, uint64_t ns) {
  return static_cast<uint32_t>(usec_ts ? ns / 1000 : ns / 1'000'000);
}
inline uint32_t tcp_clock_ts(const net& net, bool usec_ts) {
  return tcp_ns_to_ts(usec_ts, tcp_clock_ns(net));
}
inline uint32_t tcp_time_stamp_ms(const tcp_sock* tp) {
  return static_cast<uint32_t>(tp->tcp_mstamp_us / 1000);
}
// In the unit of the connection's timestamps.
inline uint32_t tcp_time_stamp_ts(const tcp_sock* tp) {
  return tp->tcp_usec_ts ? static_cast<uint32_t>(tp->tcp_mstamp_us) : tcp_time_stamp_ms(tp);
}
// Reads the clock into tcp_clock_cache_ns and tcp_mstamp_us.
inline void tcp_mstamp_refresh(tcp_sock* tp) {
  tp->tcp_clock_cache_ns = tcp_clock_ns(tp->sk_net);
  tp->tcp_mstamp_us = tp->tcp_clock_cache_ns / 1000;
}
inline uint32_t tcp_stamp_us_delta(uint64_t t1, uint64_t t0) {
  return t1 > t0 ? static_cast<uint32_t>(t1 - t0) : 0;
}
// skb_mstamp_ns is sk_buff::tstamp: when it was (last) sent.
inline uint64_t tcp_skb_timestamp_us(const sk_buff* skb) {
  return static_cast<uint64_t>(skb->tstamp) / 1000;
}
inline uint32_t tcp_skb_timestamp_ts(bool usec_ts, const sk_buff* skb) {
  return tcp_ns_to_ts(usec_ts, static_cast<uint64_t>(skb->tstamp));
}

// Both round as the kernel's: usecs_to_jiffies up.
inline uint64_t jiffies_to_usecs(const sock* sk, uint64_t jiffies) {
  return jiffies * 1'000'000 / tcp_ticks_of(sk).hz;
}
inline uint32_t usecs_to_jiffies(const sock* sk, uint64_t us) {
  const uint64_t hz = tcp_ticks_of(sk).hz;
  return static_cast<uint32_t>((us * hz + 999'999) / 1'000'000);
}
inline uint32_t msecs_to_jiffies(const sock* sk, uint64_t ms) {
  return usecs_to_jiffies(sk, ms * 1000);
}
inline uint64_t jiffies_to_msecs(const sock* sk, uint64_t jiffies) {
  return jiffies_to_usecs(sk, jiffies) / 1000;
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_CLOCK_H_
