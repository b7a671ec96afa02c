// Numbers of TCP that do not change while it runs (include/net/tcp.h). Those in jiffies depend on
// HZ and are computed once per host: struct tcp_ticks.
#ifndef TAPEDECK_STACK_TCP_TCP_CONSTANTS_H_
#define TAPEDECK_STACK_TCP_TCP_CONSTANTS_H_

#include <cstdint>

namespace tapedeck {

inline constexpr uint32_t MAX_TCP_HEADER =
    320;  // headroom that a segment is given; CONFIG as skbuff.h
inline constexpr uint32_t MAX_TCP_OPTION_SPACE = 40;
inline constexpr uint32_t TCP_MIN_SND_MSS = 48;
inline constexpr uint32_t TCP_MIN_GSO_SIZE = TCP_MIN_SND_MSS - MAX_TCP_OPTION_SPACE;
inline constexpr uint32_t MAX_TCP_WINDOW = 32767;  // without window scaling
inline constexpr uint32_t TCP_MIN_MSS = 88;
inline constexpr uint32_t TCP_MSS_DEFAULT = 536;
inline constexpr uint32_t TCP_BASE_MSS = 1024;
inline constexpr uint32_t TCP_PROBE_INTERVAL_S = 600;
inline constexpr uint32_t TCP_PROBE_THRESHOLD = 8;
inline constexpr uint32_t TCP_FASTRETRANS_THRESH = 3;
inline constexpr uint32_t TCP_MAX_QUICKACKS = 16;
inline constexpr uint32_t TCP_MAX_WSCALE = 14;
inline constexpr uint32_t TCP_INIT_CWND = 10;
inline constexpr uint32_t TCP_INFINITE_SSTHRESH = 0x7fffffff;
inline constexpr uint32_t TCP_RETR1 = 3;
inline constexpr uint32_t TCP_RETR2 = 15;
inline constexpr uint32_t TCP_SYN_RETRIES = 6;
inline constexpr uint32_t TCP_SYNACK_RETRIES = 5;
inline constexpr uint32_t TCP_TIMEOUT_MIN = 2;  // jiffies
inline constexpr uint32_t TCP_TIMEOUT_MIN_US = 2000;
inline constexpr uint32_t TCP_RTO_MAX_SEC = 120;
inline constexpr uint32_t TCP_KEEPALIVE_PROBES = 9;
inline constexpr uint32_t MAX_TCP_KEEPIDLE = 32767;
inline constexpr uint32_t MAX_TCP_KEEPINTVL = 32767;
inline constexpr uint32_t MAX_TCP_KEEPCNT = 127;
inline constexpr uint32_t MAX_TCP_SYNCNT = 127;
inline constexpr int32_t TCP_PAWS_WRAP_S = 2147;  // INT_MAX / USEC_PER_SEC
inline constexpr int32_t TCP_PAWS_MSL_S = 60;
inline constexpr int32_t TCP_PAWS_WINDOW = 1;
inline constexpr uint32_t TCP_RMEM_TO_WIN_SCALE = 8;
inline constexpr uint32_t TCP_DEFAULT_SCALING_RATIO = 1U << (TCP_RMEM_TO_WIN_SCALE - 1);
inline constexpr uint32_t GSO_MAX_SIZE = 65536;
inline constexpr uint32_t GSO_MAX_SEGS = 65535;
inline constexpr uint32_t GSO_LEGACY_MAX_SIZE = 65536;

// Lengths of options as Linux lays them out.
inline constexpr uint32_t TCPOLEN_TSTAMP_ALIGNED = 12;
inline constexpr uint32_t TCPOLEN_WSCALE_ALIGNED = 4;
inline constexpr uint32_t TCPOLEN_SACKPERM_ALIGNED = 4;
inline constexpr uint32_t TCPOLEN_SACK_BASE_ALIGNED = 4;
inline constexpr uint32_t TCPOLEN_SACK_PERBLOCK = 8;
inline constexpr uint32_t TCPOLEN_MD5SIG_ALIGNED = 20;
inline constexpr uint32_t TCPOLEN_MSS_ALIGNED = 4;
inline constexpr uint32_t TCPOLEN_ACCECN_BASE = 2;
inline constexpr uint32_t TCPOLEN_ACCECN_PERFIELD = 3;
inline constexpr uint32_t TCPOLEN_FASTOPEN_BASE = 2;
inline constexpr uint32_t TCPOLEN_EXP_FASTOPEN_BASE = 4;

// tcp_sock::nonagle.
enum : uint8_t { TCP_NAGLE_OFF = 1, TCP_NAGLE_CORK = 2, TCP_NAGLE_PUSH = 4 };
// tcp_sock::thin, urgent data.
enum : uint16_t { TCP_URG_VALID = 0x0100, TCP_URG_NOTYET = 0x0200, TCP_URG_READ = 0x0400 };

// icsk_ca_state.
enum tcp_ca_state : uint8_t {
  TCP_CA_Open,
  TCP_CA_Disorder,
  TCP_CA_CWR,
  TCP_CA_Recovery,
  TCP_CA_Loss
};

// tcp_skb_cb::sacked.
enum : uint8_t {
  TCPCB_SACKED_ACKED = 1 << 0,
  TCPCB_SACKED_RETRANS = 1 << 1,
  TCPCB_LOST = 1 << 2,
  TCPCB_TAGBITS = TCPCB_SACKED_ACKED | TCPCB_SACKED_RETRANS | TCPCB_LOST,
  TCPCB_REPAIRED = 1 << 4,
  TCPCB_EVER_RETRANS = 1 << 7,
  TCPCB_RETRANS = TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS | TCPCB_REPAIRED,
};

// tcp_skb_cb::tcp_flags: the header's flags, as wire::kTcp*.
enum : uint16_t {
  TCPHDR_FIN = 0x01,
  TCPHDR_SYN = 0x02,
  TCPHDR_RST = 0x04,
  TCPHDR_PSH = 0x08,
  TCPHDR_ACK = 0x10,
  TCPHDR_URG = 0x20,
  TCPHDR_ECE = 0x40,
  TCPHDR_CWR = 0x80,
  TCPHDR_AE = 0x100,
  TCPHDR_FLAGS_MASK = 0x1ff,
  TCPHDR_ACE = TCPHDR_ECE | TCPHDR_CWR | TCPHDR_AE,
  TCPHDR_SYN_ECN = TCPHDR_SYN | TCPHDR_ECE | TCPHDR_CWR,
};

// tcp_sock::ecn_flags.
enum : uint8_t {
  TCP_ECN_DISABLED = 0,
  TCP_ECN_MODE_RFC3168 = 1 << 0,
  TCP_ECN_QUEUE_CWR = 1 << 1,
  TCP_ECN_DEMAND_CWR = 1 << 2,
  TCP_ECN_SEEN = 1 << 3,
  TCP_ECN_MODE_ACCECN = 1 << 4,
  TCP_ECN_MODE_PENDING = TCP_ECN_MODE_RFC3168 | TCP_ECN_MODE_ACCECN,
  TCP_ECN_MODE_ANY = TCP_ECN_MODE_RFC3168 | TCP_ECN_MODE_ACCECN,
};

// sysctl net/ipv4/tcp_fastopen.
enum : uint32_t {
  TFO_CLIENT_ENABLE = 1,
  TFO_SERVER_ENABLE = 2,
  TFO_CLIENT_NO_COOKIE = 4,
  TFO_SERVER_COOKIE_NOT_REQD = 0x200,
  TFO_SERVER_WO_SOCKOPT1 = 0x400,
};

// tcp_sock::rx_opt.sack_ok.
enum : uint8_t { TCP_SACK_SEEN = 1 << 0, TCP_DSACK_SEEN = 1 << 2 };

// In jiffies of a host (include/net/tcp.h).
struct tcp_ticks {
  explicit tcp_ticks(uint32_t hz_in)
      : hz(hz_in),
        rto_max(TCP_RTO_MAX_SEC * hz_in),
        rto_min(hz_in / 5),
        timeout_init(hz_in),
        timeout_fallback(3 * hz_in),
        delack_max(hz_in / 5),
        delack_min(hz_in >= 100 ? hz_in / 25 : 4),
        ato_min(delack_min),
        resource_probe_interval(hz_in / 2),
        timewait_len(60 * hz_in),
        keepalive_time(7200 * hz_in),
        keepalive_intvl(75 * hz_in),
        fin_timeout_max(120 * hz_in) {}
  uint32_t hz;
  uint32_t rto_max;
  uint32_t rto_min;
  uint32_t timeout_init;      // RFC 6298 2.1
  uint32_t timeout_fallback;  // RFC 1122's, where the handshake was retransmitted
  uint32_t delack_max;
  uint32_t delack_min;
  uint32_t ato_min;
  uint32_t resource_probe_interval;
  uint32_t timewait_len;
  uint32_t keepalive_time;
  uint32_t keepalive_intvl;
  uint32_t fin_timeout_max;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_CONSTANTS_H_
