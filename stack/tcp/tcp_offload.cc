#include "stack/tcp/tcp_offload.h"

#include <cerrno>

#include "stack/base/checksum.h"
#include "stack/core/sock.h"
#include "stack/core/tx_timestamp.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_sock.h"
#include "stack/wire/tcp.h"

namespace tapedeck {

namespace {

wire::TcpHeader* WritableHeader(sk_buff* skb) {
  return reinterpret_cast<wire::TcpHeader*>(
      skb_writable(skb, skb_transport_header(skb), sizeof(wire::TcpHeader)));
}

// Bytes from the TCP header on.
uint32_t SegmentBytes(const sk_buff* skb) {
  return skb->len - static_cast<uint32_t>(skb_transport_offset(skb));
}

// The request for a time stamp goes to the segment with the byte that it is about (tcp_gso_tstamp).
void PassTimestampOn(sk_buff* segs, const sk_buff* gso_skb, SeqNum seq, uint32_t mss) {
  const uint8_t flags = skb_shinfo(gso_skb)->tx_flags & SKBTX_ANY_TSTAMP;
  if (flags == 0) return;
  const SeqNum wanted(skb_shinfo(gso_skb)->tskey);
  for (sk_buff* seg = segs; seg != nullptr; seg = seg->next) {
    seq += mss;
    if (!wanted.Before(seq)) continue;
    skb_shinfo(seg)->tx_flags |= flags;
    skb_shinfo(seg)->tskey = wanted.value();
    return;
  }
}

// FIN and PSH belong to the end of the packet; CWR is said once, unless it is a bit of AccECN's
// counter.
uint16_t FlagsOf(uint16_t flags, bool first, bool last, bool accecn) {
  constexpr uint16_t kOfTheLast = TCPHDR_FIN | TCPHDR_PSH;
  if (!last) flags = static_cast<uint16_t>(flags & ~kOfTheLast);
  if (!first && !accecn) flags = static_cast<uint16_t>(flags & ~TCPHDR_CWR);
  return flags;
}

// Sequence numbers, flags and pseudo-header sums. The checksum field's part that does not depend on
// the length is `pseudo`.
void CompleteHeaders(sk_buff* segs, uint32_t mss, wsum pseudo, bool accecn) {
  const wire::TcpHeader& th = *tcp_hdr(segs);
  const uint16_t flags = th.flags();
  SeqNum seq = th.sequence();
  for (sk_buff* seg = segs; seg != nullptr; seg = seg->next) {
    wire::TcpHeader* const header = WritableHeader(seg);
    header->seq = seq.value();
    header->set_flags(FlagsOf(flags, seg == segs, seg->next == nullptr, accecn));
    header->check = static_cast<uint16_t>(csum_add(pseudo, SegmentBytes(seg)));
    seq += mss;
  }
}

// The socket hears of the room, and sends more, when the last of the segments has gone, not when
// the packet they are made of has. All of them count in what it has on its way.
void PassDestructorOn(sk_buff* gso_skb, sk_buff* segs) {
  sock* const sk = gso_skb->sk;
  uint32_t truesize = 0;
  for (sk_buff* seg = segs; seg != nullptr; seg = seg->next) {
    seg->sk = sk;
    seg->destructor = tcp_wfree;
    truesize += seg->truesize;
  }
  gso_skb->sk = nullptr;
  gso_skb->destructor = nullptr;
  sk->sk_wmem_alloc += truesize - gso_skb->truesize;
}

}  // namespace

GsoResult tcp_gso_segment(sk_buff* skb, netdev_features_t features) {
  if (!pskb_may_pull(skb, sizeof(wire::TcpHeader))) return GsoError(-EINVAL);
  const uint32_t header_bytes = tcp_hdrlen(skb);
  if (header_bytes < sizeof(wire::TcpHeader)) return GsoError(-EINVAL);
  if (skb->csum_start != skb->transport_header) return GsoError(-EINVAL);
  if (!pskb_may_pull(skb, header_bytes)) return GsoError(-EINVAL);
  const uint32_t whole = skb->len;
  __skb_pull(skb, header_bytes);
  const uint32_t mss = skb_shinfo(skb)->gso_size;
  if (skb->len <= mss) return GsoError(-EINVAL);

  const uint32_t gso_type = skb_shinfo(skb)->gso_type;
  if (net_gso_ok(features, gso_type & ~SKB_GSO_DODGY)) {
    // The device could; only what a stranger says about it has to be checked.
    skb_shinfo(skb)->gso_segs = static_cast<uint16_t>((skb->len + mss - 1) / mss);
    skb_shinfo(skb)->gso_type = gso_type & ~SKB_GSO_DODGY;
    return {};
  }
  const GsoResult result = skb_segment(skb, features);
  if (result.segs == nullptr) return result;
  PassTimestampOn(result.segs, skb, tcp_hdr(skb)->sequence(), mss);
  const wsum pseudo = csum_sub(tcp_hdr(skb)->check.host(), whole);
  CompleteHeaders(result.segs, mss, pseudo, (gso_type & SKB_GSO_TCP_ACCECN) != 0);
  if (skb->destructor == tcp_wfree) PassDestructorOn(skb, result.segs);
  return result;
}

}  // namespace tapedeck
