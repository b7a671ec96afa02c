// ICMPv6 messages to the host (RFC 4443), and router discovery as far as it takes no time (RFC
// 4861 6, 4191, 4862 5.5.3).
#include <string>

#include "replay/differential/generate.h"
#include "replay/differential/nd_options.h"
#include "stack/base/byteorder.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/ndisc.h"

namespace tapedeck::differential {

namespace {

constexpr int kLearningMilliseconds = 3;

void Icmpv6Settings(CaseBuilder& builder) {
  builder.SetSome(16, {"net/ipv6/"},
                  {{"icmp/echo_ignore_all", 2},
                   {"icmp/echo_ignore_multicast", 2},
                   {"icmp/echo_ignore_anycast", 2},
                   {"anycast_src_echo_reply", 2},
                   {"icmp/error_anycast_as_unicast", 2}});
  builder.SetSome(12, {"net/ipv6/"}, {{"flowlabel_reflect", 8}});
  if (builder.OneIn(8)) builder.Set("net/ipv6/conf/all/forwarding", "1");
}

// Neighbour and router discovery have kinds of their own; answers to queries of listeners take
// time.
uint8_t SomeIcmpv6Type(CaseBuilder& builder) {
  const uint8_t type = builder.OneIn(3) ? builder.Byte() : wire::kIcmpv6EchoRequest;
  const bool apart = type >= wire::kIcmpv6ListenerQuery && type <= wire::kIcmpv6Redirect;
  return apart ? wire::kIcmpv6EchoReply : type;
}

void RandomIcmpv6(CaseBuilder& builder, const Station& peer) {
  IpSpec spec = builder.Spec(peer);
  if (builder.OneIn(3)) spec.dst = builder.OddAddress();
  if (builder.OneIn(12)) spec.src = builder.OddAddress();
  if (builder.OneIn(4)) spec.tos = builder.Byte();
  if (builder.OneIn(4)) spec.ttl = builder.Byte();
  if (builder.OneIn(4)) spec.flow_label = builder.Below(1 << 20);
  wire::Icmpv6Header icmp;
  icmp.type = SomeIcmpv6Type(builder);
  if (builder.OneIn(4)) icmp.code = builder.OneIn(2) ? builder.Byte() : uint8_t{1};
  for (uint8_t& byte : icmp.rest) byte = builder.Byte();
  icmp.checksum = builder.Word();
  const MacAddress to = builder.OneIn(10)   ? kMacBroadcast
                        : builder.OneIn(20) ? peer.mac
                                            : builder.MacOf(peer, spec.dst);
  wire::FrameBuilder frame = builder.Ethernet(peer, to);
  CaseBuilder::Ip(frame, spec)
      .Icmpv6(icmp, builder.OneIn(10) ? wire::kKeepChecksum : wire::kKeepNothing);
  const size_t payload = builder.Length(1452);
  frame.CountingPayload(payload, builder.Byte());
  if (builder.OneIn(4)) frame.PadTo();
  std::span<const uint8_t> bytes = frame.Build();
  if (builder.OneIn(16)) bytes = bytes.first(builder.Below(static_cast<uint32_t>(bytes.size())));
  builder.Frame(peer.port, bytes);
}

// --- Routers ---

void Append32(uint32_t value, std::vector<uint8_t>* bytes) {
  bytes->resize(bytes->size() + 4);
  StoreBe32(bytes->data() + bytes->size() - 4, value);
}

uint32_t SomeSeconds(CaseBuilder& builder) {
  return builder.Pick<uint32_t>({0, 1800, 7200, 86'400, 0xffffffff, 86'400, 10'000});
}

// The prefix that the place's own router gives out.
Ipv6Address OwnPrefix(CaseBuilder& builder) {
  const IpAddress peer = builder.Peer().address;
  return Ipv6Address({0x2001, 0xdb8, 0xff, peer.v6().group(7), 0, 0, 0, 0});
}

void AppendPrefix(CaseBuilder& builder, std::vector<uint8_t>* options) {
  const size_t begin = options->size();
  options->insert(options->end(),
                  {wire::kNdOptPrefixInfo, builder.OneIn(16) ? uint8_t{3} : uint8_t{4},
                   builder.OneIn(8) ? builder.Byte() : uint8_t{64},
                   builder.OneIn(2) ? uint8_t{0xc0} : builder.Byte()});
  const uint32_t valid = SomeSeconds(builder);
  Append32(valid, options);
  Append32(builder.OneIn(3) ? SomeSeconds(builder) : valid, options);
  Append32(0, options);
  const Ipv6Address prefix = builder.OneIn(6) ? builder.OddAddress().v6() : OwnPrefix(builder);
  options->insert(options->end(), prefix.bytes().begin(), prefix.bytes().end());
  if ((*options)[begin + 1] == 3) options->resize(options->size() - 8);
}

void AppendRoute(CaseBuilder& builder, std::vector<uint8_t>* options) {
  const uint8_t length = builder.Pick<uint8_t>({1, 2, 2, 3, 4});
  options->insert(options->end(), {wire::kNdOptRouteInfo, length,
                                   builder.Pick<uint8_t>({0, 48, 64, 64, 128, 129, builder.Byte()}),
                                   builder.Pick<uint8_t>({0, 8, 0x10, 0x18})});
  Append32(SomeSeconds(builder), options);
  const Ipv6Address prefix({0x2001, 0xdb8, 0xfe, OwnPrefix(builder).group(3), 0, 0, 0, 0});
  std::vector<uint8_t> bytes(prefix.bytes().begin(), prefix.bytes().end());
  bytes.resize((length - 1) * size_t{8});
  options->insert(options->end(), bytes.begin(), bytes.end());
}

void AppendMtu(CaseBuilder& builder, std::vector<uint8_t>* options) {
  options->insert(options->end(), {wire::kNdOptMtu, 1, 0, 0});
  Append32(builder.Pick<uint32_t>({0, 1279, 1280, 1400, 1500, 1501, 9000}), options);
}

void Advertise(CaseBuilder& builder, const Station& router) {
  IpSpec spec = builder.Spec(router);
  spec.dst = builder.OneIn(4) ? builder.UsOnLink(router.port).address : IpAddress(kIpv6AllNodes);
  spec.ttl = builder.OneIn(16) ? uint8_t{64} : uint8_t{255};
  if (builder.OneIn(16)) spec.src = builder.OddAddress();
  wire::Icmpv6Header header;
  header.type = wire::kIcmpv6RouterAdvertisement;
  header.rest[0] = builder.Pick<uint8_t>({0, 64, 64, 1, 255});
  header.rest[1] = builder.OneIn(3) ? builder.Byte() : uint8_t{0};
  StoreBe16(&header.rest[2], builder.Pick<uint16_t>({0, 1800, 1800, 1800, 1, 9000, 0xffff}));
  std::vector<uint8_t> body;
  Append32(builder.Pick<uint32_t>({0, 0, 30'000, 3'600'001}), &body);  // reachable, ms
  Append32(builder.Pick<uint32_t>({0, 0, 1000, 5'000}), &body);        // retransmitted after, ms
  if (builder.OneIn(2)) {
    AppendLinkAddress(wire::kNdOptSourceLinkAddress, router.mac, &body);
  }
  if (builder.OneIn(2)) AppendPrefix(builder, &body);
  if (builder.OneIn(4)) AppendRoute(builder, &body);
  if (builder.OneIn(4)) AppendMtu(builder, &body);
  if (builder.OneIn(6)) AppendOddNdOption(builder, &body);
  SendNd(builder, router, spec, header, body);
}

void Solicit(CaseBuilder& builder, const Station& peer) {
  IpSpec spec = builder.Spec(peer);
  spec.dst = kIpv6AllRouters;
  spec.ttl = 255;
  if (builder.OneIn(4)) spec.src = kIpv6Any;
  wire::Icmpv6Header header;
  header.type = wire::kIcmpv6RouterSolicitation;
  std::vector<uint8_t> body;
  if (!builder.OneIn(3)) AppendLinkAddress(wire::kNdOptSourceLinkAddress, peer.mac, &body);
  if (builder.OneIn(6)) AppendOddNdOption(builder, &body);
  SendNd(builder, peer, spec, header, body);
}

// Shows by an answer what was learnt: to an address that the host may have made itself, from one
// that only a router leads to.
void ProbeRoutes(CaseBuilder& builder, const Station& router) {
  const Ipv6Address prefix = OwnPrefix(builder);
  const Ipv6Address ours = kPortPlans[router.port].link_local6;
  const Ipv6Address made({prefix.group(0), prefix.group(1), prefix.group(2), prefix.group(3),
                          ours.group(4), ours.group(5), ours.group(6), ours.group(7)});
  IpSpec spec = builder.Spec(router);
  if (builder.OneIn(2)) spec.dst = made;
  const auto low = builder.Peer().address.v6().group(7);
  switch (builder.Below(4)) {
    case 0:
      spec.src = Ipv6Address({0x2001, 0xdb8, 0xee, 0, 0, 0, 0, low});
      break;
    case 1:
      spec.src = Ipv6Address({0x2001, 0xdb8, 0xfe, prefix.group(3), 0, 0, 0, 1});
      break;
    case 2:
      spec.src = Ipv6Address(
          {prefix.group(0), prefix.group(1), prefix.group(2), prefix.group(3), 0, 0, 0, 1});
      break;
    default:
      break;
  }
  builder.Echo(router, spec, builder.OneIn(4) ? 1400 : 8);
}

// What an advertisement changes is put back behind the case because it is set before it.
void RouterSettings(CaseBuilder& builder) {
  for (const char* const device : {"tap0", "tap1"}) {
    const std::string conf = std::string("net/ipv6/conf/") + device + "/";
    const std::string neigh = std::string("net/ipv6/neigh/") + device + "/";
    builder.Set(conf + "hop_limit", "64");
    builder.Set(conf + "mtu", device == std::string("tap0") ? "1500" : "1280");
    builder.Set(neigh + "retrans_time_ms", "1000");
    builder.Set(neigh + "base_reachable_time_ms", "30000");
  }
  builder.SetSome(10, {"net/ipv6/conf/tap0/"},
                  {{"accept_ra", 3},
                   {"accept_ra_defrtr", 2},
                   {"accept_ra_pinfo", 2},
                   {"accept_ra_rtr_pref", 2},
                   {"accept_ra_mtu", 2},
                   {"accept_ra_from_local", 2},
                   {"autoconf", 2},
                   {"forwarding", 2},
                   {"accept_ra_rt_info_max_plen", 129},
                   {"accept_ra_rt_info_min_plen", 65},
                   {"accept_ra_min_hop_limit", 100},
                   {"accept_ra_min_lft", 3000},
                   {"ra_defrtr_metric", 2000},
                   {"ra_honor_pio_life", 2}});
}

}  // namespace

void GenerateIcmpv6(CaseBuilder& builder) {
  Icmpv6Settings(builder);
  const int port = builder.OneIn(8) ? 1 : 0;
  const Station peer = builder.OneIn(4) ? builder.PeerOnLink(port) : builder.Peer(port);
  if (!builder.OneIn(8)) builder.Introduce(peer);
  const uint32_t frames = 1 + builder.Below(4);
  for (uint32_t i = 0; i < frames; ++i) RandomIcmpv6(builder, peer);
}

void GenerateNdRouter(CaseBuilder& builder) {
  RouterSettings(builder);
  builder.built().teaches_routes = true;
  const Station routers[] = {builder.PeerOnLink(0, 0), builder.PeerOnLink(0, 1),
                             builder.PeerOnLink(1, 0)};
  if (builder.OneIn(2)) builder.Introduce(routers[0]);
  const uint32_t advertisements = 1 + builder.Below(3);
  for (uint32_t i = 0; i < advertisements; ++i) {
    const Station& router = routers[builder.OneIn(3) ? builder.Below(3) : 0];
    if (builder.OneIn(10)) Solicit(builder, router);
    Advertise(builder, router);
    // An address is there a moment later.
    builder.Wait(kLearningMilliseconds);
    const uint32_t probes = 1 + builder.Below(2);
    for (uint32_t k = 0; k < probes; ++k) ProbeRoutes(builder, routers[builder.Below(2)]);
  }
}

}  // namespace tapedeck::differential
