// Protection against wrapped sequence numbers (PAWS, RFC 7323 5), and the timestamp it compares
// with.
#include <limits>

#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_input_internal.h"

namespace tapedeck {

namespace {

// Fastest timestamp clock of a peer without microsecond stamps: RFC 7323 says 1 kHz, some old
// kernels ran at 1200 Hz.
constexpr uint64_t kPeerTicksPerSecond = 1200;

// Whether ts_recent is at least `age_s` seconds old.
bool TsRecentOlderThan(const net& net, const tcp_options_received* rx_opt, int32_t age_s) {
  const uint32_t limit_s = rx_opt->ts_recent_stamp_s + static_cast<uint32_t>(age_s);
  return static_cast<int32_t>(tcp_clock_s(net) - limit_s) >= 0;
}

// How many ticks of the peer's clock a retransmission timeout is (tcp_tsval_replay): older segments
// are not reordered, but wrapped.
uint64_t ReplayWindow(const sock* sk) {
  const uint64_t rto = inet_csk(sk)->icsk_rto;
  const uint64_t hz = tcp_ticks_of(sk).hz;
  return tcp_sk(sk)->tcp_usec_ts ? rto * (1'000'000 / hz) : rto * kPeerTicksPerSecond / hz;
}

}  // namespace

bool tcp_paws_check(const net& net, const tcp_options_received* rx_opt, int paws_win) {
  if (static_cast<int32_t>(rx_opt->ts_recent - rx_opt->rcv_tsval) <= paws_win) return true;
  if (TsRecentOlderThan(net, rx_opt, TCP_PAWS_WRAP_S)) return true;
  // Some peers send zero in the handshake and then their clock, which may look older.
  return rx_opt->ts_recent == 0;
}

bool tcp_paws_reject(const net& net, const tcp_options_received* rx_opt, bool rst) {
  if (tcp_paws_check(net, rx_opt, 0)) return false;
  // A RST comes from a peer that has restarted, and its clock with it; but an old one may still
  // arrive for as long as segments live.
  return !rst || !TsRecentOlderThan(net, rx_opt, TCP_PAWS_MSL_S);
}

void tcp_store_ts_recent(tcp_sock* tp) {
  tp->rx_opt.ts_recent = tp->rx_opt.rcv_tsval;
  tp->rx_opt.ts_recent_stamp_s = tcp_clock_s(tp->sk_net);
}

uint32_t __tcp_replace_ts_recent(tcp_sock* tp, int32_t tstamp_delta) {
  tcp_store_ts_recent(tp);
  return tstamp_delta > 0 ? uint32_t{FLAG_TS_PROGRESS} : 0;
}

uint32_t tcp_replace_ts_recent(tcp_sock* tp, SeqNum seq) {
  if (!tp->rx_opt.saw_tstamp || seq.After(tp->rcv_wup)) return 0;
  // The check with no window keeps out the old ACKs that tcp_disordered_ack_check lets pass.
  if (!tcp_paws_check(tp->sk_net, &tp->rx_opt, 0)) return 0;
  const auto delta = static_cast<int32_t>(tp->rx_opt.rcv_tsval - tp->rx_opt.ts_recent);
  return __tcp_replace_ts_recent(tp, delta);
}

DropReason tcp_disordered_ack_check(const sock* sk, const sk_buff* skb) {
  const tcp_sock* const tp = tcp_sk(sk);
  const wire::TcpHeader* const th = tcp_hdr(skb);
  const tcp_skb_cb* const cb = TCP_SKB_CB(skb);
  // What may pass is a pure ACK,
  if (!th->ack() || cb->seq != cb->end_seq) return SKB_DROP_REASON_TCP_RFC7323_PAWS;
  // with the sequence number that is expected,
  if (cb->seq != tp->rcv_nxt) {
    return cb->seq.Before(tp->rcv_nxt) ? SKB_DROP_REASON_TCP_RFC7323_PAWS_ACK
                                       : SKB_DROP_REASON_TCP_RFC7323_PAWS;
  }
  // that acknowledges nothing new,
  if (cb->ack_seq != tp->snd_una) return SKB_DROP_REASON_TCP_RFC7323_PAWS;
  // does not change the window,
  const uint32_t window = uint32_t{th->window.host()} << tp->rx_opt.snd_wscale;
  if (tcp_may_update_window(tp, cb->ack_seq, cb->seq, window)) {
    return SKB_DROP_REASON_TCP_RFC7323_PAWS;
  }
  // and is not older than a retransmission timeout.
  const auto age = static_cast<int32_t>(tp->rx_opt.ts_recent - tp->rx_opt.rcv_tsval);
  return age > 0 && static_cast<uint64_t>(age) > ReplayWindow(sk) ? SKB_DROP_REASON_TCP_RFC7323_PAWS
                                                                  : SKB_DROP_REASON_CONSUMED;
}

}  // namespace tapedeck
