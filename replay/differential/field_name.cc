#include "replay/differential/field_name.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "stack/base/byteorder.h"
#include "stack/core/eth.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::differential {

namespace {

struct Field {
  size_t end;  // the first byte behind it
  const char* name;
};

constexpr Field kEthernetFields[] = {{6, "eth.dest"}, {12, "eth.source"}, {14, "eth.proto"}};
constexpr Field kArpFields[] = {{2, "arp.hrd"},  {4, "arp.pro"},  {5, "arp.hln"},
                                {6, "arp.pln"},  {8, "arp.op"},   {14, "arp.sha"},
                                {18, "arp.sip"}, {24, "arp.tha"}, {28, "arp.tip"}};
constexpr Field kIpv4Fields[] = {{1, "ip.ihl"},       {2, "ip.tos"},      {4, "ip.len"},
                                 {6, "ip.id"},        {8, "ip.frag_off"}, {9, "ip.ttl"},
                                 {10, "ip.protocol"}, {12, "ip.check"},   {16, "ip.saddr"},
                                 {20, "ip.daddr"},    {60, "ip.options"}};
constexpr Field kIpv6Fields[] = {{4, "ip6.flow"},      {6, "ip6.payload_len"}, {7, "ip6.nexthdr"},
                                 {8, "ip6.hop_limit"}, {24, "ip6.saddr"},      {40, "ip6.daddr"}};
constexpr Field kIcmpFields[] = {
    {1, "icmp.type"}, {2, "icmp.code"}, {4, "icmp.checksum"}, {8, "icmp.rest"}};
constexpr Field kUdpFields[] = {
    {2, "udp.source"}, {4, "udp.dest"}, {6, "udp.len"}, {8, "udp.check"}};
constexpr Field kTcpFields[] = {{2, "tcp.source"}, {4, "tcp.dest"},     {8, "tcp.seq"},
                                {12, "tcp.ack"},   {14, "tcp.flags"},   {16, "tcp.window"},
                                {18, "tcp.check"}, {20, "tcp.urg_ptr"}, {60, "tcp.options"}};

const char* Find(std::span<const Field> fields, size_t offset) {
  for (const Field& field : fields) {
    if (offset < field.end) return field.name;
  }
  return "payload";
}

const char* FindTransport(uint8_t protocol, const uint8_t* header, size_t offset) {
  switch (protocol) {
    case wire::kIpProtoIcmp:
    case wire::kIpProtoIcmpv6:
      return Find(kIcmpFields, offset);
    case wire::kIpProtoUdp:
      return Find(kUdpFields, offset);
    case wire::kIpProtoTcp: {
      const size_t header_bytes = (header[12] >> 4) * size_t{4};
      return offset >= header_bytes ? "payload" : Find(kTcpFields, offset);
    }
    default:
      return "payload";
  }
}

}  // namespace

std::string FieldName(const std::vector<uint8_t>& frame, size_t offset) {
  constexpr size_t kLongestHeader = 20;
  if (offset >= frame.size()) return "length";
  if (offset < kEthHeaderBytes || frame.size() < kEthHeaderBytes + kLongestHeader) {
    return Find(kEthernetFields, offset);
  }
  const uint8_t* const packet = frame.data() + kEthHeaderBytes;
  offset -= kEthHeaderBytes;
  size_t header_bytes = 40;
  uint8_t protocol = packet[6];
  std::span<const Field> fields = kIpv6Fields;
  switch (LoadBe16(frame.data() + 12)) {
    case wire::kEtherTypeArp:
      return Find(kArpFields, offset);
    case wire::kEtherTypeIpv4:
      header_bytes = (packet[0] & 15U) * 4;
      protocol = packet[9];
      fields = kIpv4Fields;
      break;
    case wire::kEtherTypeIpv6:
      break;
    default:
      return "payload";
  }
  if (offset < header_bytes) return Find(fields, offset);
  if (frame.size() < kEthHeaderBytes + header_bytes + kLongestHeader) protocol = 0;
  return FindTransport(protocol, packet + header_bytes, offset - header_bytes);
}

std::string Shape(const std::string& text) {
  std::string shape;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    const bool number =
        std::any_of(word.begin(), word.end(), absl::ascii_isdigit) || absl::StrContains(word, "::");
    const bool name = word == "IP6" || word == "ICMP6" || absl::StartsWith(word, "tap");
    absl::StrAppend(&shape, shape.empty() ? "" : " ", number && !name ? "#" : word);
  }
  return shape;
}

}  // namespace tapedeck::differential
