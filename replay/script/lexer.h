// Words, numbers and marks of the text spelling, one at a time, with the place of each. Line ends
// are white space; comments are //, # and /* */.
#ifndef TAPEDECK_REPLAY_SCRIPT_LEXER_H_
#define TAPEDECK_REPLAY_SCRIPT_LEXER_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace tapedeck {

// A place in a text, from 1. A column is a byte.
struct TextPlace {
  uint32_t line = 1;
  uint32_t column = 1;
};

enum class TokenKind : uint8_t {
  kEnd,
  kWord,      // letters, digits and _, not beginning with a digit
  kNumber,    // 12, 0x1f, 0.25, .5
  kString,    // "...", where \ takes the meaning from the character behind it
  kCommand,   // `...`, the same
  kCode,      // %{ ... }%
  kEllipsis,  // ...
  kMark,      // any other character, alone
  kBroken,    // text that begins a token and never ends it; the lexer stops here
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view text;  // as written; of a string, command or code, what is between the marks
  TextPlace place;
  const char* begin = nullptr;  // where it stands in the text, and where the text goes on after it
  const char* end = nullptr;

  bool Is(std::string_view mark_or_word) const {
    return (kind == TokenKind::kMark || kind == TokenKind::kWord) && text == mark_or_word;
  }
  // Nothing, not even a space, stands between this token and `next`.
  bool Touches(const Token& next) const { return end == next.begin; }
  // For messages: "'('", "string \"a\"", "the end of the text".
  std::string Describe() const;
};

// The value of a hexadecimal digit, or -1.
int HexDigitValue(char c);

class Lexer {
 public:
  // `text` must outlive the lexer and its tokens.
  explicit Lexer(std::string_view text) : next_(text.data()), end_(next_ + text.size()) {}

  // The next token. At the end of the text, and after a broken token, always the same.
  Token Next();
  // The next run of letters and digits, whatever it begins with, as a word: bytes in hexadecimal.
  // Anything else as Next().
  Token NextHex();
  // All up to the next white space outside of "..." and `...`, as a word: an option, an address.
  Token NextRaw();
  // The token `token` comes again. REQUIRES: it is from this lexer.
  void Rewind(const Token& token) {
    next_ = token.begin;
    place_ = token.place;
  }

 private:
  void SkipSpace();
  // At an unclosed /* stops in front of it and returns false.
  bool SkipComment();
  void Advance();
  char Peek(size_t ahead = 0) const {
    return static_cast<size_t>(end_ - next_) > ahead ? next_[ahead] : '\0';
  }
  size_t left() const { return static_cast<size_t>(end_ - next_); }
  TokenKind Scan();
  TokenKind ScanNumber();
  TokenKind ScanWord();
  // From the quote that is next to the same one; a broken token without moving if there is none.
  TokenKind ScanQuoted(TokenKind kind, bool may_span_lines);
  TokenKind ScanCode();
  void Advance(size_t count);
  Token Finish(TokenKind kind, const char* begin, TextPlace place);

  const char* next_;
  const char* end_;
  TextPlace place_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_LEXER_H_
