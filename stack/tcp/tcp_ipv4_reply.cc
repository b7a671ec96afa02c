// Answers without a connection: resets, and the ACKs of requests and time-wait sockets. They are
// made from the segment alone (RFC 9293 3.10.7.1), never from a socket's TTL or TOS.
#include <cstddef>
#include <cstring>

#include "stack/core/net.h"
#include "stack/ipv4/ip.h"
#include "stack/tcp/inet_hashtables.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_md5.h"
#include "stack/wire/ip_protocol.h"
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
  void Sign(const tcp_md5sig_key* key, const wire::Ipv4Header& received) {
    uint8_t* const at = Grow(TCPOLEN_MD5SIG_ALIGNED);
    at[0] = at[1] = wire::kTcpOptNop;
    at[2] = wire::kTcpOptMd5;
    at[3] = TCPOLEN_MD5SIG_ALIGNED - 2;
    tcp_md5_hash_hdr(at + 4, key, received.daddr, received.saddr, th);
  }
};
static_assert(offsetof(Reply, opt) == wire::kTcpHeaderBytes);

// On whose behalf the answer goes out, as far as that matters to its route and queue.
struct ReplySender {
  int bound_dev_if = 0;
  uint32_t mark = 0;
  uint32_t priority = 0;
  bool transparent = false;
};
ReplySender SenderOf(const sock* sk) {
  if (sk == nullptr) return {};
  return {sk->sk_bound_dev_if, sk->sk_mark, sk->sk_priority, inet_sk(sk)->transparent};
}
ReplySender SenderOf(const inet_timewait_sock* tw) {
  return {tw->node.bound_dev_if, tw->tw_mark, tw->tw_priority, tw->tw_transparent};
}

void Send(sk_buff* skb, const Reply& reply, const ReplySender& sender, uint8_t tos) {
  net& net = *skb->owner;
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  ip_reply_arg arg;
  arg.data = reinterpret_cast<const uint8_t*>(&reply);
  arg.len = reply.bytes();
  arg.csum =
      csum_tcpudp_nofold(iph->daddr.wire(), iph->saddr.wire(), reply.bytes(), wire::kIpProtoTcp, 0);
  arg.csumoffset = offsetof(wire::TcpHeader, check);
  arg.bound_dev_if = sender.bound_dev_if;
  arg.tos = tos;
  arg.flags = sender.transparent ? uint8_t{FLOWI_FLAG_ANYSRC} : uint8_t{0};
  inet_sock* const ctl_sk = net_tcp(net).control_sk;
  ctl_sk->sk_mark = sender.mark;
  ctl_sk->sk_priority = sender.priority;
  ip_send_unicast_reply(ctl_sk, skb, tcp_v4_ipcb(skb)->opt, iph->saddr, iph->daddr, arg,
                        reply.bytes());
  TCP_INC_STATS(net, TcpMib::kOutSegs);
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
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  const wire::TcpHeader* const th = tcp_hdr(skb);
  const sock* const listener = __inet_lookup_listener(*skb->owner, iph->saddr, th->source,
                                                      iph->daddr, th->source, inet_iif(skb));
  if (listener == nullptr) return nullptr;
  const tcp_md5sig_key* const key = tcp_md5_do_lookup(listener, iph->saddr);
  if (key == nullptr) return nullptr;
  uint8_t digest[kTcpMd5Bytes];
  tcp_md5_hash_skb(digest, key, iph->saddr, iph->daddr, skb);
  return std::memcmp(digest, md5, sizeof(digest)) == 0 ? key : nullptr;
}

void SendReset(sk_buff* skb, const ReplySender& sender, const tcp_md5sig_key* key) {
  Reply reset = ResetFor(skb);
  const wire::Ipv4Header& iph = *ip_hdr(skb);
  if (key != nullptr) reset.Sign(key, iph);
  Send(skb, reset, sender, static_cast<uint8_t>(iph.tos & ~INET_ECN_MASK));
  TCP_INC_STATS(*skb->owner, TcpMib::kOutRsts);
}

struct AckNumbers {
  SeqNum seq;
  SeqNum ack;
  uint32_t window;  // as it goes into the header
  uint32_t tsval;
  uint32_t tsecr;  // 0: no timestamps
};

