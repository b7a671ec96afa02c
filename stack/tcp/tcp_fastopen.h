// TCP Fast Open (RFC 7413; net/ipv4/tcp_fastopen.c): cookies, data in SYNs, both sides.
#ifndef TAPEDECK_STACK_TCP_TCP_FASTOPEN_H_
#define TAPEDECK_STACK_TCP_TCP_FASTOPEN_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "stack/base/hash.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

inline constexpr uint32_t TCP_FASTOPEN_KEY_LENGTH = 16;
inline constexpr uint32_t TCP_FASTOPEN_KEY_MAX = 2;

// tcp_sock::fastopen_client_fail.
enum : uint8_t {
  TFO_STATUS_UNSPEC,
  TFO_COOKIE_UNAVAILABLE,
  TFO_DATA_NOT_ACKED,
  TFO_SYN_RETRANSMITTED,
};

// One or two keys; the first makes cookies, both are accepted.
struct tcp_fastopen_context {
  SipHashKey key[TCP_FASTOPEN_KEY_MAX];
  int num = 0;
};

// --- Server. ---
// A SYN with a cookie or a request for one: the child whose socket takes its data, or nullptr;
// `foc` becomes the cookie to answer with.
sock* tcp_try_fastopen(sock* sk, sk_buff* skb, request_sock* req, tcp_fastopen_cookie* foc,
                       const dst_entry* dst);
// Puts a SYN's data into the child's receive queue.
void tcp_fastopen_add_skb(sock* sk, sk_buff* skb);
// `keys`: 16 or 32 bytes. For a listener, or for the host where sk is null. 0 or -ENOMEM.
int tcp_fastopen_reset_cipher(net& net, sock* sk, std::span<const uint8_t> keys);
// Writes the keys in use (16 or 32 bytes) and returns their number of bytes.
int tcp_fastopen_get_cipher(net& net, const sock* sk, uint8_t* keys);
void tcp_fastopen_destroy_cipher(sock* sk);
void tcp_fastopen_init_key_once(net& net);
void tcp_fastopen_exit(net& net);  // frees the host's keys
void fastopen_queue_tune(sock* sk, int backlog);
inline bool tcp_passive_fastopen(const sock* sk) {
  return sk->sk_state == TCP_SYN_RECV && tcp_sk(sk)->fastopen_rsk != nullptr;
}

// --- Client. ---
// Whether a SYN may carry data: *cookie and *mss from the metrics; false where it has to ask first.
bool tcp_fastopen_cookie_check(sock* sk, uint16_t* mss, tcp_fastopen_cookie* cookie);
// TCP_FASTOPEN_CONNECT: whether connect() may return before the SYN; *err otherwise.
bool tcp_fastopen_defer_connect(sock* sk, int* err);
// The SYN-ACK is here: its cookie is stored, its data queued. True where it did not take the SYN's
// data, which has been sent again with the ACK.
bool tcp_rcv_fastopen_synack(sock* sk, sk_buff* synack, tcp_fastopen_cookie* cookie);
void tcp_free_fastopen_req(tcp_sock* tp);

// --- Paths that swallow SYNs with data. ---
void tcp_fastopen_active_disable(sock* sk);
bool tcp_fastopen_active_should_disable(sock* sk);
void tcp_fastopen_active_disable_ofo_check(sock* sk);
void tcp_fastopen_active_detect_blackhole(sock* sk, bool expired);

// sysctl net/ipv4/tcp_fastopen_key as text.
void tcp_fastopen_key_read(net& net, std::string* text);
int tcp_fastopen_key_write(net& net, std::string_view text);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_FASTOPEN_H_
