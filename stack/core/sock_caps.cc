// What a socket's route lets it do: offloads, and another path where this one fails.
#include <algorithm>

#include "stack/core/gso.h"
#include "stack/core/net.h"
#include "stack/core/sock.h"

namespace tapedeck {

namespace {

constexpr uint32_t kGsoLegacyMaxSize = 65536;
constexpr uint32_t kMaxTcpHeader = 320;  // MAX_TCP_HEADER: fits in front of the largest packet

// sk_dst_gso_max_size.
uint32_t GsoMaxSize(const sock* sk, const net_device* dev) {
  const bool ipv6 = (sk->sk_gso_type & SKB_GSO_TCPV6) != 0;
  uint32_t max_size = ipv6 ? dev->gso_max_size : dev->gso_ipv4_max_size;
  if (sk->sk_type != SOCK_STREAM) max_size = std::min(max_size, kGsoLegacyMaxSize);
  return max_size - (kMaxTcpHeader + 1);
}

}  // namespace

bool sk_can_gso(const sock* sk) { return net_gso_ok(sk->sk_route_caps, sk->sk_gso_type); }

void sk_setup_caps(sock* sk, dst_entry* dst) {
  const net_device* const dev = dst->dev;
  sk->sk_route_caps = dev->features;
  if (sk->sk_prot->setup_caps != nullptr) sk->sk_prot->setup_caps(sk, dst);
  if ((sk->sk_route_caps & NETIF_F_GSO) != 0) sk->sk_route_caps |= NETIF_F_GSO_SOFTWARE;
  if (sk->sk_gso_disabled) sk->sk_route_caps &= ~NETIF_F_GSO_MASK;
  uint16_t max_segs = 1;
  if (sk_can_gso(sk)) {
    if (dst->header_len != 0) {
      sk->sk_route_caps &= ~NETIF_F_GSO_MASK;
    } else {
      sk->sk_route_caps |= NETIF_F_SG | NETIF_F_HW_CSUM;
      sk->sk_gso_max_size = GsoMaxSize(sk, dev);
      max_segs = std::max<uint16_t>(dev->gso_max_segs, 1);
    }
  }
  sk->sk_gso_max_segs = max_segs;
  sk_dst_set(sk, dst);
}

void sk_gso_disable(sock* sk) {
  sk->sk_gso_disabled = true;
  sk->sk_route_caps &= ~NETIF_F_GSO_MASK;
}

uint32_t net_tx_rndhash(net& net) {
  const uint32_t hash = net.kernel.prng().Next32();
  return hash != 0 ? hash : 1;
}

void sk_set_txhash(sock* sk) { sk->sk_txhash = net_tx_rndhash(sk->sk_net); }

bool sk_rethink_txhash(sock* sk) {
  if (sk->sk_txhash == 0 || sk->sk_txrehash != SOCK_TXREHASH_ENABLED) return false;
  sk_set_txhash(sk);
  return true;
}

bool __sk_rethink_txhash_reset_dst(sock* sk) {
  if (!sk_rethink_txhash(sk)) return false;
  if (sk->sk_family == kAfInet6) sk_dst_reset(sk);
  return true;
}

void __dst_negative_advice(sock* sk) {
  dst_entry* const dst = sk->sk_dst_cache;
  if (dst != nullptr && dst->ops->negative_advice != nullptr) dst->ops->negative_advice(sk, dst);
}

void dst_negative_advice(sock* sk) {
  sk_rethink_txhash(sk);
  __dst_negative_advice(sk);
}

}  // namespace tapedeck
