#include "stack/core/function_trace.h"

#include <cstddef>

#include "stack/base/check.h"

namespace tapedeck {

const char* PathFunctionName(PathFunction function) {
  static constexpr const char* kNames[] = {
#define X(name) #name,
      TAPEDECK_PATH_FUNCTIONS(X)
#undef X
  };
  CHECK(function < PathFunction::kCount);
  return kNames[static_cast<size_t>(function)];
}

}  // namespace tapedeck
