// What `ethtool` asks a driver (include/linux/ethtool.h). Any operation may be null: then the
// answer is -EOPNOTSUPP.
#ifndef TAPEDECK_STACK_CORE_ETHTOOL_H_
#define TAPEDECK_STACK_CORE_ETHTOOL_H_

#include <cstdint>

namespace tapedeck {

struct net_device;

struct ethtool_drvinfo {
  char driver[32];
  char version[32];
  char bus_info[32];
};
struct ethtool_link_settings {
  uint32_t speed_mbps;
  bool full_duplex;
  bool autoneg;
};
struct ethtool_ringparam {
  uint32_t rx_max_pending;
  uint32_t tx_max_pending;
  uint32_t rx_pending;
  uint32_t tx_pending;
};
struct ethtool_coalesce {
  uint32_t rx_coalesce_usecs;
  uint32_t tx_coalesce_usecs;
  bool use_adaptive_rx_coalesce;
};
struct ethtool_channels {
  uint32_t max_combined;
  uint32_t combined_count;
};

struct ethtool_ops {
  void (*get_drvinfo)(net_device* dev, ethtool_drvinfo* info);
  bool (*get_link)(net_device* dev);
  int (*get_link_ksettings)(net_device* dev, ethtool_link_settings* settings);
  void (*get_ringparam)(net_device* dev, ethtool_ringparam* ring);
  int (*set_ringparam)(net_device* dev, const ethtool_ringparam* ring);
  int (*get_coalesce)(net_device* dev, ethtool_coalesce* coalesce);
  int (*set_coalesce)(net_device* dev, const ethtool_coalesce* coalesce);
  void (*get_channels)(net_device* dev, ethtool_channels* channels);
  int (*set_channels)(net_device* dev, const ethtool_channels* channels);
  // `ethtool -S`: how many counters, the name of the i-th (valid as long as the device), and all
  // values.
  uint32_t (*get_sset_count)(net_device* dev);
  const char* (*get_string)(net_device* dev, uint32_t i);
  void (*get_ethtool_stats)(net_device* dev, uint64_t* values);
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_ETHTOOL_H_
