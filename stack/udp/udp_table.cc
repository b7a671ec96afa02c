#include "stack/udp/udp_table.h"

#include <algorithm>

#include "stack/ipv4/inet_ports.h"
#include "stack/ipv4/inet_rcv_saddr.h"
#include "stack/ipv4/mcast_sock.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/udp/udp.h"

namespace tapedeck {
namespace {

// Longer chains are not searched for the one receiver of a multicast.
constexpr uint32_t kDemuxChainMax = 10;

// Whether a socket receives on `local`, which may be any, by exactly that address. One of IPv6 that
// receives on any does so for IPv4 too.
bool BoundTo(const udp_sock* sk, Ipv4Address local) {
  const IpAddress& bound = sk->inet_rcv_saddr;
  return local == kIpv4Any ? bound.IsAny() : bound == local;
}

// How well a socket fits whose own address does; negative: not at all. With BoundTo the kernel's
// compute_score.
[[gnu::always_inline]] inline int ScoreOfBound(const udp_sock* sk, const udp_flow4& flow) {
  if (sk->udp_port_hash != flow.hnum || sk->sk_ipv6only) return -1;
  int score = sk->sk_family == kAfInet ? 2 : 1;
  if (!sk->inet_daddr.IsAny()) {
    if (!(sk->inet_daddr == flow.saddr)) return -1;
    score += 4;
  }
  if (sk->inet_dport != be16{}) {
    if (sk->inet_dport != flow.sport) return -1;
    score += 4;
  }
  if (!udp_sk_bound_dev_eq(sk, flow.dif)) return -1;
  if (sk->sk_bound_dev_if != 0) score += 4;
  if (sk->sk_incoming_cpu == sk->sk_net.this_cpu().id()) ++score;
  return score;
}

int ComputeScore(const udp_sock* sk, const udp_flow4& flow, Ipv4Address local) {
  return BoundTo(sk, local) ? ScoreOfBound(sk, flow) : -1;
}

// Whether two sockets share one port of one address by SO_REUSEPORT.
bool SameReuseportGroup(const udp_sock* a, const udp_sock* b) {
  return a->sk_reuseport && b->sk_reuseport && a->udp_port_hash == b->udp_port_hash &&
         a->sk_family == b->sk_family && a->sk_uid == b->sk_uid &&
         a->sk_bound_dev_if == b->sk_bound_dev_if && a->inet_rcv_saddr == b->inet_rcv_saddr;
}

// The member at `index` of `sk`'s group, without its connections, counted from the oldest.
udp_sock* MemberAt(udp_hslot2& slot, const udp_sock* sk, uint32_t index) {
  for (udp_sock* other = slot.sockets.back(); other != nullptr; other = slot.sockets.Prev(other)) {
    if (other->sk_state == TCP_ESTABLISHED || !SameReuseportGroup(sk, other)) continue;
    if (index-- == 0) return other;
  }
  return nullptr;
}

uint32_t Ehash(const net& net, const udp_flow4& flow) {
  const uint32_t ports = uint32_t{flow.sport.host()} << 16 | flow.hnum;
  return jhash_3words(flow.daddr.host(), flow.saddr.host(), ports, net.udp->ehash_secret);
}

udp_sock* Lookup2(net& net, const udp_flow4& flow, Ipv4Address local) {
  udp_hslot2& slot = net_udp(net).table.hash2[ipv4_portaddr_hash(net, local, flow.hnum)];
  udp_sock* best = nullptr;
  int best_score = 0;
  for (udp_sock& sk : slot.sockets) {
    const int score = ComputeScore(&sk, flow, local);
    if (score <= best_score) continue;
    best = &sk;
    best_score = score;
    if (!sk.sk_reuseport || sk.sk_state == TCP_ESTABLISHED) continue;
    const UdpGroupChoice choice = udp_reuseport_select(slot, &sk, Ehash(net, flow));
    // Scores matter within a group only where connections take part.
    if (!choice.has_conns) return choice.sk;
    best = choice.sk;
    best_score = std::max(score, ComputeScore(best, flow, local));
  }
  return best;
}

// Whether `other`, which has a port, keeps `sk` from having it too, but for SO_REUSEPORT.
bool Conflicts(const udp_sock* sk, const udp_sock* other) {
  if (other == sk || (other->sk_reuse != 0 && sk->sk_reuse != 0)) return false;
  if (other->sk_bound_dev_if != 0 && sk->sk_bound_dev_if != 0 &&
      other->sk_bound_dev_if != sk->sk_bound_dev_if) {
    return false;
  }
  return inet_rcv_saddr_equal(sk, other, true);
}
bool MayShare(const udp_sock* sk, const udp_sock* other) {
  return other->sk_reuseport && sk->sk_reuseport && sk->sk_uid == other->sk_uid;
}

// udp_lib_lport_inuse. As in Linux the first socket with which the port may be shared vouches for
// the rest.
bool PortInUse(const udp_sock* sk, const udp_hslot& slot, uint16_t port) {
  for (const udp_sock& other : slot.sockets) {
    if (other.udp_port_hash == port && Conflicts(sk, &other)) return !MayShare(sk, &other);
  }
  return false;
}

// The ports of one chain that are taken, by their order in it.
struct PortBitmap {
  uint64_t words[udp_table::kPortsPerChain / 64] = {};
  static uint32_t IndexOf(uint16_t port) { return port / udp_table::kSlots; }
  void Set(uint16_t port) { words[IndexOf(port) / 64] |= uint64_t{1} << (IndexOf(port) % 64); }
  bool Has(uint16_t port) const {
    return (words[IndexOf(port) / 64] >> (IndexOf(port) % 64) & 1) != 0;
  }
};

PortBitmap TakenPorts(const udp_sock* sk, const udp_hslot& slot) {
  PortBitmap taken;
  for (const udp_sock& other : slot.sockets) {
    if (Conflicts(sk, &other) && !MayShare(sk, &other)) taken.Set(other.udp_port_hash);
  }
  return taken;
}

// A free port of the socket's range, 0 where there is none. Chain after chain from a
// random one on; in a chain in steps of a random odd multiple of the table's size, so that all of
// its ports come up.
uint16_t FindFreePort(udp_sock* sk) {
  net& net = sk->sk_net;
  netns_udp& ns = net_udp(net);
  const PortRange range = inet_sk_get_local_port_range(sk);
  const uint32_t ports = uint32_t{range.high} - range.low + 1;
  const uint32_t random = ns.prng.Next32();
  const auto first = static_cast<uint16_t>(range.low + (uint64_t{random} * ports >> 32));
  const auto step = static_cast<uint16_t>((random | 1) * udp_table::kSlots);
  for (uint32_t chain = 0; chain < udp_table::kSlots; ++chain) {
    const auto start = static_cast<uint16_t>(first + chain);
    const PortBitmap taken = TakenPorts(sk, ns.table.hash[udp_hashfn(net, start)]);
    uint16_t port = start;
    do {
      const bool free = port >= range.low && port <= range.high && !taken.Has(port);
      if (free && !inet_is_local_reserved_port(net, port)) return port;
      port = static_cast<uint16_t>(port + step);
    } while (port != start);
  }
  return 0;
}

// The slots that `sk` is in, or is to be in, are about to be written.
void WroteSlots(udp_sock* sk) {
  net& net = sk->sk_net;
  udp_table& table = net_udp(net).table;
  Arena& arena = net.world.arena();
  arena.Wrote(&table.hash[udp_hashfn(net, sk->udp_port_hash)], sizeof(udp_hslot));
  arena.Wrote(&table.hash2[sk->udp_portaddr_slot], sizeof(udp_hslot2));
}

void Hash(udp_sock* sk) {
  net& net = sk->sk_net;
  udp_table& table = net_udp(net).table;
  udp_hslot& slot = table.hash[udp_hashfn(net, sk->udp_port_hash)];
  slot.sockets.PushFront(sk);
  ++slot.count;
  SetSlot(table.used, udp_hashfn(net, sk->udp_port_hash));
  sk->udp_portaddr_slot =
      static_cast<uint16_t>(udp_portaddr_hashfn(net, sk->inet_rcv_saddr, sk->udp_port_hash));
  WroteSlots(sk);
  // Those of IPv6 that share a port are asked last, or they would have IPv4's packets too.
  udp_hslot2& slot2 = table.hash2[sk->udp_portaddr_slot];
  if (sk->sk_reuseport && sk->sk_family == kAfInet6) {
    slot2.sockets.PushBack(sk);
  } else {
    slot2.sockets.PushFront(sk);
  }
  sk->hashed = true;
  ++net_udp(net).memory.sockets;
}

}  // namespace

void udp_table_track(net& net) {
  udp_table& table = net_udp(net).table;
  net.world.arena().Track(table.hash, sizeof(table.hash));
  net.world.arena().Track(table.hash2, sizeof(table.hash2));
}

uint32_t udp_portaddr_hashfn(const net& net, const IpAddress& address, uint16_t port) {
  if (address.is_v4()) return ipv4_portaddr_hash(net, address.v4(), port);
  const Ipv6Address& v6 = address.v6();
  const uint32_t words[] = {v6.word(0), v6.word(1), v6.word(2), v6.word(3)};
  const uint32_t hash =
      address.IsAny() ? jhash_1word(0, net.hash_mix) : jhash2(words, net.hash_mix);
  return (hash ^ port) & udp_table::kMask;
}

int udp_v4_get_port(sock* sk, uint16_t snum) {
  udp_sock* const up = udp_sk(sk);
  net& net = sk->sk_net;
  if (snum == 0) {
    snum = FindFreePort(up);
    if (snum == 0) return -EADDRINUSE;
  } else if (PortInUse(up, net_udp(net).table.hash[udp_hashfn(net, snum)], snum)) {
    return -EADDRINUSE;
  }
  up->inet_num = up->udp_port_hash = snum;
  if (!up->hashed) Hash(up);
  return 0;
}

void udp_lib_unhash(sock* sk) {
  udp_sock* const up = udp_sk(sk);
  if (!up->hashed) return;
  udp_table& table = net_udp(sk->sk_net).table;
  const uint32_t slot = udp_hashfn(sk->sk_net, up->udp_port_hash);
  WroteSlots(up);
  if (--table.hash[slot].count == 0) ClearSlot(table.used, slot);
  static_cast<ListNode<UdpHashTag>*>(up)->Unlink();
  static_cast<ListNode<UdpHash2Tag>*>(up)->Unlink();
  up->hashed = false;
  up->inet_num = 0;
  --net_udp(sk->sk_net).memory.sockets;
}

void udp_lib_rehash(sock* sk) {
  udp_sock* const up = udp_sk(sk);
  if (!up->hashed) return;
  const auto slot =
      static_cast<uint16_t>(udp_portaddr_hashfn(sk->sk_net, up->inet_rcv_saddr, up->udp_port_hash));
  if (slot == up->udp_portaddr_slot) return;
  WroteSlots(up);
  static_cast<ListNode<UdpHash2Tag>*>(up)->Unlink();
  up->udp_portaddr_slot = slot;
  WroteSlots(up);
  net_udp(sk->sk_net).table.hash2[slot].sockets.PushFront(up);
}

UdpGroupChoice udp_reuseport_select(udp_hslot2& slot, udp_sock* sk, uint32_t hash) {
  UdpGroupChoice choice = {nullptr, false};
  uint32_t members = 0;
  bool by_cpu = false;
  for (const udp_sock& other : slot.sockets) {
    if (!SameReuseportGroup(sk, &other)) continue;
    if (other.sk_state == TCP_ESTABLISHED) {
      choice.has_conns = true;
      continue;
    }
    ++members;
    by_cpu = by_cpu || other.sk_incoming_cpu >= 0;
  }
  const auto first = static_cast<uint32_t>(uint64_t{hash} * members >> 32);
  choice.sk = MemberAt(slot, sk, first);
  const int cpu = sk->sk_net.this_cpu().id();
  for (uint32_t i = 0; by_cpu && i < members; ++i) {
    udp_sock* const member = MemberAt(slot, sk, (first + i) % members);
    if (member->sk_incoming_cpu != cpu) continue;
    choice.sk = member;
    break;
  }
  return choice;
}

udp_sock* __udp4_lib_lookup(net& net, const udp_flow4& flow) {
  // Where one socket alone has a port of this chain, nobody competes with it and it needs no
  // searching for. Any address is what it is bound to, or it has to be this one.
  const udp_hslot& slot = net_udp(net).table.hash[udp_hashfn(net, flow.hnum)];
  if (slot.count <= 1) {
    udp_sock* const only = slot.sockets.front();
    if (only == nullptr) return nullptr;
    const IpAddress& bound = only->inet_rcv_saddr;
    if (!bound.IsAny() && !(bound == flow.daddr)) return nullptr;
    return ScoreOfBound(only, flow) > 0 ? only : nullptr;
  }
  udp_sock* const sk = Lookup2(net, flow, flow.daddr);
  return sk != nullptr ? sk : Lookup2(net, flow, kIpv4Any);
}

udp_sock* __udp4_lib_demux_lookup(net& net, const udp_flow4& flow) {
  const uint32_t slot = ipv4_portaddr_hash(net, flow.daddr, flow.hnum);
  udp_sock* const sk = net_udp(net).table.hash2[slot].sockets.front();
  if (sk == nullptr || sk->sk_state != TCP_ESTABLISHED) return nullptr;
  const bool match = sk->udp_port_hash == flow.hnum && sk->inet_dport == flow.sport &&
                     sk->inet_daddr == flow.saddr && sk->inet_rcv_saddr == flow.daddr &&
                     udp_sk_bound_dev_eq(sk, flow.dif);
  return match ? sk : nullptr;
}

udp_sock* __udp4_lib_mcast_demux_lookup(net& net, const udp_flow4& flow) {
  const udp_hslot& slot = net_udp(net).table.hash[udp_hashfn(net, flow.hnum)];
  if (slot.count > kDemuxChainMax) return nullptr;
  udp_sock* result = nullptr;
  for (udp_sock& sk : slot.sockets) {
    if (!__udp_is_mcast_sock(&sk, flow)) continue;
    if (result != nullptr) return nullptr;
    result = &sk;
  }
  return result;
}

bool __udp_is_mcast_sock(const udp_sock* sk, const udp_flow4& flow) {
  if (sk->udp_port_hash != flow.hnum || sk->sk_ipv6only) return false;
  if (!sk->inet_daddr.IsAny() && sk->inet_daddr != IpAddress(flow.saddr)) return false;
  if (sk->inet_dport != be16{} && sk->inet_dport != flow.sport) return false;
  if (!sk->inet_rcv_saddr.IsAny() && sk->inet_rcv_saddr != IpAddress(flow.daddr)) return false;
  return udp_sk_bound_dev_eq(sk, flow.dif) && ip_mc_sf_allow(sk, flow.daddr, flow.saddr, flow.dif);
}

}  // namespace tapedeck
