// CHECK: promises of our own code, on in every build. A failed CHECK prints one stable line and
// aborts. Never CHECK bytes that a peer can send or arguments that a user can pass: those get a
// drop reason or an errno.
#ifndef TAPEDECK_STACK_BASE_CHECK_H_
#define TAPEDECK_STACK_BASE_CHECK_H_

#include <cstdint>

namespace tapedeck {

// Prints "file:line: CHECK failed: text" to stderr and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* text);
// The same with both operands' values.
[[noreturn]] void CheckOpFailed(const char* file, int line, const char* text, int64_t a, int64_t b);

}  // namespace tapedeck

#define CHECK(condition)                        \
  (__builtin_expect(!!(condition), 1) ? (void)0 \
                                      : ::tapedeck::CheckFailed(__FILE__, __LINE__, #condition))

// Operands are evaluated once and must be integers (or enumerations converted by the caller).
#define TAPEDECK_CHECK_OP(a, op, b)                                                            \
  do {                                                                                         \
    const auto check_a = (a);                                                                  \
    const auto check_b = (b);                                                                  \
    if (__builtin_expect(!(check_a op check_b), 0)) {                                          \
      ::tapedeck::CheckOpFailed(__FILE__, __LINE__, #a " " #op " " #b,                         \
                                static_cast<int64_t>(check_a), static_cast<int64_t>(check_b)); \
    }                                                                                          \
  } while (0)
#define CHECK_EQ(a, b) TAPEDECK_CHECK_OP(a, ==, b)
#define CHECK_NE(a, b) TAPEDECK_CHECK_OP(a, !=, b)
#define CHECK_LT(a, b) TAPEDECK_CHECK_OP(a, <, b)
#define CHECK_LE(a, b) TAPEDECK_CHECK_OP(a, <=, b)
#define CHECK_GT(a, b) TAPEDECK_CHECK_OP(a, >, b)
#define CHECK_GE(a, b) TAPEDECK_CHECK_OP(a, >=, b)

#endif  // TAPEDECK_STACK_BASE_CHECK_H_
