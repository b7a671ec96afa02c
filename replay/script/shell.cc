#include "replay/script/shell.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tapedeck {
namespace {

// --- $((...)): whole numbers, + - * / and parentheses ---

class Arithmetic {
 public:
  explicit Arithmetic(std::string_view text) : rest_(text) {}

  // None if it is no such expression, or its value needs more than 64 bits.
  std::optional<int64_t> Evaluate() {
    const int64_t value = Sum();
    SkipSpace();
    return failed_ || !rest_.empty() ? std::nullopt : std::optional(value);
  }

 private:
  void SkipSpace() {
    while (!rest_.empty() && rest_[0] == ' ') rest_.remove_prefix(1);
  }
  bool TakeIf(char c) {
    SkipSpace();
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  int64_t Fail() {
    failed_ = true;
    rest_ = {};
    return 0;
  }
  int64_t Sum() {
    int64_t value = Product();
    while (true) {
      if (TakeIf('+')) {
        if (__builtin_add_overflow(value, Product(), &value)) return Fail();
      } else if (TakeIf('-')) {
        if (__builtin_sub_overflow(value, Product(), &value)) return Fail();
      } else {
        return value;
      }
    }
  }
  int64_t Product() {
    int64_t value = Number();
    while (true) {
      if (TakeIf('*')) {
        if (__builtin_mul_overflow(value, Number(), &value)) return Fail();
      } else if (TakeIf('/')) {
        const int64_t divisor = Number();
        if (divisor <= 0) return Fail();
        value /= divisor;
      } else {
        return value;
      }
    }
  }
  int64_t Number() {
    if (++depth_ > 32) return Fail();
    int64_t value = 0;
    if (TakeIf('(')) {
      value = Sum();
      if (!TakeIf(')')) return Fail();
    } else {
      SkipSpace();
      const size_t length = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
      if (length == 0) return Fail();
      for (const char c : rest_.substr(0, length)) {
        if (__builtin_mul_overflow(value, int64_t{10}, &value)) return Fail();
        if (__builtin_add_overflow(value, int64_t{c - '0'}, &value)) return Fail();
      }
      rest_.remove_prefix(length);
    }
    --depth_;
    return value;
  }

  std::string_view rest_;
  size_t depth_ = 0;
  bool failed_ = false;
};

// Where the "))" is that closes what has been opened before `begin`; npos if nowhere.
size_t CloseOf(std::string_view text, size_t begin) {
  size_t depth = 0;
  for (size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] != ')') continue;
    if (depth == 0) return text.substr(i, 2) == "))" ? i : std::string_view::npos;
    --depth;
  }
  return std::string_view::npos;
}

// --- Lists of pipelines ---

constexpr std::string_view kNowhere = "/dev/null";

class ShellParser {
 public:
  ShellParser(std::string_view text, std::vector<ShellPipeline>& pipelines)
      : text_(text), pipelines_(pipelines) {}

  std::optional<ShellError> Parse();

 private:
  bool ok() const { return !error_.has_value(); }
  bool at_end() const { return next_ == text_.size(); }
  char Peek(size_t ahead = 0) const {
    return next_ + ahead < text_.size() ? text_[next_ + ahead] : '\0';
  }
  bool StartsWith(std::string_view mark) const { return text_.substr(next_, mark.size()) == mark; }
  bool TakeIf(std::string_view mark);
  void Fail(size_t offset, std::string message);

  // Blanks, continued lines and comments, but no line ends.
  void SkipBlanks();
  void ParsePipeline(Command::Condition condition);
  // What joins the next pipeline to the one before.
  Command::Condition ParseJoint();
  void ParseCommand(ShellCommand& command);
  bool ParseRedirection(ShellCommand& command);
  std::string ParseWord();
  void ParseQuoted(std::string& word);
  void ParseDollar(std::string& word);
  bool EndsWord() const;

  std::string_view text_;
  std::vector<ShellPipeline>& pipelines_;
  size_t next_ = 0;
  std::optional<ShellError> error_;
};

bool ShellParser::TakeIf(std::string_view mark) {
  if (!StartsWith(mark)) return false;
  next_ += mark.size();
  return true;
}

void ShellParser::Fail(size_t offset, std::string message) {
  if (ok()) error_ = ShellError{offset, std::move(message)};
  next_ = text_.size();
}

void ShellParser::SkipBlanks() {
  while (!at_end()) {
    if (Peek() == '#') {
      next_ = std::min(text_.find('\n', next_), text_.size());
    } else if (Peek() == ' ' || Peek() == '\t' || Peek() == '\r') {
      ++next_;
    } else if (!TakeIf("\\\n")) {
      return;
    }
  }
}

