// What a TCP socket starts with (tcp_init_sock of net/ipv4/tcp.c).
#include <cstdint>

#include "stack/core/stream.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {

tcp_sock::tcp_sock(net& host_net, uint16_t family, const proto* prot)
    : inet_connection_sock(host_net, family, prot),
      pacing_timer(host_net.this_cpu(), tcp_pace_kick, this),
      compressed_ack_timer(host_net.this_cpu(), tcp_compressed_ack_kick, this) {
  is_icsk = true;
}

int tcp_init_sock(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_settings& settings = tcp_sysctl(sk);
  const tcp_ticks& ticks = tcp_ticks_of(sk);
  tcp_init_xmit_timers(sk);

  tp->icsk_rto = ticks.timeout_init;
  tp->icsk_rto_max = msecs_to_jiffies(sk, static_cast<uint32_t>(settings.rto_max_ms));
  tp->icsk_rto_min = usecs_to_jiffies(sk, static_cast<uint32_t>(settings.rto_min_us));
  tp->icsk_delack_max = ticks.delack_max;
  tp->mdev_us = static_cast<uint32_t>(jiffies_to_usecs(sk, ticks.timeout_init));
  minmax_reset(&tp->rtt_min, tcp_jiffies32(sk), UINT32_MAX);

  // Many implementations count the SYN for congestion control, so the first window is given here,
  // not at the first ACK.
  tcp_snd_cwnd_set(tp, TCP_INIT_CWND);
  // There is a bubble in the pipe until the first ACK.
  tp->app_limited = UINT32_MAX;
  tp->rate_app_limited = true;
  tp->snd_ssthresh = TCP_INFINITE_SSTHRESH;
  tp->snd_cwnd_clamp = UINT32_MAX;
  tp->mss_cache = TCP_MSS_DEFAULT;
  tp->reordering = static_cast<uint32_t>(settings.reordering);
  tcp_assign_congestion_control(sk);
  tp->rack.reo_wnd_steps = 1;

  sk->sk_write_space = sk_stream_write_space;
  sock_set_flag(sk, SOCK_USE_WRITE_QUEUE);
  sk->sk_sndbuf = static_cast<uint32_t>(settings.wmem[1]);
  sk->sk_rcvbuf = static_cast<uint32_t>(settings.rmem[1]);
  tp->scaling_ratio = TCP_DEFAULT_SCALING_RATIO;
  ++sock_tcp(sk).memory.sockets;
  return 0;
}

}  // namespace tapedeck
