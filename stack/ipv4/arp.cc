#include "stack/ipv4/arp.h"

#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv4/route.h"
#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {

namespace {

constexpr uint16_t kHardwareIeee802 = 6;  // accepted beside Ethernet's 1, RFC 2625

using wire::ArpPacket;

const ArpPacket& arp_hdr(const sk_buff* skb) {
  return *reinterpret_cast<const ArpPacket*>(skb_network_header(skb));
}

Ipv4Address KeyOf(const neighbour* neigh) { return Ipv4Address(LoadBe32(neigh->primary_key)); }

neighbour* Lookup(net_device* dev, Ipv4Address addr) {
  return neigh_lookup(dev_net(dev).arp_tbl, addr.bytes().data(), dev);
}

// --- The neighbour table's functions. ---

// Whose address a request shows: the waiting packet's where it is ours, on whatever device (and,
// with arp_announce 1, of the target's subnet), else one chosen for the target.
Ipv4Address SourceOfRequest(const in_device* in_dev, const sk_buff* skb, Ipv4Address target) {
  net_device* const dev = in_dev->dev;
  const int announce = in_dev_conf(in_dev).arp_announce();
  if (skb != nullptr && announce < 2) {
    const Ipv4Address saddr = ip_hdr(skb)->saddr;
    if (inet_addr_type(dev_net(dev), saddr) == RTN_LOCAL &&
        (announce == 0 || inet_addr_onlink(in_dev, target, saddr))) {
      return saddr;
    }
  }
  return inet_select_addr(dev, target, RT_SCOPE_LINK);
}

void arp_solicit(neighbour* neigh, sk_buff* skb) {
  net_device* const dev = neigh->dev;
  const in_device* const in_dev = dev->ip_ptr;
  if (in_dev == nullptr) return;
  const Ipv4Address target = KeyOf(neigh);
  const Ipv4Address saddr = SourceOfRequest(in_dev, skb, target);
  const neigh_parms& parms = *neigh->parms;
  const auto probes = static_cast<int32_t>(neigh->probes);
  if (probes < parms.ucast_probes) {
    arp_send(wire::kArpRequest, target, dev, saddr, neigh->ha, nullptr, nullptr);
  } else if (probes >= parms.ucast_probes + parms.app_probes) {
    arp_send(wire::kArpRequest, target, dev, saddr, nullptr, nullptr, nullptr);
  }
  // Between the two it would be up to a user-space daemon (app_solicit).
}

void arp_error_report(neighbour* /*neigh*/, sk_buff* skb) {
  dst_link_failure(skb);
  kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_FAILED);
}

const neigh_ops arp_hh_ops = {
    .family = kAfInet,
    .solicit = arp_solicit,
    .error_report = arp_error_report,
    .output = neigh_resolve_output,
    .connected_output = neigh_resolve_output,
};
const neigh_ops arp_generic_ops = {
    .family = kAfInet,
    .solicit = arp_solicit,
    .error_report = arp_error_report,
    .output = neigh_resolve_output,
    .connected_output = neigh_connected_output,
};
const neigh_ops arp_direct_ops = {
    .family = kAfInet,
    .solicit = nullptr,
    .error_report = arp_error_report,
    .output = neigh_direct_output,
    .connected_output = neigh_direct_output,
};

void SetAddress(neighbour* neigh, const MacAddress& address) {
  neigh->nud_state = NUD_NOARP;
  std::memcpy(neigh->ha, address.bytes().data(), sizeof(MacAddress));
}

