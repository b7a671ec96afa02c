// connect() to AF_UNSPEC, and close with SO_LINGER of zero: the connection is aborted and the
// socket as good as new (tcp_disconnect of net/ipv4/tcp.c).
#include <cerrno>
#include <cstring>

#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_queues.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {
namespace {

// ABORT of RFC 9293 3.10.5: tells the peer, where it has to know, and the user. `old_state` is that
// before it was closed.
void Abort(sock* sk, uint8_t old_state) {
  const tcp_sock* const tp = tcp_sk(sk);
  // Linux is in these states before its FIN is sent.
  const bool fin_unsent =
      tp->snd_nxt != tp->write_seq && (old_state == TCP_CLOSING || old_state == TCP_LAST_ACK);
  if (old_state == TCP_LISTEN) {
    inet_csk_listen_stop(sk);
  } else if (tcp_need_reset(old_state) || fin_unsent) {
    tcp_send_active_reset(sk);
    sk->sk_err = ECONNRESET;
  } else if (old_state == TCP_SYN_SENT) {
    sk->sk_err = ECONNRESET;
  }
}

void PurgeQueues(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  skb_queue_purge(&sk->sk_receive_queue);
  tp->copied_seq = tp->rcv_nxt;
  tp->urg_data = 0;
  sk->sk_peek_off = -1;
  tcp_write_queue_purge(sk);
  tcp_fastopen_active_disable_ofo_check(sk);
  while (sk_buff* const skb = skb_rb_first(&tp->out_of_order_queue)) {
    rb_erase(&tp->out_of_order_queue, skb_rb(skb));
    consume_skb(skb);
  }
  tp->ooo_last_skb = nullptr;
}

void ResetCongestion(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  tp->snd_ssthresh = TCP_INFINITE_SSTHRESH;
  tcp_snd_cwnd_set(tp, TCP_INIT_CWND);
  tp->snd_cwnd_cnt = 0;
  tp->is_cwnd_limited = false;
  tp->max_packets_out = 0;
  tp->delivered = 0;
  tp->delivered_ce = 0;
  if (tp->icsk_ca_initialized && tp->icsk_ca_ops->release != nullptr) {
    tp->icsk_ca_ops->release(sk);
  }
  std::memset(tp->icsk_ca_priv, 0, sizeof(tp->icsk_ca_priv));
  tp->icsk_ca_initialized = false;
  tcp_set_ca_state(sk, TCP_CA_Open);
  tp->is_sack_reneg = false;
  tcp_clear_retrans(tp);
  tp->total_retrans = 0;
  tp->reord_seen = 0;
  tp->retrans_out = 0;
  tp->sacked_out = 0;
  tp->tlp_high_seq = SeqNum();
  tp->tlp_active = false;
  tp->app_limited = UINT32_MAX;
  tp->rate_app_limited = true;
  tp->rack.mstamp_us = 0;
  tp->rack.advanced = false;
  tp->rack.reo_wnd_steps = 1;
  tp->rack.last_delivered = 0;
  tp->rack.reo_wnd_persist = 0;
  tp->rack.dsack_seen = false;
}

void ResetEcn(tcp_sock* tp) {
  tp->accecn_fail_mode = 0;
  tp->saw_accecn_opt = TCP_ACCECN_OPT_NOT_SEEN;
  tcp_accecn_init_counters(tp);
  tp->prev_ecnfield = 0;
  tp->accecn_opt_tstamp_us = 0;
  tp->pkts_acked_ewma = 0;
}

void ResetTimers(tcp_sock* tp) {
  const tcp_ticks& ticks = tcp_ticks_of(tp);
  tp->srtt_us = 0;
  tp->mdev_us = static_cast<uint32_t>(jiffies_to_usecs(tp, ticks.timeout_init));
  tp->rcv_rtt_last_tsecr = 0;
  tp->icsk_backoff = 0;
  tp->icsk_probes_out = 0;
  tp->icsk_probes_tstamp = 0;
  tp->icsk_rto = ticks.timeout_init;
  tp->icsk_rto_min = ticks.rto_min;
  tp->icsk_delack_max = ticks.delack_max;
}

void ResetReceiver(tcp_sock* tp) {
  tp->window_clamp = 0;
  inet_csk_delack_init(tp);
  // __tcp_select_window divides by it.
  tp->icsk_ack.rcv_mss = TCP_MIN_MSS;
  tp->rx_opt = {};
  tp->compressed_ack = 0;
  tp->duplicate_sack[0] = {};
  tp->rcv_ooopack = 0;
  tp->last_oow_ack_time = 0;
  dst_release(tp->sk_rx_dst);
  tp->sk_rx_dst = nullptr;
  tcp_saved_syn_free(tp);
}

void ResetCounts(tcp_sock* tp) {
  tp->segs_in = 0;
  tp->segs_out = 0;
  tp->bytes_sent = 0;
  tp->bytes_acked = 0;
  tp->bytes_received = 0;
  tp->bytes_retrans = 0;
  tp->data_segs_in = 0;
  tp->data_segs_out = 0;
  tp->dsack_dups = 0;
}

void ResetFastopen(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  tp->syn_data_acked = false;
  tp->syn_fastopen_child = false;
  if (request_sock* const req = tp->fastopen_rsk) reqsk_fastopen_remove(sk, req, false);
  tcp_free_fastopen_req(tp);
  tp->defer_connect = false;
  tp->fastopen_client_fail = TFO_STATUS_UNSPEC;
}

void FreePageFrag(page_frag* frag) {
  if (frag->page == nullptr) return;
  put_page(frag->page);
  frag->page = nullptr;
  frag->offset = 0;
}

}  // namespace

bool tcp_need_reset(uint8_t state) {
  return state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT || state == TCP_FIN_WAIT1 ||
         state == TCP_FIN_WAIT2 || state == TCP_SYN_RECV;
}

void tcp_saved_syn_free(tcp_sock* tp) {
  if (tp->saved_syn == nullptr) return;
  saved_syn_free(tp->sk_net, tp->saved_syn);
  tp->saved_syn = nullptr;
}

int tcp_disconnect(sock* sk, uint32_t /*flags*/) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint8_t old_state = sk->sk_state;
  if (old_state != TCP_CLOSE) tcp_set_state(sk, TCP_CLOSE);
  Abort(sk, old_state);
  tcp_clear_xmit_timers(sk);
  PurgeQueues(sk);
  tp->inet_dport = be16{};
  inet_bhash2_reset_saddr(sk);
  sk->sk_shutdown = 0;
  sock_reset_flag(sk, SOCK_DONE);
  ResetTimers(tp);
  // A new connection between the same ends must not fit the old one. 0 would stand for none chosen.
  tp->write_seq += tp->max_window + 2;
  if (tp->write_seq == SeqNum()) tp->write_seq = SeqNum(1);
  ResetCongestion(sk);
  ResetEcn(tp);
  ResetReceiver(tp);
  sk_dst_reset(sk);
  ResetCounts(tp);
  ResetFastopen(sk);
  CHECK(tp->inet_num == 0 || tp->icsk_bind_node.tb != nullptr);
  FreePageFrag(&sk->sk_frag);
  sk_error_report(sk);
  return 0;
}

}  // namespace tapedeck
