// Who may have a local port, who gets a segment, which port a connection takes: Linux's rules.
#include "stack/tcp/inet_hashtables.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <set>
#include <vector>

#include "core_host.h"  // beside this file
#include "stack/ipv4/inet_datagram.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/tcp/inet_hashinfo.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_minisocks.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

constexpr Ipv4Address kA{10, 0, 0, 1};
constexpr Ipv4Address kB{10, 0, 0, 2};
constexpr Ipv4Address kPeer{10, 9, 9, 9};
constexpr uint16_t kPort = 4000;

// A host with TCP's tables, and sockets that nobody but the test uses.
class Tables : public CoreHost {
 public:
  Tables() {
    ipv4_init(n);
    tcp_init(n);
  }
  ~Tables() {
    for (sock* const sk : socks_) Close(sk, /*forget=*/false);
    tcp_exit(n);
    ipv4_exit(n);
    EXPECT_EQ(n.live_socks, 0U);
  }

  sock* New() {
    sock* const sk = sk_alloc(n, kAfInet, &tcp_prot);
    sk->sk_type = SOCK_STREAM;
    sk->sk_protocol = wire::kIpProtoTcp;
    inet_sock_init(inet_sk(sk));
    EXPECT_EQ(sk->sk_prot->init(sk), 0);
    socks_.insert(sk);
    return sk;
  }
  int Bind(sock* sk, Ipv4Address address, uint16_t port) {
    inet_sk(sk)->inet_rcv_saddr = inet_sk(sk)->inet_saddr = address;
    const int err = inet_csk_get_port(sk, port);
    if (err != 0) {
      inet_reset_saddr(inet_sk(sk));
      return err;
    }
    inet_sk(sk)->inet_sport = inet_sk(sk)->inet_num;
    return 0;
  }
  sock* Bound(Ipv4Address address, uint16_t port) {
    sock* const sk = New();
    EXPECT_EQ(Bind(sk, address, port), 0);
    return sk;
  }
  int Listen(sock* sk) { return inet_csk_listen_start(sk); }
  sock* Listener(Ipv4Address address, uint16_t port) {
    sock* const sk = Bound(address, port);
    EXPECT_EQ(Listen(sk), 0);
    return sk;
  }
  // The tables' part of connect() to `dport` of kPeer.
  int Connect(sock* sk, uint16_t dport, Ipv4Address from = kA) {
    inet_sock* const inet = inet_sk(sk);
    if (inet->inet_saddr.IsAny()) {
      EXPECT_EQ(inet_bhash2_update_saddr(sk, from), 0);
    }
    inet->inet_daddr = kPeer;
    inet->inet_dport = dport;
    sk_set_state(sk, TCP_SYN_SENT);
    const int err = inet_hash_connect(sk);
    if (err != 0) sk_set_state(sk, TCP_CLOSE);
    return err;
  }
  void Close(sock* sk, bool forget = true) {
    inet_unhash(sk);
    sk_set_state(sk, TCP_CLOSE);
    sock_set_flag(sk, SOCK_DEAD);
    ++net_tcp(n).orphan_count;
    inet_csk_destroy_sock(sk);
    if (forget) socks_.erase(sk);
  }
  // The connection goes into TIME-WAIT, entered `ago_ms` before now, with timestamps or without.
  void ToTimewait(sock* sk, bool timestamps) {
    if (timestamps) tcp_sk(sk)->rx_opt.ts_recent_stamp_s = tcp_clock_s(n);
    tcp_mstamp_refresh(tcp_sk(sk));
    sock_set_flag(sk, SOCK_DEAD);
    ++net_tcp(n).orphan_count;
    socks_.erase(sk);
    tcp_time_wait(sk, TCP_TIME_WAIT, 0);
  }
  sock* FindListener(Ipv4Address daddr, uint16_t dport, uint16_t sport = 1, int dif = 1) {
    return __inet_lookup_listener(n, kPeer, sport, daddr, dport, dif);
  }
  inet_ehash_node* Find(const sock* sk, int dif = 1) {
    const inet_sock* const inet = inet_sk(sk);
    return __inet_lookup_established(n, inet->inet_daddr, inet->inet_dport, inet->inet_rcv_saddr,
                                     inet->inet_num, dif);
  }
  void PortRange(int low, int high) {
    net_ipv4(n).settings.ip_local_port_range[0] = low;
    net_ipv4(n).settings.ip_local_port_range[1] = high;
  }
  inet_hashinfo& info() { return tcp_hashinfo(n); }

