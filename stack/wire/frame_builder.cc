#include "stack/wire/frame_builder.h"

#include <algorithm>
#include <cstring>

namespace tapedeck::wire {
namespace {

// For layers that nothing below announces by one of the two numbers.
constexpr uint16_t kNoEtherType = 0;
constexpr uint8_t kNoIpProtocol = kIpProtoNoNext;

}  // namespace

FrameBuilder& FrameBuilder::Ethernet(MacAddress dest, MacAddress source) {
  return Ethernet({dest, source, {}});
}

FrameBuilder& FrameBuilder::Ethernet(const EthernetHeader& header, KeepFields keep) {
  return Add(Kind::kEthernet, keep, EmitHeader(Free(), header), kNoEtherType, kNoIpProtocol);
}

FrameBuilder& FrameBuilder::Vlan(uint16_t tci, uint16_t tpid) {
  return Add(Kind::kVlan, kKeepNothing, EmitHeader(Free(), VlanTag{tci, {}}), tpid, kNoIpProtocol);
}

FrameBuilder& FrameBuilder::Arp(const ArpPacket& packet) {
  return Add(Kind::kArp, kKeepNothing, EmitArp(Free(), packet), kEtherTypeArp, kNoIpProtocol);
}

FrameBuilder& FrameBuilder::Ipv4(const Ipv4Header& header, std::span<const uint8_t> options,
                                 KeepFields keep) {
  const size_t bytes = EmitIpv4(Free(), header, options);
  if (bytes != 0) {
    auto* emitted = OverlayMutable<Ipv4Header>(Free());
    if ((keep & kKeepHeaderLength) != 0) emitted->version_ihl = header.version_ihl;
    if ((keep & kKeepChecksum) != 0) emitted->check = header.check;
  }
  return Add(Kind::kIpv4, keep, bytes, kEtherTypeIpv4, kIpProtoIpip);
}

FrameBuilder& FrameBuilder::Ipv6(const Ipv6Header& header, KeepFields keep) {
  return Add(Kind::kIpv6, keep, EmitIpv6(Free(), header), kEtherTypeIpv6, kIpProtoIpv6);
}

FrameBuilder& FrameBuilder::Ipv6Extension(uint8_t type, std::span<const uint8_t> bytes,
                                          KeepFields keep) {
  const bool fits = !bytes.empty() && bytes.size() <= Free().size();
  if (fits) std::memcpy(Free().data(), bytes.data(), bytes.size());
  return Add(Kind::kIpv6Extension, keep, fits ? bytes.size() : 0, kNoEtherType, type);
}

FrameBuilder& FrameBuilder::Icmp(const IcmpHeader& header, KeepFields keep) {
  return Add(Kind::kIcmp, keep, EmitIcmp(Free(), header), kNoEtherType, kIpProtoIcmp);
}

FrameBuilder& FrameBuilder::Icmpv6(const Icmpv6Header& header, KeepFields keep) {
  return Add(Kind::kIcmpv6, keep, EmitIcmpv6(Free(), header), kNoEtherType, kIpProtoIcmpv6);
}

FrameBuilder& FrameBuilder::Igmp(const IgmpHeader& header, KeepFields keep) {
  return Add(Kind::kIgmp, keep, EmitIgmp(Free(), header), kNoEtherType, kIpProtoIgmp);
}

FrameBuilder& FrameBuilder::Udp(const UdpHeader& header, KeepFields keep) {
  return Add(Kind::kUdp, keep, EmitUdp(Free(), header), kNoEtherType, kIpProtoUdp);
}

FrameBuilder& FrameBuilder::Tcp(const TcpHeader& header, std::span<const uint8_t> options,
                                KeepFields keep) {
  const size_t bytes = EmitTcp(Free(), header, options);
  if (bytes != 0 && (keep & kKeepHeaderLength) != 0) {
    OverlayMutable<TcpHeader>(Free())->set_doff(header.doff());
  }
  return Add(Kind::kTcp, keep, bytes, kNoEtherType, kIpProtoTcp);
}

FrameBuilder& FrameBuilder::Payload(std::span<const uint8_t> bytes) {
  if (bytes.size() > Free().size()) {
    overflow_ = true;
    return *this;
  }
  if (!bytes.empty()) std::memcpy(Free().data(), bytes.data(), bytes.size());
  size_ += bytes.size();
  return *this;
}

FrameBuilder& FrameBuilder::CountingPayload(size_t n, uint8_t first) {
  if (n > Free().size()) {
    overflow_ = true;
    return *this;
  }
  for (size_t i = 0; i < n; ++i) buffer_[size_ + i] = static_cast<uint8_t>(first + i);
  size_ += n;
  return *this;
}

FrameBuilder& FrameBuilder::PadTo(size_t frame_bytes) {
  padded_size_ = frame_bytes;
  return *this;
}

std::span<uint8_t> FrameBuilder::Build() {
  const size_t frame_bytes = std::max(size_, padded_size_);
  if (overflow_ || frame_bytes > buffer_.size()) return {};
  for (size_t i = layer_count_; i-- > 0;) {
    FillLength(layers_[i]);
    FillChecksum(i);
  }
  std::fill(buffer_.begin() + static_cast<ptrdiff_t>(size_),
            buffer_.begin() + static_cast<ptrdiff_t>(frame_bytes), uint8_t{0});
  return buffer_.first(frame_bytes);
}

FrameBuilder& FrameBuilder::Add(Kind kind, KeepFields keep, size_t bytes, uint16_t ether_type,
                                uint8_t ip_protocol) {
  if (overflow_ || bytes == 0 || layer_count_ == kLayersMax) {
    overflow_ = true;
    return *this;
  }
  if (layer_count_ != 0) Announce(layers_[layer_count_ - 1], ether_type, ip_protocol);
  layers_[layer_count_++] = {kind, keep, size_};
  size_ += bytes;
  return *this;
}

void FrameBuilder::Announce(const Layer& previous, uint16_t ether_type, uint8_t ip_protocol) {
  if ((previous.keep & kKeepProtocol) != 0) return;
  switch (previous.kind) {
    case Kind::kEthernet:
      HeaderOf<EthernetHeader>(previous)->proto = ether_type;
      return;
    case Kind::kVlan:
      HeaderOf<VlanTag>(previous)->proto = ether_type;
      return;
    case Kind::kIpv4:
      HeaderOf<Ipv4Header>(previous)->protocol = ip_protocol;
      return;
    case Kind::kIpv6:
      HeaderOf<Ipv6Header>(previous)->nexthdr = ip_protocol;
      return;
    case Kind::kIpv6Extension:
      From(previous)[0] = ip_protocol;
      return;
    case Kind::kArp:
    case Kind::kIcmp:
    case Kind::kIcmpv6:
    case Kind::kIgmp:
    case Kind::kUdp:
    case Kind::kTcp:
      return;  // nothing in these names what they carry
  }
}

void FrameBuilder::FillLength(const Layer& layer) {
  if ((layer.keep & kKeepLength) != 0) return;
  const size_t bytes = From(layer).size();
  switch (layer.kind) {
    case Kind::kIpv4:
      HeaderOf<Ipv4Header>(layer)->tot_len = static_cast<uint16_t>(bytes);
      return;
    case Kind::kIpv6:
      HeaderOf<Ipv6Header>(layer)->payload_len = static_cast<uint16_t>(bytes - sizeof(Ipv6Header));
      return;
    case Kind::kUdp:
      HeaderOf<UdpHeader>(layer)->len = static_cast<uint16_t>(bytes);
      return;
    case Kind::kEthernet:
    case Kind::kVlan:
    case Kind::kArp:
    case Kind::kIpv6Extension:
    case Kind::kIcmp:
    case Kind::kIcmpv6:
    case Kind::kIgmp:
    case Kind::kTcp:
      return;  // no length field
  }
}

void FrameBuilder::FillChecksum(size_t layer_index) {
  const Layer& layer = layers_[layer_index];
  if ((layer.keep & kKeepChecksum) != 0) return;
  switch (layer.kind) {
    case Kind::kIpv4: {
      // A wrong ihl that is kept may point past the frame; then no checksum can be right.
      auto* header = HeaderOf<Ipv4Header>(layer);
      if (header->header_bytes() <= From(layer).size()) FillIpv4Checksum(header);
      return;
    }
    case Kind::kIcmp:
      return FillIcmpChecksum(From(layer));
    case Kind::kIgmp:
      return FillIgmpChecksum(From(layer));
    case Kind::kIcmpv6:
      return FillIcmpv6Checksum(PseudoHeaderAround(layer_index), From(layer));
    case Kind::kUdp:
      return FillUdpChecksum(PseudoHeaderAround(layer_index), From(layer));
    case Kind::kTcp:
      return FillTcpChecksum(PseudoHeaderAround(layer_index), From(layer));
    case Kind::kEthernet:
    case Kind::kVlan:
    case Kind::kArp:
    case Kind::kIpv6:
    case Kind::kIpv6Extension:
      return;  // no checksum
  }
}

PseudoHeader FrameBuilder::PseudoHeaderAround(size_t layer_index) const {
  for (size_t i = layer_index; i-- > 0;) {
    if (layers_[i].kind == Kind::kIpv4) {
      const auto* header = HeaderOf<Ipv4Header>(layers_[i]);
      return {header->saddr, header->daddr};
    }
    if (layers_[i].kind == Kind::kIpv6) {
      const auto* header = HeaderOf<Ipv6Header>(layers_[i]);
      const Parsed<Ipv6UpperLayer> upper =
          FindUpperLayer({header, From(layers_[i]).subspan(sizeof(Ipv6Header))});
      return {header->saddr, upper ? *upper->final_daddr : header->daddr};
    }
  }
  return {kIpv4Any, kIpv4Any};
}

}  // namespace tapedeck::wire
