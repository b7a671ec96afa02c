#include "nicmodel/rx_parse.h"

#include "nicmodel/descriptors.h"
#include "nicmodel/frame_layout.h"
#include "stack/base/byteorder.h"
#include "stack/base/checksum.h"

namespace tapedeck::nic {

namespace {

constexpr uint8_t kProtocolHopByHop = 0;
constexpr uint8_t kProtocolFragment = 44;
constexpr uint8_t kProtocolDestinationOptions = 60;
constexpr uint8_t kProtocolSctp = 132;

// A right header sums to all ones, whichever way round its bytes are taken. REQUIRES: at least 20
// bytes.
bool HeaderSumGood(const uint8_t* ip, size_t header_bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i < 20; i += 4) sum += LoadLe32(ip + i);
  for (size_t i = 20; i < header_bytes; i += 4) sum += LoadLe32(ip + i);
  return csum_from64to16(sum) == 0xffff;
}

// The transport header at `offset`, of which `l4_bytes` belong to the datagram by its IP header.
void ParseL4(std::span<const uint8_t> frame, uint8_t protocol, size_t offset, size_t l4_bytes,
             RxParse* parse) {
  if (offset > frame.size()) return;
  const size_t available = frame.size() - offset;
  parse->ports_offset = static_cast<uint16_t>(offset);
  if (protocol == kProtocolTcp) {
    if (available < kTcpBytesMin) return;
    parse->packet_type |= kPacketTcp;
    if (l4_bytes < kTcpBytesMin) return;
  } else if (protocol == kProtocolUdp) {
    if (available < kUdpBytes) return;
    parse->packet_type |= kPacketUdp;
    // Checksum 0: the sender made none (RFC 768). Nothing to check.
    if (l4_bytes < kUdpBytes || LoadBe16(&frame[offset + 6]) == 0) return;
  } else {
    if (protocol == kProtocolSctp) parse->packet_type |= kPacketSctp;
    return;
  }
  if (l4_bytes > available) return;
  parse->l4_offset = static_cast<uint16_t>(offset);
  parse->l4_bytes = static_cast<uint16_t>(l4_bytes);
}

void ParseIpv4(std::span<const uint8_t> frame, size_t l3, RxParse* parse) {
  if (frame.size() < l3 + 20) return;
  const uint8_t* const ip = &frame[l3];
  const size_t header_bytes = size_t{ip[0] & 0x0fU} * 4;
  if (ip[0] >> 4 != 4 || header_bytes < 20 || frame.size() < l3 + header_bytes) return;
  parse->l3_offset = static_cast<uint8_t>(l3);
  parse->packet_type |= header_bytes > 20 ? kPacketIpv4 | kPacketIpv4Options : kPacketIpv4;
  parse->ipv4_checksum_bad = !HeaderSumGood(ip, header_bytes);
  const size_t total_bytes = LoadBe16(ip + 2);
  // MF or an offset: not a whole datagram, so the transport is neither told nor checked.
  parse->fragment = (LoadBe16(ip + 6) & 0x3fff) != 0;
  if (parse->fragment || total_bytes < header_bytes) return;
  ParseL4(frame, ip[9], l3 + header_bytes, total_bytes - header_bytes, parse);
}

void ParseIpv6(std::span<const uint8_t> frame, size_t l3, RxParse* parse) {
  if (frame.size() < l3 + 40 || frame[l3] >> 4 != 6) return;
  parse->l3_offset = static_cast<uint8_t>(l3);
  parse->packet_type |= kPacketIpv6;
  const size_t end = l3 + 40 + LoadBe16(&frame[l3 + 4]);
  uint8_t next = frame[l3 + 6];
  size_t offset = l3 + 40;
  while (next == kProtocolHopByHop || next == kProtocolDestinationOptions) {
    parse->packet_type |= kPacketIpv6Extensions;
    if (frame.size() < offset + 8) return;
    next = frame[offset];
    offset += (size_t{frame[offset + 1]} + 1) * 8;
  }
  if (next == kProtocolFragment) {
    parse->packet_type |= kPacketIpv6Extensions;
    parse->fragment = true;
    return;
  }
  if (offset > end) return;
  ParseL4(frame, next, offset, end - offset, parse);
}

}  // namespace

void ParseRx(std::span<const uint8_t> frame, uint16_t vlan_ethertype, RxParse* parse) {
  *parse = {};
  size_t l3 = kEthernetBytes;
  uint16_t ethertype = LoadBe16(&frame[12]);
  if (ethertype == vlan_ethertype && frame.size() >= kEthernetBytes + kTagBytes) {
    parse->vlan = true;
    parse->vlan_tci = LoadBe16(&frame[14]);
    ethertype = LoadBe16(&frame[16]);
    l3 += kTagBytes;
  }
  if (ethertype == 0x0800) ParseIpv4(frame, l3, parse);
  if (ethertype == 0x86dd) ParseIpv6(frame, l3, parse);
}

}  // namespace tapedeck::nic
