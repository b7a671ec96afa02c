// Cutting packets into fragments (ip6_fragment of net/ipv6/ip6_output.c; RFC 8200 4.5).
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/ipv4/frag_list.h"
#include "stack/ipv6/icmpv6.h"
#include "stack/ipv6/ip6_internal.h"
#include "stack/ipv6/ipv6.h"

namespace tapedeck {

namespace {

using OutputFn = int (*)(net& net, sock* sk, sk_buff* skb);

constexpr uint16_t kMoreFragments = 1;  // IP6_MF

// What all fragments of a datagram have in common.
struct Plan {
  uint32_t header_bytes;    // before the fragment header
  uint32_t nexthdr_offset;  // of the byte that will say "fragment", from the network header
  uint8_t nexthdr;          // what it said
  uint32_t space;           // for payload in one fragment
  uint32_t link_room;
  uint32_t id;
};

// Writes the headers' changing parts. `skb` begins with them.
void FinishHeaders(sk_buff* skb, const Plan& plan, uint32_t offset, bool more) {
  uint8_t* const headers = skb_writable(skb, skb_network_header(skb),
                                        plan.header_bytes + wire::kIpv6FragmentHeaderBytes);
  headers[plan.nexthdr_offset] = wire::kIpProtoFragment;
  auto* const hdr = reinterpret_cast<wire::Ipv6Header*>(headers);
  hdr->payload_len = static_cast<uint16_t>(skb->len - wire::kIpv6HeaderBytes);
  auto* const fh = reinterpret_cast<wire::Ipv6FragmentHeader*>(headers + plan.header_bytes);
  fh->nexthdr = plan.nexthdr;
  fh->reserved = 0;
  fh->frag_off = static_cast<uint16_t>(offset | (more ? kMoreFragments : 0));
  fh->identification = plan.id;
}

// Makes room for the fragment header behind the headers of the first fragment.
void OpenHeaders(sk_buff* skb, uint32_t header_bytes) {
  uint8_t* const start = skb_push(skb, wire::kIpv6FragmentHeaderBytes);
  std::memmove(start, start + wire::kIpv6FragmentHeaderBytes, header_bytes);
  skb_reset_network_header(skb);
}

// Gives `piece` the headers of `skb`, the fragment before it.
void CopyHeaders(sk_buff* piece, const sk_buff* skb, const Plan& plan) {
  const uint32_t bytes = plan.header_bytes + wire::kIpv6FragmentHeaderBytes;
  piece->ip_summed = CHECKSUM_NONE;
  skb_reset_transport_header(piece);
  std::memcpy(skb_push(piece, bytes), skb_network_header(skb), bytes);
  skb_reset_network_header(piece);
  ip_copy_metadata(piece, skb);
}

// The quick way: the pieces of frag_list are fragments, only headers are written.
int SendPieces(net& net, sock* sk, sk_buff* skb, const Plan& plan, OutputFn output) {
  const uint32_t headers = plan.header_bytes + wire::kIpv6FragmentHeaderBytes;
  sk_buff* rest = frag_list_detach(skb);
  OpenHeaders(skb, plan.header_bytes);
  FinishHeaders(skb, plan, 0, true);
  uint32_t offset = 0;
  for (;;) {
    sk_buff* const next = rest;
    if (next != nullptr) {
      rest = next->next;
      next->next = nullptr;
      offset += skb->len - headers;
      CopyHeaders(next, skb, plan);
      FinishHeaders(next, plan, offset, rest != nullptr);
    }
    const int err = output(net, sk, skb);
    if (err != 0) {
      kfree_skb(next);
      kfree_skb_list_reason(rest, SKB_DROP_REASON_NOT_SPECIFIED);
      return err;
    }
    net.ip6_mib.Inc(Ip6Mib::kFragCreates);
    if (next == nullptr) return 0;
    skb = next;
  }
}

// A fragment of `len` payload bytes from `at` in the packet on; nullptr where memory failed
// (ip6_frag_next).
sk_buff* CopyPiece(const sk_buff* skb, const Plan& plan, uint32_t at, uint32_t len) {
  const uint32_t headers = plan.header_bytes + wire::kIpv6FragmentHeaderBytes;
  const uint32_t tailroom = skb->dst->dev->needed_tailroom;
  sk_buff* const piece = alloc_skb(*skb->owner, len + headers + plan.link_room + tailroom);
  if (piece == nullptr) return nullptr;
  ip_copy_metadata(piece, skb);
  skb_reserve(piece, plan.link_room);
  uint8_t* const data = skb_put(piece, len + headers);
  skb_reset_network_header(piece);
  skb_set_transport_header(piece, static_cast<int>(headers));
  // The buffer that the whole took from its socket is taken by the pieces.
  if (skb->sk != nullptr) skb_set_owner_w(piece, skb->sk);
  std::memcpy(data, skb_network_header(skb), plan.header_bytes);
  CHECK_EQ(skb_copy_bits(skb, at, data + headers, len), 0);
  return piece;
}

// The other way: copies. The packet goes.
int SendCopies(net& net, sock* sk, sk_buff* skb, const Plan& plan, OutputFn output) {
  const uint32_t payload = skb->len - plan.header_bytes;
  for (uint32_t offset = 0; offset < payload;) {
    uint32_t len = std::min(payload - offset, plan.space);
    if (offset + len < payload) len &= ~7U;
    sk_buff* const piece = CopyPiece(skb, plan, plan.header_bytes + offset, len);
    int err = -ENOMEM;
    if (piece != nullptr) {
      FinishHeaders(piece, plan, offset, offset + len < payload);
      err = output(net, sk, piece);
    }
    if (err != 0) {
      kfree_skb(skb);
      return err;
    }
    net.ip6_mib.Inc(Ip6Mib::kFragCreates);
    offset += len;
  }
  consume_skb(skb);
  return 0;
}

int Refuse(net& net, sk_buff* skb, int err) {
  net.ip6_mib.Inc(Ip6Mib::kFragFails);
  kfree_skb(skb);
  return err;
}

int RefuseTooBig(net& net, sk_buff* skb, uint32_t mtu) {
  icmpv6_send(skb, wire::kIcmpv6PacketTooBig, 0, mtu);
  return Refuse(net, skb, -EMSGSIZE);
}

// How large fragments may be: the path, what the packet came in, what the socket says. False: it
// must not be cut; *mtu is what the sender is told.
bool FragmentMtu(const sk_buff* skb, uint32_t* mtu) {
  *mtu = ip6_skb_dst_mtu(skb);
  // A router never cuts, nor a host whose socket discovers the path's MTU itself.
  if (!skb->ignore_df && skb->len > *mtu) return false;
  const uint32_t frag_max_size = IP6CB(skb)->frag_max_size;
  if (frag_max_size != 0) {
    if (frag_max_size > *mtu) return false;
    *mtu = std::max<uint32_t>(frag_max_size, wire::kIpv6MinMtu);
  }
  const ipv6_pinfo* const np =
      skb->sk != nullptr && skb->sk->sk_family == kAfInet6 ? inet6_sk(skb->sk) : nullptr;
  if (np != nullptr && np->frag_size != 0) *mtu = std::min(*mtu, np->frag_size);
  return true;
}

}  // namespace

int ip6_find_1stfragopt(const sk_buff* skb, uint32_t* nexthdr_offset) {
  const uint8_t* const start = skb_network_header(skb);
  const auto linear = static_cast<uint32_t>(skb_tail_pointer(skb) - start);
  bool routed = false;
  *nexthdr_offset = offsetof(wire::Ipv6Header, nexthdr);
  for (uint32_t offset = wire::kIpv6HeaderBytes; offset <= linear;) {
    switch (start[*nexthdr_offset]) {
      case wire::kIpProtoHopByHop:
        break;
      case wire::kIpProtoRouting:
        routed = true;
        break;
      case wire::kIpProtoDestOptions:
        // Before a routing header they are for each hop, behind it for the end.
        if (routed) return static_cast<int>(offset);
        break;
      default:
        return static_cast<int>(offset);
    }
    if (offset + 2 > linear) return -EINVAL;
    *nexthdr_offset = offset;
    offset += ipv6_optlen(start + offset);
    if (offset > kIpv6PayloadMax) return -EINVAL;
  }
  return -EINVAL;
}

int ip6_fragment(net& net, sock* sk, sk_buff* skb,
                 int (*output)(struct net& net, sock* sk, sk_buff* skb)) {
  TRACE_FUNCTION(net, skb, ip6_fragment, net, sk, skb, output);
  Plan plan{};
  int err = ip6_find_1stfragopt(skb, &plan.nexthdr_offset);
  if (err < 0) return Refuse(net, skb, err);
  plan.header_bytes = static_cast<uint32_t>(err);
  plan.nexthdr = skb_network_header(skb)[plan.nexthdr_offset];
  uint32_t mtu = 0;
  if (!FragmentMtu(skb, &mtu) || mtu < plan.header_bytes + wire::kIpv6FragmentHeaderBytes + 8) {
    return RefuseTooBig(net, skb, mtu);
  }
  plan.space = mtu - plan.header_bytes - wire::kIpv6FragmentHeaderBytes;
  plan.link_room = LL_RESERVED_SPACE(skb->dst->dev);
  plan.id = ipv6_select_ident(net, ipv6_hdr(skb)->daddr, ipv6_hdr(skb)->saddr);
  // The device cannot sum what it sees in pieces.
  if (skb->ip_summed == CHECKSUM_PARTIAL) {
    err = skb_checksum_help(skb);
    if (err != 0) return Refuse(net, skb, err);
  }
  const FragmentGeometry geometry{.header_bytes = plan.header_bytes,
                                  .fragment_header_bytes = wire::kIpv6FragmentHeaderBytes,
                                  .space = plan.space,
                                  .link_room = plan.link_room};
  err = frag_list_fits(skb, geometry) ? SendPieces(net, sk, skb, plan, output)
                                      : SendCopies(net, sk, skb, plan, output);
  net.ip6_mib.Inc(err == 0 ? Ip6Mib::kFragOKs : Ip6Mib::kFragFails);
  return err;
}

}  // namespace tapedeck
