// What goes out also comes in again (dev_loopback_xmit of net/core/dev.c): packets to groups and
// broadcasts that this host listens to.
#ifndef TAPEDECK_STACK_CORE_DEV_LOOPBACK_H_
#define TAPEDECK_STACK_CORE_DEV_LOOPBACK_H_

#include "stack/core/skbuff.h"

namespace tapedeck {

// Receives `skb`, a copy with its route and with a network header, as a packet of our own.
void dev_loopback_xmit(sk_buff* skb);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_DEV_LOOPBACK_H_
