// Connections that are over but still answer (net/ipv4/inet_timewait_sock.c): TIME-WAIT, and
// FIN-WAIT-2 after the user has gone. A fraction of a socket's size.
#ifndef TAPEDECK_STACK_TCP_INET_TIMEWAIT_SOCK_H_
#define TAPEDECK_STACK_TCP_INET_TIMEWAIT_SOCK_H_

#include <cstdint>

#include "stack/base/seqnum.h"
#include "stack/core/net.h"
#include "stack/kernel/timer.h"
#include "stack/tcp/inet_hashtables.h"

namespace tapedeck {

struct inet_timewait_timer : TimerList {
  inet_timewait_timer(inet_timewait_sock* its_tw, Function handler)
      : TimerList(handler), tw(its_tw) {}
  inet_timewait_sock* tw;
};

// inet_timewait_sock and tcp_timewait_sock in one.
struct inet_timewait_sock {
  inet_timewait_sock(net& net, TimerList::Function expired);

  inet_ehash_node node;  // TCP_TIME_WAIT
  inet_bind_node bind_node;
  net& tw_net;
  uint32_t tw_refcnt = 0;
  uint16_t tw_family = 0;
  uint8_t tw_substate = 0;  // TCP_TIME_WAIT or TCP_FIN_WAIT2
  uint8_t tw_rcv_wscale = 0;
  bool tw_reuse = false;
  bool tw_reuseport = false;
  bool tw_ipv6only = false;
  bool tw_transparent = false;
  bool tw_usec_ts = false;
  uint8_t tw_tos = 0;
  uint8_t tw_tclass = 0;  // IPv6's
  be16 tw_sport;
  uint32_t tw_mark = 0;
  uint32_t tw_priority = 0;
  uint32_t tw_txhash = 0;
  uint32_t tw_flowlabel = 0;  // IPv6
  uint32_t tw_entry_stamp_ms = 0;
  inet_timewait_timer tw_timer;

  SeqNum tw_rcv_nxt;
  SeqNum tw_snd_nxt;
  uint32_t tw_rcv_wnd = 0;
  uint32_t tw_ts_offset = 0;
  uint32_t tw_ts_recent = 0;
  uint32_t tw_ts_recent_stamp_s = 0;  // 0: no timestamps
  uint32_t tw_last_oow_ack_time = 0;  // tcp_jiffies32
  struct tcp_md5sig_key* tw_md5_key = nullptr;
};

inline inet_timewait_sock* inet_twsk(inet_ehash_node* node) {
  return static_cast<inet_timewait_sock*>(node->owner);
}

// A time-wait socket with the identity of `sk` in `substate`, not yet in any table; nullptr where
// memory or tcp_max_tw_buckets is used up.
inet_timewait_sock* inet_twsk_alloc(const sock* sk, uint8_t substate);
// Puts it in the place of `sk` in ehash, beside it in the port's bucket, and starts its timer.
void inet_twsk_hashdance_schedule(inet_timewait_sock* tw, sock* sk, uint32_t timeo);
// Out of the bucket of its port; nothing where it has left.
void inet_twsk_bind_unhash(inet_timewait_sock* tw);
// The end of a host's TCP: time-wait sockets, requests and connections without a user end at once.
void inet_twsk_purge(net& net);
// Ends it at once: out of the tables, timer stopped, references dropped.
void inet_twsk_deschedule_put(inet_timewait_sock* tw);
void inet_twsk_put(inet_timewait_sock* tw);
// The timer anew, `timeo` jiffies from now.
void inet_twsk_reschedule(inet_timewait_sock* tw, uint32_t timeo);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_INET_TIMEWAIT_SOCK_H_
