// IPv6 input, forwarding and output (net/ipv6/ip6_input.c, ip6_output.c, exthdrs.c, reassembly.c).
//
//   in:   ipv6_rcv -> ip6_rcv_core (checks, hop-by-hop options) -> ip6_rcv_finish (early demux,
//         ip6_route_input) -> dst_input -> ip6_input | ip6_mc_input | ip6_forward
//         ip6_input -> ip6_input_finish -> ip6_protocol_deliver_rcu: extension headers one by one
//         (inet6_protocol), raw sockets, the upper layer
//   out:  ip6_xmit, ip6_send_skb -> ip6_local_out -> dst_output -> ip6_output -> ip6_finish_output
//   ->
//         (ip6_fragment) -> ip6_finish_output2 -> neigh_output
//
// Functions that take an sk_buff own it unless they say otherwise. Output functions return 0,
// NET_XMIT_* or -errno.
#ifndef TAPEDECK_STACK_IPV6_IPV6_H_
#define TAPEDECK_STACK_IPV6_IPV6_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/core/dev.h"
#include "stack/core/flow.h"
#include "stack/core/msghdr.h"
#include "stack/core/sock.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv6/in6.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/ipv6/ipv6_sock.h"

namespace tapedeck {

// --- Input (ip6_input.cc). ---

int ipv6_rcv(sk_buff* skb, net_device* dev, packet_type* pt, net_device* orig_dev);
void ipv6_list_rcv(sk_buff_head* list, packet_type* pt, net_device* orig_dev);
int ip6_input(sk_buff* skb);
int ip6_mc_input(sk_buff* skb);
int ip6_forward(sk_buff* skb);
// Walks what is left of the packet from `nexthdr` on; `have_final`: an upper layer was met already.
void ip6_protocol_deliver_rcu(net& net, sk_buff* skb, uint8_t nexthdr, bool have_final);

// --- Extension headers (exthdrs.cc). ---

// The hop-by-hop header right behind the IPv6 header. False where the packet was dropped.
bool ipv6_parse_hopopts(sk_buff* skb);
// Registers destination options, routing, fragment (reassembly.cc) and no-next-header handlers.
int ipv6_exthdrs_init(net& net);
// Walks to the upper layer from `start` on, which is counted from skb->data and may be negative;
// *nexthdrp says what is there and becomes the upper layer, *frag_off the word of a fragment header
// (0: none). Its offset, which may lie behind the packet's end, or -1.
int ipv6_skip_exthdr(const sk_buff* skb, int start, uint8_t* nexthdrp, uint16_t* frag_off);
inline bool ipv6_ext_hdr(uint8_t nexthdr) {
  return wire::IsIpv6ExtensionHeader(nexthdr) || nexthdr == wire::kIpProtoNoNext;
}
// Pushes the headers of `opt` before an outgoing packet, those that every fragment carries / those
// behind the fragment header; *proto becomes the first of them, *daddr the first hop.
void ipv6_push_nfrag_opts(sk_buff* skb, const ipv6_txoptions* opt, uint8_t* proto,
                          Ipv6Address* daddr, const Ipv6Address* saddr);
void ipv6_push_frag_opts(sk_buff* skb, const ipv6_txoptions* opt, uint8_t* proto);
// Headers by where they come in a packet, each null or as long as its second byte says.
struct ipv6_opt_headers {
  const uint8_t* hopopt = nullptr;
  const uint8_t* dst0opt = nullptr;
  const uint8_t* srcrt = nullptr;
  const uint8_t* dst1opt = nullptr;
};
ipv6_opt_headers ipv6_headers_of(const ipv6_txoptions* opt);  // `opt` may be null
// Options of copies of these headers, with one reference, charged to nobody; nullptr where memory
// failed. Those of IPV6_RTHDRDSTOPTS count in opt_nflen, and are sent, only with a routing header
// (RFC 3542 9.2; the kernel's ipv6_fixup_options).
ipv6_txoptions* ipv6_build_options(net& net, const ipv6_opt_headers& headers);
// A copy.
ipv6_txoptions* ipv6_dup_options(net& net, const ipv6_txoptions* opt);
// A copy with header `newtype` (IPV6_HOPOPTS ...) replaced by `newopt` of `newoptlen` bytes (null:
// taken out), charged to sk->sk_omem_alloc by its tot_len. nullptr with *err 0 where nothing is
// left; else -EINVAL (the header is longer than what was given) or -ENOBUFS.
ipv6_txoptions* ipv6_renew_options(sock* sk, const ipv6_txoptions* opt, int newtype,
                                   const uint8_t* newopt, uint32_t newoptlen, int* err);
// Where a flow with `opt` goes first: fl6->daddr becomes the first hop, *orig the final one. The
// final address, or nullptr where there is no routing header (fl6_update_dst).
const Ipv6Address* fl6_update_dst(flowi6* fl6, const ipv6_txoptions* opt, Ipv6Address* orig);

// --- Reassembly (reassembly.cc). RFC 8200 4.5, RFC 5722: overlaps end the datagram. ---

enum : uint32_t { IP6_DEFRAG_LOCAL_DELIVER = 0 };
int ipv6_frag_init(net& net);
void ipv6_frags_flush(net& net);

// --- Output (ip6_output.cc, ip6_output_fragment.cc, ip6_append.cc). ---

int ip6_local_out(net& net, sock* sk, sk_buff* skb);
int __ip6_local_out(net& net, sock* sk, sk_buff* skb);
int ip6_output(net& net, sock* sk, sk_buff* skb);
int ip6_forward_finish(net& net, sock* sk, sk_buff* skb);
int ip6_fragment(net& net, sock* sk, sk_buff* skb, int (*output)(struct net& net, sock*, sk_buff*));
// Puts an IPv6 header, with the extension headers of `opt`, before a segment and sends it. The
// packet's dst is set, with a reference. Headroom is made where it lacks.
int ip6_xmit(const sock* sk, sk_buff* skb, flowi6* fl6, uint32_t mark, const ipv6_txoptions* opt,
             uint8_t tclass, uint32_t priority);
// As ip_append_data, ip_push_pending_frames, ip_flush_pending_frames, ip_make_skb, ip_send_skb.
// `dst`: taken over by the cork with a reference of its own (the caller keeps his).
int ip6_append_data(sock* sk, ip_getfrag_t getfrag, void* from, uint32_t length,
                    uint32_t transhdrlen, ipcm6_cookie* ipc6, flowi6* fl6, rt6_info* rt,
                    uint32_t flags);
int ip6_push_pending_frames(sock* sk);
void ip6_flush_pending_frames(sock* sk);
sk_buff* __ip6_make_skb(sock* sk, sk_buff_head* queue, inet_cork_full* cork);
sk_buff* ip6_make_skb(sock* sk, ip_getfrag_t getfrag, void* from, uint32_t length,
                      uint32_t transhdrlen, ipcm6_cookie* ipc6, rt6_info* rt, uint32_t flags,
                      inet_cork_full* cork, int* err);
inline sk_buff* ip6_finish_skb(sock* sk) {
  return __ip6_make_skb(sk, &sk->sk_write_queue, &inet_sk(sk)->cork);
}
int ip6_send_skb(sk_buff* skb);
// The identification of fragments to a destination (ipv6_select_ident).
uint32_t ipv6_select_ident(net& net, const Ipv6Address& daddr, const Ipv6Address& saddr);
// A flow label made of the flow's hash, where the socket or sysctl auto_flowlabels wants one; host
// order (ip6_make_flowlabel).
uint32_t ip6_make_flowlabel(net& net, const sk_buff* skb, uint32_t flowlabel, bool autolabel,
                            const flowi6& fl6);
bool ip6_autoflowlabel(net& net, const sock* sk);
// Hop limit: of a packet to a group, the socket's, or the route's.
uint8_t ip6_sk_dst_hoplimit(const ipv6_pinfo* np, const flowi6& fl6, const dst_entry* dst);
// Offers GSO of IPv6 packets (ip6_offload.cc).
extern const packet_offload ipv6_packet_offload;

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_IPV6_H_
