#include "stack/core/dst.h"

#include <cerrno>

#include "stack/core/net.h"

namespace tapedeck {

void dst_init(dst_entry* dst, const dst_ops* ops, net_device* dev, int16_t obsolete,
              uint16_t flags) {
  dst->ops = ops;
  dst->dev = dev;
  if (dev != nullptr) dev_hold(dev);
  dst->obsolete = obsolete;
  dst->flags = flags;
  dst->input = dst_discard;
  dst->output = dst_discard_out;
}

void dst_dev_put(dst_entry* dst) {
  dst->obsolete = DST_OBSOLETE_DEAD;
  dst->input = dst_discard;
  dst->output = dst_discard_out;
  net_device* const dev = dst->dev;
  if (dev == nullptr) return;
  dst->dev = dev_net(dev).blackhole_netdev;
  dev_hold(dst->dev);
  dev_put(dev);
}

int dst_discard(sk_buff* skb) {
  kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);
  return 0;
}

int dst_discard_out(net& /*net*/, sock* /*sk*/, sk_buff* skb) { return dst_discard(skb); }

}  // namespace tapedeck
