// net/ipv6/icmp/*.
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>

#include "stack/core/net.h"
#include "stack/ipv6/icmpv6_internal.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck {
namespace {

constexpr uint32_t kTypes = 256;
constexpr uint32_t kErrorTypes = 128;

struct Ratemask {
  uint32_t words[kTypes / 32] = {};
  bool Has(uint32_t type) const { return (words[type / 32] >> (type % 32) & 1) != 0; }
  void Set(uint32_t first, uint32_t last) {
    for (uint32_t type = first; type <= last; ++type) words[type / 32] |= 1U << (type % 32);
  }
};

// A set of numbers as the kernel prints bitmaps: "0-1,3-127".
void ReadRatemask(void* context, std::string* text) {
  Ratemask mask;
  std::memcpy(mask.words, static_cast<ipv6_settings*>(context)->icmp_ratemask, sizeof(mask.words));
  for (uint32_t first = 0; first < kTypes; ++first) {
    if (!mask.Has(first)) continue;
    uint32_t last = first;
    while (last + 1 < kTypes && mask.Has(last + 1)) ++last;
    if (!text->empty()) text->push_back(',');
    text->append(std::to_string(first));
    if (last > first) text->append("-").append(std::to_string(last));
    first = last;
  }
}

// One number at the front of `text`, which it leaves. False where there is none below kTypes.
bool TakeNumber(std::string_view* text, uint32_t* number) {
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *number);
  if (error != std::errc{} || *number >= kTypes) return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return true;
}

// "N" or "N-M".
bool TakeRange(std::string_view* text, Ratemask* mask) {
  uint32_t first = 0;
  if (!TakeNumber(text, &first)) return false;
  uint32_t last = first;
  if (text->starts_with('-')) {
    text->remove_prefix(1);
    if (!TakeNumber(text, &last) || last < first) return false;
  }
  mask->Set(first, last);
  return true;
}

int WriteRatemask(void* context, std::string_view text) {
  Ratemask mask;
  while (!text.empty()) {
    if (text.front() == ',' || text.front() == ' ' || text.front() == '\t') {
      text.remove_prefix(1);
      continue;
    }
    if (!TakeRange(&text, &mask)) return -EINVAL;
  }
  std::memcpy(static_cast<ipv6_settings*>(context)->icmp_ratemask, mask.words, sizeof(mask.words));
  return 0;
}

void ListIcmpSettings(SysctlFiles& files, void* owner) {
  ipv6_settings& s = *static_cast<ipv6_settings*>(owner);
  files.AddMsJiffies("net/ipv6/icmp/ratelimit", &s.icmp_ratelimit);
  files.AddText("net/ipv6/icmp/ratemask", ReadRatemask, WriteRatemask, &s);
  files.AddInt("net/ipv6/icmp/echo_ignore_all", &s.icmp_echo_ignore_all, 0, 255);
  files.AddInt("net/ipv6/icmp/echo_ignore_multicast", &s.icmp_echo_ignore_multicast, 0, 255);
  files.AddInt("net/ipv6/icmp/echo_ignore_anycast", &s.icmp_echo_ignore_anycast, 0, 255);
  files.AddInt("net/ipv6/icmp/error_anycast_as_unicast", &s.icmp_error_anycast_as_unicast, 0, 1);
}

}  // namespace

void icmpv6_sysctl_register(net& net) {
  ipv6_settings& s = net_ipv6(net).settings;
  s.icmp_ratelimit = static_cast<int32_t>(net.kernel.hz());
  // Errors are limited but for packet too big, on which path MTU discovery lives.
  Ratemask mask;
  mask.Set(0, kErrorTypes - 1);
  mask.words[0] &= ~(1U << wire::kIcmpv6PacketTooBig);
  std::memcpy(s.icmp_ratemask, mask.words, sizeof(mask.words));
  net.kernel.sysctl().AddOwner(ListIcmpSettings, &s);
}

}  // namespace tapedeck
