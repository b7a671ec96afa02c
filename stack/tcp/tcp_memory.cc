// What all TCP sockets of a host hold together, and what it means to be short of it.
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_clock.h"

namespace tapedeck {
namespace {

// Counts how often, and for how many milliseconds (tcp_enter_memory_pressure and its opposite).
void PressureChanged(net& net, bool on) {
  netns_tcp& ns = net_tcp(net);
  if (on) {
    ns.memory_pressure_since = net.jiffies();
    NET_INC_STATS(net, TcpExtMib::kTCPMemoryPressures);
    return;
  }
  const uint64_t lasted = net.jiffies() - ns.memory_pressure_since;
  NET_ADD_STATS(net, TcpExtMib::kTCPMemoryPressuresChrono, lasted * 1000 / ns.ticks.hz);
}

}  // namespace

proto_memory* tcp_memory(net& net) { return &net_tcp(net).memory; }

void tcp_memory_init(netns_tcp& ns) {
  tcp_memory_limits_changed(ns);
  ns.memory.rmem_min = &ns.settings.rmem[0];
  ns.memory.wmem_min = &ns.settings.wmem[0];
  ns.memory.pressure_changed = PressureChanged;
}

void tcp_memory_limits_changed(netns_tcp& ns) {
  for (int i = 0; i < 3; ++i) ns.memory.sysctl_mem[i] = ns.settings.mem_pages[i];
}

void tcp_enter_memory_pressure(sock* sk) { sk_enter_memory_pressure(sk); }

}  // namespace tapedeck
