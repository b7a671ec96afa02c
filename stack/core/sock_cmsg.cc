#include "stack/core/sock_cmsg.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/tx_timestamp.h"

namespace tapedeck {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kNsPerUs = 1'000;
// Those who want stamps (SK_FLAGS_TIMESTAMP).
constexpr uint32_t kSkFlagsTimestamp = 1U << SOCK_TIMESTAMP | 1U << SOCK_TIMESTAMPING_RX_SOFTWARE;

user_timespec TimespecOf(int64_t ns) { return {ns / kNsPerSecond, ns % kNsPerSecond}; }

// SO_TIMESTAMP and SO_TIMESTAMPNS.
void PutStamp(msghdr* msg, const sock* sk, int64_t stamp_ns) {
  const bool with_new = sock_flag(sk, SOCK_TSTAMP_NEW);
  if (sock_flag(sk, SOCK_RCVTSTAMPNS)) {
    const user_timespec stamp = TimespecOf(stamp_ns);
    put_cmsg(msg, kSolSocket, with_new ? kScmTimestampnsNew : kScmTimestampns, &stamp,
             sizeof(stamp));
    return;
  }
  const user_timeval stamp = {stamp_ns / kNsPerSecond, stamp_ns % kNsPerSecond / kNsPerUs};
  put_cmsg(msg, kSolSocket, with_new ? kScmTimestampNew : kScmTimestamp, &stamp, sizeof(stamp));
}

// SO_TIMESTAMPING; either stamp may be 0, and nothing is said where both are.
void PutStamps(msghdr* msg, const sock* sk, int64_t software_ns, int64_t hardware_ns) {
  if ((software_ns | hardware_ns) == 0) return;
  user_scm_timestamping stamps = {};
  stamps.ts[0] = TimespecOf(software_ns);
  stamps.ts[2] = TimespecOf(hardware_ns);
  const int type = sock_flag(sk, SOCK_TSTAMP_NEW) ? kScmTimestampingNew : kScmTimestamping;
  put_cmsg(msg, kSolSocket, type, &stamps, sizeof(stamps));
}

// Whether stamps of the kind that `report` speaks of are the user's to see: asked for by `receive`,
// sent ones always, and all of them unless SOF_TIMESTAMPING_OPT_RX_FILTER is set.
bool StampWanted(uint32_t tsflags, uint32_t report, uint32_t receive, bool sent) {
  if ((tsflags & report) == 0) return false;
  return (tsflags & receive) != 0 || sent || (tsflags & SOF_TIMESTAMPING_OPT_RX_FILTER) == 0;
}

template <typename T>
bool TakeValue(const cmsghdr* cmsg, T* value) {
  if (cmsg->cmsg_len != CmsgLen(sizeof(T))) return false;
  std::memcpy(value, cmsg_data(cmsg), sizeof(T));
  return true;
}

int TakeTsflags(const cmsghdr* cmsg, sockcm_cookie* sockc) {
  uint32_t tsflags = 0;
  if (!TakeValue(cmsg, &tsflags) || (tsflags & ~SOF_TIMESTAMPING_TX_RECORD_MASK) != 0) {
    return -EINVAL;
  }
  sockc->tsflags = (sockc->tsflags & ~SOF_TIMESTAMPING_TX_RECORD_MASK) | tsflags;
  return 0;
}

int TakeTsOptId(const sock* sk, const cmsghdr* cmsg, sockcm_cookie* sockc) {
  const bool datagrams = sk->sk_type != SOCK_STREAM;
  if (!datagrams || (sk->sk_tsflags & SOF_TIMESTAMPING_OPT_ID) == 0) return -EINVAL;
  if (!TakeValue(cmsg, &sockc->ts_opt_id)) return -EINVAL;
  sockc->tsflags |= SOCKCM_FLAG_TS_OPT_ID;
  return 0;
}

}  // namespace

void sock_enable_timestamp(sock* sk, sock_flags user, bool on) {
  const bool before = (sk->sk_flags & kSkFlagsTimestamp) != 0;
  sock_valbool_flag(sk, user, on);
  const bool after = (sk->sk_flags & kSkFlagsTimestamp) != 0;
  if (!before && after) ++sk->sk_net.netstamp_needed;
  if (before && !after) --sk->sk_net.netstamp_needed;
}

void sock_copied_timestamp(sock* copy) {
  if ((copy->sk_flags & kSkFlagsTimestamp) != 0) ++copy->sk_net.netstamp_needed;
}

