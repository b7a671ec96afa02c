#include "replay/differential/generate.h"

#include <algorithm>
#include <iterator>
#include <memory>

#include "stack/base/check.h"
#include "stack/base/prng.h"

namespace tapedeck::differential {

namespace {

constexpr AddressFamily kV4 = AddressFamily::kIpv4;
constexpr AddressFamily kV6 = AddressFamily::kIpv6;

// Of which each number's cases have numbers of their own.
constexpr uint64_t kKindsMax = 64;

constexpr Kind kKinds[] = {
    {"arp", kV4, "ARP: who asks, who is asked for, and what is wrong with it", &GenerateArp},
    {"icmp", kV4, "ICMP messages of all types, to all kinds of addresses", &GenerateIcmp},
    {"icmp-error", kV4, "ICMP errors about what a socket sent", &GenerateIcmpError},
    {"ip-header", kV4, "IPv4 headers with lengths, checksums and protocols that lie",
     &GenerateIpHeader},
    {"ip-options", kV4, "IPv4 options, right and wrong, for the host and through it",
     &GenerateIpOptions},
    {"odd-address", kV4, "broadcast, multicast, loopback and other addresses",
     &GenerateOddAddresses},
    {"fragment", kV4, "datagrams in pieces, which overlap, are missing or come twice",
     &GenerateFragments},
    {"forward", kV4, "from one link to the other: TTL, MTU, redirects, no route", &GenerateForward},
    {"udp", kV4, "datagrams to open, closed and connected ports, and calls on their sockets",
     &GenerateUdp},
    {"tcp-handshake", kV4, "SYNs with all kinds of options, and what follows",
     &GenerateTcpHandshake},
    {"tcp-state", kV4, "segments that nobody expects, in every state, and calls",
     &GenerateTcpState},
    {"errno", kV4, "system calls in any order, with any arguments", &GenerateErrno},
    {"nd", kV6, "neighbour solicitations and advertisements, and what is wrong with them",
     &GenerateNd},
    {"nd-redirect", kV6, "redirects, and where packets go then", &GenerateNdRedirect},
    {"nd-router", kV6, "router advertisements: routes, prefixes, limits", &GenerateNdRouter},
    {"icmp6", kV6, "ICMPv6 messages of all types, to all kinds of addresses", &GenerateIcmpv6},
    {"icmp6-error", kV6, "ICMPv6 errors about what a socket sent", &GenerateIcmpError},
    {"ip6-header", kV6, "IPv6 headers with lengths and next headers that lie", &GenerateIp6Header},
    {"ip6-extension", kV6, "extension headers: order, limits, options, routing",
     &GenerateIp6Extension},
    {"odd-address6", kV6, "groups of all scopes, mapped, link-local and other addresses",
     &GenerateOddAddresses6},
    {"fragment6", kV6, "IPv6 datagrams in pieces", &GenerateFragments},
    {"forward6", kV6, "IPv6 from one link to the other", &GenerateForward6},
    {"udp6", kV6, "the same as udp over IPv6", &GenerateUdp},
    {"tcp6-handshake", kV6, "the same as tcp-handshake over IPv6", &GenerateTcpHandshake},
    {"tcp6-state", kV6, "the same as tcp-state over IPv6", &GenerateTcpState},
    {"tcp-window", kV4, "tcp-state with segments from which windows are learnt",
     &GenerateTcpWindow},
    {"tcp6-window", kV6, "the same over IPv6", &GenerateTcpWindow},
    {"errno6", kV6, "the same as errno on sockets of AF_INET6", &GenerateErrno},
    {"capture", kV6, "frames of captures towards one host, with --captures", &GenerateCapture,
     true},
};

static_assert(std::size(kKinds) <= kKindsMax);

}  // namespace

std::span<const Kind> Kinds() { return kKinds; }

const Kind* FindKind(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kKinds), std::end(kKinds),
                                         [&](const Kind& kind) { return name == kind.name; });
  return found == std::end(kKinds) ? nullptr : found;
}

Case Generate(const Kind& kind, uint64_t seed, uint64_t number, uint32_t place,
              std::span<const Capture> captures) {
  CHECK(!kind.needs_captures || !captures.empty());
  Case made;
  made.kind = kind.name;
  made.family = kind.family;
  made.seed = seed;
  made.number = number;
  made.place = place;
  const auto index = static_cast<uint64_t>(&kind - kKinds);
  Prng prng(seed, number * kKindsMax + index);
  const auto builder = std::make_unique<CaseBuilder>(kind.family, captures, &prng, &made);
  kind.generate(*builder);
  return made;
}

}  // namespace tapedeck::differential
