// Extension headers of received packets (net/ipv6/exthdrs.c; RFC 8200 4): hop-by-hop and
// destination options, routing headers, no next header. Fragments are in reassembly.cc.
#include <algorithm>

#include "stack/core/net.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/icmpv6.h"
#include "stack/ipv6/ip6_internal.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck {

namespace {

constexpr uint8_t kOptCalipso = 7;   // RFC 5570
constexpr uint8_t kOptIoam = 0x31;   // RFC 9486
constexpr uint8_t kRoutingRpl = 3;   // RFC 6554
constexpr uint32_t kPaddingMax = 7;  // bytes between two options (RFC 4942 2.1.9.5)
constexpr uint32_t kTlvHeaderBytes = 2;

bool Drop(sk_buff* skb, DropReason reason) {
  kfree_skb_reason(skb, reason);
  return false;
}

// Handlers' way out: taken, and not delivered.
int Refuse(sk_buff* skb, Ip6Mib counter) {
  skb->owner->ip6_mib.Inc(counter);
  kfree_skb(skb);
  return -1;
}

// Makes the whole extension header at the transport header linear; its bytes, or 0 where the packet
// is shorter.
uint32_t PullExtensionHeader(sk_buff* skb) {
  const auto at = static_cast<uint32_t>(skb_transport_offset(skb));
  if (!pskb_may_pull(skb, at + 8)) return 0;
  const uint32_t bytes = ipv6_optlen(skb_transport_header(skb));
  return pskb_may_pull(skb, at + bytes) ? bytes : 0;
}

// --- Options of hop-by-hop and destination headers. All return false where the packet was dropped.
// `at` is the option's offset from the network header. ---

// What the two high bits of the type say of one that is not known (RFC 8200 4.2). Where settings
// forbid unknown options, silently.
bool TakeUnknownOption(sk_buff* skb, uint32_t at, bool disallow_unknowns) {
  enum { kSkip, kDiscard, kDiscardAndTell, kDiscardAndTellUnicast };
  if (disallow_unknowns) return Drop(skb, SKB_DROP_REASON_UNHANDLED_PROTO);
  const int action = skb_network_header(skb)[at] >> 6;
  if (action == kSkip) return true;
  const bool to_group = ipv6_addr_is_multicast(ipv6_hdr(skb)->daddr);
  if (action == kDiscard || (action == kDiscardAndTellUnicast && to_group)) {
    return Drop(skb, SKB_DROP_REASON_UNHANDLED_PROTO);
  }
  icmpv6_param_prob_reason(skb, kIcmpv6UnknownOption, at, SKB_DROP_REASON_UNHANDLED_PROTO);
  return false;
}

// RFC 2711.
bool TakeRouterAlert(sk_buff* skb, uint32_t at) {
  const uint8_t* const option = skb_network_header(skb) + at;
  if (option[1] != 2) return Drop(skb, SKB_DROP_REASON_IP_INHDR);
  IP6CB(skb)->flags |= IP6SKB_ROUTERALERT;
  IP6CB(skb)->ra = LoadBe16(option + 2);
  return true;
}

// RFC 2675: the length of a packet whose header cannot tell it.
bool TakeJumbo(sk_buff* skb, uint32_t at) {
  const uint8_t* const option = skb_network_header(skb) + at;
  if (option[1] != 4 || (at & 3) != 2) return Drop(skb, SKB_DROP_REASON_IP_INHDR);
  const uint32_t payload = LoadBe32(option + 2);
  if (payload <= kIpv6PayloadMax) {
    icmpv6_param_prob_reason(skb, kIcmpv6HeaderField, at + 2, SKB_DROP_REASON_IP_INHDR);
    return false;
  }
  if (ipv6_hdr(skb)->payload_len.host() != 0) {
    icmpv6_param_prob_reason(skb, kIcmpv6HeaderField, at, SKB_DROP_REASON_IP_INHDR);
    return false;
  }
  if (payload > skb->len - wire::kIpv6HeaderBytes) return Drop(skb, SKB_DROP_REASON_PKT_TOO_SMALL);
  if (pskb_trim_rcsum(skb, payload + wire::kIpv6HeaderBytes) != 0) {
    return Drop(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  }
  IP6CB(skb)->flags |= IP6SKB_JUMBOGRAM;
  return true;
}

bool TakeHopOption(sk_buff* skb, uint32_t at, bool disallow_unknowns) {
  switch (skb_network_header(skb)[at]) {
    case wire::kIpv6OptRouterAlert:
      return TakeRouterAlert(skb, at);
    case wire::kIpv6OptJumbo:
      return TakeJumbo(skb, at);
    case kOptIoam:
      // Without namespaces there is nothing to write into it; its place has to be right.
      return (at & 3) == 0 || Drop(skb, SKB_DROP_REASON_IP_INHDR);
    case kOptCalipso:
      // No domain of interpretation is known here, so no label is valid.
      return Drop(skb, SKB_DROP_REASON_IP_INHDR);
    default:
      return TakeUnknownOption(skb, at, disallow_unknowns);
  }
}

// The options of one header, from its third byte on, with the kernel's strictness about padding: at
// most seven bytes in a row, of zeroes.
class OptionWalk {
 public:
  // `max_count`: how many options that are no padding; negative: and none that is not known.
  OptionWalk(sk_buff* skb, bool hop_by_hop, int32_t max_count)
      : skb_(skb),
        at_(skb_network_header_len(skb) + kTlvHeaderBytes),
        left_(ipv6_optlen(skb_transport_header(skb)) - kTlvHeaderBytes),
        options_left_(max_count < 0 ? -int64_t{max_count} : int64_t{max_count}),
        hop_by_hop_(hop_by_hop),
        disallow_unknowns_(max_count < 0) {}

  // False where the packet was dropped.
  bool Run() {
    while (left_ > 0) {
      uint32_t bytes = 0;
      if (!Measure(&bytes)) return Drop(skb_, SKB_DROP_REASON_IP_INHDR);
      const bool padding = byte(0) == wire::kIpv6OptPad1 || byte(0) == wire::kIpv6OptPadN;
      if (padding) {
        if (!TakePadding(bytes)) return Drop(skb_, SKB_DROP_REASON_IP_INHDR);
      } else {
        if (options_left_-- <= 0) return Drop(skb_, SKB_DROP_REASON_IP_INHDR);
        padding_bytes_ = 0;
        const bool taken = hop_by_hop_ ? TakeHopOption(skb_, at_, disallow_unknowns_)
                                       : TakeUnknownOption(skb_, at_, disallow_unknowns_);
        if (!taken) return false;
      }
      at_ += bytes;
      left_ -= bytes;
    }
    return true;
  }

 private:
  uint8_t byte(uint32_t i) const { return skb_network_header(skb_)[at_ + i]; }

  // The option's bytes; false where it reaches past the header.
  bool Measure(uint32_t* bytes) const {
    if (byte(0) == wire::kIpv6OptPad1) {
      *bytes = 1;
      return true;
    }
    if (left_ < kTlvHeaderBytes) return false;
    *bytes = byte(1) + kTlvHeaderBytes;
    return *bytes <= left_;
  }
  bool TakePadding(uint32_t bytes) {
    padding_bytes_ += bytes;
    if (padding_bytes_ > kPaddingMax) return false;
    for (uint32_t i = kTlvHeaderBytes; i < bytes; ++i) {
      if (byte(i) != 0) return false;
    }
    return true;
  }

  sk_buff* skb_;
  uint32_t at_;    // from the network header
  uint32_t left_;  // bytes of the extension header
  int64_t options_left_;
  bool hop_by_hop_;
  bool disallow_unknowns_;
  uint32_t padding_bytes_ = 0;
};

bool IsTooLong(uint32_t bytes, int32_t limit) { return int64_t{bytes} > limit; }

// --- Handlers (inet6_protocol). ---

int ipv6_destopt_rcv(sk_buff* skb) {
  net& net = *skb->owner;
  const ipv6_settings& settings = net_ipv6(net).settings;
  const uint32_t bytes = PullExtensionHeader(skb);
  if (bytes == 0) return Refuse(skb, Ip6Mib::kInHdrErrors);
  if (IsTooLong(bytes, settings.max_dst_opts_length)) {
    kfree_skb(skb);
    return -1;
  }
  inet6_skb_parm* const parm = IP6CB(skb);
  parm->lastopt = parm->dst1 = static_cast<uint16_t>(skb_network_header_len(skb));
  if (!OptionWalk(skb, /*hop_by_hop=*/false, settings.max_dst_opts_number).Run()) {
    net.ip6_mib.Inc(Ip6Mib::kInHdrErrors);
    return -1;
  }
  skb->transport_header = static_cast<uint16_t>(skb->transport_header + bytes);
  parm->nhoff = parm->dst1;
  return 1;
}

// A routing header that has led here is stepped over. One that leads on is followed by no type that
// Linux knows without mobility and segment routing: type 0 is deprecated (RFC 5095). Segment and
// RPL routing are dropped where the host has not enabled them, which here it cannot.
int ipv6_rthdr_rcv(sk_buff* skb) {
  net& net = *skb->owner;
  const uint32_t bytes = PullExtensionHeader(skb);
  if (bytes == 0) return Refuse(skb, Ip6Mib::kInHdrErrors);
  if (ipv6_addr_is_multicast(ipv6_hdr(skb)->daddr) || skb->pkt_type != PACKET_HOST) {
    return Refuse(skb, Ip6Mib::kInAddrErrors);
  }
  const auto* const hdr =
      reinterpret_cast<const wire::Ipv6RoutingHeader*>(skb_transport_header(skb));
  if (hdr->type == wire::kIpv6RoutingSegments || hdr->type == kRoutingRpl) {
    kfree_skb(skb);
    return -1;
  }
  const uint32_t offset = skb_network_header_len(skb);
  if (hdr->segments_left != 0) {
    net.ip6_mib.Inc(Ip6Mib::kInHdrErrors);
    icmpv6_param_prob_reason(skb, kIcmpv6HeaderField,
                             offset + offsetof(wire::Ipv6RoutingHeader, type),
                             SKB_DROP_REASON_NOT_SPECIFIED);
    return -1;
  }
  inet6_skb_parm* const parm = IP6CB(skb);
  parm->lastopt = parm->srcrt = static_cast<uint16_t>(offset);
  parm->dst0 = parm->dst1;
  parm->dst1 = 0;
  parm->nhoff = static_cast<uint16_t>(offset);
  skb->transport_header = static_cast<uint16_t>(skb->transport_header + bytes);
  return 1;
}

constexpr inet6_protocol kRoutingProtocol = {.handler = ipv6_rthdr_rcv,
                                             .flags = INET6_PROTO_NOPOLICY};
constexpr inet6_protocol kDestOptionsProtocol = {.handler = ipv6_destopt_rcv,
                                                 .flags = INET6_PROTO_NOPOLICY};
constexpr inet6_protocol kNoNextProtocol = {.handler = dst_discard, .flags = INET6_PROTO_NOPOLICY};

}  // namespace

bool ipv6_parse_hopopts(sk_buff* skb) {
  const ipv6_settings& settings = net_ipv6(*skb->owner).settings;
  const uint32_t bytes = PullExtensionHeader(skb);
  if (bytes == 0 || IsTooLong(bytes, settings.max_hbh_length)) {
    return Drop(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  }
  IP6CB(skb)->flags |= IP6SKB_HOPBYHOP;
  IP6CB(skb)->exthdrs = 1;
  if (!OptionWalk(skb, /*hop_by_hop=*/true, settings.max_hbh_opts_number).Run()) return false;
  skb->transport_header = static_cast<uint16_t>(skb->transport_header + bytes);
  IP6CB(skb)->nhoff = wire::kIpv6HeaderBytes;
  return true;
}

int ipv6_exthdrs_init(net& net) {
  const bool done =
      inet6_add_protocol(net, &kRoutingProtocol, wire::kIpProtoRouting) == 0 &&
      inet6_add_protocol(net, &kDestOptionsProtocol, wire::kIpProtoDestOptions) == 0 &&
      inet6_add_protocol(net, &kNoNextProtocol, wire::kIpProtoNoNext) == 0;
  return done ? 0 : -1;
}

}  // namespace tapedeck
