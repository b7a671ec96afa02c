// IPv6 packets: what ip6_rcv() checks, extension headers in any order (RFC 8200 4, 9673), addresses
// that nobody should send from or to, and the host as a router.
#include <algorithm>
#include <string>

#include "replay/differential/extension_headers.h"
#include "replay/differential/generate.h"
#include "stack/base/byteorder.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::differential {

namespace {

// Any protocol but those that not every kernel has, and those that are extension headers.
uint8_t SomeNextHeader(CaseBuilder& builder) {
  const uint8_t protocol = builder.Byte();
  constexpr uint8_t kPim = 103;      // with CONFIG_IPV6_PIMSM_V2
  constexpr uint8_t kUdpLite = 136;  // until 7.0
  const bool elsewhere =
      protocol == kPim || protocol == kUdpLite || wire::IsIpv6ExtensionHeader(protocol);
  return elsewhere ? uint8_t{0xfd} : protocol;
}

// Something that is answered where its headers are right: an echo request, a datagram or a segment
// to a closed port.
void AppendAnswered(CaseBuilder& builder, wire::FrameBuilder& frame) {
  switch (builder.Below(4)) {
    case 0:
      frame.Udp({.source = uint16_t{1000}, .dest = builder.OwnPort()});
      break;
    case 1: {
      wire::TcpHeader tcp;
      tcp.source = uint16_t{1000};
      tcp.dest = builder.OwnPort(1);
      tcp.set_flags(wire::kTcpSyn);
      frame.Tcp(tcp);
      return;
    }
    default:
      builder.EchoRequest(frame, builder.Word(), 1);
      break;
  }
  frame.CountingPayload(builder.Length(200));
}

void SendIp6(CaseBuilder& builder, const Station& from, const IpSpec& spec, MacAddress to) {
  wire::FrameBuilder frame = builder.Ethernet(from, to);
  AppendAnswered(builder, CaseBuilder::Ip(frame, spec));
  std::span<const uint8_t> bytes = frame.Build();
  if (builder.OneIn(12)) bytes = bytes.first(builder.Below(static_cast<uint32_t>(bytes.size())));
  builder.Frame(from.port, bytes);
}

void SpoilIp6(CaseBuilder& builder, IpSpec* spec) {
  switch (builder.Below(5)) {
    case 0:
      spec->length = builder.Pick<uint16_t>({0, 1, 7, 8, 1460, 65535, builder.Word()});
      spec->keep |= wire::kKeepLength;
      break;
    case 1:
      spec->protocol = SomeNextHeader(builder);
      spec->keep |= wire::kKeepProtocol;
      break;
    case 2:
      spec->ttl = builder.Pick<uint8_t>({0, 1, 255});
      break;
    case 3:
      spec->flow_label = builder.Below(1 << 20);
      break;
    default:
      spec->tos = builder.Byte();
      break;
  }
}

void ForwardSettings(CaseBuilder& builder) {
  builder.Set("net/ipv6/conf/all/forwarding", "1");
  builder.SetSome(12, {"net/ipv6/"},
                  {{"conf/tap0/forwarding", 2},
                   {"conf/tap1/forwarding", 2},
                   {"conf/tap0/accept_source_route", 2},
                   {"conf/all/proxy_ndp", 2},
                   {"conf/tap0/proxy_ndp", 2}});
}

IpAddress Beyond(CaseBuilder& builder) {
  switch (builder.Below(8)) {
    case 0:
      return builder.BehindGateway(0);
    case 1:
      return builder.BehindGateway(1);
    case 2:
      return builder.Peer(0, 1).address;
    case 3:
      return builder.OddAddress();
    default:
      return builder.Peer(1, 0).address;
  }
}

Station Ip6Gateway(int route) {
  const Route6Plan& plan = kRoute6Plans[route];
  return {plan.port, MacAddress(2, 0, 0, 0, static_cast<uint8_t>(plan.port), 0x99), plan.gateway};
}

void SendThrough(CaseBuilder& builder, const Station& from) {
  IpSpec spec = builder.Spec(from);
  spec.dst = Beyond(builder);
  if (builder.OneIn(10)) spec.src = builder.OddAddress();
  if (builder.OneIn(4)) spec.ttl = builder.Pick<uint8_t>({0, 1, 2, 255});
  if (builder.OneIn(4)) spec.tos = builder.Byte();
  if (builder.OneIn(8)) spec.flow_label = builder.Below(1 << 20);
  if (builder.OneIn(4)) AppendExtensions(builder, &spec);
  wire::FrameBuilder frame = builder.Ethernet(from);
  AppendAnswered(builder, CaseBuilder::Ip(frame, spec));
  if (builder.OneIn(4)) frame.CountingPayload(1100 + builder.Below(340));
  const std::span<const uint8_t> bytes = frame.Build();
  builder.Frame(from.port, bytes.first(std::min<size_t>(bytes.size(), 1514)));
}

}  // namespace

