// Datagrams in pieces (RFC 791 3.2, 815, 8200 4.5, 5722's attacks): in any order, twice,
// overlapping, short of one, beyond the end, with options, through a router.
#include <algorithm>
#include <utility>

#include "replay/differential/generate.h"
#include "stack/base/byteorder.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::differential {

namespace {

struct Piece {
  uint32_t begin = 0;
  uint32_t end = 0;
  bool more = true;
};

// What lies behind the IP header of the whole datagram: an echo request, or a UDP datagram to a
// port.
std::vector<uint8_t> WholePayload(CaseBuilder& builder, const IpSpec& spec, size_t bytes,
                                  uint8_t* protocol) {
  wire::FrameBuilder whole(builder.buffer());
  CaseBuilder::Ip(whole, spec);
  if (builder.OneIn(3)) {
    wire::UdpHeader udp;
    udp.source = uint16_t{1000};
    udp.dest = builder.OwnPort();
    whole.Udp(udp);
    *protocol = wire::kIpProtoUdp;
  } else {
    builder.EchoRequest(whole, builder.Word(), 0);
    *protocol = builder.is_v4() ? wire::kIpProtoIcmp : wire::kIpProtoIcmpv6;
  }
  const std::span<const uint8_t> packet = whole.CountingPayload(bytes).Build();
  const size_t header_bytes =
      builder.is_v4() ? (packet[0] & 15U) * size_t{4} : sizeof(wire::Ipv6Header);
  return {packet.begin() + static_cast<ptrdiff_t>(header_bytes), packet.end()};
}

std::vector<Piece> Cut(CaseBuilder& builder, uint32_t bytes) {
  const uint32_t pieces_wanted = 1 + builder.Below(5);
  std::vector<Piece> pieces;
  for (uint32_t at = 0; at < bytes;) {
    const uint32_t rest = bytes - at;
    uint32_t length = std::max<uint32_t>(8, rest / pieces_wanted / 8 * 8);
    if (builder.OneIn(3)) length = 8 * (1 + builder.Below(std::max<uint32_t>(rest / 8, 1)));
    length = std::min({length, rest, 1480U});
    pieces.push_back({at, at + length, at + length < bytes});
    at += length;
  }
  return pieces;
}

void Shuffle(CaseBuilder& builder, std::vector<Piece>* pieces) {
  for (size_t i = pieces->size(); i > 1; --i) {
    std::swap((*pieces)[i - 1], (*pieces)[builder.Below(static_cast<uint32_t>(i))]);
  }
}

// What goes wrong with a list of fragments.
void Disturb(CaseBuilder& builder, std::vector<Piece>* pieces) {
  Piece& one = (*pieces)[builder.Below(static_cast<uint32_t>(pieces->size()))];
  switch (builder.Below(9)) {
    case 0:
      return Shuffle(builder, pieces);
    case 1:
      return std::reverse(pieces->begin(), pieces->end());
    case 2: {
      const Piece twice = one;
      pieces->push_back(twice);
      return;
    }
    case 3:
      if (one.begin >= 8) one.begin -= 8;  // overlaps what lies before
      return;
    case 4:
      one.end += 8;  // overlaps what lies behind, or reaches beyond the end
      return;
    case 5:
      pieces->erase(pieces->begin() + (&one - pieces->data()));
      return;
    case 6:
      one.more = !one.more;
      return;
    case 7:
      one.end -= std::min<uint32_t>(one.end - one.begin, 1 + builder.Below(8));
      return;
    default: {
      Piece far = one;
      far.begin += 8 * builder.Below(8192);
      far.end = far.begin + 8 * (1 + builder.Below(4));
      pieces->push_back(far);
      return;
    }
  }
}

// What `piece` has of the payload, and beyond its end.
std::vector<uint8_t> BytesOf(const std::vector<uint8_t>& payload, const Piece& piece) {
  std::vector<uint8_t> bytes(piece.end - piece.begin, 0xaa);
  const size_t from = std::min<size_t>(piece.begin, payload.size());
  const size_t to = std::min<size_t>(piece.end, payload.size());
  std::copy(payload.begin() + static_cast<ptrdiff_t>(from),
            payload.begin() + static_cast<ptrdiff_t>(to), bytes.begin());
  return bytes;
}

void SendPiece6(CaseBuilder& builder, const Station& peer, IpSpec spec,
                const std::vector<uint8_t>& payload, const Piece& piece) {
  ExtensionSpec fragment{wire::kIpProtoFragment, std::vector<uint8_t>(8)};
  const uint32_t offset = piece.begin & 0xfff8U;
  StoreBe16(fragment.bytes.data() + 2, static_cast<uint16_t>(offset | (piece.more ? 1U : 0U)));
  StoreBe32(fragment.bytes.data() + 4, spec.id);
  if (builder.OneIn(16)) fragment.bytes[1] = builder.Byte();
  const uint8_t protocol = spec.protocol;
  spec.extensions.push_back(std::move(fragment));
  // Now and then the headers in front are not those of the other pieces.
  if (builder.OneIn(20)) {
    spec.extensions.insert(spec.extensions.begin(),
                           {wire::kIpProtoDestOptions, {0, 0, 1, 4, 0, 0, 0, 0}});
  }
  wire::FrameBuilder frame = builder.Ethernet(peer);
  CaseBuilder::Ip(frame, spec).Payload(BytesOf(payload, piece));
  if (builder.OneIn(8)) frame.PadTo();
  const std::span<uint8_t> bytes = frame.Build();
  if (bytes.empty()) return;
  // Nothing that the frame's builder knows follows the fragment header.
  size_t header = sizeof(wire::EthernetHeader) + sizeof(wire::Ipv6Header);
  for (const ExtensionSpec& extension : spec.extensions) header += extension.bytes.size();
  bytes[header - sizeof(wire::Ipv6FragmentHeader)] = protocol;
  builder.Frame(peer.port, bytes);
}

void SendPiece(CaseBuilder& builder, const Station& peer, IpSpec spec,
               const std::vector<uint8_t>& payload, const Piece& piece) {
  if (!builder.is_v4()) return SendPiece6(builder, peer, std::move(spec), payload, piece);
  spec.keep |= wire::kKeepProtocol;
  spec.frag_off = static_cast<uint16_t>((piece.begin / 8 & 0x1fffU) | (piece.more ? 0x2000U : 0U));
  wire::FrameBuilder frame = builder.Ethernet(peer);
  CaseBuilder::Ip(frame, spec).Payload(BytesOf(payload, piece));
  if (builder.OneIn(8)) frame.PadTo();
  builder.Frame(peer, frame);
}

// Whether an IPv6 host complains of the fragment itself. In 7.2 that ends its datagram, which it
// therefore has to itself.
bool IsRefused(const Piece& piece) {
  constexpr uint32_t kEndMax = 65'535;
  return (piece.more && piece.end % 8 != 0) || piece.end > kEndMax;
}

void SendDatagram(CaseBuilder& builder, const Station& peer) {
  IpSpec spec = builder.Spec(peer);
  spec.id = builder.Word();
  if (builder.OneIn(6)) spec.tos = static_cast<uint8_t>(builder.Below(4));
  if (builder.OneIn(8)) {
    if (builder.is_v4()) {
      spec.options = {7, 7, 4, 0, 0, 0, 0};
    } else {
      spec.extensions = {{wire::kIpProtoHopByHop, {0, 0, 5, 2, 0, 0, 1, 0}}};
    }
  }
  if (builder.OneIn(8)) spec.dst = builder.Peer(1, 0).address;
  if (builder.OneIn(8)) spec.ttl = 1;
  const size_t most = builder.OneIn(30) ? 65'515 : builder.OneIn(5) ? 4'000 : 300;
  const std::vector<uint8_t> payload =
      WholePayload(builder, spec, builder.Length(most), &spec.protocol);
  std::vector<Piece> pieces = Cut(builder, static_cast<uint32_t>(payload.size()));
  const uint32_t disturbances = builder.Below(4);
  for (uint32_t i = 0; i < disturbances && !pieces.empty(); ++i) Disturb(builder, &pieces);
  for (const Piece& piece : pieces) {
    if (piece.end <= piece.begin || piece.begin > 65'528) continue;
    IpSpec one = spec;
    if (builder.OneIn(20)) one.tos = static_cast<uint8_t>(builder.Below(4));
    if (builder.OneIn(30)) one.protocol ^= 1;
    if (builder.OneIn(30)) one.flow_label = builder.Below(1 << 20);
    if (!builder.is_v4() && IsRefused(piece)) ++one.id;
    SendPiece(builder, peer, one, payload, piece);
  }
}

}  // namespace

void GenerateFragments(CaseBuilder& builder) {
  if (builder.is_v4()) {
    if (builder.OneIn(4)) builder.Set("net/ipv4/ip_forward", "1");
    if (builder.OneIn(12)) {
      builder.Set("net/ipv4/ipfrag_max_dist", std::to_string(builder.Below(3)));
    }
  } else if (builder.OneIn(4)) {
    builder.Set("net/ipv6/conf/all/forwarding", "1");
  }
  const Station peer = builder.Peer();
  builder.Introduce(peer);
  if (builder.OneIn(4)) builder.Introduce(builder.Peer(1, 0));
  const bool listens = builder.OneIn(2);
  if (listens) {
    builder.Call(CallName::kSocket, 0, builder.domain(), SOCK_DGRAM, 0);
    builder.CallWith(CallName::kBind, 0, {builder.Any(), builder.OwnPort()});
  }
  const uint32_t datagrams = 1 + builder.Below(2);
  for (uint32_t i = 0; i < datagrams; ++i) SendDatagram(builder, peer);
  if (listens) builder.Call(CallName::kRecvfrom, 0).room = 2000;
}

}  // namespace tapedeck::differential
