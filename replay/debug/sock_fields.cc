#include <array>

#include "replay/debug/field_table.h"
#include "replay/debug/fields.h"
#include "replay/trace/event_text.h"
#include "stack/core/sock.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_constants.h"
#include "stack/tcp/tcp_sock.h"
#include "stack/udp/udp.h"

namespace tapedeck {

namespace {

const char* CaStateName(uint8_t state) {
  constexpr std::array<const char*, 5> kNames = {"Open", "Disorder", "CWR", "Recovery", "Loss"};
  return state < kNames.size() ? kNames[state] : "?";
}

// When a timer of a connection is due, in jiffies; nothing where it is not armed.
FieldValue Due(const TimerList& timer) {
  return timer.pending() ? ValueOf(timer.expires) : FieldValue{};
}

uint32_t CountPackets(const rb_root* root) {
  uint32_t count = 0;
  for (sk_buff* skb = skb_rb_first(root); skb != nullptr; skb = skb_rb_next(skb)) ++count;
  return count;
}

// What every internet socket has. `Object` is its structure.
#define TAPEDECK_SOCK_FIELDS                                                                     \
  TAPEDECK_FIELD_AS("sk_state", ValueOf(SockStateName(object.sk_state))), TAPEDECK_FIELD(sk_id), \
      TAPEDECK_FIELD(sk_refcnt), TAPEDECK_FIELD(sk_family), TAPEDECK_FIELD(sk_type),             \
      TAPEDECK_FIELD(sk_protocol), TAPEDECK_FIELD(sk_shutdown), TAPEDECK_FIELD(sk_owned),        \
      TAPEDECK_FIELD(sk_flags), TAPEDECK_FIELD(sk_bound_dev_if), TAPEDECK_FIELD(sk_rmem_alloc),  \
      TAPEDECK_FIELD(sk_rcvbuf), TAPEDECK_FIELD(sk_rcvlowat), TAPEDECK_FIELD(sk_drops),          \
      TAPEDECK_FIELD(sk_backlog.len), TAPEDECK_FIELD(sk_wmem_alloc), TAPEDECK_FIELD(sk_sndbuf),  \
      TAPEDECK_FIELD(sk_wmem_queued), TAPEDECK_FIELD(sk_write_pending),                          \
      TAPEDECK_FIELD(sk_omem_alloc), TAPEDECK_FIELD(sk_forward_alloc),                           \
      TAPEDECK_FIELD(sk_pacing_rate), TAPEDECK_FIELD(sk_max_pacing_rate),                        \
      TAPEDECK_FIELD(sk_txhash), TAPEDECK_FIELD(sk_priority), TAPEDECK_FIELD(sk_mark),           \
      TAPEDECK_FIELD(sk_err), TAPEDECK_FIELD(sk_err_soft), TAPEDECK_FIELD(sk_tsflags),           \
      TAPEDECK_FIELD(sk_nospace), TAPEDECK_FIELD(sk_ack_backlog),                                \
      TAPEDECK_FIELD(sk_max_ack_backlog), TAPEDECK_FIELD(sk_receive_queue.qlen),                 \
      TAPEDECK_FIELD(sk_write_queue.qlen), TAPEDECK_FIELD(sk_error_queue.qlen),                  \
      TAPEDECK_FIELD(inet_saddr), TAPEDECK_FIELD(inet_sport), TAPEDECK_FIELD(inet_rcv_saddr),    \
      TAPEDECK_FIELD(inet_num), TAPEDECK_FIELD(inet_daddr), TAPEDECK_FIELD(inet_dport),          \
      TAPEDECK_FIELD(inet_id), TAPEDECK_FIELD(tos), TAPEDECK_FIELD(uc_ttl),                      \
      TAPEDECK_FIELD(mc_ttl), TAPEDECK_FIELD(pmtudisc)

}  // namespace

std::span<const Field> SockFields() {
  using Object = inet_sock;
  static constexpr Field kFields[] = {TAPEDECK_SOCK_FIELDS};
  return kFields;
}

std::span<const Field> UdpFields() {
  using Object = udp_sock;
  static constexpr Field kFields[] = {
      TAPEDECK_SOCK_FIELDS,
      TAPEDECK_FIELD(corkflag),
      TAPEDECK_FIELD(gso_size),
      TAPEDECK_FIELD(pending),
      TAPEDECK_FIELD(len),
      TAPEDECK_FIELD(reader_queue.qlen),
      TAPEDECK_FIELD(forward_deficit),
      TAPEDECK_FIELD(gro_enabled),
      TAPEDECK_FIELD(encap_type),
  };
  return kFields;
}

std::span<const Field> TcpFields() {
  using Object = tcp_sock;
  static constexpr Field kFields[] = {
      TAPEDECK_SOCK_FIELDS,
      TAPEDECK_FIELD(snd_una),
      TAPEDECK_FIELD(snd_nxt),
      TAPEDECK_FIELD(write_seq),
      TAPEDECK_FIELD(pushed_seq),
      TAPEDECK_FIELD(snd_sml),
      TAPEDECK_FIELD(snd_up),
      TAPEDECK_FIELD(snd_wl1),
      TAPEDECK_FIELD(snd_wnd),
      TAPEDECK_FIELD(max_window),
      TAPEDECK_FIELD(rcv_nxt),
      TAPEDECK_FIELD(copied_seq),
      TAPEDECK_FIELD(rcv_wup),
      TAPEDECK_FIELD(rcv_wnd),
      TAPEDECK_FIELD(rcv_mwnd_seq),
      TAPEDECK_FIELD(rcv_ssthresh),
      TAPEDECK_FIELD(window_clamp),
      TAPEDECK_FIELD(scaling_ratio),
      TAPEDECK_FIELD(advmss),
      TAPEDECK_FIELD(urg_data),
      TAPEDECK_FIELD(urg_seq),
      TAPEDECK_FIELD(tsoffset),
      TAPEDECK_FIELD(mss_cache),
      TAPEDECK_FIELD(tcp_header_len),
      TAPEDECK_FIELD(gso_segs),
      TAPEDECK_FIELD(pred_flags),
      TAPEDECK_FIELD(rx_opt.ts_recent_stamp_s),
      TAPEDECK_FIELD(rx_opt.ts_recent),
      TAPEDECK_FIELD(rx_opt.rcv_tsval),
      TAPEDECK_FIELD(rx_opt.rcv_tsecr),
      TAPEDECK_FIELD(rx_opt.saw_tstamp),
      TAPEDECK_FIELD(rx_opt.tstamp_ok),
      TAPEDECK_FIELD(rx_opt.dsack),
      TAPEDECK_FIELD(rx_opt.wscale_ok),
      TAPEDECK_FIELD(rx_opt.sack_ok),
      TAPEDECK_FIELD(rx_opt.snd_wscale),
      TAPEDECK_FIELD(rx_opt.rcv_wscale),
      TAPEDECK_FIELD(rx_opt.num_sacks),
      TAPEDECK_FIELD(rx_opt.user_mss),
      TAPEDECK_FIELD(rx_opt.mss_clamp),
      TAPEDECK_FIELD(compressed_ack_rcv_nxt),
      TAPEDECK_FIELD(compressed_ack),
      TAPEDECK_FIELD(dup_ack_counter),
      TAPEDECK_FIELD(nonagle),
      TAPEDECK_FIELD(repair),
      TAPEDECK_FIELD(packets_out),
      TAPEDECK_FIELD(sacked_out),
      TAPEDECK_FIELD(lost_out),
      TAPEDECK_FIELD(retrans_out),
      TAPEDECK_FIELD(max_packets_out),
      TAPEDECK_FIELD(cwnd_usage_seq),
      TAPEDECK_FIELD(is_cwnd_limited),
      TAPEDECK_FIELD(notsent_lowat),
      TAPEDECK_FIELD(snd_cwnd),
      TAPEDECK_FIELD(snd_ssthresh),
      TAPEDECK_FIELD(snd_cwnd_cnt),
      TAPEDECK_FIELD(snd_cwnd_clamp),
      TAPEDECK_FIELD(snd_cwnd_used),
      TAPEDECK_FIELD(snd_cwnd_stamp),
      TAPEDECK_FIELD(prior_cwnd),
      TAPEDECK_FIELD(prior_ssthresh),
      TAPEDECK_FIELD(prr_delivered),
      TAPEDECK_FIELD(prr_out),
      TAPEDECK_FIELD(high_seq),
      TAPEDECK_FIELD(tlp_high_seq),
      TAPEDECK_FIELD(tlp_active),
      TAPEDECK_FIELD(tlp_retrans),
      TAPEDECK_FIELD(undo_marker),
      TAPEDECK_FIELD(undo_marker_valid),
      TAPEDECK_FIELD(undo_retrans),
      TAPEDECK_FIELD(retrans_stamp),
      TAPEDECK_FIELD(reordering),
      TAPEDECK_FIELD(reord_seen),
      TAPEDECK_FIELD(is_sack_reneg),
      TAPEDECK_FIELD(frto),
      TAPEDECK_FIELD(rack.mstamp_us),
      TAPEDECK_FIELD(rack.rtt_us),
      TAPEDECK_FIELD(rack.end_seq),
      TAPEDECK_FIELD(rack.last_delivered),
      TAPEDECK_FIELD(rack.reo_wnd_steps),
      TAPEDECK_FIELD(rack.reo_wnd_persist),
      TAPEDECK_FIELD(rack.dsack_seen),
      TAPEDECK_FIELD(rack.advanced),
      TAPEDECK_FIELD(srtt_us),
      TAPEDECK_FIELD(mdev_us),
      TAPEDECK_FIELD(mdev_max_us),
      TAPEDECK_FIELD(rttvar_us),
      TAPEDECK_FIELD(rtt_seq),
      TAPEDECK_FIELD(rcv_rtt_est.rtt_us),
      TAPEDECK_FIELD(rcv_rtt_est.seq),
      TAPEDECK_FIELD(rcv_rtt_est.time_us),
      TAPEDECK_FIELD(rcv_rtt_last_tsecr),
      TAPEDECK_FIELD(rcvq_space.space),
      TAPEDECK_FIELD(rcvq_space.seq),
      TAPEDECK_FIELD(rcvq_space.time_us),
      TAPEDECK_FIELD(tcp_mstamp_us),
      TAPEDECK_FIELD(tcp_wstamp_ns),
      TAPEDECK_FIELD(first_tx_mstamp_us),
      TAPEDECK_FIELD(delivered_mstamp_us),
      TAPEDECK_FIELD(lsndtime),
      TAPEDECK_FIELD(delivered),
      TAPEDECK_FIELD(delivered_ce),
      TAPEDECK_FIELD(lost),
      TAPEDECK_FIELD(app_limited),
      TAPEDECK_FIELD(rate_delivered),
      TAPEDECK_FIELD(rate_interval_us),
      TAPEDECK_FIELD(rate_app_limited),
      TAPEDECK_FIELD(tsq_flags),
      TAPEDECK_FIELD(chrono_type),
      TAPEDECK_FIELD(ecn_flags),
      TAPEDECK_FIELD(received_ce),
      TAPEDECK_FIELD(keepalive_time),
      TAPEDECK_FIELD(keepalive_intvl),
      TAPEDECK_FIELD(keepalive_probes),
      TAPEDECK_FIELD(linger2),
      TAPEDECK_FIELD(syn_data),
      TAPEDECK_FIELD(syn_fastopen),
      TAPEDECK_FIELD(syn_data_acked),
      TAPEDECK_FIELD(bytes_acked),
      TAPEDECK_FIELD(bytes_sent),
      TAPEDECK_FIELD(bytes_retrans),
      TAPEDECK_FIELD(bytes_received),
      TAPEDECK_FIELD(segs_in),
      TAPEDECK_FIELD(segs_out),
      TAPEDECK_FIELD(data_segs_in),
      TAPEDECK_FIELD(data_segs_out),
      TAPEDECK_FIELD(dsack_dups),
      TAPEDECK_FIELD(total_retrans),
      TAPEDECK_FIELD(total_rto),
      TAPEDECK_FIELD(total_rto_recoveries),
      TAPEDECK_FIELD(rcv_ooopack),
      TAPEDECK_FIELD(rcv_tstamp),
      TAPEDECK_FIELD(last_oow_ack_time),
      TAPEDECK_FIELD(icsk_rto),
      TAPEDECK_FIELD(icsk_rto_min),
      TAPEDECK_FIELD(icsk_delack_max),
      TAPEDECK_FIELD(icsk_user_timeout_ms),
      TAPEDECK_FIELD(icsk_pmtu_cookie),
      TAPEDECK_FIELD(icsk_retransmits),
      TAPEDECK_FIELD(icsk_pending),
      TAPEDECK_FIELD(icsk_backoff),
      TAPEDECK_FIELD(icsk_syn_retries),
      TAPEDECK_FIELD(icsk_probes_out),
      TAPEDECK_FIELD(icsk_ack.pending),
      TAPEDECK_FIELD(icsk_ack.quick),
      TAPEDECK_FIELD(icsk_ack.pingpong),
      TAPEDECK_FIELD(icsk_ack.retry),
      TAPEDECK_FIELD(icsk_ack.ato),
      TAPEDECK_FIELD(icsk_ack.lrcvtime),
      TAPEDECK_FIELD(icsk_ack.last_seg_size),
      TAPEDECK_FIELD(icsk_ack.rcv_mss),
      TAPEDECK_FIELD(icsk_mtup.search_high),
      TAPEDECK_FIELD(icsk_mtup.search_low),
      TAPEDECK_FIELD(icsk_mtup.probe_size),
      TAPEDECK_FIELD(icsk_accept_queue.qlen),
      TAPEDECK_FIELD_AS("icsk_ca_state", ValueOf(CaStateName(object.icsk_ca_state))),
      TAPEDECK_FIELD_AS("icsk_ca_ops.name", object.icsk_ca_ops == nullptr
                                                ? FieldValue{}
                                                : ValueOf(object.icsk_ca_ops->name)),
      TAPEDECK_FIELD_AS("rtt_min_us", ValueOf(minmax_get(&object.rtt_min))),
      TAPEDECK_FIELD_AS("icsk_retransmit_timer.expires", Due(object.icsk_retransmit_timer)),
      TAPEDECK_FIELD_AS("icsk_delack_timer.expires", Due(object.icsk_delack_timer)),
      TAPEDECK_FIELD_AS("icsk_keepalive_timer.expires", Due(object.icsk_keepalive_timer)),
      TAPEDECK_FIELD_AS("pacing_timer.active", ValueOf(object.pacing_timer.active())),
      TAPEDECK_FIELD_AS("tcp_rtx_queue.len", ValueOf(CountPackets(&object.tcp_rtx_queue))),
      TAPEDECK_FIELD_AS("out_of_order_queue.len",
                        ValueOf(CountPackets(&object.out_of_order_queue))),
  };
  return kFields;
}

}  // namespace tapedeck
