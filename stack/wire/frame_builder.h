// Builds a frame layer by layer into the caller's buffer, for tests, fuzzers and scripts. Each
// layer tells the one before it what it is; Build() fills in lengths and checksums from the inside
// out. What is to be wrong is named by a flag.
//
//   uint8_t buffer[1514];
//   std::span<uint8_t> frame = FrameBuilder(buffer)
//                                  .Ethernet(dest_mac, source_mac)
//                                  .Ipv4({.ttl = 64, .saddr = a, .daddr = b})
//                                  .Udp({.source = uint16_t{1234}, .dest = uint16_t{53}})
//                                  .Payload(query)
//                                  .Build();
#ifndef TAPEDECK_STACK_WIRE_FRAME_BUILDER_H_
#define TAPEDECK_STACK_WIRE_FRAME_BUILDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/icmp.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/igmp.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/pseudo_header.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

namespace tapedeck::wire {

// Fields of a layer that stay as the caller gave them, right or wrong. A union of bits.
using KeepFields = uint8_t;
inline constexpr KeepFields kKeepNothing = 0;
inline constexpr KeepFields kKeepProtocol = 1;      // ether type, protocol, next header
inline constexpr KeepFields kKeepLength = 2;        // tot_len, payload_len, len
inline constexpr KeepFields kKeepChecksum = 4;      // check, checksum, csum
inline constexpr KeepFields kKeepHeaderLength = 8;  // IPv4's first byte, TCP's data offset

class FrameBuilder {
 public:
  static constexpr size_t kLayersMax = 16;

  // `buffer` must outlive the frame that Build() returns.
  explicit FrameBuilder(std::span<uint8_t> buffer) : buffer_(buffer) {}

  FrameBuilder& Ethernet(MacAddress dest, MacAddress source);
  FrameBuilder& Ethernet(const EthernetHeader& header, KeepFields keep = kKeepNothing);
  // `tpid` is the type by which the layer before announces the tag.
  FrameBuilder& Vlan(uint16_t tci, uint16_t tpid = kEtherTypeVlan);
  FrameBuilder& Arp(const ArpPacket& packet);
  FrameBuilder& Ipv4(const Ipv4Header& header, std::span<const uint8_t> options = {},
                     KeepFields keep = kKeepNothing);
  FrameBuilder& Ipv6(const Ipv6Header& header, KeepFields keep = kKeepNothing);
  // `bytes` is a whole extension header of type `type`; its first byte, the next header, is filled
  // in.
  FrameBuilder& Ipv6Extension(uint8_t type, std::span<const uint8_t> bytes,
                              KeepFields keep = kKeepNothing);
  FrameBuilder& Icmp(const IcmpHeader& header, KeepFields keep = kKeepNothing);
  FrameBuilder& Icmpv6(const Icmpv6Header& header, KeepFields keep = kKeepNothing);
  FrameBuilder& Igmp(const IgmpHeader& header, KeepFields keep = kKeepNothing);
  // With kKeepChecksum a zero `check` makes a datagram without checksum.
  FrameBuilder& Udp(const UdpHeader& header, KeepFields keep = kKeepNothing);
  FrameBuilder& Tcp(const TcpHeader& header, std::span<const uint8_t> options = {},
                    KeepFields keep = kKeepNothing);

  FrameBuilder& Payload(std::span<const uint8_t> bytes);
  // `n` bytes counting up from `first`.
  FrameBuilder& CountingPayload(size_t n, uint8_t first = 0);
  // Zeros after the packet up to a frame of `frame_bytes`; no layer's length includes them.
  FrameBuilder& PadTo(size_t frame_bytes = kEthernetMinBytes);

  // The frame; empty where the buffer or kLayersMax did not suffice. May be called again after more
  // layers.
  std::span<uint8_t> Build();

 private:
  enum class Kind : uint8_t {
    kEthernet,
    kVlan,
    kArp,
    kIpv4,
    kIpv6,
    kIpv6Extension,
    kIcmp,
    kIcmpv6,
    kIgmp,
    kUdp,
    kTcp,
  };
  struct Layer {
    Kind kind;
    KeepFields keep;
    size_t offset;
  };

  // Opens a layer of `bytes` bytes just written at the end, and announces it to the layer before
  // under `ether_type` or `ip_protocol`. Zero bytes mean there was no room.
  FrameBuilder& Add(Kind kind, KeepFields keep, size_t bytes, uint16_t ether_type,
                    uint8_t ip_protocol);
  void Announce(const Layer& previous, uint16_t ether_type, uint8_t ip_protocol);
  void FillLength(const Layer& layer);
  void FillChecksum(size_t layer_index);
  // Of the IP layer that encloses a layer; zero addresses where there is none.
  PseudoHeader PseudoHeaderAround(size_t layer_index) const;

  std::span<uint8_t> Free() const { return buffer_.subspan(size_); }
  std::span<uint8_t> From(const Layer& layer) const {
    return buffer_.first(size_).subspan(layer.offset);
  }
  template <typename Header>
  Header* HeaderOf(const Layer& layer) const {
    return OverlayMutable<Header>(From(layer));
  }

  std::span<uint8_t> buffer_;
  std::array<Layer, kLayersMax> layers_{};
  size_t layer_count_ = 0;
  size_t size_ = 0;
  size_t padded_size_ = 0;
  bool overflow_ = false;
};

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_FRAME_BUILDER_H_
