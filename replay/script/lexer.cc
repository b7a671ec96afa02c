#include "replay/script/lexer.h"

#include "absl/strings/str_cat.h"
#include "replay/script/characters.h"

namespace tapedeck {
namespace {

// Of the C locale, whatever the locale is.
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

std::string DescribeBroken(std::string_view text) {
  switch (text.empty() ? ' ' : text[0]) {
    case '/':
      return "a comment without its end";
    case '%':
      return "code without its end";
    case '`':
      return "a command line without its end";
    default:
      return "a string without its end";
  }
}

}  // namespace

std::string Token::Describe() const {
  switch (kind) {
    case TokenKind::kEnd:
      return "the end of the text";
    case TokenKind::kString:
      return absl::StrCat("string ", Quoted(text, '"'));
    case TokenKind::kCommand:
      return "a command line";
    case TokenKind::kCode:
      return "code";
    case TokenKind::kBroken:
      return DescribeBroken(text);
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

void Lexer::Advance(size_t count) {
  for (size_t i = 0; i < count; ++i) Advance();
}

bool Lexer::SkipComment() {
  if (Peek() == '#' || (Peek() == '/' && Peek(1) == '/')) {
    while (left() != 0 && *next_ != '\n') Advance();
    return true;
  }
  const std::string_view rest(next_, left());
  const size_t close = rest.find("*/", 2);
  if (close == std::string_view::npos) return false;
  Advance(close + 2);
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
    while (IsNamePart(Peek())) Advance();
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

TokenKind Lexer::ScanWord() {
  while (IsNamePart(Peek())) Advance();
  return TokenKind::kWord;
}

TokenKind Lexer::ScanQuoted(TokenKind kind, bool may_span_lines) {
  const std::string_view rest(next_, left());
  for (size_t i = 1; i < rest.size() && (may_span_lines || rest[i] != '\n'); ++i) {
    if (rest[i] == '\\') {
      ++i;
    } else if (rest[i] == rest[0]) {
      Advance(i + 1);
      return kind;
    }
  }
  return TokenKind::kBroken;
}

TokenKind Lexer::ScanCode() {
  const size_t close = std::string_view(next_, left()).find("}%", 2);
  if (close == std::string_view::npos) return TokenKind::kBroken;
  Advance(close + 2);
  return TokenKind::kCode;
}

TokenKind Lexer::Scan() {
  if (left() == 0) return TokenKind::kEnd;
  const char c = Peek();
  if (c == '"') return ScanQuoted(TokenKind::kString, /*may_span_lines=*/false);
  if (c == '`') return ScanQuoted(TokenKind::kCommand, /*may_span_lines=*/true);
  if (c == '%' && Peek(1) == '{') return ScanCode();
  if (c == '/' && Peek(1) == '*') return TokenKind::kBroken;  // SkipSpace() found no end
  if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) return ScanNumber();
  if (IsNameStart(c)) return ScanWord();
  if (c == '.' && Peek(1) == '.' && Peek(2) == '.') {
    Advance(3);
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
  const size_t mark = kind == TokenKind::kCode ? 2 : 1;
  if (kind == TokenKind::kString || kind == TokenKind::kCommand || kind == TokenKind::kCode) {
    token.text = token.text.substr(mark, token.text.size() - 2 * mark);
  }
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
  if (!IsNamePart(Peek())) return Next();
  const char* const begin = next_;
  const TextPlace place = place_;
  return Finish(ScanWord(), begin, place);
}

Token Lexer::NextRaw() {
  SkipSpace();
  const char* const begin = next_;
  const TextPlace place = place_;
  while (left() != 0 && !IsSpace(Peek())) {
    const bool quotes = Peek() == '"' || Peek() == '`';
    if (!quotes) {
      Advance();
    } else if (ScanQuoted(TokenKind::kWord, /*may_span_lines=*/true) == TokenKind::kBroken) {
      return Finish(TokenKind::kBroken, begin, place);
    }
  }
  return Finish(begin == next_ ? TokenKind::kEnd : TokenKind::kWord, begin, place);
}

}  // namespace tapedeck
