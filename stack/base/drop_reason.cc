#include "stack/base/drop_reason.h"

#include "stack/base/check.h"

namespace tapedeck {

namespace {

struct Entry {
  const char* name;
  const char* text;
};

constexpr Entry kEntries[] = {
#define X(name, sentence) {#name, sentence},
    TAPEDECK_DROP_REASONS(X)
#undef X
};

const Entry& Find(DropReason reason) {
  CHECK_LT(static_cast<int>(reason), kDropReasons);
  return kEntries[static_cast<int>(reason)];
}

}  // namespace

const char* DropReasonName(DropReason reason) { return Find(reason).name; }
const char* DropReasonText(DropReason reason) { return Find(reason).text; }

}  // namespace tapedeck
