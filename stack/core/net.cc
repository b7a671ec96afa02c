#include "stack/core/net.h"

namespace tapedeck {

namespace {

constexpr uint32_t kUsecsPerSecond = 1'000'000;

// net_core_table of net/core/sysctl_net_core.c.
void ListSettings(SysctlFiles& files, void* owner) {
  netns_core& core = *static_cast<netns_core*>(owner);
  files.AddUnsigned("net/core/rmem_max", &core.rmem_max, 2304, INT32_MAX);
  files.AddUnsigned("net/core/wmem_max", &core.wmem_max, 4608, INT32_MAX);
  files.AddUnsigned("net/core/rmem_default", &core.rmem_default, 2304, INT32_MAX);
  files.AddUnsigned("net/core/wmem_default", &core.wmem_default, 4608, INT32_MAX);
  files.AddInt("net/core/optmem_max", &core.optmem_max, 0);
  files.AddInt("net/core/somaxconn", &core.somaxconn, 0);
  files.AddInt("net/core/netdev_budget", &core.netdev_budget);
  files.AddUnsigned("net/core/netdev_budget_usecs", &core.netdev_budget_usecs);
  files.AddInt("net/core/netdev_max_backlog", &core.netdev_max_backlog);
  files.AddInt("net/core/dev_weight", &core.dev_weight);
  files.AddInt("net/core/dev_weight_rx_bias", &core.dev_weight_rx_bias);
  files.AddInt("net/core/dev_weight_tx_bias", &core.dev_weight_tx_bias);
  files.AddInt("net/core/gro_normal_batch", &core.gro_normal_batch, 1);
  files.AddInt("net/core/netdev_tstamp_prequeue", &core.netdev_tstamp_prequeue);
}

}  // namespace

// net_dev_init.
net::net(Kernel& its_kernel)
    : kernel(its_kernel),
      world(its_kernel.world()),
      costs_free(its_kernel.costs().free),
      skbuff_cache(world.arena(), "skbuff_head_cache", sizeof(sk_buff)),
      page_cache(world.arena(), "page"),
      hash_mix(its_kernel.prng().Next32()) {
  for (int cpu = 0; cpu < kernel.cpus(); ++cpu) {
    softnet[cpu] = world.arena().New<softnet_data>(*this, kernel.cpu(cpu));
  }
  core.netdev_budget_usecs = 2 * kUsecsPerSecond / kernel.hz();
  kernel.sysctl().AddOwner(ListSettings, &core);
  kernel.set_network(this);
  kernel.open_softirq(NET_TX_SOFTIRQ, net_tx_action);
  kernel.open_softirq(NET_RX_SOFTIRQ, net_rx_action);
}

}  // namespace tapedeck
