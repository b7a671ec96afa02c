#include "replay/script/packet_text.h"

#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/script/outer_header_text.h"
#include "replay/script/tcp_option_text.h"

namespace tapedeck {
namespace {

// --- Parsing ---

uint32_t ParseU32(TextParser& parser, std::string_view what) {
  return static_cast<uint32_t>(parser.Integer(0, UINT32_MAX, what));
}
uint16_t ParseU16(TextParser& parser, std::string_view what) {
  return static_cast<uint16_t>(parser.Integer(0, UINT16_MAX, what));
}

// "8080 > 40000", or nothing.
template <typename Packet>
void ParsePorts(TextParser& parser, Packet& packet) {
  const Token& next = parser.Peek();
  if (next.kind != TokenKind::kNumber || next.text.find('.') != std::string_view::npos) return;
  packet.source_port = ParseU16(parser, "a port");
  parser.Expect(">");
  packet.dest_port = ParseU16(parser, "a port");
}

// "(100)"
uint16_t ParsePayload(TextParser& parser) {
  parser.Expect("(");
  const uint16_t bytes = ParseU16(parser, "a payload's length");
  parser.Expect(")");
  return bytes;
}

struct FlagName {
  char name;
  uint16_t flag;
};
// In the order in which they are printed.
constexpr FlagName kFlagNames[] = {
    {'S', kTcpSyn}, {'E', kTcpEce}, {'W', kTcpCwr}, {'A', kTcpAe},  {'F', kTcpFin},
    {'R', kTcpRst}, {'P', kTcpPsh}, {'U', kTcpUrg}, {'.', kTcpAck},
};
constexpr uint16_t kEcnFlags = kTcpEce | kTcpCwr | kTcpAe;
constexpr unsigned kAceShift = 6;  // the ACE field is AE, CWR, ECE from the high bit down
static_assert(kEcnFlags >> kAceShift == 7);

// One character; false if it is none, or stands for flags that are there already.
bool AddFlag(char c, TcpPacket& tcp) {
  if (c >= '0' && c <= '7') {
    if (tcp.ace || (tcp.flags & kEcnFlags) != 0) return false;
    tcp.ace = true;
    tcp.flags |= static_cast<uint16_t>((c - '0') << kAceShift);
    return true;
  }
  for (const FlagName& known : kFlagNames) {
    if (known.name != c) continue;
    if (tcp.ace && (known.flag & kEcnFlags) != 0) return false;
    tcp.flags |= known.flag;
    return true;
  }
  return false;
}

void ParseFlags(TextParser& parser, TcpPacket& tcp) {
  const Token token = parser.TakeRaw();
  if (token.text == "-") return;
  bool holds = !token.text.empty();
  for (const char c : token.text) holds = holds && AddFlag(c, tcp);
  if (!holds) parser.FailAt(token, "TCP flags (of FSRPEWAU. or -, or a number 0..7 for EWA)");
}

// "1:1001(1000)"
void ParseSequence(TextParser& parser, uint32_t& sequence, uint16_t& payload_bytes) {
  const TextPlace place = parser.Peek().place;
  sequence = ParseU32(parser, "a sequence number");
  parser.Expect(":");
  const uint32_t end = ParseU32(parser, "a sequence number");
  payload_bytes = ParsePayload(parser);
  if (end != sequence + payload_bytes) {
    parser.FailAt(place, absl::StrCat("expected ", sequence, ":", sequence + payload_bytes, "(",
                                      payload_bytes, "), found ", sequence, ":", end, "(",
                                      payload_bytes, ")"));
  }
}

void ParseTcpOptions(TextParser& parser, bool inbound, TcpPacket& tcp) {
  if (!parser.TakeIf("<")) return;
  const Token first = parser.Peek();
  if (first.kind != TokenKind::kEllipsis) {
    tcp.options = ParseTcpOptionList(parser);
    return;
  }
  parser.Take();
  parser.Expect(">");
  if (inbound) parser.FailAt(first, "TCP options of a packet that is sent to the stack");
  tcp.options.reset();
}

void ParseTcp(TextParser& parser, bool inbound, TcpPacket& tcp) {
  ParsePorts(parser, tcp);
  ParseFlags(parser, tcp);
  ParseSequence(parser, tcp.sequence, tcp.payload_bytes);
  tcp.has_ack = parser.TakeIf("ack");
  if (tcp.has_ack) tcp.ack = ParseU32(parser, "an acknowledgement number");
  if (parser.TakeIf("win")) {
    tcp.window = ParseU16(parser, "a window");
  } else if (inbound) {
    parser.FailAt(parser.Peek(), "'win' of a packet that is sent to the stack");
  }
  if (parser.TakeIf("urg")) tcp.urgent = ParseU16(parser, "an urgent pointer");
  ParseTcpOptions(parser, inbound, tcp);
}

void ParseUdp(TextParser& parser, UdpPacket& udp) {
  ParsePorts(parser, udp);
  udp.payload_bytes = ParsePayload(parser);
}

// "[1:1001(1000)]", "[udp (100)]", "[raw (100)]", the '[' being taken.
IcmpQuote ParseQuote(TextParser& parser) {
  IcmpQuote quote;
  if (parser.TakeIf("udp")) {
    quote.protocol = IcmpQuote::Protocol::kUdp;
    quote.payload_bytes = ParsePayload(parser);
  } else if (parser.TakeIf("raw")) {
    quote.protocol = IcmpQuote::Protocol::kRaw;
    quote.payload_bytes = ParsePayload(parser);
  } else {
    ParseSequence(parser, quote.sequence, quote.payload_bytes);
  }
  parser.Expect("]");
  return quote;
}

void ParseIcmp(TextParser& parser, IcmpPacket& icmp) {
  const Token type = parser.Take();
  if (type.kind != TokenKind::kWord) parser.FailAt(type, "a type of ICMP message");
  icmp.type = std::string(type.text);
  const Token& next = parser.Peek();
  if (next.kind == TokenKind::kWord && !next.Is("mtu") && !next.Is("id")) {
    icmp.code = std::string(parser.Take().text);
  }
  if (parser.TakeIf("mtu")) icmp.mtu = ParseU32(parser, "an MTU");
  if (parser.TakeIf("id")) icmp.echo_id = ParseU16(parser, "an identifier");
  if (parser.TakeIf("[")) icmp.quote = ParseQuote(parser);
  if (!parser.ok()) return;
  const absl::StatusOr<IcmpNumbers> v4 = ResolveIcmp(icmp, AddressFamily::kIpv4);
  if (!v4.ok() && !ResolveIcmp(icmp, AddressFamily::kIpv6).ok()) {
    parser.FailAt(type.place, std::string(v4.status().message()));
  }
}

// --- Printing ---

template <typename Packet>
void PrintPorts(std::string& out, const Packet& packet) {
  if (!packet.source_port.has_value()) return;
  absl::StrAppend(&out, *packet.source_port, " > ", packet.dest_port.value_or(0), " ");
}

void PrintFlags(std::string& out, const TcpPacket& tcp) {
  const size_t begin = out.size();
  for (const FlagName& known : kFlagNames) {
    if (tcp.ace && (known.flag & kEcnFlags) != 0) continue;
    if ((tcp.flags & known.flag) != 0) out += known.name;
  }
  if (tcp.ace) out += static_cast<char>('0' + ((tcp.flags & kEcnFlags) >> kAceShift));
  if (out.size() == begin) out += '-';
}

void PrintSequence(std::string& out, uint32_t sequence, uint16_t payload_bytes) {
  absl::StrAppend(&out, sequence, ":", sequence + payload_bytes, "(", payload_bytes, ")");
}

void PrintWhat(std::string& out, const TcpPacket& tcp) {
  PrintPorts(out, tcp);
  PrintFlags(out, tcp);
  out += ' ';
  PrintSequence(out, tcp.sequence, tcp.payload_bytes);
  if (tcp.has_ack) absl::StrAppend(&out, " ack ", tcp.ack);
  if (tcp.window.has_value()) absl::StrAppend(&out, " win ", *tcp.window);
  if (tcp.urgent != 0) absl::StrAppend(&out, " urg ", tcp.urgent);
  if (!tcp.options.has_value()) {
    out += " <...>";
  } else if (!tcp.options->empty()) {
    out += " <";
    PrintTcpOptions(out, *tcp.options);
    out += '>';
  }
}

void PrintWhat(std::string& out, const UdpPacket& udp) {
  out += "udp ";
  PrintPorts(out, udp);
  absl::StrAppend(&out, "(", udp.payload_bytes, ")");
}

void PrintQuote(std::string& out, const IcmpQuote& quote) {
  out += " [";
  switch (quote.protocol) {
    case IcmpQuote::Protocol::kTcp:
      PrintSequence(out, quote.sequence, quote.payload_bytes);
      break;
    case IcmpQuote::Protocol::kUdp:
      absl::StrAppend(&out, "udp (", quote.payload_bytes, ")");
      break;
    case IcmpQuote::Protocol::kRaw:
      absl::StrAppend(&out, "raw (", quote.payload_bytes, ")");
      break;
  }
  out += ']';
}

void PrintWhat(std::string& out, const IcmpPacket& icmp) {
  absl::StrAppend(&out, "icmp ", icmp.type);
  if (!icmp.code.empty()) absl::StrAppend(&out, " ", icmp.code);
  if (icmp.mtu.has_value()) absl::StrAppend(&out, " mtu ", *icmp.mtu);
  if (icmp.echo_id.has_value()) absl::StrAppend(&out, " id ", *icmp.echo_id);
  if (icmp.quote.has_value()) PrintQuote(out, *icmp.quote);
}

}  // namespace

void ParsePacket(TextParser& parser, PacketStep& packet) {
  const bool inbound = parser.TakeIf("<");
  if (!inbound) parser.Expect(">");
  packet.direction = inbound ? PacketStep::Direction::kInbound : PacketStep::Direction::kOutbound;
  packet.outer = ParseOuterHeaders(parser, inbound);
  packet.ip = ParseIpFields(parser, inbound);
  if (parser.TakeIf("udp")) {
    ParseUdp(parser, packet.what.emplace<UdpPacket>());
  } else if (parser.TakeIf("icmp")) {
    ParseIcmp(parser, packet.what.emplace<IcmpPacket>());
  } else if (parser.Peek().Is("encap")) {
    parser.FailAt(parser.Peek().place, "PSP encapsulation is not known here");
  } else {
    ParseTcp(parser, inbound, packet.what.emplace<TcpPacket>());
  }
}

void PrintPacket(std::string& out, const PacketStep& packet) {
  out += packet.inbound() ? "< " : "> ";
  PrintOuterHeaders(out, packet.outer);
  PrintIpFields(out, packet.ip);
  std::visit([&out](const auto& what) { PrintWhat(out, what); }, packet.what);
}

}  // namespace tapedeck
