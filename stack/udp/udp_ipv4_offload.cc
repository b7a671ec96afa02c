#include <cerrno>

#include "stack/core/skb_data.h"
#include "stack/udp/udp_offload.h"
#include "stack/wire/udp.h"

namespace tapedeck {

GsoResult udp4_ufo_fragment(sk_buff* skb, netdev_features_t features) {
  if ((skb_shinfo(skb)->gso_type & SKB_GSO_UDP_L4) == 0) return GsoError(-EINVAL);
  if (!pskb_may_pull(skb, sizeof(wire::UdpHeader))) return GsoError(-EINVAL);
  return __udp_gso_segment(skb, features);
}

}  // namespace tapedeck
