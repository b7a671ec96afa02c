// The canary that lets the order of pointers reach the trace.
#include <memory>
#include <unordered_set>
#include <vector>

#include "replay/lab/canary.h"
#include "stack/base/trace_event.h"

namespace tapedeck {

void SingCanary(World& world) {
  std::unordered_set<const void*> table;
  std::vector<std::unique_ptr<int>> things;
  for (int i = 0; i < 8; ++i) {
    things.push_back(std::make_unique<int>(i));
    table.insert(things.back().get());
  }
  // Bucket by bucket, as a walk over an open table would go: where a bucket lies is the address's
  // remainder.
  for (size_t bucket = 0; bucket < table.bucket_count(); ++bucket) {
    for (auto thing = table.begin(bucket); thing != table.end(bucket); ++thing) {
      world.Trace({.time = world.now(),
                   .kind = TraceKind::kStateDigest,
                   .args = {static_cast<uint64_t>(*static_cast<const int*>(*thing))}});
    }
  }
}

}  // namespace tapedeck
