// ICMPv6 messages that go out: errors under RFC 4443 2.4 (e) and (f), echo replies
// (net/ipv6/icmp.c).
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/inetpeer.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/icmpv6.h"
#include "stack/ipv6/icmpv6_internal.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ip6_internal.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

// An error and what it quotes fit the smallest MTU (RFC 4443 2.4 (c)).
constexpr uint32_t kQuoteBytesMax =
    wire::kIpv6MinMtu - sizeof(wire::Ipv6Header) - sizeof(wire::Icmpv6Header);
constexpr uint8_t kOptionActionMask = 0xc0;  // RFC 8200 4.2: what to do with an unknown option
constexpr uint8_t kOptionAlwaysReport = 0x80;
constexpr int32_t kReflectEchoReplies = 4;  // FLOWLABEL_REFLECT_ICMPV6_ECHO_REPLIES

// The data of a message: bytes of a packet.
struct Quote {
  const sk_buff* skb;
  uint32_t offset;
};

// icmpv6_getfrag.
int Getfrag(void* from, uint8_t* to, uint32_t offset, uint32_t len, uint32_t odd, sk_buff* skb) {
  const auto* const quote = static_cast<const Quote*>(from);
  const wsum sum = skb_copy_and_csum_bits(quote->skb, quote->offset + offset, to, len);
  skb->csum = csum_block_add(skb->csum, sum, odd);
  return 0;
}

bool FromLoopback(const sk_buff* skb) { return (skb->dev->flags & IFF_LOOPBACK) != 0; }

uint32_t ReplyMark(const netns_ipv6& ns, const sk_buff* skb) {
  return ns.settings.fwmark_reflect != 0 ? skb->mark : 0;
}

// The device a packet came in by; what comes over loopback belongs to the device of its address
// (icmp6_dev).
int icmp6_iif(const sk_buff* skb) {
  const net_device* dev = skb->dev;
  if (FromLoopback(skb) && skb->dst != nullptr && skb_rt6_info(skb)->rt6i_idev != nullptr) {
    dev = skb_rt6_info(skb)->rt6i_idev->dev;
  }
  return dev->ifindex;
}

// Whether the host may send a message of this type at all (icmpv6_global_allow).
bool GlobalAllow(net& net, uint8_t type, bool* apply_ratelimit) {
  const uint32_t* const mask = net_ipv6(net).settings.icmp_ratemask;
  if ((mask[type / 32] >> (type % 32) & 1) == 0) return true;
  if (icmp_global_allow(net)) {
    *apply_ratelimit = true;
    return true;
  }
  net.icmp_mib.Inc(IcmpMib::kOutRateLimitGlobal);
  return false;
}

bool PeerAllow(net& net, const dst_entry* dst, const Ipv6Address& daddr) {
  if (dst->error != 0) {
    net.ip6_mib.Inc(Ip6Mib::kOutNoRoutes);
    return false;
  }
  if (dst->dev != nullptr && (dst->dev->flags & IFF_LOOPBACK) != 0) return true;
  const int32_t timeout = net_ipv6(net).settings.icmp_ratelimit;
  if (timeout == 0) return true;
  netns_ipv4& ns4 = net_ipv4(net);
  return inet_peer_xrlim_allow(ns4, inet_getpeer_v6(ns4.peers, daddr), timeout);
}

// Whether the host it goes to may get one more (icmpv6_xrlim_allow).
bool HostAllow(sock* sk, flowi6* fl6, bool apply_ratelimit) {
  if (!apply_ratelimit) return true;
  net& net = sk->sk_net;
  dst_entry* const dst = ip6_route_output(net, sk, fl6);
  const bool allowed = PeerAllow(net, dst, fl6->daddr);
  dst_release(dst);
  if (allowed) {
    icmp_global_consume(net);
  } else {
    net.icmp6_mib.Inc(Icmp6Mib::kOutRateLimitHost);
  }
  return allowed;
}

// An option whose type says that it be reported even where the packet went to a group.
bool OptionIsAlwaysReported(const sk_buff* skb, uint32_t offset) {
  uint8_t copy = 0;
  const int at = skb_network_offset(skb) + static_cast<int>(offset);
  const void* const type =
      at < 0 ? nullptr : skb_header_pointer(skb, static_cast<uint32_t>(at), 1, &copy);
  if (type == nullptr) return true;
  return (*static_cast<const uint8_t*>(type) & kOptionActionMask) == kOptionAlwaysReport;
}

