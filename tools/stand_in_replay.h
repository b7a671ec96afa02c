// `tapedeck replay` with state: the stack stands in for a captured host.
#ifndef TAPEDECK_TOOLS_STAND_IN_REPLAY_H_
#define TAPEDECK_TOOLS_STAND_IN_REPLAY_H_

#include <optional>
#include <string>

#include "replay/lab/raw_replay.h"
#include "tools/replay_flags.h"

namespace tapedeck::tools {

// Whether the flags leave it open, or ask for it, and the file can be read so.
bool MayStandIn(const ReplayFlags& flags, const std::string& file);

// Replays the capture or plan `file` and prints; the exit code. Nullopt where there is nothing to
// stand in for and the flags allow another way. Of `options`: the Lab, the host, the filter.
std::optional<int> ReplayStandIn(const ReplayFlags& flags, const std::string& file,
                                 const RawReplayOptions& options);

}  // namespace tapedeck::tools

#endif  // TAPEDECK_TOOLS_STAND_IN_REPLAY_H_