 private:
  std::set<sock*> socks_;
};

// --- Ports. ---

// One of two sockets that want a port: what the user has said of it.
struct Wish {
  Ipv4Address address = kIpv4Any;
  bool reuse = false;
  bool reuseport = false;
  bool listens = false;
  int device = 0;
  uint32_t uid = 0;
};
struct PairCase {
  const char* what;
  Wish first;
  Wish second;
  bool allowed;
};

sock* Make(Tables& t, const Wish& wish) {
  sock* const sk = t.New();
  sk->sk_reuse = wish.reuse ? SK_CAN_REUSE : SK_NO_REUSE;
  sk->sk_reuseport = wish.reuseport;
  sk->sk_bound_dev_if = wish.device;
  sk->sk_uid = wish.uid;
  return sk;
}

const PairCase kPairs[] = {
    {"the same address", {.address = kA}, {.address = kA}, false},
    {"two addresses", {.address = kA}, {.address = kB}, true},
    {"any, then an address", {}, {.address = kA}, false},
    {"an address, then any", {.address = kA}, {}, false},
    {"any twice", {}, {}, false},
    {"two devices", {.address = kA, .device = 2}, {.address = kA, .device = 3}, true},
    {"a device and none", {.address = kA, .device = 2}, {.address = kA}, false},
    {"both reuse, none listens", {.reuse = true}, {.reuse = true}, true},
    {"both reuse the same address",
     {.address = kA, .reuse = true},
     {.address = kA, .reuse = true},
     true},
    {"only the first reuses", {.reuse = true}, {}, false},
    {"only the second reuses", {}, {.reuse = true}, false},
    {"both reuse, the first listens", {.reuse = true, .listens = true}, {.reuse = true}, false},
    {"both reuse, any listens, an address follows",
     {.reuse = true, .listens = true},
     {.address = kA, .reuse = true},
     false},
    {"both reuse, an address listens, any follows",
     {.address = kA, .reuse = true, .listens = true},
     {.reuse = true},
     false},
    {"both reuse, an address listens, another follows",
     {.address = kA, .reuse = true, .listens = true},
     {.address = kB, .reuse = true},
     true},
    {"both reuseport", {.reuseport = true}, {.reuseport = true}, true},
    {"both reuseport, both listen",
     {.reuseport = true, .listens = true},
     {.reuseport = true, .listens = true},
     true},
    {"both reuseport, other users", {.reuseport = true}, {.reuseport = true, .uid = 7}, false},
    {"only the first has reuseport", {.reuseport = true}, {}, false},
    {"only the second has reuseport", {}, {.reuseport = true}, false},
    {"reuse and reuseport do not add up", {.reuse = true}, {.reuseport = true}, false},
    {"reuseport, any listens, an address follows",
     {.reuseport = true, .listens = true},
     {.address = kA, .reuseport = true},
     true},
};

TEST(PortRules, TwoSockets) {
  for (const PairCase& c : kPairs) {
    Tables t;
    sock* const first = Make(t, c.first);
    ASSERT_EQ(t.Bind(first, c.first.address, kPort), 0) << c.what;
    if (c.first.listens) {
      ASSERT_EQ(t.Listen(first), 0) << c.what;
    }
    sock* const second = Make(t, c.second);
    const int err = t.Bind(second, c.second.address, kPort);
    EXPECT_EQ(err, c.allowed ? 0 : -EADDRINUSE) << c.what;
    if (err == 0 && c.second.listens) {
      EXPECT_EQ(t.Listen(second), 0) << c.what;
    }
  }
}

// Two sockets that reuse may be bound, but only the first of them may listen.
TEST(PortRules, ListenAsksAgain) {
  Tables t;
  sock* const first = Make(t, {.reuse = true});
  sock* const second = Make(t, {.reuse = true});
  ASSERT_EQ(t.Bind(first, kIpv4Any, kPort), 0);
  ASSERT_EQ(t.Bind(second, kIpv4Any, kPort), 0);
  EXPECT_EQ(t.Listen(first), 0);
  EXPECT_EQ(t.Listen(second), -EADDRINUSE);
  EXPECT_EQ(second->sk_state, TCP_CLOSE);
  t.Close(first);
  EXPECT_EQ(t.Listen(second), 0);
}

