// ICMPv6 messages that come in (net/ipv6/icmp.c).
#include "stack/ipv6/icmpv6.h"

#include <array>
#include <cerrno>

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/ipv6/icmpv6_internal.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/mcast.h"
#include "stack/ipv6/ndisc.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

constexpr uint32_t kIpv6HeaderBytes = sizeof(wire::Ipv6Header);
constexpr uint32_t kQuotedUpperBytes = 8;  // of the quoted packet's upper layer, at least
constexpr DropReason kHandled = SKB_DROP_REASON_CONSUMED;

constexpr inet6_protocol kIcmpv6Protocol = {
    .handler = icmpv6_rcv,
    .err_handler = icmpv6_err,
    .flags = INET6_PROTO_NOPOLICY | INET6_PROTO_FINAL,
};

DropReason CountError(net& net, DropReason reason) {
  net.icmp6_mib.Inc(Icmp6Mib::kInErrors);
  return reason;
}

bool ChecksumFails(sk_buff* skb) {
  const wire::Ipv6Header& iph = *ipv6_hdr(skb);
  const wsum pseudo =
      csum_ipv6_nofold(iph.saddr.bytes(), iph.daddr.bytes(), skb->len, wire::kIpProtoIcmpv6, 0);
  return skb_checksum_validate(skb, true, false, 1, pseudo) != 0;
}

// The message's own layer wants data at the header.
void PushHeader(sk_buff* skb) {
  __skb_push(skb, static_cast<uint32_t>(-skb_transport_offset(skb)));
}

bool ping_rcv(const netns_ipv6& ns, sk_buff* skb) {
  if (ns.ping.rcv == nullptr) return false;
  PushHeader(skb);
  return ns.ping.rcv(skb);
}

// The packet's data is behind the ICMPv6 header. kHandled, or why it is dropped.
DropReason Handle(net& net, sk_buff* skb, const wire::Icmpv6Header& icmp) {
  switch (icmp.type) {
    case wire::kIcmpv6EchoRequest:
      return icmpv6_echo_reply(skb);
    case wire::kIcmpv6PacketTooBig:
      if (!pskb_may_pull(skb, kIpv6HeaderBytes)) {
        return CountError(net, SKB_DROP_REASON_PKT_TOO_SMALL);
      }
      return icmpv6_notify(skb, icmp.type, icmp.code, icmp.mtu());
    case wire::kIcmpv6RouterSolicitation:
    case wire::kIcmpv6RouterAdvertisement:
    case wire::kIcmpv6NeighbourSolicitation:
    case wire::kIcmpv6NeighbourAdvertisement:
    case wire::kIcmpv6Redirect:
      PushHeader(skb);
      return ndisc_rcv(skb);
    case wire::kIcmpv6ListenerQuery:
      PushHeader(skb);
      return igmp6_event_query(skb);
    case wire::kIcmpv6ListenerReport:
      PushHeader(skb);
      return igmp6_event_report(skb);
    default:
      // Errors, known or not, go to the upper layer (RFC 4443 2.4 (a)); other messages that nobody
      // here acts on end silently (2.4 (b)).
      if (icmp.is_error()) return icmpv6_notify(skb, icmp.type, icmp.code, icmp.mtu());
      return SKB_DROP_REASON_ICMP_INVALID;
  }
}

// Checks and dispatches. False where a ping socket took the packet; else *reason says how it ends.
bool Process(net& net, sk_buff* skb, DropReason* reason) {
  netns_ipv6& ns = net_ipv6(net);
  net.icmp6_mib.Inc(Icmp6Mib::kInMsgs);
  if (ChecksumFails(skb)) {
    net.icmp6_mib.Inc(Icmp6Mib::kInCsumErrors);
    *reason = CountError(net, SKB_DROP_REASON_ICMPV6_CSUM);
    return true;
  }
  if (!pskb_may_pull(skb, wire::kIcmpv6HeaderBytes)) {
    *reason = CountError(net, SKB_DROP_REASON_PKT_TOO_SMALL);
    return true;
  }
  __skb_pull(skb, wire::kIcmpv6HeaderBytes);
  const wire::Icmpv6Header icmp = *icmp6_hdr(skb);
  ++ns.icmpv6msg_in[icmp.type];
  if (icmp.type == wire::kIcmpv6EchoReply) {
    *reason = SKB_DROP_REASON_PING_NO_SOCKET;
    return !ping_rcv(ns, skb);
  }
  *reason = Handle(net, skb, icmp);
  return true;
}

struct ErrorMeaning {
  int err;
  bool fatal;
};
// Codes of destination unreachable.
constexpr std::array<ErrorMeaning, 7> kUnreachable = {{
    {ENETUNREACH, false},   // no route
    {EACCES, true},         // administratively prohibited
    {EHOSTUNREACH, false},  // beyond the scope of the source
    {EHOSTUNREACH, false},  // address unreachable
    {ECONNREFUSED, true},   // port unreachable
    {EACCES, true},         // the source fails a policy
    {EACCES, true},         // a route that rejects
}};

}  // namespace

