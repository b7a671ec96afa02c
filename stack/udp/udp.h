// UDP (net/ipv4/udp.c; RFC 768, RFC 1122 4.1).
//
//   in:  ip_protocol_deliver_rcu -> udp_rcv -> __udp4_lib_rcv (checks, lookup) -> udp_queue_rcv_skb
//   ->
//        __udp_enqueue_schedule_skb -> socket queue -> udp_recvmsg
//   out: udp_sendmsg -> ip_make_skb -> udp_send_skb -> ip_send_skb, or corked: ip_append_data ...
//   udp_push_pending_frames
//
// Sockets are found in two tables, by port and by port and address (udp_table.h). Addresses carry
// both families; the paths here are IPv4's.
#ifndef TAPEDECK_STACK_UDP_UDP_H_
#define TAPEDECK_STACK_UDP_UDP_H_

#include <cstdint>

#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/kernel/slab.h"
#include "stack/udp/udp_table.h"
#include "stack/wire/udp.h"

namespace tapedeck {

struct udp_sock : inet_sock, ListNode<UdpHashTag>, ListNode<UdpHash2Tag> {
  using inet_sock::inet_sock;

  uint16_t udp_port_hash = 0;      // the port by which it is hashed
  uint16_t udp_portaddr_slot = 0;  // in the second table
  bool hashed = false;
  bool corkflag = false;  // UDP_CORK
  bool no_check6_tx = false;
  bool no_check6_rx = false;
  // 0, or kAfInet: a datagram is being put together (lock_sock is not held meanwhile; the cork is).
  uint16_t pending = 0;
  uint32_t len = 0;  // of that datagram so far, with its UDP header
  // The input route of what came last, for early demux of connected sockets; a reference.
  dst_entry* sk_rx_dst = nullptr;
  // UDP_ENCAP: a tunnel on this socket sees packets first. Returns 0: taken; > 0: to be queued as
  // usual; < 0: minus the protocol to go on with. Null: none.
  int (*encap_rcv)(sock* sk, sk_buff* skb) = nullptr;
};
inline udp_sock* udp_sk(sock* sk) { return static_cast<udp_sock*>(sk); }
inline const udp_sock* udp_sk(const sock* sk) { return static_cast<const udp_sock*>(sk); }

inline const wire::UdpHeader* udp_hdr(const sk_buff* skb) {
  return reinterpret_cast<const wire::UdpHeader*>(skb_transport_header(skb));
}

// Socket options of level kSolUdp (udp.h), where each name is a macro.
inline constexpr int kSolUdp = 17;
enum : int { kUdpCork = 1, kUdpNoCheck6Tx = 101, kUdpNoCheck6Rx = 102 };

// All UDP state of a host.
struct netns_udp {
  explicit netns_udp(net& its_net);
  netns_udp(const netns_udp&) = delete;
  netns_udp& operator=(const netns_udp&) = delete;

  net& host_net;
  udp_table table;
  SlabCache<udp_sock> sockets;
  proto_memory memory;
  uint32_t ehash_secret;    // of the hash that spreads flows over SO_REUSEPORT groups
  Prng prng;                // of port numbers
  int32_t early_demux = 1;  // net/ipv4/udp_early_demux
  int32_t udp_mem[3];       // net/ipv4/udp_mem: memory.sysctl_mem as the file has it
};
inline netns_udp& net_udp(net& net) { return *net.udp; }

// Brings UDP up on a host: after ipv4_init, once. And takes it off IPv4, before ipv4_exit; sockets
// that packets on their way out still hold end with those.
void udp_init(net& net);
void udp_exit(net& net);

extern const proto udp_prot;

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_UDP_UDP_H_
