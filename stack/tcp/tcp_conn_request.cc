// A SYN meets a listener (tcp_conn_request of net/ipv4/tcp_input.c; RFC 9293 3.10.7.2).
#include <cstring>
#include <new>

#include "stack/core/net.h"
#include "stack/tcp/inet_connection_sock.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/syncookies.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_metrics.h"
#include "stack/tcp/tcp_output.h"

namespace tapedeck {
namespace {

constexpr uint8_t kSaveSynWithMac = 2;  // TCP_SAVE_SYN 2: with the link-layer header

// The SYN queue is full, or cookies are always sent: whether this SYN gets one.
bool tcp_syn_flood_action(sock* sk) {
  const bool want_cookie = tcp_sysctl(sk).syncookies != 0;
  NET_INC_STATS(sk->sk_net,
                want_cookie ? TcpExtMib::kTCPReqQFullDoCookies : TcpExtMib::kTCPReqQFullDrop);
  if (tcp_sysctl(sk).syncookies != 2) inet_csk(sk)->icsk_accept_queue.synflood_warned = true;
  return want_cookie;
}

// tcp_openreq_init: what the SYN says.
void InitRequest(request_sock* req, const tcp_options_received& opt, const sk_buff* skb,
                 const sock* sk) {
  const tcp_skb_cb& cb = *TCP_SKB_CB(skb);
  const wire::TcpHeader& th = *tcp_hdr(skb);
  req->rcv_isn = cb.seq;
  req->rcv_nxt = cb.seq + 1;
  req->mss = opt.mss_clamp;
  req->ts_recent = opt.saw_tstamp ? opt.rcv_tsval : 0;
  req->tstamp_ok = opt.tstamp_ok;
  req->sack_ok = opt.sack_ok != 0;
  req->snd_wscale = opt.snd_wscale;
  req->wscale_ok = opt.wscale_ok;
  req->node.dport = th.source;
  req->node.num = th.dest.host();
  req->node.bound_dev_if = sk->sk_bound_dev_if;
  req->ir_mark = sk->sk_mark;
  if (sk->sk_mark == 0 && tcp_sysctl(sk).fwmark_accept != 0) req->ir_mark = skb->mark;
}

// TCP_SAVE_SYN.
void tcp_reqsk_record_syn(const sock* sk, request_sock* req, const sk_buff* skb) {
  const uint8_t save_syn = tcp_sk(sk)->save_syn;
  if (save_syn == 0) return;
  const bool with_mac = save_syn == kSaveSynWithMac;
  const uint32_t mac_bytes = with_mac ? skb_mac_header_len(skb) : 0;
  const uint32_t network_bytes = skb_network_header_len(skb);
  const uint32_t bytes = mac_bytes + network_bytes + tcp_hdrlen(skb);
  void* const memory = sk->sk_net.kernel.kmalloc().Alloc(sizeof(saved_syn) + bytes);
  if (memory == nullptr) return;
  auto* const syn = new (memory) saved_syn{
      .mac_hdrlen = mac_bytes, .network_hdrlen = network_bytes, .tcp_hdrlen = tcp_hdrlen(skb)};
  std::memcpy(syn->data, with_mac ? skb_mac_header(skb) : skb_network_header(skb), bytes);
  req->syn = syn;
}

// A SYN on its way through tcp_conn_request.
struct Syn {
  const request_sock_ops* ops;
  sock* sk;  // the listener
  sk_buff* skb;
  bool want_cookie = false;
  uint32_t isn = 0;  // what a time-wait socket suggests, then ours
  tcp_fastopen_cookie foc;
  flowi fl;

