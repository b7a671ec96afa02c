#include "stack/base/mib.h"

#include "stack/base/check.h"

namespace tapedeck {

namespace {

#define X(name) #name,
constexpr const char* kIpNames[] = {TAPEDECK_IP_MIB(X)};
constexpr const char* kIpExtNames[] = {TAPEDECK_IPEXT_MIB(X)};
constexpr const char* kIcmpNames[] = {TAPEDECK_ICMP_MIB(X)};
constexpr const char* kIp6Names[] = {TAPEDECK_IP6_MIB(X)};
constexpr const char* kIcmp6Names[] = {TAPEDECK_ICMP6_MIB(X)};
constexpr const char* kUdpNames[] = {TAPEDECK_UDP_MIB(X)};
constexpr const char* kTcpNames[] = {TAPEDECK_TCP_MIB(X)};
constexpr const char* kTcpExtNames[] = {TAPEDECK_TCPEXT_MIB(X)};
#undef X

template <typename Item, size_t n>
const char* NameOf(const char* const (&names)[n], Item item) {
  static_assert(n == Mib<Item>::kItems);
  CHECK_LT(static_cast<size_t>(item), n);
  return names[static_cast<size_t>(item)];
}

}  // namespace

const char* MibName(IpMib item) { return NameOf(kIpNames, item); }
const char* MibName(IpExtMib item) { return NameOf(kIpExtNames, item); }
const char* MibName(IcmpMib item) { return NameOf(kIcmpNames, item); }
const char* MibName(Ip6Mib item) { return NameOf(kIp6Names, item); }
const char* MibName(Icmp6Mib item) { return NameOf(kIcmp6Names, item); }
const char* MibName(UdpMib item) { return NameOf(kUdpNames, item); }
const char* MibName(TcpMib item) { return NameOf(kTcpNames, item); }
const char* MibName(TcpExtMib item) { return NameOf(kTcpExtNames, item); }

}  // namespace tapedeck