int arp_constructor(neighbour* neigh) {
  net_device* const dev = neigh->dev;
  if (dev->ip_ptr == nullptr) return -EINVAL;
  const Ipv4Address addr = KeyOf(neigh);
  neigh->type = inet_addr_type(dev_net(dev), addr);
  if (dev->header_ops == nullptr) {
    neigh->nud_state = NUD_NOARP;
    neigh->ops = &arp_direct_ops;
    neigh->output = neigh_direct_output;
    return 0;
  }
  if (neigh->type == RTN_MULTICAST) {
    SetAddress(neigh,
               (dev->flags & IFF_BROADCAST) != 0 ? MacAddress::ForMulticast(addr) : dev->broadcast);
  } else if ((dev->flags & (IFF_NOARP | IFF_LOOPBACK)) != 0) {
    SetAddress(neigh, dev->dev_addr);
  } else if (neigh->type == RTN_BROADCAST || (dev->flags & IFF_POINTOPOINT) != 0) {
    SetAddress(neigh, dev->broadcast);
  }
  neigh->ops = dev->header_ops->cache != nullptr ? &arp_hh_ops : &arp_generic_ops;
  neigh->output =
      (neigh->nud_state & NUD_VALID) != 0 ? neigh->ops->connected_output : neigh->ops->output;
  return 0;
}

// --- Input. ---

// What has become of a packet.
enum class Outcome {
  kUsed,     // answered, or something was learnt
  kNotOurs,  // about others
  kInvalid,
  kQueued,  // the answer waits (proxy delay): the packet is gone
};

bool IsAcceptable(const in_device* in_dev, const ArpPacket& arp) {
  const uint16_t hardware = arp.ar_hrd.host();
  const bool hardware_ok =
      in_dev->dev->type == kArphrdEther
          ? hardware == wire::kArpHardwareEthernet || hardware == kHardwareIeee802
          : hardware == in_dev->dev->type;
  const uint16_t op = arp.ar_op.host();
  const in_dev_conf conf(in_dev);
  return hardware_ok && arp.ar_pro == be16(wire::kEtherTypeIpv4) &&
         (op == wire::kArpReply || op == wire::kArpRequest) && !ipv4_is_multicast(arp.ar_tip) &&
         (conf.route_localnet() || !ipv4_is_loopback(arp.ar_tip)) &&
         !(arp.ar_sip == arp.ar_tip && conf.drop_gratuitous_arp());
}

// Whether a request for `tip`, which is ours, is left unanswered (sysctl arp_ignore).
bool arp_ignore(const in_device* in_dev, Ipv4Address sip, Ipv4Address tip) {
  net& net = dev_net(in_dev->dev);
  switch (in_dev_conf(in_dev).arp_ignore()) {
    case 1:  // only for addresses of this device
      return inet_confirm_addr(net, in_dev, kIpv4Any, tip, RT_SCOPE_HOST) == kIpv4Any;
    case 2:  // and only to senders in their subnet
      return inet_confirm_addr(net, in_dev, sip, tip, RT_SCOPE_HOST) == kIpv4Any;
    case 3:  // not for host addresses
      return inet_confirm_addr(net, nullptr, kIpv4Any, tip, RT_SCOPE_LINK) == kIpv4Any;
    case 8:  // not at all
      return true;
    default:
      return false;
  }
}

// Whether packets to the sender would leave by another device than it asks on (sysctl arp_filter).
bool arp_filter(net_device* dev, Ipv4Address sip, Ipv4Address tip) {
  int err = 0;
  rtable* const rt = ip_route_output(dev_net(dev), sip, tip, 0, 0, RT_SCOPE_UNIVERSE, &err);
  if (rt == nullptr) return true;
  const bool elsewhere = rt->dev != dev;
  if (elsewhere) dev_net(dev).tcp_ext_mib.Inc(TcpExtMib::kArpFilter);
  dst_release(rt);
  return elsewhere;
}

// Whether unknown senders make entries (sysctl arp_accept: 1 all, 2 of our subnets).
bool arp_accept(const in_device* in_dev, Ipv4Address sip) {
  switch (in_dev_conf(in_dev).arp_accept()) {
    case 1:
      return true;
    case 2:
      return inet_confirm_addr(dev_net(in_dev->dev), in_dev, sip, kIpv4Any, RT_SCOPE_LINK) !=
             kIpv4Any;
    default:
      return false;
  }
}

