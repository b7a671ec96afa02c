// The host as a router between its two links (RFC 1812 as Linux reads it).
#include "replay/differential/generate.h"
#include "stack/wire/icmp.h"

namespace tapedeck::differential {

namespace {

void ForwardingSettings(CaseBuilder& builder) {
  builder.Set("net/ipv4/ip_forward", "1");
  builder.SetSome(12, {"net/ipv4/"},
                  {{"conf/all/send_redirects", 2},
                   {"conf/tap0/send_redirects", 2},
                   {"conf/all/rp_filter", 3},
                   {"conf/all/shared_media", 2},
                   {"conf/tap0/shared_media", 2},
                   {"conf/tap1/forwarding", 2},
                   {"conf/tap0/forwarding", 2},
                   {"conf/all/bc_forwarding", 2},
                   {"conf/tap0/bc_forwarding", 2},
                   {"ip_forward_use_pmtu", 2},
                   {"ip_forward_update_priority", 2}});
}

IpAddress Destination(CaseBuilder& builder) {
  switch (builder.Below(10)) {
    case 0:
      return Ipv4Address(10, 3, 0, builder.Byte());
    case 1:
      return Ipv4Address(10, 4, 0, builder.Byte());
    case 2:
      return builder.Peer(0, 1).address;
    case 3:
      return builder.OddAddress();
    case 4:
      return Ipv4Address(192, 0, 2, 1);
    default:
      return builder.Peer(1, 0).address;
  }
}

// A station by which the routes lead: 10.1.0.99, 10.2.0.99.
Station Gateway(int port) {
  return {port, MacAddress(2, 0, 0, 0, static_cast<uint8_t>(port), 0x99),
          Ipv4Address(10, static_cast<uint8_t>(1 + port), 0, 99)};
}

void Send(CaseBuilder& builder, const Station& from) {
  IpSpec spec = builder.Spec(from);
  spec.dst = Destination(builder);
  if (builder.OneIn(10)) spec.src = builder.OddAddress();
  spec.id = builder.Word();
  if (builder.OneIn(4)) spec.ttl = builder.Pick<uint8_t>({0, 1, 2, 255});
  if (builder.OneIn(4)) spec.tos = builder.Byte();
  if (builder.OneIn(4)) spec.frag_off = builder.Pick<uint16_t>({0x4000, 0x2000, 0x2001, 0x8000});
  if (builder.OneIn(6)) spec.options = {7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0};
  if (builder.OneIn(12)) spec.options = {0x94, 4, 0, 0};
  wire::FrameBuilder frame = builder.Ethernet(from);
  CaseBuilder::Ip(frame, spec);
  switch (builder.Below(3)) {
    case 0: {
      wire::IcmpHeader icmp;
      icmp.type = builder.Pick<uint8_t>({wire::kIcmpEcho, wire::kIcmpDestUnreachable});
      frame.Icmp(icmp);
      break;
    }
    case 1:
      frame.Udp({.source = uint16_t{1000}, .dest = uint16_t{53}});
      break;
    default: {
      wire::TcpHeader tcp;
      tcp.source = uint16_t{1000};
      tcp.dest = uint16_t{80};
      tcp.set_flags(wire::kTcpSyn);
      frame.Tcp(tcp);
      break;
    }
  }
  const size_t most = builder.OneIn(4) ? 1480 : 64;
  frame.CountingPayload(builder.OneIn(6) ? 1200 + builder.Below(300) : builder.Length(most));
  builder.Frame(from, frame);
}

}  // namespace

void GenerateForward(CaseBuilder& builder) {
  ForwardingSettings(builder);
  builder.Introduce(builder.Peer(0, 0));
  if (!builder.OneIn(4)) builder.Introduce(builder.Peer(1, 0));
  if (builder.OneIn(2)) builder.Introduce(builder.Peer(0, 1));
  if (builder.OneIn(2)) builder.Introduce(Gateway(0));
  if (builder.OneIn(2)) builder.Introduce(Gateway(1));
  const uint32_t frames = 1 + builder.Below(4);
  for (uint32_t i = 0; i < frames; ++i) {
    Send(builder, builder.OneIn(5) ? builder.Peer(1, 0) : builder.Peer(0, 0));
    if (builder.OneIn(8)) builder.Answer(builder.Peer(1, 0));
    if (builder.OneIn(16)) builder.Answer(Gateway(static_cast<int>(builder.Below(2))));
  }
}

}  // namespace tapedeck::differential
