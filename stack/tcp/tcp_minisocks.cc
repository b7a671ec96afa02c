// A request meets its third packet and becomes a connection (the second half of
// net/ipv4/tcp_minisocks.c; RFC 9293 3.10.7.4 for SYN-RECEIVED).
#include "stack/tcp/tcp_minisocks.h"

#include <algorithm>

#include "stack/core/net.h"
#include "stack/tcp/inet_connection_sock.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_reply.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {
namespace {

constexpr uint16_t kRstSynAck = TCPHDR_RST | TCPHDR_SYN | TCPHDR_ACK;

// A segment for a request, and what its timestamp says.
struct RequestSegment {
  sock* sk;  // the listener, or a fast open child
  sk_buff* skb;
  request_sock* req;
  bool fastopen;
  uint16_t flags;  // RST, SYN and ACK
  tcp_options_received opt;
  bool paws_reject = false;
  bool tsecr_reject = false;

  const tcp_skb_cb& cb() const { return *TCP_SKB_CB(skb); }
  net& host_net() const { return sk->sk_net; }
};

void ParseTimestamp(RequestSegment* segment) {
  const request_sock* const req = segment->req;
  if (tcp_hdr(segment->skb)->doff() <= wire::kTcpHeaderBytes / 4) return;
  tcp_options_received* const opt = &segment->opt;
  tcp_parse_options(segment->host_net(), segment->skb, opt, false, nullptr);
  if (!opt->saw_tstamp) return;
  opt->ts_recent = req->ts_recent;
  if (opt->rcv_tsecr != 0) {
    if (req->tstamp_ok && !segment->fastopen) {
      segment->tsecr_reject =
          !SeqNum(opt->rcv_tsecr)
               .Between(SeqNum(req->snt_tsval_first), SeqNum(req->snt_tsval_last));
    }
    opt->rcv_tsecr -= req->ts_off;
  }
  // When it was stored is not known; this is about right.
  const auto timeout_s =
      static_cast<uint32_t>(tcp_reqsk_timeout(req) / tcp_ticks_of(segment->sk).hz);
  opt->ts_recent_stamp_s = tcp_clock_s(segment->host_net()) - timeout_s;
  segment->paws_reject = tcp_paws_reject(segment->host_net(), opt, tcp_hdr(segment->skb)->rst());
}

void NoteAceOfRetransmittedSyn(const RequestSegment& segment) {
  request_sock* const req = segment.req;
  if (!req->accecn_ok) return;
  req->syn_ect_rcv = segment.cb().ip_dsfield & INET_ECN_MASK;
  if (tcp_accecn_ace(tcp_hdr(segment.skb)) == 0) req->accecn_fail_mode |= TCP_ACCECN_ACE_FAIL_RECV;
}

// The same SYN again: the SYN-ACK again, and its timer anew. Data that it carries is thrown away.
void AnswerRetransmittedSyn(const RequestSegment& segment) {
  request_sock* const req = segment.req;
  net& net = segment.host_net();
  if (tcp_oow_rate_limited(net, segment.skb, TcpExtMib::kTCPACKSkippedSynRecv,
                           &req->last_oow_ack_time)) {
    return;
  }
  NoteAceOfRetransmittedSyn(segment);
  if (tcp_rtx_synack(segment.sk, req) != 0) return;
  if (req->num_retrans > 1 && req->accecn_ok) req->accecn_fail_mode |= TCP_ACCECN_ACE_FAIL_SEND;
  const Jiffies expires = net.jiffies() + tcp_reqsk_timeout(req);
  if (segment.fastopen) {
    req->rsk_timer.expires = expires;  // the child's timer looks at it
  } else if (req->rsk_timer.pending()) {
    mod_timer(net.this_cpu(), &req->rsk_timer, expires);
  }
}

// Out of the window: an ACK, and why it was dropped.
DropReason RefuseSequence(const RequestSegment& segment) {
  request_sock* const req = segment.req;
  net& net = segment.host_net();
  if ((segment.flags & TCPHDR_RST) == 0 &&
      !tcp_oow_rate_limited(net, segment.skb, TcpExtMib::kTCPACKSkippedSynRecv,
                            &req->last_oow_ack_time)) {
    tcp_reqsk_send_ack(segment.sk, segment.skb, req);
  }
  if (segment.paws_reject) {
    NET_INC_STATS(net, TcpExtMib::kPAWSEstab);
    return SKB_DROP_REASON_TCP_RFC7323_PAWS;
  }
  if (segment.tsecr_reject) {
    NET_INC_STATS(net, TcpExtMib::kTSEcrRejected);
    return SKB_DROP_REASON_TCP_RFC7323_TSECR;
  }
  return SKB_DROP_REASON_TCP_OVERWINDOW;
}

// A reset, or a SYN in the window: the request ends.
void EmbryonicReset(const RequestSegment& segment, bool* req_stolen) {
  request_sock* const req = segment.req;
  if ((segment.flags & TCPHDR_RST) == 0) {
    // A fast open child lives on: who guesses its ports may not end it.
    tcp_send_reset(segment.sk, segment.skb);
  } else if (segment.fastopen) {
    reqsk_fastopen_remove(segment.sk, req, true);
    tcp_reset(segment.sk, segment.skb);
  }
  if (segment.fastopen) return;
  const bool unlinked = inet_csk_reqsk_queue_drop(segment.sk, req);
  if (unlinked) NET_INC_STATS(segment.host_net(), TcpExtMib::kEmbryonicRsts);
  *req_stolen = !unlinked;
}

void NoteAccEcnOption(const RequestSegment& segment) {
  request_sock* const req = segment.req;
  if (!req->accecn_ok || segment.opt.accecn == 0 ||
      req->saw_accecn_opt >= TCP_ACCECN_OPT_COUNTER_SEEN) {
    return;
  }
  req->saw_accecn_opt = tcp_accecn_option_init(segment.skb, segment.opt.accecn);
  if (req->saw_accecn_opt == TCP_ACCECN_OPT_FAIL_SEEN) {
    req->accecn_fail_mode |= TCP_ACCECN_OPT_FAIL_RECV;
  }
}

// The third packet has come: the child, which gets this segment next and must move to ESTABLISHED
// by it.
sock* MakeChild(const RequestSegment& segment, bool* req_stolen, DropReason* reason) {
  sock* const sk = segment.sk;
  request_sock* const req = segment.req;
  bool own_req = false;
  sock* const child =
      inet_csk(sk)->icsk_af_ops->syn_recv_sock(sk, segment.skb, req, nullptr, req, &own_req);
  if (child != nullptr) {
    if (own_req && segment.opt.saw_tstamp && !segment.cb().seq.After(req->rcv_nxt)) {
      tcp_sk(child)->rx_opt.ts_recent = segment.opt.rcv_tsval;
    }
    tcp_synack_rtt_meas(child, req);
    *req_stolen = !own_req;
    return inet_csk_complete_hashdance(sk, child, req, own_req);
  }
  *reason = SKB_DROP_REASON_TCP_LISTEN_OVERFLOW;
  if (sk != req->rsk_listener) {
    NET_INC_STATS(segment.host_net(), TcpExtMib::kTCPMigrateReqFailure);
  }
  if (tcp_sysctl(sk).abort_on_overflow == 0) {
    req->acked = true;
  } else {
    EmbryonicReset(segment, req_stolen);
  }
  return nullptr;
}

void TakeSequenceNumbers(const request_sock* req, tcp_sock* tp) {
  tp->pred_flags = 0;
  const SeqNum rcv_nxt = req->rcv_isn + 1;
  tp->rcv_wup = tp->copied_seq = tp->rcv_nxt = rcv_nxt;
  tp->segs_in = 1;
  const SeqNum snd_nxt = req->snt_isn + 1;
  tp->snd_sml = tp->snd_una = tp->snd_nxt = tp->snd_up = snd_nxt;
  tp->write_seq = tp->pushed_seq = snd_nxt;
  tp->snd_wl1 = req->rcv_isn;
}

void TakeWindows(const request_sock* req, const sk_buff* skb, tcp_sock* tp) {
  tp->rx_opt.sack_ok = req->sack_ok ? uint8_t{TCP_SACK_SEEN} : uint8_t{0};
  tp->window_clamp = req->rsk_window_clamp;
  tp->rcv_ssthresh = tp->rcv_wnd = req->rsk_rcv_wnd;
  tp->rcv_mwnd_seq = tp->rcv_wup + req->rsk_rcv_wnd;
  tp->rx_opt.wscale_ok = req->wscale_ok;
  tp->rx_opt.snd_wscale = req->wscale_ok ? req->snd_wscale : uint8_t{0};
  tp->rx_opt.rcv_wscale = req->wscale_ok ? req->rcv_wscale : uint8_t{0};
  if (!req->wscale_ok) tp->window_clamp = std::min(tp->window_clamp, 65535U);
  tp->snd_wnd = uint32_t{tcp_hdr(skb)->window.host()} << tp->rx_opt.snd_wscale;
  tp->max_window = tp->snd_wnd;
}

void TakeTimestamps(const request_sock* req, tcp_sock* tp) {
  tp->rx_opt.tstamp_ok = req->tstamp_ok;
  tp->tsoffset = req->ts_off;
  tp->tcp_header_len = wire::kTcpHeaderBytes;
  if (!req->tstamp_ok) return;
  tp->tcp_usec_ts = req->req_usec_ts;
  tp->rx_opt.ts_recent = req->ts_recent;
  tp->rx_opt.ts_recent_stamp_s = tcp_clock_s(tp->sk_net);
  tp->tcp_header_len += TCPOLEN_TSTAMP_ALIGNED;
}

// The SYN-ACK has timed out: the connection starts as after an RTO, which may turn out spurious.
void TakeTimeouts(const request_sock* req, tcp_sock* tp) {
  tp->total_retrans = req->num_retrans;
  if (req->num_timeout == 0) return;
  tp->total_rto = req->num_timeout;
  tp->undo_marker = req->snt_isn;
  tp->undo_marker_valid = true;
  if (tp->tcp_usec_ts) {
    tp->retrans_stamp = static_cast<uint32_t>(req->snt_synack_us);
    tp->total_rto_time_ms =
        (static_cast<uint32_t>(tcp_clock_us(tp->sk_net)) - tp->retrans_stamp) / 1000;
  } else {
    tp->retrans_stamp = static_cast<uint32_t>(req->snt_synack_us / 1000);
    tp->total_rto_time_ms = static_cast<uint32_t>(tcp_clock_ms(tp->sk_net)) - tp->retrans_stamp;
  }
  tp->total_rto_recoveries = 1;
}

}  // namespace

