#include "replay/script/frame_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "replay/script/hex_words.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/text.h"

namespace tapedeck {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr size_t kRowBytes = 20;
constexpr size_t kGroupBytes = 2;

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
  ParseHexWords(parser, frame.bytes);
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
