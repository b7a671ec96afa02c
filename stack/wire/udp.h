// UDP (RFC 768; RFC 8200 8.1 over IPv6). Field names as in the kernel's struct udphdr.
#ifndef TAPEDECK_STACK_WIRE_UDP_H_
#define TAPEDECK_STACK_WIRE_UDP_H_

#include <cstdint>
#include <span>
#include <string>

#include "stack/base/byteorder.h"
#include "stack/wire/parse.h"
#include "stack/wire/pseudo_header.h"

namespace tapedeck::wire {

struct UdpHeader {
  be16 source{};
  be16 dest{};
  be16 len{};  // header and payload, bytes
  be16 check{};
};
static_assert(sizeof(UdpHeader) == 8 && alignof(UdpHeader) == 1);
inline constexpr uint32_t kUdpHeaderBytes = sizeof(UdpHeader);

struct UdpView {
  const UdpHeader* header = nullptr;
  std::span<const uint8_t> payload{};   // up to len
  std::span<const uint8_t> datagram{};  // header and payload: what the checksum covers
};

// Errors: kTruncated, kLength (below 8), kLengthBeyondData. Bytes after `len` are not looked at.
Parsed<UdpView> ParseUdp(std::span<const uint8_t> segment);

// Whether the checksum is right. None at all (zero) is right over IPv4 and wrong over IPv6.
bool UdpChecksumOk(const PseudoHeader& pseudo, const UdpView& view);

// Sets `check`; a computed zero becomes 0xffff. REQUIRES: datagram.size() >= 8.
void FillUdpChecksum(const PseudoHeader& pseudo, std::span<uint8_t> datagram);

// Returns 8, or 0 where there is no room. All fields as given.
size_t EmitUdp(std::span<uint8_t> out, const UdpHeader& header);

// "1234 > 53: UDP, length 20"
std::string ToString(const UdpView& view);

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_UDP_H_
