// Packetization layer path MTU discovery (RFC 4821): now and then a larger segment finds out
// whether the path carries it.
#include <algorithm>

#include "stack/core/skb_split.h"
#include "stack/core/zerocopy.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_output_internal.h"

namespace tapedeck {

namespace {

constexpr uint32_t kCwndToProbe = 11;  // with less a lost probe would hurt

// The largest MTU that the peer's MSS allows.
int SearchHigh(const tcp_sock* tp) {
  return tp->rx_opt.mss_clamp + static_cast<int>(sizeof(wire::TcpHeader)) +
         tp->icsk_af_ops->net_header_len;
}

// The search has ended; after probe_interval it starts again from what is used now.
void tcp_mtu_check_reprobe(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint32_t now = tcp_jiffies32(sk);
  const auto delta = static_cast<int32_t>(now - tp->icsk_mtup.probe_timestamp);
  const uint32_t interval = tcp_sysctl(sk).probe_interval * tcp_ticks_of(sk).hz;
  if (static_cast<uint32_t>(delta) < interval) return;
  const auto mss = static_cast<int>(tcp_current_mss(sk));
  tp->icsk_mtup.probe_size = 0;
  tp->icsk_mtup.search_high = SearchHigh(tp);
  tp->icsk_mtup.search_low = tcp_mss_to_mtu(sk, mss);
  tp->icsk_mtup.probe_timestamp = now;
}

// Whether the first `len` bytes of the write queue may travel in one packet.
bool tcp_can_coalesce_send_queue_head(const sock* sk, uint32_t len) {
  for (const sk_buff* skb = tcp_send_head(sk); skb != nullptr;) {
    if (skb_cloned(skb)) return false;  // somebody still looks at a transmission that failed
    if (len <= skb->len) break;
    const sk_buff* const next = skb_peek_next(skb, &sk->sk_write_queue);
    if (next == nullptr || tcp_has_tx_tstamp(skb) || !tcp_skb_can_collapse(skb, next)) return false;
    len -= skb->len;
    skb = next;
  }
  return true;
}

// Gives `to` a share in `bytes` bytes of `frag`; false where there is no room.
bool ShareFrag(sk_buff* to, const skb_frag_t& frag, uint32_t bytes) {
  skb_shared_info* const info = skb_shinfo(to);
  const uint32_t frags = info->nr_frags;
  if (skb_can_coalesce(to, frags, frag.page, frag.offset)) {
    info->frags[frags - 1].len += bytes;
    return true;
  }
  if (frags == MAX_SKB_FRAGS) return false;
  get_page(frag.page);
  skb_fill_page_desc(to, frags, frag.page, frag.offset, bytes);
  return true;
}

// Fills `to` with the first `probe_size` bytes of the write queue, which they stay in. False where
// memory or fragments do not suffice; `to` is to be freed then.
bool tcp_clone_payload(sock* sk, sk_buff* to, uint32_t probe_size) {
  if (!sk_wmem_schedule(sk, to->truesize + probe_size)) return false;
  uint32_t left = probe_size;
  for (const sk_buff* skb = tcp_send_head(sk); skb != nullptr && left > 0;
       skb = skb_peek_next(skb, &sk->sk_write_queue)) {
    if (skb_headlen(skb) != 0) return false;
    const skb_shared_info* const info = skb_shinfo(skb);
    if ((info->flags & SKBFL_SHARED_FRAG) != 0) skb_shinfo(to)->flags |= SKBFL_SHARED_FRAG;
    for (uint32_t i = 0; i < info->nr_frags && left > 0; ++i) {
      const uint32_t bytes = std::min(info->frags[i].len, left);
      if (!ShareFrag(to, info->frags[i], bytes)) return false;
      left -= bytes;
    }
  }
  CHECK_EQ(left, 0U);
  to->truesize += probe_size;
  to->len += probe_size;
  to->data_len += probe_size;
  __skb_header_release(to);
  return true;
}

// Takes the bytes that the probe `nskb` carries off the packets behind it.
void TakeFromQueue(sock* sk, sk_buff* nskb, uint32_t probe_size, uint32_t mss_now) {
  uint32_t left = probe_size;
  while (left > 0) {
    sk_buff* const skb = skb_peek_next(nskb, &sk->sk_write_queue);
    const uint32_t copy = std::min(skb->len, left);
    left -= copy;
    if (copy == skb->len) {
      tcp_eat_one_skb(sk, nskb, skb);
      continue;
    }
    constexpr uint16_t kOfTheEnd = TCPHDR_FIN | TCPHDR_PSH;
    TCP_SKB_CB(nskb)->tcp_flags |= static_cast<uint16_t>(TCP_SKB_CB(skb)->tcp_flags & ~kOfTheEnd);
    __pskb_trim_head(skb, copy);
    tcp_set_skb_tso_segs(skb, mss_now);
    TCP_SKB_CB(skb)->seq += copy;
  }
}

// Puts a packet of `probe_size` bytes at the head of the write queue. nullptr where that fails.
sk_buff* BuildProbe(sock* sk, uint32_t probe_size, uint32_t mss_now) {
  sk_buff* const nskb = tcp_stream_alloc_skb(sk, false);
  if (nskb == nullptr) return nullptr;
  if (!tcp_clone_payload(sk, nskb, probe_size)) {
    consume_skb(nskb);
    return nullptr;
  }
  sk_wmem_queued_add(sk, static_cast<int32_t>(nskb->truesize));
  sk_mem_charge(sk, nskb->truesize);
  sk_buff* const skb = tcp_send_head(sk);
  TCP_SKB_CB(nskb)->seq = TCP_SKB_CB(skb)->seq;
  TCP_SKB_CB(nskb)->end_seq = TCP_SKB_CB(skb)->seq + probe_size;
  TCP_SKB_CB(nskb)->tcp_flags = TCPHDR_ACK;
  tcp_insert_write_queue_before(nskb, skb, sk);
  tcp_highest_sack_replace(sk, skb, nskb);
  TakeFromQueue(sk, nskb, probe_size, mss_now);
  tcp_init_tso_segs(nskb, nskb->len);
  return nskb;
}

// Not while another probe is out, nor in recovery, nor with SACK blocks of varying length.
bool ProbingPossible(const tcp_sock* tp) {
  return tp->icsk_mtup.enabled && tp->icsk_mtup.probe_size == 0 &&
         tp->icsk_ca_state == TCP_CA_Open && tcp_snd_cwnd(tp) >= kCwndToProbe &&
         tp->rx_opt.num_sacks == 0 && !tp->rx_opt.dsack;
}

// Whether data and windows allow a probe: kSent stands for yes.
MtuProbe RoomForProbe(const tcp_sock* tp, uint64_t size_needed) {
  if (static_cast<uint32_t>(tp->write_seq - tp->snd_nxt) < size_needed) return MtuProbe::kNone;
  if (tp->snd_wnd < size_needed) return MtuProbe::kNone;
  if ((tp->snd_nxt + static_cast<uint32_t>(size_needed)).After(tcp_wnd_end(tp))) {
    return MtuProbe::kWait;
  }
  const uint32_t in_flight = tcp_packets_in_flight(tp);
  if (in_flight + 2 <= tcp_snd_cwnd(tp)) return MtuProbe::kSent;
  return in_flight == 0 ? MtuProbe::kNone : MtuProbe::kWait;
}

}  // namespace

void tcp_mtup_init(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_settings& settings = tcp_sysctl(sk);
  tp->icsk_mtup.enabled = settings.mtu_probing >= kMtuSearchAll;
  tp->icsk_mtup.search_high = SearchHigh(tp);
  tp->icsk_mtup.search_low = tcp_mss_to_mtu(sk, settings.base_mss);
  tp->icsk_mtup.probe_size = 0;
  if (tp->icsk_mtup.enabled) tp->icsk_mtup.probe_timestamp = tcp_jiffies32(sk);
}

MtuProbe tcp_mtu_probe(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!ProbingPossible(tp)) return MtuProbe::kNone;
  const uint32_t mss_now = tcp_current_mss(sk);
  // Halfway between what is known to work and what might.
  const int high = tp->icsk_mtup.search_high;
  const int low = tp->icsk_mtup.search_low;
  const int probe_size = tcp_mtu_to_mss(sk, (high + low) >> 1);
  if (probe_size > tcp_mtu_to_mss(sk, high) || high - low < tcp_sysctl(sk).probe_threshold) {
    tcp_mtu_check_reprobe(sk);
    return MtuProbe::kNone;
  }
  const auto probe_bytes = static_cast<uint32_t>(probe_size);
  const MtuProbe room =
      RoomForProbe(tp, probe_bytes + (tp->reordering + 1) * uint64_t{tp->mss_cache});
  if (room != MtuProbe::kSent) return room;
  if (!tcp_can_coalesce_send_queue_head(sk, probe_bytes)) return MtuProbe::kNone;

  sk_buff* const nskb = BuildProbe(sk, probe_bytes, mss_now);
  // Where it cannot be sent it will be cut to MSS as any other packet.
  if (nskb == nullptr || tcp_transmit_skb(sk, nskb, true) != 0) return MtuProbe::kNone;
  // It counts for two packets.
  tcp_snd_cwnd_set(tp, tcp_snd_cwnd(tp) - 1);
  tcp_event_new_data_sent(sk, nskb);
  tp->icsk_mtup.probe_size = static_cast<uint32_t>(tcp_mss_to_mtu(sk, static_cast<int>(nskb->len)));
  tp->mtu_probe.probe_seq_start = TCP_SKB_CB(nskb)->seq;
  tp->mtu_probe.probe_seq_end = TCP_SKB_CB(nskb)->end_seq;
  return MtuProbe::kSent;
}

}  // namespace tapedeck
