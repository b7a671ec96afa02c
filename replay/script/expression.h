// The arguments and results of system calls as packetdrill writes them: numbers and their names,
// strings, lists and structures, nested as the text has them. What a `{...}` means is the business
// of the call that gets it.
#ifndef TAPEDECK_REPLAY_SCRIPT_EXPRESSION_H_
#define TAPEDECK_REPLAY_SCRIPT_EXPRESSION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tapedeck {

// An expression of a system call.
//
//   kind        notation                     what it holds
//   kEllipsis   ...                          nothing: the obvious value, or any
//   kAny        ?                            nothing: any value at all (our own, in results)
//   kInteger    5, 0x1f, A|B, NULL           `value`, and in `text` how it is written
//   kString     "abc" "\x00"                 `text`: the bytes, escapes undone
//   kList       [1, 2]                       `items`
//   kStruct     {fd=3, events=POLLIN}        `items`, each a kField or an expression without a name
//   kField      fd=3, msg_iov(2)=[...]       `text`: the name; items[0]: the value; items[1], if
//                                            there: what stands in the parentheses
//   kFunction   htons(80), inet_addr("::")   `text`: the name; `items`: the arguments
struct Expression {
  enum class Kind : uint8_t {
    kEllipsis,
    kAny,
    kInteger,
    kString,
    kList,
    kStruct,
    kField,
    kFunction,
  };

  Kind kind = Kind::kEllipsis;
  // Names are resolved and `|` is worked out when the text is read: the player sees numbers only.
  int64_t value = 0;
  // Of a kInteger: its spelling, "SOL_TCP" or "0x202". Empty: decimal. Not content.
  std::string text;
  std::vector<Expression> items;

  static Expression Ellipsis() { return {}; }
  static Expression Any() { return {Kind::kAny, 0, {}, {}}; }
  static Expression Integer(int64_t value, std::string spelling = {}) {
    return {Kind::kInteger, value, std::move(spelling), {}};
  }
  static Expression String(std::string bytes) { return {Kind::kString, 0, std::move(bytes), {}}; }
  static Expression List(std::vector<Expression> items) {
    return {Kind::kList, 0, {}, std::move(items)};
  }
  static Expression Struct(std::vector<Expression> items) {
    return {Kind::kStruct, 0, {}, std::move(items)};
  }
  static Expression Field(std::string name, Expression value) {
    return {Kind::kField, 0, std::move(name), {std::move(value)}};
  }
  static Expression Function(std::string name, std::vector<Expression> arguments) {
    return {Kind::kFunction, 0, std::move(name), std::move(arguments)};
  }

  bool is_ellipsis() const { return kind == Kind::kEllipsis; }
  bool is_integer() const { return kind == Kind::kInteger; }
  // NULL is the integer 0, as in C.
  bool is_null() const { return is_integer() && value == 0; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_struct() const { return kind == Kind::kStruct; }

  // Of a kStruct: the field of this name; null if it has none. REQUIRES: is_struct().
  const Expression* FindField(std::string_view name) const;
  // Its value: items[0] of that field.
  const Expression* FindValue(std::string_view name) const;

  friend bool operator==(const Expression& a, const Expression& b) {
    return a.kind == b.kind && a.value == b.value && a.items == b.items &&
           (a.kind == Kind::kInteger || a.text == b.text);
  }
};

// How deep expressions nest at most: a cmsg's data in a cmsg in a list in a msghdr takes 7 levels.
inline constexpr size_t kExpressionDepthMax = 16;

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_EXPRESSION_H_