void GenerateIp6Header(CaseBuilder& builder) {
  const Station peer = builder.Peer(builder.OneIn(8) ? 1 : 0);
  if (!builder.OneIn(8)) builder.Introduce(peer);
  const uint32_t frames = 1 + builder.Below(3);
  for (uint32_t i = 0; i < frames; ++i) {
    IpSpec spec = builder.Spec(peer);
    SpoilIp6(builder, &spec);
    if (builder.OneIn(3)) SpoilIp6(builder, &spec);
    SendIp6(builder, peer, spec, builder.Us(peer.port).mac);
    if (!builder.OneIn(12)) continue;
    // Another version.
    auto& bytes = std::get<FrameStep>(builder.built().steps.back()).bytes;
    if (bytes.size() > 14) bytes[14] = static_cast<uint8_t>(builder.Byte() & 0xf0U);
  }
}

void GenerateIp6Extension(CaseBuilder& builder) {
  static constexpr const char* kFiles[] = {"max_dst_opts_number", "max_hbh_opts_number",
                                           "max_dst_opts_length", "max_hbh_length"};
  for (const char* const file : kFiles) {
    if (!builder.OneIn(8)) continue;
    const std::string value = std::to_string(builder.Below(20));
    builder.Set(std::string("net/ipv6/") + file, builder.OneIn(3) ? "-" + value : value);
  }
  if (builder.OneIn(6)) builder.Set("net/ipv6/conf/tap0/accept_source_route", "1");
  if (builder.OneIn(6)) builder.Set("net/ipv6/conf/all/accept_source_route", "1");
  const Station peer = builder.Peer();
  builder.Introduce(peer);
  const uint32_t frames = 1 + builder.Below(3);
  for (uint32_t i = 0; i < frames; ++i) {
    IpSpec spec = builder.Spec(peer);
    AppendExtensions(builder, &spec);
    if (builder.OneIn(12)) spec.dst = builder.OddAddress();
    if (builder.OneIn(12)) SpoilIp6(builder, &spec);
    SendIp6(builder, peer, spec, builder.MacOf(peer, spec.dst));
  }
}

void GenerateOddAddresses6(CaseBuilder& builder) {
  if (builder.OneIn(6)) builder.Set("net/ipv6/conf/all/forwarding", "1");
  if (builder.OneIn(8)) builder.Set("net/ipv6/conf/tap0/drop_unicast_in_l2_multicast", "1");
  const Station peer = builder.OneIn(3) ? builder.PeerOnLink(builder.OneIn(4) ? 1 : 0)
                                        : builder.Peer(builder.OneIn(4) ? 1 : 0);
  builder.Introduce(peer);
  const bool listens = builder.OneIn(2);
  if (listens) {
    builder.Call(CallName::kSocket, 0, builder.domain(), SOCK_DGRAM, 0);
    builder.CallWith(CallName::kBind, 0, {builder.Any(), builder.OwnPort()});
  }
  const uint32_t frames = 1 + builder.Below(4);
  for (uint32_t i = 0; i < frames; ++i) {
    IpSpec spec = builder.Spec(peer);
    if (!builder.OneIn(3)) spec.dst = builder.OddAddress();
    if (builder.OneIn(3)) spec.src = builder.OddAddress();
    if (builder.OneIn(6)) spec.ttl = builder.Pick<uint8_t>({1, 2, 255});
    const MacAddress to =
        builder.OneIn(6) ? builder.Pick({kMacBroadcast, peer.mac}) : builder.MacOf(peer, spec.dst);
    SendIp6(builder, peer, spec, to);
  }
  if (listens) builder.Call(CallName::kRecvfrom, 0).room = 100;
}

void GenerateForward6(CaseBuilder& builder) {
  ForwardSettings(builder);
  builder.Introduce(builder.Peer(0, 0));
  if (!builder.OneIn(4)) builder.Introduce(builder.Peer(1, 0));
  if (builder.OneIn(2)) builder.Introduce(builder.Peer(0, 1));
  if (builder.OneIn(2)) builder.Introduce(Ip6Gateway(0));
  if (builder.OneIn(2)) builder.Introduce(Ip6Gateway(1));
  const uint32_t frames = 1 + builder.Below(4);
  for (uint32_t i = 0; i < frames; ++i) {
    SendThrough(builder, builder.OneIn(5)   ? builder.Peer(1, 0)
                         : builder.OneIn(8) ? builder.PeerOnLink(0, 0)
                                            : builder.Peer(0, 0));
    if (builder.OneIn(8)) builder.Answer(builder.Peer(1, 0));
    if (builder.OneIn(16)) builder.Answer(Ip6Gateway(static_cast<int>(builder.Below(2))));
  }
}

}  // namespace tapedeck::differential
