// lo: what is sent comes back through the receiving CPU's backlog; and the device of routes whose
// own is gone (drivers/net/loopback.c).
#ifndef TAPEDECK_STACK_DRIVERS_LOOPBACK_H_
#define TAPEDECK_STACK_DRIVERS_LOOPBACK_H_

#include "stack/core/net.h"
#include "stack/core/net_device.h"

namespace tapedeck {

// Registers and brings up lo of a host and makes it net::loopback_dev; MTU 65536, no queue. Makes
// net::blackhole_netdev. Once, before any other device, and after the protocols that want to hear
// of it. nullptr where memory failed.
net_device* loopback_init(net& net);
// Takes lo away again.
void loopback_exit(net& net);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_DRIVERS_LOOPBACK_H_
