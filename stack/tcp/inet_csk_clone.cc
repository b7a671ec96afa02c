// A listener's child comes to be, and a connection ends (inet_csk_clone_lock, inet_csk_destroy_sock
// of net/ipv4/inet_connection_sock.c; sk_clone of net/core/sock.c).
//
// The kernel copies all bytes of the listener and then forgets what must not be inherited. Here the
// child is a new socket, and takes over, structure by structure, what a user can have set.
#include "stack/core/net.h"
#include "stack/core/sock_cmsg.h"
#include "stack/core/stream.h"
#include "stack/ipv4/inet_datagram.h"
#include "stack/ipv6/ipv6_sock.h"
#include "stack/tcp/inet_connection_sock.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {
namespace {

constexpr uint32_t Bit(sock_flags flag) { return 1U << flag; }

void CopyBuffers(const sock& from, sock* to) {
  to->sk_rcvbuf = from.sk_rcvbuf;
  to->sk_rcvlowat = from.sk_rcvlowat;
  to->sk_sndbuf = from.sk_sndbuf;
  to->sk_max_ack_backlog = from.sk_max_ack_backlog;
  to->sk_userlocks = static_cast<uint8_t>(from.sk_userlocks & ~SOCK_BINDPORT_LOCK);
}

void CopyPacing(const sock& from, sock* to) {
  to->sk_gso_disabled = from.sk_gso_disabled;
  to->sk_pacing_shift = from.sk_pacing_shift;
  to->sk_pacing_status = from.sk_pacing_status;
  to->sk_pacing_rate = from.sk_pacing_rate;
  to->sk_max_pacing_rate = from.sk_max_pacing_rate;
  to->sk_clockid = from.sk_clockid;
  to->sk_txtime_deadline_mode = from.sk_txtime_deadline_mode;
  to->sk_txtime_report_errors = from.sk_txtime_report_errors;
  to->sk_txrehash = from.sk_txrehash;
}

void CopyCallbacks(const sock& from, sock* to) {
  to->sk_state_change = from.sk_state_change;
  to->sk_data_ready = from.sk_data_ready;
  to->sk_write_space = from.sk_write_space;
  to->sk_error_report = from.sk_error_report;
  to->sk_backlog_rcv = from.sk_backlog_rcv;
  to->sk_destruct = from.sk_destruct;
  to->sk_user_data = from.sk_user_data;
}

void CopySock(const sock& from, sock* to) {
  to->sk_type = from.sk_type;
  to->sk_protocol = from.sk_protocol;
  to->sk_reuse = from.sk_reuse;
  to->sk_reuseport = from.sk_reuseport;
  to->sk_ipv6only = from.sk_ipv6only;
  to->sk_no_check_tx = from.sk_no_check_tx;
  to->sk_no_check_rx = from.sk_no_check_rx;
  to->sk_flags = from.sk_flags & ~Bit(SOCK_DONE);
  to->sk_shutdown = from.sk_shutdown;  // of a listener that was shut down before it listened
  to->sk_peek_off = from.sk_peek_off;
  to->sk_stamp = from.sk_stamp;
  to->sk_rcvtimeo = from.sk_rcvtimeo;
  to->sk_sndtimeo = from.sk_sndtimeo;
  to->sk_tsflags = from.sk_tsflags;
  to->sk_tskey = from.sk_tskey;
  to->sk_lingertime_s = from.sk_lingertime_s;
  to->sk_uid = from.sk_uid;
  to->sk_ll_usec = from.sk_ll_usec;
  to->sk_busy_poll_budget = from.sk_busy_poll_budget;
  to->sk_prefer_busy_poll = from.sk_prefer_busy_poll;
  to->sk_incoming_cpu = from.sk_net.this_cpu().id();
  CopyBuffers(from, to);
  CopyPacing(from, to);
  CopyCallbacks(from, to);
  sock_copied_timestamp(to);
}

void CopyInet(const inet_sock& from, inet_sock* to) {
  to->uc_ttl = from.uc_ttl;
  to->cmsg_flags = from.cmsg_flags;
  to->tos = from.tos;
  to->min_ttl = from.min_ttl;
  to->mc_ttl = from.mc_ttl;
  to->pmtudisc = from.pmtudisc;
  to->rcv_tos = from.rcv_tos;
  to->recverr = from.recverr;
  to->recverr_rfc4884 = from.recverr_rfc4884;
  to->freebind = from.freebind;
  to->hdrincl = from.hdrincl;
  to->mc_loop = from.mc_loop;
  to->mc6_loop = from.mc6_loop;
  to->transparent = from.transparent;
  to->mc_all = from.mc_all;
  to->nodefrag = from.nodefrag;
  to->bind_address_no_port = from.bind_address_no_port;
  to->uc_index = from.uc_index;
  to->mc_index = from.mc_index;
  to->mc_addr = from.mc_addr;
}

void CopyCsk(const inet_connection_sock& from, inet_connection_sock* to) {
  to->icsk_rto = from.icsk_rto;
  to->icsk_rto_min = from.icsk_rto_min;
  to->icsk_rto_max = from.icsk_rto_max;
  to->icsk_delack_max = from.icsk_delack_max;
  to->icsk_user_timeout_ms = from.icsk_user_timeout_ms;
  to->icsk_af_ops = from.icsk_af_ops;
  to->icsk_ca_ops = from.icsk_ca_ops;
  to->icsk_ca_setsockopt = from.icsk_ca_setsockopt;
  to->icsk_syn_retries = from.icsk_syn_retries;
  to->icsk_ack = from.icsk_ack;
}

void CopyTcp(const tcp_sock& from, tcp_sock* to) {
  to->window_clamp = from.window_clamp;
  to->scaling_ratio = from.scaling_ratio;
  to->rx_opt.user_mss = from.rx_opt.user_mss;
  to->nonagle = from.nonagle;
  to->recvmsg_inq = from.recvmsg_inq;
  to->notsent_lowat = from.notsent_lowat;
  to->reordering = from.reordering;
  to->thin_lto = from.thin_lto;
  to->keepalive_time = from.keepalive_time;
  to->keepalive_intvl = from.keepalive_intvl;
  to->keepalive_probes = from.keepalive_probes;
  to->linger2 = from.linger2;
  to->save_syn = from.save_syn;
  to->tcp_tx_delay_us = from.tcp_tx_delay_us;
  to->fastopen_connect = from.fastopen_connect;
  to->fastopen_no_cookie = from.fastopen_no_cookie;
}

// What a request says about its connection.
void TakeIdentity(const request_sock* req, sock* sk) {
  inet_sock* const inet = inet_sk(sk);
  inet->inet_num = req->node.num;
  inet->inet_sport = req->node.num;
  inet->inet_dport = req->node.dport;
  inet->inet_daddr = req->node.daddr;
  inet->inet_rcv_saddr = inet->inet_saddr = req->node.rcv_saddr;
  sk->sk_bound_dev_if = req->node.bound_dev_if;
  sk->sk_mark = req->ir_mark;
}

}  // namespace

