#include "stack/core/sock_cmsg.h"

#include "stack/core/net.h"

namespace tapedeck {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kNsPerUs = 1'000;

}  // namespace

void sock_set_timestamp(sock* sk, bool on) {
  if (on == sock_flag(sk, SOCK_TIMESTAMP)) return;
  sock_valbool_flag(sk, SOCK_TIMESTAMP, on);
  if (on) {
    ++sk->sk_net.netstamp_needed;
  } else {
    --sk->sk_net.netstamp_needed;
  }
}

void sock_recv_timestamp(msghdr* msg, sock* sk, sk_buff* skb) {
  if (!sock_flag(sk, SOCK_RCVTSTAMP)) return;
  // It came in before anybody wanted to know: now is the best there is.
  if (skb->tstamp == 0) skb->tstamp = static_cast<int64_t>(sk->sk_net.this_cpu().now().ns());
  const int64_t seconds = skb->tstamp / kNsPerSecond;
  const int64_t rest_ns = skb->tstamp % kNsPerSecond;
  if (sock_flag(sk, SOCK_RCVTSTAMPNS)) {
    const user_timespec stamp = {seconds, rest_ns};
    put_cmsg(msg, kSolSocket, kScmTimestampns, &stamp, sizeof(stamp));
  } else {
    const user_timeval stamp = {seconds, rest_ns / kNsPerUs};
    put_cmsg(msg, kSolSocket, kScmTimestamp, &stamp, sizeof(stamp));
  }
}

void __sock_recv_cmsgs(msghdr* msg, sock* sk, sk_buff* skb) {
  sock_recv_timestamp(msg, sk, skb);
  const uint32_t drops = SKB_CB<sock_skb_cb>(skb)->dropcount;
  if (sock_flag(sk, SOCK_RXQ_OVFL) && drops != 0) {
    put_cmsg(msg, kSolSocket, kSoRxqOvfl, &drops, sizeof(drops));
  }
}

}  // namespace tapedeck
