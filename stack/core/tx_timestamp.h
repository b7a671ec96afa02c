// Time stamps of what a socket sends, back to it through its error queue (SO_TIMESTAMPING;
// Documentation/networking/timestamping.rst, net/core/skbuff.c). A sender marks packets in
// skb_shared_info::tx_flags and tskey; whoever the packet passes reports.
#ifndef TAPEDECK_STACK_CORE_TX_TIMESTAMP_H_
#define TAPEDECK_STACK_CORE_TX_TIMESTAMP_H_

#include <cstdint>

#include "stack/core/skbuff.h"
#include "stack/core/sock.h"

namespace tapedeck {

// sk_tsflags (linux/net_tstamp.h).
enum : uint32_t {
  SOF_TIMESTAMPING_TX_HARDWARE = 1U << 0,
  SOF_TIMESTAMPING_TX_SOFTWARE = 1U << 1,
  SOF_TIMESTAMPING_RX_HARDWARE = 1U << 2,
  SOF_TIMESTAMPING_RX_SOFTWARE = 1U << 3,
  SOF_TIMESTAMPING_SOFTWARE = 1U << 4,
  SOF_TIMESTAMPING_SYS_HARDWARE = 1U << 5,
  SOF_TIMESTAMPING_RAW_HARDWARE = 1U << 6,
  SOF_TIMESTAMPING_OPT_ID = 1U << 7,
  SOF_TIMESTAMPING_TX_SCHED = 1U << 8,
  SOF_TIMESTAMPING_TX_ACK = 1U << 9,
  SOF_TIMESTAMPING_OPT_CMSG = 1U << 10,
  SOF_TIMESTAMPING_OPT_TSONLY = 1U << 11,
  SOF_TIMESTAMPING_OPT_STATS = 1U << 12,
  SOF_TIMESTAMPING_OPT_PKTINFO = 1U << 13,
  SOF_TIMESTAMPING_OPT_TX_SWHW = 1U << 14,
  SOF_TIMESTAMPING_BIND_PHC = 1U << 15,
  SOF_TIMESTAMPING_OPT_ID_TCP = 1U << 16,
  SOF_TIMESTAMPING_OPT_RX_FILTER = 1U << 17,
  SOF_TIMESTAMPING_TX_COMPLETION = 1U << 18,
};
inline constexpr uint32_t SOF_TIMESTAMPING_MASK = (1U << 19) - 1;
inline constexpr uint32_t SOF_TIMESTAMPING_TX_RECORD_MASK =
    SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED |
    SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_TX_COMPLETION;
// In sockcm_cookie::tsflags: the control message has given the key.
inline constexpr uint32_t SOCKCM_FLAG_TS_OPT_ID = 1U << 31;

// ee_info of a time stamp: where the packet was.
enum : uint32_t {
  SCM_TSTAMP_SND = 0,    // handed to the device
  SCM_TSTAMP_SCHED = 1,  // before the queueing discipline
  SCM_TSTAMP_ACK = 2,    // all its bytes acknowledged
  SCM_TSTAMP_COMPLETION = 3,
};

// tx_flags beside those of skbuff.h.
inline constexpr uint8_t SKBTX_COMPLETION_TSTAMP = 1U << 3;
inline constexpr uint8_t SKBTX_ANY_TSTAMP =
    SKBTX_HW_TSTAMP | SKBTX_SW_TSTAMP | SKBTX_SCHED_TSTAMP | SKBTX_COMPLETION_TSTAMP;

// The marks for a packet sent with `tsflags`, added to *tx_flags.
void __sock_tx_timestamp(uint32_t tsflags, uint8_t* tx_flags);
// The same for a datagram; *tskey (may be null) becomes its number where SOF_TIMESTAMPING_OPT_ID
// wants one: `ts_opt_id` where the flags say that it was given.
void sock_tx_timestamp(sock* sk, uint32_t tsflags, uint32_t ts_opt_id, uint8_t* tx_flags,
                       uint32_t* tskey);

// Reports that `orig_skb` was where `tstype` (SCM_TSTAMP_*) says, now, to `sk` (may be null), where
// the packet's marks ask for it. `ack_skb`: the segment that acknowledged it, for the statistics,
// or null.
void __skb_tstamp_tx(sk_buff* orig_skb, const sk_buff* ack_skb, sock* sk, uint32_t tstype);
// For drivers, just before the device is told of the packet.
inline void skb_tx_timestamp(sk_buff* skb) {
  if ((skb_shinfo(skb)->tx_flags & SKBTX_SW_TSTAMP) != 0) {
    __skb_tstamp_tx(skb, nullptr, skb->sk, SCM_TSTAMP_SND);
  }
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_TX_TIMESTAMP_H_
