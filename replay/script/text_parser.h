// What the parsers of all statements share: tokens one ahead, errors with their place, numbers,
// symbols, times.
//
// The first error sticks. After it every method returns a zero and takes nothing, so that a parser
// reads like the grammar it stands for and asks ok() only where it would loop or decide.
#ifndef TAPEDECK_REPLAY_SCRIPT_TEXT_PARSER_H_
#define TAPEDECK_REPLAY_SCRIPT_TEXT_PARSER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "replay/script/lexer.h"
#include "replay/script/symbols.h"
#include "stack/base/time.h"

namespace tapedeck {

// The number that `text` is, "12" or "0x1f", up to INT64_MAX; none if it is no number.
std::optional<int64_t> ParseWholeNumber(std::string_view text);

// What TextParser::Time() reads back: "0.25", seconds without zeros that say nothing.
std::string TimeText(Duration time);

class TextParser {
 public:
  // What words stand for (ScriptOptions::defines).
  using Defines = std::map<std::string, std::string, std::less<>>;

  // `text` must outlive the parser. `name` is what messages call it.
  TextParser(std::string_view text, std::string_view name) : lexer_(text), name_(name) {}

  // From the next token on. `defines` must outlive the parser's tokens.
  void set_defines(const Defines* defines) {
    Rewind();
    defines_ = defines;
  }

  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }

  // The next token without taking it; the end after an error.
  const Token& Peek();
  Token Take();
  // The next token if it is this mark or word.
  bool TakeIf(std::string_view mark_or_word);
  // Takes it, or fails.
  void Expect(std::string_view mark_or_word);
  void ExpectEllipsis();

  // A number in [min, max], decimal or hexadecimal, with a minus where `min` allows it. `what` is
  // what a message asks for: "a port".
  int64_t Integer(int64_t min, int64_t max, std::string_view what);
  // Numbers up to 32 bits, signed or not, and symbols of `table`, joined by |.
  int32_t Symbols(const SymbolTable& table);
  std::string_view String(std::string_view what);
  // Seconds, "0.25", or a number and its unit, "250ms"; at most 12 places below the second.
  Duration Time();
  // The next token read as one run of letters and digits, or as a mark.
  const Token& PeekHex();
  Token TakeHex();
  // The next token read as all up to white space.
  Token TakeRaw();

  // "name:line:column: expected what, found token"
  void FailAt(const Token& token, std::string_view expected);
  // "name:line:column: message"
  void FailAt(TextPlace place, std::string_view message);

 private:
  int32_t SymbolTerm(const SymbolTable& table);
  // What the word `token` is defined as, or itself.
  Token Substitute(const Token& token) const;
  // Forgets that the next token is peeked at.
  void Rewind();
  // Picoseconds in `number` units of 10^`digits` ps.
  Duration Scale(const Token& number, unsigned digits);

  Lexer lexer_;
  std::string name_;
  Token ahead_;
  bool has_ahead_ = false;
  const Defines* defines_ = nullptr;
  absl::Status status_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_TEXT_PARSER_H_
