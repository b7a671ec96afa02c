#include "replay/script/syscall_text.h"

#include <optional>
#include <span>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "replay/script/expression_text.h"
#include "replay/script/script.h"
#include "replay/script/symbols.h"
#include "replay/script/syscall_signature.h"

namespace tapedeck {
namespace {

void ParseName(TextParser& parser, SyscallStep& call) {
  const Token name = parser.Take();
  const std::optional<SyscallName> found = FindSyscall(name.text);
  if (found.has_value()) {
    call.name = *found;
  } else {
    parser.FailAt(name.place, absl::StrCat("no system call '", std::string(name.text), "' here"));
  }
}

// Argument `i`, which is refused where it is nothing that the call takes.
void ParseArgument(TextParser& parser, SyscallStep& call) {
  const std::span<const ArgumentKind> signature = SignatureOf(call.name);
  const Token first = parser.Peek();
  const size_t i = call.arguments.size();
  Expression& argument = call.arguments.emplace_back(ParseExpression(parser));
  if (!parser.ok() || i >= signature.size()) return;
  if (IsIntKind(signature[i]) && argument.value > INT32_MAX && argument.value <= UINT32_MAX) {
    argument.value = static_cast<int32_t>(argument.value);
  }
  const std::optional<std::string> expected = WhatIsExpected(signature[i], argument);
  if (!expected.has_value()) return;
  if (first.kind == TokenKind::kMark) {  // of a list or structure the first token says nothing
    parser.FailAt(first.place, absl::StrCat("expected ", *expected));
  } else {
    parser.FailAt(first, *expected);
  }
}

void ParseArguments(TextParser& parser, SyscallStep& call) {
  parser.Expect("(");
  if (!parser.Peek().Is(")")) {
    do {
      ParseArgument(parser, call);
    } while (parser.ok() && parser.TakeIf(","));
  }
  const Token close = parser.Peek();
  if (!parser.TakeIf(")")) parser.FailAt(close, "',' or ')'");
  if (!TakesArguments(call.name, call.arguments.size())) {
    parser.FailAt(close.place,
                  absl::StrCat("expected ", ArgumentCountOf(call.name), " arguments of ",
                               std::string(NameOf(call.name)), ", found ", call.arguments.size()));
  }
}

// "(Resource temporarily unavailable)": what people may write behind a result; it says nothing new.
void SkipNote(TextParser& parser) {
  if (!parser.TakeIf("(")) return;
  while (parser.ok() && !parser.Peek().Is(")") && parser.Peek().kind != TokenKind::kEnd &&
         parser.Peek().kind != TokenKind::kBroken) {
    parser.Take();
  }
  parser.Expect(")");
}

// EAGAIN, or E and a number for an error that has no name here.
int32_t ParseErrno(TextParser& parser) {
  const Token token = parser.Take();
  if (const std::optional<int32_t> named = kErrnoSymbols.Find(token.text); named.has_value()) {
    return *named;
  }
  int32_t number = 0;
  const bool is_number =
      token.text.size() > 1 && token.text[0] == 'E' &&
      absl::SimpleAtoi(absl::string_view(&token.text[1], token.text.size() - 1), &number);
  if (!is_number || number < 1 || number > kErrnoMax) parser.FailAt(token, kErrnoSymbols.what);
  return number;
}

std::string ErrnoText(int32_t number) {
  std::string text = kErrnoSymbols.Print(number);
  return text[0] == 'E' ? text : absl::StrCat("E", text);
}

// "= 3", "= -1 EAGAIN (note)", "= -1", "= ?", "= ...", and of a descriptor "= 3?".
void ParseResult(TextParser& parser, SyscallStep& call) {
  parser.Expect("=");
  const Token first = parser.Peek();
  const Expression result = ParseExpression(parser);
  if (!parser.ok()) return;
  const bool is_any = result.is_ellipsis() || result.kind == Expression::Kind::kAny;
  if (!is_any && !result.is_integer()) parser.FailAt(first, "a number, '?' or '...'");
  if (result.is_integer()) {
    if (result.value < -1) parser.FailAt(first.place, "expected a result from -1 on");
    call.expected = result.value;
    call.expected_text = result.text;
    if (ReturnsFd(call.name)) {
      if (result.value < kFdNone || result.value > kFdMax) {
        parser.FailAt(first, absl::StrCat("a descriptor in ", kFdNone, "..", kFdMax));
        return;
      }
      call.fd = static_cast<int32_t>(result.value);
      if (parser.TakeIf("?")) call.expected.reset();
    }
  }
  if (call.expected == -1 && parser.Peek().kind == TokenKind::kWord) {
    call.expected_errno = ParseErrno(parser);
  }
  SkipNote(parser);
}

std::string ResultText(const SyscallStep& call) {
  if (!call.expected.has_value()) {
    return call.fd == kFdNone ? "?" : absl::StrCat(call.fd, "?");
  }
  const std::string value =
      call.expected_text.empty() ? absl::StrCat(*call.expected) : call.expected_text;
  return call.expected_errno == 0 ? value
                                  : absl::StrCat(value, " ", ErrnoText(call.expected_errno));
}

}  // namespace

void ParseSyscall(TextParser& parser, SyscallStep& call) {
  ParseName(parser, call);
  ParseArguments(parser, call);
  ParseResult(parser, call);
}

void PrintSyscall(std::string& out, const SyscallStep& call) {
  absl::StrAppend(&out, std::string(NameOf(call.name)), "(");
  const std::span<const ArgumentKind> signature = SignatureOf(call.name);
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    if (i != 0) out += ", ";
    PrintExpression(out, call.arguments[i], SymbolsOf(signature[i]));
  }
  absl::StrAppend(&out, ") = ", ResultText(call));
}

}  // namespace tapedeck
