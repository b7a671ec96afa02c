// Text of the files under /proc, as the kernel's seq_file makes it.
#ifndef TAPEDECK_STACK_CORE_SEQ_FILE_H_
#define TAPEDECK_STACK_CORE_SEQ_FILE_H_

#include <cstddef>
#include <string>

#include "stack/base/ip_address.h"
#include "stack/base/mib.h"
#include "stack/kernel/kernel.h"

namespace tapedeck {

// printf(3) at the end of *text.
[[gnu::format(printf, 2, 3)]] void seq_printf(std::string* text, const char* format, ...);
// Spaces up to `width` bytes in the line that begins at `line_start`, then a newline (seq_pad).
void seq_pad(std::string* text, size_t line_start, size_t width);
// An address as the kernel prints it in tables of sockets: its 32-bit words in wire order, read as
// numbers of this (little-endian) machine.
void seq_address(std::string* text, const IpAddress& address);

// Hundredths of a second (USER_HZ) from now to `expires`, rounded down: jiffies_delta_to_clock_t.
inline uint64_t seq_clock_ticks(const Kernel& kernel, Jiffies expires) {
  const Jiffies now = kernel.jiffies();
  return expires > now ? (expires - now) * 100 / kernel.hz() : 0;
}

// "Udp: InDatagrams ...\nUdp: 1 ...\n": the names of a group's counters and their values.
template <typename Item>
void seq_show_mib(std::string* text, const char* group, const Mib<Item>& mib) {
  std::string values = std::string(group) + ":";
  *text += values;
  for (size_t i = 0; i < Mib<Item>::kItems; ++i) {
    const auto item = static_cast<Item>(i);
    *text += ' ';
    *text += MibName(item);
    // Tcp's MaxConn of -1 is what makes them signed.
    values += ' ' + std::to_string(static_cast<int64_t>(mib.Get(item)));
  }
  *text += '\n' + values + '\n';
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_SEQ_FILE_H_
