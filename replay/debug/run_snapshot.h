// What one run tells another process about an event, for comparison: the events before it, itself,
// and the state right behind it, as a JSON object.
#ifndef TAPEDECK_REPLAY_DEBUG_RUN_SNAPSHOT_H_
#define TAPEDECK_REPLAY_DEBUG_RUN_SNAPSHOT_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/case/case.h"

namespace tapedeck {

struct RunSnapshot {
  uint64_t event = 0;               // 0: the run is equal to its end
  uint64_t events = 0;              // that the run had when it was taken
  std::vector<std::string> before;  // lines of the events ahead, the last one last
  std::string line;                 // of the event; empty: the run is over before it
  // Names to values, right behind the event. Of an event of the Lab's building: once that is done.
  std::map<std::string, std::string> fields;
};

// Plays `what` up to the first event that differs from `links`, or to its end.
absl::StatusOr<RunSnapshot> SnapshotAtDifference(const Case& what, std::span<const uint64_t> links);
// Plays `what` up to `event`.
absl::StatusOr<RunSnapshot> SnapshotAt(const Case& what, uint64_t event);
// The links of all its events.
absl::StatusOr<std::vector<uint64_t>> ChainOf(const Case& what);

std::string ToJson(const RunSnapshot& snapshot);
// InvalidArgument where `text` is none.
absl::StatusOr<RunSnapshot> SnapshotFromJson(const std::string& text);

// Both sides of a difference as text: the events ahead, both events, and the fields that differ.
std::string CompareSnapshots(const RunSnapshot& a, const RunSnapshot& b, const std::string& name_a,
                             const std::string& name_b);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_DEBUG_RUN_SNAPSHOT_H_
