// Where connections are found (net/ipv4/inet_hashtables.c): ehash by both ends, for sockets,
// requests and time-wait sockets alike; lhash2 by local end, for listeners; bhash by local port,
// for who has bound it. Buckets are ours, the hash is keyed from the Lab's seed.
#ifndef TAPEDECK_STACK_TCP_INET_HASHTABLES_H_
#define TAPEDECK_STACK_TCP_INET_HASHTABLES_H_

#include <cstdint>

#include "stack/base/byteorder.h"
#include "stack/base/ip_address.h"
#include "stack/base/list.h"
#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/ipv4/inet_rcv_saddr.h"
#include "stack/kernel/slab.h"

namespace tapedeck {

struct inet_timewait_sock;
struct inet_bind2_bucket;

// What sockets, requests and time-wait sockets have in common for lookups (struct sock_common).
// Which of them it is, is said by `state`: TCP_NEW_SYN_RECV a request, TCP_TIME_WAIT a time-wait
// socket, else a sock.
struct inet_ehash_node : ListNode<> {
  void* owner = nullptr;  // the sock*, request_sock* or inet_timewait_sock* it is part of
  uint32_t hash = 0;
  uint8_t state = 0;  // TCP_*; of a sock in lhash2: TCP_LISTEN
  uint16_t num = 0;   // local port, host order
  be16 dport;
  int bound_dev_if = 0;
  IpAddress daddr;
  IpAddress rcv_saddr;
};

// A sock's or time-wait socket's place in the bucket of its local port.
struct BindTag;
struct inet_bind_node : ListNode<BindTag> {
  void* owner = nullptr;
  bool is_timewait = false;
  bool connect_bind = false;        // connect() has chosen the port (SOCK_CONNECT_BIND)
  inet_bind2_bucket* tb = nullptr;  // by port and address; nullptr: not bound
};

struct inet_hashinfo;
// The tables of a host's TCP.
inet_hashinfo& tcp_hashinfo(net& net);
// Makes them, empty / frees them. For tcp_init and tcp_exit; REQUIRES for the latter: empty.
void inet_hashinfo_init(net& net);
void inet_hashinfo_exit(net& net);
// Takes a node (its owner, addresses and ports set) into ehash as inet_ehash_insert, and out of it.
bool inet_ehash_insert_node(net& net, inet_ehash_node* node, inet_ehash_node* osk);
void inet_ehash_remove_node(net& net, inet_ehash_node* node);
uint32_t inet_ehashfn(net& net, const IpAddress& laddr, uint16_t lport, const IpAddress& faddr,
                      be16 fport);

// Who may use a segment, in the order of the kernel: an ehash node of the exact connection (with a
// reference for requests; sockets and time-wait sockets need none here, as nothing runs beside), or
// a listener's; nullptr where there is none. Addresses and ports are the segment's.
inet_ehash_node* __inet_lookup(net& net, const IpAddress& saddr, be16 sport, const IpAddress& daddr,
                               be16 dport, int dif);
inet_ehash_node* __inet_lookup_established(net& net, const IpAddress& saddr, be16 sport,
                                           const IpAddress& daddr, be16 dport, int dif);
// The same of IPv4 alone.
inet_ehash_node* inet_lookup_established(net& net, Ipv4Address saddr, be16 sport, Ipv4Address daddr,
                                         be16 dport, int dif);
sock* __inet_lookup_listener(net& net, const IpAddress& saddr, be16 sport, const IpAddress& daddr,
                             be16 dport, int dif);

// proto::hash and unhash: into lhash2 where it listens, else into ehash.
int inet_hash(sock* sk);
void inet_unhash(sock* sk);
// Puts a sock into ehash, in place of `osk` (a request that becomes it) where that is not null;
// false where the connection exists already or `osk` is gone.
bool inet_ehash_insert(sock* sk, inet_ehash_node* osk);
bool inet_ehash_nolisten(sock* sk, inet_ehash_node* osk);
// connect(): chooses a local port where none is bound and hashes the connection. 0,
// -EADDRNOTAVAIL.
int inet_hash_connect(sock* sk);
// Local port of `child` as its listener's. 0 or -ENOMEM.
int __inet_inherit_port(const sock* sk, sock* child);
// Gives the local port back.
void inet_put_port(sock* sk);
// The local address of a socket that may be bound changes to `saddr` / back to any, unless the user
// has bound it. 0 or -ENOMEM.
int inet_bhash2_update_saddr(sock* sk, const IpAddress& saddr);
void inet_bhash2_reset_saddr(sock* sk);

// Another listener of the SO_REUSEPORT group that `sk` has left, for a request or child to local
// `port` with flow hash `hash` (sysctl tcp_migrate_req); nullptr where there is none.
sock* reuseport_migrate_sock(const sock* sk, uint16_t port, uint32_t hash);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_INET_HASHTABLES_H_
