// Where UDP sockets are found (struct udp_table): one table by port, which answers "is this port
// taken" and walks the receivers of a multicast; one by port and address, which finds the receiver
// of a unicast.
#ifndef TAPEDECK_STACK_UDP_UDP_TABLE_H_
#define TAPEDECK_STACK_UDP_UDP_TABLE_H_

#include <cstdint>

#include "stack/base/byteorder.h"
#include "stack/base/hash.h"
#include "stack/base/ip_address.h"
#include "stack/base/list.h"
#include "stack/base/slot_bits.h"
#include "stack/core/net.h"
#include "stack/core/sock.h"

namespace tapedeck {

struct inet_sock;
struct udp_sock;
struct UdpHashTag;
struct UdpHash2Tag;

// Whether a socket receives from the device `dif`.
inline bool udp_sk_bound_dev_eq(const sock* sk, int dif) {
  return sk->sk_bound_dev_if == 0 || sk->sk_bound_dev_if == dif;
}

struct udp_hslot {
  List<udp_sock, UdpHashTag> sockets;  // newest first
  uint32_t count = 0;
};
struct udp_hslot2 {
  List<udp_sock, UdpHash2Tag> sockets;  // newest first
};

struct udp_table {
  // UDP_HTABLE_SIZE_MIN; Linux takes more on machines with much memory. A power of two.
  static constexpr uint32_t kSlots = 256;
  static constexpr uint32_t kMask = kSlots - 1;
  static constexpr uint32_t kPortsPerChain = 65536 / kSlots;

  udp_hslot hash[kSlots];
  udp_hslot2 hash2[kSlots];
  uint64_t used[SlotWords(kSlots)] = {};  // bits of the slots of `hash` that are not empty
};

// The slot of a port: neighbouring ports share none, so that a search for a free one asks few
// slots.
inline uint32_t udp_hashfn(const net& net, uint16_t port) {
  return (port + net.hash_mix) & udp_table::kMask;
}
// The slot of a local address and port in the second table.
inline uint32_t ipv4_portaddr_hash(const net& net, Ipv4Address address, uint16_t port) {
  return (jhash_1word(address.host(), net.hash_mix) ^ port) & udp_table::kMask;
}
uint32_t udp_portaddr_hashfn(const net& net, const IpAddress& address, uint16_t port);

// The slots, most of them empty, are tracked memory (Arena::Track) from now on.
void udp_table_track(net& net);

// proto::get_port: gives the socket local port `snum`, or a free one of
// net/ipv4/ip_local_port_range where that is 0, and puts it into the tables. 0; -EADDRINUSE where
// it is taken (by whom, is for SO_REUSEADDR and SO_REUSEPORT to excuse) or none is free.
int udp_v4_get_port(sock* sk, uint16_t snum);
// proto::unhash.
void udp_lib_unhash(sock* sk);
// The socket's local address has changed: moves it in the second table.
void udp_lib_rehash(sock* sk);

// reuseport_select_sock: the member of `sk`'s SO_REUSEPORT group in `slot` that a flow of this hash
// belongs to, oldest first; where some have asked for a CPU (SO_INCOMING_CPU), the first from there
// on that wants the running one, if any does. REQUIRES: `sk` is a member that is not connected.
struct UdpGroupChoice {
  udp_sock* sk;
  bool has_conns;  // some are connected: they take their own peer's packets, by their score
};
UdpGroupChoice udp_reuseport_select(udp_hslot2& slot, udp_sock* sk, uint32_t hash);

// A packet's addresses, seen from us: `daddr` and `dport` are local.
struct udp_flow4 {
  Ipv4Address saddr;
  Ipv4Address daddr;
  be16 sport;
  uint16_t hnum;  // local port, host order
  int dif;        // ifindex it came in by
};
// The socket that fits best: connected to the sender, then bound to a device, an address, to any.
// Among equals of an SO_REUSEPORT group the flow's hash decides, otherwise the newest. nullptr
// where none fits.
udp_sock* __udp4_lib_lookup(net& net, const udp_flow4& flow);
// The connected socket of exactly this flow, if it is the first of its chain: for early demux.
udp_sock* __udp4_lib_demux_lookup(net& net, const udp_flow4& flow);
// The one socket that wants this multicast, nullptr where there are several or the chain is long.
udp_sock* __udp4_lib_mcast_demux_lookup(net& net, const udp_flow4& flow);
// Whether a socket is to get a copy of a multicast or broadcast.
bool __udp_is_mcast_sock(const udp_sock* sk, const udp_flow4& flow);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_UDP_UDP_TABLE_H_