// Whether we answer for all hosts behind another device (arp_fwd_proxy).
bool arp_fwd_proxy(const in_device* in_dev, const rtable* rt) {
  if (!in_dev_conf(in_dev).proxy_arp()) return false;
  const int32_t in_medium = in_dev->conf->medium_id;
  if (in_medium == 0) return true;
  if (in_medium == -1) return false;
  const in_device* const out_dev = rt->dev->ip_ptr;
  const int32_t out_medium = out_dev != nullptr ? out_dev->conf->medium_id : -1;
  return out_medium != in_medium && out_medium != -1;
}

// Whether we answer for `tip`: behind the device that asks (arp_fwd_pvlan), behind another, or
// named by an administrator.
bool IsProxyFor(const in_device* in_dev, const rtable* rt, Ipv4Address sip, Ipv4Address tip) {
  net_device* const dev = in_dev->dev;
  if (rt->dev == dev) return in_dev->conf->proxy_arp_pvlan != 0 && sip != tip;
  return arp_fwd_proxy(in_dev, rt) ||
         pneigh_lookup(dev_net(dev).arp_tbl, tip.bytes().data(), dev) != nullptr;
}

void SendReply(net_device* dev, const ArpPacket& arp) {
  const uint8_t* const asker = arp.ar_sha.bytes().data();
  arp_send(wire::kArpReply, arp.ar_sip, dev, arp.ar_tip, asker, nullptr, asker);
}

// Notes who asked: he will want to talk. False where no entry can be made; then he is not answered
// either.
bool LearnAsker(net_device* dev, const ArpPacket& arp) {
  neighbour* const neigh = neigh_event_ns(dev_net(dev).arp_tbl, arp.ar_sha.bytes().data(),
                                          arp.ar_sip.bytes().data(), dev);
  if (neigh == nullptr) return false;
  neigh_release(neigh);
  return true;
}

// A request for an address of ours.
Outcome AnswerForUs(in_device* in_dev, const ArpPacket& arp) {
  net_device* const dev = in_dev->dev;
  if (arp_ignore(in_dev, arp.ar_sip, arp.ar_tip)) return Outcome::kNotOurs;
  if (in_dev_conf(in_dev).arpfilter() && arp_filter(dev, arp.ar_sip, arp.ar_tip)) {
    return Outcome::kNotOurs;
  }
  if (LearnAsker(dev, arp)) SendReply(dev, arp);
  return Outcome::kUsed;
}

// A request for an address we are proxy for; `delayed`: its delay is over.
Outcome AnswerForOthers(in_device* in_dev, sk_buff* skb, const ArpPacket& arp, bool delayed) {
  net_device* const dev = in_dev->dev;
  LearnAsker(dev, arp);
  if (delayed || skb->pkt_type == PACKET_HOST || dev->arp_parms->proxy_delay == 0) {
    SendReply(dev, arp);
    return Outcome::kUsed;
  }
  pneigh_enqueue(dev_net(dev).arp_tbl, dev->arp_parms, skb);
  return Outcome::kQueued;
}

// RFC 5227: an address that its sender announces for itself.
bool arp_is_garp(net_device* dev, const ArpPacket& arp) {
  if (arp.ar_sip != arp.ar_tip) return false;
  if (arp.ar_op == be16(wire::kArpReply) && arp.ar_tha != arp.ar_sha) return false;
  return inet_addr_type(dev_net(dev), arp.ar_sip) == RTN_UNICAST;
}

// What the sender says about itself. An entry is made only where we asked for it, unless arp_accept
// allows more.
Outcome UpdateEntry(in_device* in_dev, const sk_buff* skb, const ArpPacket& arp) {
  net_device* const dev = in_dev->dev;
  net& net = dev_net(dev);
  neighbour* neigh = Lookup(dev, arp.ar_sip);
  const bool accepts = arp_accept(in_dev, arp.ar_sip);
  const bool is_garp = (neigh != nullptr || accepts) && arp_is_garp(dev, arp);
  const bool is_reply = arp.ar_op == be16(wire::kArpReply);
  if (neigh == nullptr && accepts &&
      (is_garp || (is_reply && inet_addr_type(net, arp.ar_sip) == RTN_UNICAST))) {
    neigh = neigh_create(net.arp_tbl, arp.ar_sip.bytes().data(), dev);
  }
  if (neigh == nullptr) return Outcome::kNotOurs;
  // Of several answers in a row the first is believed: it comes from the host, or the quickest
  // proxy.
  const Jiffies locked_until = neigh->updated + static_cast<Jiffies>(neigh->parms->locktime);
  const bool override_ok = net.jiffies() > locked_until || is_garp;
  // Only an answer to us alone says that the neighbour can be reached.
  const uint8_t state = is_reply && skb->pkt_type == PACKET_HOST ? NUD_REACHABLE : NUD_STALE;
  neigh_update(neigh, arp.ar_sha.bytes().data(), state,
               override_ok ? uint32_t{NEIGH_UPDATE_F_OVERRIDE} : 0U);
  neigh_release(neigh);
  return Outcome::kUsed;
}

