#include "replay/script/expression_text.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "replay/script/absl_view.h"
#include "stack/base/ip_address.h"

namespace tapedeck {
namespace {

// --- What structures look like ---

struct Shape {
  std::span<const std::string_view> fields;
  size_t required;               // how many of them, from the front
  bool known_by_second = false;  // another one begins as it does
};

constexpr std::string_view kSockaddrFields[] = {"sa_family", "sin_port", "sin_addr"};
constexpr std::string_view kMsghdrFields[] = {"msg_name", "msg_iov", "msg_flags", "msg_control"};
constexpr std::string_view kMmsghdrFields[] = {"msg_hdr", "msg_len"};
constexpr std::string_view kCmsgFields[] = {"cmsg_level", "cmsg_type", "cmsg_data"};
constexpr std::string_view kExtendedErrorFields[] = {"ee_errno", "ee_origin", "ee_type",
                                                     "ee_code",  "ee_info",   "ee_data"};
constexpr std::string_view kTimestampFields[] = {"scm_sec", "scm_nsec"};
constexpr std::string_view kPollfdFields[] = {"fd", "events", "revents"};
constexpr std::string_view kLingerFields[] = {"onoff", "linger"};
constexpr std::string_view kFdSetFields[] = {"fds", "ready"};
constexpr std::string_view kTimespecFields[] = {"tv_sec", "tv_nsec"};
constexpr std::string_view kTimevalFields[] = {"tv_sec", "tv_usec"};
// Of an epoll_event, behind its events.
constexpr std::string_view kEpollDataFields[] = {"fd", "ptr", "u32", "u64"};

constexpr Shape kShapes[] = {
    {kSockaddrFields, 3},       {kMsghdrFields, 3},  {kCmsgFields, 3},    {kExtendedErrorFields, 6},
    {kTimestampFields, 2},      {kPollfdFields, 2},  {kLingerFields, 2},  {kFdSetFields, 1},
    {kTimespecFields, 2, true}, {kTimevalFields, 2}, {kMmsghdrFields, 1},
};

bool IsField(const Expression& item, std::string_view name) {
  return item.kind == Expression::Kind::kField && item.text == name;
}

// --- Parsing ---

// An expression within others. Counts how deep it is.
class ExpressionParser {
 public:
  explicit ExpressionParser(TextParser& parser) : parser_(parser) {}

  // One expression. In a structure it may be a field: "name=value".
  Expression Parse(bool in_struct);

 private:
  Expression ParseWord(bool in_struct);
  Expression ParseField(const Token& name, std::vector<Expression> in_parentheses);
  Expression ParseFunction(const Token& name, std::vector<Expression> arguments);
  Expression ParseString();
  Expression ParseStruct();
  // Numbers and names joined by |, `first` being taken already if it is a word.
  Expression ParseInteger(const Token* first);
  int64_t ParseTerm(const Token* word, std::string& spelling);
  // What stands up to `close`, which is taken.
  std::vector<Expression> ParseItems(std::string_view close, bool in_struct,
                                     std::vector<Token>* begins = nullptr);
  void CheckShape(const std::vector<Expression>& items, const std::vector<Token>& begins);