TEST(PortRules, AFreedPortIsFree) {
  Tables t;
  sock* const first = t.Bound(kA, kPort);
  t.Close(first);
  EXPECT_EQ(t.info().bhash.count(), 0U);
  EXPECT_EQ(t.Bind(t.New(), kA, kPort), 0);
}

// A server that starts again while its old connections wait needs SO_REUSEADDR.
TEST(PortRules, TimeWaitKeepsThePortFromWhoDoesNotReuse) {
  Tables t;
  sock* const old = Make(t, {.reuse = true});
  ASSERT_EQ(t.Bind(old, kA, kPort), 0);
  ASSERT_EQ(t.Connect(old, 80), 0);
  t.ToTimewait(old, /*timestamps=*/true);
  EXPECT_EQ(t.Bind(t.New(), kA, kPort), -EADDRINUSE);
  EXPECT_EQ(t.Bind(Make(t, {.reuse = true}), kA, kPort), 0);
}

// bind() to port 0 takes odd ports first; connect() even ones.
TEST(PortRules, BindPrefersOddPortsAndTakesAll) {
  Tables t;
  t.PortRange(40000, 40015);
  std::vector<uint16_t> ports;
  for (int i = 0; i < 16; ++i) {
    sock* const sk = t.New();
    ASSERT_EQ(t.Bind(sk, kIpv4Any, 0), 0);
    ports.push_back(inet_sk(sk)->inet_num);
  }
  for (int i = 0; i < 16; ++i) EXPECT_EQ(ports[static_cast<size_t>(i)] % 2 == 1, i < 8);
  EXPECT_EQ(std::set<uint16_t>(ports.begin(), ports.end()).size(), 16U);
  EXPECT_EQ(t.Bind(t.New(), kIpv4Any, 0), -EADDRINUSE);
  // Another address does not help: the others are bound to any.
  EXPECT_EQ(t.Bind(t.New(), kA, 0), -EADDRINUSE);
}

TEST(Connect, PrefersEvenPortsAndTakesAll) {
  Tables t;
  t.PortRange(40000, 40015);
  std::set<uint16_t> ports;
  for (int i = 0; i < 16; ++i) {
    sock* const sk = t.New();
    ASSERT_EQ(t.Connect(sk, 80), 0);
    EXPECT_EQ(inet_sk(sk)->inet_num % 2 == 0, i < 8);
    ports.insert(inet_sk(sk)->inet_num);
    EXPECT_EQ(t.Find(sk), &inet_csk(sk)->icsk_hash_node);
  }
  EXPECT_EQ(ports.size(), 16U);
  EXPECT_EQ(t.Connect(t.New(), 80), -EADDRNOTAVAIL);
  // The same ports serve for another destination.
  EXPECT_EQ(t.Connect(t.New(), 81), 0);
}

TEST(Connect, LeavesBoundPortsAlone) {
  Tables t;
  t.PortRange(40000, 40001);
  t.Bound(kIpv4Any, 40000);
  sock* const sk = t.New();
  ASSERT_EQ(t.Connect(sk, 80), 0);
  EXPECT_EQ(inet_sk(sk)->inet_num, 40001);
  EXPECT_EQ(t.Connect(t.New(), 81), 0);  // shared with the first connection
  EXPECT_EQ(t.Bind(t.New(), kA, 40001), -EADDRINUSE);
}

TEST(Connect, OneConnectionOnce) {
  Tables t;
  sock* const first = Make(t, {.reuse = true});
  sock* const second = Make(t, {.reuse = true});
  ASSERT_EQ(t.Bind(first, kA, kPort), 0);
  ASSERT_EQ(t.Bind(second, kA, kPort), 0);
  EXPECT_EQ(t.Connect(first, 80), 0);
  EXPECT_EQ(t.Connect(second, 80), -EADDRNOTAVAIL);
  EXPECT_EQ(t.Connect(second, 81), 0);
}

