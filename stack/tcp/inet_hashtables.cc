#include "stack/tcp/inet_hashtables.h"

#include <cerrno>

#include "stack/base/hash.h"
#include "stack/core/uapi.h"
#include "stack/tcp/inet_hashinfo.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/request_sock.h"
#include "stack/tcp/tcp.h"

namespace tapedeck {
namespace {

sock* NodeSock(const inet_ehash_node* node) { return static_cast<sock*>(node->owner); }

// The words of an address, of either family.
struct AddressWords {
  uint32_t word[4];
};
AddressWords WordsOf(const IpAddress& address) {
  const Ipv6Address& v6 = address.v6();
  return {{v6.word(0), v6.word(1), v6.word(2), v6.word(3)}};
}

bool BoundDevEq(int bound_dev_if, int dif) { return bound_dev_if == 0 || bound_dev_if == dif; }

// Each segment is looked up by these two.

[[gnu::always_inline]] inline uint32_t HashOf(net& net, Ipv4Address laddr, uint16_t lport,
                                              Ipv4Address faddr, be16 fport) {
  // The port is added, so that who tries many ports hashes the rest once.
  const uint32_t secret = tcp_hashinfo(net).ehash_secret;
  return lport + jhash_3words(laddr.host(), faddr.host(), fport.host(), secret);
}

[[gnu::always_inline]] inline uint32_t HashOf(net& net, const IpAddress& laddr, uint16_t lport,
                                              const IpAddress& faddr, be16 fport) {
  if (laddr.is_v4()) return HashOf(net, laddr.v4(), lport, faddr.v4(), fport);
  const uint32_t secret = tcp_hashinfo(net).ehash_secret;
  const AddressWords local = WordsOf(laddr);
  const uint32_t local_hash = jhash2(local.word, secret);
  const AddressWords foreign = WordsOf(faddr);
  return lport + jhash2(foreign.word, local_hash ^ fport.host());
}

template <typename Address>
[[gnu::always_inline]] inline bool Matches(const inet_ehash_node* node, const Address& saddr,
                                           be16 sport, const Address& daddr, uint16_t dport,
                                           int dif) {
  if (node->num != dport || node->dport != sport || !(node->daddr == saddr) ||
      !(node->rcv_saddr == daddr)) {
    return false;
  }
  // A socket may be bound to a device while it is hashed.
  const bool is_sock = node->state != TCP_TIME_WAIT && node->state != TCP_NEW_SYN_RECV;
  return BoundDevEq(is_sock ? NodeSock(node)->sk_bound_dev_if : node->bound_dev_if, dif);
}

template <typename Address>
[[gnu::always_inline]] inline inet_ehash_node* EstablishedLookup(net& net, const Address& saddr,
                                                                 be16 sport, const Address& daddr,
                                                                 uint16_t dport, int dif) {
  const uint32_t hash = HashOf(net, daddr, dport, saddr, sport);
  for (inet_ehash_node& node : tcp_hashinfo(net).ehash.bucket(hash)) {
    if (node.hash != hash || !Matches(&node, saddr, sport, daddr, dport, dif)) continue;
    if (node.state == TCP_NEW_SYN_RECV) reqsk_hold(inet_reqsk(&node));
    return &node;
  }
  return nullptr;
}

// Whether a listener bound to `bound` is to be found under `local`, which is a segment's
// destination or any. An IPv6 socket that is bound to nothing takes IPv4's segments too.
bool ListensOn(const inet_sock* sk, const IpAddress& local) {
  if (!local.IsAny() || !sk->inet_rcv_saddr.IsAny()) return sk->inet_rcv_saddr == local;
  return local.is_v4() ? !sk->sk_ipv6only : sk->inet_rcv_saddr.is_v6();
}

// compute_score: how well a listener fits; below zero: not at all.
int ComputeScore(const inet_sock* sk, const IpAddress& local, uint16_t hnum, int dif, int cpu) {
  if (sk->inet_num != hnum || !ListensOn(sk, local)) return -1;
  if (!BoundDevEq(sk->sk_bound_dev_if, dif)) return -1;
  int score = sk->sk_bound_dev_if != 0 ? 2 : 1;
  if (local.is_v4() && sk->sk_family == kAfInet) ++score;
  if (sk->sk_incoming_cpu == cpu) ++score;
  return score;
}

// An SO_REUSEPORT group: listeners that differ in nothing (inet_reuseport_add_sock). Membership
// follows from the sockets themselves; the kernel keeps an array in the order of listen(), whose
// place in ours is the order of the bucket, newest first.
struct ReuseportGroup {
  const sock* like;
  uint16_t port;
  bool Has(const inet_ehash_node* node) const {
    const inet_sock* const a = inet_sk(like);
    const inet_sock* const b = inet_sk(NodeSock(node));
    return b->sk_reuseport && b->inet_num == port && b->sk_family == a->sk_family &&
           b->sk_ipv6only == a->sk_ipv6only && b->sk_bound_dev_if == a->sk_bound_dev_if &&
           b->sk_uid == a->sk_uid && b->inet_rcv_saddr == a->inet_rcv_saddr;
  }
};

// The member at `index` of the group, counted from the oldest; nullptr past the end.
sock* MemberAt(const List<inet_ehash_node>& bucket, const ReuseportGroup& group, uint32_t index) {
  for (inet_ehash_node* node = bucket.back(); node != nullptr; node = bucket.Prev(node)) {
    if (group.Has(node) && index-- == 0) return NodeSock(node);
  }
  return nullptr;
}

// reuseport_select_sock_by_hash: the flow's member; where some have asked for a CPU
// (SO_INCOMING_CPU), the first from there on that wants the running one, if any does. nullptr where
// the group is empty.
sock* SelectFromGroup(net& net, const ReuseportGroup& group, uint32_t hash) {
  const uint32_t slot = inet_portaddr_hash(net, inet_sk(group.like)->inet_rcv_saddr, group.port);
  const List<inet_ehash_node>& bucket = tcp_hashinfo(net).lhash2.bucket(slot);
  uint32_t members = 0;
  bool by_cpu = false;
  for (const inet_ehash_node& node : bucket) {
    if (!group.Has(&node)) continue;
    ++members;
    by_cpu = by_cpu || NodeSock(&node)->sk_incoming_cpu >= 0;
  }
  if (members == 0) return nullptr;
  const auto start = static_cast<uint32_t>(uint64_t{hash} * members >> 32);
  for (uint32_t i = 0; by_cpu && i < members; ++i) {
    sock* const sk = MemberAt(bucket, group, (start + i) % members);
    if (sk->sk_incoming_cpu == net.this_cpu().id()) return sk;
  }
  return MemberAt(bucket, group, start);
}

// A segment's ends, for looking up a listener.
struct SegmentEnds {
  const IpAddress& saddr;
  be16 sport;
  const IpAddress& daddr;
  uint16_t hnum;
  int dif;
};

sock* ListenerLookup2(net& net, const SegmentEnds& ends, const IpAddress& local) {
  const uint32_t slot = inet_portaddr_hash(net, local, ends.hnum);
  const int cpu = net.this_cpu().id();
  sock* best = nullptr;
  int best_score = 0;
  for (const inet_ehash_node& node : tcp_hashinfo(net).lhash2.bucket(slot)) {
    sock* const sk = NodeSock(&node);
    const int score = ComputeScore(inet_sk(sk), local, ends.hnum, ends.dif, cpu);
    if (score <= best_score) continue;
    best = sk;
    best_score = score;
    if (!sk->sk_reuseport) continue;
    // As in Linux a group ends the search, whoever else may fit better.
    const uint32_t hash = inet_ehashfn(net, ends.daddr, ends.hnum, ends.saddr, ends.sport);
    return SelectFromGroup(net, {sk, ends.hnum}, hash);
  }
  return best;
}

// Whether the connection of `node` is in `bucket` already (inet_ehash_lookup_by_sk).
bool HasConnection(const List<inet_ehash_node>& bucket, const inet_ehash_node* node) {
  for (const inet_ehash_node& other : bucket) {
    if (other.hash == node->hash && inet_match(&other, node->daddr, node->dport, node->rcv_saddr,
                                               node->num, node->bound_dev_if)) {
      return true;
    }
  }
  return false;
}

}  // namespace

inet_hashinfo::inet_hashinfo(net& its_net)
    : ehash(its_net.kernel.kmalloc()),
      lhash2(its_net.kernel.kmalloc()),
      bhash(its_net.kernel.kmalloc()),
      bind_buckets(its_net.world.arena(), "tcp_bind_bucket"),
      bind2_buckets(its_net.world.arena(), "tcp_bind2_bucket"),
      ehash_secret(net_tcp(its_net).prng.Next32()) {
  for (uint32_t& offset : table_perturb) offset = net_tcp(its_net).prng.Next32();
}

inet_hashinfo& tcp_hashinfo(net& net) { return *net_tcp(net).hashinfo; }

void inet_hashinfo_init(net& net) {
  CHECK(net_tcp(net).hashinfo == nullptr);
  net_tcp(net).hashinfo = net.world.arena().New<inet_hashinfo>(net);
}

void inet_hashinfo_exit(net& net) {
  inet_hashinfo* const info = net_tcp(net).hashinfo;
  CHECK_EQ(info->bind_buckets.cache().live_objects(), 0U);
  CHECK_EQ(info->bind2_buckets.cache().live_objects(), 0U);
  info->~inet_hashinfo();
  net_tcp(net).hashinfo = nullptr;
}

uint32_t inet_ehashfn(net& net, const IpAddress& laddr, uint16_t lport, const IpAddress& faddr,
                      be16 fport) {
  return HashOf(net, laddr, lport, faddr, fport);
}

uint32_t inet_portaddr_hash(const net& net, const IpAddress& address, uint16_t port) {
  // "Any" is one for both families.
  if (address.is_v4() || address.IsAny()) {
    const uint32_t word = address.IsAny() ? 0 : address.v4().host();
    return jhash_1word(word, net.hash_mix) ^ port;
  }
  const AddressWords words = WordsOf(address);
  return jhash2(words.word, net.hash_mix) ^ port;
}

bool inet_match(const inet_ehash_node* node, const IpAddress& saddr, be16 sport,
                const IpAddress& daddr, uint16_t dport, int dif) {
  return Matches(node, saddr, sport, daddr, dport, dif);
}

inet_ehash_node* __inet_lookup_established(net& net, const IpAddress& saddr, be16 sport,
                                           const IpAddress& daddr, be16 dport, int dif) {
  return EstablishedLookup(net, saddr, sport, daddr, dport.host(), dif);
}

inet_ehash_node* inet_lookup_established(net& net, Ipv4Address saddr, be16 sport, Ipv4Address daddr,
                                         be16 dport, int dif) {
  return EstablishedLookup(net, saddr, sport, daddr, dport.host(), dif);
}

sock* __inet_lookup_listener(net& net, const IpAddress& saddr, be16 sport, const IpAddress& daddr,
                             be16 dport, int dif) {
  const SegmentEnds ends{saddr, sport, daddr, dport.host(), dif};
  sock* const sk = ListenerLookup2(net, ends, daddr);
  if (sk != nullptr) return sk;
  return ListenerLookup2(net, ends, daddr.is_v4() ? IpAddress(kIpv4Any) : IpAddress(kIpv6Any));
}

inet_ehash_node* __inet_lookup(net& net, const IpAddress& saddr, be16 sport, const IpAddress& daddr,
                               be16 dport, int dif) {
  inet_ehash_node* const node = __inet_lookup_established(net, saddr, sport, daddr, dport, dif);
  if (node != nullptr) return node;
  sock* const sk = __inet_lookup_listener(net, saddr, sport, daddr, dport, dif);
  return sk == nullptr ? nullptr : &inet_csk(sk)->icsk_hash_node;
}

sock* reuseport_migrate_sock(const sock* sk, uint16_t port, uint32_t hash) {
  if (!sk->sk_reuseport || tcp_sysctl(sk).migrate_req == 0) return nullptr;
  sock* const other = SelectFromGroup(sk->sk_net, {sk, port}, hash);
  if (other == nullptr) NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPMigrateReqFailure);
  return other;
}

