// What an ACK says under AccECN (RFC 9768): how many of our packets have arrived with CE. ACE
// counts them modulo 8; where an ACK covers more packets than that, the option's byte counters help
// to tell how often it has wrapped.
#include <algorithm>

#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_queues.h"
#include "stack/wire/tcp_options.h"

namespace tapedeck {

namespace {

constexpr uint32_t kCounterMask = 0xffffff;
constexpr uint32_t kCounterSignBit = 0x800000;
constexpr uint32_t kAceValues = TCP_ACCECN_CEP_ACE_MASK + 1;
// pkts_acked_ewma: a moving average with weight 1/64, in 1/64 packets.
constexpr int kPktsAckedWeight = 6;
constexpr int kPktsAckedPrecision = 6;
// ACKs that cover more than so many packets on average: the path thins them out.
constexpr uint32_t kAckCompressionThreshold = 4;
constexpr int kSafetyShift = 1;  // RFC 9768 A.2.2: SAFETY_FACTOR 2
// The peer's option may first appear while its counters cannot have wrapped.
constexpr uint64_t kLastChanceBytes = (1 << 23) - 1;

uint32_t Load24(const uint8_t* at) {
  return uint32_t{at[0]} << 16 | uint32_t{at[1]} << 8 | uint32_t{at[2]};
}

// Which counter the option's field number `field` is, in option order 1 (kind 174) or 0 (kind 172).
uint8_t FieldToEcnfield(uint32_t field, bool order1) {
  constexpr uint8_t kOrder[2][TCP_ACCECN_NUMFIELDS] = {
      {INET_ECN_ECT_0, INET_ECN_CE, INET_ECN_ECT_1},
      {INET_ECN_ECT_1, INET_ECN_CE, INET_ECN_ECT_0},
  };
  return kOrder[order1 ? 1 : 0][field];
}

uint32_t InitOffset(uint8_t ecnfield) {
  switch (ecnfield) {
    case INET_ECN_ECT_1:
      return TCP_ACCECN_E1B_INIT_OFFSET;
    case INET_ECN_ECT_0:
      return TCP_ACCECN_E0B_INIT_OFFSET;
    default:
      return TCP_ACCECN_CEB_INIT_OFFSET;
  }
}

// An ACK without the option: its bytes are taken to have had the ECN field that the last ones had.
bool ProcessWithoutOption(tcp_sock* tp, uint32_t delivered_bytes) {
  if (tp->saw_accecn_opt == TCP_ACCECN_OPT_NOT_SEEN) {
    if (tp->bytes_sent >= kLastChanceBytes) {
      tcp_accecn_saw_opt_fail_recv(tp, TCP_ACCECN_OPT_FAIL_SEEN);
    }
    return false;
  }
  if (tp->est_ecnfield == 0) return false;
  tp->delivered_ecn_bytes[tp->est_ecnfield - 1] += delivered_bytes;
  return true;
}

// Takes the option's counters in. The first that has grown without being expected to is what to
// expect next. False where they say too little: nothing was expected, one has shrunk, or two have
// grown that were not expected to.
bool ProcessCounters(tcp_sock* tp, const uint8_t* option) {
  const bool order1 = option[0] == wire::kTcpOptAccEcn1;
  const uint32_t bytes = option[1] - TCPOLEN_ACCECN_BASE;
  const uint32_t fields = std::min<uint32_t>(bytes / TCPOLEN_ACCECN_PERFIELD, TCP_ACCECN_NUMFIELDS);
  const uint8_t expected = tp->est_ecnfield;
  bool valid = expected != 0;
  bool ambiguous = false;
  bool changed = false;
  for (uint32_t i = 0; i < fields; ++i) {
    const uint8_t ecnfield = FieldToEcnfield(i, order1);
    const uint8_t* const from = option + TCPOLEN_ACCECN_BASE + i * TCPOLEN_ACCECN_PERFIELD;
    const int32_t delta =
        tcp_update_ecn_bytes(&tp->delivered_ecn_bytes[ecnfield - 1], from, InitOffset(ecnfield));
    if (delta < 0) {
      valid = false;
      ambiguous = true;
    }
    if (delta != 0 && ecnfield != expected) {
      if (changed) {
        valid = false;
        ambiguous = true;
      } else {
        tp->est_ecnfield = ecnfield;
        changed = true;
      }
    }
  }
  if (ambiguous) tp->est_ecnfield = 0;
  return valid;
}

void UpdatePktsAckedEwma(tcp_sock* tp, uint32_t delivered_pkts) {
  const uint32_t sample = delivered_pkts << kPktsAckedPrecision;
  uint32_t ewma = tp->pkts_acked_ewma;
  if (ewma == 0) {
    ewma = sample;
  } else {
    ewma = ((ewma << kPktsAckedWeight) - ewma + sample) >> kPktsAckedWeight;
  }
  tp->pkts_acked_ewma = static_cast<uint16_t>(std::min<uint32_t>(ewma, UINT16_MAX));
}

// Of the CE counts that ACE allows, the one the byte counters make likely. `delta` is the smallest
// and `safe_delta` the largest; `d_ceb` the bytes that had CE.
uint32_t ChooseByBytes(const sock* sk, uint32_t delta, uint32_t safe_delta, uint32_t d_ceb,
                       uint32_t delivered_pkts, uint32_t delivered_bytes) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (d_ceb == 0) return delta;
  const uint8_t state = inet_csk(sk)->icsk_ca_state;
  const bool delivered_is_exact = tcp_is_sack(tp) || state == TCP_CA_Open || state == TCP_CA_CWR;
  if (delivered_pkts >= kAceValues * 2 && delivered_is_exact) {
    if (delivered_bytes <= d_ceb) return safe_delta;
    const uint64_t scaled = uint64_t{d_ceb} * delivered_pkts;
    const auto est_d_cep = static_cast<uint32_t>((scaled + delivered_bytes - 1) / delivered_bytes);
    return std::min(safe_delta, delta + (est_d_cep & ~TCP_ACCECN_CEP_ACE_MASK));
  }
  if (d_ceb > delta * tp->mss_cache) return safe_delta;
  if (d_ceb < safe_delta * tp->mss_cache >> kSafetyShift) return delta;
  return safe_delta;
}

// The packets that this ACK newly reports as marked.
uint32_t NewlyMarked(sock* sk, const sk_buff* skb, uint32_t delivered_pkts,
                     uint32_t delivered_bytes, uint32_t flag) {
  tcp_sock* const tp = tcp_sk(sk);
  // A reordered ACK, or one of which nothing says that it is not.
  if ((flag & (FLAG_FORWARD_PROGRESS | FLAG_TS_PROGRESS)) == 0) return 0;

  const uint32_t old_ceb = tp->delivered_ecn_bytes[INET_ECN_CE - 1];
  const bool bytes_valid = tcp_accecn_process_option(tp, skb, delivered_bytes, flag);
  if (delivered_pkts != 0) UpdatePktsAckedEwma(tp, delivered_pkts);

  // Header prediction has compared ACE with what it was; it may still have wrapped.
  const bool may_have_wrapped = delivered_pkts > TCP_ACCECN_CEP_ACE_MASK;
  if ((flag & FLAG_SLOWPATH) == 0 && !may_have_wrapped) return 0;
  // In the handshake the flags mean something else.
  if ((flag & FLAG_SYN_ACKED) != 0) return 0;

  if (tp->received_ce_pending >= TCP_ACCECN_ACE_MAX_DELTA) {
    inet_csk(sk)->icsk_ack.pending |= ICSK_ACK_NOW;
  }
  const uint32_t corrected_ace = tcp_accecn_ace(tcp_hdr(skb)) - TCP_ACCECN_CEP_INIT_OFFSET;
  const uint32_t delta = (corrected_ace - tp->delivered_ce) & TCP_ACCECN_CEP_ACE_MASK;
  if (!may_have_wrapped) return delta;

  const uint32_t safe_delta = delivered_pkts - ((delivered_pkts - delta) & TCP_ACCECN_CEP_ACE_MASK);
  if (bytes_valid) {
    const uint32_t d_ceb = tp->delivered_ecn_bytes[INET_ECN_CE - 1] - old_ceb;
    return ChooseByBytes(sk, delta, safe_delta, d_ceb, delivered_pkts, delivered_bytes);
  }
  const bool acks_thinned = tp->pkts_acked_ewma > kAckCompressionThreshold << kPktsAckedPrecision;
  return acks_thinned ? delta : safe_delta;
}

// Bytes that the padding of the other options of a SYN-ACK wastes
// (tcp_synack_options_combine_saving).
uint32_t SynackPadding(const tcp_out_options* opts) {
  // SACK permitted fills the two bytes before a timestamp; alone it leaves two.
  if ((opts->options & OPTION_SACK_ADVERTISE) != 0 && (opts->options & OPTION_TS) == 0) return 2;
  if ((opts->options & OPTION_WSCALE) != 0) return 1;
  return 0;
}

}  // namespace