// A bound socket may take over its predecessor's connection at once, a port that is chosen only
// after a while, and neither without timestamps (RFC 6191).
TEST(Connect, TakesOverTimeWait) {
  for (const bool timestamps : {false, true}) {
    Tables t;
    sock* const old = Make(t, {.reuse = true});
    ASSERT_EQ(t.Bind(old, kA, kPort), 0);
    ASSERT_EQ(t.Connect(old, 80), 0);
    tcp_sk(old)->snd_nxt = SeqNum(1000);
    t.ToTimewait(old, timestamps);
    EXPECT_EQ(tcp_objects(t.n).timewaits, 1U);
    sock* const sk = Make(t, {.reuse = true});
    ASSERT_EQ(t.Bind(sk, kA, kPort), 0);
    EXPECT_EQ(t.Connect(sk, 80), timestamps ? 0 : -EADDRNOTAVAIL);
    EXPECT_EQ(tcp_objects(t.n).timewaits, timestamps ? 0U : 1U);
    if (timestamps) {
      EXPECT_EQ(tcp_sk(sk)->write_seq, SeqNum(1000 + 65535 + 2));
    }
  }
}

TEST(Connect, ChosenPortWaitsForTimeWait) {
  Tables t;
  t.PortRange(40000, 40000);
  net_tcp(t.n).settings.tw_reuse = 1;
  sock* const old = t.New();
  ASSERT_EQ(t.Connect(old, 80), 0);
  t.ToTimewait(old, /*timestamps=*/true);
  sock* const sk = t.New();
  EXPECT_EQ(t.Connect(sk, 80), -EADDRNOTAVAIL);
  t.RunFor(Duration::Milliseconds(1000));
  EXPECT_EQ(t.Connect(sk, 80), -EADDRNOTAVAIL);  // not before a second has passed
  t.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(t.Connect(sk, 80), 0);
  EXPECT_EQ(t.n.tcp_ext_mib.Get(TcpExtMib::kTWRecycled), 1U);
}

TEST(Timewait, EndsAfterAMinute) {
  Tables t;
  sock* const sk = t.New();
  ASSERT_EQ(t.Connect(sk, 80), 0);
  t.ToTimewait(sk, true);
  t.RunFor(Duration::Seconds(59));
  EXPECT_EQ(tcp_objects(t.n).timewaits, 1U);
  EXPECT_EQ(t.info().bhash.count(), 1U);
  t.RunFor(Duration::Seconds(5));  // the wheel may be up to an eighth late
  EXPECT_EQ(tcp_objects(t.n).timewaits, 0U);
  EXPECT_EQ(t.info().bhash.count(), 0U);
  EXPECT_EQ(t.info().ehash.count(), 0U);
}

// --- Listeners. ---

TEST(Listener, AnAddressBeatsAny) {
  Tables t;
  sock* const any = t.New();
  any->sk_reuseport = true;
  ASSERT_EQ(t.Bind(any, kIpv4Any, kPort), 0);
  ASSERT_EQ(t.Listen(any), 0);
  sock* const at_a = t.New();
  at_a->sk_reuseport = true;
  ASSERT_EQ(t.Bind(at_a, kA, kPort), 0);
  ASSERT_EQ(t.Listen(at_a), 0);
  EXPECT_EQ(t.FindListener(kA, kPort), at_a);
  EXPECT_EQ(t.FindListener(kB, kPort), any);
  EXPECT_EQ(t.FindListener(kA, kPort + 1), nullptr);
}

TEST(Listener, ADeviceBeatsNone) {
  Tables t;
  sock* const on_2 = Make(t, {.device = 2});
  ASSERT_EQ(t.Bind(on_2, kIpv4Any, kPort), 0);
  ASSERT_EQ(t.Listen(on_2), 0);
  sock* const on_3 = Make(t, {.device = 3});
  ASSERT_EQ(t.Bind(on_3, kIpv4Any, kPort), 0);
  ASSERT_EQ(t.Listen(on_3), 0);
  EXPECT_EQ(t.FindListener(kA, kPort, 1, 2), on_2);
  EXPECT_EQ(t.FindListener(kA, kPort, 1, 3), on_3);
  EXPECT_EQ(t.FindListener(kA, kPort, 1, 4), nullptr);
}

