#include "stack/wire/udp.h"

#include "stack/wire/ip_protocol.h"

namespace tapedeck::wire {

Parsed<UdpView> ParseUdp(std::span<const uint8_t> segment) {
  const auto* header = Overlay<UdpHeader>(segment);
  if (header == nullptr) return ParseError::kTruncated;
  const size_t len = header->len.host();
  if (len < sizeof(UdpHeader)) return ParseError::kLength;
  if (len > segment.size()) return ParseError::kLengthBeyondData;
  const std::span<const uint8_t> datagram = segment.first(len);
  return UdpView{header, datagram.subspan(sizeof(UdpHeader)), datagram};
}

bool UdpChecksumOk(const PseudoHeader& pseudo, const UdpView& view) {
  if (view.header->check == 0) return !pseudo.is_v6();
  return pseudo.Checksum(kIpProtoUdp, view.datagram) == 0;
}

void FillUdpChecksum(const PseudoHeader& pseudo, std::span<uint8_t> datagram) {
  auto* header = OverlayMutable<UdpHeader>(datagram);
  header->check = 0;
  const uint16_t check = pseudo.Checksum(kIpProtoUdp, datagram);
  header->check = check == 0 ? kCsumMangled0 : check;
}

size_t EmitUdp(std::span<uint8_t> out, const UdpHeader& header) { return EmitHeader(out, header); }

std::string ToString(const UdpView& view) {
  return std::to_string(view.header->source.host()) + " > " +
         std::to_string(view.header->dest.host()) + ": UDP, length " +
         std::to_string(view.payload.size());
}

}  // namespace tapedeck::wire