  TextParser& parser_;
  size_t depth_ = 0;
};

Expression ExpressionParser::Parse(bool in_struct) {
  const Token next = parser_.Peek();
  if (++depth_ > kExpressionDepthMax) parser_.FailAt(next.place, "expressions nest too deep");
  Expression out;
  if (next.kind == TokenKind::kEllipsis) {
    parser_.Take();
  } else if (next.kind == TokenKind::kWord) {
    out = ParseWord(in_struct);
  } else if (next.kind == TokenKind::kNumber || next.Is("-")) {
    out = ParseInteger(nullptr);
  } else if (next.kind == TokenKind::kString) {
    out = ParseString();
  } else if (parser_.TakeIf("[")) {
    out = Expression::List(ParseItems("]", /*in_struct=*/false));
  } else if (parser_.TakeIf("{")) {
    out = ParseStruct();
  } else if (parser_.TakeIf("?")) {
    out = Expression::Any();
  } else {
    parser_.FailAt(next, "an expression");
  }
  --depth_;
  return out;
}

std::vector<Expression> ExpressionParser::ParseItems(std::string_view close, bool in_struct,
                                                     std::vector<Token>* begins) {
  std::vector<Expression> items;
  if (parser_.TakeIf(close)) return items;
  do {
    if (begins != nullptr) begins->push_back(parser_.Peek());
    items.push_back(Parse(in_struct));
  } while (parser_.ok() && parser_.TakeIf(","));
  if (!parser_.TakeIf(close)) {
    parser_.FailAt(parser_.Peek(), absl::StrCat("',' or '", Absl(close), "'"));
  }
  return items;
}

Expression ExpressionParser::ParseStruct() {
  std::vector<Token> begins;
  std::vector<Expression> items = ParseItems("}", /*in_struct=*/true, &begins);
  if (parser_.ok()) CheckShape(items, begins);
  return Expression::Struct(std::move(items));
}

void ExpressionParser::CheckShape(const std::vector<Expression>& items,
                                  const std::vector<Token>& begins) {
  if (items.empty()) return;
  const auto expect_field = [&](size_t i, std::string_view name) {
    if (i < items.size() && IsField(items[i], name)) return;
    parser_.FailAt(begins[std::min(i, items.size() - 1)].place,
                   absl::StrCat("expected '", Absl(name), "=' as field ", i + 1, " of a structure",
                                " that begins with '", items[0].text, "='"));
  };
  for (const Shape& shape : kShapes) {
    if (!IsField(items[0], shape.fields[0])) continue;
    if (shape.known_by_second && !(items.size() > 1 && IsField(items[1], shape.fields[1])))
      continue;
    const size_t fields = std::max(items.size(), shape.required);
    if (fields > shape.fields.size()) {
      parser_.FailAt(begins[shape.fields.size()], "'}'");
      return;
    }
    for (size_t i = 1; i < fields; ++i) expect_field(i, shape.fields[i]);
    return;
  }
  if (IsField(items[0], "events")) {
    const bool fits =
        items.size() == 2 && std::any_of(std::begin(kEpollDataFields), std::end(kEpollDataFields),
                                         [&](auto name) { return IsField(items[1], name); });
    if (!fits) parser_.FailAt(begins.back(), "'fd=', 'ptr=', 'u32=' or 'u64=' and '}'");
    return;
  }
  for (size_t i = 0; i < items.size(); ++i) {
    const bool is_named = items[i].kind == Expression::Kind::kField;
    if (is_named && !FindSymbol(items[i].text).has_value()) {
      parser_.FailAt(begins[i], "a field of a structure");
    }
  }
}

Expression ExpressionParser::ParseWord(bool in_struct) {
  const Token word = parser_.Take();
  std::vector<Expression> in_parentheses;
  const bool has_parentheses = parser_.TakeIf("(");
  if (has_parentheses) in_parentheses = ParseItems(")", /*in_struct=*/false);
  if (in_struct && parser_.TakeIf("=")) return ParseField(word, std::move(in_parentheses));
  if (has_parentheses) return ParseFunction(word, std::move(in_parentheses));
  return ParseInteger(&word);
}

Expression ExpressionParser::ParseField(const Token& name, std::vector<Expression> in_parentheses) {
  if (in_parentheses.size() > 1) parser_.FailAt(name.place, "one value belongs in the parentheses");
  Expression field = Expression::Field(std::string(name.text), Parse(/*in_struct=*/false));
  if (!in_parentheses.empty()) field.items.push_back(std::move(in_parentheses[0]));
  return field;
}

// htons(port), inet_addr("address") of either family, inet6_addr("address").
Expression ExpressionParser::ParseFunction(const Token& name, std::vector<Expression> arguments) {
  if (!parser_.ok()) return {};
  const bool is_port = name.text == "htons";
  const bool is_address = name.text == "inet_addr" || name.text == "inet6_addr";
  if (!is_port && !is_address) parser_.FailAt(name, "htons, inet_addr or inet6_addr");
  const bool fits =
      arguments.size() == 1 && (is_port ? arguments[0].is_integer() && arguments[0].value >= 0 &&
                                              arguments[0].value <= UINT16_MAX
                                        : arguments[0].kind == Expression::Kind::kString &&
                                              IpAddress::Parse(arguments[0].text).has_value());
  if (!fits) {
    parser_.FailAt(name.place,
                   absl::StrCat("expected ", is_port ? "a port" : "an IP address in quotes", " in ",
                                Absl(name.text), "()"));
  }
  return Expression::Function(std::string(name.text), std::move(arguments));
}

int64_t ExpressionParser::ParseTerm(const Token* word, std::string& spelling) {
  const Token token = word != nullptr ? *word : parser_.Peek();
  if (token.kind != TokenKind::kWord) {
    const bool is_negative = token.Is("-");
    const int64_t value = parser_.Integer(INT64_MIN, INT64_MAX, "a number of 64 bits");
    const bool is_hex = token.text.size() > 1 && (token.text[1] | 0x20) == 'x';
    spelling += is_negative || !is_hex ? absl::StrCat(value) : std::string(token.text);
    return value;
  }
  if (word == nullptr) parser_.Take();
  const std::optional<int64_t> value = FindSymbol(token.text);
  if (!value.has_value()) parser_.FailAt(token, "a number or the name of one");
  spelling += token.text;
  return value.value_or(0);
}

Expression ExpressionParser::ParseInteger(const Token* first) {
  const bool is_decimal = first == nullptr;
  Expression out = Expression::Integer(0);
  out.value = ParseTerm(first, out.text);
  bool is_joined = false;
  while (parser_.ok() && parser_.TakeIf("|")) {
    is_joined = true;
    out.text += '|';
    out.value |= ParseTerm(nullptr, out.text);
  }
  const bool is_hex = out.text.size() > 1 && (out.text[1] | 0x20) == 'x';
  if (is_decimal && !is_joined && !is_hex) out.text.clear();
  return out;
}

// The character that stands behind a backslash at `i`, and moves `i` behind it.
char TakeEscape(std::string_view text, size_t& i) {
  constexpr std::string_view kLetters = "abfnrtv0";
  constexpr std::string_view kMeanings("\a\b\f\n\r\t\v\0", 8);
  const char c = text[i++];
  if (const size_t letter = kLetters.find(c); letter != std::string_view::npos) {
    return kMeanings[letter];
  }
  if (c != 'x') return c;
  int value = 0;
  for (int digits = 0; digits < 2 && i < text.size() && HexDigitValue(text[i]) >= 0; ++digits) {
    value = value * 16 + HexDigitValue(text[i++]);
  }
  return static_cast<char>(value);
}

std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i++];
    out += c == '\\' && i < text.size() ? TakeEscape(text, i) : c;
  }
  return out;
}

