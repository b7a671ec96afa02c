// Pictures of a run's present state as text: what the debugger's `show` prints.
#ifndef TAPEDECK_REPLAY_DEBUG_SHOW_H_
#define TAPEDECK_REPLAY_DEBUG_SHOW_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/case/case_run.h"

namespace tapedeck {

// What `show` takes, with a line about each, for help and completion.
struct ShowTopic {
  const char* name;
  const char* about;
};
std::vector<ShowTopic> ShowTopics();

// `what`: a topic, with what follows it ("counters Tcp"), an object ("tcp(3)"), or a field.
// InvalidArgument where it is none of these.
absl::StatusOr<std::string> Show(CaseRun& run, std::string_view what);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_DEBUG_SHOW_H_
