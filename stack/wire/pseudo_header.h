// The addresses' part of a TCP, UDP or ICMPv6 checksum, for both families alike.
#ifndef TAPEDECK_STACK_WIRE_PSEUDO_HEADER_H_
#define TAPEDECK_STACK_WIRE_PSEUDO_HEADER_H_

#include <cstdint>
#include <span>

#include "stack/base/checksum.h"
#include "stack/base/ip_address.h"

namespace tapedeck::wire {

class PseudoHeader {
 public:
  constexpr PseudoHeader(Ipv4Address saddr, Ipv4Address daddr)
      : addresses_(csum_tcpudp_nofold(saddr.wire(), daddr.wire(), 0, 0, 0)) {}
  constexpr PseudoHeader(const Ipv6Address& saddr, const Ipv6Address& daddr)
      : addresses_(csum_ipv6_nofold(saddr.bytes(), daddr.bytes(), 0, 0, 0)), is_v6_(true) {}

  constexpr bool is_v6() const { return is_v6_; }

  // The checksum to write for `segment`, whose own checksum field must hold zero; or, with the
  // field as received, zero when it was right. `protocol` is the upper layer's.
  uint16_t Checksum(uint8_t protocol, std::span<const uint8_t> segment) const {
    const wsum with_length =
        csum_add(addresses_, static_cast<wsum>(segment.size()) + uint32_t{protocol});
    return csum_fold(csum_partial(segment, with_length));
  }

  // What a sender leaves to its NIC: the folded, uncomplemented sum of the pseudo-header alone
  // (CHECKSUM_PARTIAL).
  constexpr uint16_t PartialChecksum(uint8_t protocol, uint32_t segment_bytes) const {
    return static_cast<uint16_t>(csum_add(addresses_, segment_bytes + uint32_t{protocol}));
  }

 private:
  wsum addresses_;
  bool is_v6_ = false;
};

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_PSEUDO_HEADER_H_