// RFC 4443 2.4 (e.3), (e.4), (e.5): what may be said about a packet to a group.
bool MayReportGroup(const sk_buff* skb, uint8_t type, uint8_t code, uint32_t info) {
  if (type == wire::kIcmpv6PacketTooBig) return true;
  return type == wire::kIcmpv6ParameterProblem && code == kIcmpv6UnknownOption &&
         OptionIsAlwaysReported(skb, info);
}

// (e.1), (e.2): the packet is an ICMPv6 error itself, or cannot be told from one. `at`: of the IPv6
// header, from data.
bool is_ineligible(const sk_buff* skb, int at) {
  const int start = at + static_cast<int>(sizeof(wire::Ipv6Header));
  if (start > static_cast<int>(skb->len)) return true;
  uint8_t nexthdr = ipv6_hdr(skb)->nexthdr;
  uint16_t frag_off = 0;
  const int upper = ipv6_skip_exthdr(skb, start, &nexthdr, &frag_off);
  if (upper < 0 || nexthdr != wire::kIpProtoIcmpv6) return false;
  uint8_t copy = 0;
  const void* const type = skb_header_pointer(skb, static_cast<uint32_t>(upper), 1, &copy);
  if (type == nullptr) return frag_off == 0;
  return wire::Icmpv6Header{.type = *static_cast<const uint8_t*>(type)}.is_error();
}

// Whether an error of this kind may be sent about `skb`, with data at its IPv6 header.
bool MayReportAbout(const sk_buff* skb, uint8_t type, uint8_t code, uint32_t info) {
  const wire::Ipv6Header& iph = *ipv6_hdr(skb);
  const bool group = ipv6_addr_is_multicast(iph.daddr) || skb->pkt_type != PACKET_HOST;
  if (group && !MayReportGroup(skb, type, code, info)) return false;
  // (e.6): a source that is no single node.
  if (ipv6_addr_any(iph.saddr) || ipv6_addr_is_multicast(iph.saddr)) return false;
  return !is_ineligible(skb, skb_network_offset(skb));
}

bool RouteHasPrefsrc(net& net, const sock* sk, flowi6* fl6) {
  dst_entry* const dst = ip6_route_output(net, sk, fl6);
  const bool has = dst->error == 0 && !ipv6_addr_any(rt6_get_prefsrc(dst_rt6_info(dst)));
  dst_release(dst);
  return has;
}

// RFC 4443 2.2: the address the packet was sent to where that is ours, else one of the device it
// came in by. Left open (::) where the route is to choose.
void ChooseSource(net& net, const sock* sk, const sk_buff* skb, flowi6* fl6) {
  const Ipv6Address& daddr = ipv6_hdr(skb)->daddr;
  const bool group = ipv6_addr_is_multicast(daddr) || skb->pkt_type != PACKET_HOST;
  if (!group && (ipv6_chk_addr(net, daddr, skb->dev, false) ||
                 ipv6_chk_acast_addr_src(net, skb->dev, daddr))) {
    fl6->saddr = daddr;
    return;
  }
  if (RouteHasPrefsrc(net, sk, fl6)) return;
  const net_device* const dev = dev_get_by_index(net, IP6CB(skb)->iif);
  if (dev == nullptr) return;
  Ipv6Address chosen;
  if (ipv6_dev_get_saddr(net, dev, fl6->daddr, inet6_sk(sk)->srcprefs, &chosen) == 0) {
    fl6->saddr = chosen;
  }
}

// The route of an error; nullptr where there is none or the packet's source is an anycast address,
// which is no single node.
dst_entry* icmpv6_route_lookup(net& net, sock* sk, flowi6* fl6) {
  int err = 0;
  dst_entry* const dst = ip6_dst_lookup_flow(net, sk, fl6, nullptr, &err);
  if (dst == nullptr) return nullptr;
  if (net_ipv6(net).settings.icmp_error_anycast_as_unicast == 0 &&
      ipv6_anycast_destination(dst, fl6->daddr)) {
    dst_release(dst);
    return nullptr;
  }
  return dst;
}

