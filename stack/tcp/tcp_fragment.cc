// Packets of the write and retransmission queues: cut, trimmed, joined.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "stack/core/skb_split.h"
#include "stack/core/tx_timestamp.h"
#include "stack/core/zerocopy.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_output_internal.h"

namespace tapedeck {

namespace {

// The send buffer may hold twice its limit in the retransmission queue, with one packet of
// sendmsg's overshoot: beyond it nothing but its ends is cut, or a peer's SACKs could make us hold
// any amount of small packets (CVE-2019-11478).
bool TooMuchToCut(const sock* sk, tcp_queue queue, const sk_buff* skb) {
  if (queue == tcp_queue::kWrite) return false;
  const int64_t limit = int64_t{sk->sk_sndbuf} + 2 * SKB_TRUESIZE(GSO_LEGACY_MAX_SIZE);
  return (sk->sk_wmem_queued >> 1) > limit && skb != tcp_rtx_queue_head(sk) &&
         skb != tcp_rtx_queue_tail(sk);
}

// Puts `buff` behind `skb`, which it was cut from.
void InsertAfter(sock* sk, tcp_queue queue, sk_buff* skb, sk_buff* buff) {
  tcp_sock* const tp = tcp_sk(sk);
  if (queue == tcp_queue::kWrite) {
    __skb_queue_after(&sk->sk_write_queue, skb, buff);
    return;
  }
  tcp_rbtree_insert(&tp->tcp_rtx_queue, buff);
  if (tcp_tsorted_linked(tp, skb)) tcp_tsorted_insert_after(tp, skb, buff);
}

}  // namespace

void tcp_skb_split_sequence(sk_buff* skb, sk_buff* buff, uint32_t len) {
  tcp_skb_cb* const tcb = TCP_SKB_CB(skb);
  tcp_skb_cb* const rest = TCP_SKB_CB(buff);
  rest->seq = tcb->seq + len;
  rest->end_seq = tcb->end_seq;
  tcb->end_seq = rest->seq;
  // PSH and FIN belong to the end.
  rest->tcp_flags = tcb->tcp_flags;
  tcb->tcp_flags = static_cast<uint16_t>(tcb->tcp_flags & ~(TCPHDR_FIN | TCPHDR_PSH));
  tcp_skb_fragment_eor(skb, buff);
}

bool tcp_has_tx_tstamp(const sk_buff* skb) {
  return TCP_SKB_CB(skb)->txstamp_ack || (skb_shinfo(skb)->tx_flags & SKBTX_ANY_TSTAMP) != 0;
}

void tcp_fragment_tstamp(sk_buff* skb, sk_buff* skb2) {
  skb_shared_info* const info = skb_shinfo(skb);
  if (!tcp_has_tx_tstamp(skb) || SeqNum(info->tskey).Before(TCP_SKB_CB(skb2)->seq)) return;
  skb_shared_info* const info2 = skb_shinfo(skb2);
  const uint8_t tsflags = info->tx_flags & SKBTX_ANY_TSTAMP;
  info->tx_flags = static_cast<uint8_t>(info->tx_flags & ~tsflags);
  info2->tx_flags |= tsflags;
  std::swap(info->tskey, info2->tskey);
  TCP_SKB_CB(skb2)->txstamp_ack = TCP_SKB_CB(skb)->txstamp_ack;
  TCP_SKB_CB(skb)->txstamp_ack = false;
}

void tcp_skb_fragment_eor(sk_buff* skb, sk_buff* skb2) {
  TCP_SKB_CB(skb2)->eor = TCP_SKB_CB(skb)->eor;
  TCP_SKB_CB(skb)->eor = false;
}

void tcp_skb_collapse_tstamp(sk_buff* skb, const sk_buff* next_skb) {
  if (!tcp_has_tx_tstamp(next_skb)) return;
  const uint8_t tsflags = skb_shinfo(next_skb)->tx_flags & SKBTX_ANY_TSTAMP;
  skb_shinfo(skb)->tx_flags |= tsflags;
  skb_shinfo(skb)->tskey = skb_shinfo(next_skb)->tskey;
  if (TCP_SKB_CB(next_skb)->txstamp_ack) TCP_SKB_CB(skb)->txstamp_ack = true;
}

void tcp_skb_shift_counts(sock* sk, sk_buff* skb, int decr) {
  tcp_sock* const tp = tcp_sk(sk);
  const auto delta = static_cast<uint32_t>(decr);  // mod 2^32
  const uint8_t sacked = TCP_SKB_CB(skb)->sacked;
  tp->packets_out -= delta;
  if ((sacked & TCPCB_SACKED_ACKED) != 0) tp->sacked_out -= delta;
  if ((sacked & TCPCB_SACKED_RETRANS) != 0) tp->retrans_out -= delta;
  if ((sacked & TCPCB_LOST) != 0) tp->lost_out -= delta;
  // Without SACK it is not known which packets the duplicate ACKs stood for.
  if (tcp_is_reno(tp) && decr > 0) tp->sacked_out -= std::min(tp->sacked_out, delta);
}

int tcp_fragment(sock* sk, tcp_queue queue, sk_buff* skb, uint32_t len, uint32_t mss_now) {
  CHECK_LE(len, skb->len);
  if (TooMuchToCut(sk, queue, skb)) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPWqueueTooBig);
    return -ENOMEM;
  }
  if (skb_unclone_keeptruesize(skb) != 0) return -ENOMEM;
  sk_buff* const buff = tcp_stream_alloc_skb(sk, true);
  if (buff == nullptr) return -ENOMEM;
  sk_wmem_queued_add(sk, static_cast<int32_t>(buff->truesize));
  sk_mem_charge(sk, buff->truesize);
  const uint32_t nlen = skb->len - len;
  buff->truesize += nlen;
  skb->truesize -= nlen;

  tcp_skb_split_sequence(skb, buff, len);
  TCP_SKB_CB(buff)->sacked = TCP_SKB_CB(skb)->sacked;
  TCP_SKB_CB(buff)->tx = TCP_SKB_CB(skb)->tx;
  skb_split(skb, buff, len);
  buff->tstamp = skb->tstamp;
  tcp_fragment_tstamp(skb, buff);
  const uint32_t old_factor = tcp_skb_pcount(skb);
  const uint32_t new_factor =
      tcp_set_skb_tso_segs(skb, mss_now) + tcp_set_skb_tso_segs(buff, mss_now);
  // What was sent already counts in packets.
  if (!tcp_sk(sk)->snd_nxt.Before(TCP_SKB_CB(buff)->end_seq) && old_factor != new_factor) {
    tcp_skb_shift_counts(sk, skb, static_cast<int>(old_factor) - static_cast<int>(new_factor));
  }
  __skb_header_release(buff);
  InsertAfter(sk, queue, skb, buff);
  return 0;
}

