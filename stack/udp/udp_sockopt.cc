#include "stack/udp/udp_sockopt.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "stack/udp/udp.h"
#include "stack/udp/udp_output.h"

namespace tapedeck {
namespace {

void SetCork(udp_sock* up, bool on, int (*push_pending_frames)(sock* sk)) {
  up->corkflag = on;
  if (on) return;
  // What waited for the cork goes out; nobody hears of errors.
  lock_sock(up);
  if (up->pending != 0) push_pending_frames(up);
  release_sock(up);
}

int SetEncap(udp_sock* up, int value) {
  if (value != kUdpEncapNone && value != kUdpEncapL2tpInUdp) return -ENOPROTOOPT;
  up->encap_type = static_cast<uint8_t>(value);
  udp_tunnel_encap_enable(up);
  return 0;
}

void SetGro(udp_sock* up, bool on) {
  if (on) udp_tunnel_encap_enable(up);
  up->gro_enabled = on;
  up->accept_udp_l4 = on;
}

}  // namespace

int udp_lib_setsockopt(sock* sk, int optname, const void* optval, uint32_t optlen,
                       int (*push_pending_frames)(sock* sk)) {
  int value = 0;
  if (optlen < sizeof(value)) return -EINVAL;
  if (optval == nullptr) return -EFAULT;
  std::memcpy(&value, optval, sizeof(value));
  udp_sock* const up = udp_sk(sk);
  switch (optname) {
    case kUdpCork:
      SetCork(up, value != 0, push_pending_frames);
      return 0;
    case kUdpEncap:
      return SetEncap(up, value);
    case kUdpNoCheck6Tx:
      up->no_check6_tx = value != 0;
      return 0;
    case kUdpNoCheck6Rx:
      up->no_check6_rx = value != 0;
      return 0;
    case kUdpSegment:
      if (value < 0 || value > std::numeric_limits<uint16_t>::max()) return -EINVAL;
      up->gso_size = static_cast<uint16_t>(value);
      return 0;
    case kUdpGro:
      SetGro(up, value != 0);
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

int udp_lib_getsockopt(const sock* sk, int optname, void* optval, uint32_t* optlen) {
  if (static_cast<int32_t>(*optlen) < 0) return -EINVAL;
  const udp_sock* const up = udp_sk(sk);
  int value = 0;
  switch (optname) {
    case kUdpCork:
      value = up->corkflag ? 1 : 0;
      break;
    case kUdpEncap:
      value = up->encap_type;
      break;
    case kUdpNoCheck6Tx:
      value = up->no_check6_tx ? 1 : 0;
      break;
    case kUdpNoCheck6Rx:
      value = up->no_check6_rx ? 1 : 0;
      break;
    case kUdpSegment:
      value = up->gso_size;
      break;
    case kUdpGro:
      value = up->gro_enabled ? 1 : 0;
      break;
    default:
      return -ENOPROTOOPT;
  }
  *optlen = std::min<uint32_t>(*optlen, sizeof(value));
  if (*optlen == 0) return 0;
  if (optval == nullptr) return -EFAULT;
  std::memcpy(optval, &value, *optlen);
  return 0;
}

void udp_tunnel_encap_enable(sock* sk) {
  udp_sock* const up = udp_sk(sk);
  if (up->encap_enabled) return;
  up->encap_enabled = true;
  ++net_udp(sk->sk_net).encap_needed;
}

void udp_encap_release(sock* sk) {
  udp_sock* const up = udp_sk(sk);
  if (up->encap_type != 0 && up->encap_destroy != nullptr) up->encap_destroy(sk);
  if (up->encap_enabled) --net_udp(sk->sk_net).encap_needed;
  up->encap_enabled = false;
}

void setup_udp_tunnel_sock(sock* sk, const udp_tunnel_sock_cfg& cfg) {
  // Multicast of the outer header is not the tunnel's own to hear.
  inet_sk(sk)->mc_loop = false;
  udp_sock* const up = udp_sk(sk);
  sk->sk_user_data = cfg.sk_user_data;
  up->encap_type = cfg.encap_type;
  up->encap_rcv = cfg.encap_rcv;
  up->encap_err_lookup = cfg.encap_err_lookup;
  up->encap_err_rcv = cfg.encap_err_rcv;
  up->encap_destroy = cfg.encap_destroy;
  udp_tunnel_encap_enable(sk);
}

}  // namespace tapedeck