// RFC 5227: somebody wants to know whether an address is free before he takes it. If it is ours we
// defend it.
Outcome AnswerProbe(in_device* in_dev, const ArpPacket& arp) {
  net_device* const dev = in_dev->dev;
  if (arp.ar_op != be16(wire::kArpRequest) ||
      inet_addr_type(dev_net(dev), arp.ar_tip) != RTN_LOCAL ||
      arp_ignore(in_dev, arp.ar_sip, arp.ar_tip)) {
    return Outcome::kNotOurs;
  }
  SendReply(dev, arp);
  return Outcome::kUsed;
}

Outcome Process(in_device* in_dev, sk_buff* skb, bool delayed) {
  net_device* const dev = in_dev->dev;
  const ArpPacket arp = arp_hdr(skb);
  if (!IsAcceptable(in_dev, arp)) return Outcome::kInvalid;
  if (arp.ar_sip == kIpv4Any) return AnswerProbe(in_dev, arp);
  DropReason reason;
  if (arp.ar_op == be16(wire::kArpRequest) &&
      ip_route_input_noref(skb, arp.ar_tip, arp.ar_sip, 0, dev, &reason) == 0) {
    const rtable* const rt = skb_rtable(skb);
    if (rt->rt_type == RTN_LOCAL) return AnswerForUs(in_dev, arp);
    if (in_dev_conf(in_dev).forward() && rt->rt_type == RTN_UNICAST &&
        IsProxyFor(in_dev, rt, arp.ar_sip, arp.ar_tip)) {
      return AnswerForOthers(in_dev, skb, arp, delayed);
    }
  }
  return UpdateEntry(in_dev, skb, arp);
}

void arp_process(sk_buff* skb, bool delayed) {
  TRACE_FUNCTION(*skb->owner, skb, arp_process, skb, delayed);
  in_device* const in_dev = skb->dev->ip_ptr;
  const Outcome outcome = in_dev == nullptr ? Outcome::kInvalid : Process(in_dev, skb, delayed);
  switch (outcome) {
    case Outcome::kQueued:
      return;
    case Outcome::kInvalid:
      return kfree_skb_reason(skb, SKB_DROP_REASON_ARP_INVALID);
    case Outcome::kNotOurs:
      // The kernel consumes these without a word; here each frame has an end that says what became
      // of it.
      return kfree_skb_reason(skb, SKB_DROP_REASON_ARP_NOT_FOR_US);
    case Outcome::kUsed:
      skb->owner->this_cpu().Trace(TraceKind::kDeliver, skb->frame_id, skb->len, 0, 0);
      return consume_skb(skb);
  }
}

void parp_redo(sk_buff* skb) { arp_process(skb, true); }

bool arp_is_multicast(const void* key) {
  return ipv4_is_multicast(Ipv4Address(LoadBe32(static_cast<const uint8_t*>(key))));
}

}  // namespace

