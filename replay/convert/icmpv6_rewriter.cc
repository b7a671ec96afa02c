// The part of PacketRewriter for ICMPv6: errors, echo, neighbour discovery, multicast listeners.
#include <algorithm>
#include <array>

#include "replay/convert/packet_rewriter.h"
#include "stack/base/byteorder.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/ndisc.h"

namespace tapedeck {
namespace {

constexpr size_t kIcmpv6HeaderBytes = 8;
constexpr uint8_t kOptRecursiveDns = 25;  // RFC 8106 5.1

std::span<uint8_t> Behind(std::span<uint8_t> bytes, size_t offset) {
  return bytes.subspan(std::min(offset, bytes.size()));
}

}  // namespace

void PacketRewriter::RewriteIcmpv6(uint64_t flow, std::span<uint8_t> message, int depth) const {
  if (message.size() < kIcmpv6HeaderBytes) return;
  switch (message[0]) {
    case wire::kIcmpv6DestUnreachable:
    case wire::kIcmpv6PacketTooBig:
    case wire::kIcmpv6TimeExceeded:
    case wire::kIcmpv6ParameterProblem:
      return RewriteQuote(true, message.subspan(kIcmpv6HeaderBytes), depth);
    case wire::kIcmpv6EchoRequest:
    case wire::kIcmpv6EchoReply: {
      std::array<uint8_t, 12> identity = {6};
      std::copy_n(message.begin() + 4, 4, identity.begin() + 8);
      return cipher_.Fill(cipher_.Flow(identity), 0, message.subspan(kIcmpv6HeaderBytes));
    }
    case wire::kIcmpv6ListenerQuery:
      MapIpv6At(message, 8);
      for (size_t at = 28; at + 16 <= message.size(); at += 16) MapIpv6At(message, at);
      return;
    case wire::kIcmpv6ListenerReport:
    case wire::kIcmpv6ListenerDone:
      return MapIpv6At(message, 8);
    case wire::kIcmpv6ListenerReport2:
      return RewriteMld2Records(message.subspan(kIcmpv6HeaderBytes));
    case wire::kIcmpv6RouterSolicitation:
      return RewriteNdOptions(message.subspan(kIcmpv6HeaderBytes), depth);
    case wire::kIcmpv6RouterAdvertisement:
      return RewriteNdOptions(Behind(message, sizeof(wire::NdRouterAdvertisement)), depth);
    case wire::kIcmpv6NeighbourSolicitation:
    case wire::kIcmpv6NeighbourAdvertisement:
      MapIpv6At(message, 8);
      return RewriteNdOptions(Behind(message, sizeof(wire::NdMessage)), depth);
    case wire::kIcmpv6Redirect:
      MapIpv6At(message, 8);
      MapIpv6At(message, 24);
      return RewriteNdOptions(Behind(message, sizeof(wire::NdRedirect)), depth);
    default:
      return cipher_.Fill(flow, 0, message.subspan(kIcmpv6HeaderBytes));
  }
}

void PacketRewriter::RewriteNdOptions(std::span<uint8_t> options, int depth) const {
  while (options.size() >= 2 && options[1] != 0) {
    const std::span<uint8_t> option =
        options.first(std::min(size_t{8} * options[1], options.size()));
    switch (option[0]) {
      case wire::kNdOptSourceLinkAddress:
      case wire::kNdOptTargetLinkAddress:
        MapMacAt(option, 2);
        break;
      case wire::kNdOptPrefixInfo:
        if (option.size() > 2) MapPrefixAt(option, 16, std::min<unsigned>(option[2], 128));
        break;
      case wire::kNdOptRouteInfo:
        if (option.size() > 2) MapPrefixAt(option, 8, std::min<unsigned>(option[2], 128));
        break;
      case wire::kNdOptRedirectedHeader:
        RewriteQuote(true, Behind(option, 8), depth);
        break;
      case kOptRecursiveDns:
        for (size_t at = 8; at + 16 <= option.size(); at += 16) MapIpv6At(option, at);
        break;
      case wire::kNdOptMtu:
      case wire::kNdOptNonce:
        break;
      default:
        RewriteOther(Behind(option, 2));
        break;
    }
    options = options.subspan(option.size());
  }
}

void PacketRewriter::RewriteMld2Records(std::span<uint8_t> records) const {
  constexpr size_t kRecordBytes = 20;
  while (records.size() >= kRecordBytes) {
    const size_t sources = LoadBe16(records.data() + 2);
    const size_t auxiliary_bytes = size_t{4} * records[1];
    MapIpv6At(records, 4);
    for (size_t i = 0; i < sources; ++i) MapIpv6At(records, kRecordBytes + 16 * i);
    records = Behind(records, kRecordBytes + 16 * sources + auxiliary_bytes);
  }
}

}  // namespace tapedeck
