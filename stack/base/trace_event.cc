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

void TraceSink::EmitWords(SimTime time, uint64_t head, uint64_t a, uint64_t b, uint64_t c,
                          uint64_t d) {
  Emit({.time = time,
        .kind = static_cast<TraceKind>(head & 0xffff),
        .host = static_cast<uint8_t>(head >> 16),
        .cpu = static_cast<uint8_t>(head >> 24),
        .args = {a, b, c, d}});
}

}  // namespace tapedeck
