// Which options a segment carries, and how they lie in its header: byte for byte as Linux writes
// them, since middleboxes are known to choke on other orders.
#include <algorithm>
#include <cstring>

#include "stack/base/byteorder.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_md5.h"
#include "stack/tcp/tcp_output_internal.h"
#include "stack/wire/tcp_options.h"

namespace tapedeck {

namespace {

using wire::kTcpOptNop;

constexpr uint16_t kFastOpenMagic =
    0xf989;  // RFC 6994 experiment identifier (TCPOPT_FASTOPEN_MAGIC)
constexpr uint32_t kSynRetransmitsWithAccEcn = 2;  // AccECN, 3.1.4.1

// Appends options word by word.
struct OptionCursor {
  uint8_t* at;

  void Bytes(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    at[0] = a;
    at[1] = b;
    at[2] = c;
    at[3] = d;
    at += 4;
  }
  void Word(uint32_t value) {
    StoreBe32(at, value);
    at += 4;
  }
};

// One or two bytes of an option that ended in the middle of a word: they take the place of
// no-operations that pad a later one.
struct Leftover {
  uint8_t high = kTcpOptNop;
  uint8_t low = kTcpOptNop;

  bool any() const { return high != kTcpOptNop || low != kTcpOptNop; }
};

// The window to advertise in terms of MSS (tcp_advertise_mss): never above what the route says.
uint16_t tcp_advertise_mss(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const dst_entry* const dst = __sk_dst_get(sk);
  if (dst != nullptr) {
    tp->advmss = static_cast<uint16_t>(std::min<uint32_t>(tp->advmss, tcp_dst_advmss(dst)));
  }
  return tp->advmss;
}

// Bytes of a fast open option in whole words.
uint32_t FastOpenBytes(const tcp_fastopen_cookie& cookie) {
  const uint32_t base = cookie.exp ? TCPOLEN_EXP_FASTOPEN_BASE : TCPOLEN_FASTOPEN_BASE;
  return (base + static_cast<uint32_t>(cookie.len) + 3) & ~3U;
}

// Adds `cookie` where it fits; whether it did.
bool AddFastOpen(const tcp_fastopen_cookie* cookie, tcp_out_options* opts, uint32_t* remaining) {
  if (cookie == nullptr || cookie->len < 0) return false;
  const uint32_t need = FastOpenBytes(*cookie);
  if (*remaining < need) return false;
  opts->options |= OPTION_FAST_OPEN_COOKIE;
  opts->fastopen_cookie = cookie;
  *remaining -= need;
  return true;
}

// SACK blocks as far as they fit; their bytes.
uint32_t AddSackBlocks(const tcp_sock* tp, uint32_t size, tcp_out_options* opts) {
  const uint32_t wanted = tp->rx_opt.num_sacks + uint32_t{tp->rx_opt.dsack};
  const uint32_t remaining = MAX_TCP_OPTION_SPACE - size;
  opts->num_sack_blocks = 0;
  if (wanted == 0 || remaining < TCPOLEN_SACK_BASE_ALIGNED + TCPOLEN_SACK_PERBLOCK) return 0;
  const uint32_t fit = (remaining - TCPOLEN_SACK_BASE_ALIGNED) / TCPOLEN_SACK_PERBLOCK;
  opts->num_sack_blocks = static_cast<uint8_t>(std::min(wanted, fit));
  return TCPOLEN_SACK_BASE_ALIGNED + opts->num_sack_blocks * TCPOLEN_SACK_PERBLOCK;
}

// Whether an established connection says its ECN counters in this segment.
bool WantsAccEcn(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const int32_t level = tcp_sysctl(sk).ecn_option;
  if (level == 0 || tp->saw_accecn_opt == 0) return false;
  if (level < TCP_ACCECN_OPTION_PERSIST && tcp_accecn_opt_fail_send(tp)) return false;
  return level >= TCP_ACCECN_OPTION_FULL || tp->accecn_opt_demand != 0 ||
         tcp_accecn_option_beacon_check(sk);
}

// --- Writing. ---

void WriteTimestamps(OptionCursor* out, const tcp_out_options& opts, uint16_t* options) {
  if ((*options & OPTION_SACK_ADVERTISE) != 0) {
    out->Bytes(wire::kTcpOptSackPermitted, 2, wire::kTcpOptTimestamps, 10);
    *options = static_cast<uint16_t>(*options & ~OPTION_SACK_ADVERTISE);
  } else {
    out->Bytes(kTcpOptNop, kTcpOptNop, wire::kTcpOptTimestamps, 10);
  }
  out->Word(opts.tsval);
  out->Word(opts.tsecr);
}

// The AccECN option, order 1: ECT(1), CE, ECT(0), as many of them as fit. What does not fill a word
// is left over.
void WriteAccEcn(OptionCursor* out, const tcp_out_options& opts, const uint32_t ecn_bytes[3],
                 Leftover* leftover) {
  const uint32_t e1b = ecn_bytes[INET_ECN_ECT_1 - 1] + TCP_ACCECN_E1B_INIT_OFFSET;
  const uint32_t e0b = ecn_bytes[INET_ECN_ECT_0 - 1] + TCP_ACCECN_E0B_INIT_OFFSET;
  const uint32_t ceb = ecn_bytes[INET_ECN_CE - 1] + TCP_ACCECN_CEB_INIT_OFFSET;
  const uint32_t fields = opts.num_accecn_fields;
  const auto len = static_cast<uint8_t>(TCPOLEN_ACCECN_BASE + fields * TCPOLEN_ACCECN_PERFIELD);
  if (fields == 0) {
    *leftover = {.high = wire::kTcpOptAccEcn1, .low = len};
    return;
  }
  out->Word(uint32_t{wire::kTcpOptAccEcn1} << 24 | uint32_t{len} << 16 | (e1b >> 8 & 0xffff));
  if (fields == 1) {
    leftover->high = static_cast<uint8_t>(e1b);
    return;
  }
  out->Word((e1b & 0xff) << 24 | (ceb & 0xffffff));
  if (fields == 3) out->Word((e0b & 0xffffff) << 8 | kTcpOptNop);
}

// The option as it goes out, and what is remembered of it.
void SendAccEcn(OptionCursor* out, tcp_sock* tp, const tcp_out_options& opts, Leftover* leftover) {
  // A SYN-ACK reports that nothing has been received.
  static constexpr uint32_t kSynAckBytes[3] = {};
  WriteAccEcn(out, opts, opts.use_synack_ecn_bytes ? kSynAckBytes : tp->received_ecn_bytes,
              leftover);
  if (tp == nullptr) return;
  tp->accecn_minlen = 0;
  tp->accecn_opt_tstamp_us = tp->tcp_mstamp_us;
  tp->accecn_opt_sent_w_dsack = tp->rx_opt.dsack;
  if (tp->accecn_opt_demand > 0) --tp->accecn_opt_demand;
}

void WriteWindowScale(OptionCursor* out, uint8_t shift, Leftover* leftover) {
  uint8_t first = kTcpOptNop;
  // Two left over bytes must stay together, one may go here.
  if (leftover->high != kTcpOptNop && leftover->low == kTcpOptNop) {
    first = leftover->high;
    leftover->high = kTcpOptNop;
  }
  out->Bytes(first, wire::kTcpOptWindowScale, 3, shift);
}

void WriteSackBlocks(OptionCursor* out, tcp_sock* tp, uint8_t blocks, Leftover* leftover) {
  out->Bytes(leftover->high, leftover->low, wire::kTcpOptSack,
             static_cast<uint8_t>(2 + blocks * TCPOLEN_SACK_PERBLOCK));
  *leftover = {};
  const uint8_t duplicates = tp->rx_opt.dsack ? 1 : 0;
  for (uint8_t i = 0; i < blocks; ++i) {
    const tcp_sack_block& block =
        i < duplicates ? tp->duplicate_sack[i] : tp->selective_acks[i - duplicates];
    out->Word(block.start_seq.value());
    out->Word(block.end_seq.value());
  }
  tp->rx_opt.dsack = false;
}

void WriteFastOpen(OptionCursor* out, const tcp_fastopen_cookie& cookie) {
  const auto cookie_bytes = static_cast<uint8_t>(cookie.len);
  uint8_t* p = out->at;
  uint32_t len = cookie_bytes;
  if (cookie.exp) {
    len += TCPOLEN_EXP_FASTOPEN_BASE;
    p[0] = wire::kTcpOptExperiment;
    p[1] = static_cast<uint8_t>(len);
    StoreBe16(p + 2, kFastOpenMagic);
    p += TCPOLEN_EXP_FASTOPEN_BASE;
  } else {
    len += TCPOLEN_FASTOPEN_BASE;
    p[0] = wire::kTcpOptFastOpen;
    p[1] = static_cast<uint8_t>(len);
    p += TCPOLEN_FASTOPEN_BASE;
  }
  std::memcpy(p, cookie.val, cookie_bytes);
  uint8_t* const end = out->at + ((len + 3) & ~3U);
  std::fill(p + cookie_bytes, end, kTcpOptNop);
  out->at = end;
}

}  // namespace

uint32_t tcp_syn_options(sock* sk, const sk_buff* skb, tcp_out_options* opts,
                         const tcp_md5sig_key* md5) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_settings& settings = tcp_sysctl(sk);
  uint32_t remaining = MAX_TCP_OPTION_SPACE;
  bool timestamps = settings.timestamps != 0;
  if (md5 != nullptr) {
    timestamps = false;
    opts->options |= OPTION_MD5;
    remaining -= TCPOLEN_MD5SIG_ALIGNED;
  }
  // Timestamps are not taken off what is advertised: the peer does that itself (RFC 6691).
  opts->mss = tcp_advertise_mss(sk);
  remaining -= TCPOLEN_MSS_ALIGNED;
  if (timestamps) {
    opts->options |= OPTION_TS;
    opts->tsval = tcp_skb_timestamp_ts(tp->tcp_usec_ts, skb) + tp->tsoffset;
    opts->tsecr = tp->rx_opt.ts_recent;
    remaining -= TCPOLEN_TSTAMP_ALIGNED;
  }
  if (settings.window_scaling != 0) {
    opts->ws = tp->rx_opt.rcv_wscale;
    opts->options |= OPTION_WSCALE;
    remaining -= TCPOLEN_WSCALE_ALIGNED;
  }
  if (settings.sack != 0) {
    opts->options |= OPTION_SACK_ADVERTISE;
    if (!timestamps) remaining -= TCPOLEN_SACKPERM_ALIGNED;
  }
  const tcp_fastopen_request* const fastopen = tp->fastopen_req;
  if (fastopen != nullptr && AddFastOpen(&fastopen->cookie, opts, &remaining)) {
    tp->syn_fastopen = true;
    tp->syn_fastopen_exp = fastopen->cookie.exp;
  }
  // The SYN-ACK of a crossed open has the AccECN option, a SYN has not.
  if ((TCP_SKB_CB(skb)->tcp_flags & TCPHDR_ACK) != 0 && tcp_ecn_mode_accecn(tp) &&
      tp->icsk_retransmits < kSynRetransmitsWithAccEcn && settings.ecn_option != 0 &&
      remaining >= TCPOLEN_ACCECN_BASE) {
    opts->use_synack_ecn_bytes = true;
    remaining -= tcp_options_fit_accecn(opts, 0, remaining);
  }
  return MAX_TCP_OPTION_SPACE - remaining;
}

