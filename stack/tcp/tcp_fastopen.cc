#include "stack/tcp/tcp_fastopen.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/base/byteorder.h"
#include "stack/core/dst.h"
#include "stack/core/net_device.h"
#include "stack/ipv4/route.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_metrics.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {
namespace {

constexpr int kCookieBytes = 8;  // TCP_FASTOPEN_COOKIE_SIZE: what we make

// The listener's own keys, else the host's; nullptr where there are none.
const tcp_fastopen_context* tcp_fastopen_get_ctx(const sock* sk) {
  const tcp_fastopen_context* const own = inet_csk(sk)->icsk_accept_queue.fastopenq.ctx;
  return own != nullptr ? own : sock_tcp(sk).fastopen_ctx;
}

// RFC 7413 4.1.2, with SipHash over both addresses of the SYN.
tcp_fastopen_cookie MakeCookie(const request_sock* req, const SipHashKey& key) {
  uint8_t addresses[32];
  size_t bytes = 0;
  for (const IpAddress* const address : {&req->node.daddr, &req->node.rcv_saddr}) {
    if (address->is_v4()) {
      StoreBe32(addresses + bytes, address->v4().host());
      bytes += 4;
    } else {
      std::memcpy(addresses + bytes, address->v6().bytes().data(), 16);
      bytes += 16;
    }
  }
  tcp_fastopen_cookie cookie;
  StoreLe64(cookie.val, SipHash24(std::span<const uint8_t>(addresses, bytes), key));
  cookie.len = kCookieBytes;
  return cookie;
}

bool SameCookie(const tcp_fastopen_cookie& a, const tcp_fastopen_cookie& b) {
  return a.len == b.len && std::memcmp(a.val, b.val, static_cast<size_t>(a.len)) == 0;
}

// Which key the client's cookie was made with, from 1; 0: none. *valid is the cookie of the first
// key.
int tcp_fastopen_cookie_gen_check(const sock* sk, const request_sock* req,
                                  const tcp_fastopen_cookie& offered, tcp_fastopen_cookie* valid) {
  const tcp_fastopen_context* const ctx = tcp_fastopen_get_ctx(sk);
  if (ctx == nullptr) return 0;
  for (int i = 0; i < ctx->num; ++i) {
    const tcp_fastopen_cookie cookie = MakeCookie(req, ctx->key[i]);
    if (i == 0) *valid = cookie;
    if (SameCookie(cookie, offered)) return i + 1;
  }
  return 0;
}

// Whether the listener may take one more child whose handshake is not complete. A request that a
// reset has ended makes room once it is old.
bool tcp_fastopen_queue_check(sock* sk) {
  fastopen_queue& queue = inet_csk(sk)->icsk_accept_queue.fastopenq;
  if (queue.max_qlen == 0) return false;
  if (queue.qlen < queue.max_qlen) return true;
  request_sock* const oldest = queue.rskq_rst_head;
  if (oldest == nullptr || oldest->rsk_timer.expires > sk->sk_net.jiffies()) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPFastOpenListenOverflow);
    return false;
  }
  queue.rskq_rst_head = oldest->dl_next;
  --queue.qlen;
  reqsk_put(oldest);
  return true;
}

bool tcp_fastopen_no_cookie(const sock* sk, uint32_t flag) {
  return (static_cast<uint32_t>(tcp_sysctl(sk).fastopen) & flag) != 0 ||
         tcp_sk(sk)->fastopen_no_cookie;
}

sock* tcp_fastopen_create_child(sock* sk, sk_buff* skb, request_sock* req) {
  bool own_req = false;
  sock* const child =
      inet_csk(sk)->icsk_af_ops->syn_recv_sock(sk, skb, req, nullptr, nullptr, &own_req);
  if (child == nullptr) return nullptr;
  ++inet_csk(sk)->icsk_accept_queue.fastopenq.qlen;

  tcp_sock* const tp = tcp_sk(child);
  tp->fastopen_rsk = req;
  req->tfo_listener = true;
  // The window of a SYN is never scaled (RFC 7323 2.2).
  tp->snd_wnd = tcp_hdr(skb)->window.host();
  tp->max_window = tp->snd_wnd;
  // The child itself sends the SYN-ACK again; the request is not in ehash.
  req->timeout = tcp_ticks_of(sk).timeout_init;
  tcp_reset_xmit_timer(child, ICSK_TIME_RETRANS, req->timeout, false);
  req->rsk_refcnt = 2;

  tcp_init_transfer(child, skb);
  tp->rcv_nxt = TCP_SKB_CB(skb)->seq + 1;
  tcp_fastopen_add_skb(child, skb);
  req->rcv_nxt = tp->rcv_nxt;
  tp->rcv_wup = tp->rcv_nxt;
  tp->rcv_mwnd_seq = tp->rcv_wup + tp->rcv_wnd;
  return child;
}

