#include "stack/wire/tcp.h"

#include <cstring>

#include "stack/wire/ip_protocol.h"
#include "stack/wire/tcp_options.h"

namespace tapedeck::wire {

Parsed<TcpView> ParseTcp(std::span<const uint8_t> segment) {
  const auto* header = Overlay<TcpHeader>(segment);
  if (header == nullptr) return ParseError::kTruncated;
  if (header->doff() < 5) return ParseError::kHeaderLength;
  const size_t header_bytes = header->header_bytes();
  if (header_bytes > segment.size()) return ParseError::kHeaderBeyondData;
  return TcpView{header, segment.first(header_bytes).subspan(sizeof(TcpHeader)),
                 segment.subspan(header_bytes)};
}

bool TcpChecksumOk(const PseudoHeader& pseudo, std::span<const uint8_t> segment) {
  return pseudo.Checksum(kIpProtoTcp, segment) == 0;
}

void FillTcpChecksum(const PseudoHeader& pseudo, std::span<uint8_t> segment) {
  auto* header = OverlayMutable<TcpHeader>(segment);
  header->check = 0;
  header->check = pseudo.Checksum(kIpProtoTcp, segment);
}

size_t EmitTcp(std::span<uint8_t> out, TcpHeader header, std::span<const uint8_t> options) {
  const size_t padded = (options.size() + 3) & ~size_t{3};
  const size_t bytes = sizeof header + padded;
  if (padded > kTcpOptionsMax || out.size() < bytes) return 0;
  header.set_doff(static_cast<uint8_t>(bytes / 4));
  EmitHeader(out, header);
  if (padded != 0) {
    std::memset(out.data() + bytes - 4, 0, 4);  // end of list
    std::memcpy(out.data() + sizeof header, options.data(), options.size());
  }
  return bytes;
}

std::string TcpFlagsToString(uint16_t flags) {
  constexpr struct {
    uint16_t flag;
    char letter;
  } kLetters[] = {{kTcpFin, 'F'}, {kTcpSyn, 'S'}, {kTcpRst, 'R'}, {kTcpPsh, 'P'}, {kTcpAck, '.'},
                  {kTcpUrg, 'U'}, {kTcpEce, 'E'}, {kTcpCwr, 'W'}, {kTcpAe, 'e'}};
  std::string out;
  for (const auto& [flag, letter] : kLetters) {
    if ((flags & flag) != 0) out += letter;
  }
  return out.empty() ? "none" : out;
}

std::string TextWithoutPorts(const TcpView& view) {
  const TcpHeader& h = *view.header;
  std::string out =
      "Flags [" + TcpFlagsToString(h.flags()) + "], seq " + std::to_string(h.seq.host());
  if (!view.payload.empty()) {
    const auto payload_bytes = static_cast<uint32_t>(view.payload.size());
    out += ":" + std::to_string((h.sequence() + payload_bytes).value());
  }
  if (h.ack()) out += ", ack " + std::to_string(h.ack_seq.host());
  out += ", win " + std::to_string(h.window.host());
  if (h.urg()) out += ", urg " + std::to_string(h.urg_ptr.host());
  if (!view.options.empty()) out += ", options [" + TcpOptionsToString(view.options) + "]";
  return out + ", length " + std::to_string(view.payload.size());
}

std::string ToString(const TcpView& view) {
  return std::to_string(view.header->source.host()) + " > " +
         std::to_string(view.header->dest.host()) + ": " + TextWithoutPorts(view);
}

}  // namespace tapedeck::wire
