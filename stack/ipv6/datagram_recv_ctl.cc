// Control messages of level IPv6 to the receiver (RFC 3542, RFC 2292; net/ipv6/datagram.c).
#include <cstring>

#include "stack/core/skb_data.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

void PutInt(msghdr* msg, int type, int32_t value) {
  put_cmsg(msg, kSolIpv6, type, &value, sizeof(value));
}

// Bytes of the extension header at `at`; 0 where not all of it is linear.
uint32_t ExthdrBytes(const sk_buff* skb, const uint8_t* at) {
  const uint8_t* const tail = skb_tail_pointer(skb);
  if (at + 2 > tail) return 0;
  const uint32_t bytes = (at[1] + 1U) << 3;
  return bytes <= static_cast<uint32_t>(tail - at) ? bytes : 0;
}

void PutExthdr(msghdr* msg, const sk_buff* skb, int type, uint32_t offset) {
  const uint8_t* const at = skb_network_header(skb) + offset;
  if (const uint32_t bytes = ExthdrBytes(skb, at); bytes != 0) {
    put_cmsg(msg, kSolIpv6, type, at, bytes);
  }
}

void PutPktinfo(msghdr* msg, int type, const sk_buff* skb) {
  const in6_pktinfo info{ipv6_hdr(skb)->daddr, static_cast<uint32_t>(IP6CB(skb)->iif)};
  put_cmsg(msg, kSolIpv6, type, &info, sizeof(info));
}

// Destination options and routing headers, in the order in which the packet has them.
void PutExthdrsInOrder(msghdr* msg, const sk_buff* skb, const ipv6_rxopt& rxopt) {
  const uint8_t* const tail = skb_tail_pointer(skb);
  uint8_t nexthdr = ipv6_hdr(skb)->nexthdr;
  for (uint32_t offset = sizeof(wire::Ipv6Header); offset <= IP6CB(skb)->lastopt;) {
    const uint8_t* const at = skb_network_header(skb) + offset;
    if (at + 2 > tail) return;
    uint32_t bytes = 0;
    if (nexthdr == wire::kIpProtoAh) {
      bytes = (at[1] + 2U) << 2;
      if (at + bytes > tail) return;
    } else {
      bytes = ExthdrBytes(skb, at);
      if (bytes == 0) return;
    }
    if (nexthdr == wire::kIpProtoDestOptions && rxopt.dstopts) {
      put_cmsg(msg, kSolIpv6, kIpv6Dstopts, at, bytes);
    }
    if (nexthdr == wire::kIpProtoRouting && rxopt.srcrt) {
      put_cmsg(msg, kSolIpv6, kIpv6Rthdr, at, bytes);
    }
    nexthdr = at[0];
    offset += bytes;
  }
}

void PutExthdrs(msghdr* msg, const sk_buff* skb, const ipv6_rxopt& rxopt) {
  const inet6_skb_parm& parm = *IP6CB(skb);
  if (rxopt.hopopts && (parm.flags & IP6SKB_HOPBYHOP) != 0) {
    PutExthdr(msg, skb, kIpv6Hopopts, sizeof(wire::Ipv6Header));
  }
  if (parm.lastopt != 0 && (rxopt.dstopts || rxopt.srcrt)) PutExthdrsInOrder(msg, skb, rxopt);
}

// The forms of RFC 2292.
void PutOldStyle(msghdr* msg, const sk_buff* skb, const ipv6_rxopt& rxopt) {
  const inet6_skb_parm& parm = *IP6CB(skb);
  if (rxopt.rxoinfo) PutPktinfo(msg, kIpv62292Pktinfo, skb);
  if (rxopt.rxohlim) PutInt(msg, kIpv62292Hoplimit, ipv6_hdr(skb)->hop_limit);
  if (rxopt.ohopopts && (parm.flags & IP6SKB_HOPBYHOP) != 0) {
    PutExthdr(msg, skb, kIpv62292Hopopts, sizeof(wire::Ipv6Header));
  }
  if (rxopt.odstopts && parm.dst0 != 0) PutExthdr(msg, skb, kIpv62292Dstopts, parm.dst0);
  if (rxopt.osrcrt && parm.srcrt != 0) PutExthdr(msg, skb, kIpv62292Rthdr, parm.srcrt);
  if (rxopt.odstopts && parm.dst1 != 0) PutExthdr(msg, skb, kIpv62292Dstopts, parm.dst1);
}

// Where the packet was sent to: a sockaddr_in6. All transports begin with the ports.
void PutOriginalDestination(msghdr* msg, const sk_buff* skb) {
  const int offset = skb_transport_offset(skb);
  uint8_t copy[4];
  const uint8_t* const ports = offset < 0
                                   ? skb_transport_header(skb)
                                   : static_cast<const uint8_t*>(skb_header_pointer(
                                         skb, static_cast<uint32_t>(offset), sizeof(copy), copy));
  if (ports == nullptr) return;
  sockaddr_in6 sin6;
  sin6.sin6_addr = ipv6_hdr(skb)->daddr;
  sin6.sin6_port = LoadBe16(ports + 2);
  sin6.sin6_scope_id = ipv6_iface_scope_id(sin6.sin6_addr, IP6CB(skb)->iif);
  put_cmsg(msg, kSolIpv6, kIpv6Origdstaddr, &sin6, sizeof(sin6));
}

}  // namespace

void ip6_datagram_recv_common_ctl(sock* sk, msghdr* msg, sk_buff* skb) {
  if (!inet6_sk(sk)->rxopt.rxinfo) return;
  if (skb->protocol == wire::kEtherTypeIpv6) {
    PutPktinfo(msg, kIpv6Pktinfo, skb);
    return;
  }
  // The first member of the control block is the ifindex in both families.
  const in6_pktinfo info{Ipv6Address::Mapped(ip_hdr(skb)->daddr),
                         static_cast<uint32_t>(IPCB(skb)->iif)};
  put_cmsg(msg, kSolIpv6, kIpv6Pktinfo, &info, sizeof(info));
}

void ip6_datagram_recv_specific_ctl(sock* sk, msghdr* msg, sk_buff* skb) {
  const ipv6_rxopt& rxopt = inet6_sk(sk)->rxopt;
  const wire::Ipv6Header& iph = *ipv6_hdr(skb);
  if (rxopt.rxhlim) PutInt(msg, kIpv6Hoplimit, iph.hop_limit);
  if (rxopt.rxtclass) PutInt(msg, kIpv6Tclass, iph.traffic_class());
  const be32 flowinfo = iph.ver_tc_flow.host() & IPV6_FLOWINFO_MASK;
  if (rxopt.rxflow && flowinfo != be32{}) {
    put_cmsg(msg, kSolIpv6, kIpv6Flowinfo, &flowinfo, sizeof(flowinfo));
  }
  PutExthdrs(msg, skb, rxopt);
  PutOldStyle(msg, skb, rxopt);
  if (rxopt.rxorigdstaddr) PutOriginalDestination(msg, skb);
  const uint16_t frag_max_size = IP6CB(skb)->frag_max_size;
  if (rxopt.recvfragsize && frag_max_size != 0) PutInt(msg, kIpv6Recvfragsize, frag_max_size);
}

void ip6_datagram_recv_ctl(sock* sk, msghdr* msg, sk_buff* skb) {
  ip6_datagram_recv_common_ctl(sk, msg, skb);
  ip6_datagram_recv_specific_ctl(sk, msg, skb);
}

}  // namespace tapedeck