  net& host_net() const { return sk->sk_net; }
};

// Room in the queues. SYNs that a time-wait socket has let through need none in the first.
bool QueuesAllow(Syn* syn) {
  sock* const sk = syn->sk;
  if (syn->isn == 0 && (tcp_sysctl(sk).syncookies == 2 || inet_csk_reqsk_queue_is_full(sk))) {
    syn->want_cookie = tcp_syn_flood_action(sk);
    if (!syn->want_cookie) return false;
  }
  if (!sk_acceptq_is_full(sk)) return true;
  NET_INC_STATS(syn->host_net(), TcpExtMib::kListenOverflows);
  return false;
}

tcp_options_received ParseOptions(Syn* syn) {
  tcp_options_received opt;
  tcp_clear_options(&opt);
  opt.mss_clamp = syn->ops->mss_clamp;
  opt.user_mss = tcp_sk(syn->sk)->rx_opt.user_mss;
  tcp_parse_options(syn->host_net(), syn->skb, &opt, false, syn->want_cookie ? nullptr : &syn->foc);
  // Without timestamps a cookie has no room for what was agreed.
  if (syn->want_cookie && !opt.saw_tstamp) tcp_clear_options(&opt);
  opt.tstamp_ok = opt.saw_tstamp;
  return opt;
}

// Without cookies the last quarter of the queue is for peers that are known to be there.
bool BacklogAllows(const Syn& syn, request_sock* req, const dst_entry* dst) {
  const tcp_settings& settings = tcp_sysctl(syn.sk);
  if (settings.syncookies != 0) return true;
  const int32_t room =
      settings.max_syn_backlog - static_cast<int32_t>(inet_csk_reqsk_queue_len(syn.sk));
  return room >= settings.max_syn_backlog >> 2 || tcp_peer_is_proven(req, dst);
}

// ISN and timestamp offset. False where the SYN is to be dropped after all.
bool ChooseNumbers(Syn* syn, request_sock* req, const dst_entry* dst) {
  const bool has_isn = syn->want_cookie || syn->isn != 0;
  if (has_isn && !req->tstamp_ok) return true;
  const tcp_seq_and_ts_off numbers = tcp_init_seq_and_ts_off(syn->skb);
  if (req->tstamp_ok) {
    req->req_usec_ts = dst_tcp_usec_ts(dst);
    req->ts_off = numbers.ts_off;
  }
  if (has_isn) return true;
  if (!BacklogAllows(*syn, req, dst)) return false;
  syn->isn = numbers.seq;
  return true;
}

// The SYN's data go to a child at once (RFC 7413).
void AcceptFastopen(Syn* syn, request_sock* req, dst_entry* dst, sock* child) {
  sock* const sk = syn->sk;
  syn->ops->send_synack(child, dst, &syn->fl, req, &syn->foc, tcp_synack_type::kFastopen, syn->skb);
  if (inet_csk_reqsk_queue_add(sk, req, child) != nullptr) {
    sk->sk_data_ready(sk);
    sock_put(child);
    reqsk_put(req);
  } else {
    sock_put(child);
    reqsk_free(req);
    tcp_listendrop(sk);
  }
}

void SendSynack(Syn* syn, request_sock* req, dst_entry* dst) {
  sock* const sk = syn->sk;
  req->tfo_listener = false;
  if (!syn->want_cookie && !inet_csk_reqsk_queue_hash_add(sk, req)) {
    reqsk_free(req);
    dst_release(dst);
    return;
  }
  const tcp_synack_type type =
      syn->want_cookie ? tcp_synack_type::kCookie : tcp_synack_type::kNormal;
  syn->ops->send_synack(sk, dst, &syn->fl, req, &syn->foc, type, syn->skb);
  if (syn->want_cookie) {
    reqsk_free(req);
  } else {
    reqsk_put(req);
  }
}

// The request is made and has a route, which this takes over: what it will answer, and the answer.
void Answer(Syn* syn, request_sock* req, dst_entry* dst) {
  sock* const sk = syn->sk;
  tcp_ecn_create_request(req, syn->skb, sk, dst);
  if (syn->want_cookie) {
    tcp_synq_overflow(sk);
    NET_INC_STATS(syn->host_net(), TcpExtMib::kSyncookiesSent);
    if (!req->tstamp_ok) req->ecn_ok = false;
  }
  req->snt_isn = SeqNum(syn->isn);
  req->syn_tos = TCP_SKB_CB(syn->skb)->ip_dsfield;
  tcp_openreq_init_rwin(req, sk, dst);
  sock* child = nullptr;
  if (!syn->want_cookie) {
    tcp_reqsk_record_syn(sk, req, syn->skb);
    child = tcp_try_fastopen(sk, syn->skb, req, &syn->foc, dst);
  }
  if (child != nullptr) {
    AcceptFastopen(syn, req, dst, child);
  } else {
    SendSynack(syn, req, dst);
  }
}

}  // namespace

void tcp_listendrop(sock* sk) {
  ++sk->sk_drops;
  NET_INC_STATS(sk->sk_net, TcpExtMib::kListenDrops);
}

int tcp_conn_request(const request_sock_ops* ops, sock* sk, sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, tcp_conn_request, ops, sk, skb);
  Syn syn{
      .ops = ops, .sk = sk, .skb = skb, .isn = TCP_SKB_CB(skb)->tcp_tw_isn, .foc = {}, .fl = {}};
  syn.foc.len = -1;
  request_sock* const req =
      QueuesAllow(&syn) ? inet_reqsk_alloc(ops, sk, !syn.want_cookie) : nullptr;
  if (req == nullptr) {
    tcp_listendrop(sk);
    return 0;
  }
  req->syncookie = syn.want_cookie;
  req->txhash = net_tx_rndhash(sk->sk_net);
  InitRequest(req, ParseOptions(&syn), skb, sk);
  if (syn.want_cookie) {
    syn.isn = cookie_init_sequence(skb, &req->mss);
    // The full socket, which will know the cookie alone, takes the same way out.
    req->txhash = syn.isn;
  }
  dst_entry* const dst = ops->route_req(sk, skb, &syn.fl, req, syn.want_cookie ? 0 : syn.isn);
  if (dst == nullptr || !ChooseNumbers(&syn, req, dst)) {
    dst_release(dst);
    reqsk_free(req);
    tcp_listendrop(sk);
    return 0;
  }
  Answer(&syn, req, dst);
  return 0;
}

}  // namespace tapedeck