// Sends `header` and `len` bytes of `quote` over `dst`. Whether it went out.
bool Push(sock* sk, flowi6* fl6, dst_entry* dst, const wire::Icmpv6Header& header, Quote quote,
          uint32_t len, ipcm6_cookie* ipc6) {
  const int err =
      ip6_append_data(sk, Getfrag, &quote, len + wire::kIcmpv6HeaderBytes, wire::kIcmpv6HeaderBytes,
                      ipc6, fl6, dst_rt6_info(dst), MSG_DONTWAIT);
  if (err != 0) {
    sk->sk_net.icmp6_mib.Inc(Icmp6Mib::kOutErrors);
    ip6_flush_pending_frames(sk);
    return false;
  }
  icmpv6_push_pending_frames(sk, *fl6, header, len + wire::kIcmpv6HeaderBytes);
  return true;
}

// An open device comes from the control socket's options.
void CompleteOif(const sock* sk, flowi6* fl6) {
  if (fl6->oif != 0) return;
  const ipv6_pinfo* const np = inet6_sk(sk);
  fl6->oif = ipv6_addr_is_multicast(fl6->daddr) ? np->mcast_oif : np->ucast_oif;
}

void SendError(net& net, sock* sk, const sk_buff* skb, const wire::Icmpv6Header& header,
               bool apply_ratelimit) {
  const wire::Ipv6Header& iph = *ipv6_hdr(skb);
  const uint32_t mark = ReplyMark(net_ipv6(net), skb);
  flowi6 fl6;
  fl6.proto = wire::kIpProtoIcmpv6;
  fl6.daddr = iph.saddr;
  ChooseSource(net, sk, skb, &fl6);
  fl6.mark = mark;
  if (__ipv6_addr_needs_scope_id(ipv6_addr_type(iph.saddr))) fl6.oif = icmp6_iif(skb);
  fl6.icmp_type = header.type;
  fl6.icmp_code = header.code;
  if (!HostAllow(sk, &fl6, apply_ratelimit)) return;
  CompleteOif(sk, &fl6);
  ipcm6_cookie ipc6;
  ipcm6_init_sk(&ipc6, sk);
  ipc6.sockc.mark = mark;
  fl6.flowlabel = ip6_make_flowinfo(static_cast<uint8_t>(ipc6.tclass), fl6.flowlabel);
  dst_entry* const dst = icmpv6_route_lookup(net, sk, &fl6);
  if (dst == nullptr) return;
  ipc6.hlimit = ip6_sk_dst_hoplimit(inet6_sk(sk), fl6, dst);
  Push(sk, &fl6, dst, header, {skb, 0}, std::min(skb->len, kQuoteBytesMax), &ipc6);
  dst_release(dst);
}

// --- Echo replies. ---

// Whether the request is ignored by the host's settings.
bool EchoIsIgnored(const netns_ipv6& ns, const sk_buff* skb, bool anycast) {
  const ipv6_settings& s = ns.settings;
  if (s.icmp_echo_ignore_all != 0) return true;
  if (s.icmp_echo_ignore_multicast != 0 && ipv6_addr_is_multicast(ipv6_hdr(skb)->daddr)) {
    return true;
  }
  return s.icmp_echo_ignore_anycast != 0 && anycast;
}

flowi6 ReplyFlow(const netns_ipv6& ns, const sk_buff* skb, bool anycast) {
  const wire::Ipv6Header& iph = *ipv6_hdr(skb);
  flowi6 fl6;
  if ((ns.settings.flowlabel_reflect & kReflectEchoReplies) != 0) {
    fl6.flowlabel = iph.flow_label();
  }
  fl6.proto = wire::kIpProtoIcmpv6;
  fl6.daddr = iph.saddr;
  const bool from_anycast = anycast && ns.settings.anycast_src_echo_reply != 0;
  if (ipv6_unicast_destination(skb) || from_anycast) fl6.saddr = iph.daddr;
  fl6.oif = ipv6_addr_loopback(fl6.daddr) ? skb->dev->ifindex : icmp6_iif(skb);
  fl6.icmp_type = wire::kIcmpv6EchoReply;
  fl6.mark = ReplyMark(ns, skb);
  return fl6;
}

bool ReplyAllowed(sock* sk, const sk_buff* skb, flowi6* fl6) {
  bool apply_ratelimit = false;
  if (!FromLoopback(skb) && !GlobalAllow(sk->sk_net, wire::kIcmpv6EchoReply, &apply_ratelimit)) {
    return false;
  }
  return HostAllow(sk, fl6, apply_ratelimit);
}

}  // namespace

