#include "stack/tcp/syncookies.h"

#include <cerrno>

#include "stack/base/hash.h"
#include "stack/core/dst.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_segment.h"

namespace tapedeck {
namespace {

// The cookie (Bernstein): a hash of the connection, the peer's ISN, the minute in the upper 8 bits,
// and in the lower 24 the index of the MSS, hidden by a second hash.
constexpr int kCookieBits = 24;
constexpr uint32_t kCookieMask = (1U << kCookieBits) - 1;
constexpr uint32_t kMaxAgeMinutes = 2;  // MAX_SYNCOOKIE_AGE
constexpr uint32_t kMinuteSeconds = 60;

// What a cookie can carry of the peer's MSS, in bytes. Sorted.
constexpr uint32_t kMssTableSize = 4;
using MssTable = uint16_t[kMssTableSize];
constexpr MssTable kIpv4MssTable = {536, 1300, 1440, 1460};
constexpr MssTable kIpv6MssTable = {1280 - 60, 1480 - 60, 1500 - 60, 9000 - 60};
const MssTable& MssTableOf(const sk_buff* skb) {
  return tcp_is_v4(skb) ? kIpv4MssTable : kIpv6MssTable;
}

// The low bits of the SYN-ACK's timestamp carry the agreed options.
constexpr int kTsBits = 6;
constexpr uint32_t kTsWscaleMask = 0xf;  // all ones: no window scaling
constexpr uint32_t kTsSack = 1U << 4;
constexpr uint32_t kTsEcn = 1U << 5;

uint32_t CookieHash(const sk_buff* skb, uint32_t count, int which) {
  const net& net = *skb->owner;
  const wire::TcpHeader& th = *tcp_hdr(skb);
  const uint32_t ports = uint32_t{th.source.host()} << 16 | th.dest.host();
  return static_cast<uint32_t>(tcp_secure_hash(net.tcp->syncookie_secret[which], tcp_saddr(skb),
                                               tcp_daddr(skb), ports, count));
}

uint32_t CookieTime(const net& net) {
  const uint64_t jiffies = net.kernel.jiffies();
  return static_cast<uint32_t>(jiffies / (uint64_t{kMinuteSeconds} * net.kernel.hz()));
}

uint32_t MakeCookie(const sk_buff* skb, uint32_t data) {
  const uint32_t count = CookieTime(*skb->owner);
  const uint32_t hidden = (CookieHash(skb, count, 1) + data) & kCookieMask;
  return CookieHash(skb, 0, 0) + tcp_hdr(skb)->sequence().value() + (count << kCookieBits) + hidden;
}

// The MSS that the cookie which an ACK acknowledges was made with; 0: it is none, or too old.
uint16_t CheckCookie(const sk_buff* skb) {
  const wire::TcpHeader& th = *tcp_hdr(skb);
  const uint32_t count = CookieTime(*skb->owner);
  const uint32_t peer_isn = th.sequence().value() - 1;
  const uint32_t cookie = th.acknowledgment().value() - 1 - CookieHash(skb, 0, 0) - peer_isn;
  const uint32_t age = (count - (cookie >> kCookieBits)) & (UINT32_MAX >> kCookieBits);
  if (age >= kMaxAgeMinutes) return 0;
  const uint32_t data = (cookie - CookieHash(skb, count - age, 1)) & kCookieMask;
  return data < kMssTableSize ? MssTableOf(skb)[data] : uint16_t{0};
}

// The options that the timestamp's echo says were agreed. False where one of them is off now.
bool DecodeTimestamp(const tcp_settings& settings, tcp_options_received* opt) {
  const uint32_t bits = opt->rcv_tsecr;
  if (!opt->saw_tstamp) {
    tcp_clear_options(opt);
    return true;
  }
  if (settings.timestamps == 0) return false;
  opt->sack_ok = (bits & kTsSack) != 0 ? uint8_t{TCP_SACK_SEEN} : uint8_t{0};
  if (opt->sack_ok != 0 && settings.sack == 0) return false;
  if ((bits & kTsWscaleMask) == kTsWscaleMask) return true;
  opt->wscale_ok = true;
  opt->snd_wscale = bits & kTsWscaleMask;
  return settings.window_scaling != 0;
}

// The request as it was when the SYN-ACK went out, from the cookie and this ACK. nullptr where the
// ACK is none of a cookie: *is_cookie tells that from lack of memory.
request_sock* MakeRequest(sock* sk, sk_buff* skb, bool* is_cookie) {
  *is_cookie = false;
  if (tcp_synq_no_recent_overflow(sk)) return nullptr;
  net& net = sk->sk_net;
  const wire::TcpHeader& th = *tcp_hdr(skb);
  const request_sock_ops& ops =
      tcp_is_v4(skb) ? tcp_request_sock_ipv4_ops : tcp_request_sock_ipv6_ops;
  const uint16_t mss = CheckCookie(skb);
  if (mss == 0) {
    NET_INC_STATS(net, TcpExtMib::kSyncookiesFailed);
    return nullptr;
  }
  NET_INC_STATS(net, TcpExtMib::kSyncookiesRecv);

  tcp_options_received opt;
  tcp_parse_options(net, skb, &opt, false, nullptr);
  uint32_t ts_off = 0;
  if (opt.saw_tstamp && opt.rcv_tsecr != 0) {
    ts_off = tcp_init_seq_and_ts_off(skb).ts_off;
    opt.rcv_tsecr -= ts_off;
  }
  if (!DecodeTimestamp(tcp_sysctl(sk), &opt)) return nullptr;

  *is_cookie = true;
  request_sock* const req = inet_reqsk_alloc(&ops, sk, false);
  if (req == nullptr) return nullptr;
  req->node.num = th.dest.host();
  req->node.dport = th.source;
  req->node.bound_dev_if = sk->sk_bound_dev_if;
  req->ir_mark = sk->sk_mark;
  req->rcv_isn = th.sequence() - 1;
  req->snt_isn = th.acknowledgment() - 1;
  req->txhash = req->snt_isn.value();
  req->syn_tos = TCP_SKB_CB(skb)->ip_dsfield;
  req->mss = mss;
  req->ts_recent = opt.saw_tstamp ? opt.rcv_tsval : 0;
  req->snd_wscale = opt.snd_wscale;
  req->tstamp_ok = opt.saw_tstamp;
  req->sack_ok = opt.sack_ok != 0;
  req->wscale_ok = opt.wscale_ok;
  req->ecn_ok = (opt.rcv_tsecr & kTsEcn) != 0;
  req->ts_off = ts_off;
  return req;
}

// The window that tcp_conn_request chose then.
void ChooseWindow(sock* sk, request_sock* req, const dst_entry* dst) {
  const uint32_t clamp = tcp_sk(sk)->window_clamp;
  req->rsk_window_clamp = clamp != 0 ? clamp : dst_metric_raw(dst, RTAX_WINDOW);
  const auto full_space = static_cast<uint32_t>(tcp_full_space(sk));
  const bool limited = (sk->sk_userlocks & SOCK_RCVBUF_LOCK) != 0;
  if (limited && (req->rsk_window_clamp > full_space || req->rsk_window_clamp == 0)) {
    req->rsk_window_clamp = full_space;
  }
  tcp_select_initial_window(sk, static_cast<int>(full_space), req->mss, &req->rsk_rcv_wnd,
                            &req->rsk_window_clamp, req->wscale_ok, &req->rcv_wscale,
                            dst_metric_raw(dst, RTAX_INITRWND));
}

bool EcnAllowed(const sock* sk, const dst_entry* dst) {
  constexpr uint32_t kRtaxFeatureEcn = 1;
  return tcp_sysctl(sk).ecn != 0 || (dst_metric_raw(dst, RTAX_FEATURES) & kRtaxFeatureEcn) != 0;
}

// The child goes straight into the accept queue. nullptr where it failed; req is gone either way.
sock* tcp_get_cookie_sock(sock* sk, sk_buff* skb, request_sock* req, dst_entry* dst) {
  bool own_req = false;
  sock* const child =
      inet_csk(sk)->icsk_af_ops->syn_recv_sock(sk, skb, req, dst, nullptr, &own_req);
  if (child != nullptr) {
    req->rsk_refcnt = 1;
    if (inet_csk_reqsk_queue_add(sk, req, child) != nullptr) return child;
    sock_put(child);
  }
  reqsk_free(req);
  return nullptr;
}

bool Between32(uint32_t t, uint32_t low, uint32_t high) { return high - low >= t - low; }

}  // namespace

uint32_t cookie_init_sequence(const sk_buff* skb, uint16_t* mss) {
  const MssTable& table = MssTableOf(skb);
  uint32_t index = kMssTableSize - 1;
  while (index > 0 && *mss < table[index]) --index;
  *mss = table[index];
  return MakeCookie(skb, index);
}

uint64_t cookie_init_timestamp(request_sock* req, uint64_t now_ns) {
  const uint64_t now = tcp_ns_to_ts(false, now_ns);
  uint32_t options = req->wscale_ok ? req->snd_wscale : kTsWscaleMask;
  if (req->sack_ok) options |= kTsSack;
  if (req->ecn_ok) options |= kTsEcn;
  uint64_t ts = (now >> kTsBits << kTsBits) | options;
  // Later segments carry the clock: this one may not be ahead of it.
  if (ts > now) ts -= uint64_t{1} << kTsBits;
  return ts * (req->req_usec_ts ? 1000 : 1'000'000);
}

sock* cookie_check(sock* sk, sk_buff* skb) {
  const wire::TcpHeader& th = *tcp_hdr(skb);
  if (tcp_sysctl(sk).syncookies == 0 || !th.ack() || th.rst()) return sk;
  bool is_cookie = false;
  request_sock* const req = MakeRequest(sk, skb, &is_cookie);
  if (req == nullptr && !is_cookie) return sk;
  if (req == nullptr) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
    return nullptr;
  }

