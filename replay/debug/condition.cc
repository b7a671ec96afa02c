#include "replay/debug/condition.h"

#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "replay/debug/objects.h"
#include "replay/script/absl_view.h"

namespace tapedeck {

struct Condition::Node {
  enum class Kind : uint8_t { kLiteral, kField, kEvent, kNot, kMinus, kBinary };
  Kind kind = Kind::kLiteral;
  FieldValue literal;
  std::optional<FieldName> field;
  std::string word;  // the event's field, or the operator
  std::unique_ptr<Node> left;
  std::unique_ptr<Node> right;
};

namespace {

using Node = Condition::Node;

bool IsTrue(const FieldValue& value) {
  return value.kind == FieldValue::Kind::kText ? !value.text.empty() : value.number != 0;
}

// -1, 0, 1; nothing where the two cannot be compared.
std::optional<int> Compare(const FieldValue& a, const FieldValue& b) {
  if (!a.present() || !b.present()) return std::nullopt;
  const bool words = a.kind == FieldValue::Kind::kText;
  if (words != (b.kind == FieldValue::Kind::kText)) return std::nullopt;
  if (words) return a.text.compare(b.text);
  if (a.kind == FieldValue::Kind::kSigned || b.kind == FieldValue::Kind::kSigned) {
    return a.as_signed() < b.as_signed() ? -1 : a.as_signed() > b.as_signed() ? 1 : 0;
  }
  return a.number < b.number ? -1 : a.number > b.number ? 1 : 0;
}

FieldValue Compute(const std::string& op, const FieldValue& a, const FieldValue& b) {
  if (!a.present() || !b.present()) return {};
  FieldValue result = ValueOf(int64_t{0});
  if (a.kind == FieldValue::Kind::kTime || b.kind == FieldValue::Kind::kTime) {
    result.kind = FieldValue::Kind::kTime;
  }
  if (op == "+") result.number = a.number + b.number;
  if (op == "-") result.number = a.number - b.number;
  if (op == "*") result.number = a.number * b.number;
  if (op == "/") {
    if (b.number == 0) return {};
    result.number = a.number / b.number;
  }
  return result;
}

FieldValue ApplyOperator(const std::string& op, const FieldValue& a, const FieldValue& b) {
  constexpr std::array<const char*, 6> kComparisons = {"==", "!=", "<", "<=", ">", ">="};
  for (size_t i = 0; i < kComparisons.size(); ++i) {
    if (op != kComparisons[i]) continue;
    const std::optional<int> order = Compare(a, b);
    if (!order.has_value()) return ValueOf(false);
    const std::array<bool, 6> holds = {*order == 0, *order != 0, *order < 0,
                                       *order <= 0, *order > 0,  *order >= 0};
    return ValueOf(holds[i]);
  }
  return Compute(op, a, b);
}

FieldValue OfEvent(const std::string& field, uint64_t number, const TraceEvent* event) {
  if (event == nullptr) return {};
  if (field == "number") return ValueOf(number);
  if (field == "time") return ValueOf(event->time);
  if (field == "host") return ValueOf(event->host);
  if (field == "cpu") return ValueOf(event->cpu);
  const TraceKindInfo& info = GetTraceKindInfo(event->kind);
  if (field == "kind") return ValueOf(info.name + 1);  // kDrop: Drop
  for (size_t i = 0; i < 4; ++i) {
    if (info.arg_names[i] != nullptr && field == info.arg_names[i]) return ValueOf(event->args[i]);
  }
  return {};
}

FieldValue Evaluate(const Node& node, CaseRun& run, uint64_t number, const TraceEvent* event) {
  switch (node.kind) {
    case Node::Kind::kLiteral:
      return node.literal;
    case Node::Kind::kField:
      return node.field->Read(run);
    case Node::Kind::kEvent:
      return OfEvent(node.word, number, event);
    case Node::Kind::kNot:
      return ValueOf(!IsTrue(Evaluate(*node.left, run, number, event)));
    case Node::Kind::kMinus:
      return Compute("-", ValueOf(int64_t{0}), Evaluate(*node.left, run, number, event));
    case Node::Kind::kBinary:
      break;
  }
  FieldValue left = Evaluate(*node.left, run, number, event);
  if (node.word == "&&" && !IsTrue(left)) return ValueOf(false);
  if (node.word == "||" && IsTrue(left)) return ValueOf(true);
  FieldValue right = Evaluate(*node.right, run, number, event);
  if (node.word == "&&" || node.word == "||") return ValueOf(IsTrue(right));
  return ApplyOperator(node.word, left, right);
}

bool IsEventField(std::string_view name) {
  for (const std::string_view known : {"number", "time", "host", "cpu", "kind"}) {
    if (name == known) return true;
  }
  for (int kind = 0; kind < static_cast<int>(TraceKind::kCount); ++kind) {
    for (const char* const argument : GetTraceKindInfo(static_cast<TraceKind>(kind)).arg_names) {
      if (argument != nullptr && *argument != '\0' && name == argument) return true;
    }
  }
  return false;
}

// A number with a unit; nullopt where it is no time.
std::optional<uint64_t> Picoseconds(std::string_view text) {
  struct Unit {
    std::string_view name;
    uint64_t ps;
  };
  constexpr std::array<Unit, 5> kUnits = {{{"ns", 1'000},
                                           {"us", 1'000'000},
                                           {"ms", 1'000'000'000},
                                           {"ps", 1},
                                           {"s", 1'000'000'000'000}}};
  for (const Unit& unit : kUnits) {
    if (text.size() <= unit.name.size() || !text.ends_with(unit.name)) continue;
    text.remove_suffix(unit.name.size());
    uint64_t total = 0;
    uint64_t scale = unit.ps;
    bool fraction = false;
    for (const char c : text) {
      if (c == '.' && !fraction) {
        fraction = true;
      } else if (std::isdigit(static_cast<unsigned char>(c)) == 0) {
        return std::nullopt;
      } else if (fraction) {
        scale /= 10;
        total += scale * static_cast<uint64_t>(c - '0');
      } else {
        total = total * 10 + unit.ps * static_cast<uint64_t>(c - '0');
      }
    }
    return total;
  }
  return std::nullopt;
}

// Recursive descent over the text.
class ConditionParser {
 public:
  ConditionParser(std::string_view text, CaseRun& run) : text_(text), run_(run) {}

  absl::StatusOr<std::unique_ptr<Node>> Parse() {
    absl::StatusOr<std::unique_ptr<Node>> node = Binary(0);
    if (!node.ok()) return node;
    SkipSpace();
    if (at_ < text_.size()) return Wrong("expected an operator or the end");
    return node;
  }

 private:
  static constexpr int kLevels = 5;
  static constexpr std::array<std::array<std::string_view, 6>, kLevels> kOperators = {
      {{"||"}, {"&&"}, {"==", "!=", "<=", ">=", "<", ">"}, {"+", "-"}, {"*", "/"}}};

  absl::Status Wrong(std::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("column ", at_ + 1, ": ", Absl(what)));
  }
  void SkipSpace() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool Take(std::string_view token) {
    SkipSpace();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }

  absl::StatusOr<std::unique_ptr<Node>> Binary(int level) {
    if (level == kLevels) return Unary();
    absl::StatusOr<std::unique_ptr<Node>> left = Binary(level + 1);
    while (left.ok()) {
      const std::string_view* op = nullptr;
      for (const std::string_view& candidate : kOperators[static_cast<size_t>(level)]) {
        if (!candidate.empty() && Take(candidate)) {
          op = &candidate;
          break;
        }
      }
      if (op == nullptr) break;
      absl::StatusOr<std::unique_ptr<Node>> right = Binary(level + 1);
      if (!right.ok()) return right;
      auto node = std::make_unique<Node>();
      node->kind = Node::Kind::kBinary;
      node->word = std::string(*op);
      node->left = *std::move(left);
      node->right = *std::move(right);
      left = std::move(node);
    }
    return left;
  }

  absl::StatusOr<std::unique_ptr<Node>> Unary() {
    const bool negated = Take("!");
    if (!negated && !Take("-")) return Primary();
    absl::StatusOr<std::unique_ptr<Node>> operand = Unary();
    if (!operand.ok()) return operand;
    auto node = std::make_unique<Node>();
    node->kind = negated ? Node::Kind::kNot : Node::Kind::kMinus;
    node->left = *std::move(operand);
    return node;
  }

  absl::StatusOr<std::unique_ptr<Node>> Primary() {
    if (Take("(")) {
      absl::StatusOr<std::unique_ptr<Node>> inner = Binary(0);
      if (inner.ok() && !Take(")")) return Wrong("expected )");
      return inner;
    }
    SkipSpace();
    if (at_ == text_.size()) return Wrong("expected a field, a number or a word");
    const char c = text_[at_];
    if (std::isdigit(static_cast<unsigned char>(c)) != 0) return Number();
    if (c == '"') return Quoted();
    if (std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_') return Name();
    return Wrong("expected a field, a number or a word");
  }

  static std::unique_ptr<Node> Literal(FieldValue value) {
    auto node = std::make_unique<Node>();
    node->literal = std::move(value);
    return node;
  }

  absl::StatusOr<std::unique_ptr<Node>> Number() {
    const size_t start = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '.')) {
      ++at_;
    }
    const std::string_view word = text_.substr(start, at_ - start);
    uint64_t number = 0;
    const bool parsed = word.starts_with("0x") ? absl::SimpleHexAtoi(Absl(word), &number)
                                               : absl::SimpleAtoi(Absl(word), &number);
    if (parsed) return Literal(ValueOf(number));
    const std::optional<uint64_t> ps = Picoseconds(word);
    if (ps.has_value()) return Literal(ValueOf(SimTime{*ps}));
    at_ = start;
    return Wrong("neither a number nor a time (1.5s, 40ms)");
  }

  absl::StatusOr<std::unique_ptr<Node>> Quoted() {
    const size_t end = text_.find('"', at_ + 1);
    if (end == std::string_view::npos) return Wrong("no closing \"");
    std::string text(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return Literal(ValueOf(std::move(text)));
  }

  absl::StatusOr<std::unique_ptr<Node>> Name() {
    const size_t start = at_;
    bool inside = false;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool word = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
      if (!inside && !word && c != '(') break;
      inside = c == '(' || (inside && c != ')');
      ++at_;
    }
    const std::string_view name = text_.substr(start, at_ - start);
    if (name == "true" || name == "false") return Literal(ValueOf(name == "true"));
    if (name.find_first_of("(.") == std::string_view::npos) {
      return Literal(ValueOf(std::string(name)));
    }
    auto node = std::make_unique<Node>();
    if (name.starts_with("event.")) {
      node->kind = Node::Kind::kEvent;
      node->word = std::string(name.substr(6));
      if (IsEventField(node->word)) return node;
      at_ = start;
      return Wrong("no event has such a field");
    }
    absl::StatusOr<FieldName> field = FieldName::Parse(name, run_);
    if (!field.ok()) {
      at_ = start;
      return Wrong(std::string(field.status().message()));
    }
    node->kind = Node::Kind::kField;
    node->field = *std::move(field);
    return node;
  }

  std::string_view text_;
  CaseRun& run_;
  size_t at_ = 0;
};

}  // namespace

Condition::Condition() = default;
Condition::Condition(Condition&&) noexcept = default;
Condition& Condition::operator=(Condition&&) noexcept = default;
Condition::~Condition() = default;

absl::StatusOr<Condition> Condition::Parse(std::string_view text, CaseRun& run) {
  absl::StatusOr<std::unique_ptr<Node>> root = ConditionParser(text, run).Parse();
  if (!root.ok()) return root.status();
  Condition condition;
  condition.text_ = std::string(text);
  condition.root_ = *std::move(root);
  return condition;
}

FieldValue Condition::Value(CaseRun& run, uint64_t number, const TraceEvent* event) const {
  return Evaluate(*root_, run, number, event);
}

bool Condition::Holds(CaseRun& run, uint64_t number, const TraceEvent* event) const {
  return IsTrue(Value(run, number, event));
}

absl::StatusOr<SimTime> ParseSimTime(std::string_view text) {
  const std::optional<uint64_t> ps = Picoseconds(text);
  if (!ps.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat(Absl(text), ": expected a time, such as 1.5s or 40ms"));
  }
  return SimTime{*ps};
}

}  // namespace tapedeck
