#include "replay/script/frame_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "stack/wire/ethernet.h"
#include "stack/wire/text.h"

namespace tapedeck {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr size_t kRowBytes = 20;
constexpr size_t kGroupBytes = 2;

// Appends the bytes of a run of digits. False if it is none.
bool AppendHex(std::string_view digits, std::vector<uint8_t>& bytes) {
  if (digits.size() % 2 != 0) return false;
  for (size_t i = 0; i < digits.size(); i += 2) {
    const int high = HexDigitValue(digits[i]);
    const int low = HexDigitValue(digits[i + 1]);
    if (high < 0 || low < 0) return false;
    bytes.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  return true;
}

// Takes `count` bytes off the front of `rest`, fewer where there are fewer.
Bytes TakeFront(Bytes& rest, size_t count) {
  const Bytes front = rest.first(std::min(count, rest.size()));
  rest = rest.subspan(front.size());
  return front;
}

// A line of bytes in groups of these sizes; the last size goes on.
void PrintRow(std::string& out, Bytes row, std::span<const size_t> group_bytes) {
  out += "   ";
  for (size_t i = 0; !row.empty(); ++i) {
    out += ' ';
    out += wire::HexBytes(TakeFront(row, group_bytes[std::min(i, group_bytes.size() - 1)]));
  }
  out += '\n';
}

}  // namespace

void ParseFrame(TextParser& parser, FrameStep& frame) {
  parser.Expect("frame");
  while (parser.ok() && !parser.Peek().Is("{")) {
    if (parser.TakeIf("bad_fcs")) {
      frame.bad_fcs = true;
    } else if (parser.TakeIf("repair")) {
      frame.repair_checksums = true;
    } else {
      parser.FailAt(parser.Peek(), "bad_fcs, repair or '{'");
    }
  }
  parser.Expect("{");
  for (Token token = parser.TakeHex(); parser.ok() && !token.Is("}"); token = parser.TakeHex()) {
    if (token.kind != TokenKind::kWord || !AppendHex(token.text, frame.bytes)) {
      parser.FailAt(token, "pairs of hexadecimal digits or '}'");
    }
  }
}

void PrintFrame(std::string& out, const FrameStep& frame) {
  constexpr std::array<size_t, 3> kEthernetGroups = {6, 6, 2};
  constexpr std::array<size_t, 1> kPlainGroups = {kGroupBytes};
  out += "frame ";
  if (frame.bad_fcs) out += "bad_fcs ";
  if (frame.repair_checksums) out += "repair ";
  Bytes rest = frame.bytes;
  if (rest.empty()) {
    out += "{}";
    return;
  }
  out += "{\n";
  PrintRow(out, TakeFront(rest, sizeof(wire::EthernetHeader)), kEthernetGroups);
  while (!rest.empty()) PrintRow(out, TakeFront(rest, kRowBytes), kPlainGroups);
  out += '}';
}

}  // namespace tapedeck
