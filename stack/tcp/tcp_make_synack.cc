// The SYN-ACK of a request (parts of net/ipv4/tcp_output.c and tcp_minisocks.c).
#include <algorithm>
#include <cstring>

#include "stack/core/net.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/syncookies.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_md5.h"
#include "stack/tcp/tcp_output.h"

namespace tapedeck {
namespace {

// The time that the SYN-ACK's timestamp shows; the round trip is measured from the first one.
void Stamp(request_sock* req, sk_buff* skb, tcp_synack_type type) {
  const uint64_t now_ns = tcp_clock_ns(req->rsk_net);
  if (type == tcp_synack_type::kCookie && req->tstamp_ok) {
    skb->tstamp = static_cast<int64_t>(cookie_init_timestamp(req, now_ns));
    return;
  }
  skb->tstamp = static_cast<int64_t>(now_ns);
  if (req->snt_synack_us == 0) req->snt_synack_us = tcp_skb_timestamp_us(skb);
}

// Header and options in front of an empty packet. `md5_hash`: where the digest goes, or null.
void BuildHeader(request_sock* req, sk_buff* skb, tcp_synack_type type, tcp_out_options* opts,
                 uint32_t header_bytes, uint8_t** md5_hash) {
  uint8_t* const at = skb_push(skb, header_bytes);
  skb_reset_transport_header(skb);
  std::memset(at, 0, header_bytes);
  auto* const th = reinterpret_cast<wire::TcpHeader*>(at);
  th->set_doff(static_cast<uint8_t>(header_bytes / 4));
  th->set_flags(TCPHDR_SYN | TCPHDR_ACK);
  tcp_ecn_make_synack(req, th, type);
  th->source = req->node.num;
  th->dest = req->node.dport;
  th->seq = req->snt_isn.value();
  th->ack_seq = req->rcv_nxt.value();
  th->window = static_cast<uint16_t>(tcp_synack_window(req));
  tcp_options_write(th, nullptr, req, opts, md5_hash);
}

}  // namespace

sk_buff* tcp_make_synack(const sock* sk, dst_entry* dst, request_sock* req,
                         tcp_fastopen_cookie* foc, tcp_synack_type type, sk_buff* syn_skb) {
  const tcp_sock* const tp = tcp_sk(sk);
  sk_buff* const skb = alloc_skb(sk->sk_net, MAX_TCP_HEADER);
  if (skb == nullptr) {
    dst_release(dst);
    return nullptr;
  }
  skb_reserve(skb, MAX_TCP_HEADER);
  // Only a fast open child is a socket that can pay for it.
  if (type == tcp_synack_type::kFastopen) skb_set_owner_w(skb, const_cast<sock*>(sk));
  skb_dst_set(skb, dst);
  Stamp(req, skb, type);
  skb_set_hash(skb, req->txhash, true);
  TCP_SKB_CB(skb)->tcp_flags = TCPHDR_SYN | TCPHDR_ACK;

  tcp_out_options opts;
  const tcp_md5sig_key* const key = tcp_md5_do_lookup(sk, req->node.daddr);
  const uint32_t mss = tcp_mss_clamp(tp, tcp_dst_advmss(dst));
  const uint32_t option_bytes =
      tcp_synack_options(sk, req, mss, skb, &opts, key, foc, type, syn_skb);
  uint8_t* md5_hash = nullptr;
  BuildHeader(req, skb, type, &opts, wire::kTcpHeaderBytes + option_bytes, &md5_hash);
  skb->mark = req->ir_mark;
  skb->ip_summed = CHECKSUM_PARTIAL;
  TCP_INC_STATS(sk->sk_net, TcpMib::kOutSegs);
  if (key != nullptr) {
    tcp_md5_hash_skb(md5_hash, key, req->node.rcv_saddr, req->node.daddr, skb);
  }
  // A cookie's timestamp was not the time of sending.
  skb->tstamp =
      static_cast<int64_t>(tcp_clock_ns(sk->sk_net) + uint64_t{tp->tcp_tx_delay_us} * 1000);
  return skb;
}

uint8_t tcp_synack_dsfield(const sock* sk, const request_sock* req, uint8_t own) {
  if (tcp_sysctl(sk).reflect_tos == 0) return own;
  return static_cast<uint8_t>((req->syn_tos & ~INET_ECN_MASK) | (own & INET_ECN_MASK));
}

int tcp_rtx_synack(const sock* sk, request_sock* req) {
  if (sk->sk_txrehash == SOCK_TXREHASH_ENABLED) req->txhash = net_tx_rndhash(sk->sk_net);
  flowi fl;
  const int res =
      req->rsk_ops->send_synack(sk, nullptr, &fl, req, nullptr, tcp_synack_type::kRetrans, nullptr);
  if (res != 0) return res;
  TCP_INC_STATS(sk->sk_net, TcpMib::kRetransSegs);
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPSynRetrans);
  // A fast open child counts for itself.
  if (tcp_passive_fastopen(sk)) ++const_cast<tcp_sock*>(tcp_sk(sk))->total_retrans;
  ++req->num_retrans;
  return 0;
}

void tcp_openreq_init_rwin(request_sock* req, const sock* sk_listener, const dst_entry* dst) {
  const tcp_sock* const tp = tcp_sk(sk_listener);
  auto full_space = static_cast<uint32_t>(tcp_full_space(sk_listener));
  const uint32_t mss = tcp_mss_clamp(tp, tcp_dst_advmss(dst));
  req->rsk_window_clamp =
      tp->window_clamp != 0 ? tp->window_clamp : dst_metric_raw(dst, RTAX_WINDOW);
  // Who has set a receive buffer gets no window beyond it.
  const bool limited = (sk_listener->sk_userlocks & SOCK_RCVBUF_LOCK) != 0;
  if (limited && (req->rsk_window_clamp > full_space || req->rsk_window_clamp == 0)) {
    req->rsk_window_clamp = full_space;
  }
  const uint32_t init_rwnd = dst_metric_raw(dst, RTAX_INITRWND);
  const uint32_t option_bytes = req->tstamp_ok ? TCPOLEN_TSTAMP_ALIGNED : 0;
  tcp_select_initial_window(sk_listener, static_cast<int>(full_space), mss - option_bytes,
                            &req->rsk_rcv_wnd, &req->rsk_window_clamp, req->wscale_ok,
                            &req->rcv_wscale, init_rwnd);
}

}  // namespace tapedeck
