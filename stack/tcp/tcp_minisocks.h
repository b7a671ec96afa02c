// Requests that become connections, and connections that become time-wait sockets
// (net/ipv4/tcp_minisocks.c). Files: tcp_minisocks.cc, tcp_timewait.cc.
#ifndef TAPEDECK_STACK_TCP_TCP_MINISOCKS_H_
#define TAPEDECK_STACK_TCP_TCP_MINISOCKS_H_

#include <cstdint>

#include "stack/tcp/inet_timewait_sock.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

// A segment for request `req` of listener `sk`: the child, with the segment still to be processed;
// `sk` where it belongs to the listener after all; nullptr where it has been dealt with (the packet
// stays the caller's, to be dropped with *reason). *req_stolen: another segment finished it.
sock* tcp_check_req(sock* sk, sk_buff* skb, request_sock* req, bool fastopen, bool* req_stolen,
                    DropReason* reason);
// Hands the segment to a new child; owns it. CONSUMED or why it was refused.
DropReason tcp_child_process(sock* parent, sock* child, sk_buff* skb);
// The child's TCP state, from its request. nullptr: no memory.
sock* tcp_create_openreq_child(const sock* sk, request_sock* req, sk_buff* skb);
void tcp_ca_openreq_child(sock* sk, const dst_entry* dst);

// RFC 9293 3.10.7.4, first check: whether [seq, end_seq) has to do with the window [s_win, e_win).
bool tcp_in_window(SeqNum seq, SeqNum end_seq, SeqNum s_win, SeqNum e_win);
// The socket goes into `state` (TIME_WAIT or FIN_WAIT2) as a time-wait socket for `timeo` jiffies
// and is done.
void tcp_time_wait(sock* sk, uint8_t state, uint32_t timeo);
enum class tcp_tw_status : uint8_t { kSuccess, kRst, kAck, kSyn, kAckOow };
tcp_tw_status tcp_timewait_state_process(inet_timewait_sock* tw, sk_buff* skb,
                                         const wire::TcpHeader* th, uint32_t* tw_isn,
                                         DropReason* reason);
// Whether a new connection may take over the ports of `tw`, whose numbers it then goes on from.
// `port_was_chosen`: the local port was not asked for, so another will do (tcp_tw_reuse).
bool tcp_twsk_unique(sock* sk, inet_timewait_sock* tw, bool port_was_chosen);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_MINISOCKS_H_
