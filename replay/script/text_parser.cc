#include "replay/script/text_parser.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/script/absl_view.h"

namespace tapedeck {
namespace {

// The digits of `text` as a number; nullopt for anything else and for what 64 bits do not hold.
std::optional<uint64_t> ParseDigits(std::string_view text, unsigned base) {
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    const int digit = HexDigitValue(c);
    if (digit < 0 || digit >= static_cast<int>(base)) return std::nullopt;
    if (__builtin_mul_overflow(value, base, &value)) return std::nullopt;
    if (__builtin_add_overflow(value, digit, &value)) return std::nullopt;
  }
  return value;
}

}  // namespace

std::optional<int64_t> ParseWholeNumber(std::string_view text) {
  const bool is_hex = text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  const std::optional<uint64_t> value =
      is_hex ? ParseDigits(text.substr(2), 16) : ParseDigits(text, 10);
  if (!value.has_value() || *value > INT64_MAX) return std::nullopt;
  return static_cast<int64_t>(*value);
}

namespace {

// How many powers of ten of a picosecond a unit is.
std::optional<unsigned> DigitsOfUnit(std::string_view unit) {
  if (unit == "s") return 12;
  if (unit == "ms") return 9;
  if (unit == "us") return 6;
  if (unit == "ns") return 3;
  if (unit == "ps") return 0;
  return std::nullopt;
}

}  // namespace

void TextParser::FailAt(TextPlace place, std::string_view message) {
  if (!ok()) return;
  status_ = absl::InvalidArgumentError(
      absl::StrCat(name_, ":", place.line, ":", place.column, ": ", Absl(message)));
  ahead_ = Token();
  has_ahead_ = true;
}

void TextParser::FailAt(const Token& token, std::string_view expected) {
  FailAt(token.place, absl::StrCat("expected ", Absl(expected), ", found ", token.Describe()));
}

const Token& TextParser::Peek() {
  if (!has_ahead_) ahead_ = Substitute(lexer_.Next());
  has_ahead_ = true;
  return ahead_;
}

void TextParser::Rewind() {
  if (!ok() || !has_ahead_) return;
  lexer_.Rewind(ahead_);
  has_ahead_ = false;
}

// As in packetdrill: NAME="text" is a string, NAME=`command` a command line, a number a number.
Token TextParser::Substitute(const Token& token) const {
  if (token.kind != TokenKind::kWord || defines_ == nullptr || defines_->empty()) return token;
  const auto found = defines_->find(token.text);
  if (found == defines_->end()) return token;
  const std::string_view value = found->second;
  Token out = token;
  const bool quoted = value.size() >= 2 && value.front() == value.back() &&
                      (value.front() == '"' || value.front() == '`');
  out.text = quoted ? value.substr(1, value.size() - 2) : value;
  if (quoted) {
    out.kind = value.front() == '"' ? TokenKind::kString : TokenKind::kCommand;
  } else if (ParseWholeNumber(value).has_value()) {
    out.kind = TokenKind::kNumber;
  }
  return out;
}

Token TextParser::Take() {
  const Token token = Peek();
  if (ok()) has_ahead_ = false;
  return token;
}

const Token& TextParser::PeekHex() {
  Rewind();
  if (!has_ahead_) ahead_ = Substitute(lexer_.NextHex());
  has_ahead_ = true;
  if (ahead_.kind == TokenKind::kNumber) ahead_.kind = TokenKind::kWord;
  return ahead_;
}

Token TextParser::TakeHex() {
  PeekHex();
  return Take();
}

Token TextParser::TakeRaw() {
  Rewind();
  return ok() ? lexer_.NextRaw() : Token();
}

bool TextParser::TakeIf(std::string_view mark_or_word) {
  if (!Peek().Is(mark_or_word)) return false;
  Take();
  return true;
}

void TextParser::Expect(std::string_view mark_or_word) {
  if (!TakeIf(mark_or_word)) FailAt(Peek(), absl::StrCat("'", Absl(mark_or_word), "'"));
}

void TextParser::ExpectEllipsis() {
  if (Peek().kind == TokenKind::kEllipsis) {
    Take();
  } else {
    FailAt(Peek(), "'...'");
  }
}

int64_t TextParser::Integer(int64_t min, int64_t max, std::string_view what) {
  const Token first = Peek();
  const bool is_negative = min < 0 && TakeIf("-");
  const Token number = Take();
  const std::optional<int64_t> digits =
      number.kind == TokenKind::kNumber ? ParseWholeNumber(number.text) : std::nullopt;
  const int64_t value = is_negative ? -digits.value_or(0) : digits.value_or(0);
  if (digits.has_value() && value >= min && value <= max) return value;
  const std::string range = min == INT64_MIN ? "" : absl::StrCat(" in ", min, "..", max);
  FailAt(is_negative && !digits.has_value() ? number : first, absl::StrCat(Absl(what), range));
  return 0;
}

int32_t TextParser::SymbolTerm(const SymbolTable& table) {
  const Token& token = Peek();
  if (token.kind == TokenKind::kWord) {
    const std::optional<int32_t> value = table.Find(token.text);
    if (!value.has_value()) FailAt(token, table.what);
    Take();
    return value.value_or(0);
  }
  if (token.kind != TokenKind::kNumber && !token.Is("-")) {
    FailAt(token, table.what);
    return 0;
  }
  return static_cast<int32_t>(Integer(INT32_MIN, UINT32_MAX, table.what));
}

int32_t TextParser::Symbols(const SymbolTable& table) {
  int32_t value = SymbolTerm(table);
  while (TakeIf("|")) value |= SymbolTerm(table);
  return value;
}

std::string_view TextParser::String(std::string_view what) {
  const Token token = Take();
  if (token.kind == TokenKind::kString) return token.text;
  FailAt(token, what);
  return {};
}

Duration TextParser::Scale(const Token& number, unsigned digits) {
  const size_t point = number.text.find('.');
  const std::string_view whole = number.text.substr(0, point);
  std::string_view fraction =
      point == std::string_view::npos ? std::string_view() : number.text.substr(point + 1);
  while (!fraction.empty() && fraction.back() == '0') fraction.remove_suffix(1);
  if (fraction.size() > digits) {
    FailAt(number.place, "a time finer than a picosecond");
    return {};
  }
  std::string all(whole);
  all += fraction;
  all.append(digits - fraction.size(), '0');
  const std::optional<uint64_t> ps = ParseDigits(all, 10);
  if (!ps.has_value()) FailAt(number, "a time");
  return Duration::Picoseconds(ps.value_or(0));
}

Duration TextParser::Time() {
  const Token number = Take();
  if (number.kind != TokenKind::kNumber) {
    FailAt(number, "a time");
    return {};
  }
  unsigned digits = 12;
  if (Peek().kind == TokenKind::kWord && number.Touches(Peek())) {
    const std::optional<unsigned> unit = DigitsOfUnit(Peek().text);
    if (!unit.has_value()) FailAt(Peek(), "s, ms, us, ns or ps");
    digits = unit.value_or(digits);
    Take();
  }
  return Scale(number, digits);
}

std::string TimeText(Duration time) {
  std::string out = absl::StrCat(time.seconds());
  const uint64_t fraction_ps = time.ps % Duration::Seconds(1).ps;
  if (fraction_ps == 0) return out;
  absl::StrAppendFormat(&out, ".%012u", fraction_ps);
  while (out.back() == '0') out.pop_back();
  return out;
}

}  // namespace tapedeck