int arp_rcv(sk_buff* skb, net_device* dev, packet_type* pt, net_device* orig_dev) {
  TRACE_FUNCTION(*skb->owner, skb, arp_rcv, skb, dev, pt, orig_dev);
  if ((dev->flags & IFF_NOARP) != 0 || skb->pkt_type == PACKET_LOOPBACK) {
    kfree_skb_reason(skb, SKB_DROP_REASON_ARP_NOT_FOR_US);
    return NET_RX_SUCCESS;
  }
  if (skb->pkt_type == PACKET_OTHERHOST) {
    kfree_skb_reason(skb, SKB_DROP_REASON_OTHERHOST);
    return NET_RX_SUCCESS;
  }
  skb = skb_share_check(skb);
  if (skb == nullptr) return NET_RX_DROP;
  // Room for both pairs of addresses is checked before what their lengths say.
  if (!pskb_may_pull(skb, sizeof(ArpPacket))) {
    kfree_skb_reason(skb, SKB_DROP_REASON_HDR_TRUNC);
    return NET_RX_DROP;
  }
  const ArpPacket& arp = arp_hdr(skb);
  if (arp.ar_hln != dev->addr_len || arp.ar_pln != sizeof(Ipv4Address)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_ARP_INVALID);
    return NET_RX_DROP;
  }
  arp_process(skb, false);
  return NET_RX_SUCCESS;
}

void arp_send(uint16_t op, Ipv4Address dest_ip, net_device* dev, Ipv4Address src_ip,
              const uint8_t* dest_hw, const uint8_t* src_hw, const uint8_t* target_hw) {
  TRACE_FUNCTION(dev->nd_net, nullptr, arp_send, op, dest_ip, dev, src_ip, dest_hw, src_hw,
                 target_hw);
  if ((dev->flags & IFF_NOARP) != 0) return;
  const uint32_t room = LL_RESERVED_SPACE(dev);
  sk_buff* const skb = alloc_skb(
      dev_net(dev), static_cast<uint32_t>(sizeof(ArpPacket)) + room + dev->needed_tailroom);
  if (skb == nullptr) return;
  skb_reserve(skb, room);
  skb_reset_network_header(skb);
  ArpPacket arp;
  arp.ar_op = op;
  arp.ar_sha =
      src_hw == nullptr ? dev->dev_addr : MacAddress(std::span<const uint8_t, 6>(src_hw, 6));
  arp.ar_sip = src_ip;
  if (target_hw != nullptr) arp.ar_tha = MacAddress(std::span<const uint8_t, 6>(target_hw, 6));
  arp.ar_tip = dest_ip;
  skb_put_data(skb, &arp, sizeof(arp));
  skb->dev = dev;
  skb->protocol = wire::kEtherTypeArp;
  const uint8_t* const to = dest_hw == nullptr ? dev->broadcast.bytes().data() : dest_hw;
  if (dev_hard_header(skb, dev, wire::kEtherTypeArp, to, arp.ar_sha.bytes().data(), skb->len) < 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_DEV_HDR);
    return;
  }
  dev_queue_xmit(skb);
}

neighbour* ip_neigh_gw4(net_device* dev, Ipv4Address next_hop) {
  neigh_table* const tbl = dev_net(dev).arp_tbl;
  // Where there is but one other end, one entry serves all.
  if ((dev->flags & (IFF_LOOPBACK | IFF_POINTOPOINT)) != 0) next_hop = kIpv4Any;
  const uint8_t* const key = next_hop.bytes().data();
  neighbour* const neigh = __neigh_lookup_noref(tbl, key, dev);
  return neigh != nullptr ? neigh : neigh_create_noref(tbl, key, dev);
}

int arp_init(net& net) {
  auto* const tbl =
      net.world.arena().New<neigh_table>(net, "arp_cache", uint16_t{kAfInet}, wire::kEtherTypeIpv4,
                                         uint8_t{4}, "net/ipv4/neigh", net.kernel.prng());
  tbl->constructor = arp_constructor;
  tbl->proxy_redo = parp_redo;
  tbl->is_multicast = arp_is_multicast;
  net.arp_tbl = tbl;
  return 0;
}

void arp_exit(net& net) {
  if (net.arp_tbl != nullptr) neigh_table_clear(net.arp_tbl);
}

void arp_announce_address(net_device* dev, Ipv4Address addr) {
  arp_send(wire::kArpRequest, addr, dev, addr, nullptr, nullptr, nullptr);
}

}  // namespace tapedeck