// Strings beside each other are one.
Expression ExpressionParser::ParseString() {
  Expression out = Expression::String({});
  while (parser_.ok() && parser_.Peek().kind == TokenKind::kString) {
    out.text += Unescape(parser_.Take().text);
  }
  return out;
}

// --- Printing ---

std::string QuotedText(std::string_view bytes) {
  std::string out = "\"";
  for (const char c : bytes) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c >= ' ' && c <= '~') {
      out += c;
    } else {
      absl::StrAppend(&out, "\\x", absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad2));
    }
  }
  return out += '"';
}

std::string IntegerText(const Expression& expression, const SymbolTable* symbols) {
  if (!expression.text.empty()) return expression.text;
  const int64_t value = expression.value;
  if (symbols == nullptr || value < INT32_MIN || value > INT32_MAX) return absl::StrCat(value);
  return symbols->Print(static_cast<int32_t>(value));
}

void PrintItems(std::string& out, const std::vector<Expression>& items,
                const SymbolTable* symbols) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i != 0) out += ", ";
    PrintExpression(out, items[i], symbols);
  }
}

void PrintField(std::string& out, const Expression& field, const SymbolTable* symbols) {
  const bool are_events = field.text == "events" || field.text == "revents";
  out += field.text;
  if (field.items.size() > 1) {
    out += '(';
    PrintExpression(out, field.items[1]);
    out += ')';
  }
  out += '=';
  const SymbolTable* const families = field.text == "sa_family" ? &kDomainSymbols : nullptr;
  PrintExpression(out, field.items[0], are_events ? symbols : families);
}

}  // namespace

Expression ParseExpression(TextParser& parser) {
  return ExpressionParser(parser).Parse(/*in_struct=*/false);
}

void PrintExpression(std::string& out, const Expression& expression, const SymbolTable* symbols) {
  switch (expression.kind) {
    case Expression::Kind::kEllipsis:
      out += "...";
      return;
    case Expression::Kind::kAny:
      out += '?';
      return;
    case Expression::Kind::kInteger:
      out += IntegerText(expression, symbols);
      return;
    case Expression::Kind::kString:
      out += QuotedText(expression.text);
      return;
    case Expression::Kind::kList:
      out += '[';
      PrintItems(out, expression.items, symbols);
      out += ']';
      return;
    case Expression::Kind::kStruct:
      out += '{';
      PrintItems(out, expression.items, symbols);
      out += '}';
      return;
    case Expression::Kind::kField:
      PrintField(out, expression, symbols);
      return;
    case Expression::Kind::kFunction:
      absl::StrAppend(&out, expression.text, "(");
      PrintItems(out, expression.items, nullptr);
      out += ')';
      return;
  }
}

}  // namespace tapedeck
