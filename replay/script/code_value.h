// The values of code between %{ and }%, and what operators make of them.
#ifndef TAPEDECK_REPLAY_SCRIPT_CODE_VALUE_H_
#define TAPEDECK_REPLAY_SCRIPT_CODE_VALUE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

namespace tapedeck {

struct CodeValue {
  struct None {
    friend bool operator==(const None&, const None&) = default;
  };
  using Tuple = std::vector<CodeValue>;
  std::variant<None, int64_t, std::string, Tuple> what;

  bool is_integer() const { return std::holds_alternative<int64_t>(what); }
  // REQUIRES: is_integer().
  int64_t integer() const { return std::get<int64_t>(what); }
  // Python's: not zero, not empty, not None.
  bool IsTrue() const;
  // As print() writes it; strings within a tuple in quotes.
  std::string ToText() const;

  friend bool operator==(const CodeValue&, const CodeValue&) = default;
};

// `a` `op` `b` for all operators of two numbers, `+` of strings and `%` of a format. `/` must come
// out even: there are no fractions. InvalidArgument for a division by zero, a shift by less than 0
// or more than 63, what 64 bits do not hold, and operands of the wrong kind.
absl::StatusOr<CodeValue> ApplyOperator(const CodeValue& a, std::string_view op,
                                        const CodeValue& b);
// -, +, ~ of a number; not of anything.
absl::StatusOr<CodeValue> ApplyOperator(std::string_view op, const CodeValue& a);
// Whether `a` `op` `b` for a comparison. Numbers and strings have an order; all else is equal or
// not.
absl::StatusOr<bool> Compare(const CodeValue& a, std::string_view op, const CodeValue& b);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_CODE_VALUE_H_
