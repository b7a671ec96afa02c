// Floods of frames that each want the host to keep or to answer something: what it holds is
// limited, the work of each frame is bounded, and a ping behind the flood is answered at once.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "replay/lab/lab.h"
#include "replay/lab/load_costs.h"
#include "replay/lab/net_counters.h"
#include "stack/core/neighbour.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/ipv6/reassembly.h"
#include "stack/wire/frame_builder.h"

namespace tapedeck {
namespace {

using wire::FrameBuilder;

constexpr MacAddress kHostMac{std::array<uint8_t, 6>{2, 0, 0, 0, 0, 1}};
constexpr MacAddress kPeerMac{std::array<uint8_t, 6>{2, 0, 0, 0, 0, 2}};
constexpr Ipv4Address kHost{10, 0, 0, 1};
constexpr Ipv4Address kPeer{10, 0, 0, 2};

Ipv6Address Ip6(uint16_t network, uint16_t high, uint16_t low) {
  return Ipv6Address(std::array<uint16_t, 8>{0x2001, 0xdb8, network, 0, 0, 0, high, low});
}
const Ipv6Address kHost6 = Ip6(0, 0, 1);
const Ipv6Address kPeer6 = Ip6(0, 0, 2);

// A neighbour of its own for each of 60,000 numbers: the network is 10.0.0.0/16.
Ipv4Address Neighbour(uint32_t number) {
  return Ipv4Address(Ipv4Address(10, 0, 1, 0).host() + number);
}

// The `number`th frame of a flood, in `buffer`.
using MakeFrame = std::span<const uint8_t> (*)(uint32_t number, std::span<uint8_t> buffer);

struct Flood {
  const char* name;
  MakeFrame frame;
  const char* counter;  // of /proc/net/{snmp,netstat,snmp6} or /proc/net/stat: it moves
};

FrameBuilder ToHost(std::span<uint8_t> buffer) {
  return FrameBuilder(buffer).Ethernet(kHostMac, kPeerMac);
}

std::span<const uint8_t> Fragment(uint32_t number, std::span<uint8_t> buffer) {
  const wire::Ipv4Header ip{.id = static_cast<uint16_t>(number),
                            .frag_off = wire::kIpv4MoreFragments,
                            .ttl = 64,
                            .protocol = 17,
                            .saddr = Neighbour(number / 7),
                            .daddr = kHost};
  return ToHost(buffer).Ipv4(ip, {}, wire::kKeepProtocol).CountingPayload(1480).Build();
}

std::span<const uint8_t> Fragment6(uint32_t number, std::span<uint8_t> buffer) {
  const std::array<uint8_t, 8> header = {0,
                                         0,
                                         0,
                                         1,  // at 0, more to come
                                         static_cast<uint8_t>(number >> 24),
                                         static_cast<uint8_t>(number >> 16),
                                         static_cast<uint8_t>(number >> 8),
                                         static_cast<uint8_t>(number)};
  return ToHost(buffer)
      .Ipv6({.hop_limit = 64, .saddr = kPeer6, .daddr = kHost6})
      .Ipv6Extension(wire::kIpProtoFragment, header)
      .Udp({.source = 1, .dest = 2}, wire::kKeepChecksum)
      .CountingPayload(1400)
      .Build();
}

// Forty bytes of options, one byte each but for a timestamp option that wants every router's.
std::span<const uint8_t> Options(uint32_t number, std::span<uint8_t> buffer) {
  std::array<uint8_t, 40> options;
  options.fill(1);
  if (number % 2 == 0) {
    options[0] = 68;
    options[1] = 40;
    options[2] = 5;
    options[3] = 0;
  }
  return ToHost(buffer)
      .Ipv4({.ttl = 64, .saddr = kPeer, .daddr = kHost}, options)
      .Icmp({.type = wire::kIcmpEcho})
      .Build();
}

// As many headers as are walked and as many options as are counted, and more.
std::span<const uint8_t> ExtensionHeaders(uint32_t number, std::span<uint8_t> buffer) {
  std::array<uint8_t, 64> header = {0, 7};
  for (size_t i = 2; i < header.size(); i += 2) header[i] = 0x1e;  // unknown, skipped
  FrameBuilder builder = ToHost(buffer);
  builder.Ipv6({.hop_limit = 64, .saddr = kPeer6, .daddr = kHost6});
  for (uint32_t i = 0; i < 1 + number % 12; ++i) {
    builder.Ipv6Extension(wire::kIpProtoDestOptions, header);
  }
  return builder.Icmpv6({.type = wire::kIcmpv6EchoRequest}).Build();
}

std::span<const uint8_t> EchoOfNeighbours(uint32_t number, std::span<uint8_t> buffer) {
  return ToHost(buffer)
      .Ipv4({.ttl = 64, .saddr = Neighbour(number), .daddr = kHost})
      .Icmp({.type = wire::kIcmpEcho})
      .Build();
}

std::span<const uint8_t> EchoOfNeighbours6(uint32_t number, std::span<uint8_t> buffer) {
  const Ipv6Address saddr = Ip6(0, 7, static_cast<uint16_t>(number));
  return ToHost(buffer)
      .Ipv6({.hop_limit = 64, .saddr = saddr, .daddr = kHost6})
      .Icmpv6({.type = wire::kIcmpv6EchoRequest})
      .Build();
}

std::span<const uint8_t> ArpRequestsOfNeighbours(uint32_t number, std::span<uint8_t> buffer) {
  return FrameBuilder(buffer)
      .Ethernet(kMacBroadcast, kPeerMac)
      .Arp({.ar_op = wire::kArpRequest,
            .ar_sha = kPeerMac,
            .ar_sip = Neighbour(number),
            .ar_tip = kHost})
      .PadTo()
      .Build();
}

std::span<const uint8_t> ClosedPort(uint32_t number, std::span<uint8_t> buffer) {
  const auto port = static_cast<uint16_t>(1024 + number);
  return ToHost(buffer)
      .Ipv4({.ttl = 64, .saddr = kPeer, .daddr = kHost})
      .Udp({.source = 1, .dest = port})
      .CountingPayload(64)
      .Build();
}

std::span<const uint8_t> ClosedPort6(uint32_t number, std::span<uint8_t> buffer) {
  const auto port = static_cast<uint16_t>(1024 + number);
  return ToHost(buffer)
      .Ipv6({.hop_limit = 64, .saddr = kPeer6, .daddr = kHost6})
      .Udp({.source = 1, .dest = port})
      .CountingPayload(64)
      .Build();
}

// "Fragmentation needed" about datagrams to ever other destinations.
std::span<const uint8_t> PathMtu(uint32_t number, std::span<uint8_t> buffer) {
  std::array<uint8_t, 64> quoted_buffer;
  const Ipv4Address daddr(Ipv4Address(192, 0, 0, 0).host() + number);
  const std::span<const uint8_t> quoted = FrameBuilder(quoted_buffer)
                                              .Ipv4({.ttl = 64, .saddr = kHost, .daddr = daddr})
                                              .Udp({.source = 1, .dest = 2})
                                              .Build();
  wire::IcmpHeader icmp{.type = wire::kIcmpDestUnreachable, .code = wire::kIcmpFragmentationNeeded};
  icmp.set_next_hop_mtu(600);
  return ToHost(buffer)
      .Ipv4({.ttl = 64, .saddr = kPeer, .daddr = kHost})
      .Icmp(icmp)
      .Payload(quoted)
      .Build();
}

// Everybody is there, at the peer's MAC address.
class Everybody : public Neighbours {
 public:
  bool Find(const IpAddress&, MacAddress* mac) const override {
    *mac = kPeerMac;
    return true;
  }
};

// Hears the answer to the ping, which has kPingBytes of data and no other frame so many.
class EchoReply : public FrameListener {
 public:
  static constexpr size_t kPingBytes = 777;
  void OnFrame(uint8_t, SimTime first_bit, std::span<const uint8_t> frame) override {
    if (frame.size() == 14 + 20 + 8 + kPingBytes) at_ = first_bit;
  }
  std::optional<SimTime> at() const { return at_; }

