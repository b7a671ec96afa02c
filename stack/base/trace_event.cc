#include "stack/base/trace_event.h"

#include "stack/base/check.h"

namespace tapedeck {

namespace {

constexpr TraceKindInfo kInfos[] = {
#define X(name, where, what, a, b, c, d) {#name, where, what, {a, b, c, d}},
    TAPEDECK_TRACE_KINDS(X)
#undef X
};

}  // namespace

const TraceKindInfo& GetTraceKindInfo(TraceKind kind) {
  CHECK_LT(static_cast<int>(kind), static_cast<int>(TraceKind::kCount));
  return kInfos[static_cast<int>(kind)];
}

}  // namespace tapedeck
