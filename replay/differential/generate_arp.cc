// ARP (RFC 826, 5227): requests, replies and what is neither, from and for anybody.
#include "replay/differential/generate.h"
#include "stack/wire/arp.h"

namespace tapedeck::differential {

namespace {

Ipv4Address SomeAddress(CaseBuilder& builder) {
  switch (builder.Below(5)) {
    case 0:
      return builder.Us(0).address.v4();
    case 1:
      return builder.Peer(0, 0).address.v4();
    case 2:
      return builder.Us(1).address.v4();
    default:
      return builder.OddAddress().v4();
  }
}

MacAddress SomeMac(CaseBuilder& builder, const Station& peer) {
  switch (builder.Below(6)) {
    case 0:
      return builder.Us(0).mac;
    case 1:
      return kMacBroadcast;
    case 2:
      return MacAddress(builder.Byte(), 2, 3, 4, 5, 6);
    case 3:
      return MacAddress();
    default:
      return peer.mac;
  }
}

void Spoil(CaseBuilder& builder, wire::ArpPacket* arp) {
  switch (builder.Below(6)) {
    case 0:
      arp->ar_hrd = builder.Pick<uint16_t>({0, 6, 15, builder.Word()});
      break;
    case 1:
      arp->ar_pro = builder.Pick<uint16_t>({0, 0x0806, 0x86dd, builder.Word()});
      break;
    case 2:
      arp->ar_hln = builder.Byte();
      break;
    case 3:
      arp->ar_pln = builder.Byte();
      break;
    default:
      arp->ar_op = builder.Pick<uint16_t>({0, 3, 4, 8, 9, builder.Word()});
      break;
  }
}

void RandomArp(CaseBuilder& builder, const Station& peer) {
  wire::ArpPacket arp;
  arp.ar_op = builder.Pick<uint16_t>({wire::kArpRequest, wire::kArpRequest, wire::kArpReply});
  arp.ar_sha = builder.OneIn(4) ? SomeMac(builder, peer) : peer.mac;
  arp.ar_sip = builder.OneIn(3) ? SomeAddress(builder) : peer.address.v4();
  arp.ar_tha = builder.OneIn(3) ? SomeMac(builder, peer) : MacAddress();
  arp.ar_tip = builder.OneIn(2) ? SomeAddress(builder) : builder.Us(peer.port).address.v4();
  if (builder.OneIn(5)) Spoil(builder, &arp);
  const MacAddress to = builder.OneIn(2)   ? kMacBroadcast
                        : builder.OneIn(4) ? SomeMac(builder, peer)
                                           : builder.Us(peer.port).mac;
  wire::FrameBuilder frame = builder.Ethernet(peer, to);
  frame.Arp(arp);
  if (builder.OneIn(3)) frame.PadTo();
  std::span<const uint8_t> bytes = frame.Build();
  if (builder.OneIn(12)) bytes = bytes.first(builder.Below(static_cast<uint32_t>(bytes.size())));
  builder.Frame(peer.port, bytes);
}

void ArpSettings(CaseBuilder& builder) {
  builder.SetSome(12, {"net/ipv4/conf/tap0/", "net/ipv4/conf/tap0/", "net/ipv4/conf/all/"},
                  {{"arp_ignore", 9},
                   {"arp_announce", 3},
                   {"arp_filter", 2},
                   {"arp_accept", 3},
                   {"proxy_arp", 2},
                   {"proxy_arp_pvlan", 2},
                   {"rp_filter", 3},
                   {"drop_gratuitous_arp", 2},
                   {"forwarding", 2}});
}

}  // namespace

void GenerateArp(CaseBuilder& builder) {
  ArpSettings(builder);
  const uint32_t frames = 1 + builder.Below(6);
  for (uint32_t i = 0; i < frames; ++i) {
    const int port = builder.OneIn(6) ? 1 : 0;
    const Station peer = builder.Peer(port, static_cast<int>(builder.Below(2)));
    switch (builder.Below(5)) {
      case 0:
        // Shows what the host knows of the peer.
        builder.Echo(peer, builder.Spec(peer), 8);
        break;
      case 1:
        builder.Answer(peer);
        break;
      default:
        RandomArp(builder, peer);
        break;
    }
  }
}

}  // namespace tapedeck::differential
