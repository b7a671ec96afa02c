#include "replay/script/code_text.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/script/characters.h"

namespace tapedeck {
namespace {

using Kind = CodeExpression::Kind;

// --- Tokens: Python's, as far as they are used; a line end is one outside of parentheses ---

enum class CodeTokenKind : uint8_t { kEnd, kNewline, kName, kNumber, kString, kMark, kBroken };

struct CodeToken {
  CodeTokenKind kind = CodeTokenKind::kEnd;
  std::string_view text;  // of a string, what is between the quotes
  TextPlace place;
};

// The longest first.
constexpr std::string_view kMarks[] = {
    "//=", "<<=", ">>=", "**", "//", "<<", ">>", "<=", ">=", "==", "!=", "+=",
    "-=",  "*=",  "/=",  "%=", "&=", "|=", "^=", "<",  ">",  "=",  "+",  "-",
    "*",   "/",   "%",   "&",  "|",  "^",  "~",  "(",  ")",  ",",  ";"};

class CodeLexer {
 public:
  CodeLexer(std::string_view text, TextPlace place) : rest_(text), place_(place) {}

  CodeToken Next();

 private:
  void SkipSpace();
  void Advance(size_t count);
  size_t LengthOfName(size_t from) const;
  CodeToken Take(CodeTokenKind kind, size_t length);
  CodeToken TakeString();

  std::string_view rest_;
  TextPlace place_;
  int parentheses_ = 0;
};

void CodeLexer::Advance(size_t count) {
  for (const char c : rest_.substr(0, count)) {
    if (c == '\n') {
      ++place_.line;
      place_.column = 1;
    } else {
      ++place_.column;
    }
  }
  rest_.remove_prefix(count);
}

void CodeLexer::SkipSpace() {
  while (!rest_.empty()) {
    const char c = rest_[0];
    if (c == '#') {
      Advance(std::min(rest_.find('\n'), rest_.size()));
    } else if (c == '\\' && rest_.size() > 1 && rest_[1] == '\n') {
      Advance(2);  // the line goes on
    } else if (c == ' ' || c == '\t' || c == '\r' || (c == '\n' && parentheses_ > 0)) {
      Advance(1);
    } else {
      return;
    }
  }
}

CodeToken CodeLexer::Take(CodeTokenKind kind, size_t length) {
  CodeToken token = {kind, rest_.substr(0, length), place_};
  if (token.text == "(") ++parentheses_;
  if (token.text == ")") --parentheses_;
  Advance(length);
  return token;
}

CodeToken CodeLexer::TakeString() {
  const size_t close = rest_.find(rest_[0], 1);
  if (close == std::string_view::npos) return Take(CodeTokenKind::kBroken, rest_.size());
  CodeToken token = Take(CodeTokenKind::kString, close + 1);
  token.text = token.text.substr(1, close - 1);
  return token;
}

size_t CodeLexer::LengthOfName(size_t from) const {
  while (from < rest_.size() && IsNamePart(rest_[from])) ++from;
  return from;
}

CodeToken CodeLexer::Next() {
  SkipSpace();
  if (rest_.empty()) return {CodeTokenKind::kEnd, {}, place_};
  const char c = rest_[0];
  if (c == '\n') return Take(CodeTokenKind::kNewline, 1);
  if (IsNameStart(c)) return Take(CodeTokenKind::kName, LengthOfName(0));
  if (IsDigit(c)) return Take(CodeTokenKind::kNumber, LengthOfName(0));
  if (c == '\'' || c == '"') return TakeString();
  for (const std::string_view mark : kMarks) {
    if (rest_.substr(0, mark.size()) == mark) return Take(CodeTokenKind::kMark, mark.size());
  }
  return Take(CodeTokenKind::kBroken, 1);
}

// --- The grammar ---

// Binary operators by how tightly they bind, the loosest first; within a row all the same.
constexpr std::string_view kOrRow[] = {"or"};
constexpr std::string_view kAndRow[] = {"and"};
constexpr std::string_view kBitOrRow[] = {"|"};
constexpr std::string_view kBitXorRow[] = {"^"};
constexpr std::string_view kBitAndRow[] = {"&"};
constexpr std::string_view kShiftRow[] = {"<<", ">>"};
constexpr std::string_view kSumRow[] = {"+", "-"};
constexpr std::string_view kProductRow[] = {"*", "//", "/", "%"};
using Row = std::span<const std::string_view>;
constexpr std::array<Row, 2> kLogicRows = {Row(kOrRow), Row(kAndRow)};
constexpr std::array<Row, 6> kNumberRows = {Row(kBitOrRow), Row(kBitXorRow), Row(kBitAndRow),
                                            Row(kShiftRow), Row(kSumRow),    Row(kProductRow)};
constexpr std::string_view kComparisons[] = {"==", "!=", "<=", ">=", "<", ">"};
constexpr std::string_view kAssignments[] = {
    "=", "+=", "-=", "*=", "//=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="};
// Of operators within each other, however they are written; and of what parsing them takes where
// all have parentheses, as they are printed: an operand's parentheses and a sign are a step each.
constexpr size_t kLevelsMax = 64;
constexpr size_t kDepthMax = 2 * kLevelsMax + 2;

size_t LevelsOf(const CodeExpression& expression) {
  size_t below = 0;
  for (const CodeExpression& item : expression.items) below = std::max(below, LevelsOf(item) + 1);
  return below;
}

bool IsOneOf(const CodeToken& token, Row row) {
  if (token.kind != CodeTokenKind::kMark && token.kind != CodeTokenKind::kName) return false;
  for (const std::string_view text : row) {
    if (token.text == text) return true;
  }
  return false;
}

class CodeParser {
 public:
  CodeParser(TextParser& errors, std::string_view text, TextPlace place)
      : errors_(errors), lexer_(text, place), next_(lexer_.Next()) {}

