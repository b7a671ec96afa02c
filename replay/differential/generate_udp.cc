// UDP (RFC 768, 1122 4.1): ports open, closed and connected; checksums and lengths that lie; errors
// that come back.
#include <algorithm>

#include "replay/differential/extension_headers.h"
#include "replay/differential/generate.h"
#include "stack/wire/icmp.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv6.h"

namespace tapedeck::differential {

namespace {

constexpr uint16_t kPeerPort = 1000;

void Datagram(CaseBuilder& builder, const Station& peer, uint16_t dest) {
  IpSpec spec = builder.Spec(peer);
  if (builder.OneIn(10)) spec.dst = builder.OddAddress();
  if (builder.OneIn(16)) spec.src = builder.OddAddress();
  if (builder.OneIn(8)) spec.tos = builder.Byte();
  wire::UdpHeader udp;
  udp.source = builder.Pick<uint16_t>({kPeerPort, kPeerPort, kPeerPort, 1001, 0});
  udp.dest = builder.OneIn(6) ? uint16_t{9} : dest;
  wire::KeepFields keep = wire::kKeepNothing;
  if (builder.OneIn(5)) {
    keep |= wire::kKeepChecksum;
    udp.check = builder.Pick<uint16_t>({0, 0, 0xffff, builder.Word()});
  }
  if (builder.OneIn(8)) {
    keep |= wire::kKeepLength;
    udp.len = builder.Pick<uint16_t>({0, 7, 8, 9, 65535, builder.Word()});
  }
  wire::FrameBuilder frame = builder.Ethernet(peer, builder.MacOf(peer, spec.dst));
  const size_t payload = builder.Length(1472);
  CaseBuilder::Ip(frame, spec).Udp(udp, keep).CountingPayload(payload, builder.Byte());
  if (builder.OneIn(4)) frame.PadTo();
  std::span<const uint8_t> bytes = frame.Build();
  if (builder.OneIn(20)) bytes = bytes.first(builder.Below(static_cast<uint32_t>(bytes.size())));
  builder.Frame(peer.port, bytes);
}

// The header of an error. That the path's MTU is small is told only where the host is sure to learn
// it.
void AppendError(CaseBuilder& builder, wire::FrameBuilder& frame, bool sure) {
  const auto mtu = builder.Pick<uint16_t>({0, 68, 576, 1279, 1280, 1400, 1500});
  if (!builder.is_v4()) {
    wire::Icmpv6Header icmp;
    icmp.type = builder.Pick<uint8_t>({wire::kIcmpv6DestUnreachable, wire::kIcmpv6DestUnreachable,
                                       wire::kIcmpv6PacketTooBig, wire::kIcmpv6TimeExceeded,
                                       wire::kIcmpv6ParameterProblem, builder.Byte()});
    if (!sure && icmp.type == wire::kIcmpv6PacketTooBig) icmp.type = wire::kIcmpv6TimeExceeded;
    if (icmp.type > wire::kIcmpv6EchoReply) icmp.type = wire::kIcmpv6EchoReply;
    icmp.code = static_cast<uint8_t>(builder.Below(8));
    if (icmp.type == wire::kIcmpv6PacketTooBig || builder.OneIn(3)) icmp.set_mtu(mtu);
    frame.Icmpv6(icmp);
    return;
  }
  wire::IcmpHeader icmp;
  icmp.type = builder.Pick<uint8_t>({wire::kIcmpDestUnreachable, wire::kIcmpDestUnreachable,
                                     wire::kIcmpTimeExceeded, wire::kIcmpParameterProblem,
                                     wire::kIcmpSourceQuench});
  icmp.code = static_cast<uint8_t>(builder.Below(18));
  if (!sure && icmp.code == wire::kIcmpFragmentationNeeded) icmp.code = wire::kIcmpPortUnreachable;
  if (builder.OneIn(3)) icmp.set_next_hop_mtu(mtu);
  frame.Icmp(icmp);
}

// An ICMP error about a datagram that the socket might have sent. Unless it is `sure` that there is
// a socket of OwnPort() none speaks of the path's MTU: since 7.0 the host learns that whoever has
// sent the datagram (udp_err_update_exception), before only from the socket's.
void ErrorAbout(CaseBuilder& builder, const Station& peer, bool sure) {
  IpSpec quoted;
  quoted.src = !sure && builder.OneIn(10) ? builder.OddAddress() : builder.Us(peer.port).address;
  quoted.dst = !sure && builder.OneIn(10) ? builder.OddAddress() : peer.address;
  wire::FrameBuilder frame = builder.Ethernet(peer);
  AppendError(builder, CaseBuilder::Ip(frame, builder.Spec(peer)), sure);
  if (!builder.is_v4() && builder.OneIn(8)) AppendExtensions(builder, &quoted);
  // Segment routing is left out: whose packet with such a header was is asked by its last segment
  // (seg6_icmp_srh).
  std::erase_if(quoted.extensions, [](const ExtensionSpec& extension) {
    return extension.type == wire::kIpProtoRouting &&
           extension.bytes[2] == wire::kIpv6RoutingSegments;
  });
  CaseBuilder::Ip(frame, quoted)
      .Udp({.source = !sure && builder.OneIn(10) ? uint16_t{9} : builder.OwnPort(),
            .dest = kPeerPort})
      .CountingPayload(builder.Below(32));
  std::span<const uint8_t> bytes = frame.Build();
  if (builder.OneIn(6)) {
    const size_t most = 42 + builder.Below(builder.is_v4() ? 28 : 68);
    bytes = bytes.first(std::min(bytes.size(), most));
  }
  builder.Frame(peer.port, bytes);
}

// IP_RECVERR, IPV6_RECVERR.
void RecvError(CaseBuilder& builder, int slot) {
  if (!builder.OneIn(3)) return;
  builder.SetOption(slot, builder.is_v4() ? 0 : 41, builder.is_v4() ? 11 : 25, 1);
}

void OpenSocket(CaseBuilder& builder, int slot, const Station& peer) {
  builder.Call(CallName::kSocket, slot, builder.domain(), SOCK_DGRAM, 0);
  if (builder.OneIn(4)) builder.SetOption(slot, 1, 2, 1);  // SO_REUSEADDR
  if (builder.OneIn(4)) builder.SetOption(slot, 1, 6, 1);  // SO_BROADCAST
  RecvError(builder, slot);
  const IpAddress own = builder.OneIn(3)    ? builder.Us(peer.port).address
                        : builder.OneIn(10) ? builder.OddAddress()
                                            : builder.Any();
  builder.CallWith(CallName::kBind, slot, {own, builder.OwnPort()});
  if (builder.OneIn(3)) {
    builder.CallWith(CallName::kConnect, slot,
                     {builder.OneIn(6) ? builder.OddAddress() : peer.address, kPeerPort});
  }
}

void SomeCall(CaseBuilder& builder, int slot, const Station& peer) {
  switch (builder.Below(8)) {
    case 0:
    case 1: {
      CallStep& call =
          builder.OneIn(2)
              ? builder.CallWith(CallName::kSendto, slot,
                                 {builder.OneIn(5) ? builder.OddAddress() : peer.address,
                                  builder.OneIn(12) ? uint16_t{0} : kPeerPort})
              : builder.Call(CallName::kSendto, slot);
      call.data = builder.Bytes(builder.Length(builder.OneIn(6) ? 4000 : 200));
      return;
    }
    case 2:
    case 3:
      builder.Call(CallName::kRecvfrom, slot, builder.Pick<int>({0, 0, MSG_PEEK, MSG_TRUNC})).room =
          builder.Pick<uint32_t>({0, 1, 100, 2000});
      return;
    case 4:
      builder.Call(CallName::kRecvError, slot).room = builder.Pick<uint32_t>({0, 8, 2000});
      return;
    case 5:
      builder.Call(CallName::kGetsockopt, slot, 1, 4).room = 4;  // SO_ERROR
      return;
    case 6:
      builder.Call(CallName::kPoll, slot, 0x7fff);
      return;
    default:
      builder.Call(CallName::kGetsockname, slot).room = 28;
      return;
  }
}

}  // namespace

void GenerateUdp(CaseBuilder& builder) {
  const Station peer = builder.Peer();
  if (!builder.OneIn(8)) builder.Introduce(peer);
  const int sockets = static_cast<int>(builder.Below(3));
  for (int slot = 0; slot < sockets; ++slot) OpenSocket(builder, slot, peer);
  const uint32_t steps = 1 + builder.Below(8);
  for (uint32_t i = 0; i < steps; ++i) {
    const uint32_t what = builder.Below(sockets == 0 ? 3 : 6);
    if (what < 2) {
      Datagram(builder, peer, builder.OwnPort());
    } else if (what == 2) {
      ErrorAbout(builder, peer, false);
    } else {
      SomeCall(builder, static_cast<int>(builder.Below(static_cast<uint32_t>(sockets))), peer);
    }
  }
}

void GenerateIcmpError(CaseBuilder& builder) {
  const Station peer = builder.Peer();
  builder.Introduce(peer);
  const bool sure = builder.OneIn(3);
  if (sure) {
    builder.Call(CallName::kSocket, 0, builder.domain(), SOCK_DGRAM, 0);
    RecvError(builder, 0);
    builder.CallWith(CallName::kBind, 0, {builder.Any(), builder.OwnPort()});
  } else {
    OpenSocket(builder, 0, peer);
  }
  CallStep& send = builder.CallWith(CallName::kSendto, 0, {peer.address, kPeerPort});
  send.data = builder.Bytes(16);
  const uint32_t errors = 1 + builder.Below(3);
  for (uint32_t i = 0; i < errors; ++i) {
    ErrorAbout(builder, peer, sure);
    SomeCall(builder, 0, peer);
  }
  SomeCall(builder, 0, peer);
}

}  // namespace tapedeck::differential