int tcp_trim_head(sock* sk, sk_buff* skb, uint32_t len) {
  if (skb_unclone_keeptruesize(skb) != 0) return -ENOMEM;
  __pskb_trim_head(skb, len);
  TCP_SKB_CB(skb)->seq += len;
  skb->truesize -= len;
  sk_wmem_queued_add(sk, -static_cast<int32_t>(len));
  if (!skb_zcopy_pure(skb)) sk_mem_uncharge(sk, len);
  if (tcp_skb_pcount(skb) > 1) tcp_set_skb_tso_segs(skb, tcp_skb_mss(skb));
  return 0;
}

void tcp_init_nondata_skb(sk_buff* skb, SeqNum seq, uint16_t flags) {
  skb->ip_summed = CHECKSUM_PARTIAL;
  tcp_skb_cb* const tcb = TCP_SKB_CB(skb);
  tcb->tcp_flags = flags;
  tcp_skb_pcount_set(skb, 1);
  tcb->seq = seq;
  tcb->end_seq = (flags & (TCPHDR_SYN | TCPHDR_FIN)) != 0 ? seq + 1 : seq;
}

sk_buff* tcp_alloc_nondata_skb(sock* sk, SeqNum seq, uint16_t flags) {
  sk_buff* const skb = alloc_skb(sk->sk_net, MAX_TCP_HEADER);
  if (skb == nullptr) return nullptr;
  skb_reserve(skb, MAX_TCP_HEADER);
  tcp_init_nondata_skb(skb, seq, flags);
  return skb;
}

}  // namespace tapedeck
