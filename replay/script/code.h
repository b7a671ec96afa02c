// The statements between %{ and }%: what a script asserts about the connection under test, in the
// subset of Python that packetdrill scripts use.
//
//   %{ assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd }%
//   %{ cwnd += 1
//      assert 99000 <= tcpi_rtt <= 101000, 'rtt=%d' % tcpi_rtt }%
//
//   program    = { statement (newline | ;) }             # begins a comment
//   statement  = assert expr [, expr] | name = expr | name op= expr | print ( [exprs] ) | pass |
//   expr expr       = or, and, not, comparisons that chain, | ^ & << >> + - * / // % - + ~, ( ),
//   tuples,
//                integers, strings, True, False, None, names
//
// Numbers are integers of 64 bits; what overflows them is an error. A string may be formatted with
// %d, %s, %u and %x. There are no calls (but print), loops or conditions.
#ifndef TAPEDECK_REPLAY_SCRIPT_CODE_H_
#define TAPEDECK_REPLAY_SCRIPT_CODE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "replay/script/lexer.h"

namespace tapedeck {

// A node of an expression.
struct CodeExpression {
  enum class Kind : uint8_t {
    kInteger,  // `value`
    kString,   // `text`
    kName,     // `text`
    kNone,
    kUnary,       // `text` (-, +, ~, not) of items[0]
    kBinary,      // items[0] `text` items[1]; and, or among them
    kComparison,  // items[0] operators[0] items[1] operators[1] items[2] ...
    kTuple,       // `items`
  };
  Kind kind = Kind::kNone;
  int64_t value = 0;
  std::string text;
  std::vector<CodeExpression> items;
  std::vector<std::string> operators;
  TextPlace place;  // in the script; not content

  friend bool operator==(const CodeExpression& a, const CodeExpression& b) {
    return a.kind == b.kind && a.value == b.value && a.text == b.text && a.items == b.items &&
           a.operators == b.operators;
  }
};

struct CodeStatement {
  enum class Kind : uint8_t {
    kAssert,    // items[0], and for the message items[1]
    kAssign,    // `name` `op` items[0], op being "=", "+=", ...
    kPrint,     // items
    kEvaluate,  // items[0]
  };
  Kind kind = Kind::kEvaluate;
  std::string name;
  std::string op;
  std::vector<CodeExpression> items;
  TextPlace place;  // in the script; not content

  friend bool operator==(const CodeStatement& a, const CodeStatement& b) {
    return a.kind == b.kind && a.name == b.name && a.op == b.op && a.items == b.items;
  }
};

struct CodeStep {
  std::vector<CodeStatement> statements;

  // Whether anything in it reads `name`: the player asks the stack for TCP_INFO, SO_MEMINFO or
  // congestion control details only where they are looked at.
  bool Reads(std::string_view name) const;

  friend bool operator==(const CodeStep&, const CodeStep&) = default;
};

// The value of a name that the script has not assigned: a field of tcp_info (tcpi_rtt), a constant
// (TCPI_OPT_SACK) or whatever else the player knows. None: there is no such name.
using CodeLookup = std::function<std::optional<int64_t>(std::string_view name)>;

// The value of a constant that needs no socket: TCPI_OPT_*, TCP_ESTABLISHED and the other states,
// TCP_CA_Open and the other states of congestion control. For a CodeLookup to fall back on.
std::optional<int64_t> CodeConstant(std::string_view name);

// Runs the code of one script, statement after statement. Names that it assigns stay from one
// CodeStep to the next.
class CodeRunner {
 public:
  // An assertion that fails is FailedPrecondition:
  //   "line 12: assertion failed: tcpi_snd_cwnd == 10 (tcpi_snd_cwnd is 8): message"
  // Anything else that is wrong (a name that is unknown, a division by zero) is InvalidArgument.
  absl::Status Run(const CodeStep& step, const CodeLookup& lookup);

  // What print() wrote so far, a line each.
  const std::string& output() const { return output_; }

 private:
  friend class CodeEvaluator;

  std::map<std::string, int64_t, std::less<>> variables_;
  std::string output_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_CODE_H_
