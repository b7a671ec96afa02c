// TIME-WAIT and orphaned FIN-WAIT-2 (the first half of net/ipv4/tcp_minisocks.c; RFC 9293 3.10.7.4,
// RFC 1337, RFC 6191).
#include <algorithm>

#include "stack/tcp/inet_hashinfo.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_md5.h"
#include "stack/tcp/tcp_metrics.h"
#include "stack/tcp/tcp_minisocks.h"

namespace tapedeck {
namespace {

constexpr int kLoopbackIfindex = 1;  // LOOPBACK_IFINDEX
// A new incarnation of the connection starts so far beyond the last window of the old one.
constexpr uint32_t kIsnGap = 65535 + 2;

SeqNum NextIncarnation(const inet_timewait_sock* tw) {
  const SeqNum isn = tw->tw_snd_nxt + kIsnGap;
  return isn == SeqNum() ? SeqNum(1) : isn;
}

// What a segment for a time-wait socket is judged by.
struct TimewaitSegment {
  inet_timewait_sock* tw;
  sk_buff* skb;
  const wire::TcpHeader* th;
  tcp_options_received opt;
  bool paws_reject = false;

  const tcp_skb_cb& cb() const { return *TCP_SKB_CB(skb); }
  bool bare() const { return cb().end_seq == cb().seq; }
};

void ParseTimestamp(TimewaitSegment* segment) {
  inet_timewait_sock* const tw = segment->tw;
  if (segment->th->doff() <= sizeof(wire::TcpHeader) / 4 || tw->tw_ts_recent_stamp_s == 0) return;
  tcp_parse_options(tw->tw_net, segment->skb, &segment->opt, false, nullptr);
  if (!segment->opt.saw_tstamp) return;
  if (segment->opt.rcv_tsecr != 0) segment->opt.rcv_tsecr -= tw->tw_ts_offset;
  segment->opt.ts_recent = tw->tw_ts_recent;
  segment->opt.ts_recent_stamp_s = tw->tw_ts_recent_stamp_s;
  segment->paws_reject = tcp_paws_reject(tw->tw_net, &segment->opt, segment->th->rst());
}

void StoreTimestamp(const TimewaitSegment& segment) {
  if (!segment.opt.saw_tstamp) return;
  segment.tw->tw_ts_recent = segment.opt.rcv_tsval;
  segment.tw->tw_ts_recent_stamp_s = tcp_clock_s(segment.tw->tw_net);
}

// An ACK is due for a segment out of the window, unless there were too many of late.
tcp_tw_status AckOutOfWindow(const TimewaitSegment& segment, TcpExtMib mib) {
  inet_timewait_sock* const tw = segment.tw;
  const bool limited =
      tcp_oow_rate_limited(tw->tw_net, segment.skb, mib, &tw->tw_last_oow_ack_time);
  return limited ? tcp_tw_status::kSuccess : tcp_tw_status::kAckOow;
}

void WaitAnew(inet_timewait_sock* tw) {
  inet_twsk_reschedule(tw, net_tcp(tw->tw_net).ticks.timewait_len);
}

// The checks of tcp_rcv_state_process for FIN-WAIT-2 without a user.
tcp_tw_status ProcessFinWait2(const TimewaitSegment& segment) {
  inet_timewait_sock* const tw = segment.tw;
  const wire::TcpHeader& th = *segment.th;
  const tcp_skb_cb& cb = segment.cb();
  const SeqNum rcv_nxt = tw->tw_rcv_nxt;
  if (segment.paws_reject ||
      !tcp_in_window(cb.seq, cb.end_seq, rcv_nxt, rcv_nxt + tw->tw_rcv_wnd)) {
    return AckOutOfWindow(segment, TcpExtMib::kTCPACKSkippedFinWait2);
  }
  if (th.rst()) {
    inet_twsk_deschedule_put(tw);
    return tcp_tw_status::kSuccess;
  }
  if (th.syn() && !cb.seq.Before(rcv_nxt)) return tcp_tw_status::kRst;
  if (!th.ack() || !cb.end_seq.After(rcv_nxt) || segment.bare()) return tcp_tw_status::kSuccess;
  // New data: nobody will read it (RFC 1122 4.2.2.13).
  if (!th.fin() || cb.end_seq != rcv_nxt + 1) return tcp_tw_status::kRst;

  tw->tw_substate = TCP_TIME_WAIT;
  tw->tw_rcv_nxt = cb.end_seq;
  if (segment.opt.saw_tstamp) {
    tw->tw_entry_stamp_ms = static_cast<uint32_t>(tcp_clock_ms(tw->tw_net));
    StoreTimestamp(segment);
  }
  WaitAnew(tw);
  return tcp_tw_status::kAck;
}

// A reset or a bare ACK exactly at the window's edge.
tcp_tw_status ProcessInWindow(const TimewaitSegment& segment) {
  inet_timewait_sock* const tw = segment.tw;
  if (segment.th->rst()) {
    // TIME-WAIT assassination (RFC 1337).
    if (net_tcp(tw->tw_net).settings.rfc1337 == 0) {
      inet_twsk_deschedule_put(tw);
      return tcp_tw_status::kSuccess;
    }
  } else {
    WaitAnew(tw);
  }
  StoreTimestamp(segment);
  return tcp_tw_status::kSuccess;
}

// A SYN that begins a new connection and is surely no old duplicate: by its number, or by its
// timestamp (RFC 1122 4.2.2.13, RFC 6191).
bool IsNewSyn(const TimewaitSegment& segment) {
  const wire::TcpHeader& th = *segment.th;
  if (!th.syn() || th.rst() || th.ack() || segment.paws_reject) return false;
  if (segment.cb().seq.After(segment.tw->tw_rcv_nxt)) return true;
  return segment.opt.saw_tstamp &&
         static_cast<int32_t>(segment.tw->tw_ts_recent - segment.opt.rcv_tsval) < 0;
}

tcp_tw_status ProcessTimeWait(const TimewaitSegment& segment, uint32_t* tw_isn,
                              DropReason* reason) {
  inet_timewait_sock* const tw = segment.tw;
  const wire::TcpHeader& th = *segment.th;
  if (!segment.paws_reject && segment.cb().seq == tw->tw_rcv_nxt && (segment.bare() || th.rst())) {
    return ProcessInWindow(segment);
  }
  if (IsNewSyn(segment)) {
    *tw_isn = NextIncarnation(tw).value();
    return tcp_tw_status::kSyn;
  }
  if (segment.paws_reject) {
    *reason = SKB_DROP_REASON_TCP_RFC7323_TW_PAWS;
    NET_INC_STATS(tw->tw_net, TcpExtMib::kPAWSTimewait);
  }
  if (th.rst()) return tcp_tw_status::kSuccess;
  // A SYN without ACK may be a new one with a random number: it does not prolong the wait.
  if (segment.paws_reject || th.ack()) WaitAnew(tw);
  return AckOutOfWindow(segment, TcpExtMib::kTCPACKSkippedTimeWait);
}

void TakeTcpState(const sock* sk, inet_timewait_sock* tw) {
  const tcp_sock* const tp = tcp_sk(sk);
  tw->tw_mark = sk->sk_mark;
  tw->tw_priority = sk->sk_priority;
  tw->tw_txhash = sk->sk_txhash;
  tw->tw_rcv_wscale = tp->rx_opt.rcv_wscale;
  tw->tw_entry_stamp_ms = tcp_time_stamp_ms(tp);
  tw->tw_rcv_nxt = tp->rcv_nxt;
  tw->tw_snd_nxt = tp->snd_nxt;
  tw->tw_rcv_wnd = tcp_receive_window(tp);
  tw->tw_ts_recent = tp->rx_opt.ts_recent;
  tw->tw_ts_recent_stamp_s = tp->rx_opt.ts_recent_stamp_s;
  tw->tw_ts_offset = tp->tsoffset;
  tw->tw_usec_ts = tp->tcp_usec_ts;
  const tcp_md5sig_key* const key = tcp_md5_lookup(sk);
  if (key != nullptr) tw->tw_md5_key = tcp_md5_key_dup(sk->sk_net, key);
}

// Whether the connection surely stayed on this host, so that tcp_tw_reuse 2 allows its reuse.
bool IsLoopback(const inet_timewait_sock* tw) {
  return tw->node.bound_dev_if == kLoopbackIfindex || tw->node.daddr.Unmapped().IsLoopback() ||
         tw->node.rcv_saddr.Unmapped().IsLoopback();
}

}  // namespace

bool tcp_in_window(SeqNum seq, SeqNum end_seq, SeqNum s_win, SeqNum e_win) {
  if (seq == s_win) return true;
  if (end_seq.After(s_win) && seq.Before(e_win)) return true;
  return seq == e_win && seq == end_seq;
}

tcp_tw_status tcp_timewait_state_process(inet_timewait_sock* tw, sk_buff* skb,
                                         const wire::TcpHeader* th, uint32_t* tw_isn,
                                         DropReason* reason) {
  TimewaitSegment segment{.tw = tw, .skb = skb, .th = th, .opt = {}};
  ParseTimestamp(&segment);
  if (tw->tw_substate == TCP_FIN_WAIT2) return ProcessFinWait2(segment);
  return ProcessTimeWait(segment, tw_isn, reason);
}

void tcp_time_wait(sock* sk, uint8_t state, uint32_t timeo) {
  const tcp_ticks& ticks = tcp_ticks_of(sk);
  inet_timewait_sock* const tw = inet_twsk_alloc(sk, state);
  if (tw != nullptr) {
    TakeTcpState(sk, tw);
    // Long enough for two retransmissions of the peer's FIN.
    const uint32_t icsk_rto = inet_csk(sk)->icsk_rto;
    timeo = std::max(timeo, (icsk_rto << 2) - (icsk_rto >> 1));
    if (state == TCP_TIME_WAIT) timeo = ticks.timewait_len;
    inet_twsk_hashdance_schedule(tw, sk, timeo);
  } else {
    // Too many: the connection just ends.
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPTimeWaitOverflow);
  }
  tcp_update_metrics(sk);
  tcp_done(sk);
}

bool tcp_twsk_unique(sock* sk, inet_timewait_sock* tw, bool port_was_chosen) {
  const tcp_settings& settings = tcp_sysctl(sk);
  bool reuse = settings.tw_reuse != 0 && tw->tw_substate != TCP_FIN_WAIT2;
  if (settings.tw_reuse == 2 && !IsLoopback(tw)) reuse = false;
  // With timestamps old duplicates are told from new segments.
  if (tw->tw_ts_recent_stamp_s == 0) return false;
  if (port_was_chosen) {
    const uint32_t now_ms = static_cast<uint32_t>(tcp_clock_ms(tw->tw_net));
    const uint32_t thresh_ms = tw->tw_entry_stamp_ms + settings.tw_reuse_delay_ms;
    if (!reuse || static_cast<int32_t>(now_ms - thresh_ms) <= 0) return false;
  }
  tcp_sock* const tp = tcp_sk(sk);
  if (!tp->repair) {
    tp->write_seq = NextIncarnation(tw);
    tp->rx_opt.ts_recent = tw->tw_ts_recent;
    tp->rx_opt.ts_recent_stamp_s = tw->tw_ts_recent_stamp_s;
  }
  return true;
}

}  // namespace tapedeck
