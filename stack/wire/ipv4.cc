#include "stack/wire/ipv4.h"

#include <algorithm>
#include <cstring>

#include "stack/base/checksum.h"
#include "stack/wire/ipv4_options.h"
#include "stack/wire/text.h"

namespace tapedeck::wire {
namespace {

const uint8_t* BytesOf(const Ipv4Header* header) {
  return reinterpret_cast<const uint8_t*>(header);
}

// The checks that a quoted and a whole datagram share.
ParseError CheckHeader(const Ipv4Header* header, size_t available) {
  if (header == nullptr) return ParseError::kTruncated;
  if (header->version() != 4) return ParseError::kVersion;
  if (header->ihl() < 5) return ParseError::kHeaderLength;
  if (header->header_bytes() > available) return ParseError::kHeaderBeyondData;
  if (header->tot_len.host() < header->header_bytes()) return ParseError::kLength;
  return ParseError::kNone;
}

// `end` is where the payload ends. REQUIRES: header_bytes() <= end <= packet.size().
Ipv4View MakeView(const Ipv4Header* header, std::span<const uint8_t> packet, size_t end) {
  const size_t header_bytes = header->header_bytes();
  return {header, packet.first(header_bytes).subspan(sizeof(Ipv4Header)),
          packet.first(end).subspan(header_bytes)};
}

std::string FlagsText(const Ipv4Header& header) {
  std::string flags;
  const auto add = [&flags](bool set, const char* name) {
    if (!set) return;
    if (!flags.empty()) flags += ", ";
    flags += name;
  };
  add(header.more_fragments(), "+");
  add(header.dont_fragment(), "DF");
  add(header.reserved_bit(), "rsvd");
  return flags.empty() ? "none" : flags;
}

}  // namespace

Parsed<Ipv4View> ParseIpv4(std::span<const uint8_t> packet) {
  const auto* header = Overlay<Ipv4Header>(packet);
  if (const ParseError error = CheckHeader(header, packet.size()); error != ParseError::kNone) {
    return error;
  }
  if (header->tot_len.host() > packet.size()) return ParseError::kLengthBeyondData;
  return MakeView(header, packet, header->tot_len.host());
}

Parsed<Ipv4View> ParseQuotedIpv4(std::span<const uint8_t> quote) {
  const auto* header = Overlay<Ipv4Header>(quote);
  if (const ParseError error = CheckHeader(header, quote.size()); error != ParseError::kNone) {
    return error;
  }
  return MakeView(header, quote, std::min<size_t>(header->tot_len.host(), quote.size()));
}

bool Ipv4ChecksumOk(const Ipv4Header* header) {
  return ip_fast_csum(BytesOf(header), header->ihl()) == 0;
}

void FillIpv4Checksum(Ipv4Header* header) {
  header->check = 0;
  header->check = ip_fast_csum(BytesOf(header), header->ihl());
}

size_t EmitIpv4(std::span<uint8_t> out, Ipv4Header header, std::span<const uint8_t> options) {
  const size_t padded = (options.size() + 3) & ~size_t{3};
  const size_t bytes = sizeof header + padded;
  if (padded > kIpv4OptionsMax || out.size() < bytes) return 0;
  header.set_ihl(static_cast<uint8_t>(bytes / 4));
  EmitHeader(out, header);
  if (padded != 0) {
    std::memset(out.data() + bytes - 4, 0, 4);  // end of list
    std::memcpy(out.data() + sizeof header, options.data(), options.size());
  }
  FillIpv4Checksum(OverlayMutable<Ipv4Header>(out));
  return bytes;
}

std::string ToString(const Ipv4View& view) {
  const Ipv4Header& h = *view.header;
  std::string out = "IP (tos " + Hex(h.tos) + ", ttl " + std::to_string(h.ttl) + ", id " +
                    std::to_string(h.id.host()) + ", offset " + std::to_string(h.offset_bytes()) +
                    ", flags [" + FlagsText(h) + "], proto " + IpProtocolName(h.protocol) + " (" +
                    std::to_string(h.protocol) + "), length " + std::to_string(h.tot_len.host());
  if (!view.options.empty()) out += ", options (" + Ipv4OptionsToString(view.options) + ")";
  return out + ") " + h.saddr.ToString() + " > " + h.daddr.ToString();
}

}  // namespace tapedeck::wire
