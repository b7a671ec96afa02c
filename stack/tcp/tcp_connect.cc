// An active open: the SYN, and data with it where fast open allows (RFC 9293 3.10.1, RFC 7413).
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/core/iov_iter.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_output_internal.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {

namespace {

constexpr uint32_t kHeaderBytes = sizeof(wire::TcpHeader);
constexpr uint32_t kPageBytesOfUser = 4096;

// The window of the SYN, and what it may become.
void InitWindow(sock* sk, const dst_entry* dst) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->window_clamp == 0) tp->window_clamp = dst_metric_raw(dst, RTAX_WINDOW);
  tp->advmss = tcp_mss_clamp(tp, tcp_dst_advmss(dst));
  tcp_initialize_rcv_mss(sk);
  const auto full_space = static_cast<uint32_t>(tcp_full_space(sk));
  if ((sk->sk_userlocks & SOCK_RCVBUF_LOCK) != 0 &&
      (tp->window_clamp > full_space || tp->window_clamp == 0)) {
    tp->window_clamp = full_space;
  }
  const bool stamped = tp->rx_opt.ts_recent_stamp_s != 0;
  const uint32_t option_bytes = stamped ? tp->tcp_header_len - kHeaderBytes : 0;
  tcp_select_initial_window(sk, static_cast<int>(full_space), tp->advmss - option_bytes,
                            &tp->rcv_wnd, &tp->window_clamp, tcp_sysctl(sk).window_scaling != 0,
                            &tp->rx_opt.rcv_wscale, dst_metric_raw(dst, RTAX_INITRWND));
  tp->rcv_ssthresh = tp->rcv_wnd;
}

// Sequence numbers of a connection that begins at write_seq.
void InitSequence(tcp_sock* tp) {
  tp->snd_wnd = 0;
  tp->snd_wl1 = SeqNum(0);
  tp->snd_una = tp->snd_sml = tp->snd_up = tp->snd_nxt = tp->write_seq;
  tp->rcv_nxt = SeqNum(0);
  tp->rcv_wup = tp->rcv_nxt;
  tp->rcv_mwnd_seq = tp->rcv_nxt + tp->rcv_wnd;
  tp->copied_seq = tp->rcv_nxt;
}

// All that an active open sets up whatever the address family.
void tcp_connect_init(sock* sk) {
  const dst_entry* const dst = __sk_dst_get(sk);
  tcp_sock* const tp = tcp_sk(sk);
  tp->tcp_header_len = sizeof(wire::TcpHeader);
  if (tcp_sysctl(sk).timestamps != 0) tp->tcp_header_len += TCPOLEN_TSTAMP_ALIGNED;
  if (tp->rx_opt.user_mss != 0) tp->rx_opt.mss_clamp = tp->rx_opt.user_mss;
  tp->max_window = 0;
  tcp_mtup_init(sk);
  tcp_sync_mss(sk, dst_mtu(dst));
  tcp_ca_dst_init(sk, dst);
  InitWindow(sk, dst);
  sk->sk_err = 0;
  sock_reset_flag(sk, SOCK_DONE);
  tcp_write_queue_purge(sk);
  InitSequence(tp);
  tp->icsk_rto = tcp_ticks_of(sk).timeout_init;
  tp->icsk_retransmits = 0;
  tcp_clear_retrans(tp);
}

// Charges a packet of the handshake and counts it as sent.
void tcp_connect_queue_skb(sock* sk, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_skb_cb* const tcb = TCP_SKB_CB(skb);
  tcb->end_seq += skb->len;
  __skb_header_release(skb);
  sk_wmem_queued_add(sk, static_cast<int32_t>(skb->truesize));
  sk_mem_charge(sk, skb->truesize);
  tp->write_seq = tcb->end_seq;
  tp->packets_out += tcp_skb_pcount(skb);
}

// Copies up to `space` bytes of the message behind the SYN in `syn_data`. False where the user's
// memory cannot be read.
bool FillSynData(sock* sk, sk_buff* syn_data, uint32_t space, msghdr* msg) {
  page_frag* const pfrag = &sk->sk_frag;
  uint8_t* const to = page_address(pfrag->page) + pfrag->offset;
  const auto copied = static_cast<uint32_t>(copy_from_iter(to, space, &msg->msg_iter));
  if (copied == 0) return false;
  sk->sk_net.ChargeBytes(CostPoint::k_copy_per_byte, copied);
  get_page(pfrag->page);
  skb_fill_page_desc(syn_data, 0, pfrag->page, pfrag->offset, copied);
  pfrag->offset += copied;
  syn_data->len += copied;
  syn_data->data_len += copied;
  syn_data->truesize += copied;
  return true;
}