// A connection that is to take the SYN's data, with its counters; nullptr where it cannot be made.
sock* AcceptData(sock* sk, sk_buff* skb, request_sock* req, int key, tcp_fastopen_cookie* foc,
                 tcp_fastopen_cookie valid) {
  sock* const child = tcp_fastopen_create_child(sk, skb, req);
  if (child == nullptr) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPFastOpenPassiveFail);
    return nullptr;
  }
  if (key == 2) {
    // An old key: the client gets a cookie of the present one.
    valid.exp = foc->exp;
    *foc = valid;
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPFastOpenPassiveAltKey);
  } else {
    foc->len = -1;
  }
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPFastOpenPassive);
  tcp_sk(child)->syn_fastopen_child = true;
  return child;
}

void FreeContext(net& net, tcp_fastopen_context* ctx) {
  if (ctx != nullptr) net.kernel.kmalloc().Free(ctx, sizeof(*ctx));
}

}  // namespace

sock* tcp_try_fastopen(sock* sk, sk_buff* skb, request_sock* req, tcp_fastopen_cookie* foc,
                       const dst_entry* /*dst*/) {
  const bool syn_data = TCP_SKB_CB(skb)->end_seq != TCP_SKB_CB(skb)->seq + 1;
  const bool enabled = (static_cast<uint32_t>(tcp_sysctl(sk).fastopen) & TFO_SERVER_ENABLE) != 0;
  if (foc->len == 0) NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPFastOpenCookieReqd);
  if (!enabled || !(syn_data || foc->len >= 0) || !tcp_fastopen_queue_check(sk)) {
    foc->len = -1;
    return nullptr;
  }

  tcp_fastopen_cookie valid;
  valid.len = -1;
  if (tcp_fastopen_no_cookie(sk, TFO_SERVER_COOKIE_NOT_REQD)) {
    if (sock* const child = AcceptData(sk, skb, req, 0, foc, valid)) return child;
  } else if (foc->len == 0) {
    const tcp_fastopen_context* const ctx = tcp_fastopen_get_ctx(sk);
    if (ctx != nullptr) valid = MakeCookie(req, ctx->key[0]);
  } else if (foc->len > 0) {
    const int key = tcp_fastopen_cookie_gen_check(sk, req, *foc, &valid);
    if (key == 0) {
      NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPFastOpenPassiveFail);
    } else if (sock* const child = AcceptData(sk, skb, req, key, foc, valid)) {
      return child;
    }
  }
  valid.exp = foc->exp;
  *foc = valid;
  return nullptr;
}

void tcp_fastopen_add_skb(sock* sk, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  if (TCP_SKB_CB(skb)->end_seq == tp->rcv_nxt) return;
  sk_buff* const data = skb_clone(skb);
  if (data == nullptr) return;
  skb_dst_drop(data);
  // The child was made with this segment counted; it is counted again with its bytes here.
  tp->segs_in = 0;
  tcp_segs_in(tp, data);
  skb_pull(data, tcp_hdrlen(data));
  sk_forced_mem_schedule(sk, data->truesize);
  skb_set_owner_r(data, sk);

  tcp_skb_cb* const cb = TCP_SKB_CB(data);
  cb->seq += 1;
  cb->tcp_flags = static_cast<uint16_t>(cb->tcp_flags & ~TCPHDR_SYN);
  tp->rcv_nxt = cb->end_seq;
  __skb_queue_tail(&sk->sk_receive_queue, data);
  tp->syn_data_acked = true;
  tp->bytes_received = data->len;
  if ((cb->tcp_flags & TCPHDR_FIN) != 0) tcp_fin(sk);
}

// --- Keys. ---

int tcp_fastopen_reset_cipher(net& net, sock* sk, std::span<const uint8_t> keys) {
  void* const memory = net.kernel.kmalloc().Alloc(sizeof(tcp_fastopen_context));
  if (memory == nullptr) return -ENOMEM;
  auto* const ctx = new (memory) tcp_fastopen_context;
  for (size_t at = 0; at + TCP_FASTOPEN_KEY_LENGTH <= keys.size(); at += TCP_FASTOPEN_KEY_LENGTH) {
    ctx->key[ctx->num++] = SipHashKey::FromBytes(keys.subspan(at).first<16>());
  }
  tcp_fastopen_context*& place =
      sk != nullptr ? inet_csk(sk)->icsk_accept_queue.fastopenq.ctx : net_tcp(net).fastopen_ctx;
  FreeContext(net, place);
  place = ctx;
  return 0;
}

