// connect(): the choice of a local port, and whether a connection is unique (the second half of
// net/ipv4/inet_hashtables.c; RFC 6056 3.3.4).
#include <algorithm>
#include <cerrno>

#include "stack/core/net.h"
#include "stack/ipv4/inet_ports.h"
#include "stack/tcp/inet_hashinfo.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_minisocks.h"

namespace tapedeck {
namespace {

// The node that has the connection of `sk` with local port `lport`; nullptr: it is unique.
inet_ehash_node* FindConnection(sock* sk, uint16_t lport) {
  const inet_sock* const inet = inet_sk(sk);
  const uint32_t hash =
      inet_ehashfn(sk->sk_net, inet->inet_rcv_saddr, lport, inet->inet_daddr, inet->inet_dport);
  for (inet_ehash_node& node : tcp_hashinfo(sk->sk_net).ehash.bucket(hash)) {
    if (node.hash == hash && inet_match(&node, inet->inet_daddr, inet->inet_dport,
                                        inet->inet_rcv_saddr, lport, sk->sk_bound_dev_if)) {
      return &node;
    }
  }
  return nullptr;
}

// __inet_check_established: hashes the connection under `lport` where nobody has it, or a time-wait
// socket that may give it up. That one is out of ehash then and ends here, or, where `twp` is not
// null, is left to the caller. 0 or -EADDRNOTAVAIL.
int CheckEstablished(sock* sk, uint16_t lport, inet_timewait_sock** twp) {
  inet_ehash_node* const other = FindConnection(sk, lport);
  inet_timewait_sock* tw = nullptr;
  if (other != nullptr) {
    if (other->state != TCP_TIME_WAIT) return -EADDRNOTAVAIL;
    tw = inet_twsk(other);
    if (!tcp_twsk_unique(sk, tw, twp != nullptr)) return -EADDRNOTAVAIL;
    inet_ehash_remove_node(sk->sk_net, other);
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTWRecycled);
  }
  inet_sock* const inet = inet_sk(sk);
  inet->inet_num = lport;
  inet->inet_sport = lport;
  CHECK(inet_ehash_insert(sk, nullptr));
  if (twp != nullptr) {
    *twp = tw;
  } else if (tw != nullptr) {
    inet_twsk_deschedule_put(tw);
  }
  return 0;
}

// A port that others may have, but for connections only, and none the same; *tb its bucket, null
// where it has none yet. On true the connection is hashed.
bool TakePort(sock* sk, uint16_t port, inet_bind_bucket** tb, inet_timewait_sock** tw) {
  *tb = inet_bind_bucket_find(tcp_hashinfo(sk->sk_net), port);
  if (*tb != nullptr && ((*tb)->fastreuse >= 0 || (*tb)->fastreuseport >= 0)) return false;
  return CheckEstablished(sk, port, tw) == 0;
}

// The port is the socket's from here on, without a bind(). 0, or -ENOMEM and it is unhashed again.
int BindChosenPort(sock* sk, uint16_t port, inet_bind_bucket* tb) {
  inet_hashinfo& info = tcp_hashinfo(sk->sk_net);
  if (tb == nullptr) {
    tb = inet_bind_bucket_create(info, port);
    if (tb != nullptr) tb->fastreuse = tb->fastreuseport = kFastreuseConnect;
  }
  inet_bind2_bucket* tb2 = nullptr;
  if (tb != nullptr) {
    tb2 = inet_bind2_bucket_find(tb, inet_sk(sk)->inet_rcv_saddr);
    if (tb2 == nullptr) {
      tb2 = inet_bind2_bucket_create(info, tb, inet_sk(sk)->inet_rcv_saddr);
      if (tb2 != nullptr) tb2->fastreuse = tb2->fastreuseport = kFastreuseConnect;
    }
  }
  if (tb2 == nullptr) {
    inet_unhash(sk);
    inet_sk(sk)->inet_num = 0;
    inet_sk(sk)->inet_sport = be16{};
    if (tb != nullptr && tb->bhash2.empty()) inet_bind_bucket_destroy(info, tb);
    return -ENOMEM;
  }
  inet_bind_hash(sk, tb2, port);
  inet_csk(sk)->icsk_bind_node.connect_bind = true;
  return 0;
}

// The walk over the port range: from a place that the destination's hash and past use decide, over
// every second port, and then over the others; over all of them at once where the range is the
// socket's own.
struct PortWalk {
  uint32_t low;
  uint32_t high;  // the first behind
  uint32_t remaining;
  uint32_t index;   // in table_perturb
  uint32_t offset;  // even, where the step is 2
  uint32_t step;
};

PortWalk WalkFor(sock* sk) {
  const inet_sock* const inet = inet_sk(sk);
  const PortRange range = inet_sk_get_local_port_range(inet);
  PortWalk walk;
  walk.low = range.low;
  walk.high = uint32_t{range.high} + 1;
  walk.step = range.of_socket ? 1 : 2;
  walk.remaining = walk.high - walk.low;
  if (walk.step == 2 && walk.remaining > 1) walk.remaining &= ~1U;
  const uint64_t port_offset =
      secure_port_ephemeral(sk->sk_net, inet->inet_rcv_saddr, inet->inet_daddr, inet->inet_dport);
  walk.index = static_cast<uint32_t>(port_offset) % inet_hashinfo::kPerturbSize;
  walk.offset =
      tcp_hashinfo(sk->sk_net).table_perturb[walk.index] + static_cast<uint32_t>(port_offset >> 32);
  walk.offset %= walk.remaining;
  if (walk.step == 2) walk.offset &= ~1U;
  return walk;
}

// The next port to this destination is another one: beyond this, by a little chance.
void MoveOn(sock* sk, const PortWalk& walk, uint32_t steps) {
  const uint32_t chance = sock_tcp(sk).prng.Below(8) * 2;
  tcp_hashinfo(sk->sk_net).table_perturb[walk.index] += std::max(steps, chance) + 2;
}

int FinishConnect(sock* sk, const PortWalk& walk, uint32_t steps, uint16_t port,
                  inet_bind_bucket* tb, inet_timewait_sock* tw) {
  const int err = BindChosenPort(sk, port, tb);
  if (err == 0) MoveOn(sk, walk, steps);
  if (tw != nullptr) inet_twsk_deschedule_put(tw);
  return err;
}

}  // namespace

int inet_hash_connect(sock* sk) {
  const uint16_t bound_port = inet_sk(sk)->inet_num;
  if (bound_port != 0) return CheckEstablished(sk, bound_port, nullptr);

  const PortWalk walk = WalkFor(sk);
  for (uint32_t parity = 0; parity < walk.step; ++parity) {
    uint32_t port = walk.low + walk.offset + parity;
    for (uint32_t i = 0; i < walk.remaining; i += walk.step, port += walk.step) {
      if (port >= walk.high) port -= walk.remaining;
      if (inet_is_local_reserved_port(sk->sk_net, static_cast<uint16_t>(port))) continue;
      inet_bind_bucket* tb = nullptr;
      inet_timewait_sock* tw = nullptr;
      const auto candidate = static_cast<uint16_t>(port);
      if (!TakePort(sk, candidate, &tb, &tw)) continue;
      return FinishConnect(sk, walk, i, candidate, tb, tw);
    }
    if (walk.remaining <= 1) break;
  }
  return -EADDRNOTAVAIL;
}

}  // namespace tapedeck
