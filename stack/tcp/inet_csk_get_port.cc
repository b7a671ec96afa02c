// bind(): whether a local port may be had, and the choice of a free one (the first half of
// net/ipv4/inet_connection_sock.c). The rules, of which the first that applies decides:
//
//   1. Sockets bound to different devices may share a port.
//   2. So may sockets that all have SO_REUSEADDR while none of them listens.
//   3. So may sockets of one user that all have SO_REUSEPORT.
//   4. So may sockets bound to different local addresses, none of them any.
#include <cerrno>

#include "stack/core/net.h"
#include "stack/ipv4/inet_ports.h"
#include "stack/tcp/inet_hashinfo.h"
#include "stack/tcp/netns_tcp.h"

namespace tapedeck {
namespace {

// What of an owner of a port matters to another.
struct PortOwner {
  const void* self;
  bool reuse;
  bool reuseport;
  bool ipv6only;
  uint8_t state;
  int bound_dev_if;
  uint32_t uid;
  const IpAddress* rcv_saddr;
};

PortOwner OwnerOf(const inet_bind_node& node) {
  if (node.is_timewait) {
    const auto* const tw = static_cast<const inet_timewait_sock*>(node.owner);
    return {tw,
            tw->tw_reuse,
            tw->tw_reuseport,
            tw->tw_ipv6only,
            TCP_TIME_WAIT,
            tw->node.bound_dev_if,
            0,
            &tw->node.rcv_saddr};
  }
  const auto* const sk = static_cast<const sock*>(node.owner);
  return {
      sk,           sk->sk_reuse != SK_NO_REUSE, sk->sk_reuseport, sk->sk_ipv6only,
      sk->sk_state, sk->sk_bound_dev_if,         sk->sk_uid,       &inet_sk(sk)->inet_rcv_saddr};
}

// How strictly a port is asked for. A port that the user has named may be shared by all rules
// (`relax`, `reuseport_ok`); one that is chosen for him should be his alone.
struct BindRules {
  bool relax;
  bool reuseport_ok;
};
constexpr BindRules kNamedPort = {true, true};
constexpr BindRules kAnyPort = {false, false};

// inet_bind_conflict: rules 1 to 3.
bool BindConflict(const sock* sk, const PortOwner& other, const BindRules& rules) {
  if (other.self == sk) return false;
  if (sk->sk_bound_dev_if != 0 && other.bound_dev_if != 0 &&
      sk->sk_bound_dev_if != other.bound_dev_if) {
    return false;
  }
  const bool both_reuseport = sk->sk_reuseport && other.reuseport &&
                              (other.state == TCP_TIME_WAIT || other.uid == sk->sk_uid);
  if (sk->sk_reuse != SK_NO_REUSE && other.reuse && other.state != TCP_LISTEN) {
    return !rules.relax || (!rules.reuseport_ok && both_reuseport);
  }
  return !rules.reuseport_ok || !both_reuseport;
}

// Conflicts with owners of exactly one address (inet_bhash2_conflict).
bool AddressConflict(const sock* sk, const inet_bind2_bucket& tb2, const BindRules& rules) {
  for (const inet_bind_node& node : tb2.owners) {
    const PortOwner other = OwnerOf(node);
    if (other.ipv6only && inet_sk(sk)->inet_rcv_saddr.is_v4()) continue;
    if (BindConflict(sk, other, rules)) return true;
  }
  return false;
}

// inet_bhash2_addr_any_conflict: with owners of the wildcard address, IPv6's being IPv4's too.
bool AnyAddressConflict(const sock* sk, const inet_bind_bucket* tb, const BindRules& rules) {
  if (tb == nullptr) return false;
  for (const inet_bind2_bucket& tb2 : tb->bhash2) {
    if (!tb2.rcv_saddr.IsAny()) continue;
    if (tb2.rcv_saddr.is_v4() && inet_sk(sk)->inet_rcv_saddr.is_v6()) continue;
    if (AddressConflict(sk, tb2, rules)) return true;
  }
  return false;
}

// inet_csk_bind_conflict: all rules. `tb2` is that of the socket's own address, or null. A socket
// that is bound to an address has been compared with the wildcard's owners before.
bool PortConflict(const sock* sk, const inet_bind_bucket* tb, const inet_bind2_bucket* tb2,
                  const BindRules& rules) {
  const IpAddress& address = inet_sk(sk)->inet_rcv_saddr;
  if (!address.IsAny()) return tb2 != nullptr && AddressConflict(sk, *tb2, rules);
  for (const inet_bind2_bucket& other_tb2 : tb->bhash2) {
    for (const inet_bind_node& node : other_tb2.owners) {
      const PortOwner other = OwnerOf(node);
      if (!BindConflict(sk, other, rules)) continue;
      if (rcv_saddr_equal(address, sk->sk_ipv6only, *other.rcv_saddr, other.ipv6only, true, true)) {
        return true;
      }
    }
  }
  return false;
}

bool PortIsFree(const sock* sk, uint16_t port) {
  if (inet_is_local_reserved_port(sk->sk_net, port)) return false;
  inet_bind_bucket* const tb = inet_bind_bucket_find(tcp_hashinfo(sk->sk_net), port);
  if (tb == nullptr) return true;
  const IpAddress& address = inet_sk(sk)->inet_rcv_saddr;
  if (!address.IsAny() && AnyAddressConflict(sk, tb, kAnyPort)) return false;
  return !PortConflict(sk, tb, inet_bind2_bucket_find(tb, address), kAnyPort);
}

// A free port of [low, high): every second from a random odd offset on, then the others: connect()
// prefers the even ones. 0: none.
uint16_t FindPortBetween(const sock* sk, int low, int high) {
  int remaining = high - low;
  if (remaining > 1) remaining &= ~1;
  if (remaining <= 0) return 0;
  int offset = static_cast<int>(sock_tcp(sk).prng.Below(static_cast<uint32_t>(remaining))) | 1;
  for (int parity = 0; parity < 2; ++parity, --offset) {
    int port = low + offset;
    for (int i = 0; i < remaining; i += 2, port += 2) {
      if (port >= high) port -= remaining;
      if (PortIsFree(sk, static_cast<uint16_t>(port))) return static_cast<uint16_t>(port);
    }
  }
  return 0;
}

// inet_csk_find_open_port. Who reuses addresses searches the lower half of the range first.
uint16_t FindOpenPort(const sock* sk) {
  const PortRange range = inet_sk_get_local_port_range(inet_sk(sk));
  const int low = range.low;
  const int high = range.high + 1;
  if (sk->sk_reuse != SK_CAN_REUSE || high - low < 4) return FindPortBetween(sk, low, high);
  const int half = low + ((high - low) >> 2 << 1);
  const uint16_t port = FindPortBetween(sk, low, half);
  return port != 0 ? port : FindPortBetween(sk, half, high);
}

// Whether the owners of the bucket are known to share it with `sk`, without a look at each.
bool FastReuse(const sock* sk, const inet_bind_bucket* tb) {
  return !tb->bhash2.empty() && (sk->sk_reuse == SK_FORCE_REUSE || sk_reuseport_match(tb, sk));
}

bool NamedPortConflicts(const sock* sk, const inet_bind_bucket* tb, const inet_bind2_bucket* tb2) {
  if (FastReuse(sk, tb)) return false;
  if (!inet_sk(sk)->inet_rcv_saddr.IsAny() && AnyAddressConflict(sk, tb, kNamedPort)) return true;
  return PortConflict(sk, tb, tb2, kNamedPort);
}

}  // namespace

bool sk_reuseport_match(const inet_bind_bucket* tb, const sock* sk) {
  if (tb->fastreuseport <= 0 || !sk->sk_reuseport || tb->fastuid != sk->sk_uid) return false;
  return rcv_saddr_equal(tb->fast_rcv_saddr, tb->fast_ipv6_only, inet_sk(sk)->inet_rcv_saddr,
                         sk->sk_ipv6only, true, false);
}

void inet_csk_update_fastreuse(const sock* sk, inet_bind_bucket* tb, inet_bind2_bucket* tb2) {
  // Since the bucket of the address is made first, no bucket of a port is empty here any more, and
  // fastreuse never becomes 1 (Linux since 6.8).
  const bool reuse = sk->sk_reuse != SK_NO_REUSE && sk->sk_state != TCP_LISTEN;
  if (!reuse) tb->fastreuse = 0;
  if (!sk->sk_reuseport) {
    tb->fastreuseport = 0;
  } else if (!sk_reuseport_match(tb, sk)) {
    // There is no conflict with this socket, so there is none with those like it.
    tb->fastreuseport = FASTREUSEPORT_STRICT;
    tb->fastuid = sk->sk_uid;
    tb->fast_rcv_saddr = inet_sk(sk)->inet_rcv_saddr;
    tb->fast_ipv6_only = sk->sk_ipv6only;
  }
  tb2->fastreuse = tb->fastreuse;
  tb2->fastreuseport = tb->fastreuseport;
}

int inet_csk_get_port(sock* sk, uint16_t snum) {
  inet_hashinfo& info = tcp_hashinfo(sk->sk_net);
  const bool chosen = snum == 0;
  if (chosen) snum = FindOpenPort(sk);
  if (snum == 0) return -EADDRINUSE;
  const IpAddress& address = inet_sk(sk)->inet_rcv_saddr;
  inet_bind_bucket* tb = inet_bind_bucket_find(info, snum);
  if (tb == nullptr) tb = inet_bind_bucket_create(info, snum);
  if (tb == nullptr) return -EADDRINUSE;
  inet_bind2_bucket* tb2 = inet_bind2_bucket_find(tb, address);
  const bool conflict = !chosen && NamedPortConflicts(sk, tb, tb2);
  if (!conflict && tb2 == nullptr) tb2 = inet_bind2_bucket_create(info, tb, address);
  if (conflict || tb2 == nullptr) {
    if (tb->bhash2.empty()) inet_bind_bucket_destroy(info, tb);
    return -EADDRINUSE;
  }
  inet_csk_update_fastreuse(sk, tb, tb2);
  if (inet_csk(sk)->icsk_bind_node.tb == nullptr) inet_bind_hash(sk, tb2, snum);
  return 0;
}

}  // namespace tapedeck