void inet_ehash_fill_node(sock* sk) {
  const inet_sock* const inet = inet_sk(sk);
  inet_ehash_node* const node = &inet_csk(sk)->icsk_hash_node;
  node->state = sk->sk_state;
  node->num = inet->inet_num;
  node->dport = inet->inet_dport;
  node->bound_dev_if = sk->sk_bound_dev_if;
  node->daddr = inet->inet_daddr;
  node->rcv_saddr = inet->inet_rcv_saddr;
}

bool inet_ehash_insert_node(net& net, inet_ehash_node* node, inet_ehash_node* osk) {
  GrowingHash<inet_ehash_node>& ehash = tcp_hashinfo(net).ehash;
  node->hash = inet_ehashfn(net, node->rcv_saddr, node->num, node->daddr, node->dport);
  if (osk != nullptr) {
    if (!osk->linked()) return false;
    ehash.Replace(osk, node);
    if (osk->state == TCP_NEW_SYN_RECV) reqsk_put(inet_reqsk(osk));  // the table's reference
    return true;
  }
  if (HasConnection(ehash.bucket(node->hash), node)) return false;
  ehash.Insert(node);
  return true;
}

void inet_ehash_remove_node(net& net, inet_ehash_node* node) {
  tcp_hashinfo(net).ehash.Remove(node);
}

