#include "stack/core/net.h"

namespace tapedeck {

namespace {

constexpr uint32_t kUsecsPerSecond = 1'000'000;

// net_core_table of net/core/sysctl_net_core.c.
void RegisterSettings(SysctlTree& tree, netns_core& core) {
  tree.RegisterUnsigned("net/core/rmem_max", &core.rmem_max, 2304, INT32_MAX);
  tree.RegisterUnsigned("net/core/wmem_max", &core.wmem_max, 4608, INT32_MAX);
  tree.RegisterUnsigned("net/core/rmem_default", &core.rmem_default, 2304, INT32_MAX);
  tree.RegisterUnsigned("net/core/wmem_default", &core.wmem_default, 4608, INT32_MAX);
  tree.RegisterInt("net/core/optmem_max", &core.optmem_max, 0);
  tree.RegisterInt("net/core/somaxconn", &core.somaxconn, 0);
  tree.RegisterInt("net/core/netdev_budget", &core.netdev_budget);
  tree.RegisterUnsigned("net/core/netdev_budget_usecs", &core.netdev_budget_usecs);
  tree.RegisterInt("net/core/netdev_max_backlog", &core.netdev_max_backlog);
  tree.RegisterInt("net/core/dev_weight", &core.dev_weight);
  tree.RegisterInt("net/core/dev_weight_rx_bias", &core.dev_weight_rx_bias);
  tree.RegisterInt("net/core/dev_weight_tx_bias", &core.dev_weight_tx_bias);
  tree.RegisterInt("net/core/gro_normal_batch", &core.gro_normal_batch, 1);
  tree.RegisterInt("net/core/netdev_tstamp_prequeue", &core.netdev_tstamp_prequeue);
}

}  // namespace

// net_dev_init.
net::net(Kernel& its_kernel)
    : kernel(its_kernel),
      world(its_kernel.world()),
      skbuff_cache(world.arena(), "skbuff_head_cache", sizeof(sk_buff)),
      page_cache(world.arena(), "page"),
      hash_mix(its_kernel.prng().Next32()) {
  for (int cpu = 0; cpu < kernel.cpus(); ++cpu) {
    softnet[cpu] = world.arena().New<softnet_data>(*this, kernel.cpu(cpu));
  }
  core.netdev_budget_usecs = 2 * kUsecsPerSecond / kernel.hz();
  RegisterSettings(kernel.sysctl(), core);
  kernel.set_network(this);
  kernel.open_softirq(NET_TX_SOFTIRQ, net_tx_action);
  kernel.open_softirq(NET_RX_SOFTIRQ, net_rx_action);
}

}  // namespace tapedeck