int icmpv6_rcv(sk_buff* skb) {
  net& net = *skb->owner;
  TRACE_FUNCTION(net, skb, icmpv6_rcv, skb);
  net.Charge(CostPoint::k_icmp_rcv);
  const uint32_t len = skb->len;
  DropReason reason = kHandled;
  if (!Process(net, skb, &reason)) return 0;
  if (reason == kHandled) {
    net.this_cpu().Trace(TraceKind::kDeliver, skb->frame_id, len, wire::kIpProtoIcmpv6, 0);
    consume_skb(skb);
  } else {
    kfree_skb_reason(skb, reason);
  }
  return 0;
}

int icmpv6_err(sk_buff* skb, uint8_t type, uint8_t /*code*/, int offset, uint32_t info) {
  net& net = *skb->owner;
  if (type == wire::kIcmpv6PacketTooBig) {
    ip6_update_pmtu(skb, net, info, skb->dev->ifindex, 0);
  } else if (type == wire::kIcmpv6Redirect) {
    ip6_redirect(skb, net, skb->dev->ifindex, 0);
  }
  const bool is_error = wire::Icmpv6Header{.type = type}.is_error();
  const auto& quoted = *reinterpret_cast<const wire::Icmpv6Header*>(skb->data + offset);
  const netns_ipv6& ns = net_ipv6(net);
  if (is_error && quoted.type == wire::kIcmpv6EchoRequest && ns.ping.err != nullptr) {
    ns.ping.err(skb, offset, info);
  }
  return 0;
}

DropReason icmpv6_notify(sk_buff* skb, uint8_t type, uint8_t code, uint32_t info) {
  net& net = *skb->owner;
  if (!pskb_may_pull(skb, kIpv6HeaderBytes)) {
    return CountError(net, SKB_DROP_REASON_PKT_TOO_SMALL);
  }
  uint8_t nexthdr = reinterpret_cast<const wire::Ipv6Header*>(skb->data)->nexthdr;
  int inner_offset = kIpv6HeaderBytes;
  if (ipv6_ext_hdr(nexthdr)) {
    uint16_t frag_off = 0;
    inner_offset = ipv6_skip_exthdr(skb, kIpv6HeaderBytes, &nexthdr, &frag_off);
    if (inner_offset < 0) return CountError(net, SKB_DROP_REASON_IPV6_BAD_EXTHDR);
  }
  if (!pskb_may_pull(skb, static_cast<uint32_t>(inner_offset) + kQuotedUpperBytes)) {
    return CountError(net, SKB_DROP_REASON_PKT_TOO_SMALL);
  }
  if (nexthdr == wire::kIpProtoRaw) return CountError(net, SKB_DROP_REASON_INVALID_PROTO);
  const netns_ipv6& ns = net_ipv6(net);
  const inet6_protocol* const protocol = ns.inet6_protos[nexthdr];
  if (protocol != nullptr && protocol->err_handler != nullptr) {
    protocol->err_handler(skb, type, code, inner_offset, info);
  }
  if (ns.raw.icmp_error != nullptr) {
    ns.raw.icmp_error(skb, nexthdr, type, code, inner_offset, info);
  }
  return kHandled;
}

bool icmpv6_err_convert(uint8_t type, uint8_t code, int* err) {
  switch (type) {
    case wire::kIcmpv6DestUnreachable:
      *err = EPROTO;
      if (code >= kUnreachable.size()) return true;
      *err = kUnreachable[code].err;
      return kUnreachable[code].fatal;
    case wire::kIcmpv6PacketTooBig:
      *err = EMSGSIZE;
      return false;
    case wire::kIcmpv6ParameterProblem:
      *err = EPROTO;
      return true;
    case wire::kIcmpv6TimeExceeded:
      *err = EHOSTUNREACH;
      return false;
    default:
      *err = EPROTO;
      return false;
  }
}

void icmpv6_flow_init(const sock* /*sk*/, flowi6* fl6, uint8_t type, const Ipv6Address& saddr,
                      const Ipv6Address& daddr, int oif) {
  *fl6 = flowi6{};
  fl6->saddr = saddr;
  fl6->daddr = daddr;
  fl6->proto = wire::kIpProtoIcmpv6;
  fl6->icmp_type = type;
  fl6->oif = oif;
}

void icmp6_out_count(net& net, uint8_t type) {
  net.icmp6_mib.Inc(Icmp6Mib::kOutMsgs);
  ++net_ipv6(net).icmpv6msg_out[type];
}

int icmpv6_init(net& net) {
  netns_ipv6& ns = net_ipv6(net);
  ns.icmp_sk = inet6_ctl_sock_create(net, wire::kIpProtoIcmpv6);
  if (ns.icmp_sk == nullptr) return -ENOBUFS;
  // Room for two messages of the largest size, with their sk_buffs.
  ns.icmp_sk->sk_sndbuf = 2 * SKB_TRUESIZE(64 * 1024);
  icmpv6_sysctl_register(net);
  return inet6_add_protocol(net, &kIcmpv6Protocol, wire::kIpProtoIcmpv6) == 0 ? 0 : -EAGAIN;
}

void icmpv6_cleanup(net& net) {
  netns_ipv6& ns = net_ipv6(net);
  inet6_del_protocol(net, &kIcmpv6Protocol, wire::kIpProtoIcmpv6);
  inet6_ctl_sock_destroy(ns.icmp_sk);
  ns.icmp_sk = nullptr;
}

}  // namespace tapedeck