// The SYN with as much data as the cached MSS and the path allow. nullptr: it has to go without.
sk_buff* MakeSynData(sock* sk, const sk_buff* syn) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_fastopen_request* const fo = tp->fastopen_req;
  tp->rx_opt.mss_clamp = tp->advmss;
  if (!tcp_fastopen_cookie_check(sk, &tp->rx_opt.mss_clamp, &fo->cookie)) return nullptr;
  tp->rx_opt.mss_clamp = tcp_mss_clamp(tp, tp->rx_opt.mss_clamp);
  tcp_sync_mss(sk, tp->icsk_pmtu_cookie);
  // All option space is kept free, for middleboxes that add some.
  const int room = __tcp_mtu_to_mss(sk, static_cast<int>(tp->icsk_pmtu_cookie)) -
                   static_cast<int>(MAX_TCP_OPTION_SPACE);
  auto space =
      static_cast<uint32_t>(std::min<size_t>(static_cast<size_t>(std::max(room, 0)), fo->size));
  if (space != 0 &&
      !skb_page_frag_refill(sk->sk_net, std::min(space, kPageBytesOfUser), &sk->sk_frag)) {
    return nullptr;
  }
  sk_buff* const syn_data = tcp_stream_alloc_skb(sk, false);
  if (syn_data == nullptr) return nullptr;
  std::memcpy(syn_data->cb, syn->cb, sizeof(syn->cb));
  if (space != 0) {
    space = std::min(space, sk->sk_frag.size - sk->sk_frag.offset);
    space = tcp_wmem_schedule(sk, space);
  }
  if (space != 0 && !FillSynData(sk, syn_data, space, fo->data)) {
    kfree_skb(syn_data);
    return nullptr;
  }
  return syn_data;
}

// A SYN without data, which asks for a cookie.
int SendPlainSyn(sock* sk, sk_buff* syn) {
  tcp_fastopen_request* const fo = tcp_sk(sk)->fastopen_req;
  if (fo->cookie.len > 0) fo->cookie.len = 0;
  const int err = tcp_transmit_skb(sk, syn, true);
  if (err != 0) tcp_sk(sk)->syn_fastopen = false;
  return err;
}

// Sends `syn_data`, SYN and data in one; then it is cut in two: `syn`, which timeouts repeat, and
// the data, which the first ACK may have to send again.
int SendSynData(sock* sk, sk_buff* syn, sk_buff* syn_data) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_fastopen_request* const fo = tp->fastopen_req;
  if (syn_data->len == fo->size) fo->data = nullptr;
  fo->copied = static_cast<int>(syn_data->len);
  tcp_connect_queue_skb(sk, syn_data);
  if (syn_data->len != 0) tcp_chrono_start(sk, TCP_CHRONO_BUSY);
  const int err = tcp_transmit_skb(sk, syn_data, true);
  syn->tstamp = syn_data->tstamp;
  TCP_SKB_CB(syn_data)->seq += 1;
  TCP_SKB_CB(syn_data)->tcp_flags = TCPHDR_ACK | TCPHDR_PSH;
  if (err == 0) {
    tp->syn_data = fo->copied > 0;
    tcp_rbtree_insert(&tp->tcp_rtx_queue, syn_data);
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPOrigDataSent);
    return 0;
  }
  // The data wait for the end of the handshake.
  __skb_queue_tail(&sk->sk_write_queue, syn_data);
  tp->packets_out -= tcp_skb_pcount(syn_data);
  return err;
}

int tcp_send_syn_data(sock* sk, sk_buff* syn) {
  tcp_fastopen_request* const fo = tcp_sk(sk)->fastopen_req;
  sk_buff* const syn_data = MakeSynData(sk, syn);
  int err = -ENOBUFS;
  if (syn_data != nullptr) err = SendSynData(sk, syn, syn_data);
  if (err != 0) err = SendPlainSyn(sk, syn);
  fo->cookie.len = -1;  // SYNs that are sent again have no fast open option
  return err;
}

}  // namespace

int tcp_connect(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->icsk_af_ops->rebuild_header(sk) != 0) return -EHOSTUNREACH;
  tcp_connect_init(sk);
  sk_buff* const buff = tcp_stream_alloc_skb(sk, true);
  if (buff == nullptr) return -ENOBUFS;
  tcp_init_nondata_skb(buff, tp->write_seq, TCPHDR_SYN);
  tcp_mstamp_refresh(tp);
  tp->retrans_stamp = tcp_time_stamp_ts(tp);
  tcp_connect_queue_skb(sk, buff);
  tcp_ecn_send_syn(sk, buff);
  tcp_rbtree_insert(&tp->tcp_rtx_queue, buff);
  const int err =
      tp->fastopen_req != nullptr ? tcp_send_syn_data(sk, buff) : tcp_transmit_skb(sk, buff, true);
  if (err == -ECONNREFUSED) return err;
  // Only now, so that the SYN counts in OutSegs.
  const sk_buff* const unsent = tcp_send_head(sk);
  tp->snd_nxt = unsent != nullptr ? TCP_SKB_CB(unsent)->seq : tp->write_seq;
  tp->pushed_seq = tp->snd_nxt;
  TCP_INC_STATS(sk->sk_net, TcpMib::kActiveOpens);
  tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, tp->icsk_rto, false);
  return 0;
}

void tcp_choose_isn(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->repair) return;
  const tcp_seq_and_ts_off st = secure_tcp_seq_and_ts_off(
      sk->sk_net, tp->inet_saddr, tp->inet_daddr, tp->inet_sport, tp->inet_dport);
  // A socket that was connected before, or took over a time-wait socket's ports, goes on.
  if (tp->write_seq == SeqNum()) tp->write_seq = SeqNum(st.seq);
  tp->tsoffset = st.ts_off;
}

void tcp_forget_other_peer(sock* sk, const IpAddress& daddr) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->rx_opt.ts_recent_stamp_s == 0 || tp->inet_daddr == daddr) return;
  tp->rx_opt.ts_recent = 0;
  tp->rx_opt.ts_recent_stamp_s = 0;
  if (!tp->repair) tp->write_seq = SeqNum();
}

}  // namespace tapedeck
