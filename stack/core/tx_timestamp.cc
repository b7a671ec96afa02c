#include "stack/core/tx_timestamp.h"

#include <cerrno>

#include "stack/core/net.h"
#include "stack/core/zerocopy.h"

namespace tapedeck {
namespace {

bool IsTcp(const sock* sk) {
  constexpr uint8_t kIpprotoTcp = 6;
  return sk->sk_type == SOCK_STREAM && sk->sk_protocol == kIpprotoTcp;
}

// Whether the packet wants to hear of `tstype` (skb_tstamp_tx_report_so_timestamping; what it wants
// of acknowledgements only TCP knows, which asks on its own).
bool Wanted(const sk_buff* skb, uint32_t tstype) {
  switch (tstype) {
    case SCM_TSTAMP_SCHED:
      return (skb_shinfo(skb)->tx_flags & SKBTX_SCHED_TSTAMP) != 0;
    case SCM_TSTAMP_SND:
      return (skb_shinfo(skb)->tx_flags & SKBTX_SW_TSTAMP) != 0;
    case SCM_TSTAMP_COMPLETION:
      return (skb_shinfo(skb)->tx_flags & SKBTX_COMPLETION_TSTAMP) != 0;
    default:
      return true;
  }
}

// The packet that carries the time stamp to the user, without one yet.
sk_buff* Carrier(sk_buff* orig_skb, const sk_buff* ack_skb, const sock* sk, bool* opt_stats) {
  const uint32_t tsflags = sk->sk_tsflags;
  if ((tsflags & SOF_TIMESTAMPING_OPT_TSONLY) == 0) {
    sk_buff* const skb = skb_clone(orig_skb);
    if (skb == nullptr || skb_orphan_frags_rx(skb) == 0) return skb;
    consume_skb(skb);
    return nullptr;
  }
  const auto statistics = sk->sk_prot->get_timestamping_opt_stats;
  *opt_stats = (tsflags & SOF_TIMESTAMPING_OPT_STATS) != 0 && statistics != nullptr;
  sk_buff* const skb = *opt_stats ? statistics(sk, orig_skb, ack_skb) : alloc_skb(sk->sk_net, 0);
  if (skb == nullptr) return nullptr;
  skb_shinfo(skb)->tx_flags =
      static_cast<uint8_t>(skb_shinfo(orig_skb)->tx_flags & SKBTX_ANY_TSTAMP);
  skb_shinfo(skb)->tskey = skb_shinfo(orig_skb)->tskey;
  return skb;
}

}  // namespace

void __sock_tx_timestamp(uint32_t tsflags, uint8_t* tx_flags) {
  if ((tsflags & SOF_TIMESTAMPING_TX_HARDWARE) != 0) *tx_flags |= SKBTX_HW_TSTAMP;
  if ((tsflags & SOF_TIMESTAMPING_TX_SOFTWARE) != 0) *tx_flags |= SKBTX_SW_TSTAMP;
  if ((tsflags & SOF_TIMESTAMPING_TX_SCHED) != 0) *tx_flags |= SKBTX_SCHED_TSTAMP;
  if ((tsflags & SOF_TIMESTAMPING_TX_COMPLETION) != 0) *tx_flags |= SKBTX_COMPLETION_TSTAMP;
}

void sock_tx_timestamp(sock* sk, uint32_t tsflags, uint32_t ts_opt_id, uint8_t* tx_flags,
                       uint32_t* tskey) {
  if (tsflags == 0) return;
  __sock_tx_timestamp(tsflags, tx_flags);
  const bool numbered =
      (tsflags & SOF_TIMESTAMPING_OPT_ID) != 0 && (tsflags & SOF_TIMESTAMPING_TX_RECORD_MASK) != 0;
  if (tskey == nullptr || !numbered) return;
  *tskey = (tsflags & SOCKCM_FLAG_TS_OPT_ID) != 0 ? ts_opt_id : sk->sk_tskey++;
}

void __skb_tstamp_tx(sk_buff* orig_skb, const sk_buff* ack_skb, sock* sk, uint32_t tstype) {
  if (sk == nullptr || !Wanted(orig_skb, tstype)) return;
  const bool by_device = (skb_shinfo(orig_skb)->tx_flags & SKBTX_IN_PROGRESS) != 0;
  if (by_device && (sk->sk_tsflags & SOF_TIMESTAMPING_OPT_TX_SWHW) == 0) return;
  bool opt_stats = false;
  sk_buff* const skb = Carrier(orig_skb, ack_skb, sk, &opt_stats);
  if (skb == nullptr) return;
  skb->tstamp = static_cast<int64_t>(sk->sk_net.kernel.now().ns());
  sock_exterr_skb* const serr = SKB_EXT_ERR(skb);
  *serr = {};
  serr->ee.ee_errno = ENOMSG;
  serr->ee.ee_origin = kSoEeOriginTimestamping;
  serr->ee.ee_info = tstype;
  serr->opt_stats = opt_stats;
  if ((sk->sk_tsflags & SOF_TIMESTAMPING_OPT_ID) != 0) {
    serr->ee.ee_data = skb_shinfo(skb)->tskey - (IsTcp(sk) ? sk->sk_tskey : 0);
  }
  if (sock_queue_err_skb(sk, skb) != 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_SOCKET_RCVBUFF);
  }
}

}  // namespace tapedeck