uint32_t tcp_synack_options(const sock* sk, request_sock* req, uint32_t mss, sk_buff* skb,
                            tcp_out_options* opts, const tcp_md5sig_key* md5,
                            tcp_fastopen_cookie* foc, tcp_synack_type type, sk_buff* /*syn_skb*/) {
  uint32_t remaining = MAX_TCP_OPTION_SPACE;
  if (md5 != nullptr) {
    opts->options |= OPTION_MD5;
    remaining -= TCPOLEN_MD5SIG_ALIGNED;
    // There is no room for SACK blocks beside MD5 and timestamps.
    if (type != tcp_synack_type::kCookie) req->tstamp_ok = req->tstamp_ok && !req->sack_ok;
  }
  opts->mss = static_cast<uint16_t>(mss);
  remaining -= TCPOLEN_MSS_ALIGNED;
  if (req->wscale_ok) {
    opts->ws = req->rcv_wscale;
    opts->options |= OPTION_WSCALE;
    remaining -= TCPOLEN_WSCALE_ALIGNED;
  }
  if (req->tstamp_ok) {
    opts->options |= OPTION_TS;
    opts->tsval = tcp_skb_timestamp_ts(req->req_usec_ts, skb) + req->ts_off;
    if (req->snt_tsval_first == 0) {
      // 0 stands for none.
      if (opts->tsval == 0) opts->tsval = UINT32_MAX;
      req->snt_tsval_first = opts->tsval;
    }
    req->snt_tsval_last = opts->tsval;
    opts->tsecr = req->ts_recent;
    remaining -= TCPOLEN_TSTAMP_ALIGNED;
  }
  if (req->sack_ok) {
    opts->options |= OPTION_SACK_ADVERTISE;
    if (!req->tstamp_ok) remaining -= TCPOLEN_SACKPERM_ALIGNED;
  }
  AddFastOpen(foc, opts, &remaining);
  if (req->accecn_ok && tcp_sysctl(sk).ecn_option != 0 && type != tcp_synack_type::kRetrans &&
      remaining >= TCPOLEN_ACCECN_BASE) {
    opts->use_synack_ecn_bytes = true;
    remaining -= tcp_options_fit_accecn(opts, 0, remaining);
  }
  return MAX_TCP_OPTION_SPACE - remaining;
}

