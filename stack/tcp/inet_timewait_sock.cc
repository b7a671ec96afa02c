#include "stack/tcp/inet_timewait_sock.h"

#include "stack/ipv6/ipv6_sock.h"
#include "stack/tcp/inet_hashinfo.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_md5.h"

namespace tapedeck {
namespace {

constexpr uint32_t kShortTimewaitS = 4;  // up to here it counts as killed, not as waited for

// inet_twsk_kill: out of the tables. REQUIRES: the timer does not run.
void Kill(inet_timewait_sock* tw) {
  if (tw->node.linked()) inet_ehash_remove_node(tw->tw_net, &tw->node);
  inet_twsk_bind_unhash(tw);
  --net_tcp(tw->tw_net).tw_count;
  inet_twsk_put(tw);
}

void OnTimer(TimerList* timer) { Kill(static_cast<inet_timewait_timer*>(timer)->tw); }

// A node of ehash ends, if it is none of a user's socket. Whether it did.
bool PurgeNode(inet_ehash_node* node) {
  if (node->state == TCP_TIME_WAIT) {
    inet_twsk_deschedule_put(inet_twsk(node));
    return true;
  }
  if (node->state == TCP_NEW_SYN_RECV) {
    request_sock* const req = inet_reqsk(node);
    inet_csk_reqsk_queue_drop(req->rsk_listener, req);
    return true;
  }
  auto* const sk = static_cast<sock*>(node->owner);
  if (!sock_flag(sk, SOCK_DEAD)) return false;
  sock_hold(sk);
  tcp_done(sk);
  sock_put(sk);
  return true;
}

}  // namespace

inet_timewait_sock::inet_timewait_sock(net& net, TimerList::Function expired)
    : tw_net(net), tw_timer(this, expired) {
  node.owner = this;
  node.state = TCP_TIME_WAIT;
  bind_node.owner = this;
  bind_node.is_timewait = true;
}

inet_timewait_sock* inet_twsk_alloc(const sock* sk, uint8_t substate) {
  netns_tcp& ns = sock_tcp(sk);
  if (ns.tw_count >= static_cast<uint32_t>(ns.settings.max_tw_buckets)) return nullptr;
  inet_timewait_sock* const tw = ns.twsks.New(sk->sk_net, OnTimer);
  if (tw == nullptr) return nullptr;
  const inet_sock* const inet = inet_sk(sk);
  tw->node.num = inet->inet_num;
  tw->node.dport = inet->inet_dport;
  tw->node.bound_dev_if = sk->sk_bound_dev_if;
  tw->node.daddr = inet->inet_daddr;
  tw->node.rcv_saddr = inet->inet_rcv_saddr;
  tw->node.hash = inet_csk(sk)->icsk_hash_node.hash;
  tw->tw_family = sk->sk_family;
  tw->tw_substate = substate;
  tw->tw_reuse = sk->sk_reuse != SK_NO_REUSE;
  tw->tw_reuseport = sk->sk_reuseport;
  tw->tw_ipv6only = sk->sk_ipv6only;
  tw->tw_transparent = inet->transparent;
  tw->tw_tos = inet->tos;
  if (const ipv6_pinfo* const np = inet->pinet6; np != nullptr) {
    tw->tw_tclass = np->tclass;
    tw->tw_flowlabel = np->flow_label & IPV6_FLOWLABEL_MASK;
  }
  tw->tw_sport = inet->inet_sport;
  tw->bind_node.connect_bind = inet_csk(sk)->icsk_bind_node.connect_bind;
  return tw;
}

void inet_twsk_hashdance_schedule(inet_timewait_sock* tw, sock* sk, uint32_t timeo) {
  net& net = tw->tw_net;
  inet_connection_sock* const icsk = inet_csk(sk);
  // The socket stays an owner of its port until it is gone.
  tw->bind_node.tb = icsk->icsk_bind_node.tb;
  CHECK(tw->bind_node.tb != nullptr);
  tw->bind_node.tb->owners.PushFront(&tw->bind_node);
  tcp_hashinfo(net).ehash.Replace(&icsk->icsk_hash_node, &tw->node);
  tw->tw_refcnt = 1;
  const bool kill = timeo <= kShortTimewaitS * net_tcp(net).ticks.hz;
  NET_INC_STATS(net, kill ? TcpExtMib::kTWKilled : TcpExtMib::kTW);
  mod_timer(net.this_cpu(), &tw->tw_timer, net.jiffies() + timeo);
  ++net_tcp(net).tw_count;
}

void inet_twsk_put(inet_timewait_sock* tw) {
  CHECK_GT(tw->tw_refcnt, 0U);
  if (--tw->tw_refcnt != 0) return;
  net& net = tw->tw_net;
  tcp_md5_key_free(net, tw->tw_md5_key);
  net_tcp(net).twsks.Delete(tw);
}

void inet_twsk_deschedule_put(inet_timewait_sock* tw) {
  timer_delete(&tw->tw_timer);
  Kill(tw);
}

void inet_twsk_reschedule(inet_timewait_sock* tw, uint32_t timeo) {
  if (!tw->tw_timer.pending()) return;
  mod_timer(tw->tw_net.this_cpu(), &tw->tw_timer, tw->tw_net.jiffies() + timeo);
}

void inet_twsk_purge(net& net) {
  GrowingHash<inet_ehash_node>& ehash = tcp_hashinfo(net).ehash;
  for (uint32_t i = 0; i < ehash.size(); ++i) {
    inet_ehash_node* node = ehash.bucket(i).front();
    while (node != nullptr) {
      // What ends may take others with it: begin anew.
      node = PurgeNode(node) ? ehash.bucket(i).front() : ehash.bucket(i).Next(node);
    }
  }
}

}  // namespace tapedeck
