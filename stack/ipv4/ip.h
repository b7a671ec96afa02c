// IPv4 input, forwarding and output (net/ipv4/ip_input.c, ip_forward.c, ip_output.c).
//
//   in:   ip_rcv -> ip_rcv_core -> ip_rcv_finish (early demux, ip_route_input_noref, options) ->
//   dst_input ->
//         ip_local_deliver (reassembly) -> ip_protocol_deliver_rcu (raw sockets, protocol)  |
//         ip_forward
//   out:  ip_queue_xmit, ip_build_and_send_pkt, ip_send_skb -> ip_local_out -> dst_output ->
//   ip_output ->
//         ip_finish_output -> (ip_fragment) -> ip_finish_output2 -> neigh_output
//
// Functions that take an sk_buff own it unless they say otherwise. Output functions return 0,
// NET_XMIT_* or -errno.
#ifndef TAPEDECK_STACK_IPV4_IP_H_
#define TAPEDECK_STACK_IPV4_IP_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/core/dev.h"
#include "stack/core/flow.h"
#include "stack/core/msghdr.h"
#include "stack/core/sock.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/ipv4/ip_options.h"
#include "stack/ipv4/protocol.h"
#include "stack/ipv4/route.h"

namespace tapedeck {

struct net;

// --- Input: packet_type functions and dst_entry::input. ---

int ip_rcv(sk_buff* skb, net_device* dev, packet_type* pt, net_device* orig_dev);
void ip_list_rcv(sk_buff_head* list, packet_type* pt, net_device* orig_dev);
int ip_local_deliver(sk_buff* skb);
// Hands data at the transport header to raw sockets and its protocol; answers with protocol
// unreachable where nobody is.
void ip_protocol_deliver_rcu(net& net, sk_buff* skb, uint8_t protocol);
int ip_forward(sk_buff* skb);
// A router alert option on a packet that we forward: true where raw sockets of it took it.
bool ip_call_ra_chain(sk_buff* skb);

// --- Output. ---

// Sends a packet whose header is complete but for length and checksum.
int ip_local_out(net& net, sock* sk, sk_buff* skb);
// The same without dst_output: 1 where the caller has to go on with it.
int __ip_local_out(net& net, sock* sk, sk_buff* skb);
// dst_entry::output of unicast, and of multicast and broadcast, which also come back to us where we
// listen.
int ip_output(net& net, sock* sk, sk_buff* skb);
int ip_mc_output(net& net, sock* sk, sk_buff* skb);

// Puts an IP header before a segment of a connected socket, routing it anew where its route is
// stale, and sends it.
int __ip_queue_xmit(sock* sk, sk_buff* skb, flowi4* fl, uint8_t tos);
int ip_queue_xmit(sock* sk, sk_buff* skb, flowi* fl);
// The same for a packet with its route (skb->dst), as for a SYN-ACK: no socket options but `opt`,
// which may be null.
int ip_build_and_send_pkt(sk_buff* skb, const sock* sk, Ipv4Address saddr, Ipv4Address daddr,
                          const ip_options_data* opt, uint8_t tos);

// Copies `len` bytes from what `from` points to, starting at `offset`, to `to`; with skb->ip_summed
// NONE or PARTIAL as said. For ip_append_data. 0 or -EFAULT.
using ip_getfrag_t = int (*)(void* from, uint8_t* to, uint32_t offset, uint32_t len, uint32_t odd,
                             sk_buff* skb);
// from = msghdr*: its msg_iter. The checksum of the bytes is added to skb->csum unless it is
// PARTIAL.
int ip_generic_getfrag(void* from, uint8_t* to, uint32_t offset, uint32_t len, uint32_t odd,
                       sk_buff* skb);

// Corked output: the first call fixes the route (`*rtp`, whose reference moves to the cork and
// becomes nullptr) and options, later ones add bytes. The fragments gather in sk_write_queue;
// ip_push_pending_frames sends the datagram, ip_flush_pending_frames forgets it. `length` and
// `transhdrlen` (bytes of transport header in the first packet) as in the kernel. 0, -EMSGSIZE,
// -EAGAIN (send buffer), -EFAULT, -ENOBUFS.
int ip_append_data(sock* sk, flowi4* fl4, ip_getfrag_t getfrag, void* from, uint32_t length,
                   uint32_t transhdrlen, ipcm_cookie* ipc, rtable** rtp, uint32_t flags);
int ip_push_pending_frames(sock* sk, flowi4* fl4);
void ip_flush_pending_frames(sock* sk);
// The packet made of what is corked (its fragments in frag_list), with its IP header; the cork is
// released. nullptr where nothing was.
sk_buff* __ip_make_skb(sock* sk, flowi4* fl4, sk_buff_head* queue, inet_cork* cork);
inline sk_buff* ip_finish_skb(sock* sk, flowi4* fl4) {
  return __ip_make_skb(sk, fl4, &sk->sk_write_queue, &inet_sk(sk)->cork.base);
}

// Uncorked output: one datagram at once, without the socket's queue. nullptr and *err on failure;
// nullptr and *err == 0 for MSG_PROBE. Send with ip_send_skb.
sk_buff* ip_make_skb(sock* sk, flowi4* fl4, ip_getfrag_t getfrag, void* from, uint32_t length,
                     uint32_t transhdrlen, ipcm_cookie* ipc, rtable** rtp, inet_cork* cork,
                     uint32_t flags, int* err);
// ip_local_out with the counting and errors of a datagram.
int ip_send_skb(net& net, sk_buff* skb);

// What ip_send_unicast_reply sends: one piece whose checksum is completed at `csumoffset` bytes,
// negative: none.
struct ip_reply_arg {
  const uint8_t* data = nullptr;
  uint32_t len = 0;
  wsum csum = 0;  // of the pseudo-header
  int csumoffset = -1;
  int bound_dev_if = 0;
  uint8_t tos = 0;
  uint8_t flags = 0;  // FLOWI_FLAG_*
};
// Answers `skb` with the piece `arg` (a RST, an ACK of a time-wait socket) from and to the given
// addresses, with its options `sopt` echoed. `sk` is a control socket of the transport (one per
// host); its settings are used.
void ip_send_unicast_reply(sock* sk, sk_buff* skb, const ip_options& sopt, Ipv4Address daddr,
                           Ipv4Address saddr, const ip_reply_arg& arg, uint32_t len);

// Cuts a packet into fragments that fit and gives each to `output`.
int ip_do_fragment(net& net, sock* sk, sk_buff* skb,
                   int (*output)(struct net& net, sock* sk, sk_buff* skb));

// Sets tot_len and check. REQUIRES: the header is linear and private.
void ip_send_check(wire::Ipv4Header* iph);
// Gives the header its ID: none is needed for a datagram that cannot be fragmented (RFC 6864),
// otherwise the socket's sequence or one by destination.
void ip_select_ident_segs(net& net, wire::Ipv4Header* iph, const sock* sk, bool ignore_df,
                          uint32_t segs);
void __ip_select_ident(net& net, wire::Ipv4Header* iph, uint32_t segs);

// --- Control messages of datagram sockets (net/ipv4/ip_sockglue.c). ---

// Takes what msg's control messages of levels IP and SOCKET say into `ipc`. 0, -EINVAL.
int ip_cmsg_send(sock* sk, msghdr* msg, ipcm_cookie* ipc);
// Tells the user what he asked for by cmsg_flags: IP_PKTINFO, IP_TTL, IP_TOS, ... The packet has
// been through ipv4_pktinfo_prepare; its network and transport headers are set.
void ip_cmsg_recv(msghdr* msg, sock* sk, sk_buff* skb);
// The same of a datagram that was read from `offset` on, behind a transport header of
// `transport_bytes`.
void ip_cmsg_recv_offset(msghdr* msg, sock* sk, sk_buff* skb, uint32_t transport_bytes,
                         uint32_t offset);
// Whether the socket of `sk` lets members of a group on this host hear it, too.
bool sk_mc_loop(const sock* sk);
void ipv4_pktinfo_keep(sk_buff* skb);
// Before a packet is queued on a socket: what IP_PKTINFO will need is kept in the control block (in
// place of the options' first hop), and the route goes where `drop_dst`.
[[gnu::always_inline]] inline void ipv4_pktinfo_prepare(const sock* sk, sk_buff* skb,
                                                        bool drop_dst) {
  // A socket of IPv6 tells it by IPV6_PKTINFO.
  const bool wanted = (inet_sk(sk)->cmsg_flags & IP_CMSG_PKTINFO) != 0 || sk->sk_family == kAfInet6;
  if (wanted && skb->dst != nullptr) {
    ipv4_pktinfo_keep(skb);
  } else {
    IPCB(skb)->iif = 0;
    IPCB(skb)->opt.faddr = kIpv4Any;
  }
  if (drop_dst) skb_dst_drop(skb);
}
// ifindex of the device a packet for us came in by, as a socket is bound to it.
inline int inet_iif(const sk_buff* skb) {
  const rtable* const rt = skb_rtable(skb);
  return rt != nullptr && rt->rt_iif != 0 ? rt->rt_iif : skb->skb_iif;
}

// Values of the user interface (in.h), where each name is a macro: IP_TOS is kIpTos.
inline constexpr int kSolIp = 0;
enum : int {
  kIpTos = 1,
  kIpTtl = 2,
  kIpHdrincl = 3,
  kIpOptions = 4,
  kIpRouterAlert = 5,
  kIpRecvopts = 6,
  kIpRetopts = 7,
  kIpPktinfo = 8,
  kIpPktoptions = 9,
  kIpMtuDiscover = 10,
  kIpRecverr = 11,
  kIpRecvttl = 12,
  kIpRecvtos = 13,
  kIpMtu = 14,
  kIpFreebind = 15,
  kIpPasssec = 18,
  kIpTransparent = 19,
  kIpOrigdstaddr = 20,
  kIpMinttl = 21,
  kIpNodefrag = 22,
  kIpChecksum = 23,
  kIpBindAddressNoPort = 24,
  kIpRecvfragsize = 25,
  kIpMulticastIf = 32,
  kIpMulticastTtl = 33,
  kIpMulticastLoop = 34,
  kIpAddMembership = 35,
  kIpDropMembership = 36,
  kIpMulticastAll = 49,
  kIpUnicastIf = 50,
  kIpLocalPortRange = 51,
  kIpProtocolOption = 52,  // IP_PROTOCOL
};
struct in_pktinfo {
  int32_t ipi_ifindex;
  Ipv4Address ipi_spec_dst;  // our side
  Ipv4Address ipi_addr;      // the header's destination
};
static_assert(sizeof(in_pktinfo) == 12);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_IP_H_
