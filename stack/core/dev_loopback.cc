#include "stack/core/dev_loopback.h"

#include "stack/core/dev.h"
#include "stack/core/dst.h"

namespace tapedeck {

void dev_loopback_xmit(sk_buff* skb) {
  CHECK(skb->dst != nullptr);
  skb_reset_mac_header(skb);
  __skb_pull(skb, static_cast<uint32_t>(skb_network_offset(skb)));
  skb->pkt_type = PACKET_LOOPBACK;
  if (skb->ip_summed == CHECKSUM_NONE) skb->ip_summed = CHECKSUM_UNNECESSARY;
  netif_rx(skb);
}

}  // namespace tapedeck