DropReason icmpv6_echo_reply(sk_buff* skb) {
  net& net = *skb->owner;
  TRACE_FUNCTION(net, skb, icmpv6_echo_reply, skb);
  netns_ipv6& ns = net_ipv6(net);
  const bool anycast = ipv6_anycast_destination(skb->dst, ipv6_hdr(skb)->daddr);
  if (EchoIsIgnored(ns, skb, anycast)) return SKB_DROP_REASON_ICMP_INVALID;
  sock* const sk = ns.icmp_sk;
  flowi6 fl6 = ReplyFlow(ns, skb, anycast);
  CompleteOif(sk, &fl6);
  int err = 0;
  dst_entry* const dst = ip6_dst_lookup_flow(net, sk, &fl6, nullptr, &err);
  if (dst == nullptr) return SKB_DROP_REASON_IP_OUTNOROUTES;
  bool sent = false;
  if (ReplyAllowed(sk, skb, &fl6)) {
    wire::Icmpv6Header header = *icmp6_hdr(skb);
    header.type = wire::kIcmpv6EchoReply;
    ipcm6_cookie ipc6;
    ipcm6_init_sk(&ipc6, sk);
    ipc6.hlimit = ip6_sk_dst_hoplimit(inet6_sk(sk), fl6, dst);
    ipc6.tclass = ipv6_hdr(skb)->traffic_class();
    ipc6.sockc.mark = fl6.mark;
    sent = Push(sk, &fl6, dst, header, {skb, 0}, skb->len, &ipc6);
  }
  dst_release(dst);
  return sent ? SKB_DROP_REASON_CONSUMED : SKB_DROP_REASON_NOT_SPECIFIED;
}

void icmpv6_send(sk_buff* skb, uint8_t type, uint8_t code, uint32_t info) {
  TRACE_FUNCTION_AS(icmp6_send, *skb->owner, skb, icmpv6_send, skb, type, code, info);
  const auto* const end = reinterpret_cast<const uint8_t*>(ipv6_hdr(skb) + 1);
  if (skb->network_header == kHeaderUnset || end > skb_tail_pointer(skb)) return;
  if (skb->dev == nullptr) return;
  net& net = *skb->owner;
  if (!MayReportAbout(skb, type, code, info)) return;
  bool apply_ratelimit = false;
  if (!FromLoopback(skb) && !GlobalAllow(net, type, &apply_ratelimit)) return;
  wire::Icmpv6Header header;
  header.type = type;
  header.code = code;
  header.set_pointer(info);
  // The quote begins at the network header, which lies before the data where a transport has the
  // packet already.
  const auto pulled = static_cast<uint32_t>(-skb_network_offset(skb));
  __skb_push(skb, pulled);
  SendError(net, net_ipv6(net).icmp_sk, skb, header, apply_ratelimit);
  __skb_pull(skb, pulled);
}

void icmpv6_param_prob_reason(sk_buff* skb, uint8_t code, uint32_t pos, DropReason reason) {
  icmpv6_send(skb, wire::kIcmpv6ParameterProblem, code, pos);
  kfree_skb_reason(skb, reason);
}

int icmpv6_push_pending_frames(sock* sk, const flowi6& fl6, wire::Icmpv6Header header,
                               uint32_t len) {
  sk_buff* const first = skb_peek(&sk->sk_write_queue);
  if (first == nullptr) return 0;
  header.checksum = uint16_t{0};
  wsum sum = csum_partial({reinterpret_cast<const uint8_t*>(&header), wire::kIcmpv6HeaderBytes}, 0);
  for (const sk_buff* skb = first; skb != nullptr; skb = skb_peek_next(skb, &sk->sk_write_queue)) {
    sum = csum_add(sum, skb->csum);
  }
  header.checksum =
      csum_ipv6_magic(fl6.saddr.bytes(), fl6.daddr.bytes(), len, wire::kIpProtoIcmpv6, sum);
  std::memcpy(skb_writable(first, skb_transport_header(first), wire::kIcmpv6HeaderBytes), &header,
              wire::kIcmpv6HeaderBytes);
  return ip6_push_pending_frames(sk);
}

}  // namespace tapedeck
