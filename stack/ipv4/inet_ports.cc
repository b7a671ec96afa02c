#include "stack/ipv4/inet_ports.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>

#include "stack/core/net.h"
#include "stack/ipv4/netns_ipv4.h"

namespace tapedeck {
namespace {

constexpr uint32_t kPorts = 65536;
constexpr uint32_t kWords = kPorts / 64;
constexpr size_t kBitmapBytes = kWords * sizeof(uint64_t);
constexpr int32_t kUnprivilegedPortStart = 1024;  // ip_unprivileged_port_start

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n'; }

bool Has(const uint64_t* bits, uint32_t port) { return (bits[port / 64] >> (port % 64) & 1) != 0; }
void Set(uint64_t* bits, uint32_t port) { bits[port / 64] |= uint64_t{1} << (port % 64); }

// A list of ports and ranges, without any space: "8080,9000-9010" (proc_do_large_bitmap).
class PortListReader {
 public:
  explicit PortListReader(std::string_view text) : text_(text) {}

  // Sets what the list names. False where it is no such list.
  bool Read(uint64_t* bits) {
    while (!text_.empty()) {
      uint32_t first = 0;
      if (!ReadPort(&first)) return false;
      uint32_t last = first;
      if (Take('-') && (!ReadPort(&last) || last < first)) return false;
      for (uint32_t port = first; port <= last; ++port) Set(bits, port);
      if (!Take(',')) return text_.empty();
    }
    return true;
  }

 private:
  bool Take(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool ReadPort(uint32_t* port) {
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), *port);
    if (error != std::errc{} || *port >= kPorts) return false;
    text_.remove_prefix(static_cast<size_t>(end - text_.data()));
    return true;
  }

  std::string_view text_;
};

void ReadReserved(void* context, std::string* text) {
  const uint64_t* const bits = static_cast<netns_ipv4*>(context)->local_reserved_ports;
  if (bits == nullptr) return;
  for (uint32_t port = 0; port < kPorts; ++port) {
    if (!Has(bits, port)) continue;
    uint32_t last = port;
    while (last + 1 < kPorts && Has(bits, last + 1)) ++last;
    if (!text->empty()) *text += ',';
    *text += std::to_string(port);
    if (last != port) *text += '-' + std::to_string(last);
    port = last;
  }
}

// What is written takes the place of what was there; a list that is wrong leaves it.
int WriteReserved(void* context, std::string_view text) {
  auto* const ns = static_cast<netns_ipv4*>(context);
  Kmalloc& memory = ns->host_net.kernel.kmalloc();
  auto* const bits = static_cast<uint64_t*>(memory.Alloc(kBitmapBytes));
  if (bits == nullptr) return -ENOMEM;
  std::memset(bits, 0, kBitmapBytes);
  if (!PortListReader(text).Read(bits)) {
    memory.Free(bits, kBitmapBytes);
    return -EINVAL;
  }
  if (ns->local_reserved_ports != nullptr) memory.Free(ns->local_reserved_ports, kBitmapBytes);
  ns->local_reserved_ports = bits;
  return 0;
}

void ReadRange(void* context, std::string* text) {
  const int32_t* const range = static_cast<netns_ipv4*>(context)->settings.ip_local_port_range;
  *text = std::to_string(range[0]) + '\t' + std::to_string(range[1]);
}

// "first last", or the first alone. Privileged ports are not given out.
int WriteRange(void* context, std::string_view text) {
  int32_t* const settings = static_cast<netns_ipv4*>(context)->settings.ip_local_port_range;
  int32_t range[2] = {settings[0], settings[1]};
  for (int32_t& port : range) {
    while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
    if (text.empty()) break;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || port < 1 || port >= static_cast<int32_t>(kPorts)) return -EINVAL;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (!text.empty() && !IsSpace(text.front())) return -EINVAL;
  }
  if (range[1] < range[0] || range[0] < kUnprivilegedPortStart) return -EINVAL;
  settings[0] = range[0];
  settings[1] = range[1];
  return 0;
}

}  // namespace

PortRange inet_sk_get_local_port_range(const inet_sock* sk) {
  const ipv4_settings& settings = net_ipv4(sk->sk_net).settings;
  PortRange range = {static_cast<uint16_t>(settings.ip_local_port_range[0]),
                     static_cast<uint16_t>(settings.ip_local_port_range[1]),
                     sk->local_port_range != 0};
  if (!range.of_socket) return range;
  const auto low = static_cast<uint16_t>(sk->local_port_range);
  const auto high = static_cast<uint16_t>(sk->local_port_range >> 16);
  if (range.low <= low && low <= range.high) range.low = low;
  if (range.low <= high && high <= range.high) range.high = high;
  return range;
}

bool inet_is_local_reserved_port(const net& net, uint16_t port) {
  const uint64_t* const bits = net.ipv4->local_reserved_ports;
  return bits != nullptr && Has(bits, port);
}

int inet_set_local_port_range(inet_sock* sk, uint32_t range) {
  const auto low = static_cast<uint16_t>(range);
  const auto high = static_cast<uint16_t>(range >> 16);
  if (low != 0 && high != 0 && low > high) return -EINVAL;
  sk->local_port_range = range;
  return 0;
}

namespace {

void ListPortSettings(SysctlFiles& files, void* ns) {
  files.AddText("net/ipv4/ip_local_port_range", ReadRange, WriteRange, ns);
  files.AddText("net/ipv4/ip_local_reserved_ports", ReadReserved, WriteReserved, ns);
}

}  // namespace

void inet_ports_init(net& net) { net.kernel.sysctl().AddOwner(ListPortSettings, net.ipv4); }

void inet_ports_exit(net& net) {
  netns_ipv4& ns = net_ipv4(net);
  if (ns.local_reserved_ports == nullptr) return;
  net.kernel.kmalloc().Free(ns.local_reserved_ports, kBitmapBytes);
  ns.local_reserved_ports = nullptr;
}

}  // namespace tapedeck
