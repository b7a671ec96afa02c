#include "replay/script/segment_text.h"

#include <cstdint>
#include <limits>

#include "absl/strings/str_cat.h"
#include "replay/script/hex_words.h"
#include "replay/script/symbols.h"
#include "stack/wire/tcp.h"
#include "stack/wire/text.h"

namespace tapedeck {
namespace {

constexpr Symbol kTcpFlagNames[] = {
    {"FIN", wire::kTcpFin}, {"SYN", wire::kTcpSyn}, {"RST", wire::kTcpRst},
    {"PSH", wire::kTcpPsh}, {"ACK", wire::kTcpAck}, {"URG", wire::kTcpUrg},
    {"ECE", wire::kTcpEce}, {"CWR", wire::kTcpCwr}, {"AE", wire::kTcpAe}};
constexpr SymbolTable kTcpFlagSymbols = {"TCP flags", 0, kTcpFlagNames};

constexpr Symbol kWrongNames[] = {{"tcp_checksum", SegmentStep::kWrongTcpChecksum},
                                  {"ip_checksum", SegmentStep::kWrongIpChecksum},
                                  {"data_offset", SegmentStep::kWrongDataOffset},
                                  {"length", SegmentStep::kWrongLength}};
constexpr SymbolTable kWrongSymbols = {"what is wrong with a segment", 0, kWrongNames};

int32_t Offset(TextParser& parser) {
  return static_cast<int32_t>(parser.Integer(std::numeric_limits<int32_t>::min(),
                                             std::numeric_limits<int32_t>::max(), "a distance"));
}
uint16_t Number16(TextParser& parser, std::string_view what) {
  return static_cast<uint16_t>(parser.Integer(0, 0xffff, what));
}

// One field. False if the next token is none.
bool ParseField(TextParser& parser, SegmentStep& segment) {
  if (parser.TakeIf("v6")) {
    segment.ipv6 = true;
  } else if (parser.TakeIf("seq")) {
    segment.seq = Offset(parser);
  } else if (parser.TakeIf("ack")) {
    segment.ack = Offset(parser);
  } else if (parser.TakeIf("win")) {
    segment.window = Number16(parser, "a window");
  } else if (parser.TakeIf("len")) {
    segment.payload_bytes =
        static_cast<uint32_t>(parser.Integer(0, kSegmentPayloadMax, "a length"));
  } else if (parser.TakeIf("urg")) {
    segment.urgent = Number16(parser, "an urgent pointer");
  } else if (parser.TakeIf("mss")) {
    segment.mss_bytes = Number16(parser, "an MSS");
  } else if (parser.TakeIf("wscale")) {
    segment.window_shift = static_cast<uint8_t>(parser.Integer(0, 255, "a shift"));
  } else if (parser.TakeIf("sackok")) {
    segment.sack_permitted = true;
  } else if (parser.TakeIf("ts")) {
    segment.timestamps.emplace();
    segment.timestamps->val = Offset(parser);
    segment.timestamps->ecr = Offset(parser);
  } else if (parser.TakeIf("sack")) {
    SegmentSackBlock& block = segment.sack.emplace_back();
    block.left = Offset(parser);
    block.right = Offset(parser);
  } else if (parser.TakeIf("options")) {
    parser.Expect("{");
    ParseHexWords(parser, segment.raw_options);
  } else if (parser.TakeIf("wrong")) {
    segment.wrong = static_cast<uint8_t>(parser.Symbols(kWrongSymbols));
  } else {
    return false;
  }
  return true;
}

}  // namespace

void ParseSegment(TextParser& parser, SegmentStep& segment) {
  parser.Expect("segment");
  segment.flow = static_cast<uint8_t>(parser.Integer(0, kSegmentFlowsMax - 1, "a flow"));
  segment.flags = static_cast<uint16_t>(parser.Symbols(kTcpFlagSymbols));
  while (parser.ok() && ParseField(parser, segment)) {
  }
}

void PrintSegment(std::string& out, const SegmentStep& segment) {
  const SegmentStep plain;
  absl::StrAppend(&out, "segment ", static_cast<int>(segment.flow), " ",
                  kTcpFlagSymbols.Print(segment.flags));
  if (segment.ipv6) out += " v6";
  if (segment.seq != 0) absl::StrAppend(&out, " seq ", segment.seq);
  if (segment.ack != 0) absl::StrAppend(&out, " ack ", segment.ack);
  if (segment.window != plain.window) absl::StrAppend(&out, " win ", segment.window);
  if (segment.payload_bytes != 0) absl::StrAppend(&out, " len ", segment.payload_bytes);
  if (segment.urgent != 0) absl::StrAppend(&out, " urg ", segment.urgent);
  if (segment.mss_bytes.has_value()) absl::StrAppend(&out, " mss ", *segment.mss_bytes);
  if (segment.window_shift.has_value()) {
    absl::StrAppend(&out, " wscale ", static_cast<int>(*segment.window_shift));
  }
  if (segment.sack_permitted) out += " sackok";
  if (segment.timestamps.has_value()) {
    absl::StrAppend(&out, " ts ", segment.timestamps->val, " ", segment.timestamps->ecr);
  }
  for (const SegmentSackBlock& block : segment.sack) {
    absl::StrAppend(&out, " sack ", block.left, " ", block.right);
  }
  if (!segment.raw_options.empty()) {
    absl::StrAppend(&out, " options { ", wire::HexBytes(segment.raw_options), " }");
  }
  if (segment.wrong != 0) absl::StrAppend(&out, " wrong ", kWrongSymbols.Print(segment.wrong));
}

}  // namespace tapedeck
