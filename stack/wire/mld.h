// Multicast listener discovery (RFC 2710, RFC 3810): the bodies of ICMPv6 types 130 to 132 and 143.
#ifndef TAPEDECK_STACK_WIRE_MLD_H_
#define TAPEDECK_STACK_WIRE_MLD_H_

#include <cstdint>

#include "stack/base/byteorder.h"
#include "stack/base/ip_address.h"
#include "stack/wire/icmpv6.h"

namespace tapedeck::wire {

// Query, report and done of version 1; also how a version 2 query begins.
struct MldMessage {
  Icmpv6Header header{};
  Ipv6Address group{};

  // Maximum response delay in ms (version 1), or its code (version 2).
  constexpr uint16_t max_response() const { return LoadBe16(header.rest.data()); }
};
static_assert(sizeof(MldMessage) == 24 && alignof(MldMessage) == 1);

struct Mld2Query {
  MldMessage message{};
  uint8_t flags = 0;  // suppress router-side processing (bit 3), robustness (bits 0-2)
  uint8_t qqic = 0;
  be16 source_count{};

  constexpr uint8_t robustness() const { return flags & 0x07; }
};
static_assert(sizeof(Mld2Query) == 28 && alignof(Mld2Query) == 1);

// The head of a record in a version 2 report, followed by sources and auxiliary words. The number
// of records is in the last two bytes of the report's header.
struct Mld2Record {
  uint8_t type = 0;
  uint8_t auxiliary_words = 0;
  be16 source_count{};
  Ipv6Address group{};
};
static_assert(sizeof(Mld2Record) == 20 && alignof(Mld2Record) == 1);

// The delay in ms that a maximum response code stands for (RFC 3810 5.1.3).
constexpr uint32_t Mld2MaxResponse(uint16_t code) {
  if (code < 32768) return code;
  return ((code & 0xfffU) | 0x1000U) << ((code >> 12 & 7) + 3);
}
// The interval in s that a QQIC stands for (5.1.9).
constexpr uint32_t Mld2QueryInterval(uint8_t code) {
  if (code < 128) return code;
  return ((code & 0xfU) | 0x10U) << ((code >> 4 & 7) + 3);
}

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_MLD_H_
