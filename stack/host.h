// One host: a kernel and the whole stack on it. Everything lives in the world's arena.
#ifndef TAPEDECK_STACK_HOST_H_
#define TAPEDECK_STACK_HOST_H_

#include <cstdint>
#include <string_view>

#include "stack/base/ip_address.h"
#include "stack/core/net.h"
#include "stack/drivers/ixgbe.h"
#include "stack/kernel/cost.h"
#include "stack/kernel/kernel.h"
#include "stack/kernel/world.h"
#include "stack/socket/syscalls.h"

namespace tapedeck {

struct LedgerEntry {
  const char* name;
  uint64_t held;
};

class Host {
 public:
  Host(World& world, const KernelOptions& options, const CostTable& costs);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  Kernel& kernel() { return kernel_; }
  net& network() { return *net_; }
  // System calls of the host's one process.
  Syscalls& syscalls() { return *syscalls_; }

  // Brings up the 82599 in `slot` of the bus as `name`. nullptr where there is none.
  net_device* AddNic(int slot, std::string_view name, const ixgbe::IxgbeOptions& options);
  // Creates a TUN device (see stack/drivers/tun.h) and brings it up. nullptr where memory failed or
  // the name is taken.
  net_device* AddTun(std::string_view name, uint32_t mtu_bytes);
  // The same for a TAP device, an Ethernet card with the user at the other end of its cable.
  net_device* AddTap(std::string_view name, const MacAddress& address, uint32_t mtu_bytes);
  // `ip address add ADDRESS/LENGTH dev DEV`. 0 or -errno.
  int AddAddress(net_device* dev, Ipv4Address address, uint8_t prefix_length_bits);
  // `ip route add PREFIX dev DEV via GATEWAY`. 0 or -errno.
  int AddRoute(net_device* dev, const Ipv4Prefix& prefix, Ipv4Address gateway);
  // `ip route add default dev DEV scope link`. 0 or -errno.
  int AddOnLinkDefaultRoute(net_device* dev);
  // `ip -6 address add ADDRESS/LENGTH dev DEV nodad`, on a device that speaks IPv6 from now on
  // (disable_ipv6 is switched off) and asks nobody whether its addresses are free (dad_transmits
  // 0). 0 or -errno; -EEXIST where it is its link-local one.
  int AddAddress(net_device* dev, const Ipv6Address& address, uint8_t prefix_length_bits);
  // `ip -6 route add PREFIX/LENGTH dev DEV via GATEWAY`; :: as gateway: on the link. 0 or -errno.
  int AddRoute(net_device* dev, const Ipv6Address& prefix, uint8_t prefix_length_bits,
               const Ipv6Address& gateway);

  // Lets the `nth` allocation from now on of an object of any kmem_cache of the network code fail,
  // once (1: the next). 0: none. failslab of Linux's fault injection; what is made for the host
  // itself to run (threads, tables that grow) does not fail.
  void FailSlab(uint64_t nth);

  // Closes every descriptor, takes all devices down and empties the tables. Threads of applications
  // must have ended or sleep; those that sleep are ended. What is still on its way afterwards
  // (none, if the stack is right) shows in the ledger.
  void Shutdown();
  static constexpr int kLedgerEntriesMax = 24;
  // Fills `entries` with what is held and returns how many there are; all are 0 after Shutdown.
  int Ledger(LedgerEntry entries[kLedgerEntriesMax]) const;

 private:
  Kernel kernel_;
  net* net_;
  Syscalls* syscalls_;
  // For the ledger, when net has forgotten them.
  neigh_table* arp_table_;
  neigh_table* nd_table_;
  uint64_t fail_slab_nth_ = 0;
  static constexpr int kNicsMax = 4;
  net_device* nics_[kNicsMax] = {};
  int nic_count_ = 0;
  static constexpr int kTunsMax = 4;
  net_device* tuns_[kTunsMax] = {};
  int tun_count_ = 0;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_HOST_H_