void SendAck(sk_buff* skb, const AckNumbers& numbers, const ReplySender& sender,
             const tcp_md5sig_key* key, uint8_t tos) {
  Reply ack(*tcp_hdr(skb));
  ack.th.set_flags(wire::kTcpAck);
  ack.th.seq = numbers.seq.value();
  ack.th.ack_seq = numbers.ack.value();
  ack.th.window = static_cast<uint16_t>(numbers.window);
  if (numbers.tsecr != 0) ack.AddTimestamps(numbers.tsval, numbers.tsecr);
  if (key != nullptr) ack.Sign(key, *ip_hdr(skb));
  Send(skb, ack, sender, tos);
}

}  // namespace

void tcp_v4_send_reset(const sock* sk, sk_buff* skb) {
  const wire::TcpHeader* const th = tcp_hdr(skb);
  if (th->rst()) return;
  // With a socket the route was right; without one it must be ours alone.
  if (sk == nullptr && skb_rtable(skb)->rt_type != RTN_LOCAL) return;
  const uint8_t* md5 = nullptr;
  if (!tcp_parse_auth_options(th, &md5)) return;
  const tcp_md5sig_key* key = nullptr;
  if (sk != nullptr) {
    key = tcp_md5_do_lookup(sk, ip_hdr(skb)->saddr);
  } else if (md5 != nullptr) {
    key = KeyOfLostConnection(skb, md5);
    if (key == nullptr) return;
  }
  SendReset(skb, SenderOf(sk), key);
}

void tcp_v4_timewait_reset(const inet_timewait_sock* tw, sk_buff* skb) {
  const uint8_t* md5 = nullptr;
  if (tcp_hdr(skb)->rst() || !tcp_parse_auth_options(tcp_hdr(skb), &md5)) return;
  const tcp_md5sig_key* key = nullptr;
  if (md5 != nullptr) {
    key = KeyOfLostConnection(skb, md5);
    if (key == nullptr) return;
  }
  SendReset(skb, SenderOf(tw), key);
}

void tcp_v4_timewait_ack(const inet_timewait_sock* tw, sk_buff* skb, tcp_tw_status status) {
  // The ECN field goes on in ACKs of what was in the window, so that they take the same queue.
  uint8_t tos = tw->tw_tos;
  if (status == tcp_tw_status::kAckOow) tos &= static_cast<uint8_t>(~INET_ECN_MASK);
  const AckNumbers numbers = {.seq = tw->tw_snd_nxt,
                              .ack = tw->tw_rcv_nxt,
                              .window = tw->tw_rcv_wnd >> tw->tw_rcv_wscale,
                              .tsval = tcp_clock_ts(tw->tw_net, tw->tw_usec_ts) + tw->tw_ts_offset,
                              .tsecr = tw->tw_ts_recent};
  SendAck(skb, numbers, SenderOf(tw), tw->tw_md5_key, tos);
}

void tcp_v4_reqsk_send_ack(const sock* sk, sk_buff* skb, request_sock* req) {
  // `sk` is the child itself where it was made by a fast open SYN.
  const SeqNum seq = sk->sk_state == TCP_LISTEN ? req->snt_isn + 1 : tcp_sk(sk)->snd_nxt;
  const AckNumbers numbers = {.seq = seq,
                              .ack = req->rcv_nxt,
                              .window = tcp_synack_window(req) >> req->rcv_wscale,
                              .tsval = tcp_clock_ts(req->rsk_net, req->req_usec_ts) + req->ts_off,
                              .tsecr = req->ts_recent};
  ReplySender sender = SenderOf(sk);
  sender.bound_dev_if = 0;
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  SendAck(skb, numbers, sender, tcp_md5_do_lookup(sk, iph->saddr),
          static_cast<uint8_t>(iph->tos & ~INET_ECN_MASK));
}

void __tcp_v4_send_check(sk_buff* skb, Ipv4Address saddr, Ipv4Address daddr) {
  auto* const th = reinterpret_cast<wire::TcpHeader*>(
      skb_writable(skb, skb_transport_header(skb), wire::kTcpHeaderBytes));
  th->check = static_cast<uint16_t>(
      csum_tcpudp_nofold(saddr.wire(), daddr.wire(), skb->len, wire::kIpProtoTcp, 0));
  skb->csum_start = skb->transport_header;
  skb->csum_offset = offsetof(wire::TcpHeader, check);
}

}  // namespace tapedeck
