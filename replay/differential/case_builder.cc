#include "replay/differential/case_builder.h"

#include <algorithm>
#include <utility>

#include "stack/wire/arp.h"
#include "stack/wire/icmp.h"
#include "stack/wire/icmpv6.h"

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

Station CaseBuilder::Us(int port) const {
  return {port, kPortPlans[port].mac, kPortPlans[port].address};
}

Station CaseBuilder::Peer(int port, int k) const {
  const uint32_t number = kPeerFirst + case_.place * kPeersPerPlace + static_cast<uint32_t>(k);
  const Ipv4Address network(kPortPlans[port].address.host() & 0xffff0000U);
  return {port,
          MacAddress(2, 0, 0, static_cast<uint8_t>(0x10 + port), static_cast<uint8_t>(number >> 8),
                     static_cast<uint8_t>(number)),
          Ipv4Address(network.host() + number)};
}

IpAddress CaseBuilder::OddAddress() {
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
    case 6:
      return Ipv4Address(239, Byte(), Byte(), Byte());
    case 7:
      return kIpv4Loopback;
    case 8:
      return Ipv4Address(127, Byte(), Byte(), Byte());
    case 9:
      return Us(0).address;
    case 10:
      return Us(1).address;
    case 11:
      return Peer(1, 0).address;
    case 12:
      return Ipv4Address(240, Byte(), Byte(), Byte());
    case 13:
      return Ipv4Address(0, Byte(), Byte(), Byte());
    case 14:
      return Ipv4Address(10, 3, Byte(), Byte());
    case 15:
      return Ipv4Address(10, 4, Byte(), Byte());
    case 16:
      return Ipv4Address(169, 254, Byte(), Byte());
    case 17:
      return Ipv4Address(10, 2, 255, 255);
    case 18:
      return Ipv4Address(Long());
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

void CaseBuilder::Introduce(const Station& peer) {
  wire::ArpPacket arp;
  arp.ar_op = wire::kArpRequest;
  arp.ar_sha = peer.mac;
  arp.ar_sip = peer.address.v4();
  arp.ar_tip = Us(peer.port).address.v4();
  wire::FrameBuilder builder = Ethernet(peer, kMacBroadcast);
  Frame(peer, builder.Arp(arp));
}

void CaseBuilder::AnswerArp(const Station& peer) {
  const Station us = Us(peer.port);
  wire::ArpPacket arp;
  arp.ar_op = wire::kArpReply;
  arp.ar_sha = peer.mac;
  arp.ar_sip = peer.address.v4();
  arp.ar_tha = us.mac;
  arp.ar_tip = us.address.v4();
  wire::FrameBuilder builder = Ethernet(peer);
  Frame(peer, builder.Arp(arp));
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

CallStep& CaseBuilder::SetOption(int slot, int level, int name, int32_t value) {
  CallStep& call = Call(CallName::kSetsockopt, slot, level, name);
  call.data.resize(sizeof(value));
  std::memcpy(call.data.data(), &value, sizeof(value));
  call.room = sizeof(value);
  return call;
}

wire::FrameBuilder& CaseBuilder::Ip(wire::FrameBuilder& builder, const IpSpec& spec) {
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

void CaseBuilder::Echo(const Station& from, const IpSpec& spec, size_t payload_bytes) {
  wire::FrameBuilder builder = Ethernet(from);
  wire::IcmpHeader icmp;
  icmp.type = wire::kIcmpEcho;
  icmp.set_id(static_cast<uint16_t>(case_.number));
  icmp.set_sequence(static_cast<uint16_t>(case_.steps.size()));
  Frame(from, Ip(builder, spec).Icmp(icmp).CountingPayload(payload_bytes));
}

}  // namespace tapedeck::differential
