#include "stack/tcp/tcp_gro.h"

#include <cstddef>
#include <cstring>

#include "stack/core/gro.h"
#include "stack/core/net.h"
#include "stack/tcp/tcp_sock.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/tcp.h"

namespace tapedeck {

namespace {

// A merged packet has them where any of its segments has; only the last can.
constexpr uint16_t kOfAnySegment = TCPHDR_FIN | TCPHDR_PSH;
constexpr uint16_t kEndsPacket = TCPHDR_URG | TCPHDR_PSH | TCPHDR_RST | TCPHDR_SYN | TCPHDR_FIN;

// The header, pulled; nullptr where it is cut short.
const wire::TcpHeader* tcp_gro_pull_header(sk_buff* skb) {
  const uint8_t* header = skb_gro_header(skb, wire::kTcpHeaderBytes);
  if (header == nullptr) return nullptr;
  const auto bytes =
      static_cast<uint32_t>(reinterpret_cast<const wire::TcpHeader*>(header)->header_bytes());
  if (bytes < wire::kTcpHeaderBytes) return nullptr;
  header = skb_gro_header(skb, bytes);
  if (header != nullptr) skb_gro_pull(skb, bytes);
  return reinterpret_cast<const wire::TcpHeader*>(header);
}

// Whether the headers say the same.
bool IsAlike(const wire::TcpHeader& th, const wire::TcpHeader& held) {
  return th.doff() == held.doff() && ((th.flags() ^ held.flags()) & ~kOfAnySegment) == 0 &&
         th.window == held.window && th.ack_seq == held.ack_seq &&
         std::memcmp(&th + 1, &held + 1, th.header_bytes() - sizeof(th)) == 0;
}

bool Follows(const wire::TcpHeader& th, const sk_buff* held) {
  return th.sequence() == tcp_hdr(held)->sequence() + skb_gro_len(held);
}

bool Merge(sk_buff* held, sk_buff* skb, const wire::TcpHeader& th) {
  const uint32_t mss = skb_shinfo(held)->gso_size;
  const uint32_t len = skb_gro_len(skb);
  const bool fits = len != 0 && len <= mss;
  if (!fits || !IsAlike(th, *tcp_hdr(held)) || !Follows(th, held)) return false;
  if (gro_receive_network_flush(skb, held)) return false;
  const uint16_t flags = th.flags() & kOfAnySegment;
  if (!skb_gro_receive(held, skb)) return false;
  if (flags != 0) {
    auto* const held_th = reinterpret_cast<wire::TcpHeader*>(
        skb_writable(held, skb_transport_header(held), sizeof(wire::TcpHeader)));
    held_th->set_flags(held_th->flags() | flags);
  }
  return true;
}

// With the header pulled.
sk_buff* tcp_gro_receive(sk_buff_head* held, sk_buff* skb, const wire::TcpHeader& th) {
  napi_gro_cb* const cb = NAPI_GRO_CB(skb);
  const uint32_t len = skb_gro_len(skb);
  const uint16_t flags = th.flags();
  sk_buff* const p = gro_find_by_ports(held, &th);
  uint32_t mss = 1;
  if (p != nullptr && Merge(p, skb, th)) mss = skb_shinfo(p)->gso_size;
  const bool last = len < mss || (flags & kEndsPacket) != 0;
  cb->flush |= last;
  return p != nullptr && (!cb->same_flow || last) ? p : nullptr;
}

// Those that can be no part of a merged packet are not summed.
sk_buff* ReceiveOfEither(sk_buff_head* held, sk_buff* skb) {
  napi_gro_cb* const cb = NAPI_GRO_CB(skb);
  const bool right =
      cb->flush ||
      skb_gro_checksum_validate(skb, gro_compute_pseudo(skb, skb_gro_len(skb), wire::kIpProtoTcp));
  const wire::TcpHeader* const th = right ? tcp_gro_pull_header(skb) : nullptr;
  if (th != nullptr) return tcp_gro_receive(held, skb, *th);
  cb->flush = true;
  return nullptr;
}

void tcp_gro_complete(sk_buff* skb, uint32_t thoff, uint32_t gso_type) {
  if (tcp_hdr(skb)->cwr()) gso_type |= SKB_GSO_TCP_ACCECN;
  gro_complete_transport(skb, thoff, wire::kIpProtoTcp, offsetof(wire::TcpHeader, check), gso_type);
}

}  // namespace

sk_buff* tcp4_gro_receive(sk_buff_head* held, sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, tcp4_gro_receive, held, skb);
  return ReceiveOfEither(held, skb);
}

sk_buff* tcp6_gro_receive(sk_buff_head* held, sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, tcp6_gro_receive, held, skb);
  return ReceiveOfEither(held, skb);
}

void tcp4_gro_complete(sk_buff* skb, uint32_t thoff) {
  TRACE_FUNCTION(*skb->owner, skb, tcp4_gro_complete, skb, thoff);
  uint32_t gso_type = SKB_GSO_TCPV4;
  if (NAPI_GRO_CB(skb)->ip_fixedid) gso_type |= SKB_GSO_TCP_FIXEDID;
  tcp_gro_complete(skb, thoff, gso_type);
}

void tcp6_gro_complete(sk_buff* skb, uint32_t thoff) {
  TRACE_FUNCTION(*skb->owner, skb, tcp6_gro_complete, skb, thoff);
  tcp_gro_complete(skb, thoff, SKB_GSO_TCPV6);
}

}  // namespace tapedeck
