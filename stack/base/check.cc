#include "stack/base/check.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

namespace tapedeck {

void CheckFailed(const char* file, int line, const char* text) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, text);
  std::fflush(stderr);
  std::abort();
}

void CheckOpFailed(const char* file, int line, const char* text, int64_t a, int64_t b) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s (%" PRId64 " against %" PRId64 ")\n", file, line,
               text, a, b);
  std::fflush(stderr);
  std::abort();
}

}  // namespace tapedeck
