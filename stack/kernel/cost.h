// What code costs on a modelled CPU: cycles charged at named points, from one table that is loaded
// by name and recorded with the run. `free` costs nothing anywhere. Presets are the files in
// stack/kernel/costs/, each number with its origin.
#ifndef TAPEDECK_STACK_KERNEL_COST_H_
#define TAPEDECK_STACK_KERNEL_COST_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tapedeck {

// X(name, what is charged). Points whose name ends in _per_byte are in 1/256 cycle a byte.
#define TAPEDECK_COST_POINTS(X)                                           \
  X(hardirq, "interrupt entry and exit")                                  \
  X(napi_schedule, "napi_schedule and raising the softirq")               \
  X(softirq, "entering and leaving the softirq loop")                     \
  X(napi_complete, "napi_complete_done")                                  \
  X(irq_rearm, "unmasking the vector")                                    \
  X(mmio_write, "the CPU's part of a posted register write")              \
  X(napi_poll, "one poll call, whatever it finds")                        \
  X(driver_rx_packet, "driver's work for a received packet, first touch") \
  X(build_skb, "build_skb on a receive buffer")                           \
  X(skb_alloc, "alloc_skb")                                               \
  X(skb_free, "kfree_skb")                                                \
  X(gro_receive, "napi_gro_receive and eth_type_trans")                   \
  X(netif_receive, "__netif_receive_skb_core")                            \
  X(ip_rcv, "ip_rcv to protocol, with route lookup")                      \
  X(ip_forward, "ip_forward")                                             \
  X(udp_rcv, "udp_rcv and queueing on the socket")                        \
  X(icmp_rcv, "icmp_rcv")                                                 \
  X(tcp_rcv, "tcp_v4_rcv")                                                \
  X(sock_wake, "waking a task that waits on a socket")                    \
  X(syscall, "system call entry and exit")                                \
  X(context_switch, "switching to another task")                          \
  X(copy_per_byte, "copying to or from user memory")                      \
  X(csum_per_byte, "checksumming in software")                            \
  X(ip_output, "ip_output to dev_queue_xmit")                             \
  X(qdisc, "enqueue and dequeue")                                         \
  X(driver_tx_packet, "driver's work for a sent packet")                  \
  X(tx_clean_packet, "unmapping and freeing a sent packet")               \
  X(timer, "one expired timer")                                           \
  X(tcp_transmit, "building a TCP segment, up to IP")

enum class CostPoint : uint8_t {
#define X(name, text) k_##name,
  TAPEDECK_COST_POINTS(X)
#undef X
      kCount
};

struct CostTable {
  static constexpr size_t kPoints = static_cast<size_t>(CostPoint::kCount);

  char name[32] = "free";
  uint64_t cpu_hz = 2'500'000'000;
  bool free = true;  // every point is 0
  uint32_t cycles[kPoints] = {};
};

// The table `free`.
CostTable FreeCostTable();

// Reads lines `name = number` ('#' starts a comment). Known names: cpu_hz and the points above;
// points that are not named cost 0. On an error returns false and says in `error` the line, what
// was expected and what was found.
bool ParseCostTable(std::string_view name, std::string_view text, CostTable* table,
                    std::string* error);

struct CostPreset {
  const char* name;
  const char* text;
};
// The files of stack/kernel/costs/, sorted by name; built into the library.
std::span<const CostPreset> CostPresets();

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_KERNEL_COST_H_
