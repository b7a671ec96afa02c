#include "replay/script/lexer.h"

#include "absl/strings/str_cat.h"

namespace tapedeck {
namespace {

// Of the C locale, whatever the locale is.
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsWordPart(char c) { return IsLetter(c) || IsDigit(c); }
bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
bool IsPrintable(char c) { return c >= ' ' && c <= '~'; }

// `text` between quotes, long ones cut, with nothing in it that a terminal would act on.
std::string Quoted(std::string_view text, char quote) {
  constexpr size_t kShownMax = 40;
  std::string out(1, quote);
  for (const char c : text.substr(0, kShownMax)) {
    if (IsPrintable(c)) {
      out += c;
    } else {
      absl::StrAppend(&out, "\\x", absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad2));
    }
  }
  if (text.size() > kShownMax) out += "...";
  return out += quote;
}

}  // namespace

std::string Token::Describe() const {
  switch (kind) {
    case TokenKind::kEnd:
      return "the end of the text";
    case TokenKind::kString:
      return absl::StrCat("string ", Quoted(text, '"'));
    case TokenKind::kBroken:
      return text.substr(0, 1) == "\"" ? "a string without its end" : "a comment without its end";
    case TokenKind::kWord:
    case TokenKind::kNumber:
    case TokenKind::kEllipsis:
    case TokenKind::kMark:
      break;
  }
  return Quoted(text, '\'');
}

int HexDigitValue(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void Lexer::Advance() {
  if (*next_ == '\n') {
    ++place_.line;
    place_.column = 1;
  } else {
    ++place_.column;
  }
  ++next_;
}

bool Lexer::SkipComment() {
  if (Peek() == '#' || (Peek() == '/' && Peek(1) == '/')) {
    while (left() != 0 && *next_ != '\n') Advance();
    return true;
  }
  const std::string_view rest(next_, left());
  const size_t close = rest.find("*/", 2);
  if (close == std::string_view::npos) return false;
  for (size_t i = 0; i < close + 2; ++i) Advance();
  return true;
}

void Lexer::SkipSpace() {
  while (left() != 0) {
    if (IsSpace(*next_)) {
      Advance();
      continue;
    }
    const bool is_comment = Peek() == '#' || (Peek() == '/' && (Peek(1) == '/' || Peek(1) == '*'));
    if (!is_comment || !SkipComment()) return;
  }
}

TokenKind Lexer::ScanNumber() {
  if (Peek() == '0' && (Peek(1) == 'x' || Peek(1) == 'X')) {
    while (IsWordPart(Peek())) Advance();
    return TokenKind::kNumber;
  }
  while (IsDigit(Peek())) Advance();
  // "0...1" is a number, an ellipsis and a number.
  if (Peek() == '.' && IsDigit(Peek(1))) {
    Advance();
    while (IsDigit(Peek())) Advance();
  }
  return TokenKind::kNumber;
}

TokenKind Lexer::ScanString() {
  const std::string_view rest(next_, left());
  const size_t close = rest.find_first_of("\"\n", 1);
  if (close == std::string_view::npos || rest[close] == '\n') return TokenKind::kBroken;
  for (size_t i = 0; i <= close; ++i) Advance();
  return TokenKind::kString;
}

TokenKind Lexer::Scan() {
  if (left() == 0) return TokenKind::kEnd;
  const char c = Peek();
  if (c == '"') return ScanString();
  if (c == '/' && Peek(1) == '*') return TokenKind::kBroken;  // SkipSpace() found no end
  if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) return ScanNumber();
  if (IsLetter(c)) {
    while (IsWordPart(Peek())) Advance();
    return TokenKind::kWord;
  }
  if (c == '.' && Peek(1) == '.' && Peek(2) == '.') {
    for (int i = 0; i < 3; ++i) Advance();
    return TokenKind::kEllipsis;
  }
  Advance();
  return TokenKind::kMark;
}

Token Lexer::Finish(TokenKind kind, const char* begin, TextPlace place) {
  Token token;
  token.kind = kind;
  token.place = place;
  token.begin = begin;
  token.end = next_;
  token.text = {begin, static_cast<size_t>((kind == TokenKind::kBroken ? end_ : next_) - begin)};
  if (kind == TokenKind::kString) token.text = token.text.substr(1, token.text.size() - 2);
  return token;
}

Token Lexer::Next() {
  SkipSpace();
  const char* const begin = next_;
  const TextPlace place = place_;
  return Finish(Scan(), begin, place);
}

Token Lexer::NextHex() {
  SkipSpace();
  if (!IsWordPart(Peek())) return Next();
  const char* const begin = next_;
  const TextPlace place = place_;
  while (IsWordPart(Peek())) Advance();
  return Finish(TokenKind::kWord, begin, place);
}

}  // namespace tapedeck
