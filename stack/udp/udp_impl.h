// What the parts of UDP share that speak one IP version each, and nobody else needs.
#ifndef TAPEDECK_STACK_UDP_UDP_IMPL_H_
#define TAPEDECK_STACK_UDP_UDP_IMPL_H_

#include <cstddef>
#include <cstdint>

#include "stack/core/msghdr.h"
#include "stack/core/net.h"
#include "stack/core/skbuff.h"
#include "stack/core/sock.h"
#include "stack/udp/udp.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {

// The counters of the IP version that brought a packet.
inline Mib<UdpMib>& udp_mib_of(net& net, const sk_buff* skb) {
  return skb->protocol == wire::kEtherTypeIpv6 ? net.udp6_mib : net.udp_mib;
}

// --- Members of proto. ---

void udp_free(sock* sk);
// sk_destruct.
void udp_destruct_sock(sock* sk);
void udp_lib_close(sock* sk, SimTime linger_until);
int udp_disconnect(sock* sk, uint32_t flags);
int udp_ioctl(sock* sk, uint32_t command, int* argument);
uint32_t udp_poll(sock* sk);
proto_memory* udp_memory(net& net);

// --- Input. ---

// Drops a datagram whose checksum is wrong, or counts and drops one that is no datagram at all
// (returns 0).
void udp_drop_for_checksum(sk_buff* skb, Mib<UdpMib>& mib);
int udp_drop_malformed(sk_buff* skb, DropReason reason, Mib<UdpMib>& mib);
// Shows a datagram for one socket, data at the UDP header, to its tunnel. True where it goes on to
// the queue, data behind the header; else *ret ends it: 0, -1 dropped, > 0 minus what the tunnel
// returned.
bool udp_pass_tunnel(sock* sk, sk_buff* skb, int* ret);
// Whether the tunnel on `sk` (may be null) knows the packet that an ICMP error quotes, whose
// headers are set for it while it looks: data is at the quoted IP header, UDP's is `udp_offset`
// behind. One that has no way to tell knows all that `sk` hears of, and nothing that it might only
// have sent.
bool udp_tunnel_knows(udp_sock* sk, sk_buff* skb, uint32_t udp_offset, bool hears);
// For IP_CHECKSUM: a checksum that is known to be right, with that `pseudo` header, becomes the sum
// of the datagram.
void udp_convert_checksum(const sock* sk, sk_buff* skb, wsum pseudo);
// Queues it. 0, or -1 where it was dropped.
int __udp_queue_rcv_skb(sock* sk, sk_buff* skb);
// The socket that early demux has found for a packet, with the packet's reference to it; it
// remembers the packet's route for the next one.
udp_sock* udp_take_demuxed_sock(sk_buff* skb);

// --- Receiving. ---

// udp_recvmsg and udpv6_recvmsg but for the error queue: `tell` (may be null) writes the source and
// the control messages of its level, of a datagram that is read from `offset` on.
int64_t udp_recv_datagram(sock* sk, msghdr* msg, size_t len, uint32_t flags,
                          void (*tell)(sock* sk, msghdr* msg, sk_buff* skb, uint32_t offset));
// Of a packet with several datagrams: where one ends and the next begins (UDP_GRO).
void udp_cmsg_recv(msghdr* msg, const sk_buff* skb);

// --- Sending. ---

wire::UdpHeader* udp_hdr_writable(sk_buff* skb);
inline uint16_t udp_mangle_zero(uint16_t checksum) {
  return checksum == 0 ? kCsumMangled0 : checksum;
}
// The sum of a datagram whose pieces were summed while they were copied.
wsum udp_csum(const sk_buff* skb, const wire::UdpHeader* uh);
// Leaves the checksum to the device (or skb_checksum_help), which finishes what the pseudo-header,
// `pseudo`, begins; of a datagram in several pieces, whose sums are known, it is filled in.
// Source: udp4_hwcsum().
void udp_hwcsum(sk_buff* skb, wire::UdpHeader* uh, wsum pseudo, uint32_t len);
// Fills in the rest of a send's accounting: `err` of the network layer. 0 or -errno.
int udp_sent(int err, bool recverr, Mib<UdpMib>& mib);
// What a whole send call returns: `len`, or `err` with a full buffer counted.
int64_t udp_sendmsg_result(const msghdr* msg, size_t len, int err, Mib<UdpMib>& mib);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_UDP_UDP_IMPL_H_
