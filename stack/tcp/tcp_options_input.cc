// What a segment's options say (tcp_parse_options; RFC 9293 3.2, 7323, 2018, 7413, 9768). Options
// of a wrong length are as if they were not there; the walk ends at the first that is malformed.
#include <algorithm>
#include <cstring>
#include <span>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_input_internal.h"
#include "stack/wire/tcp_options.h"

namespace tapedeck {

namespace {

// Two no-operations, kind and length of a timestamp.
constexpr uint32_t kAlignedTimestamp = uint32_t{wire::kTcpOptNop} << 24 |
                                       uint32_t{wire::kTcpOptNop} << 16 |
                                       uint32_t{wire::kTcpOptTimestamps} << 8 | 10;

std::span<const uint8_t> OptionBytes(const wire::TcpHeader* th) {
  return {reinterpret_cast<const uint8_t*>(th) + wire::kTcpHeaderBytes,
          th->header_bytes() - wire::kTcpHeaderBytes};
}

uint32_t Load32(const uint8_t* at) {
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | at[3];
}

// An MSS as it counts: not 0, and not above what the user has said.
uint16_t ClampMss(uint16_t mss, uint16_t user_mss) {
  return user_mss != 0 && user_mss < mss ? user_mss : mss;
}

// Valid in SYNs and with an even length alone. A length that no cookie has is the same as none.
void ParseFastOpen(std::span<const uint8_t> cookie, bool syn, bool experimental,
                   tcp_fastopen_cookie* foc) {
  if (foc == nullptr || !syn || cookie.size() % 2 != 0) return;
  if (cookie.size() >= tcp_fastopen_cookie::kMinBytes &&
      cookie.size() <= tcp_fastopen_cookie::kMaxBytes) {
    std::copy(cookie.begin(), cookie.end(), foc->val);
    foc->len = static_cast<int8_t>(cookie.size());
  } else {
    foc->len = cookie.empty() ? 0 : -1;
  }
  foc->exp = experimental;
}

// Options whose meaning is of the handshake. `th` has SYN.
void ParseSynOption(const tcp_settings& settings, const wire::TcpOption& option,
                    tcp_options_received* opt) {
  if (const auto mss = option.AsMss(); mss.has_value() && *mss != 0) {
    opt->mss_clamp = ClampMss(*mss, opt->user_mss);
  }
  if (const auto shift = option.AsWindowScale(); shift.has_value() && settings.window_scaling) {
    opt->wscale_ok = true;
    opt->snd_wscale = std::min(*shift, wire::kTcpWindowScaleMax);
  }
  if (option.IsSackPermitted() && settings.sack != 0) {
    opt->sack_ok = TCP_SACK_SEEN;
    tcp_sack_reset(opt);
  }
}

}  // namespace

uint16_t tcp_parse_mss_option(const wire::TcpHeader* th, uint16_t user_mss) {
  uint16_t found = 0;
  wire::TcpOptionCursor cursor(OptionBytes(th));
  while (const auto option = cursor.Next()) {
    const auto mss = option->AsMss();
    if (mss.has_value() && *mss != 0) found = ClampMss(*mss, user_mss);
  }
  return found;
}

void tcp_clear_options(tcp_options_received* rx_opt) {
  rx_opt->tstamp_ok = false;
  rx_opt->sack_ok = 0;
  rx_opt->wscale_ok = false;
  rx_opt->snd_wscale = 0;
}

void tcp_parse_options(net& net, sk_buff* skb, tcp_options_received* opt, bool estab,
                       tcp_fastopen_cookie* foc) {
  const tcp_settings& settings = net_tcp(net).settings;
  const wire::TcpHeader* const th = tcp_hdr(skb);
  const bool syn = th->syn();
  opt->saw_tstamp = false;
  opt->accecn = 0;
  opt->saw_unknown = false;

  wire::TcpOptionCursor cursor(OptionBytes(th));
  for (;;) {
    const auto offset = static_cast<uint8_t>(wire::kTcpHeaderBytes + cursor.offset());
    const auto option = cursor.Next();
    if (!option.has_value()) return;
    switch (option->kind) {
      case wire::kTcpOptNop:
      case wire::kTcpOptMd5:  // checked before (tcp_v4_rcv)
        break;
      case wire::kTcpOptMss:
      case wire::kTcpOptWindowScale:
      case wire::kTcpOptSackPermitted:
        if (syn && !estab) ParseSynOption(settings, *option, opt);
        break;
      case wire::kTcpOptTimestamps:
        if (estab ? !opt->tstamp_ok : settings.timestamps == 0) break;
        if (const auto stamps = option->AsTimestamps(); stamps.has_value()) {
          opt->saw_tstamp = true;
          opt->rcv_tsval = stamps->val;
          opt->rcv_tsecr = stamps->ecr;
        }
        break;
      case wire::kTcpOptSack:
        if (opt->sack_ok != 0 && !option->data.empty() &&
            option->data.size() % TCPOLEN_SACK_PERBLOCK == 0) {
          TCP_SKB_CB(skb)->sacked = offset;
        }
        break;
      case wire::kTcpOptFastOpen:
      case wire::kTcpOptExperiment:
        if (const auto open = option->AsFastOpen(); open.has_value()) {
          ParseFastOpen(open->cookie, syn, open->experimental, foc);
        } else {
          opt->saw_unknown = true;
        }
        break;
      case wire::kTcpOptAccEcn0:
      case wire::kTcpOptAccEcn1:
        opt->accecn = offset;
        break;
      default:
        opt->saw_unknown = true;
    }
  }
}

bool tcp_parse_aligned_timestamp(tcp_sock* tp, const wire::TcpHeader* th) {
  const uint8_t* const at = reinterpret_cast<const uint8_t*>(th) + wire::kTcpHeaderBytes;
  if (Load32(at) != kAlignedTimestamp) return false;
  tp->rx_opt.saw_tstamp = true;
  tp->rx_opt.rcv_tsval = Load32(at + 4);
  const uint32_t tsecr = Load32(at + 8);
  tp->rx_opt.rcv_tsecr = tsecr != 0 ? tsecr - tp->tsoffset : 0;
  return true;
}

bool tcp_fast_parse_options(tcp_sock* tp, sk_buff* skb, const wire::TcpHeader* th) {
  if (th->header_bytes() == wire::kTcpHeaderBytes) {
    tp->rx_opt.saw_tstamp = false;
    tp->rx_opt.accecn = 0;
    return false;
  }
  if (tp->rx_opt.tstamp_ok &&
      th->header_bytes() == wire::kTcpHeaderBytes + TCPOLEN_TSTAMP_ALIGNED &&
      tcp_parse_aligned_timestamp(tp, th)) {
    tp->rx_opt.accecn = 0;
    return true;
  }
  tcp_parse_options(tp->sk_net, skb, &tp->rx_opt, true, nullptr);
  if (tp->rx_opt.saw_tstamp && tp->rx_opt.rcv_tsecr != 0) tp->rx_opt.rcv_tsecr -= tp->tsoffset;
  return true;
}

}  // namespace tapedeck
