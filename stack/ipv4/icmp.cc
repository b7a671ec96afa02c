#include "stack/ipv4/icmp.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/base/checksum.h"
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/sock.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/inetpeer.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/netns_ipv4.h"

namespace tapedeck {

const icmp_err_code icmp_err_convert[16] = {
    {ENETUNREACH, false},   // net unreachable
    {EHOSTUNREACH, false},  // host unreachable
    {ENOPROTOOPT, true},    // protocol unreachable
    {ECONNREFUSED, true},   // port unreachable
    {EMSGSIZE, false},      // fragmentation needed
    {EOPNOTSUPP, false},    // source route failed
    {ENETUNREACH, true},    // net unknown
    {EHOSTDOWN, true},      // host unknown
    {ENONET, true},         // host isolated
    {ENETUNREACH, true},    // net prohibited
    {EHOSTUNREACH, true},   // host prohibited
    {ENETUNREACH, false},   // net unreachable for TOS
    {EHOSTUNREACH, false},  // host unreachable for TOS
    {EHOSTUNREACH, true},   // packet filtered
    {EHOSTUNREACH, true},   // precedence violation
    {EHOSTUNREACH, true},   // precedence cutoff
};

namespace {

// RFC 8335 PROBE.
constexpr uint8_t kIcmpExtendedEcho = 42;
constexpr uint8_t kIcmpExtendedEchoReply = 43;
constexpr uint32_t kQuoteTotalMax = 576;  // RFC 1812 4.3.2.3
constexpr uint8_t kPrecedenceInternetControl = 0xc0;
constexpr uint8_t kTosMask = 0x1e;                  // RT_TOS
constexpr Ipv4Address kDummyAddress{192, 0, 0, 8};  // RFC 7600: never an answer's destination
constexpr uint32_t kControlSendBufferBytes = 2 * SKB_TRUESIZE(64 * 1024);
constexpr DropReason kHandled = SKB_DROP_REASON_CONSUMED;

// --- What goes out. ---

// A message: its first bytes, and what follows them from a packet.
struct Message {
  wire::IcmpHeader header;
  wire::IcmpTimestamps times;  // of a timestamp reply, directly behind the header
  uint32_t head_len = sizeof(wire::IcmpHeader);
  sk_buff* skb = nullptr;
  uint32_t offset = 0;  // of the data in skb
  uint32_t data_len = 0;
  ip_options_data options;
};
static_assert(offsetof(Message, times) == sizeof(wire::IcmpHeader));

// icmp_glue_bits: the data of the packet. The head is written when all is there.
int Getfrag(void* from, uint8_t* to, uint32_t offset, uint32_t len, uint32_t odd, sk_buff* skb) {
  const auto* const message = static_cast<const Message*>(from);
  const wsum sum = skb_copy_and_csum_bits(message->skb, message->offset + offset, to, len);
  skb->csum = csum_block_add(skb->csum, sum, odd);
  return 0;
}

// icmp_push_reply. `*rt` is taken over or left.
void Push(netns_ipv4& ns, Message* message, flowi4* flow, ipcm_cookie* ipc, rtable** rt) {
  sock* const sk = ns.icmp_sk;
  const int err = ip_append_data(sk, flow, Getfrag, message, message->data_len + message->head_len,
                                 message->head_len, ipc, rt, MSG_DONTWAIT);
  sk_buff* const first = err < 0 ? nullptr : skb_peek(&sk->sk_write_queue);
  if (first == nullptr) {
    ns.host_net.icmp_mib.Inc(IcmpMib::kOutErrors);
    ip_flush_pending_frames(sk);
    return;
  }
  uint8_t* const head = skb_writable(first, skb_transport_header(first), message->head_len);
  wsum sum =
      csum_and_copy(head, reinterpret_cast<const uint8_t*>(&message->header), message->head_len);
  for (const sk_buff* skb = first; skb != nullptr; skb = skb_peek_next(skb, &sk->sk_write_queue)) {
    sum = csum_add(sum, skb->csum);
  }
  StoreBe16(head + offsetof(wire::IcmpHeader, checksum), csum_fold(sum));
  first->ip_summed = CHECKSUM_NONE;
  ip_push_pending_frames(sk, flow);
}

// Whether this kind of message is limited at all, and if so whether the host may send one
// (icmpv4_global_allow).
bool GlobalAllow(net& net, uint8_t type, uint8_t code, bool* apply_ratelimit) {
  *apply_ratelimit = false;
  if (type > wire::kIcmpTypeMax) return true;
  // Path MTU discovery must not fail for want of tokens.
  if (type == wire::kIcmpDestUnreachable && code == wire::kIcmpFragmentationNeeded) return true;
  if ((net_ipv4(net).settings.icmp_ratemask >> type & 1) == 0) return true;
  if (icmp_global_allow(net)) {
    *apply_ratelimit = true;
    return true;
  }
  net.icmp_mib.Inc(IcmpMib::kOutRateLimitGlobal);
  return false;
}

// Whether the host it goes to may get one more (icmpv4_xrlim_allow).
bool HostAllow(net& net, const rtable* rt, Ipv4Address daddr, bool apply_ratelimit) {
  if (!apply_ratelimit) return true;
  netns_ipv4& ns = net_ipv4(net);
  const bool to_loopback = (rt->dev->flags & IFF_LOOPBACK) != 0;
  if (!to_loopback &&
      !inet_peer_xrlim_allow(ns, inet_getpeer_v4(ns.peers, daddr, 0), ns.settings.icmp_ratelimit)) {
    net.icmp_mib.Inc(IcmpMib::kOutRateLimitHost);
    return false;
  }
  icmp_global_consume(net);
  return true;
}

uint32_t ReplyMark(net& net, const sk_buff* skb) {
  return net_ipv4(net).settings.fwmark_reflect != 0 ? skb->mark : 0;
}

// Answers `skb` (icmp_reply).
void Reply(net& net, Message* message, sk_buff* skb) {
  TRACE_FUNCTION_AS(icmp_reply, net, skb, Reply, net, message, skb);
  netns_ipv4& ns = net_ipv4(net);
  const wire::Ipv4Header& iph = *ip_hdr(skb);
  if (__ip_options_echo(net, &message->options, skb, IPCB(skb)->opt) != 0) return;
  bool apply_ratelimit = false;
  if (!GlobalAllow(net, message->header.type, message->header.code, &apply_ratelimit)) return;
  message->header.checksum = uint16_t{0};
  ns.icmp_sk->tos = iph.tos;
  ipcm_cookie ipc;
  ipc.addr = iph.saddr;
  ipc.sockc.mark = ReplyMark(net, skb);
  ipc.has_opt = message->options.opt.optlen != 0;
  if (ipc.has_opt) ipc.opt = message->options;
  flowi4 flow;
  flow.daddr = ipc.has_opt && ipc.opt.opt.srr != 0 ? ipc.opt.opt.faddr : iph.saddr;
  flow.saddr = fib_compute_spec_dst(net, skb);
  flow.mark = ipc.sockc.mark;
  flow.tos = iph.tos & IPTOS_RT_MASK;
  flow.proto = wire::kIpProtoIcmp;  // without a type: all answers are counted as echo replies
  int err = 0;
  rtable* rt = ip_route_output_key(net, &flow, &err);
  if (rt == nullptr) return;
  if (HostAllow(net, rt, flow.daddr, apply_ratelimit)) Push(ns, message, &flow, &ipc, &rt);
  dst_release(rt);
}

constexpr bool IsError(uint8_t type) { return wire::IcmpHeader{.type = type}.is_error(); }

// RFC 1122 3.2.2: about which packets no error is ever sent. `skb` has a route.
bool MayReportAbout(const sk_buff* skb, uint8_t type) {
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  const auto* const end = reinterpret_cast<const uint8_t*>(iph + 1);
  if (skb->network_header == kHeaderUnset || end > skb_tail_pointer(skb)) return false;
  if (skb->pkt_type != PACKET_HOST) return false;
  if ((skb_rtable(skb)->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) != 0) return false;
  if (iph->offset_bytes() != 0) return false;
  if (!IsError(type) || iph->protocol != wire::kIpProtoIcmp) return true;
  // Errors about errors would never end; a type that nobody knows is taken for one.
  uint8_t copy = 0;
  const int at = skb_network_offset(skb) + static_cast<int>(iph->header_bytes());
  const void* const inner =
      at < 0 ? nullptr : skb_header_pointer(skb, static_cast<uint32_t>(at), 1, &copy);
  if (inner == nullptr) return false;
  const uint8_t inner_type = *static_cast<const uint8_t*>(inner);
  return inner_type <= wire::kIcmpTypeMax && !IsError(inner_type);
}

// The source of an error: the address the packet was sent to where that is ours, else one to be
// chosen.
Ipv4Address SourceOfError(net& net, const sk_buff* skb) {
  const rtable* const rt = skb_rtable(skb);
  const wire::Ipv4Header& iph = *ip_hdr(skb);
  if ((rt->rt_flags & RTCF_LOCAL) != 0) return iph.daddr;
  if (rt->rt_is_input && net_ipv4(net).settings.icmp_errors_use_inbound_ifaddr != 0) {
    const net_device* const dev = dev_get_by_index(net, skb->skb_iif);
    if (dev != nullptr) return inet_select_addr(dev, iph.saddr, RT_SCOPE_LINK);
  }
  return kIpv4Any;
}

// How much of the packet is quoted: what 576 bytes (or the route) leave; 0 where not even its
// header fits.
uint32_t QuoteBytes(const rtable* rt, const Message& message) {
  const uint32_t total = std::min(dst_mtu(rt), kQuoteTotalMax);
  const auto overhead = static_cast<uint32_t>(sizeof(wire::Ipv4Header) + sizeof(wire::IcmpHeader)) +
                        message.options.opt.optlen;
  if (total <= overhead + sizeof(wire::Ipv4Header)) return 0;
  return std::min(total - overhead, message.skb->len - message.offset);
}

// --- What comes in. Each returns kHandled, or why the packet is dropped. ---

DropReason CountError(net& net, DropReason reason) {
  net.icmp_mib.Inc(IcmpMib::kInErrors);
  return reason;
}

const wire::Ipv4Header& Quoted(const sk_buff* skb) {
  return *reinterpret_cast<const wire::Ipv4Header*>(skb->data);
}

// icmp_socket_deliver: to whom an error concerns.
void DeliverToProtocol(net& net, sk_buff* skb, uint32_t info) {
  const uint8_t protocol = Quoted(skb).protocol;
  const auto needed = static_cast<uint32_t>(Quoted(skb).header_bytes()) + 8;
  if (!pskb_may_pull(skb, needed) || protocol == wire::kIpProtoRaw) {
    net.icmp_mib.Inc(IcmpMib::kInErrors);
    return;
  }
  const netns_ipv4& ns = net_ipv4(net);
  if (ns.raw.icmp_error != nullptr) ns.raw.icmp_error(skb, protocol, info);
  const net_protocol* const handler = ns.inet_protos[protocol];
  if (handler != nullptr && handler->err_handler != nullptr) handler->err_handler(skb, info);
}

// Whether an unreachable message goes on to the protocol, and what it has to say (`*info`).
bool TakeUnreachable(const netns_ipv4& ns, const wire::IcmpHeader& icmp, uint8_t protocol,
                     uint32_t* info) {
  if ((icmp.code & 15) == wire::kIcmpFragmentationNeeded) {
    switch (ns.settings.ip_no_pmtu_disc) {
      case 0:
        *info = icmp.next_hop_mtu();
        break;
      case 2:
        return false;
      case 3: {
        const net_protocol* const handler = ns.inet_protos[protocol];
        if (handler == nullptr || !handler->icmp_strict_tag_validation) return false;
        *info = icmp.next_hop_mtu();
        break;
      }
      default:
        break;
    }
  }
  return icmp.code <= wire::kIcmpUnreachableCodeMax;
}

// Unreachable, time exceeded, parameter problem, source quench.
DropReason icmp_unreach(net& net, sk_buff* skb) {
  const netns_ipv4& ns = net_ipv4(net);
  if (!pskb_may_pull(skb, sizeof(wire::Ipv4Header))) {
    return CountError(net, SKB_DROP_REASON_PKT_TOO_SMALL);
  }
  const wire::IcmpHeader icmp = *icmp_hdr(skb);
  const wire::Ipv4Header iph = Quoted(skb);
  if (iph.ihl() < 5) return CountError(net, SKB_DROP_REASON_IP_INHDR);
  uint32_t info = 0;
  switch (icmp.type) {
    case wire::kIcmpDestUnreachable:
      if (!TakeUnreachable(ns, icmp, iph.protocol, &info)) return kHandled;
      break;
    case wire::kIcmpParameterProblem:
      info = icmp.pointer();
      break;
    case wire::kIcmpTimeExceeded:
      if (icmp.code == wire::kIcmpReassemblyTimeExceeded) return kHandled;
      break;
    default:
      break;
  }
  // A host with a wrong mask answers broadcasts; what it says is no news.
  if (ns.settings.icmp_ignore_bogus_error_responses == 0 &&
      inet_addr_type(net, iph.daddr) == RTN_BROADCAST) {
    return kHandled;
  }
  DeliverToProtocol(net, skb, info);
  return kHandled;
}

DropReason icmp_redirect(net& net, sk_buff* skb) {
  if (skb->len < sizeof(wire::Ipv4Header)) return CountError(net, SKB_DROP_REASON_PKT_TOO_SMALL);
  if (!pskb_may_pull(skb, sizeof(wire::Ipv4Header))) return SKB_DROP_REASON_NOMEM;
  DeliverToProtocol(net, skb, icmp_hdr(skb)->gateway().host());
  return kHandled;
}

DropReason icmp_echo(net& net, sk_buff* skb) {
  if (net_ipv4(net).settings.icmp_echo_ignore_all != 0) return kHandled;
  Message message;
  message.header = *icmp_hdr(skb);
  message.header.type = wire::kIcmpEchoReply;
  message.skb = skb;
  message.data_len = skb->len;
  Reply(net, &message, skb);
  return kHandled;
}

DropReason icmp_timestamp(net& net, sk_buff* skb) {
  Message message;
  uint8_t originate[4];
  if (skb_copy_bits(skb, 0, originate, sizeof(originate)) != 0) {
    return CountError(net, SKB_DROP_REASON_PKT_TOO_SMALL);
  }
  message.header = *icmp_hdr(skb);
  message.header.type = wire::kIcmpTimestampReply;
  message.header.code = 0;
  message.times.originate_ms = LoadBe32(originate);
  message.times.receive_ms = message.times.transmit_ms = inet_current_timestamp(net);
  message.head_len += sizeof(wire::IcmpTimestamps);
  message.skb = skb;
  Reply(net, &message, skb);
  return kHandled;
}

// An echo reply: for ping sockets. True where one of them took the packet.
bool ping_rcv(const netns_ipv4& ns, sk_buff* skb) {
  if (ns.ping.rcv == nullptr) return false;
  __skb_push(skb, static_cast<uint32_t>(-skb_transport_offset(skb)));
  return ns.ping.rcv(skb);
}

// RFC 1122 3.2.2.6, 3.2.2.8: what may be asked of a group or broadcast address.
bool BroadcastIsAcceptable(const netns_ipv4& ns, uint8_t type) {
  if (type == wire::kIcmpEcho || type == wire::kIcmpTimestamp) {
    return ns.settings.icmp_echo_ignore_broadcasts == 0;
  }
  return type == wire::kIcmpAddressMask || type == wire::kIcmpAddressMaskReply;
}

IcmpMib InCounter(uint8_t type, bool* known) {
  *known = true;
  switch (type) {
    case wire::kIcmpEchoReply:
      return IcmpMib::kInEchoReps;
    case wire::kIcmpDestUnreachable:
      return IcmpMib::kInDestUnreachs;
    case wire::kIcmpSourceQuench:
      return IcmpMib::kInSrcQuenchs;
    case wire::kIcmpRedirect:
      return IcmpMib::kInRedirects;
    case wire::kIcmpEcho:
      return IcmpMib::kInEchos;
    case wire::kIcmpTimeExceeded:
      return IcmpMib::kInTimeExcds;
    case wire::kIcmpParameterProblem:
      return IcmpMib::kInParmProbs;
    case wire::kIcmpTimestamp:
      return IcmpMib::kInTimestamps;
    case wire::kIcmpTimestampReply:
      return IcmpMib::kInTimestampReps;
    case wire::kIcmpAddressMask:
      return IcmpMib::kInAddrMasks;
    case wire::kIcmpAddressMaskReply:
      return IcmpMib::kInAddrMaskReps;
    default:
      *known = false;
      return IcmpMib::kInMsgs;
  }
}

void CountIn(net& net, uint8_t type) {
  ++net_ipv4(net).icmpmsg_in[type];
  bool known = false;
  const IcmpMib counter = InCounter(type, &known);
  if (known) net.icmp_mib.Inc(counter);
}

// The packet's data is behind the ICMP header.
DropReason Handle(net& net, sk_buff* skb, uint8_t type) {
  switch (type) {
    case wire::kIcmpDestUnreachable:
    case wire::kIcmpSourceQuench:
    case wire::kIcmpTimeExceeded:
    case wire::kIcmpParameterProblem:
      return icmp_unreach(net, skb);
    case wire::kIcmpRedirect:
      return icmp_redirect(net, skb);
    case wire::kIcmpEcho:
      return icmp_echo(net, skb);
    case wire::kIcmpTimestamp:
      return icmp_timestamp(net, skb);
    default:
      return kHandled;  // icmp_discard: known, and none of our business
  }
}

// Checks and dispatches. False where a ping socket took the packet; else *reason says how it ends.
bool Process(net& net, sk_buff* skb, DropReason* reason) {
  const netns_ipv4& ns = net_ipv4(net);
  net.icmp_mib.Inc(IcmpMib::kInMsgs);
  if (skb_checksum_validate(skb, true, false, 1, 0) != 0) {
    net.icmp_mib.Inc(IcmpMib::kInCsumErrors);
    *reason = CountError(net, SKB_DROP_REASON_ICMP_CSUM);
    return true;
  }
  if (pskb_pull(skb, sizeof(wire::IcmpHeader)) == nullptr) {
    *reason = CountError(net, SKB_DROP_REASON_PKT_TOO_SMALL);
    return true;
  }
  const uint8_t type = icmp_hdr(skb)->type;
  CountIn(net, type);
  if (type == kIcmpExtendedEcho) {
    // Never answered, as net.ipv4.icmp_echo_enable_probe is off in Linux.
    *reason = kHandled;
    return true;
  }
  if (type > wire::kIcmpTypeMax && type != kIcmpExtendedEchoReply) {
    *reason = CountError(net, SKB_DROP_REASON_ICMP_INVALID);
    return true;
  }
  const bool broadcast = (skb_rtable(skb)->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) != 0;
  if (broadcast && !BroadcastIsAcceptable(ns, type)) {
    *reason = CountError(net, SKB_DROP_REASON_INVALID_PROTO);
    return true;
  }
  if (type == wire::kIcmpEchoReply || type == kIcmpExtendedEchoReply) {
    *reason = SKB_DROP_REASON_PING_NO_SOCKET;
    return !ping_rcv(ns, skb);
  }
  *reason = Handle(net, skb, type);
  return true;
}

}  // namespace

int icmp_rcv(sk_buff* skb) {
  net& net = *skb->owner;
  TRACE_FUNCTION(net, skb, icmp_rcv, skb);
  net.Charge(CostPoint::k_icmp_rcv);
  const uint32_t len = skb->len;
  DropReason reason = kHandled;
  if (!Process(net, skb, &reason)) return 0;
  if (reason == kHandled) {
    net.this_cpu().Trace(TraceKind::kDeliver, skb->frame_id, len, wire::kIpProtoIcmp, 0);
    consume_skb(skb);
  } else {
    kfree_skb_reason(skb, reason);
  }
  return 0;
}

int icmp_err(sk_buff* skb, uint32_t info) {
  net& net = *skb->owner;
  const netns_ipv4& ns = net_ipv4(net);
  const auto offset = static_cast<int>(Quoted(skb).header_bytes());
  const uint8_t quoted_type = skb->data[offset];
  // Errors about our echo replies are the kernel's own; all others concern a ping socket.
  if (quoted_type != wire::kIcmpEchoReply && ns.ping.err != nullptr) {
    ns.ping.err(skb, offset, info);
    return 0;
  }
  const wire::IcmpHeader& icmp = *icmp_hdr(skb);
  if (icmp.type == wire::kIcmpDestUnreachable && icmp.code == wire::kIcmpFragmentationNeeded) {
    ipv4_update_pmtu(skb, net, info, 0, wire::kIpProtoIcmp);
  } else if (icmp.type == wire::kIcmpRedirect) {
    ipv4_redirect(skb, net, 0, wire::kIpProtoIcmp);
  }
  return 0;
}

void __icmp_send(sk_buff* skb_in, uint8_t type, uint8_t code, uint32_t info,
                 const ip_options& opt) {
  net& net = *skb_in->owner;
  TRACE_FUNCTION(net, skb_in, __icmp_send, skb_in, type, code, info, opt);
  netns_ipv4& ns = net_ipv4(net);
  if (skb_in->dst == nullptr || !MayReportAbout(skb_in, type)) return;
  const wire::Ipv4Header iph = *ip_hdr(skb_in);
  bool apply_ratelimit = false;
  const bool from_loopback = skb_in->dev != nullptr && (skb_in->dev->flags & IFF_LOOPBACK) != 0;
  if (!from_loopback && !GlobalAllow(net, type, code, &apply_ratelimit)) return;

  Message message;
  if (__ip_options_echo(net, &message.options, skb_in, opt) != 0) return;
  message.header.type = type;
  message.header.code = code;
  StoreBe32(message.header.rest.data(), info);
  message.skb = skb_in;

  ipcm_cookie ipc;
  ipc.tos = IsError(type) ? static_cast<int16_t>((iph.tos & kTosMask) | kPrecedenceInternetControl)
                          : int16_t{iph.tos};
  ipc.addr = iph.saddr;
  ipc.sockc.mark = ReplyMark(net, skb_in);
  ipc.has_opt = message.options.opt.optlen != 0;
  if (ipc.has_opt) ipc.opt = message.options;

  flowi4 flow;
  flow.daddr = message.options.opt.srr != 0 ? message.options.opt.faddr : iph.saddr;
  flow.saddr = SourceOfError(net, skb_in);
  flow.mark = ipc.sockc.mark;
  flow.tos = static_cast<uint8_t>(ipc.tos) & IPTOS_RT_MASK;
  flow.proto = wire::kIpProtoIcmp;
  flowi4_set_icmp(&flow, type, code);
  int err = 0;
  rtable* rt = ip_route_output_key(net, &flow, &err);
  if (rt == nullptr) return;
  if (HostAllow(net, rt, flow.daddr, apply_ratelimit)) {
    // The quote begins at the network header, which lies before the data where a transport has the
    // packet already.
    const auto pulled = static_cast<uint32_t>(-skb_network_offset(skb_in));
    __skb_push(skb_in, pulled);
    message.data_len = QuoteBytes(rt, message);
    if (flow.saddr == kIpv4Any) flow.saddr = kDummyAddress;
    if (message.data_len != 0) Push(ns, &message, &flow, &ipc, &rt);
    __skb_pull(skb_in, pulled);
  }
  dst_release(rt);
}

bool icmp_global_allow(net& net) {
  netns_ipv4& ns = net_ipv4(net);
  if (ns.icmp_global_credit > 0) return true;
  const Jiffies hz = net.kernel.hz();
  const Jiffies now = net.jiffies();
  const Jiffies delta = std::min<Jiffies>(now - ns.icmp_global_stamp, hz);
  if (delta < hz / 50) return false;
  const auto gained =
      static_cast<int32_t>(static_cast<Jiffies>(ns.settings.icmp_msgs_per_sec) * delta / hz);
  if (gained == 0) return false;
  ns.icmp_global_stamp = now;
  ns.icmp_global_credit = std::min(ns.icmp_global_credit + gained, ns.settings.icmp_msgs_burst);
  return true;
}

void icmp_global_consume(net& net) {
  // 0, 1 or 2, so that nobody can read the counter by what we send (CVE-2020-25705).
  netns_ipv4& ns = net_ipv4(net);
  ns.icmp_global_credit -= static_cast<int32_t>(ns.prng.Below(3));
}

void icmp_out_count(net& net, uint8_t type) {
  net.icmp_mib.Inc(IcmpMib::kOutMsgs);
  ++net_ipv4(net).icmpmsg_out[type];
  bool known = false;
  const IcmpMib in = InCounter(type, &known);
  if (!known) return;
  // The group lists the types in one order for both directions.
  constexpr auto kShift =
      static_cast<int>(IcmpMib::kOutDestUnreachs) - static_cast<int>(IcmpMib::kInDestUnreachs);
  static_assert(static_cast<int>(IcmpMib::kOutAddrMaskReps) ==
                static_cast<int>(IcmpMib::kInAddrMaskReps) + kShift);
  net.icmp_mib.Inc(static_cast<IcmpMib>(static_cast<int>(in) + kShift));
}

void icmp_sk_init(inet_sock* sk) {
  sk->sk_sndbuf = kControlSendBufferBytes;
  sk->pmtudisc = kIpPmtudiscDont;
}

}  // namespace tapedeck
