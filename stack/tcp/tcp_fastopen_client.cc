// Fast open's active side: cookies that peers have given us, data in our SYNs, and paths that
// swallow such SYNs.
#include <algorithm>
#include <cerrno>

#include "stack/core/dst.h"
#include "stack/core/net_device.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_metrics.h"
#include "stack/tcp/tcp_queues.h"

namespace tapedeck {
namespace {

bool NoCookieNeeded(const sock* sk) {
  return (static_cast<uint32_t>(tcp_sysctl(sk).fastopen) & TFO_CLIENT_NO_COOKIE) != 0 ||
         tcp_sk(sk)->fastopen_no_cookie;
}

// The MSS that the SYN-ACK named, which mss_clamp does not show where TCP_MAXSEG is smaller.
uint16_t PeerMss(sock* sk, sk_buff* synack) {
  const tcp_options_received& agreed = tcp_sk(sk)->rx_opt;
  if (agreed.mss_clamp != agreed.user_mss) return agreed.mss_clamp;
  tcp_options_received opt;
  tcp_parse_options(sk->sk_net, synack, &opt, false, nullptr);
  return opt.mss_clamp;
}

void SendAgainWhatTheSynCarried(sock* sk, sk_buff* data) {
  tcp_sock* const tp = tcp_sk(sk);
  tp->fastopen_client_fail = tp->total_retrans != 0 ? TFO_SYN_RETRANSMITTED : TFO_DATA_NOT_ACKED;
  for (; data != nullptr; data = skb_rb_next(data)) tcp_mark_skb_lost(sk, data);
  tcp_non_congestion_loss_retransmit(sk);
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPFastOpenActiveFail);
}

}  // namespace

bool tcp_fastopen_cookie_check(sock* sk, uint16_t* mss, tcp_fastopen_cookie* cookie) {
  tcp_fastopen_cache_get(sk, mss, cookie);
  if (tcp_fastopen_active_should_disable(sk)) {
    cookie->len = -1;
    return false;
  }
  if (NoCookieNeeded(sk)) {
    cookie->len = -1;
    return true;
  }
  if (cookie->len > 0) return true;
  tcp_sk(sk)->fastopen_client_fail = TFO_COOKIE_UNAVAILABLE;
  return false;
}

bool tcp_fastopen_defer_connect(sock* sk, int* err) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!tp->fastopen_connect || tp->fastopen_req != nullptr) return false;
  tcp_fastopen_cookie cookie;
  uint16_t mss = 0;
  if (tcp_fastopen_cookie_check(sk, &mss, &cookie)) {
    tp->defer_connect = true;
    return true;
  }
  // The SYN asks for a cookie.
  void* const memory = sk->sk_net.kernel.kmalloc().Alloc(sizeof(tcp_fastopen_request));
  if (memory == nullptr) {
    *err = -ENOBUFS;
    return false;
  }
  tp->fastopen_req = new (memory) tcp_fastopen_request;
  tp->fastopen_req->cookie = cookie;
  return false;
}

void tcp_free_fastopen_req(tcp_sock* tp) {
  if (tp->fastopen_req == nullptr) return;
  tp->sk_net.kernel.kmalloc().Free(tp->fastopen_req, sizeof(*tp->fastopen_req));
  tp->fastopen_req = nullptr;
}

bool tcp_rcv_fastopen_synack(sock* sk, sk_buff* synack, tcp_fastopen_cookie* cookie) {
  tcp_sock* const tp = tcp_sk(sk);
  sk_buff* const data = tp->syn_data ? tcp_rtx_queue_head(sk) : nullptr;
  uint16_t try_exp = 0;
  bool syn_drop = false;
  if (!tp->syn_fastopen) {
    cookie->len = -1;  // nobody asked
  } else if (tp->total_retrans != 0) {
    // The peer knows our plain SYN only: the one with data, or its answer, was lost.
    syn_drop = cookie->len < 0 && data != nullptr;
  } else if (cookie->len < 0 && !tp->syn_data) {
    // It gave no cookie: the other form of the option next time, and after that none.
    try_exp = tp->syn_fastopen_exp ? 2 : 1;
  }
  tcp_fastopen_cache_set(sk, PeerMss(sk, synack), cookie, syn_drop, try_exp);

  if (data != nullptr) {
    SendAgainWhatTheSynCarried(sk, data);
    return true;
  }
  tp->syn_data_acked = tp->syn_data;
  if (tp->syn_data_acked) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPFastOpenActive);
    // tcp_ack has counted the SYN and its data as two.
    if (tp->delivered > 1) --tp->delivered;
  }
  tcp_fastopen_add_skb(sk, synack);
  return false;
}

// --- Paths that lose what follows a SYN with data: no fast open for a while, longer each time. ---

void tcp_fastopen_active_disable(sock* sk) {
  netns_tcp& tcp = sock_tcp(sk);
  if (tcp.settings.fastopen_blackhole_timeout_s == 0) return;
  tcp.tfo_active_disable_stamp = sk->sk_net.jiffies();
  ++tcp.tfo_active_disable_times;
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPFastOpenBlackhole);
}

bool tcp_fastopen_active_should_disable(sock* sk) {
  const netns_tcp& tcp = sock_tcp(sk);
  const auto timeout_s = static_cast<uint64_t>(tcp.settings.fastopen_blackhole_timeout_s);
  if (timeout_s == 0 || tcp.tfo_active_disable_times == 0) return false;
  const uint64_t multiplier = uint64_t{1} << std::min(tcp.tfo_active_disable_times - 1, 6U);
  if (sk->sk_net.jiffies() < tcp.tfo_active_disable_stamp + multiplier * timeout_s * tcp.ticks.hz) {
    return true;
  }
  // If this one succeeds, all is forgiven (ofo_check).
  tcp_sk(sk)->syn_fastopen_ch = true;
  return false;
}

void tcp_fastopen_active_disable_ofo_check(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!tp->syn_fastopen) return;
  if (tp->data_segs_in == 0) {
    // Nothing but a FIN has come, and that too early: the data between was swallowed.
    sk_buff* const skb = skb_rb_first(&tp->out_of_order_queue);
    if (skb != nullptr && skb_rb_next(skb) == nullptr &&
        (TCP_SKB_CB(skb)->tcp_flags & TCPHDR_FIN) != 0) {
      tcp_fastopen_active_disable(sk);
    }
    return;
  }
  if (!tp->syn_fastopen_ch || sock_tcp(sk).tfo_active_disable_times == 0) return;
  const dst_entry* const dst = __sk_dst_get(sk);
  const bool loopback = dst != nullptr && dst->dev == sk->sk_net.loopback_dev;
  if (!loopback) sock_tcp(sk).tfo_active_disable_times = 0;
}

void tcp_fastopen_active_detect_blackhole(sock* sk, bool expired) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (!tp->syn_fastopen && !tp->syn_data && !tp->syn_data_acked) return;
  const uint32_t timeouts = tp->icsk_retransmits;
  if (timeouts != 2 && !(timeouts < 2 && expired)) return;
  tcp_fastopen_active_disable(sk);
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPFastOpenActiveFail);
}

}  // namespace tapedeck