void sock_recv_timestamp(msghdr* msg, sock* sk, sk_buff* skb) {
  const bool wants_software = sock_flag(sk, SOCK_RCVTSTAMP);
  // It came in before anybody wanted to know: now is the best there is.
  if (wants_software && skb->tstamp == 0) {
    skb->tstamp = static_cast<int64_t>(sk->sk_net.kernel.now().ns());
  }
  if (wants_software) PutStamp(msg, sk, skb->tstamp);
  const uint32_t tsflags = sk->sk_tsflags;
  if (tsflags == 0) return;
  const bool sent = skb_is_err_queue(skb);
  const bool software =
      StampWanted(tsflags, SOF_TIMESTAMPING_SOFTWARE, SOF_TIMESTAMPING_RX_SOFTWARE, sent);
  const bool hardware =
      StampWanted(tsflags, SOF_TIMESTAMPING_RAW_HARDWARE, SOF_TIMESTAMPING_RX_HARDWARE, sent);
  const int64_t software_ns = software ? skb->tstamp : 0;
  const int64_t hardware_ns = hardware ? skb_shinfo(skb)->hwtstamp_ns : 0;
  PutStamps(msg, sk, software_ns, hardware_ns);
  const bool stamped = (software_ns | hardware_ns) != 0;
  if (stamped && sent && skb->len != 0 && SKB_EXT_ERR(skb)->opt_stats) {
    put_cmsg(msg, kSolSocket, kScmTimestampingOptStats, skb->data, skb_headlen(skb));
  }
}

void sock_recv_stream_timestamp(msghdr* msg, sock* sk, int64_t stamp_ns) {
  if (stamp_ns == 0) return;
  if (sock_flag(sk, SOCK_RCVTSTAMP)) PutStamp(msg, sk, stamp_ns);
  if (StampWanted(sk->sk_tsflags, SOF_TIMESTAMPING_SOFTWARE, SOF_TIMESTAMPING_RX_SOFTWARE, false)) {
    PutStamps(msg, sk, stamp_ns, 0);
  }
}

void __sock_recv_cmsgs(msghdr* msg, sock* sk, sk_buff* skb) {
  sock_recv_timestamp(msg, sk, skb);
  const uint32_t drops = SKB_CB<sock_skb_cb>(skb)->dropcount;
  if (sock_flag(sk, SOCK_RXQ_OVFL) && drops != 0) {
    put_cmsg(msg, kSolSocket, kSoRxqOvfl, &drops, sizeof(drops));
  }
  if (sock_flag(sk, SOCK_RCVMARK)) {
    put_cmsg(msg, kSolSocket, kScmMark, &skb->mark, sizeof(skb->mark));
  }
  if (sock_flag(sk, SOCK_RCVPRIORITY)) {
    put_cmsg(msg, kSolSocket, kScmPriority, &skb->priority, sizeof(skb->priority));
  }
}

int __sock_cmsg_send(const sock* sk, const cmsghdr* cmsg, sockcm_cookie* sockc) {
  constexpr int kScmRights = 1;
  constexpr int kScmCredentials = 2;
  switch (cmsg->cmsg_type) {
    case kScmMark:
      return TakeValue(cmsg, &sockc->mark) ? 0 : -EINVAL;
    case kScmPriority:
      return TakeValue(cmsg, &sockc->priority) ? 0 : -EINVAL;
    case kScmTimestamping:
    case kScmTimestampingNew:
      return TakeTsflags(cmsg, sockc);
    case kScmTxtime:
      if (!sock_flag(sk, SOCK_TXTIME)) return -EINVAL;
      return TakeValue(cmsg, &sockc->transmit_time) ? 0 : -EINVAL;
    case kScmTsOptId:
      return TakeTsOptId(sk, cmsg, sockc);
    case kScmRights:
    case kScmCredentials:
      // Theirs is another level in all but name: nobody looks at them here.
      return 0;
    default:
      return -EINVAL;
  }
}

int sock_cmsg_send(const sock* sk, const msghdr* msg, sockcm_cookie* sockc) {
  for (const cmsghdr* cmsg = cmsg_firsthdr(msg); cmsg != nullptr; cmsg = cmsg_nxthdr(msg, cmsg)) {
    if (!cmsg_ok(msg, cmsg)) return -EINVAL;
    if (cmsg->cmsg_level != kSolSocket) continue;
    if (const int err = __sock_cmsg_send(sk, cmsg, sockc); err != 0) return err;
  }
  return 0;
}

int64_t sock_recv_queued_error(sock* sk, msghdr* msg, size_t len, sk_buff** taken) {
  *taken = nullptr;
  sk_buff* const skb = sock_dequeue_err_skb(sk);
  if (skb == nullptr) return -EAGAIN;
  if (skb->len > len) msg->msg_flags |= MSG_TRUNC;
  const auto copied = static_cast<uint32_t>(std::min<size_t>(skb->len, len));
  if (const int err = skb_copy_datagram_iter(skb, 0, &msg->msg_iter, copied); err != 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_SKB_UCOPY_FAULT);
    return err;
  }
  sock_recv_timestamp(msg, sk, skb);
  *taken = skb;
  return copied;
}

int64_t sock_recv_errqueue(sock* sk, msghdr* msg, size_t len, int level, int type) {
  sk_buff* skb = nullptr;
  const int64_t copied = sock_recv_queued_error(sk, msg, len, &skb);
  if (skb == nullptr) return copied;
  const sock_extended_err ee = SKB_EXT_ERR(skb)->ee;
  put_cmsg(msg, level, type, &ee, sizeof(ee));
  msg->msg_flags |= MSG_ERRQUEUE;
  consume_skb(skb);
  return copied;
}

}  // namespace tapedeck
