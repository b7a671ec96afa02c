#include "replay/script/hex_words.h"

#include <string_view>

#include "replay/script/lexer.h"

namespace tapedeck {
namespace {

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

}  // namespace

void ParseHexWords(TextParser& parser, std::vector<uint8_t>& bytes) {
  for (Token token = parser.TakeHex(); parser.ok() && !token.Is("}"); token = parser.TakeHex()) {
    if (token.kind != TokenKind::kWord || !AppendHex(token.text, bytes)) {
      parser.FailAt(token, "pairs of hexadecimal digits or '}'");
    }
  }
}

}  // namespace tapedeck
