// IPv4 headers: what ip_rcv() checks, options (RFC 791 3.1, 1122 3.2.1.8, 2113), and addresses that
// nobody should send from or to.
#include <algorithm>

#include "replay/differential/generate.h"
#include "stack/wire/icmp.h"

namespace tapedeck::differential {

namespace {

// Any protocol but those that not every kernel has.
uint8_t SomeProtocol(CaseBuilder& builder) {
  constexpr uint8_t kPim = 103;      // with CONFIG_IP_PIMSM
  constexpr uint8_t kUdpLite = 136;  // until 7.0
  const uint8_t protocol = builder.Byte();
  return protocol == kPim || protocol == kUdpLite ? uint8_t{0xfd} : protocol;
}

// A packet that is answered where its header is right: echo, or UDP to a closed port.
void Send(CaseBuilder& builder, const Station& peer, const IpSpec& spec, MacAddress to) {
  wire::FrameBuilder frame = builder.Ethernet(peer, to);
  CaseBuilder::Ip(frame, spec);
  if (builder.OneIn(3)) {
    wire::UdpHeader udp;
    udp.source = uint16_t{1000};
    udp.dest = builder.OwnPort();
    frame.Udp(udp);
  } else {
    wire::IcmpHeader icmp;
    icmp.type = wire::kIcmpEcho;
    icmp.set_sequence(builder.Word());
    frame.Icmp(icmp);
  }
  frame.CountingPayload(builder.Length(200));
  std::span<const uint8_t> bytes = frame.Build();
  if (builder.OneIn(10)) bytes = bytes.first(builder.Below(static_cast<uint32_t>(bytes.size())));
  builder.Frame(peer.port, bytes);
}

void Spoil(CaseBuilder& builder, IpSpec* spec) {
  switch (builder.Below(7)) {
    case 0:
      spec->version_ihl = builder.Pick<uint8_t>({0x44, 0x46, 0x4f, 0x65, 0x05, builder.Byte()});
      spec->keep |= wire::kKeepHeaderLength;
      break;
    case 1:
      spec->length = builder.Pick<uint16_t>({0, 19, 20, 21, 27, 28, 1500, 65535, builder.Word()});
      spec->keep |= wire::kKeepLength;
      break;
    case 2:
      spec->checksum = builder.Word();
      spec->keep |= wire::kKeepChecksum;
      break;
    case 3:
      spec->protocol = SomeProtocol(builder);
      spec->keep |= wire::kKeepProtocol;
      break;
    case 4:
      spec->frag_off = builder.Pick<uint16_t>({0x8000, 0x4000, 0xc000});
      break;
    case 5:
      spec->ttl = builder.Pick<uint8_t>({0, 1, 255});
      break;
    default:
      spec->tos = builder.Byte();
      break;
  }
}

void AppendAddress(std::vector<uint8_t>* bytes, const IpAddress& address) {
  const Ipv4Address v4 = address.v4();
  bytes->insert(bytes->end(), v4.bytes().begin(), v4.bytes().end());
}

// Record route and the source routes: a pointer, and places for addresses.
void AppendRoute(CaseBuilder& builder, uint8_t type, std::vector<uint8_t>* options) {
  const uint32_t places = builder.Below(5);
  options->push_back(type);
  options->push_back(static_cast<uint8_t>(3 + 4 * places));
  options->push_back(builder.Pick<uint8_t>({4, 4, 4, 8, 12, builder.Byte()}));
  for (uint32_t i = 0; i < places; ++i) {
    AppendAddress(options, builder.OneIn(2) ? builder.OddAddress() : builder.Peer(1, 0).address);
  }
}

void AppendTimestamps(CaseBuilder& builder, std::vector<uint8_t>* options) {
  const uint8_t flags = builder.Pick<uint8_t>({0, 1, 3, 3, 2, builder.Byte()});
  const uint32_t bytes = builder.Pick<uint32_t>({0, 4, 8, 8, 16, 24});
  options->push_back(0x44);
  options->push_back(static_cast<uint8_t>(4 + bytes));
  options->push_back(builder.Pick<uint8_t>({5, 5, 5, 9, 13, builder.Byte()}));
  options->push_back(flags);
  const size_t first = options->size();
  for (uint32_t i = 0; i < bytes; ++i) options->push_back(0);
  if ((flags & 0xf) != 3 || bytes < 8) return;
  const IpAddress address = builder.OneIn(2) ? builder.Us(0).address : builder.OddAddress();
  std::copy_n(address.v4().bytes().begin(), 4, options->begin() + static_cast<ptrdiff_t>(first));
}

void AppendIpOption(CaseBuilder& builder, std::vector<uint8_t>* options) {
  switch (builder.Below(9)) {
    case 0:
      return AppendRoute(builder, 0x07, options);
    case 1:
      return AppendRoute(builder, builder.OneIn(2) ? 0x83 : 0x89, options);
    case 2:
      return AppendTimestamps(builder, options);
    case 3:
      options->insert(options->end(), {0x94, 4, 0, static_cast<uint8_t>(builder.Below(3) / 2)});
      return;
    case 4:
      options->push_back(1);
      return;
    case 5:
      options->push_back(0);
      return;
    case 6:
      options->insert(options->end(), {0x86, 6, 0, 0, 0, 1});
      return;
    case 7:
      options->insert(options->end(), {0x82, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0});
      return;
    default: {
      const std::vector<uint8_t> bytes = builder.Bytes(builder.Below(6));
      options->insert(options->end(), bytes.begin(), bytes.end());
      return;
    }
  }
}

MacAddress MacFor(CaseBuilder& builder, const Station& peer, const IpAddress& dst) {
  if (builder.OneIn(6)) return builder.Pick({kMacBroadcast, peer.mac, builder.Us(peer.port).mac});
  return builder.MacOf(peer, dst);
}

}  // namespace

void GenerateIpHeader(CaseBuilder& builder) {
  const Station peer = builder.Peer(builder.OneIn(8) ? 1 : 0);
  if (!builder.OneIn(8)) builder.Introduce(peer);
  const uint32_t frames = 1 + builder.Below(3);
  for (uint32_t i = 0; i < frames; ++i) {
    IpSpec spec = builder.Spec(peer);
    Spoil(builder, &spec);
    if (builder.OneIn(3)) Spoil(builder, &spec);
    Send(builder, peer, spec, builder.Us(peer.port).mac);
  }
}

void GenerateIpOptions(CaseBuilder& builder) {
  if (builder.OneIn(3)) builder.Set("net/ipv4/conf/all/accept_source_route", "1");
  if (builder.OneIn(3)) builder.Set("net/ipv4/ip_forward", "1");
  const Station peer = builder.Peer();
  builder.Introduce(peer);
  if (builder.OneIn(2)) builder.Introduce(builder.Peer(1, 0));
  const uint32_t frames = 1 + builder.Below(3);
  for (uint32_t i = 0; i < frames; ++i) {
    IpSpec spec = builder.Spec(peer);
    const uint32_t options = 1 + builder.Below(3);
    for (uint32_t k = 0; k < options; ++k) AppendIpOption(builder, &spec.options);
    if (spec.options.size() > wire::kIpv4OptionsMax) spec.options.resize(wire::kIpv4OptionsMax);
    if (builder.OneIn(3)) spec.dst = builder.Peer(1, 0).address;
    if (builder.OneIn(8)) spec.dst = builder.OddAddress();
    if (builder.OneIn(8)) spec.ttl = 1;
    Send(builder, peer, spec, MacFor(builder, peer, spec.dst));
  }
}

void GenerateOddAddresses(CaseBuilder& builder) {
  builder.SetSome(10, {"net/ipv4/conf/tap0/", "net/ipv4/conf/all/"},
                  {{"rp_filter", 3},
                   {"accept_local", 3},
                   {"route_localnet", 3},
                   {"bc_forwarding", 3},
                   {"forwarding", 3},
                   {"log_martians", 3},
                   {"src_valid_mark", 3},
                   {"drop_unicast_in_l2_multicast", 3}});
  const Station peer = builder.Peer(builder.OneIn(4) ? 1 : 0);
  builder.Introduce(peer);
  const bool listens = builder.OneIn(2);
  if (listens) {
    builder.Call(CallName::kSocket, 0, builder.domain(), SOCK_DGRAM, 0);
    builder.CallWith(CallName::kBind, 0, {kIpv4Any, builder.OwnPort()});
  }
  const uint32_t frames = 1 + builder.Below(4);
  for (uint32_t i = 0; i < frames; ++i) {
    IpSpec spec = builder.Spec(peer);
    if (!builder.OneIn(3)) spec.dst = builder.OddAddress();
    if (builder.OneIn(3)) spec.src = builder.OddAddress();
    if (builder.OneIn(6)) spec.ttl = builder.Pick<uint8_t>({1, 2, 255});
    Send(builder, peer, spec, MacFor(builder, peer, spec.dst));
  }
  if (listens) builder.Call(CallName::kRecvfrom, 0).room = 100;
}

}  // namespace tapedeck::differential
