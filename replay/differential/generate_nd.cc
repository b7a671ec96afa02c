// Neighbour discovery (RFC 4861): solicitations, advertisements and redirects, right and wrong.
#include <algorithm>
#include <string>
#include <utility>

#include "replay/differential/generate.h"
#include "replay/differential/nd_options.h"
#include "stack/wire/icmp.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/ndisc.h"

namespace tapedeck::differential {

namespace {

// The gateway of topology.h's routes to 2001:db8:4::/64.
constexpr Ipv6Address kGatewayOnLink({0xfe80, 0, 0, 0, 0, 0, 0, 0x99});

Station GatewayOnLink() { return {0, MacAddress(2, 0, 0, 0, 0, 0x99), kGatewayOnLink}; }

Ipv6Address SomeTarget(CaseBuilder& builder, const Station& peer) {
  switch (builder.Below(6)) {
    case 0:
      return builder.UsOnLink(peer.port).address.v6();
    case 1:
      return peer.address.v6();
    case 2:
      return builder.OddAddress().v6();
    default:
      return builder.Us(peer.port).address.v6();
  }
}

IpAddress SomeDestination(CaseBuilder& builder, const Station& peer, const Ipv6Address& target) {
  switch (builder.Below(6)) {
    case 0:
      return builder.UsOnLink(peer.port).address;
    case 1:
      return builder.Us(peer.port).address;
    case 2:
      return kIpv6AllNodes;
    case 3:
      return builder.OddAddress();
    default:
      return addrconf_addr_solict_mult(target);
  }
}

// A solicitation or an advertisement.
void RandomNd(CaseBuilder& builder, const Station& peer) {
  const bool solicitation = !builder.OneIn(3);
  wire::NdMessage message;
  message.header.type =
      solicitation ? wire::kIcmpv6NeighbourSolicitation : wire::kIcmpv6NeighbourAdvertisement;
  message.target = SomeTarget(builder, peer);
  if (!solicitation && builder.OneIn(2)) message.target = peer.address.v6();
  message.header.rest[0] = builder.OneIn(3) ? builder.Byte() : uint8_t{0x60};
  if (builder.OneIn(16)) message.header.code = builder.Byte();
  IpSpec spec = builder.Spec(peer);
  spec.ttl = builder.OneIn(16) ? builder.Pick<uint8_t>({254, 64, 1}) : uint8_t{255};
  spec.dst = SomeDestination(builder, peer, message.target);
  if (builder.OneIn(8)) spec.src = kIpv6Any;
  if (builder.OneIn(12)) spec.src = builder.OddAddress();
  std::vector<uint8_t> body(message.target.bytes().begin(), message.target.bytes().end());
  if (!builder.OneIn(6)) {
    AppendLinkAddress(solicitation ? wire::kNdOptSourceLinkAddress : wire::kNdOptTargetLinkAddress,
                      builder.OneIn(4) ? MacAddress(2, 9, 9, 9, 9, builder.Byte()) : peer.mac,
                      &body);
  }
  if (builder.OneIn(4)) AppendOddNdOption(builder, &body);
  if (builder.OneIn(16)) body.resize(builder.Below(static_cast<uint32_t>(body.size())));
  SendNd(builder, peer, spec, message.header, body);
}

// What the host now knows of `peer`, shown by a packet that it has to send there.
void Probe(CaseBuilder& builder, const Station& peer) {
  switch (builder.Below(3)) {
    case 0:
      return builder.Answer(peer);
    case 1: {
      IpSpec spec = builder.Spec(peer);
      if (peer.address.v6().group(0) == 0xfe80) spec.dst = builder.UsOnLink(peer.port).address;
      return builder.Echo(peer, spec, 8);
    }
    default:
      return builder.Echo(peer, builder.Spec(peer), 8);
  }
}

void NdSettings(CaseBuilder& builder) {
  builder.SetSome(14, {"net/ipv6/conf/tap0/", "net/ipv6/conf/tap0/", "net/ipv6/conf/all/"},
                  {{"accept_untracked_na", 3},
                   {"drop_unsolicited_na", 2},
                   {"proxy_ndp", 2},
                   {"force_tllao", 2},
                   {"drop_unicast_in_l2_multicast", 2},
                   {"ndisc_tclass", 256},
                   {"forwarding", 2},
                   {"accept_redirects", 2},
                   {"hop_limit", 256},
                   {"suppress_frag_ndisc", 2}});
}

// The host answers the first of these by way of the gateway, and, once it has been redirected,
// otherwise.
void SendFromBehind(CaseBuilder& builder) {
  IpSpec spec;
  spec.src = builder.OneIn(8) ? builder.Peer(0, 1).address : builder.BehindGateway(1);
  spec.dst = builder.Us(0).address;
  builder.Echo(GatewayOnLink(), spec, 8);
}

void Redirect(CaseBuilder& builder) {
  const Station from = builder.OneIn(8) ? builder.PeerOnLink() : GatewayOnLink();
  IpSpec spec = builder.Spec(from);
  if (builder.OneIn(3)) spec.dst = builder.UsOnLink(0).address;
  spec.ttl = builder.OneIn(16) ? uint8_t{64} : uint8_t{255};
  if (builder.OneIn(12)) spec.src = builder.OddAddress();
  if (builder.OneIn(16)) spec.dst = builder.OddAddress();
  const IpAddress destination = builder.OneIn(8) ? builder.OddAddress() : builder.BehindGateway(1);
  const IpAddress target = builder.OneIn(8)   ? builder.OddAddress()
                           : builder.OneIn(3) ? destination  // it is on the link itself
                                              : builder.PeerOnLink(0, 2).address;
  const auto& target_bytes = target.v6().bytes();
  const auto& destination_bytes = destination.v6().bytes();
  std::vector<uint8_t> body(target_bytes.size() + destination_bytes.size());
  std::copy(destination_bytes.begin(), destination_bytes.end(),
            std::copy(target_bytes.begin(), target_bytes.end(), body.begin()));
  if (builder.OneIn(2)) {
    AppendLinkAddress(wire::kNdOptTargetLinkAddress, builder.Peer(0, 2).mac, &body);
  }
  if (builder.OneIn(4)) AppendOddNdOption(builder, &body);
  if (builder.OneIn(16)) body.resize(builder.Below(static_cast<uint32_t>(body.size())));
  wire::Icmpv6Header header;
  header.type = wire::kIcmpv6Redirect;
  if (builder.OneIn(16)) header.code = builder.Byte();
  SendNd(builder, from, spec, header, body);
}

}  // namespace

void GenerateNd(CaseBuilder& builder) {
  NdSettings(builder);
  const uint32_t frames = 1 + builder.Below(6);
  for (uint32_t i = 0; i < frames; ++i) {
    const int port = builder.OneIn(6) ? 1 : 0;
    const int k = static_cast<int>(builder.Below(2));
    const Station peer = builder.OneIn(3) ? builder.PeerOnLink(port, k) : builder.Peer(port, k);
    if (builder.OneIn(3)) {
      Probe(builder, peer);
    } else {
      RandomNd(builder, peer);
    }
  }
}

void GenerateNdRedirect(CaseBuilder& builder) {
  NdSettings(builder);
  if (!builder.OneIn(6)) builder.Introduce(GatewayOnLink());
  if (builder.OneIn(3)) builder.Introduce(builder.PeerOnLink(0, 2));
  const uint32_t steps = 2 + builder.Below(5);
  for (uint32_t i = 0; i < steps; ++i) {
    if (builder.OneIn(2)) {
      Redirect(builder);
    } else {
      SendFromBehind(builder);
    }
  }
}

}  // namespace tapedeck::differential
