#include "replay/script/code.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/script/code_text.h"
#include "replay/script/code_value.h"

namespace tapedeck {
namespace {

using Kind = CodeExpression::Kind;

struct Constant {
  std::string_view name;
  int64_t value;
};
// include/net/tcp_states.h, include/uapi/linux/tcp.h.
constexpr Constant kConstants[] = {
    {"TCP_ESTABLISHED", 1},
    {"TCP_SYN_SENT", 2},
    {"TCP_SYN_RECV", 3},
    {"TCP_FIN_WAIT1", 4},
    {"TCP_FIN_WAIT2", 5},
    {"TCP_TIME_WAIT", 6},
    {"TCP_CLOSE", 7},
    {"TCP_CLOSE_WAIT", 8},
    {"TCP_LAST_ACK", 9},
    {"TCP_LISTEN", 10},
    {"TCP_CLOSING", 11},
    {"TCP_NEW_SYN_RECV", 12},
    {"TCP_CA_Open", 0},
    {"TCP_CA_Disorder", 1},
    {"TCP_CA_CWR", 2},
    {"TCP_CA_Recovery", 3},
    {"TCP_CA_Loss", 4},
    {"TCPI_OPT_TIMESTAMPS", 1},
    {"TCPI_OPT_SACK", 2},
    {"TCPI_OPT_WSCALE", 4},
    {"TCPI_OPT_ECN", 8},
    {"TCPI_OPT_ECN_SEEN", 16},
    {"TCPI_OPT_SYN_DATA", 32},
    {"TCPI_OPT_USEC_TS", 64},
    {"TCPI_OPT_TFO_CHILD", 128},
};

bool Reads(const CodeExpression& expression, std::string_view name) {
  if (expression.kind == Kind::kName && expression.text == name) return true;
  return std::any_of(expression.items.begin(), expression.items.end(),
                     [name](const CodeExpression& item) { return Reads(item, name); });
}

absl::Status At(TextPlace place, const absl::Status& status) {
  return {status.code(), absl::StrCat("line ", place.line, ": ", status.message())};
}

}  // namespace

bool CodeStep::Reads(std::string_view name) const {
  return std::any_of(statements.begin(), statements.end(), [name](const CodeStatement& statement) {
    return std::any_of(statement.items.begin(), statement.items.end(),
                       [name](const CodeExpression& item) { return tapedeck::Reads(item, name); });
  });
}

std::optional<int64_t> CodeConstant(std::string_view name) {
  const Constant* const found =
      std::find_if(std::begin(kConstants), std::end(kConstants),
                   [name](const Constant& constant) { return constant.name == name; });
  return found == std::end(kConstants) ? std::nullopt : std::optional(found->value);
}

// Works out expressions with the names of one runner and one lookup.
class CodeEvaluator {
 public:
  CodeEvaluator(CodeRunner& runner, const CodeLookup& lookup) : runner_(runner), lookup_(lookup) {}

  absl::Status Run(const CodeStatement& statement);

 private:
  absl::Status RunAssert(const CodeStatement& statement);
  absl::Status RunAssign(const CodeStatement& statement);
  absl::Status RunPrint(const CodeStatement& statement);

  absl::StatusOr<CodeValue> Evaluate(const CodeExpression& expression);
  absl::StatusOr<CodeValue> EvaluateBinary(const CodeExpression& expression);
  absl::StatusOr<CodeValue> EvaluateComparison(const CodeExpression& expression);
  absl::StatusOr<CodeValue> EvaluateTuple(const CodeExpression& expression);
  std::optional<int64_t> ValueOf(std::string_view name) const;
  // "tcpi_lost is 3, tcpi_sacked is 2" for the names in `expression` that are no constants.
  void DescribeNames(const CodeExpression& expression, std::string& out) const;