// Flows spread over a group, each to one member; when a member leaves the others share its flows.
TEST(Listener, ReuseportSpreadsFlows) {
  constexpr int kMembers = 4;
  Tables t;
  std::vector<sock*> group;
  for (int i = 0; i < kMembers; ++i) {
    group.push_back(Make(t, {.reuseport = true}));
    ASSERT_EQ(t.Bind(group.back(), kIpv4Any, kPort), 0);
    ASSERT_EQ(t.Listen(group.back()), 0);
  }
  std::vector<int> flows(kMembers, 0);
  for (uint16_t sport = 1; sport <= 4000; ++sport) {
    sock* const sk = t.FindListener(kA, kPort, sport);
    ASSERT_EQ(t.FindListener(kA, kPort, sport), sk);
    for (size_t i = 0; i < group.size(); ++i) flows[i] += group[i] == sk ? 1 : 0;
  }
  for (const int count : flows) EXPECT_NEAR(count, 1000, 150);
  sock* const gone = group.back();
  t.Close(gone);
  for (uint16_t sport = 1; sport <= 100; ++sport) {
    EXPECT_NE(t.FindListener(kA, kPort, sport), gone);
  }
}

TEST(Listener, MigrationNeedsTheSetting) {
  Tables t;
  sock* const first = Make(t, {.reuseport = true});
  ASSERT_EQ(t.Bind(first, kIpv4Any, kPort), 0);
  ASSERT_EQ(t.Listen(first), 0);
  sock* const second = Make(t, {.reuseport = true});
  ASSERT_EQ(t.Bind(second, kIpv4Any, kPort), 0);
  ASSERT_EQ(t.Listen(second), 0);
  inet_unhash(first);
  EXPECT_EQ(reuseport_migrate_sock(first, kPort, 0), nullptr);
  net_tcp(t.n).settings.migrate_req = 1;
  EXPECT_EQ(reuseport_migrate_sock(first, kPort, 0), second);
  inet_unhash(second);
  EXPECT_EQ(reuseport_migrate_sock(first, kPort, 0), nullptr);
  EXPECT_EQ(t.n.tcp_ext_mib.Get(TcpExtMib::kTCPMigrateReqFailure), 1U);
}

// --- Size. ---

TEST(Ehash, FindsEveryOneOfMany) {
  constexpr uint32_t kConnections = 10'000;
  Tables t;
  std::vector<sock*> socks;
  for (uint32_t i = 0; i < kConnections; ++i) {
    sock* const sk = t.New();
    inet_sock* const inet = inet_sk(sk);
    ASSERT_EQ(t.Connect(sk, static_cast<uint16_t>(1 + i % 100)), 0);
    ASSERT_GE(inet->inet_num, 32768);
    socks.push_back(sk);
  }
  EXPECT_EQ(t.info().ehash.count(), kConnections);
  EXPECT_GE(t.info().ehash.size(), kConnections);
  for (sock* const sk : socks) ASSERT_EQ(t.Find(sk), &inet_csk(sk)->icsk_hash_node);
  for (sock* const sk : socks) t.Close(sk);
  EXPECT_EQ(t.info().ehash.count(), 0U);
}

TEST(Ehash, FindsTimewaitsBesides) {
  constexpr uint32_t kTimewaits = 20'000;
  Tables t;
  for (uint32_t i = 0; i < kTimewaits; ++i) {
    sock* const sk = t.New();
    ASSERT_EQ(t.Connect(sk, static_cast<uint16_t>(1 + i % 100)), 0);
    const uint16_t port = inet_sk(sk)->inet_num;
    t.ToTimewait(sk, true);
    inet_ehash_node* const node =
        __inet_lookup_established(t.n, kPeer, static_cast<uint16_t>(1 + i % 100), kA, port, 1);
    ASSERT_NE(node, nullptr);
    ASSERT_EQ(node->state, TCP_TIME_WAIT);
  }
  EXPECT_EQ(tcp_objects(t.n).timewaits, kTimewaits);
  t.RunFor(Duration::Seconds(70));
  EXPECT_EQ(tcp_objects(t.n).timewaits, 0U);
}

}  // namespace
}  // namespace tapedeck
