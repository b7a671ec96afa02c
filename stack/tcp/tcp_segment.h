// What a segment's IP header says, whichever family it is of: TCP is one, what it stands on is two.
#ifndef TAPEDECK_STACK_TCP_TCP_SEGMENT_H_
#define TAPEDECK_STACK_TCP_TCP_SEGMENT_H_

#include <cstdint>

#include "stack/ipv4/ip.h"
#include "stack/ipv6/in6.h"
#include "stack/tcp/tcp_sock.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {

inline bool tcp_is_v4(const sk_buff* skb) { return skb->protocol == wire::kEtherTypeIpv4; }
inline IpAddress tcp_saddr(const sk_buff* skb) {
  return tcp_is_v4(skb) ? IpAddress(ip_hdr(skb)->saddr) : IpAddress(ipv6_hdr(skb)->saddr);
}
inline IpAddress tcp_daddr(const sk_buff* skb) {
  return tcp_is_v4(skb) ? IpAddress(ip_hdr(skb)->daddr) : IpAddress(ipv6_hdr(skb)->daddr);
}
// TTL or hop limit; TOS or traffic class.
inline uint8_t tcp_ttl(const sk_buff* skb) {
  return tcp_is_v4(skb) ? ip_hdr(skb)->ttl : ipv6_hdr(skb)->hop_limit;
}
inline uint8_t tcp_dsfield(const sk_buff* skb) {
  return tcp_is_v4(skb) ? ip_hdr(skb)->tos : ipv6_hdr(skb)->traffic_class();
}

// The network layer's control block of a segment in TCP's hands (after tcp_fill_cb).
inline const inet_skb_parm* tcp_v4_ipcb(const sk_buff* skb) {
  return reinterpret_cast<const inet_skb_parm*>(TCP_SKB_CB(skb)->header);
}
inline const inet6_skb_parm* tcp_v6_ipcb(const sk_buff* skb) {
  return reinterpret_cast<const inet6_skb_parm*>(TCP_SKB_CB(skb)->header);
}
// ifindex of the device that a segment in TCP's hands came in by.
inline int tcp_iif(const sk_buff* skb) {
  return tcp_is_v4(skb) ? inet_iif(skb) : tcp_v6_ipcb(skb)->iif;
}

// The control block becomes TCP's; the network layer's moves behind what TCP keeps there
// (tcp_v4_fill_cb) / back, for another lookup. REQUIRES: the header is linear.
void tcp_fill_cb(sk_buff* skb);
void tcp_restore_cb(sk_buff* skb);

// Finds the owner of a segment whose header is linear and whose checksum is not known to be wrong,
// and gives it to him; or refuses it. `dif`: ifindex it came in by. Owns the packet. 0.
int tcp_rcv_segment(sk_buff* skb, int dif);
// The same for early demux: the connection's socket and route.
void tcp_early_demux(sk_buff* skb, int dif);
// A segment for `sk`, which is not owned; owns it (tcp_v4_do_rcv). 0.
int tcp_do_rcv(sock* sk, sk_buff* skb);
// What is the same of every segment: room for its header. CONSUMED; else counted where due.
DropReason tcp_check_header(net& net, sk_buff* skb);
void tcp_count_checksum_error(net& net);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_SEGMENT_H_
