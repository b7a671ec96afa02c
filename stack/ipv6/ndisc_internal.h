// What the parts of neighbour discovery share among themselves. Not for others.
#ifndef TAPEDECK_STACK_IPV6_NDISC_INTERNAL_H_
#define TAPEDECK_STACK_IPV6_NDISC_INTERNAL_H_

#include <cstdint>
#include <span>

#include "stack/core/neighbour.h"
#include "stack/core/net.h"
#include "stack/ipv6/in6.h"
#include "stack/wire/ndisc.h"

namespace tapedeck::ndisc_internal {

// Of a message that is merely freed.
inline constexpr DropReason kNoReason = SKB_DROP_REASON_NOT_SPECIFIED;

// The options of a message that mean something to us (struct ndisc_options). Of those that may come
// once the first counts; of prefixes and routes all do.
struct ndisc_options {
  const uint8_t* src_lladdr = nullptr;
  const uint8_t* tgt_lladdr = nullptr;
  const uint8_t* redirect_header = nullptr;
  const uint8_t* mtu = nullptr;
  const uint8_t* nonce = nullptr;
  std::span<const uint8_t> all;  // for walks
};

// The bytes of an option, from its type to its end.
inline uint32_t OptionBytes(const uint8_t* opt) { return uint32_t{opt[1]} << 3; }
// False where an option is cut short or has no length.
bool ndisc_parse_options(std::span<const uint8_t> bytes, ndisc_options* options);
// Calls `visit(opt)` for each option of `type`, in order.
template <typename Visit>
void ForEachOption(const ndisc_options& options, uint8_t type, Visit visit) {
  for (size_t at = 0; at < options.all.size(); at += OptionBytes(&options.all[at])) {
    if (options.all[at] == type) visit(&options.all[at]);
  }
}
// The bytes that an option with a link-layer address of `dev` takes.
inline uint32_t ndisc_opt_addr_space(const net_device* dev) {
  return (uint32_t{dev->addr_len} + 2 + 7) & ~7U;
}
// The address in such an option; nullptr where its length is another (ndisc_opt_addr_data).
const uint8_t* ndisc_opt_addr_data(const uint8_t* opt, const net_device* dev);

// The message at the transport header. REQUIRES: the packet has it, linear.
template <typename Message>
const Message& MessageOf(const sk_buff* skb) {
  return *reinterpret_cast<const Message*>(skb_transport_header(skb));
}
// What follows a message of `header_bytes`.
inline std::span<const uint8_t> OptionsOf(const sk_buff* skb, size_t header_bytes) {
  return {skb_transport_header(skb) + header_bytes, skb->len - header_bytes};
}

// Messages of each type; data at their header, linear. CONSUMED, or why it was not taken.
// `delayed`: the proxy delay of a solicitation is over.
DropReason ndisc_recv_ns(sk_buff* skb, bool delayed);
DropReason ndisc_recv_na(sk_buff* skb);
DropReason ndisc_recv_rs(sk_buff* skb);
DropReason ndisc_router_discovery(sk_buff* skb);
DropReason ndisc_redirect_rcv(sk_buff* skb);

// An empty packet for `dev` with room for `bytes` of message behind headers; nullptr where memory
// failed.
sk_buff* ndisc_alloc_skb(net_device* dev, uint32_t bytes);
// Appends an option with a link-layer address of dev->addr_len bytes.
void ndisc_fill_addr_option(sk_buff* skb, uint8_t type, const uint8_t* address);
// Sends a message that is complete but for its checksum, over the packet's route or one of its own.
void ndisc_send_skb(sk_buff* skb, const Ipv6Address& daddr, const Ipv6Address& saddr);

}  // namespace tapedeck::ndisc_internal

#endif  // TAPEDECK_STACK_IPV6_NDISC_INTERNAL_H_