int32_t tcp_update_ecn_bytes(uint32_t* cnt, const uint8_t* from, uint32_t init_offset) {
  const uint32_t truncated = (Load24(from) - init_offset) & kCounterMask;
  uint32_t delta = (truncated - *cnt) & kCounterMask;
  if ((delta & kCounterSignBit) != 0) delta |= ~kCounterMask;
  *cnt += delta;
  return static_cast<int32_t>(delta);
}

uint8_t tcp_accecn_option_init(const sk_buff* skb, uint8_t opt_offset) {
  const uint8_t* const option = skb_transport_header(skb) + opt_offset;
  const uint32_t bytes = option[1] - TCPOLEN_ACCECN_BASE;
  const uint8_t* const first = option + TCPOLEN_ACCECN_BASE;
  const uint8_t* const third = first + 2 * TCPOLEN_ACCECN_PERFIELD;
  // The ECT counters do not start at zero: where one is, a middlebox has cleared it.
  if (bytes < TCPOLEN_ACCECN_PERFIELD) return TCP_ACCECN_OPT_EMPTY_SEEN;
  if (Load24(first) == 0) return TCP_ACCECN_OPT_FAIL_SEEN;
  if (bytes < 3 * TCPOLEN_ACCECN_PERFIELD) return TCP_ACCECN_OPT_COUNTER_SEEN;
  return Load24(third) == 0 ? TCP_ACCECN_OPT_FAIL_SEEN : TCP_ACCECN_OPT_COUNTER_SEEN;
}