  void Parse(CodeStep& code);

 private:
  bool Is(std::string_view text) const { return IsOneOf(next_, {&text, 1}); }
  CodeToken Take();
  bool TakeIf(std::string_view text);
  void Fail(std::string_view expected);

  CodeStatement ParseStatement();
  std::vector<CodeExpression> ParseList(std::string_view close);
  CodeExpression ParseExpression();
  CodeExpression ParseLogic(size_t row);
  CodeExpression ParseNot();
  CodeExpression ParseComparison();
  CodeExpression ParseNumber(size_t row);
  CodeExpression ParseUnary();
  CodeExpression ParseAtom();
  CodeExpression ParseParentheses(TextPlace place);
  CodeExpression ParseInteger(const CodeToken& token);

  TextParser& errors_;
  CodeLexer lexer_;
  CodeToken next_;
  size_t depth_ = 0;
};

CodeToken CodeParser::Take() {
  const CodeToken token = next_;
  if (errors_.ok()) next_ = lexer_.Next();
  return token;
}

bool CodeParser::TakeIf(std::string_view text) {
  if (!Is(text)) return false;
  Take();
  return true;
}

void CodeParser::Fail(std::string_view expected) {
  std::string found;
  switch (next_.kind) {
    case CodeTokenKind::kEnd:
      found = "the end of the code";
      break;
    case CodeTokenKind::kNewline:
      found = "the end of the line";
      break;
    default:
      found = absl::StrCat("'", std::string(next_.text), "'");
      break;
  }
  errors_.FailAt(next_.place, absl::StrCat("expected ", std::string(expected), ", found ", found));
  next_ = CodeToken();
}

void CodeParser::Parse(CodeStep& code) {
  while (errors_.ok() && next_.kind != CodeTokenKind::kEnd) {
    if (next_.kind == CodeTokenKind::kNewline || Is(";")) {
      Take();
      continue;
    }
    if (Is("pass")) {
      Take();
    } else {
      code.statements.push_back(ParseStatement());
    }
    const bool ends = next_.kind == CodeTokenKind::kNewline || next_.kind == CodeTokenKind::kEnd;
    if (!ends && !Is(";")) Fail("the end of the statement");
  }
}

CodeStatement CodeParser::ParseStatement() {
  CodeStatement statement;
  statement.place = next_.place;
  if (TakeIf("assert")) {
    statement.kind = CodeStatement::Kind::kAssert;
    statement.items.push_back(ParseExpression());
    if (TakeIf(",")) statement.items.push_back(ParseExpression());
    return statement;
  }
  if (TakeIf("print")) {
    statement.kind = CodeStatement::Kind::kPrint;
    if (!TakeIf("(")) Fail("'('");
    statement.items = ParseList(")");
    return statement;
  }
  CodeExpression first = ParseExpression();
  if (first.kind == Kind::kName && IsOneOf(next_, kAssignments)) {
    statement.kind = CodeStatement::Kind::kAssign;
    statement.name = std::move(first.text);
    statement.op = std::string(Take().text);
    statement.items.push_back(ParseExpression());
    return statement;
  }
  statement.items.push_back(std::move(first));
  return statement;
}

std::vector<CodeExpression> CodeParser::ParseList(std::string_view close) {
  std::vector<CodeExpression> items;
  while (errors_.ok() && !TakeIf(close)) {
    items.push_back(ParseExpression());
    if (TakeIf(",")) continue;
    if (!Is(close)) Fail(absl::StrCat("',' or '", std::string(close), "'"));
  }
  return items;
}

CodeExpression Binary(CodeExpression left, const CodeToken& op, CodeExpression right) {
  CodeExpression out;
  out.kind = Kind::kBinary;
  out.text = std::string(op.text);
  out.place = op.place;
  out.items.push_back(std::move(left));
  out.items.push_back(std::move(right));
  return out;
}

CodeExpression Unary(const CodeToken& op, CodeExpression operand) {
  CodeExpression out;
  out.kind = Kind::kUnary;
  out.text = std::string(op.text);
  out.place = op.place;
  out.items.push_back(std::move(operand));
  return out;
}

CodeExpression CodeParser::ParseExpression() {
  const TextPlace place = next_.place;
  CodeExpression out = ParseLogic(0);
  if (depth_ == 0 && LevelsOf(out) > kLevelsMax) {
    errors_.FailAt(place, "expected fewer operators within each other");
  }
  return out;
}

CodeExpression CodeParser::ParseLogic(size_t row) {
  if (row == kLogicRows.size()) return ParseNot();
  CodeExpression out = ParseLogic(row + 1);
  while (errors_.ok() && IsOneOf(next_, kLogicRows[row])) {
    const CodeToken op = Take();
    out = Binary(std::move(out), op, ParseLogic(row + 1));
  }
  return out;
}

CodeExpression CodeParser::ParseNot() {
  if (++depth_ > kDepthMax) Fail("fewer levels of parentheses");
  const CodeToken first = next_;
  CodeExpression out = TakeIf("not") ? Unary(first, ParseNot()) : ParseComparison();
  --depth_;
  return out;
}

CodeExpression CodeParser::ParseComparison() {
  CodeExpression left = ParseNumber(0);
  if (!IsOneOf(next_, kComparisons)) return left;
  CodeExpression out;
  out.kind = Kind::kComparison;
  out.place = left.place;
  out.items.push_back(std::move(left));
  while (errors_.ok() && IsOneOf(next_, kComparisons)) {
    out.operators.emplace_back(Take().text);
    out.items.push_back(ParseNumber(0));
  }
  return out;
}

CodeExpression CodeParser::ParseNumber(size_t row) {
  if (row == kNumberRows.size()) return ParseUnary();
  CodeExpression out = ParseNumber(row + 1);
  while (errors_.ok() && IsOneOf(next_, kNumberRows[row])) {
    const CodeToken op = Take();
    out = Binary(std::move(out), op, ParseNumber(row + 1));
  }
  return out;
}

CodeExpression CodeParser::ParseUnary() {
  const CodeToken op = next_;
  if (!Is("-") && !Is("+") && !Is("~")) return ParseAtom();
  if (++depth_ > kDepthMax) Fail("fewer signs");
  Take();
  CodeExpression out = Unary(op, ParseUnary());
  --depth_;
  return out;
}

CodeExpression CodeParser::ParseInteger(const CodeToken& token) {
  CodeExpression out;
  out.kind = Kind::kInteger;
  out.place = token.place;
  const std::optional<int64_t> value = ParseWholeNumber(token.text);
  if (!value.has_value()) {
    errors_.FailAt(token.place, absl::StrCat("expected a number of 64 bits, found '",
                                             std::string(token.text), "'"));
  }
  out.value = value.value_or(0);
  return out;
}

CodeExpression CodeParser::ParseParentheses(TextPlace place) {
  CodeExpression out;
  out.kind = Kind::kTuple;
  out.place = place;
  bool is_tuple = Is(")");
  while (errors_.ok() && !TakeIf(")")) {
    out.items.push_back(ParseExpression());
    if (TakeIf(",")) {
      is_tuple = true;
    } else if (!Is(")")) {
      Fail("',' or ')'");
    }
  }
  if (is_tuple || out.items.empty()) return out;
  CodeExpression only = std::move(out.items[0]);
  return only;
}

CodeExpression CodeParser::ParseAtom() {
  if (Is("(")) {
    const TextPlace place = Take().place;
    return ParseParentheses(place);
  }
  CodeExpression out;
  out.place = next_.place;
  if (next_.kind == CodeTokenKind::kNumber) return ParseInteger(Take());
  if (next_.kind == CodeTokenKind::kString) {
    out.kind = Kind::kString;
    out.text = std::string(Take().text);
    return out;
  }
  if (next_.kind != CodeTokenKind::kName || Is("assert") || Is("print")) {
    Fail("an expression");
    return out;
  }
  const CodeToken name = Take();
  if (name.text == "None") return out;
  const bool is_true = name.text == "True";
  if (is_true || name.text == "False") {
    out.kind = Kind::kInteger;
    out.value = is_true ? 1 : 0;
    return out;
  }
  if (Is("(")) Fail("no call: only print() is known");
  out.kind = Kind::kName;
  out.text = std::string(name.text);
  return out;
}

// --- Printing ---

void PrintOperand(std::string& out, const CodeExpression& operand) {
  const bool is_composite = operand.kind == Kind::kUnary || operand.kind == Kind::kBinary ||
                            operand.kind == Kind::kComparison;
  if (is_composite) out += '(';
  PrintCode(out, operand);
  if (is_composite) out += ')';
}

void PrintCodeList(std::string& out, const std::vector<CodeExpression>& items) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i != 0) out += ", ";
    PrintCode(out, items[i]);
  }
}