uint32_t tcp_established_options(sock* sk, const sk_buff* skb, tcp_out_options* opts,
                                 const tcp_md5sig_key* md5) {
  const tcp_sock* const tp = tcp_sk(sk);
  uint32_t size = 0;
  if (md5 != nullptr) {
    opts->options |= OPTION_MD5;
    size += TCPOLEN_MD5SIG_ALIGNED;
  }
  if (tp->rx_opt.tstamp_ok) {
    opts->options |= OPTION_TS;
    if (skb != nullptr) opts->tsval = tcp_skb_timestamp_ts(tp->tcp_usec_ts, skb) + tp->tsoffset;
    opts->tsecr = tp->rx_opt.ts_recent;
    size += TCPOLEN_TSTAMP_ALIGNED;
  }
  size += AddSackBlocks(tp, size, opts);
  if (tcp_ecn_mode_accecn(tp) && WantsAccEcn(sk)) {
    size += tcp_options_fit_accecn(opts, tp->accecn_minlen, MAX_TCP_OPTION_SPACE - size);
  }
  return size;
}

void tcp_options_write(wire::TcpHeader* th, tcp_sock* tp, const request_sock* /*req*/,
                       tcp_out_options* opts, uint8_t** md5_hash) {
  OptionCursor out{reinterpret_cast<uint8_t*>(th + 1)};
  Leftover leftover;
  uint16_t options = opts->options;
  if ((options & OPTION_MD5) != 0) {
    out.Bytes(kTcpOptNop, kTcpOptNop, wire::kTcpOptMd5, 2 + kTcpMd5Bytes);
    *md5_hash = out.at;
    out.at += kTcpMd5Bytes;
  }
  if (opts->mss != 0) {
    out.Bytes(wire::kTcpOptMss, 4, static_cast<uint8_t>(opts->mss >> 8),
              static_cast<uint8_t>(opts->mss));
  }
  if ((options & OPTION_TS) != 0) WriteTimestamps(&out, *opts, &options);
  if ((options & OPTION_ACCECN) != 0) {
    SendAccEcn(&out, tp, *opts, &leftover);
  } else if (tp != nullptr) {
    tp->accecn_opt_sent_w_dsack = false;
  }
  if ((options & OPTION_SACK_ADVERTISE) != 0) {
    out.Bytes(leftover.high, leftover.low, wire::kTcpOptSackPermitted, 2);
    leftover = {};
  }
  if ((options & OPTION_WSCALE) != 0) WriteWindowScale(&out, opts->ws, &leftover);
  if (opts->num_sack_blocks > 0) {
    WriteSackBlocks(&out, tp, opts->num_sack_blocks, &leftover);
  } else if (leftover.any()) {
    out.Bytes(leftover.high, leftover.low, kTcpOptNop, kTcpOptNop);
  }
  if ((options & OPTION_FAST_OPEN_COOKIE) != 0) WriteFastOpen(&out, *opts->fastopen_cookie);
}

}  // namespace tapedeck