 private:
  std::optional<SimTime> at_;
};

class FloodTest : public testing::TestWithParam<Flood> {
 protected:
  static constexpr uint32_t kFrames = 20'000;
  // The bounds: so much of a CPU's time (by the cost table xdp18) and so many steps of the main
  // loop for each frame. A host that needed more would fall behind and answer the ping later.
  static constexpr Duration kGap = Duration::Microseconds(5);
  static constexpr uint64_t kStepsPerFrameMax = 40;
  static constexpr Duration kPingMax = Duration::Microseconds(300);
  // Of each kind of object that a Host's ledger knows.
  static constexpr uint64_t kHeldMax = 4096;
  // ipfrag_high_thresh and the fragment that reaches it.
  static constexpr uint32_t kFragmentBytesMax = (4U << 20) + 4096;

  static LabOptions Options() {
    LabOptions options;
    const absl::StatusOr<CostTable> costs = LoadCostTable("xdp18");
    CHECK(costs.ok());
    options.costs = *costs;
    LabHostOptions host;
    host.address = kHost;
    host.prefix_length_bits = 16;
    host.address6 = kHost6;
    options.hosts.push_back(host);
    return options;
  }
  uint64_t Counter(std::string_view name) {
    const net& network = lab_.host(0).network();
    if (name == "arp_cache table_fulls") return network.arp_tbl->stats.table_fulls;
    if (name == "ndisc_cache table_fulls") return network.nd_tbl->stats.table_fulls;
    for (const NetCounter& counter : ReadNetCounters(lab_.host(0).network())) {
      if (counter.group + counter.name == name) return std::stoull(counter.value);
    }
    ADD_FAILURE() << "no counter " << name;
    return 0;
  }