void tcp_accecn_saw_opt_fail_recv(tcp_sock* tp, uint8_t saw_opt) {
  tp->saw_accecn_opt = saw_opt;
  if (saw_opt == TCP_ACCECN_OPT_FAIL_SEEN) tcp_accecn_fail_mode_set(tp, TCP_ACCECN_OPT_FAIL_RECV);
}

bool tcp_accecn_process_option(tcp_sock* tp, const sk_buff* skb, uint32_t delivered_bytes,
                               uint32_t flag) {
  if (tcp_accecn_opt_fail_recv(tp)) return false;
  if ((flag & FLAG_SLOWPATH) == 0 || tp->rx_opt.accecn == 0) {
    return ProcessWithoutOption(tp, delivered_bytes);
  }
  if (tp->saw_accecn_opt < TCP_ACCECN_OPT_COUNTER_SEEN) {
    tcp_accecn_saw_opt_fail_recv(tp, tcp_accecn_option_init(skb, tp->rx_opt.accecn));
  }
  return ProcessCounters(tp, skb_transport_header(skb) + tp->rx_opt.accecn);
}

uint32_t tcp_accecn_process(sock* sk, const sk_buff* skb, uint32_t delivered_pkts,
                            uint32_t delivered_bytes, uint32_t* flag) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint32_t delta = NewlyMarked(sk, skb, delivered_pkts, delivered_bytes, *flag);
  if (delta > 0) {
    tp->delivered_ce += delta;
    *flag |= FLAG_ECE;
    // ACE is part of what header prediction expects.
    if (tp->pred_flags != 0) tcp_fast_path_on(tp);
  }
  return delta;
}

uint32_t tcp_options_fit_accecn(tcp_out_options* opts, uint32_t required, uint32_t remaining) {
  const uint32_t saving = opts->use_synack_ecn_bytes  ? SynackPadding(opts)
                          : opts->num_sack_blocks > 0 ? 2
                                                      : 0;
  uint32_t blocks_given_up = 0;
  for (;;) {
    const uint32_t room = remaining + blocks_given_up * TCPOLEN_SACK_PERBLOCK;
    for (uint32_t fields = TCP_ACCECN_NUMFIELDS + 1; fields-- > required;) {
      const uint32_t size = TCPOLEN_ACCECN_BASE + fields * TCPOLEN_ACCECN_PERFIELD;
      // Up to `saving` bytes replace no-operations of other options; else it is padded to a word.
      const uint32_t down = size & ~3U;
      const uint32_t aligned = size - down > saving ? down + 4 : down;
      if (aligned > room) continue;
      opts->num_accecn_fields = static_cast<uint8_t>(fields);
      opts->options |= OPTION_ACCECN;
      return aligned - blocks_given_up * TCPOLEN_SACK_PERBLOCK;
    }
    // Fields that must be sent are worth more than the third SACK block.
    if (required == 0 || opts->num_sack_blocks <= 2) break;
    --opts->num_sack_blocks;
    ++blocks_given_up;
  }
  opts->num_sack_blocks = static_cast<uint8_t>(opts->num_sack_blocks + blocks_given_up);
  return 0;
}

}  // namespace tapedeck