  flowi fl;
  dst_entry* const dst = req->rsk_ops->route_req(sk, skb, &fl, req, 0);
  if (dst == nullptr) {
    reqsk_free(req);
    kfree_skb_reason(skb, SKB_DROP_REASON_IP_OUTNOROUTES);
    return nullptr;
  }
  ChooseWindow(sk, req, dst);
  req->ecn_ok = req->ecn_ok && EcnAllowed(sk, dst);
  // The third packet of an AccECN client encodes the SYN-ACK's ECN field, which is never 0 or 1.
  req->accecn_ok = req->ecn_ok && th.ace() > 1;
  sock* const child = tcp_get_cookie_sock(sk, skb, req, dst);
  if (child == nullptr) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
    return nullptr;
  }
  inet_sk(child)->cork.fl = fl;
  return child;
}

// A listener has no timestamps: ts_recent_stamp_s holds the jiffy of the last overflow.
void tcp_synq_overflow(const sock* sk) {
  const uint32_t now = tcp_jiffies32(sk);
  auto* const tp = const_cast<tcp_sock*>(tcp_sk(sk));
  const uint32_t last = tp->rx_opt.ts_recent_stamp_s;
  if (!Between32(now, last, last + tcp_ticks_of(sk).hz)) tp->rx_opt.ts_recent_stamp_s = now;
}

bool tcp_synq_no_recent_overflow(const sock* sk) {
  const uint32_t hz = tcp_ticks_of(sk).hz;
  const uint32_t last = tcp_sk(sk)->rx_opt.ts_recent_stamp_s;
  return !Between32(tcp_jiffies32(sk), last - hz, last + kMaxAgeMinutes * kMinuteSeconds * hz);
}

}  // namespace tapedeck
