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
  bool gro_enabled = false;    // UDP_GRO: the user hears of segment sizes
  bool accept_udp_l4 = false;  // takes packets of several datagrams as they are
  bool encap_enabled = false;  // counts in netns_udp::encap_needed
  uint8_t encap_type = 0;      // UDP_ENCAP
  uint16_t gso_size = 0;       // UDP_SEGMENT: payload of each datagram of a send; 0: one datagram
  // 0, or kAfInet or kAfInet6: a datagram of that family is being put together (lock_sock is not
  // held meanwhile; the cork is).
  uint16_t pending = 0;
  uint32_t len = 0;  // of that datagram so far, with its UDP header
  // See udp_queue.h.
  sk_buff_head reader_queue;
  uint32_t forward_deficit = 0;
  // The input route of what came last, for early demux of connected sockets; a reference.
  dst_entry* sk_rx_dst = nullptr;
  uint32_t sk_rx_dst_cookie = 0;

  // A tunnel on this socket (setup_udp_tunnel_sock). Any may be null.
  // Sees packets first, data at the UDP header. 0: taken; > 0: to be queued as usual; < 0: minus
  // the protocol to go on with.
  int (*encap_rcv)(sock* sk, sk_buff* skb) = nullptr;
  // An ICMP error about a packet of the tunnel: whether the tunnel knows it, 0 or -errno; headers
  // are those of the quoted packet.
  int (*encap_err_lookup)(sock* sk, sk_buff* skb) = nullptr;
  // ... and what it says: `err` an errno, `payload_offset` from data to what UDP carried.
  void (*encap_err_rcv)(sock* sk, sk_buff* skb, int err, be16 port, uint32_t info,
                        uint32_t payload_offset) = nullptr;
  void (*encap_destroy)(sock* sk) = nullptr;
};
inline udp_sock* udp_sk(sock* sk) { return static_cast<udp_sock*>(sk); }
inline const udp_sock* udp_sk(const sock* sk) { return static_cast<const udp_sock*>(sk); }

inline const wire::UdpHeader* udp_hdr(const sk_buff* skb) {
  return reinterpret_cast<const wire::UdpHeader*>(skb_transport_header(skb));
}

// Socket options of level kSolUdp (udp.h), where each name is a macro.
inline constexpr int kSolUdp = 17;
enum : int {
  kUdpCork = 1,
  kUdpEncap = 100,
  kUdpNoCheck6Tx = 101,
  kUdpNoCheck6Rx = 102,
  kUdpSegment = 103,
  kUdpGro = 104,
};
// Datagrams of one send with UDP_SEGMENT (UDP_MAX_SEGMENTS).
inline constexpr uint32_t kUdpMaxSegments = 1U << 7;
// UDP_ENCAP's values that there are without IPsec: none, and L2TP, whose packets the user reads.
enum : int { kUdpEncapNone = 0, kUdpEncapL2tpInUdp = 3 };

// What a tunnel in the kernel wants of its socket (struct udp_tunnel_sock_cfg); members as those of
// udp_sock.
struct udp_tunnel_sock_cfg {
  void* sk_user_data = nullptr;
  uint8_t encap_type = 0;
  int (*encap_rcv)(sock* sk, sk_buff* skb) = nullptr;
  int (*encap_err_lookup)(sock* sk, sk_buff* skb) = nullptr;
  void (*encap_err_rcv)(sock* sk, sk_buff* skb, int err, be16 port, uint32_t info,
                        uint32_t payload_offset) = nullptr;
  void (*encap_destroy)(sock* sk) = nullptr;
};
// From now on the tunnel has what comes in on `sk`.
void setup_udp_tunnel_sock(sock* sk, const udp_tunnel_sock_cfg& cfg);

// All UDP state of a host.
struct netns_udp {
  explicit netns_udp(net& its_net);
  netns_udp(const netns_udp&) = delete;
  netns_udp& operator=(const netns_udp&) = delete;

  net& host_net;
  udp_table table;
  SlabCache<udp_sock> sockets;
  proto_memory memory;
  uint32_t ehash_secret;      // of the hash that spreads flows over SO_REUSEPORT groups
  Prng prng;                  // of port numbers
  uint32_t encap_needed = 0;  // sockets that may have a tunnel (udp_encap_needed_key)
  int32_t early_demux = 1;    // net/ipv4/udp_early_demux
  // A socket has been connected: until then early demux has nobody to look for.
  bool has_connected = false;
  // net/ipv4/udp_rmem_min, udp_wmem_min: what a socket may hold when the protocol is short of
  // memory.
  int32_t udp_rmem_min = 4096;
  int32_t udp_wmem_min = 4096;
  int32_t udp_mem[3];  // net/ipv4/udp_mem: memory.sysctl_mem as the file has it
};
inline netns_udp& net_udp(net& net) { return *net.udp; }

// Brings UDP up on a host: after ipv4_init, once. And takes it off IPv4, before ipv4_exit; sockets
// that packets on their way out still hold end with those.
void udp_init(net& net);
void udp_exit(net& net);

extern const proto udp_prot;

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_UDP_UDP_H_