void tcp_ca_openreq_child(sock* sk, const dst_entry* dst) {
  const bool chosen = tcp_ca_dst_init(sk, dst) || inet_csk(sk)->icsk_ca_setsockopt;
  if (!chosen) tcp_assign_congestion_control(sk);
  tcp_set_ca_state(sk, TCP_CA_Open);
}

sock* tcp_create_openreq_child(const sock* sk, request_sock* req, sk_buff* skb) {
  sock* const child = inet_csk_clone_lock(sk, req);
  if (child == nullptr) return nullptr;
  tcp_sock* const tp = tcp_sk(child);
  TakeSequenceNumbers(req, tp);
  minmax_reset(&tp->rtt_min, tcp_jiffies32(child), UINT32_MAX);
  tp->icsk_ack.lrcvtime = tp->lsndtime = tcp_jiffies32(child);
  child->sk_txhash = req->txhash;
  if (sock_flag(child, SOCK_KEEPOPEN)) tcp_reset_keepalive_timer(child, keepalive_time_when(tp));
  TakeWindows(req, skb, tp);
  TakeTimestamps(req, tp);
  TakeTimeouts(req, tp);
  if (skb->len >= TCP_MSS_DEFAULT + tp->tcp_header_len) {
    tp->icsk_ack.last_seg_size = static_cast<uint16_t>(skb->len - tp->tcp_header_len);
  }
  tp->rx_opt.mss_clamp = req->mss;
  tcp_ecn_openreq_child(child, req, skb);
  TCP_INC_STATS(sk->sk_net, TcpMib::kPassiveOpens);
  return child;
}

