// What `live` and `replay` have in common: how a live run and the replay of its recording are told.
#ifndef TAPEDECK_TOOLS_RECORDING_H_
#define TAPEDECK_TOOLS_RECORDING_H_

#include <cstdint>
#include <string>

#include "replay/recording/live_run.h"
#include "tools/run_outputs.h"

namespace tapedeck::tools {

// What became of every frame, what the applications have done, and the verdict with the digest.
// `interrupted`: the run is not all that it was to be.
void PrintLiveReport(const LiveReport& report, double wall_s, bool interrupted = false);

struct RecordingFlags {
  int verbose = 0;
  bool json = false;
  uint8_t fill = 0;
  OutputFlags outputs;
};
// Replays the recording `file` and prints what came of it; SIGINT ends it with that. The exit code.
int ReplayRecordingFile(const RecordingFlags& flags, const std::string& file);

}  // namespace tapedeck::tools

#endif  // TAPEDECK_TOOLS_RECORDING_H_
