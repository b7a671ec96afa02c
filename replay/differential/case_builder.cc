#include "replay/differential/case_builder.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "stack/wire/arp.h"
#include "stack/wire/icmp.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/ndisc.h"

namespace tapedeck::differential {

namespace {

// A place's numbers of neighbours, of 10.1.1.0 on, and of ports.
constexpr uint32_t kPeersPerPlace = 4;
constexpr uint32_t kPeerFirst = 256;
constexpr uint32_t kPortsPerPlace = 4;
constexpr uint32_t kPortFirst = 2'000;
constexpr uint32_t kEphemeralPortFirst = 32'768;
static_assert(kPeerFirst + kPlaces * kPeersPerPlace < 65'000);
static_assert(kPortFirst + kPlaces * kPortsPerPlace < kEphemeralPortFirst);

// `network` with `number` behind a group of 1 as its last two groups.
Ipv6Address WithLowGroups(const Ipv6Address& network, uint32_t number) {
  return Ipv6Address({network.group(0), network.group(1), network.group(2), network.group(3), 0, 0,
                      1, static_cast<uint16_t>(number)});
}

// A neighbour discovery message, with its target and the option that names the sender's link
// address.
void NdMessage(wire::FrameBuilder& frame, const wire::NdMessage& message, uint8_t option,
               const MacAddress& mac) {
  std::vector<uint8_t> body(message.target.bytes().begin(), message.target.bytes().end());
  body.push_back(option);
  body.push_back(1);
  body.insert(body.end(), mac.bytes().begin(), mac.bytes().end());
  frame.Icmpv6(message.header).Payload(body);
}

}  // namespace

std::vector<uint8_t> CaseBuilder::Bytes(size_t count) {
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = Byte();
  return bytes;
}

size_t CaseBuilder::Length(size_t max) {
  const auto top = static_cast<uint32_t>(max);
  switch (Below(6)) {
    case 0:
      return 0;
    case 1:
      return std::min<size_t>(Below(4), max);
    case 2:
      return max - std::min<size_t>(Below(9), max);
    default:
      return Below(std::min(top, OneIn(4) ? top : 100U) + 1);
  }
}

void CaseBuilder::SetSome(uint32_t n, std::initializer_list<const char*> folders,
                          std::initializer_list<Setting> settings) {
  for (const Setting& setting : settings) {
    if (!OneIn(n)) continue;
    std::string path = Pick(folders);
    path += setting.file;
    Set(std::move(path), std::to_string(Below(setting.values)));
  }
}

Station CaseBuilder::Us(int port) const {
  const PortPlan& plan = kPortPlans[port];
  return {port, plan.mac, is_v4() ? IpAddress(plan.address) : IpAddress(plan.address6)};
}

Station CaseBuilder::UsOnLink(int port) const {
  return {port, kPortPlans[port].mac, kPortPlans[port].link_local6};
}

uint32_t CaseBuilder::PeerNumber(int k) const {
  return kPeerFirst + case_.place * kPeersPerPlace + static_cast<uint32_t>(k);
}

Station CaseBuilder::PeerOnLink(int port, int k) const {
  Station peer = Peer(port, k);
  peer.address = Ipv6Address({0xfe80, 0, 0, 0, 0, 0, 1, static_cast<uint16_t>(PeerNumber(k))});
  return peer;
}

IpAddress CaseBuilder::BehindGateway(int k) const {
  return WithLowGroups(kRoute6Plans[k].network, PeerNumber(0));
}

Station CaseBuilder::Peer(int port, int k) const {
  const uint32_t number = PeerNumber(k);
  const MacAddress mac(2, 0, 0, static_cast<uint8_t>(0x10 + port),
                       static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number));
  if (!is_v4()) return {port, mac, WithLowGroups(kPortPlans[port].address6, number)};
  const Ipv4Address network(kPortPlans[port].address.host() & 0xffff0000U);
  return {port, mac, Ipv4Address(network.host() + number)};
}

IpAddress CaseBuilder::OddAddress() { return is_v4() ? OddAddress4() : OddAddress6(); }

IpAddress CaseBuilder::OddAddress4() {
  switch (Below(20)) {
    case 0:
      return kIpv4Any;
    case 1:
      return kIpv4Broadcast;
    case 2:
      return Ipv4Address(10, 1, 255, 255);
    case 3:
      return Ipv4Address(10, 1, 0, 0);
    case 4:
      return kIpv4AllHosts;
    case 5:
      return Ipv4Address(224, 0, 0, Byte());
    case 6:  // in braces, which are evaluated from left to right
      return Ipv4Address{239, Byte(), Byte(), Byte()};
    case 7:
      return kIpv4Loopback;
    case 8:
      return Ipv4Address{127, Byte(), Byte(), Byte()};
    case 9:
      return Us(0).address;
    case 10:
      return Us(1).address;
    case 11:
      return Peer(1, 0).address;
    case 12:
      return Ipv4Address{240, Byte(), Byte(), Byte()};
    case 13:
      return Ipv4Address{0, Byte(), Byte(), Byte()};
    case 14:
      return Ipv4Address{10, 3, Byte(), Byte()};
    case 15:
      return Ipv4Address{10, 4, Byte(), Byte()};
    case 16:
      return Ipv4Address{169, 254, Byte(), Byte()};
    case 17:
      return Ipv4Address(10, 2, 255, 255);
    case 18:
      return Ipv4Address(Long());
    default:
      return Peer(0, 1).address;
  }
}

IpAddress CaseBuilder::OddAddress6() {
  const auto low = static_cast<uint16_t>(PeerNumber(0));
  switch (Below(26)) {
    case 0:
      return kIpv6Any;
    case 1:
      return kIpv6Loopback;
    case 2:
      return Ipv6Address::Mapped(OneIn(2) ? Ipv4Address(10, 1, 0, 1) : Ipv4Address(Long()));
    case 3:
      return Ipv6Address({0, 0, 0, 0, 0, 0, 0xa01, 1});  // IPv4-compatible
    case 4:
      return kIpv6AllNodes;
    case 5:
      return kIpv6AllRouters;
    case 6:
      return addrconf_addr_solict_mult(Us(0).address.v6());
    case 7:
      return addrconf_addr_solict_mult(Peer(0, 1).address.v6());
    case 8: {  // any scope, any flags
      const auto first = static_cast<uint16_t>(0xff00 | Byte());
      return Ipv6Address({first, 0, 0, 0, 0, 0, 0, static_cast<uint16_t>(OneIn(2) ? 1 : low)});
    }
    case 9:
      return Ipv6Address({Pick<uint16_t>({0xff01, 0xff05, 0xff08, 0xff0e, 0xff12, 0xff32}), 0, 0, 0,
                          0, 0, 0, Pick<uint16_t>({1, 2, 0x16, 0xfb})});
    case 10:
      return UsOnLink(0).address;
    case 11:
      return UsOnLink(1).address;
    case 12:
      return PeerOnLink(0, 1).address;
    case 13:
      return Ipv6Address({0xfe80, 0, 0, Pick<uint16_t>({0, 1}), 0, 0, 2, low});
    case 14:
      return Ipv6Address({0xfec0, 0, 0, 0, 0, 0, 2, low});  // site-local
    case 15:
      return Ipv6Address({0xfe80, 0, 0, 0, 0, 0, 0, 0});  // all routers of the link
    case 16:                                              // all routers of the subnet
      return Ipv6Address({0x2001, 0xdb8, Pick<uint16_t>({1, 2}), 0, 0, 0, 0, 0});
    case 17:
      return Us(1).address;
    case 18:
      return Us(0).address;
    case 19:
      return Peer(1, 0).address;
    case 20:
      return BehindGateway(0);
    case 21:
      return BehindGateway(1);
    case 22:  // nobody's
      return Ipv6Address(
          {Pick<uint16_t>({0x2001, 0xfc00, 0x2002, 0x64}), Word(), 9, 0, 0, 0, 0, low});
    case 23: {
      const std::vector<uint8_t> bytes = Bytes(16);
      return Ipv6Address(std::span<const uint8_t, 16>(bytes));
    }
    default:
      return Peer(0, 1).address;
  }
}

uint16_t CaseBuilder::OwnPort(int k) const {
  return static_cast<uint16_t>(kPortFirst + case_.place * kPortsPerPlace +
                               static_cast<uint32_t>(k));
}

void CaseBuilder::Frame(int port, std::span<const uint8_t> frame, std::vector<LivePatch> patches) {
  case_.steps.push_back(FrameStep{port, {frame.begin(), frame.end()}, std::move(patches)});
}

void CaseBuilder::Frame(const Station& from, wire::FrameBuilder& builder,
                        std::vector<LivePatch> patches) {
  Frame(from.port, builder.Build(), std::move(patches));
}

wire::FrameBuilder CaseBuilder::Ethernet(const Station& from, MacAddress to) {
  wire::FrameBuilder builder(buffer_);
  builder.Ethernet(to, from.mac);
  return builder;
}

MacAddress CaseBuilder::MacOf(const Station& from, const IpAddress& dst) const {
  if (dst.IsMulticast()) {
    return dst.is_v4() ? MacAddress::ForMulticast(dst.v4()) : MacAddress::ForMulticast(dst.v6());
  }
  return dst.is_v4() && ipv4_is_lbcast(dst.v4()) ? kMacBroadcast : Us(from.port).mac;
}

void CaseBuilder::Introduce(const Station& peer) {
  return is_v4() ? Introduce4(peer) : Introduce6(peer);
}

void CaseBuilder::Introduce4(const Station& peer) {
  wire::ArpPacket arp;
  arp.ar_op = wire::kArpRequest;
  arp.ar_sha = peer.mac;
  arp.ar_sip = peer.address.v4();
  arp.ar_tip = Us(peer.port).address.v4();
  wire::FrameBuilder builder = Ethernet(peer, kMacBroadcast);
  Frame(peer, builder.Arp(arp));
}

void CaseBuilder::Introduce6(const Station& peer) {
  wire::NdMessage message;
  message.header.type = wire::kIcmpv6NeighbourSolicitation;
  message.target = Us(peer.port).address.v6();
  IpSpec spec = Spec(peer);
  spec.dst = addrconf_addr_solict_mult(message.target);
  spec.ttl = 255;
  wire::FrameBuilder builder = Ethernet(peer, MacOf(peer, spec.dst));
  NdMessage(Ip(builder, spec), message, wire::kNdOptSourceLinkAddress, peer.mac);
  Frame(peer, builder);
}

void CaseBuilder::Answer(const Station& peer) {
  const Station us = Us(peer.port);
  wire::FrameBuilder builder = Ethernet(peer);
  if (is_v4()) {
    wire::ArpPacket arp;
    arp.ar_op = wire::kArpReply;
    arp.ar_sha = peer.mac;
    arp.ar_sip = peer.address.v4();
    arp.ar_tha = us.mac;
    arp.ar_tip = us.address.v4();
    return Frame(peer, builder.Arp(arp));
  }
  wire::NdMessage message;
  message.header.type = wire::kIcmpv6NeighbourAdvertisement;
  message.set_flags(false, true, true);
  message.target = peer.address.v6();
  IpSpec spec = Spec(peer);
  spec.ttl = 255;
  NdMessage(Ip(builder, spec), message, wire::kNdOptTargetLinkAddress, peer.mac);
  Frame(peer, builder);
}

CallStep& CaseBuilder::Call(CallName name, int slot, int a, int b, int c) {
  CallStep call;
  call.name = name;
  call.slot = slot;
  call.a = a;
  call.b = b;
  call.c = c;
  case_.steps.push_back(std::move(call));
  return std::get<CallStep>(case_.steps.back());
}

CallStep& CaseBuilder::CallWith(CallName name, int slot, const Endpoint& address, int a) {
  CallStep& call = Call(name, slot, a);
  const SockAddr sockaddr(address);
  call.address.assign(sockaddr.bytes, sockaddr.bytes + sockaddr.length);
  call.address_length = sockaddr.length;
  return call;
}

CallStep& CaseBuilder::CallOnLink(CallName name, int slot, const Endpoint& address, int port,
                                  int a) {
  CallStep& call = CallWith(name, slot, address, a);
  const auto scope_id = static_cast<uint32_t>(kFirstIfindex + port);
  if (!address.address.is_v4()) {
    std::memcpy(call.address.data() + offsetof(sockaddr_in6, sin6_scope_id), &scope_id,
                sizeof(scope_id));
  }
  return call;
}

CallStep& CaseBuilder::SetOption(int slot, int level, int name, int32_t value) {
  CallStep& call = Call(CallName::kSetsockopt, slot, level, name);
  call.data.resize(sizeof(value));
  std::memcpy(call.data.data(), &value, sizeof(value));
  call.room = sizeof(value);
  return call;
}

wire::FrameBuilder& CaseBuilder::Ip(wire::FrameBuilder& builder, const IpSpec& spec) {
  if (spec.dst.is_v6()) {
    wire::Ipv6Header header;
    header.set_class_and_flow(spec.tos, spec.flow_label);
    header.payload_len = spec.length;
    header.nexthdr = spec.protocol;
    header.hop_limit = spec.ttl;
    header.saddr = spec.src.v6();
    header.daddr = spec.dst.v6();
    builder.Ipv6(header, spec.keep);
    for (const ExtensionSpec& extension : spec.extensions) {
      builder.Ipv6Extension(extension.type, extension.bytes);
    }
    return builder;
  }
  wire::Ipv4Header header;
  header.version_ihl = spec.version_ihl;
  header.tos = spec.tos;
  header.tot_len = spec.length;
  header.id = spec.id;
  header.frag_off = spec.frag_off;
  header.ttl = spec.ttl;
  header.protocol = spec.protocol;
  header.check = spec.checksum;
  header.saddr = spec.src.v4();
  header.daddr = spec.dst.v4();
  return builder.Ipv4(header, spec.options, spec.keep);
}

wire::FrameBuilder& CaseBuilder::EchoRequest(wire::FrameBuilder& builder, uint16_t id,
                                             uint16_t sequence) const {
  if (is_v4()) {
    wire::IcmpHeader icmp;
    icmp.type = wire::kIcmpEcho;
    icmp.set_id(id);
    icmp.set_sequence(sequence);
    return builder.Icmp(icmp);
  }
  wire::Icmpv6Header icmp;
  icmp.type = wire::kIcmpv6EchoRequest;
  icmp.set_id(id);
  icmp.set_sequence(sequence);
  return builder.Icmpv6(icmp);
}

void CaseBuilder::Echo(const Station& from, const IpSpec& spec, size_t payload_bytes) {
  wire::FrameBuilder builder = Ethernet(from, MacOf(from, spec.dst));
  EchoRequest(Ip(builder, spec), static_cast<uint16_t>(case_.number),
              static_cast<uint16_t>(case_.steps.size()));
  Frame(from, builder.CountingPayload(payload_bytes));
}

}  // namespace tapedeck::differential