int tcp_fastopen_get_cipher(net& net, const sock* sk, uint8_t* keys) {
  const tcp_fastopen_context* const ctx =
      sk != nullptr ? inet_csk(sk)->icsk_accept_queue.fastopenq.ctx : net_tcp(net).fastopen_ctx;
  if (ctx == nullptr) return 0;
  for (int i = 0; i < ctx->num; ++i) {
    StoreLe64(keys + 16 * i, ctx->key[i].k0);
    StoreLe64(keys + 16 * i + 8, ctx->key[i].k1);
  }
  return ctx->num * static_cast<int>(TCP_FASTOPEN_KEY_LENGTH);
}

void tcp_fastopen_destroy_cipher(sock* sk) {
  tcp_fastopen_context*& ctx = inet_csk(sk)->icsk_accept_queue.fastopenq.ctx;
  FreeContext(sk->sk_net, ctx);
  ctx = nullptr;
}

void tcp_fastopen_exit(net& net) {
  FreeContext(net, net_tcp(net).fastopen_ctx);
  net_tcp(net).fastopen_ctx = nullptr;
}

void tcp_fastopen_init_key_once(net& net) {
  if (net_tcp(net).fastopen_ctx != nullptr) return;
  uint8_t key[TCP_FASTOPEN_KEY_LENGTH];
  StoreLe64(key, net.kernel.prng().Next64());
  StoreLe64(key + 8, net.kernel.prng().Next64());
  tcp_fastopen_reset_cipher(net, nullptr, key);
}

void fastopen_queue_tune(sock* sk, int backlog) {
  const auto limit = static_cast<uint32_t>(sk->sk_net.core.somaxconn);
  inet_csk(sk)->icsk_accept_queue.fastopenq.max_qlen =
      std::min(static_cast<uint32_t>(backlog), limit);
}

namespace {

// Four groups of up to eight hexadecimal digits. False where it is something else.
bool ParseKey(std::string_view text, uint8_t key[TCP_FASTOPEN_KEY_LENGTH]) {
  for (int group = 0; group < 4; ++group) {
    uint32_t word = 0;
    size_t digits = 0;
    for (; digits < text.size() && digits < 8; ++digits) {
      const char c = text[digits];
      const int lower = c | 0x20;
      const int value = c >= '0' && c <= '9'           ? c - '0'
                        : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                       : -1;
      if (value < 0) break;
      word = word << 4 | static_cast<uint32_t>(value);
    }
    if (digits == 0) return false;
    StoreLe32(key + 4 * group, word);
    text.remove_prefix(digits);
    if (group == 3) return text.empty();
    if (text.empty() || text[0] != '-') return false;
    text.remove_prefix(1);
  }
  return false;
}

void AppendKey(const uint8_t* key, std::string* text) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (int group = 0; group < 4; ++group) {
    if (group > 0) text->push_back('-');
    const uint32_t word = LoadLe32(key + 4 * group);
    for (int shift = 28; shift >= 0; shift -= 4) text->push_back(kDigits[word >> shift & 0xf]);
  }
}

}  // namespace

void tcp_fastopen_key_read(net& net, std::string* text) {
  uint8_t keys[TCP_FASTOPEN_KEY_LENGTH * TCP_FASTOPEN_KEY_MAX] = {};
  const int bytes = std::max(tcp_fastopen_get_cipher(net, nullptr, keys),
                             static_cast<int>(TCP_FASTOPEN_KEY_LENGTH));
  AppendKey(keys, text);
  if (bytes > static_cast<int>(TCP_FASTOPEN_KEY_LENGTH)) {
    text->push_back(',');
    AppendKey(keys + TCP_FASTOPEN_KEY_LENGTH, text);
  }
}

int tcp_fastopen_key_write(net& net, std::string_view text) {
  uint8_t keys[TCP_FASTOPEN_KEY_LENGTH * TCP_FASTOPEN_KEY_MAX];
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  const size_t comma = text.find(',');
  size_t bytes = TCP_FASTOPEN_KEY_LENGTH;
  if (!ParseKey(text.substr(0, comma), keys)) return -EINVAL;
  if (comma != std::string_view::npos) {
    if (!ParseKey(text.substr(comma + 1), keys + TCP_FASTOPEN_KEY_LENGTH)) return -EINVAL;
    bytes += TCP_FASTOPEN_KEY_LENGTH;
  }
  return tcp_fastopen_reset_cipher(net, nullptr, {keys, bytes});
}

}  // namespace tapedeck