  // The peer asks at `time`. When the answer's first bit leaves the host, if it does.
  std::optional<SimTime> Ping(SimTime time) {
    reply_ = {};
    std::array<uint8_t, 1600> buffer;
    lab_.port(0).Inject(time,
                        ToHost(buffer)
                            .Ipv4({.ttl = 64, .saddr = kPeer, .daddr = kHost})
                            .Icmp({.type = wire::kIcmpEcho})
                            .CountingPayload(EchoReply::kPingBytes)
                            .Build(),
                        /*stable=*/false, 0);
    lab_.world().RunUntil(time + Duration::Milliseconds(10));
    return reply_.at();
  }

  Everybody everybody_;
  EchoReply reply_;
  Lab lab_{Options()};
};

TEST_P(FloodTest, IsBoundedAndAPingBehindItIsAnswered) {
  lab_.port(0).AnswerArp(&everybody_, Duration::Microseconds(20));
  lab_.port(0).Listen(&reply_, 0);
  // The host knows the peer: a table full of others has no room for it.
  ASSERT_TRUE(Ping(lab_.world().now()).has_value());
  const SimTime start = lab_.world().now();
  const uint64_t steps = lab_.world().steps();
  std::array<uint8_t, 1600> buffer;
  for (uint32_t i = 0; i < kFrames; ++i) {
    const std::span<const uint8_t> frame = GetParam().frame(i, buffer);
    ASSERT_FALSE(frame.empty());
    lab_.port(0).Inject(start + kGap * i, frame, /*stable=*/false, 0);
    lab_.world().RunUntil(start + kGap * i);
  }
  EXPECT_LE(lab_.world().steps() - steps, kStepsPerFrameMax * kFrames);
  EXPECT_GT(Counter(GetParam().counter), 0U) << GetParam().counter;
  EXPECT_LE(lab_.host(0).network().ipv4->frags.mem, kFragmentBytesMax);
  EXPECT_LE(lab_.host(0).network().ipv6->frags->mem, kFragmentBytesMax);
  LedgerEntry held[Host::kLedgerEntriesMax];
  for (int i = lab_.host(0).Ledger(held) - 1; i >= 0; --i) {
    EXPECT_LE(held[i].held, kHeldMax) << held[i].name;
  }

  const SimTime asked = start + kGap * kFrames;
  const std::optional<SimTime> answered = Ping(asked);
  ASSERT_TRUE(answered.has_value());
  EXPECT_LE(*answered, asked + kPingMax);
  lab_.Shutdown();
  EXPECT_TRUE(lab_.Leftovers().empty()) << lab_.Leftovers()[0];
  EXPECT_EQ(lab_.recorder().ledger().queued(), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, FloodTest,
    testing::Values(Flood{"Fragments", &Fragment, "IpReasmReqds"},
                    Flood{"Fragments6", &Fragment6, "Ip6ReasmReqds"},
                    Flood{"Options", &Options, "IcmpOutEchoReps"},
                    Flood{"ExtensionHeaders", &ExtensionHeaders, "Ip6InHdrErrors"},
                    Flood{"EchoOfNeighbours", &EchoOfNeighbours, "arp_cache table_fulls"},
                    Flood{"EchoOfNeighbours6", &EchoOfNeighbours6, "ndisc_cache table_fulls"},
                    Flood{"ArpRequests", &ArpRequestsOfNeighbours, "arp_cache table_fulls"},
                    Flood{"ClosedPort", &ClosedPort, "IcmpOutRateLimitHost"},
                    Flood{"ClosedPort6", &ClosedPort6, "Icmp6OutRateLimitHost"},
                    Flood{"PathMtu", &PathMtu, "IcmpInDestUnreachs"}),
    [](const testing::TestParamInfo<Flood>& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace tapedeck
