#include "replay/script/code_value.h"

#include <compare>
#include <optional>

#include "absl/strings/str_cat.h"
#include "replay/script/absl_view.h"

namespace tapedeck {
namespace {

// Python's // and %, which round down. REQUIRES: b is not 0, and a / b does not overflow.
int64_t FloorDivide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

absl::StatusOr<int64_t> Divide(int64_t a, std::string_view op, int64_t b) {
  if (b == 0) return Invalid("division by zero");
  if (a == INT64_MIN && b == -1) return Invalid("a number beyond 64 bits");
  if (op == "//") return FloorDivide(a, b);
  if (op == "%") return a - FloorDivide(a, b) * b;
  if (a % b != 0) return Invalid(absl::StrCat(a, " / ", b, " is no whole number; // rounds down"));
  return a / b;
}

absl::StatusOr<int64_t> Shift(int64_t a, std::string_view op, int64_t b) {
  if (b < 0 || b > 63) return Invalid(absl::StrCat("a shift by ", b));
  if (op == ">>") return a >> b;
  int64_t out = 0;
  if (b > 62 || __builtin_mul_overflow(a, int64_t{1} << b, &out)) {
    return Invalid("a number beyond 64 bits");
  }
  return out;
}

absl::StatusOr<int64_t> Calculate(int64_t a, std::string_view op, int64_t b) {
  if (op == "|") return a | b;
  if (op == "&") return a & b;
  if (op == "^") return a ^ b;
  if (op == "<<" || op == ">>") return Shift(a, op, b);
  if (op == "/" || op == "//" || op == "%") return Divide(a, op, b);
  int64_t out = 0;
  const bool overflows = op == "+"   ? __builtin_add_overflow(a, b, &out)
                         : op == "-" ? __builtin_sub_overflow(a, b, &out)
                                     : __builtin_mul_overflow(a, b, &out);
  if (overflows) return Invalid("a number beyond 64 bits");
  return out;
}

// One conversion of a format, of the value it stands for.
absl::StatusOr<std::string> Convert(char conversion, const CodeValue& value) {
  if (conversion == 's') return value.ToText();
  if (conversion != 'd' && conversion != 'u' && conversion != 'x') {
    return Invalid(absl::StrCat("no conversion '%", std::string(1, conversion),
                                "': %d, %u, %x and %s are known"));
  }
  if (!value.is_integer()) return Invalid(absl::StrCat(value.ToText(), " is no number"));
  if (conversion != 'x') return absl::StrCat(value.integer());
  const int64_t number = value.integer();
  const uint64_t magnitude =
      number < 0 ? ~static_cast<uint64_t>(number) + 1 : static_cast<uint64_t>(number);
  return absl::StrCat(number < 0 ? "-" : "", absl::Hex(magnitude));
}

// 'cwnd=%d' % tcpi_snd_cwnd; of several values a tuple.
absl::StatusOr<CodeValue> Format(std::string_view format, const CodeValue& values) {
  const auto* const tuple = std::get_if<CodeValue::Tuple>(&values.what);
  const size_t count = tuple == nullptr ? 1 : tuple->size();
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out += format[i];
      continue;
    }
    if (format[++i] == '%') {
      out += '%';
      continue;
    }
    if (next == count) return Invalid("more conversions than values in a format");
    absl::StatusOr<std::string> text =
        Convert(format[i], tuple == nullptr ? values : (*tuple)[next]);
    if (!text.ok()) return text.status();
    ++next;
    out += *text;
  }
  if (next != count) return Invalid("more values than conversions in a format");
  return CodeValue{std::move(out)};
}

template <typename T>
bool Holds(const T& a, std::string_view op, const T& b) {
  if (op == "<") return a < b;
  if (op == "<=") return a <= b;
  if (op == ">") return a > b;
  return a >= b;
}

}  // namespace

bool CodeValue::IsTrue() const {
  if (is_integer()) return integer() != 0;
  if (const auto* const text = std::get_if<std::string>(&what)) return !text->empty();
  const auto* const tuple = std::get_if<Tuple>(&what);
  return tuple != nullptr && !tuple->empty();
}

std::string CodeValue::ToText() const {
  if (is_integer()) return absl::StrCat(integer());
  if (const auto* const text = std::get_if<std::string>(&what)) return *text;
  const auto* const tuple = std::get_if<Tuple>(&what);
  if (tuple == nullptr) return "None";
  std::string out = "(";
  for (const CodeValue& item : *tuple) {
    if (out.size() > 1) out += ", ";
    const bool is_text = std::holds_alternative<std::string>(item.what);
    out += is_text ? absl::StrCat("'", item.ToText(), "'") : item.ToText();
  }
  return out += tuple->size() == 1 ? ",)" : ")";
}

absl::StatusOr<CodeValue> ApplyOperator(const CodeValue& a, std::string_view op,
                                        const CodeValue& b) {
  if (const auto* const text = std::get_if<std::string>(&a.what)) {
    if (op == "%") return Format(*text, b);
    const auto* const other = std::get_if<std::string>(&b.what);
    if (op == "+" && other != nullptr) return CodeValue{*text + *other};
  }
  if (!a.is_integer() || !b.is_integer()) {
    return Invalid(absl::StrCat("'", std::string(op), "' of ", a.ToText(), " and ", b.ToText()));
  }
  const absl::StatusOr<int64_t> out = Calculate(a.integer(), op, b.integer());
  if (!out.ok()) return out.status();
  return CodeValue{*out};
}

absl::StatusOr<CodeValue> ApplyOperator(std::string_view op, const CodeValue& a) {
  if (op == "not") return CodeValue{int64_t{a.IsTrue() ? 0 : 1}};
  if (!a.is_integer()) return Invalid(absl::StrCat("'", std::string(op), "' of ", a.ToText()));
  if (op == "~") return CodeValue{~a.integer()};
  if (op == "+") return a;
  if (a.integer() == INT64_MIN) return Invalid("a number beyond 64 bits");
  return CodeValue{-a.integer()};
}

absl::StatusOr<bool> Compare(const CodeValue& a, std::string_view op, const CodeValue& b) {
  if (op == "==") return a == b;
  if (op == "!=") return !(a == b);
  if (a.is_integer() && b.is_integer()) return Holds(a.integer(), op, b.integer());
  const auto* const text = std::get_if<std::string>(&a.what);
  const auto* const other = std::get_if<std::string>(&b.what);
  if (text != nullptr && other != nullptr) return Holds(*text, op, *other);
  return Invalid(absl::StrCat("'", std::string(op), "' of ", a.ToText(), " and ", b.ToText()));
}

}  // namespace tapedeck
