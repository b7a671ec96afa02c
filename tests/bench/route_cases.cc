// Routing: what a lookup costs in tables of several sizes, and a frame's way through a router.
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "replay/lab/lab.h"
#include "stack/base/prng.h"
#include "stack/ipv4/fib.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/ipv6/netns_ipv6.h"
#include "tests/bench/cases.h"
#include "tests/bench/traffic.h"

namespace tapedeck::bench {

namespace {

constexpr Ipv6Address kHostAddress6(std::array<uint16_t, 8>{0x2001, 0xdb8, 0, 0, 0, 0, 0, 1});
constexpr Ipv6Address kPeerAddress6(std::array<uint16_t, 8>{0x2001, 0xdb8, 0, 0, 0, 0, 0, 2});
constexpr uint64_t kLookups = 4096;

LabOptions HostWithBothFamilies() {
  LabOptions options;
  options.trace = false;
  options.arena.hot_reserve_bytes = size_t{2} << 30;  // 10^6 routes
  options.hosts.emplace_back();
  options.hosts[0].mac = kHostMac;
  options.hosts[0].address = kHostAddress;
  options.hosts[0].address6 = kHostAddress6;
  return options;
}

// The `number`th network of a permutation of all 2^24 networks of a table's destinations, spread as
// evenly as numbers that are handed out are.
constexpr uint32_t Network(uint32_t number) { return number * 0x9e3779U & 0xffffff; }

// Whether a /24 can have a route of its own beside those of the host.
constexpr bool IsRoutable(uint32_t network) {
  const uint32_t first = network >> 16;
  return first != 0 && first != 10 && first != 127 && first < 224;
}

// Lookups by fib_lookup, of destinations in random order, each behind one of `routes` /24 to a
// gateway.
class Ipv4Lookups : public Case {
 public:
  explicit Ipv4Lookups(uint32_t routes) : ns_(*lab_.host(0).network().ipv4) {
    std::vector<uint32_t> networks;
    for (uint32_t number = 1; networks.size() < routes; ++number) {
      if (!IsRoutable(Network(number))) continue;
      networks.push_back(Network(number));
      const Ipv4Prefix prefix(Ipv4Address(networks.back() << 8), 24);
      CHECK_EQ(lab_.host(0).AddRoute(lab_.device(0), prefix, kPeerAddress), 0);
    }
    for (Ipv4Address& daddr : daddrs_) {
      const uint32_t network = networks[prng_.Below(routes)];
      daddr = Ipv4Address(network << 8 | (1 + prng_.Below(254)));
    }
    Run();
  }

  uint64_t Run() override {
    uint64_t found = 0;
    for (const Ipv4Address daddr : daddrs_) {
      flowi4 flow;
      flow.daddr = daddr;
      fib_result result;
      found += fib_lookup(ns_, flow, &result) == 0 && result.nhc->nh_gw == kPeerAddress;
    }
    CHECK_EQ(found, kLookups);
    return kLookups;
  }

 private:
  Prng prng_{1, 0};
  Lab lab_{HostWithBothFamilies()};
  netns_ipv4& ns_;
  std::array<Ipv4Address, kLookups> daddrs_;
};

// The same of 2001:xxxx:xx00::/40 by fib6_lookup.
class Ipv6Lookups : public Case {
 public:
  explicit Ipv6Lookups(uint32_t routes) : ns_(*lab_.host(0).network().ipv6) {
    for (uint32_t number = 1; number <= routes; ++number) {
      CHECK_EQ(lab_.host(0).AddRoute(lab_.device(0), Destination(number, 0), 40, kPeerAddress6), 0);
    }
    for (Ipv6Address& daddr : daddrs_) daddr = Destination(1 + prng_.Below(routes), prng_.Next32());
    Run();
  }

  uint64_t Run() override {
    uint64_t found = 0;
    for (const Ipv6Address& daddr : daddrs_) {
      flowi6 flow;
      flow.daddr = daddr;
      fib6_result result;
      fib6_lookup(ns_, 0, flow, &result, 0);
      found += result.nh->has_gateway;
    }
    CHECK_EQ(found, kLookups);
    return kLookups;
  }

 private:
  static Ipv6Address Destination(uint32_t number, uint32_t interface) {
    const uint32_t network = Network(number);
    std::array<uint8_t, 16> bytes = {0x2a, 0x01};
    bytes[2] = static_cast<uint8_t>(network >> 16);
    bytes[3] = static_cast<uint8_t>(network >> 8);
    bytes[4] = static_cast<uint8_t>(network);
    StoreBe32(&bytes[12], interface);
    return Ipv6Address(bytes);
  }

  Prng prng_{1, 0};
  Lab lab_{HostWithBothFamilies()};
  netns_ipv6& ns_;
  std::array<Ipv6Address, kLookups> daddrs_;
};

}  // namespace

void AddRouteCases(Suite& suite) {
  for (const uint32_t routes : {1U, 1'000U, 1'000'000U}) {
    suite.Add("route/ipv4_lookup_" + std::to_string(routes), "lookups",
              [routes] { return std::make_unique<Ipv4Lookups>(routes); });
    suite.Add("route/ipv6_lookup_" + std::to_string(routes), "lookups",
              [routes] { return std::make_unique<Ipv6Lookups>(routes); });
  }
}

}  // namespace tapedeck::bench
