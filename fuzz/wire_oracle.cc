#include "fuzz/wire_oracle.h"

#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "fuzz/oracles.h"

namespace tapedeck::fuzz {

namespace {

using Bytes = std::span<const uint8_t>;

constexpr WireFault kFine;

uint32_t Be16(Bytes bytes, size_t at) {
  return static_cast<uint32_t>(bytes[at]) << 8 | bytes[at + 1];
}

// RFC 1071: the one's complement sum of 16-bit words, `sum` so far.
uint32_t AddWords(Bytes bytes, uint32_t sum) {
  // Two words at a time, as one of 32 bits: what is carried between them folding adds again.
  uint64_t total = sum;
  size_t i = 0;
  for (; i + 4 <= bytes.size(); i += 4)
    total += uint64_t{Be16(bytes, i)} << 16 | Be16(bytes, i + 2);
  if (i + 2 <= bytes.size()) total += Be16(bytes, i);
  if (bytes.size() % 2 != 0) total += static_cast<uint32_t>(bytes.back()) << 8;
  while (total > 0xffff) total = (total & 0xffff) + (total >> 16);
  return static_cast<uint32_t>(total);
}
bool SumIsRight(Bytes bytes, uint32_t start) { return AddWords(bytes, start) == 0xffff; }

// The pseudo-header's part: `addresses` are source and destination side by side.
uint32_t PseudoSum(Bytes addresses, uint8_t protocol, size_t segment_bytes) {
  const auto length = static_cast<uint32_t>(segment_bytes);
  return AddWords(addresses, (length & 0xffff) + (length >> 16) + protocol);
}

bool AllZero(Bytes bytes) {
  for (const uint8_t byte : bytes) {
    if (byte != 0) return false;
  }
  return true;
}

// --- TCP (RFC 9293 3.1, 3.2) ---

// The length that an option of this kind has on the wire; 0: any.
size_t TcpOptionLength(uint8_t kind) {
  switch (kind) {
    case 2:
      return 4;
    case 3:
      return 3;
    case 4:
      return 2;
    case 8:
      return 10;
    case 19:
      return 18;
    default:
      return 0;
  }
}

WireFault CheckTcpOptions(Bytes options, bool syn) {
  bool ended = false;
  for (size_t i = 0; i < options.size();) {
    const uint8_t kind = options[i];
    if (ended && kind != 0) return {"padding", "tcp_options"};
    if (kind == 0 || kind == 1) {
      ended = ended || kind == 0;
      ++i;
      continue;
    }
    if (i + 1 >= options.size()) return {"length", "tcp_option"};
    const size_t length = options[i + 1];
    if (length < 2 || i + length > options.size()) return {"length", "tcp_option"};
    const size_t wanted = TcpOptionLength(kind);
    if (wanted != 0 && length != wanted) return {"length", "tcp_option"};
    // RFC 2018 3: blocks of eight bytes.
    if (kind == 5 && (length < 10 || (length - 2) % 8 != 0)) return {"length", "sack"};
    // MSS, window scale and SACK permitted are for SYNs only.
    if (!syn && (kind == 2 || kind == 3 || kind == 4)) return {"only_in_syn", "tcp_option"};
    if (kind == 3 && options[i + 2] > 14) return {"at_most_14", "window_scale"};  // RFC 7323 2.3
    i += length;
  }
  return kFine;
}

WireFault CheckTcp(Bytes segment, uint32_t pseudo_sum) {
  if (segment.size() < 20) return {"length", "tcp"};
  const size_t header = size_t{4} * (segment[12] >> 4);
  if (header < 20 || header > segment.size()) return {"data_offset", "tcp"};
  if (!SumIsRight(segment, pseudo_sum)) return {"checksum", "tcp"};
  if ((segment[12] & 0x0e) != 0) return {"reserved", "tcp"};
  const uint8_t flags = segment[13];
  const bool syn = (flags & 0x02) != 0;
  const bool rst = (flags & 0x04) != 0;
  const bool ack = (flags & 0x10) != 0;
  const bool fin = (flags & 0x01) != 0;
  // A FIN joins what is not acknowledged where memory is short, and that can be the SYN|ACK of a
  // simultaneous open.
  if (syn && !ack && fin) return {"syn_and_fin", "tcp"};
  if (syn && rst) return {"syn_and_rst", "tcp"};
  // Only a first SYN and a RST that answers an ACK acknowledge nothing.
  if (!ack && !syn && !rst) return {fin ? "fin_acknowledges" : "acknowledges", "tcp"};
  if (rst && header < segment.size()) return {"no_data_in_rst", "tcp"};
  if ((flags & 0x20) == 0 && Be16(segment, 18) != 0) return {"urgent_without_flag", "tcp"};
  return CheckTcpOptions(segment.subspan(20, header - 20), syn);
}

// --- UDP (RFC 768), ICMP (RFC 792), ICMPv6 (RFC 4443) ---

WireFault CheckUdp(Bytes datagram, uint32_t pseudo_sum, bool ipv6) {
  if (datagram.size() < 8) return {"length", "udp"};
  if (Be16(datagram, 4) != datagram.size()) return {"length", "udp"};
  if (Be16(datagram, 6) == 0) {
    // RFC 8200 8.1: not optional over IPv6.
    return ipv6 ? WireFault{"checksum_missing", "udp"} : kFine;
  }
  return SumIsRight(datagram, pseudo_sum) ? kFine : WireFault{"checksum", "udp"};
}

// --- IP (RFC 791, RFC 8200) ---

WireFault CheckTransport(uint8_t protocol, Bytes payload, Bytes addresses, bool ipv6) {
  const uint32_t pseudo = PseudoSum(addresses, protocol, payload.size());
  switch (protocol) {
    case 6:
      return CheckTcp(payload, pseudo);
    case 17:
      return CheckUdp(payload, pseudo, ipv6);
    case 1:
      if (ipv6) return kFine;
      if (payload.size() < 8) return {"length", "icmp"};
      return SumIsRight(payload, 0) ? kFine : WireFault{"checksum", "icmp"};
    case 58:
      if (!ipv6) return kFine;
      if (payload.size() < 4) return {"length", "icmpv6"};
      return SumIsRight(payload, pseudo) ? kFine : WireFault{"checksum", "icmpv6"};
    case 2:
      if (ipv6) return kFine;
      return SumIsRight(payload, 0) ? kFine : WireFault{"checksum", "igmp"};
    default:
      return kFine;
  }
}

// What lies behind an IP packet in its frame: padding up to the shortest frame, of zeros.
WireFault CheckPadding(Bytes frame_payload, size_t packet_bytes) {
  constexpr size_t kShortestPayload = 46;
  const Bytes padding = frame_payload.subspan(packet_bytes);
  if (padding.empty()) return kFine;
  if (frame_payload.size() > kShortestPayload) return {"longer_than_packet", "frame"};
  return AllZero(padding) ? kFine : WireFault{"uninitialised_padding", "frame"};
}

// Whether IPv4's options have a source route (RFC 791 3.1), loose or strict.
bool HasSourceRoute(Bytes options) {
  for (size_t i = 0; i < options.size() && options[i] != 0;) {
    if (options[i] == 0x83 || options[i] == 0x89) return true;
    if (options[i] != 1 && (i + 1 == options.size() || options[i + 1] < 2)) return false;
    i += options[i] == 1 ? 1 : options[i + 1];
  }
  return false;
}

WireFault CheckIpv4(Bytes payload) {
  if (payload.size() < 20) return {"length", "ipv4"};
  const size_t header = size_t{4} * (payload[0] & 0x0f);
  const size_t total = Be16(payload, 2);
  if (payload[0] >> 4 != 4) return {"version", "ipv4"};
  if (header < 20 || header > total || total > payload.size()) return {"length", "ipv4"};
  if (!SumIsRight(payload.first(header), 0)) return {"checksum", "ipv4"};
  if (payload[8] == 0) return {"ttl_zero", "ipv4"};
  const uint32_t fragment = Be16(payload, 6);
  if ((fragment & 0x8000) != 0) return {"reserved", "ipv4"};
  const bool more = (fragment & 0x2000) != 0;
  const size_t offset = size_t{8} * (fragment & 0x1fff);
  if (more && (total - header) % 8 != 0) return {"multiple_of_8", "fragment"};
  if (offset + total - header > 65535 - 20) return {"beyond_64k", "fragment"};
  if (payload[12] >= 224) return {"source_is_group", "ipv4"};
  const WireFault padding = CheckPadding(payload, total);
  if (padding.rule != nullptr) return padding;
  if (more || offset != 0) return kFine;
  // With a source route the checksum covers an address that is not the next one.
  if (HasSourceRoute(payload.subspan(20, header - 20))) return kFine;
  return CheckTransport(payload[9], payload.subspan(header, total - header), payload.subspan(12, 8),
                        /*ipv6=*/false);
}

bool IsIpv6Extension(uint8_t next) { return next == 0 || next == 43 || next == 60; }

WireFault CheckIpv6(Bytes payload) {
  if (payload.size() < 40) return {"length", "ipv6"};
  if (payload[0] >> 4 != 6) return {"version", "ipv6"};
  const size_t length = Be16(payload, 4);
  if (40 + length > payload.size()) return {"length", "ipv6"};
  if (payload[8] == 0xff) return {"source_is_group", "ipv6"};
  const WireFault padding = CheckPadding(payload, 40 + length);
  if (padding.rule != nullptr) return padding;
  uint8_t next = payload[6];
  Bytes rest = payload.subspan(40, length);
  while (IsIpv6Extension(next)) {
    // A routing header changes what the checksum covers.
    if (next == 43) return kFine;
    if (rest.size() < 8) return {"length", "extension_header"};
    const size_t bytes = 8 + size_t{8} * rest[1];
    if (bytes > rest.size()) return {"length", "extension_header"};
    next = rest[0];
    rest = rest.subspan(bytes);
  }
  if (next == 44) {
    if (rest.size() < 8) return {"length", "fragment_header"};
    const uint32_t offset = Be16(rest, 2);
    if (rest[1] != 0 || (offset & 6) != 0) return {"reserved", "fragment_header"};
    if ((offset & 1) != 0 && (rest.size() - 8) % 8 != 0) return {"multiple_of_8", "fragment"};
    return kFine;
  }
  return CheckTransport(next, rest, payload.subspan(8, 32), /*ipv6=*/true);
}

// RFC 826, for IPv4 over Ethernet.
WireFault CheckArp(Bytes payload) {
  if (payload.size() < 28) return {"length", "arp"};
  if (Be16(payload, 0) != 1 || Be16(payload, 2) != 0x0800 || payload[4] != 6 || payload[5] != 4) {
    return {"kind_of_address", "arp"};
  }
  const uint32_t operation = Be16(payload, 6);
  if (operation != 1 && operation != 2) return {"operation", "arp"};
  if ((payload[8] & 1) != 0) return {"sender_is_group", "arp"};
  return CheckPadding(payload, 28);
}

// The type behind any VLAN tags, and what follows it.
WireFault TakeOffEthernet(Bytes frame, uint32_t* type, Bytes* payload) {
  constexpr size_t kShortestFrame = 60;
  if (frame.size() < kShortestFrame) return {"length", "frame"};
  if ((frame[6] & 1) != 0) return {"source_is_group", "frame"};
  size_t header = 14;
  *type = Be16(frame, 12);
  while (*type == 0x8100 || *type == 0x88a8) {
    if (frame.size() < header + 4) return {"length", "vlan"};
    *type = Be16(frame, header + 2);
    header += 4;
  }
  *payload = frame.subspan(header);
  return kFine;
}

// Not inline, and by this name: how engines and reports tell this oracle from another.
[[noreturn, gnu::noinline]] void WireFailed(const WireFault& fault, uint64_t event, Bytes frame) {
  ReportBroken("WIRE", fault.rule, fault.object);
  std::fprintf(stderr, "event %" PRIu64 ", %zu bytes:", event, frame.size());
  for (const uint8_t byte : frame.first(frame.size() < 128 ? frame.size() : 128)) {
    std::fprintf(stderr, " %02x", byte);
  }
  std::fprintf(stderr, "\n");
  std::abort();
}

}  // namespace

WireFault CheckWire(Bytes frame) {
  uint32_t type = 0;
  Bytes payload;
  const WireFault fault = TakeOffEthernet(frame, &type, &payload);
  if (fault.rule != nullptr) return fault;
  switch (type) {
    case 0x0800:
      return CheckIpv4(payload);
    case 0x86dd:
      return CheckIpv6(payload);
    case 0x0806:
      return CheckArp(payload);
    default:
      return kFine;
  }
}

WireFault CheckPassedOn(Bytes frame) {
  uint32_t type = 0;
  Bytes payload;
  const WireFault fault = TakeOffEthernet(frame, &type, &payload);
  if (fault.rule != nullptr) return fault;
  if (type == 0x0800 && payload.size() >= 20) {
    const size_t header = size_t{4} * (payload[0] & 0x0f);
    if (payload[8] == 0) return {"ttl_zero", "ipv4"};
    if (header <= payload.size() && !SumIsRight(payload.first(header), 0)) {
      return {"checksum", "ipv4"};
    }
  }
  if (type == 0x86dd && payload.size() >= 40 && payload[7] == 0) return {"hop_limit_zero", "ipv6"};
  return kFine;
}

bool WireOracle::IsAllowed(const WireFault& fault) const {
  const std::string_view rule = fault.rule;
  if (memory_fails_ && (rule == "syn_and_fin" || rule == "fin_acknowledges")) return true;
  return leaves_out_checksums_ && rule == "checksum_missing";
}

void WireOracle::Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) {
  if (!judging_ || event.kind != TraceKind::kWireTx || (event.args[3] & kWireFlagIp) != 0) return;
  const FrameLedger::Frame* const frame = ledger.Find(static_cast<uint32_t>(event.args[0]));
  const bool passed_on = frame != nullptr && frame->passed_on;
  const WireFault fault = passed_on ? CheckPassedOn(event.bytes) : CheckWire(event.bytes);
  if (fault.rule == nullptr) return;
  if (IsAllowed(fault)) return;
  WireFailed(fault, number, event.bytes);
}

}  // namespace tapedeck::fuzz