bool inet_ehash_insert(sock* sk, inet_ehash_node* osk) {
  CHECK(!sk_hashed(sk));
  inet_ehash_fill_node(sk);
  return inet_ehash_insert_node(sk->sk_net, &inet_csk(sk)->icsk_hash_node, osk);
}

bool inet_ehash_nolisten(sock* sk, inet_ehash_node* osk) {
  if (inet_ehash_insert(sk, osk)) return true;
  // Nobody will ever find it.
  ++sock_tcp(sk).orphan_count;
  sk_set_state(sk, TCP_CLOSE);
  sock_set_flag(sk, SOCK_DEAD);
  inet_csk_destroy_sock(sk);
  return false;
}

int inet_hash(sock* sk) {
  if (sk->sk_state == TCP_CLOSE) return 0;
  if (sk->sk_state != TCP_LISTEN) {
    inet_ehash_nolisten(sk, nullptr);
    return 0;
  }
  CHECK(!sk_hashed(sk));
  inet_ehash_fill_node(sk);
  inet_ehash_node* const node = &inet_csk(sk)->icsk_hash_node;
  node->hash = inet_portaddr_hash(sk->sk_net, node->rcv_saddr, node->num);
  tcp_hashinfo(sk->sk_net).lhash2.Insert(node);
  return 0;
}

void inet_unhash(sock* sk) {
  if (!sk_hashed(sk)) return;
  inet_hashinfo& info = tcp_hashinfo(sk->sk_net);
  inet_ehash_node* const node = &inet_csk(sk)->icsk_hash_node;
  (node->state == TCP_LISTEN ? info.lhash2 : info.ehash).Remove(node);
}

}  // namespace tapedeck