sock* inet_csk_clone_lock(const sock* sk, const request_sock* req) {
  sock* const child = sk_alloc(sk->sk_net, sk->sk_family, sk->sk_prot);
  if (child == nullptr) return nullptr;
  inet_sock_init(inet_sk(child));
  if (inet6_sock_clone(inet_sk(sk), inet_sk(child)) != 0) {
    sock_put(child);
    return nullptr;
  }
  CHECK_EQ(sk->sk_prot->init(child), 0);
  CopySock(*sk, child);
  CopyInet(*inet_sk(sk), inet_sk(child));
  CopyCsk(*inet_csk(sk), inet_csk(child));
  CopyTcp(*tcp_sk(sk), tcp_sk(child));
  TakeIdentity(req, child);
  ++child->sk_refcnt;
  sk_set_state(child, TCP_SYN_RECV);
  return child;
}

void inet_csk_destroy_sock(sock* sk) {
  CHECK_EQ(sk->sk_state, TCP_CLOSE);
  CHECK(sock_flag(sk, SOCK_DEAD));
  CHECK(!inet_csk(sk)->icsk_hash_node.linked());
  CHECK(inet_sk(sk)->inet_num == 0 || inet_csk(sk)->icsk_bind_node.tb != nullptr);
  sk->sk_prot->destroy(sk);
  sk_stream_kill_queues(sk);
  --sock_tcp(sk).orphan_count;
  sock_put(sk);
}

void inet_csk_prepare_forced_close(sock* sk) {
  sock_put(sk);  // the caller's
  sock_set_flag(sk, SOCK_DEAD);
  ++sock_tcp(sk).orphan_count;
  inet_sk(sk)->inet_num = 0;
}

}  // namespace tapedeck
