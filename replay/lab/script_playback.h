// One run of a script, a step at a time, on the Lab that it wants: packetdrill's language on a tun
// device, frames and several hosts on NICs.
#ifndef TAPEDECK_REPLAY_LAB_SCRIPT_PLAYBACK_H_
#define TAPEDECK_REPLAY_LAB_SCRIPT_PLAYBACK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "replay/lab/play_settings.h"
#include "replay/lab/playback.h"
#include "replay/lab/script_player.h"
#include "replay/script/options.h"
#include "replay/script/script.h"
#include "replay/trace/recorder.h"
#include "stack/kernel/arena.h"
#include "stack/kernel/cost.h"

namespace tapedeck {

struct ScriptPlaybackOptions {
  std::string name;  // of the script, for messages
  TolerancePolicy tolerance = TolerancePolicy::kExact;
  // Scripts for another IP version are skipped; none: whatever the script says.
  std::optional<IpVersion> ip_version;
  uint64_t seed = 0x5eed0001;
  // Scripts are written for code that costs no time.
  CostTable costs = FreeCostTable();
  // Everything that the script has made must be gone after its end.
  bool check_leftovers = true;
  // What its steps expect counts. Nothing does of scripts in bytes: fuzzers choose results, too.
  bool judged = true;
  // Steps of the main loop before it is cut short (script_player.h). A script that is judged fails
  // then, by WORK:ends; of another the summary says so.
  uint64_t work_max = kScriptWorkMax;
  // On hosts with NICs whatever it holds, and these speak IPv6 too: scripts in bytes.
  bool nics = false;
  // Events are recorded; without, there is no digest.
  bool trace = true;
  PlayHooks hooks;
};

// Nothing of the script has been played then. Its state cannot be copied (Playback::Take).
// `arena` is reset and used. FailedPrecondition: it is to be skipped, and why; InvalidArgument:
// what its options ask for makes no sense. Both begin with its name.
absl::StatusOr<std::unique_ptr<Playback>> OpenScriptPlayback(Script script,
                                                             const ScriptPlaybackOptions& options,
                                                             Arena* arena);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_SCRIPT_PLAYBACK_H_