std::optional<ShellError> ShellParser::Parse() {
  Command::Condition condition = Command::Condition::kAlways;
  while (ok()) {
    SkipBlanks();
    if (TakeIf("\n")) continue;
    if (at_end()) break;
    ParsePipeline(condition);
    condition = ParseJoint();
  }
  if (ok() && condition != Command::Condition::kAlways) {
    Fail(text_.size(), "expected a command, found the end of the command line");
  }
  return std::move(error_);
}

Command::Condition ShellParser::ParseJoint() {
  SkipBlanks();
  if (TakeIf("&&")) return Command::Condition::kIfHeld;
  if (TakeIf("||")) return Command::Condition::kIfFailed;
  if (!at_end() && !TakeIf(";") && !TakeIf("\n")) {
    Fail(next_,
         absl::StrCat("expected the end of the command, found '", std::string(1, Peek()), "'"));
  }
  return Command::Condition::kAlways;
}

void ShellParser::ParsePipeline(Command::Condition condition) {
  ShellPipeline pipeline;
  pipeline.condition = condition;
  pipeline.offset = next_;
  do {
    SkipBlanks();
    ParseCommand(pipeline.commands.emplace_back());
  } while (ok() && !StartsWith("||") && TakeIf("|"));
  pipeline.text = text_.substr(pipeline.offset, next_ - pipeline.offset);
  const size_t last = pipeline.text.find_last_not_of(" \t\r\n\\");
  pipeline.text = pipeline.text.substr(0, last + 1);
  if (ok()) pipelines_.push_back(std::move(pipeline));
}

void ShellParser::ParseCommand(ShellCommand& command) {
  const size_t begin = next_;
  SkipBlanks();
  while (ok() && !at_end()) {
    if (!ParseRedirection(command)) {
      if (EndsWord()) break;
      command.words.push_back(ParseWord());
    }
    SkipBlanks();
  }
  if (command.words.empty()) Fail(begin, "expected a command");
}

// "> path", "2> path", "&> path", "2>&1"
bool ShellParser::ParseRedirection(ShellCommand& command) {
  const size_t begin = next_;
  if (TakeIf("2>&1") || TakeIf(">&2")) return true;
  const bool is_errors = TakeIf("2>");
  if (!is_errors && !TakeIf("&>") && !TakeIf(">")) return false;
  SkipBlanks();
  const std::string path = ParseWord();
  if (path == kNowhere) return true;
  if (is_errors || path.empty()) {
    Fail(begin, "expected a redirection to /dev/null or a path");
  }
  command.output_path = path;
  return true;
}

bool ShellParser::EndsWord() const {
  constexpr std::string_view kEnds = " \t\r\n;|&<>()";
  return at_end() || kEnds.find(Peek()) != std::string_view::npos;
}

std::string ShellParser::ParseWord() {
  std::string word;
  while (ok() && !EndsWord()) {
    if (TakeIf("\\\n")) break;
    if (Peek() == '"' || Peek() == '\'') {
      ParseQuoted(word);
    } else if (Peek() == '$') {
      ParseDollar(word);
    } else {
      word += text_[next_++];
    }
  }
  return word;
}

void ShellParser::ParseQuoted(std::string& word) {
  const size_t begin = next_;
  const char quote = text_[next_++];
  while (ok() && !at_end() && Peek() != quote) {
    if (quote == '"' && Peek() == '$') {
      ParseDollar(word);
    } else {
      word += text_[next_++];
    }
  }
  if (ok() && at_end()) Fail(begin, "expected the end of a string");
  if (ok()) ++next_;
}

void ShellParser::ParseDollar(std::string& word) {
  const size_t begin = next_;
  for (const std::string_view name : {"${PPID}", "$PPID"}) {
    if (!TakeIf(name)) continue;
    word += "$PPID";
    return;
  }
  const size_t close = StartsWith("$((") ? CloseOf(text_, next_ + 3) : std::string_view::npos;
  if (close == std::string_view::npos) {
    Fail(begin, "expected $((a number)) or $PPID: there are no other variables here");
    return;
  }
  const std::string_view inner = text_.substr(next_ + 3, close - next_ - 3);
  const std::optional<int64_t> value = Arithmetic(inner).Evaluate();
  if (!value.has_value()) {
    Fail(begin, absl::StrCat("expected numbers with + - * /, found '", std::string(inner), "'"));
    return;
  }
  absl::StrAppend(&word, *value);
  next_ = close + 2;
}

}  // namespace

std::optional<ShellError> ParseShell(std::string_view text, std::vector<ShellPipeline>& pipelines) {
  return ShellParser(text, pipelines).Parse();
}

}  // namespace tapedeck