void PrintComparison(std::string& out, const CodeExpression& comparison) {
  PrintOperand(out, comparison.items[0]);
  for (size_t i = 0; i < comparison.operators.size(); ++i) {
    absl::StrAppend(&out, " ", comparison.operators[i], " ");
    PrintOperand(out, comparison.items[i + 1]);
  }
}

void PrintStatement(std::string& out, const CodeStatement& statement) {
  switch (statement.kind) {
    case CodeStatement::Kind::kAssert:
      out += "assert ";
      break;
    case CodeStatement::Kind::kAssign:
      absl::StrAppend(&out, statement.name, " ", statement.op, " ");
      break;
    case CodeStatement::Kind::kPrint:
      out += "print(";
      break;
    case CodeStatement::Kind::kEvaluate:
      break;
  }
  PrintCodeList(out, statement.items);
  if (statement.kind == CodeStatement::Kind::kPrint) out += ')';
}

}  // namespace

void ParseCode(TextParser& parser, const Token& token, CodeStep& code) {
  TextPlace place = token.place;
  place.column += 2;  // behind the %{
  CodeParser(parser, token.text, place).Parse(code);
}

void PrintCode(std::string& out, const CodeExpression& expression) {
  switch (expression.kind) {
    case Kind::kInteger:
      absl::StrAppend(&out, expression.value);
      return;
    case Kind::kString: {
      const char quote = expression.text.find('\'') == std::string::npos ? '\'' : '"';
      out += quote;
      out += expression.text;
      out += quote;
      return;
    }
    case Kind::kName:
      out += expression.text;
      return;
    case Kind::kNone:
      out += "None";
      return;
    case Kind::kUnary:
      absl::StrAppend(&out, expression.text, expression.text == "not" ? " " : "");
      PrintOperand(out, expression.items[0]);
      return;
    case Kind::kBinary:
      PrintOperand(out, expression.items[0]);
      absl::StrAppend(&out, " ", expression.text, " ");
      PrintOperand(out, expression.items[1]);
      return;
    case Kind::kComparison:
      PrintComparison(out, expression);
      return;
    case Kind::kTuple:
      out += '(';
      PrintCodeList(out, expression.items);
      out += expression.items.size() == 1 ? ",)" : ")";
      return;
  }
}

void PrintCode(std::string& out, const CodeStep& code) {
  out += "%{ ";
  for (size_t i = 0; i < code.statements.size(); ++i) {
    if (i != 0) out += "\n   ";
    PrintStatement(out, code.statements[i]);
  }
  out += " }%";
}

}  // namespace tapedeck
