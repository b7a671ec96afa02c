// Segment sizes: from the path's MTU, the peer's MSS, options and windows.
#include <algorithm>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_md5.h"
#include "stack/tcp/tcp_output_internal.h"

namespace tapedeck {

namespace {

constexpr int kMinDatagramPayload = 68;  // RFC 791's smallest MTU

// A peer with tiny windows gets at least two segments into them, unless its MSS is the window.
int tcp_bound_to_half_wnd(const tcp_sock* tp, int pktsize) {
  const uint32_t cutoff = tp->max_window > TCP_MSS_DEFAULT ? tp->max_window >> 1 : tp->max_window;
  if (cutoff == 0 || static_cast<int64_t>(pktsize) <= cutoff) return pktsize;
  return std::max(static_cast<int>(cutoff), kMinDatagramPayload - tp->tcp_header_len);
}

}  // namespace

uint32_t tcp_dst_advmss(const dst_entry* dst) {
  return std::max(dst_metric_advmss(dst), TCP_MIN_MSS);
}

int __tcp_mtu_to_mss(sock* sk, int pmtu) {
  const tcp_sock* const tp = tcp_sk(sk);
  int mss_now = pmtu - tp->icsk_af_ops->net_header_len - static_cast<int>(wire::kTcpHeaderBytes);
  mss_now = std::min<int>(mss_now, tp->rx_opt.mss_clamp);
  mss_now -= tp->icsk_ext_hdr_len;
  return std::max(mss_now, tcp_sysctl(sk).min_snd_mss);
}

int tcp_mtu_to_mss(sock* sk, int pmtu) {
  return __tcp_mtu_to_mss(sk, pmtu) -
         (tcp_sk(sk)->tcp_header_len - static_cast<int>(wire::kTcpHeaderBytes));
}

int tcp_mss_to_mtu(sock* sk, int mss) {
  const tcp_sock* const tp = tcp_sk(sk);
  return mss + tp->tcp_header_len + tp->icsk_ext_hdr_len + tp->icsk_af_ops->net_header_len;
}

uint32_t tcp_sync_mss(sock* sk, uint32_t pmtu) {
  tcp_sock* const tp = tcp_sk(sk);
  const int mtu = static_cast<int>(pmtu);
  tp->icsk_mtup.search_high = std::min(tp->icsk_mtup.search_high, mtu);
  int mss_now = tcp_bound_to_half_wnd(tp, tcp_mtu_to_mss(sk, mtu));
  tp->icsk_pmtu_cookie = pmtu;
  if (tp->icsk_mtup.enabled) {
    mss_now = std::min(mss_now, tcp_mtu_to_mss(sk, tp->icsk_mtup.search_low));
  }
  tp->mss_cache = static_cast<uint32_t>(mss_now);
  return tp->mss_cache;
}

uint32_t tcp_current_mss(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const dst_entry* const dst = __sk_dst_get(sk);
  uint32_t mss_now = tp->mss_cache;
  if (dst != nullptr) {
    const uint32_t mtu = dst_mtu(dst);
    if (mtu != tp->icsk_pmtu_cookie) mss_now = tcp_sync_mss(sk, mtu);
  }
  // mss_cache knows the options of every segment; this one may have SACK blocks too.
  tcp_out_options opts;
  const uint32_t header_len =
      wire::kTcpHeaderBytes + tcp_established_options(sk, nullptr, &opts, tcp_md5_lookup(sk));
  return mss_now - (header_len - tp->tcp_header_len);
}

}  // namespace tapedeck
