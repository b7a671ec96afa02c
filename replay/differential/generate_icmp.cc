// ICMP messages to the host (RFC 792, 1122 3.2.2).
#include "replay/differential/generate.h"
#include "stack/wire/icmp.h"

namespace tapedeck::differential {

namespace {

void IcmpSettings(CaseBuilder& builder) {
  builder.SetSome(16, {"net/ipv4/"},
                  {{"icmp_echo_ignore_all", 2},
                   {"icmp_echo_ignore_broadcasts", 2},
                   {"icmp_ignore_bogus_error_responses", 2},
                   {"icmp_errors_use_inbound_ifaddr", 2}});
}

uint8_t SomeIcmpType(CaseBuilder& builder) {
  switch (builder.Below(4)) {
    case 0:
      return builder.Byte();
    case 1:
      return static_cast<uint8_t>(builder.Below(20));
    case 2:
      return wire::kIcmpTimestamp;
    default:
      return wire::kIcmpEcho;
  }
}

void RandomIcmp(CaseBuilder& builder, const Station& peer) {
  IpSpec spec = builder.Spec(peer);
  if (builder.OneIn(4)) spec.dst = builder.OddAddress();
  if (builder.OneIn(12)) spec.src = builder.OddAddress();
  if (builder.OneIn(4)) spec.tos = builder.Byte();
  if (builder.OneIn(4)) spec.ttl = builder.Byte();
  if (builder.OneIn(8)) spec.frag_off = builder.Pick<uint16_t>({0x4000, 0x8000, 0xc000});
  spec.id = builder.Word();
  wire::IcmpHeader icmp;
  icmp.type = SomeIcmpType(builder);
  if (builder.OneIn(4)) icmp.code = builder.OneIn(2) ? builder.Byte() : uint8_t{1};
  for (uint8_t& byte : icmp.rest) byte = builder.Byte();
  icmp.checksum = builder.Word();
  const MacAddress to = builder.OneIn(10)   ? kMacBroadcast
                        : builder.OneIn(10) ? MacAddress::ForMulticast(kIpv4AllHosts)
                        : builder.OneIn(20) ? peer.mac
                                            : builder.Us(peer.port).mac;
  wire::FrameBuilder frame = builder.Ethernet(peer, to);
  CaseBuilder::Ip(frame, spec)
      .Icmp(icmp, builder.OneIn(10) ? wire::kKeepChecksum : wire::kKeepNothing);
  const size_t payload = icmp.type == wire::kIcmpTimestamp && !builder.OneIn(4)
                             ? sizeof(wire::IcmpTimestamps)
                             : builder.Length(1472);
  frame.CountingPayload(payload, builder.Byte());
  if (builder.OneIn(4)) frame.PadTo();
  std::span<const uint8_t> bytes = frame.Build();
  if (builder.OneIn(16)) bytes = bytes.first(builder.Below(static_cast<uint32_t>(bytes.size())));
  builder.Frame(peer.port, bytes);
}

}  // namespace

void GenerateIcmp(CaseBuilder& builder) {
  IcmpSettings(builder);
  const Station peer = builder.Peer(builder.OneIn(8) ? 1 : 0);
  if (!builder.OneIn(8)) builder.Introduce(peer);
  const uint32_t frames = 1 + builder.Below(4);
  for (uint32_t i = 0; i < frames; ++i) RandomIcmp(builder, peer);
}

}  // namespace tapedeck::differential
