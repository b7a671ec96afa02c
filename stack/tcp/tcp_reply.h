// Answers without a connection: resets, and the ACKs of requests and time-wait sockets. They are
// made from the segment alone (RFC 9293 3.10.7.1), never from a socket's TTL or TOS.
#ifndef TAPEDECK_STACK_TCP_TCP_REPLY_H_
#define TAPEDECK_STACK_TCP_TCP_REPLY_H_

#include <cstdint>
#include <span>

#include "stack/tcp/tcp_minisocks.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

// Answers a segment that belongs to nothing (`sk` is null) or that its socket refuses: never a
// reset, never what was not for us alone (tcp_v4_send_reset, tcp_v6_send_reset). The packet, in
// TCP's hands, stays the caller's; so for the others.
void tcp_send_reset(const sock* sk, sk_buff* skb);
// An ACK for a request of listener (or fast open child) `sk` / in the name of a time-wait socket,
// or a reset.
void tcp_reqsk_send_ack(const sock* sk, sk_buff* skb, request_sock* req);
void tcp_timewait_ack(const inet_timewait_sock* tw, sk_buff* skb, tcp_tw_status status);
void tcp_timewait_reset(const inet_timewait_sock* tw, sk_buff* skb);

// On whose behalf an answer goes out, as far as that matters to its route and queue.
struct tcp_reply_sender {
  const sock* sk = nullptr;  // null: nobody's, or a time-wait socket's
  int bound_dev_if = 0;
  uint32_t mark = 0;
  uint32_t priority = 0;
  uint32_t txhash = 0;
  uint32_t flowlabel = 0;  // IPv6
  bool transparent = false;
};
// Sends a segment without data, `segment`, whose checksum is still to be made, back to where `skb`
// came from. `tos`: TOS or traffic class. Whether it counts as sent: over IPv6 it does not where
// no route leads back.
bool tcp_v4_send_reply(sk_buff* skb, std::span<const uint8_t> segment,
                       const tcp_reply_sender& sender, uint8_t tos);
bool tcp_v6_send_reply(sk_buff* skb, std::span<const uint8_t> segment,
                       const tcp_reply_sender& sender, uint8_t tos);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_REPLY_H_
