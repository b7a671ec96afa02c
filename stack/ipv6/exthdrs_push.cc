// Extension headers of packets that are sent: what sockets and calls ask for, and how it gets into
// the packet (net/ipv6/exthdrs.c; RFC 3542).
#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/ipv6/ip6_internal.h"
#include "stack/ipv6/ipv6.h"

namespace tapedeck {

namespace {

constexpr uint32_t kAddressBytes = sizeof(Ipv6Address);
constexpr uint32_t kAddressesAt = 8;   // in routing headers
constexpr uint8_t kRoutingStrict = 1;  // IPV6_SRCRT_STRICT
constexpr uint32_t kHeaderUnit = 8;    // headers are multiples of it

uint32_t BytesOf(const uint8_t* header) { return header == nullptr ? 0 : ipv6_optlen(header); }

const uint8_t* HeaderAt(const ipv6_txoptions* opt, int16_t offset) {
  return offset < 0 ? nullptr : opt->bytes() + offset;
}

const Ipv6Address* AddressAt(const uint8_t* header, uint32_t index) {
  return reinterpret_cast<const Ipv6Address*>(header + kAddressesAt + index * kAddressBytes);
}

// Which of a routing header's addresses a packet visits first; nullptr for types that are not
// known, and where it has no such address.
const Ipv6Address* FirstHop(const uint8_t* header) {
  const auto* const rt = reinterpret_cast<const wire::Ipv6RoutingHeader*>(header);
  uint32_t index = 0;
  switch (rt->type) {
    case wire::kIpv6RoutingSource:
    case kRoutingStrict:
    case wire::kIpv6RoutingMobility:
      break;
    case wire::kIpv6RoutingSegments:
      index = rt->segments_left;
      break;
    default:
      return nullptr;
  }
  const bool there = kAddressesAt + (index + 1) * kAddressBytes <= BytesOf(header);
  return there ? AddressAt(header, index) : nullptr;
}

void PushHeader(sk_buff* skb, const uint8_t* header, uint8_t type, uint8_t* proto) {
  const uint32_t bytes = BytesOf(header);
  uint8_t* const at = skb_push(skb, bytes);
  std::memcpy(at, header, bytes);
  at[0] = *proto;
  *proto = type;
}

// The packet goes to the first hop; the header carries the rest of the way with the destination as
// its end: last in the older types, first in segment routing, which counts backwards.
void PushRouting(sk_buff* skb, const uint8_t* header, uint8_t* proto, Ipv6Address* daddr) {
  const Ipv6Address* const first_hop = FirstHop(header);
  if (first_hop == nullptr) return;
  const Ipv6Address final_hop = *daddr;
  *daddr = *first_hop;
  PushHeader(skb, header, wire::kIpProtoRouting, proto);
  uint8_t* const addresses = skb_writable(skb, skb->data, BytesOf(header)) + kAddressesAt;
  if (header[2] == wire::kIpv6RoutingSegments) {
    std::memcpy(addresses, &final_hop, kAddressBytes);
    return;
  }
  const uint32_t hops = header[1] / 2U;
  std::memmove(addresses, addresses + kAddressBytes, (hops - 1) * kAddressBytes);
  std::memcpy(addresses + (hops - 1) * kAddressBytes, &final_hop, kAddressBytes);
}

int16_t PutHeader(ipv6_txoptions* opt, const uint8_t* header, uint32_t* used) {
  if (header == nullptr) return -1;
  const auto at = static_cast<int16_t>(*used);
  std::memcpy(opt->bytes() + *used, header, BytesOf(header));
  *used += BytesOf(header);
  return at;
}

uint32_t TotalBytes(const ipv6_opt_headers& headers) {
  return BytesOf(headers.hopopt) + BytesOf(headers.dst0opt) + BytesOf(headers.srcrt) +
         BytesOf(headers.dst1opt);
}

}  // namespace

void ipv6_push_nfrag_opts(sk_buff* skb, const ipv6_txoptions* opt, uint8_t* proto,
                          Ipv6Address* daddr, const Ipv6Address* /*saddr*/) {
  if (opt->srcrt >= 0) {
    PushRouting(skb, HeaderAt(opt, opt->srcrt), proto, daddr);
    if (opt->dst0opt >= 0) {
      PushHeader(skb, HeaderAt(opt, opt->dst0opt), wire::kIpProtoDestOptions, proto);
    }
  }
  if (opt->hopopt >= 0) PushHeader(skb, HeaderAt(opt, opt->hopopt), wire::kIpProtoHopByHop, proto);
}

void ipv6_push_frag_opts(sk_buff* skb, const ipv6_txoptions* opt, uint8_t* proto) {
  if (opt->dst1opt >= 0) {
    PushHeader(skb, HeaderAt(opt, opt->dst1opt), wire::kIpProtoDestOptions, proto);
  }
}

ipv6_opt_headers ipv6_headers_of(const ipv6_txoptions* opt) {
  if (opt == nullptr) return {};
  return {.hopopt = HeaderAt(opt, opt->hopopt),
          .dst0opt = HeaderAt(opt, opt->dst0opt),
          .srcrt = HeaderAt(opt, opt->srcrt),
          .dst1opt = HeaderAt(opt, opt->dst1opt)};
}

ipv6_txoptions* ipv6_build_options(net& net, const ipv6_opt_headers& headers) {
  const uint32_t bytes = static_cast<uint32_t>(sizeof(ipv6_txoptions)) + TotalBytes(headers);
  void* const memory = net.kernel.kmalloc().Alloc(bytes);
  if (memory == nullptr) return nullptr;
  auto* const opt = new (memory) ipv6_txoptions;
  opt->tot_len = bytes;
  uint32_t used = 0;
  opt->hopopt = PutHeader(opt, headers.hopopt, &used);
  opt->dst0opt = PutHeader(opt, headers.dst0opt, &used);
  opt->srcrt = PutHeader(opt, headers.srcrt, &used);
  opt->dst1opt = PutHeader(opt, headers.dst1opt, &used);
  const uint32_t routing =
      headers.srcrt != nullptr ? BytesOf(headers.srcrt) + BytesOf(headers.dst0opt) : 0;
  opt->opt_nflen = static_cast<uint16_t>(BytesOf(headers.hopopt) + routing);
  opt->opt_flen = static_cast<uint16_t>(BytesOf(headers.dst1opt));
  return opt;
}

ipv6_txoptions* ipv6_dup_options(net& net, const ipv6_txoptions* opt) {
  return ipv6_build_options(net, ipv6_headers_of(opt));
}

ipv6_txoptions* ipv6_renew_options(sock* sk, const ipv6_txoptions* opt, int newtype,
                                   const uint8_t* newopt, uint32_t newoptlen, int* err) {
  *err = 0;
  if (newopt != nullptr && (newoptlen < kHeaderUnit || BytesOf(newopt) > newoptlen)) {
    *err = -EINVAL;
    return nullptr;
  }
  ipv6_opt_headers headers = ipv6_headers_of(opt);
  if (newtype == kIpv6Hopopts) headers.hopopt = newopt;
  if (newtype == kIpv6Rthdrdstopts) headers.dst0opt = newopt;
  if (newtype == kIpv6Rthdr) headers.srcrt = newopt;
  if (newtype == kIpv6Dstopts) headers.dst1opt = newopt;
  const uint32_t total = TotalBytes(headers);
  if (total == 0) return nullptr;
  // sock_kmalloc.
  const uint64_t charged = uint64_t{sk->sk_omem_alloc} + sizeof(ipv6_txoptions) + total;
  const bool allowed = charged < static_cast<uint64_t>(sk->sk_net.core.optmem_max);
  ipv6_txoptions* const renewed = allowed ? ipv6_build_options(sk->sk_net, headers) : nullptr;
  if (renewed == nullptr) {
    *err = -ENOBUFS;
    return nullptr;
  }
  sk->sk_omem_alloc += renewed->tot_len;
  return renewed;
}

const Ipv6Address* fl6_update_dst(flowi6* fl6, const ipv6_txoptions* opt, Ipv6Address* orig) {
  if (opt == nullptr || opt->srcrt < 0) return nullptr;
  const Ipv6Address* const first_hop = FirstHop(HeaderAt(opt, opt->srcrt));
  if (first_hop == nullptr) return nullptr;
  *orig = fl6->daddr;
  fl6->daddr = *first_hop;
  return orig;
}

}  // namespace tapedeck
