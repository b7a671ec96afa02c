// ICMPv6 (RFC 4443): the header of all messages, errors with their quoted packet, echo. The numbers
// of multicast listener and neighbour discovery (RFC 2710, 3810, 4861) are named, their bodies are
// not taken apart here.
#ifndef TAPEDECK_STACK_WIRE_ICMPV6_H_
#define TAPEDECK_STACK_WIRE_ICMPV6_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "stack/base/byteorder.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/parse.h"
#include "stack/wire/pseudo_header.h"

namespace tapedeck::wire {

inline constexpr uint8_t kIcmpv6DestUnreachable = 1;
inline constexpr uint8_t kIcmpv6PacketTooBig = 2;
inline constexpr uint8_t kIcmpv6TimeExceeded = 3;
inline constexpr uint8_t kIcmpv6ParameterProblem = 4;
inline constexpr uint8_t kIcmpv6EchoRequest = 128;
inline constexpr uint8_t kIcmpv6EchoReply = 129;
inline constexpr uint8_t kIcmpv6ListenerQuery = 130;
inline constexpr uint8_t kIcmpv6ListenerReport = 131;
inline constexpr uint8_t kIcmpv6ListenerDone = 132;
inline constexpr uint8_t kIcmpv6RouterSolicitation = 133;
inline constexpr uint8_t kIcmpv6RouterAdvertisement = 134;
inline constexpr uint8_t kIcmpv6NeighbourSolicitation = 135;
inline constexpr uint8_t kIcmpv6NeighbourAdvertisement = 136;
inline constexpr uint8_t kIcmpv6Redirect = 137;
inline constexpr uint8_t kIcmpv6ListenerReport2 = 143;

// Codes of destination unreachable.
inline constexpr uint8_t kIcmpv6NoRoute = 0;
inline constexpr uint8_t kIcmpv6AdminProhibited = 1;
inline constexpr uint8_t kIcmpv6NotNeighbour = 2;  // beyond scope of source address
inline constexpr uint8_t kIcmpv6AddressUnreachable = 3;
inline constexpr uint8_t kIcmpv6PortUnreachable = 4;

struct Icmpv6Header {
  uint8_t type = 0;
  uint8_t code = 0;
  be16 checksum{};
  std::array<uint8_t, 4> rest{};

  // Echo.
  constexpr uint16_t id() const { return LoadBe16(rest.data()); }
  constexpr uint16_t sequence() const { return LoadBe16(rest.data() + 2); }
  constexpr void set_id(uint16_t id) { StoreBe16(rest.data(), id); }
  constexpr void set_sequence(uint16_t sequence) { StoreBe16(rest.data() + 2, sequence); }

  // Packet too big: the next link's MTU in bytes. Parameter problem: offset in bytes into the
  // quoted packet.
  constexpr uint32_t mtu() const { return LoadBe32(rest.data()); }
  constexpr uint32_t pointer() const { return LoadBe32(rest.data()); }
  constexpr void set_mtu(uint32_t mtu_bytes) { StoreBe32(rest.data(), mtu_bytes); }
  constexpr void set_pointer(uint32_t offset) { StoreBe32(rest.data(), offset); }

  // Types below 128 report errors and quote the packet (RFC 4443 2.1).
  constexpr bool is_error() const { return type < 128; }
};
static_assert(sizeof(Icmpv6Header) == 8 && alignof(Icmpv6Header) == 1);
inline constexpr uint32_t kIcmpv6HeaderBytes = sizeof(Icmpv6Header);

struct Icmpv6View {
  const Icmpv6Header* header = nullptr;
  std::span<const uint8_t> body{};
};

// Errors: kTruncated. Any type and code is accepted.
Parsed<Icmpv6View> ParseIcmpv6(std::span<const uint8_t> message);

// The packet quoted by an error message. Errors: kTruncated, kVersion. REQUIRES:
// view.header->is_error().
Parsed<Ipv6View> ParseIcmpv6Quote(const Icmpv6View& view);

// Over the pseudo-header and the whole message. FillIcmpv6Checksum REQUIRES: message.size() >= 8.
bool Icmpv6ChecksumOk(const PseudoHeader& pseudo, std::span<const uint8_t> message);
void FillIcmpv6Checksum(const PseudoHeader& pseudo, std::span<uint8_t> message);

// Returns 8, or 0 where there is no room. All fields as given.
size_t EmitIcmpv6(std::span<uint8_t> out, const Icmpv6Header& header);

// "ICMP6, echo request, id 1, seq 2, length 64"
std::string ToString(const Icmpv6View& view);

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_ICMPV6_H_