  CodeRunner& runner_;
  const CodeLookup& lookup_;
};

std::optional<int64_t> CodeEvaluator::ValueOf(std::string_view name) const {
  const auto found = runner_.variables_.find(name);
  return found != runner_.variables_.end() ? std::optional(found->second) : lookup_(name);
}

absl::StatusOr<CodeValue> CodeEvaluator::EvaluateBinary(const CodeExpression& expression) {
  absl::StatusOr<CodeValue> left = Evaluate(expression.items[0]);
  if (!left.ok()) return left;
  // As in Python, the value is that of the operand which decides.
  if (expression.text == "and" && !left->IsTrue()) return left;
  if (expression.text == "or" && left->IsTrue()) return left;
  absl::StatusOr<CodeValue> right = Evaluate(expression.items[1]);
  if (!right.ok() || expression.text == "and" || expression.text == "or") return right;
  return ApplyOperator(*left, expression.text, *right);
}

absl::StatusOr<CodeValue> CodeEvaluator::EvaluateComparison(const CodeExpression& expression) {
  absl::StatusOr<CodeValue> left = Evaluate(expression.items[0]);
  for (size_t i = 0; left.ok() && i < expression.operators.size(); ++i) {
    absl::StatusOr<CodeValue> right = Evaluate(expression.items[i + 1]);
    if (!right.ok()) return right;
    const absl::StatusOr<bool> holds = Compare(*left, expression.operators[i], *right);
    if (!holds.ok()) return holds.status();
    if (!*holds) return CodeValue{int64_t{0}};
    left = std::move(right);
  }
  if (!left.ok()) return left;
  return CodeValue{int64_t{1}};
}

absl::StatusOr<CodeValue> CodeEvaluator::EvaluateTuple(const CodeExpression& expression) {
  CodeValue::Tuple tuple;
  for (const CodeExpression& item : expression.items) {
    absl::StatusOr<CodeValue> value = Evaluate(item);
    if (!value.ok()) return value;
    tuple.push_back(*std::move(value));
  }
  return CodeValue{std::move(tuple)};
}

absl::StatusOr<CodeValue> CodeEvaluator::Evaluate(const CodeExpression& expression) {
  switch (expression.kind) {
    case Kind::kInteger:
      return CodeValue{expression.value};
    case Kind::kString:
      return CodeValue{expression.text};
    case Kind::kName: {
      const std::optional<int64_t> value = ValueOf(expression.text);
      if (value.has_value()) return CodeValue{*value};
      return absl::InvalidArgumentError(absl::StrCat("no name '", expression.text, "' here"));
    }
    case Kind::kNone:
      return CodeValue();
    case Kind::kUnary: {
      const absl::StatusOr<CodeValue> operand = Evaluate(expression.items[0]);
      return operand.ok() ? ApplyOperator(expression.text, *operand) : operand;
    }
    case Kind::kBinary:
      return EvaluateBinary(expression);
    case Kind::kComparison:
      return EvaluateComparison(expression);
    case Kind::kTuple:
      break;
  }
  return EvaluateTuple(expression);
}

void CodeEvaluator::DescribeNames(const CodeExpression& expression, std::string& out) const {
  if (expression.kind == Kind::kName && !CodeConstant(expression.text).has_value()) {
    const std::string text =
        absl::StrCat(expression.text, " is ", ValueOf(expression.text).value_or(0));
    if (out.find(text) == std::string::npos) absl::StrAppend(&out, out.empty() ? "" : ", ", text);
  }
  for (const CodeExpression& item : expression.items) DescribeNames(item, out);
}

absl::Status CodeEvaluator::RunAssert(const CodeStatement& statement) {
  const absl::StatusOr<CodeValue> value = Evaluate(statement.items[0]);
  if (!value.ok() || value->IsTrue()) return value.status();
  std::string message = "assertion failed: ";
  PrintCode(message, statement.items[0]);
  std::string names;
  DescribeNames(statement.items[0], names);
  if (!names.empty()) absl::StrAppend(&message, " (", names, ")");
  if (statement.items.size() > 1) {
    const absl::StatusOr<CodeValue> note = Evaluate(statement.items[1]);
    if (!note.ok()) return note.status();
    absl::StrAppend(&message, ": ", note->ToText());
  }
  return absl::FailedPreconditionError(message);
}

absl::Status CodeEvaluator::RunAssign(const CodeStatement& statement) {
  absl::StatusOr<CodeValue> value = Evaluate(statement.items[0]);
  if (value.ok() && statement.op != "=") {
    const std::optional<int64_t> old = ValueOf(statement.name);
    if (!old.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat("no name '", statement.name, "' here"));
    }
    const std::string_view op = std::string_view(statement.op).substr(0, statement.op.size() - 1);
    value = ApplyOperator(CodeValue{*old}, op, *value);
  }
  if (!value.ok()) return value.status();
  if (!value->is_integer()) {
    return absl::InvalidArgumentError(absl::StrCat("'", value->ToText(), "' is no number"));
  }
  runner_.variables_.insert_or_assign(statement.name, value->integer());
  return absl::OkStatus();
}

absl::Status CodeEvaluator::RunPrint(const CodeStatement& statement) {
  std::string line;
  for (const CodeExpression& item : statement.items) {
    const absl::StatusOr<CodeValue> value = Evaluate(item);
    if (!value.ok()) return value.status();
    absl::StrAppend(&line, line.empty() ? "" : " ", value->ToText());
  }
  absl::StrAppend(&runner_.output_, line, "\n");
  return absl::OkStatus();
}

absl::Status CodeEvaluator::Run(const CodeStatement& statement) {
  switch (statement.kind) {
    case CodeStatement::Kind::kAssert:
      return RunAssert(statement);
    case CodeStatement::Kind::kAssign:
      return RunAssign(statement);
    case CodeStatement::Kind::kPrint:
      return RunPrint(statement);
    case CodeStatement::Kind::kEvaluate:
      break;
  }
  return Evaluate(statement.items[0]).status();
}

absl::Status CodeRunner::Run(const CodeStep& step, const CodeLookup& lookup) {
  CodeEvaluator evaluator(*this, lookup);
  for (const CodeStatement& statement : step.statements) {
    const absl::Status status = evaluator.Run(statement);
    if (!status.ok()) return At(statement.place, status);
  }
  return absl::OkStatus();
}

}  // namespace tapedeck
