// Resets and ACKs that no connection sends (see tcp_reply.h).
#include "stack/tcp/tcp_reply.h"

#include <cstddef>
#include <cstring>

#include "stack/core/net.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/ipv6/ipv6_sock.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/tcp/inet_hashtables.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_md5.h"
#include "stack/tcp/tcp_segment.h"
#include "stack/wire/tcp_options.h"

namespace tapedeck {
namespace {

// A header with its options, as it is built.
struct Reply {
  wire::TcpHeader th;
  uint8_t opt[MAX_TCP_OPTION_SPACE] = {};
  uint32_t opt_bytes = 0;

  explicit Reply(const wire::TcpHeader& to) {
    th.source = to.dest;
    th.dest = to.source;
    th.set_doff(wire::kTcpHeaderBytes / 4);
  }
  uint32_t bytes() const { return wire::kTcpHeaderBytes + opt_bytes; }
  // Room for `n` bytes of options, a multiple of 4.
  uint8_t* Grow(uint32_t n) {
    uint8_t* const at = opt + opt_bytes;
    opt_bytes += n;
    th.set_doff(static_cast<uint8_t>(bytes() / 4));
    return at;
  }
  void AddTimestamps(uint32_t tsval, uint32_t tsecr) {
    uint8_t* const at = Grow(TCPOLEN_TSTAMP_ALIGNED);
    at[0] = at[1] = wire::kTcpOptNop;
    at[2] = wire::kTcpOptTimestamps;
    at[3] = TCPOLEN_TSTAMP_ALIGNED - 2;
    StoreBe32(at + 4, tsval);
    StoreBe32(at + 8, tsecr);
  }
  // Signs what there is so far; options come before.
  void Sign(const tcp_md5sig_key* key, const sk_buff* received) {
    uint8_t* const at = Grow(TCPOLEN_MD5SIG_ALIGNED);
    at[0] = at[1] = wire::kTcpOptNop;
    at[2] = wire::kTcpOptMd5;
    at[3] = TCPOLEN_MD5SIG_ALIGNED - 2;
    tcp_md5_hash_hdr(at + 4, key, tcp_daddr(received), tcp_saddr(received), th);
  }
};
static_assert(offsetof(Reply, opt) == wire::kTcpHeaderBytes);

// sysctl net/ipv6/flowlabel_reflect, bit 1.
constexpr int kFlowlabelReflectTcpReset = 2;

uint32_t FlowlabelOf(const sk_buff* skb) {
  return tcp_is_v4(skb) ? 0 : ipv6_hdr(skb)->flow_label();
}
tcp_reply_sender SenderOf(const sock* sk, const sk_buff* skb) {
  if (sk == nullptr) {
    const bool reflect = !tcp_is_v4(skb) && (net_ipv6(*skb->owner).settings.flowlabel_reflect &
                                             kFlowlabelReflectTcpReset) != 0;
    return {.flowlabel = reflect ? FlowlabelOf(skb) : 0};
  }
  const ipv6_pinfo* const np = inet6_sk(sk);
  const bool reflect = np != nullptr && np->repflow;
  return {.sk = sk,
          .bound_dev_if = sk->sk_bound_dev_if,
          .mark = sk->sk_mark,
          .priority = sk->sk_priority,
          .txhash = sk->sk_txhash,
          .flowlabel = reflect ? FlowlabelOf(skb) : 0,
          .transparent = inet_sk(sk)->transparent};
}
tcp_reply_sender SenderOf(const inet_timewait_sock* tw) {
  return {.bound_dev_if = tw->node.bound_dev_if,
          .mark = tw->tw_mark,
          .priority = tw->tw_priority,
          .txhash = tw->tw_txhash,
          .flowlabel = tw->tw_flowlabel,
          .transparent = tw->tw_transparent};
}

// Whether it counts as sent.
bool Send(sk_buff* skb, const Reply& reply, const tcp_reply_sender& sender, uint8_t tos) {
  const std::span<const uint8_t> segment(reinterpret_cast<const uint8_t*>(&reply), reply.bytes());
  return (tcp_is_v4(skb) ? tcp_v4_send_reply : tcp_v6_send_reply)(skb, segment, sender, tos);
}

// RFC 9293 3.10.7.1: the reset that makes sense to the sender of `skb`.
Reply ResetFor(const sk_buff* skb) {
  const wire::TcpHeader& th = *tcp_hdr(skb);
  Reply reset(th);
  if (th.ack()) {
    reset.th.set_flags(wire::kTcpRst);
    reset.th.seq = th.ack_seq;
  } else {
    reset.th.set_flags(wire::kTcpRst | wire::kTcpAck);
    reset.th.ack_seq = TCP_SKB_CB(skb)->end_seq.value();
  }
  return reset;
}

// The key of a segment whose connection is lost: that of a listener on its source port, if the
// segment was signed with it. nullptr: do not answer.
const tcp_md5sig_key* KeyOfLostConnection(const sk_buff* skb, const uint8_t* md5) {
  const IpAddress saddr = tcp_saddr(skb);
  const IpAddress daddr = tcp_daddr(skb);
  const wire::TcpHeader* const th = tcp_hdr(skb);
  const sock* const listener =
      __inet_lookup_listener(*skb->owner, saddr, th->source, daddr, th->source, tcp_iif(skb));
  if (listener == nullptr) return nullptr;
  const tcp_md5sig_key* const key = tcp_md5_do_lookup(listener, saddr);
  if (key == nullptr) return nullptr;
  uint8_t digest[kTcpMd5Bytes];
  tcp_md5_hash_skb(digest, key, saddr, daddr, skb);
  return std::memcmp(digest, md5, sizeof(digest)) == 0 ? key : nullptr;
}

void SendReset(sk_buff* skb, const tcp_reply_sender& sender, const tcp_md5sig_key* key) {
  Reply reset = ResetFor(skb);
  if (key != nullptr) reset.Sign(key, skb);
  const auto tos = static_cast<uint8_t>(tcp_dsfield(skb) & ~INET_ECN_MASK);
  if (Send(skb, reset, sender, tos)) TCP_INC_STATS(*skb->owner, TcpMib::kOutRsts);
}

struct AckNumbers {
  SeqNum seq;
  SeqNum ack;
  uint32_t window;  // as it goes into the header
  uint32_t tsval;
  uint32_t tsecr;  // 0: no timestamps
};

void SendAck(sk_buff* skb, const AckNumbers& numbers, const tcp_reply_sender& sender,
             const tcp_md5sig_key* key, uint8_t tos) {
  Reply ack(*tcp_hdr(skb));
  ack.th.set_flags(wire::kTcpAck);
  ack.th.seq = numbers.seq.value();
  ack.th.ack_seq = numbers.ack.value();
  ack.th.window = static_cast<uint16_t>(numbers.window);
  if (numbers.tsecr != 0) ack.AddTimestamps(numbers.tsval, numbers.tsecr);
  if (key != nullptr) ack.Sign(key, skb);
  Send(skb, ack, sender, tos);
}

// Whether a segment came to us alone, by its route.
bool IsForUs(const sk_buff* skb) {
  return tcp_is_v4(skb) ? skb_rtable(skb)->rt_type == RTN_LOCAL : ipv6_unicast_destination(skb);
}

}  // namespace

void tcp_send_reset(const sock* sk, sk_buff* skb) {
  const wire::TcpHeader* const th = tcp_hdr(skb);
  if (th->rst()) return;
  // With a socket the route was right; without one it must be ours alone.
  if (sk == nullptr && !IsForUs(skb)) return;
  const uint8_t* md5 = nullptr;
  if (!tcp_parse_auth_options(th, &md5)) return;
  const tcp_md5sig_key* key = nullptr;
  if (sk != nullptr) {
    key = tcp_md5_do_lookup(sk, tcp_saddr(skb));
  } else if (md5 != nullptr) {
    key = KeyOfLostConnection(skb, md5);
    if (key == nullptr) return;
  }
  SendReset(skb, SenderOf(sk, skb), key);
}

void tcp_timewait_reset(const inet_timewait_sock* tw, sk_buff* skb) {
  const uint8_t* md5 = nullptr;
  if (tcp_hdr(skb)->rst() || !tcp_parse_auth_options(tcp_hdr(skb), &md5)) return;
  const tcp_md5sig_key* key = nullptr;
  if (md5 != nullptr) {
    key = KeyOfLostConnection(skb, md5);
    if (key == nullptr) return;
  }
  SendReset(skb, SenderOf(tw), key);
}

void tcp_timewait_ack(const inet_timewait_sock* tw, sk_buff* skb, tcp_tw_status status) {
  // The ECN field goes on in ACKs of what was in the window, so that they take the same queue.
  uint8_t tos = tcp_is_v4(skb) ? tw->tw_tos : tw->tw_tclass;
  if (status == tcp_tw_status::kAckOow) tos &= static_cast<uint8_t>(~INET_ECN_MASK);
  const AckNumbers numbers = {.seq = tw->tw_snd_nxt,
                              .ack = tw->tw_rcv_nxt,
                              .window = tw->tw_rcv_wnd >> tw->tw_rcv_wscale,
                              .tsval = tcp_clock_ts(tw->tw_net, tw->tw_usec_ts) + tw->tw_ts_offset,
                              .tsecr = tw->tw_ts_recent};
  SendAck(skb, numbers, SenderOf(tw), tw->tw_md5_key, tos);
}

void tcp_reqsk_send_ack(const sock* sk, sk_buff* skb, request_sock* req) {
  // `sk` is the child itself where it was made by a fast open SYN.
  const SeqNum seq = sk->sk_state == TCP_LISTEN ? req->snt_isn + 1 : tcp_sk(sk)->snd_nxt;
  const AckNumbers numbers = {.seq = seq,
                              .ack = req->rcv_nxt,
                              .window = tcp_synack_window(req) >> req->rcv_wscale,
                              .tsval = tcp_clock_ts(req->rsk_net, req->req_usec_ts) + req->ts_off,
                              .tsecr = req->ts_recent};
  tcp_reply_sender sender = SenderOf(sk, skb);
  sender.txhash = req->txhash;
  sender.flowlabel = 0;
  if (tcp_is_v4(skb)) sender.bound_dev_if = 0;
  SendAck(skb, numbers, sender, tcp_md5_do_lookup(sk, tcp_saddr(skb)),
          static_cast<uint8_t>(tcp_dsfield(skb) & ~INET_ECN_MASK));
}

}  // namespace tapedeck