sock* tcp_check_req(sock* sk, sk_buff* skb, request_sock* req, bool fastopen, bool* req_stolen,
                    DropReason* reason) {
  TRACE_FUNCTION(*skb->owner, skb, tcp_check_req, sk, skb, req, fastopen, req_stolen, reason);
  RequestSegment segment{.sk = sk,
                         .skb = skb,
                         .req = req,
                         .fastopen = fastopen,
                         .flags = static_cast<uint16_t>(tcp_hdr(skb)->flags() & kRstSynAck),
                         .opt = {}};
  ParseTimestamp(&segment);
  const tcp_skb_cb& cb = segment.cb();
  if (cb.seq == req->rcv_isn && segment.flags == TCPHDR_SYN && !segment.paws_reject) {
    AnswerRetransmittedSyn(segment);
    return nullptr;
  }
  // An unacceptable ACK: the listener sends the reset. (With fast open, data may be acknowledged;
  // the child checks.)
  const bool ack = (segment.flags & TCPHDR_ACK) != 0;
  const bool rst = (segment.flags & TCPHDR_RST) != 0;
  if (ack && !rst && !fastopen && cb.ack_seq != req->snt_isn + 1) return sk;

  // First, check the sequence number.
  if (segment.paws_reject || segment.tsecr_reject ||
      !tcp_in_window(cb.seq, cb.end_seq, req->rcv_nxt, req->rcv_nxt + tcp_synack_window(req))) {
    *reason = RefuseSequence(segment);
    return nullptr;
  }
  // The SYN itself lies before the window.
  if (cb.seq == req->rcv_isn) segment.flags &= static_cast<uint16_t>(~TCPHDR_SYN);
  // RFC 5961 3.2: a reset has to be exact.
  if (rst && cb.seq != req->rcv_nxt) {
    tcp_reqsk_send_challenge_ack(sk, skb, req);
    return nullptr;
  }
  // Second, check the RST bit; fourth, the SYN bit.
  if ((segment.flags & (TCPHDR_RST | TCPHDR_SYN)) != 0) {
    TCP_INC_STATS(sk->sk_net, TcpMib::kAttemptFails);
    EmbryonicReset(segment, req_stolen);
    return nullptr;
  }
  if (!ack) return nullptr;
  NoteAccEcnOption(segment);
  if (fastopen) return sk;
  // TCP_DEFER_ACCEPT: a bare ACK does not wake the listener's user.
  if (req->num_timeout < inet_csk(sk)->icsk_accept_queue.rskq_defer_accept &&
      cb.end_seq == req->rcv_isn + 1) {
    req->acked = true;
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPDeferAcceptDrop);
    return nullptr;
  }
  return MakeChild(segment, req_stolen, reason);
}

DropReason tcp_child_process(sock* parent, sock* child, sk_buff* skb) {
  const uint8_t state = child->sk_state;
  child->sk_napi_id = skb->napi_id;
  tcp_segs_in(tcp_sk(child), skb);
  if (sock_owned_by_user(child)) {
    CHECK_EQ(sk_add_backlog(child, skb, UINT32_MAX), 0);
    return SKB_DROP_REASON_CONSUMED;
  }
  const DropReason reason = tcp_rcv_state_process(child, skb);
  if (state == TCP_SYN_RECV && child->sk_state != state) parent->sk_data_ready(parent);
  return reason;
}

}  // namespace tapedeck
